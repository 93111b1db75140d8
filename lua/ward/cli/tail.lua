-- The end of a file, and what is added to it: tail(1) and tail -F, without reading the whole file.

local core <const> = require("ward.core")

local M <const> = {}

local BLOCK <const> = 65536
local POLL_SECONDS <const> = 0.1

-- Reads exactly `size` bytes at `pos`; fewer when the file has become shorter.
local function read_at(file, pos, size)
  local ok, err = file:seek(pos)
  if not ok then
    return nil, err
  end
  local parts = {}
  while size > 0 do
    local part
    part, err = file:read(size)
    if not part then
      return nil, err
    elseif part == "" then
      break
    end
    parts[#parts + 1] = part
    size = size - #part
  end
  return table.concat(parts)
end

--- Where the last `lines` lines of a file begin. Reads backwards in blocks.
---@param file userdata
---@param size integer
---@param lines integer
---@return integer? position
---@return table? err
function M.start_of(file, size, lines)
  if lines == 0 then
    return size
  end
  local pos, newlines = size, 0
  while pos > 0 do
    local from = math.max(0, pos - BLOCK)
    local block, err = read_at(file, from, pos - from)
    if not block then
      return nil, err
    end
    local at = #block
    if pos == size and block:byte(at) == 10 then
      at = at - 1 -- the end of the last line, not a line after it
    end
    while at > 0 do
      if block:byte(at) == 10 then
        newlines = newlines + 1
        if newlines == lines then
          return from + at
        end
      end
      at = at - 1
    end
    pos = from
  end
  return 0
end

-- Copies what is there from the file's position. Returns how much; nil and an error; or nil when nobody reads.
local function copy(file, put)
  local copied = 0
  while true do
    local bytes, err = file:read(BLOCK)
    if not bytes then
      return nil, err
    elseif bytes == "" then
      return copied
    elseif not put(bytes) then
      return nil
    end
    copied = copied + #bytes
  end
end

-- Follows a path for ever: more bytes, a truncated file (again from its start), another file of the same name.
local function follow(path, file, pos, put)
  while true do
    local copied, err = copy(file, put)
    if not copied then
      return err == nil, err
    end
    pos = pos + copied
    local own, there = file:stat(), core.stat(path)
    if own and own.size < pos then
      pos = 0
      file:seek(0)
    elseif copied == 0 and there and own and (there.ino ~= own.ino or there.dev ~= own.dev) then
      local replaced = core.open(path)
      if replaced then
        copy(file, put) -- what came into the old file since it was read
        file:close()
        file, pos = replaced, 0
      end
    elseif copied == 0 then
      core.sleep(POLL_SECONDS)
    end
  end
end

--- Prints the last lines of a file.
---@param path string
---@param lines integer
---@param following boolean?
---@param put fun(bytes: string): boolean takes output; false ends it quietly
---@return boolean? ok
---@return table? err
function M.print(path, lines, following, put)
  local file, err = core.open(path)
  if not file then
    return nil, err
  end
  local stat, start, ok
  stat, err = file:stat()
  if stat then
    start, err = M.start_of(file, stat.size, lines)
  end
  if start then
    ok, err = file:seek(start)
  end
  if not ok then
    file:close()
    return nil, err
  end
  if following then
    return follow(path, file, start, put)
  end
  local copied
  copied, err = copy(file, put)
  file:close()
  return copied ~= nil or err == nil, err
end

return M
