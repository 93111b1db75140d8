-- The pipes of a task's child: child.stdin, child.stdout, child.stderr.
--
-- Bytes are fetched when a task wants some and none are here; what nobody reads stays in the pipe. One task
-- at a time uses a stream.

local failure <const> = require "ward.script.failure"
local handle <const> = require "ward.script.handle"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_LINE <const> = 1 << 20 -- bytes; a longer line comes in pieces
local MAX_ALL <const> = 16 << 20 -- bytes that read("a") takes

--- A stream of a child that was just launched.
---@param class table as of M.class
---@param child table
---@param side "stdin"|"stdout"|"stderr"
function M.new(class, child, side)
  return setmetatable({ class = class, child = child, side = side, data = "", at = 1 }, class[side])
end

-- What was asked for has come, or never will.
local function answered(stream)
  stream.asked = false
  local task <const> = stream.task
  stream.task = nil
  if task then stream.class.scheduler:wake(task) end
end

--- Bytes have come: "" is the end, nil an error.
function M.read(stream, bytes, err)
  if not bytes or bytes == "" then
    stream.over, stream.err = true, err
  elseif stream.at > #stream.data then
    stream.data, stream.at = bytes, 1
  else
    stream.data, stream.at = stream.data:sub(stream.at) .. bytes, 1
  end
  answered(stream)
end

--- A write is done.
function M.wrote(stream, ok, err)
  stream.ok, stream.err = ok, err
  answered(stream)
end

-- Waits for the answer to what the other side was asked. It may have been asked by a task that was cancelled.
local function wait(class, stream, at, what)
  stream.task = class.scheduler.current
  class.scheduler:park(at, what)
end

local function need_stream(stream, at, what)
  if getmetatable(stream) == "stream" then return end
  error(handle.misuse(at, what, what:find("write", 1, true) and "p.stdin" or "p.stdout"), 0)
end

local function ready(class, stream, at, what)
  need_stream(stream, at, what)
  class.scheduler:need(at, what)
  if stream.task and stream.task.state ~= "done" then
    error(("%s: %s: another task is using this stream"):format(at, what), 0)
  end
end

local function close(class, stream)
  if stream.closed then return end
  stream.closed = true
  class.request("close", stream.child.id, stream.side)
  answered(stream)
  class.closed(stream.child)
end

-- Fetches more. Returns whether there is more; at the end the pipe is closed.
local function fetch(class, stream, at, what)
  if stream.over or stream.closed then return false end
  class.scheduler:may_wait(at, what)
  if not stream.asked then
    local ok <const>, err <const> = class.request("read", stream.child.id, stream.side)
    if not ok then stream.over, stream.err = true, err end
    stream.asked = ok
  end
  if stream.asked then wait(class, stream, at, what) end
  if stream.over then close(class, stream) end
  return not stream.over and not stream.closed
end

local function take(stream, n)
  local from <const> = stream.at
  stream.at = math.min(from + n, #stream.data + 1)
  return stream.data:sub(from, stream.at - 1)
end

local function available(stream) return #stream.data - stream.at + 1 end

-- nil, and an error that has what was read until then.
local function cut_short(text, code, message)
  local _, err <const> = failure.of(code, message)
  err.data = text
  return nil, err
end

-- The end: nil, or nil and why the bytes ended early.
local function ended(stream)
  if stream.err then return failure.from(stream.err) end
  return nil
end

local function read_line(class, stream, at, what)
  local from = stream.at
  while true do
    local newline <const> = stream.data:find("\n", from, true)
    if newline then
      local line <const> = stream.data:sub(stream.at, newline - 1)
      stream.at = newline + 1
      return line
    elseif available(stream) >= MAX_LINE then
      return take(stream, MAX_LINE)
    end
    local seen <const> = available(stream)
    if not fetch(class, stream, at, what) then
      if available(stream) > 0 then return take(stream, available(stream)) end
      return ended(stream)
    end
    from = stream.at + seen
  end
end

-- Adds to a list whose strings get shorter, as in a binary counter: joined two by two, they need less memory at the
-- end than table.concat, which builds in a buffer of up to twice the size.
local function add(parts, text)
  while #parts > 0 and #parts[#parts] <= #text do text = table.remove(parts) .. text end
  parts[#parts + 1] = text
end

local function joined(parts)
  local text = ""
  while #parts > 0 do text = table.remove(parts) .. text end
  return text
end

local function read_all(class, stream, at, what)
  local parts, size = { take(stream, available(stream)) }, 0
  while fetch(class, stream, at, what) do
    local text <const> = take(stream, available(stream))
    add(parts, text)
    size = size + #text
    if size > MAX_ALL then
      return cut_short(joined(parts), "too_large", "the child has written more than 16 MiB")
    end
  end
  local text <const> = joined(parts)
  if not stream.err then return text end
  local _, err <const> = failure.from(stream.err)
  err.data = text
  return nil, err
end

local function read_bytes(class, stream, at, what, n)
  while available(stream) < n and fetch(class, stream, at, what) do end
  if available(stream) == 0 then return ended(stream) end
  return take(stream, n)
end

local function read(class, stream, at, format)
  local what <const> = "stream:read"
  ready(class, stream, at, what)
  if stream.shut then return failure.of("closed", "the stream is closed") end
  if format == nil then
    if available(stream) == 0 and not fetch(class, stream, at, what) then return ended(stream) end
    return take(stream, available(stream))
  elseif format == "l" then
    return read_line(class, stream, at, what)
  elseif format == "a" then
    return read_all(class, stream, at, what)
  elseif type(format) == "string" then
    error(('%s: %s: must be "l", "a" or a number of bytes, got %s'):format(at, what, value.describe(format)), 0)
  end
  return read_bytes(class, stream, at, what, tasks.argument(at, what, value.integer, "the number of bytes", format, 1,
    MAX_ALL))
end

local function write(class, stream, at, bytes)
  local what <const> = "stream:write"
  ready(class, stream, at, what)
  if type(bytes) == "number" then bytes = tostring(bytes) end
  if type(bytes) ~= "string" then
    error(("%s: %s: must be a string, got %s"):format(at, what, value.describe(bytes)), 0)
  end
  class.scheduler:may_wait(at, what)
  while stream.asked do wait(class, stream, at, what) end
  if stream.closed then return failure.of("closed", "the stream is closed") end
  local ok <const>, err <const> = class.request("write", stream.child.id, bytes)
  if not ok then return failure.from(err) end
  stream.asked = true
  wait(class, stream, at, what)
  if stream.closed then return failure.of("closed", "the stream is closed") end
  if not stream.ok then return failure.from(stream.err) end
  return true
end

--- The metatables of streams, by side.
---@param class table scheduler, request, located; closed: fn(child), told when a stream is closed
function M.class(class)
  local located <const> = class.located
  local closing <const> = located(function(at, stream)
    need_stream(stream, at, "stream:close")
    stream.shut = true -- by the script: that is no end of what the child says
    close(class, stream)
  end)
  local reading <const> = {
    read = located(function(at, stream, format) return read(class, stream, at, format) end),
    lines = located(function(at, stream)
      ready(class, stream, at, "stream:lines")
      return located(function(place)
        ready(class, stream, place, "stream:lines")
        if stream.shut then return failure.of("closed", "the stream is closed") end
        return read_line(class, stream, place, "stream:lines")
      end)
    end),
    close = closing,
  }
  local writing <const> = {
    write = located(function(at, stream, bytes) return write(class, stream, at, bytes) end),
    close = closing,
  }
  class.stdin = { __index = writing, __close = closing, __metatable = "stream", __name = "stream" }
  class.stdout = { __index = reading, __close = closing, __metatable = "stream", __name = "stream" }
  class.stderr = class.stdout
  return class
end

return M
