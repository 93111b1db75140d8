-- ward.run: a child, what it is given, what it says, and its end, in one call.

local duration <const> = require "ward.duration"
local failure <const> = require "ward.script.failure"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WHAT <const> = "ward.run"
local SIDES <const> = { "stdout", "stderr" }
local MAX_OUTPUT <const>, MOST_OUTPUT <const> = 1 << 20, 16 << 20

-- The spec without what is ours; input and output are pipes where nothing else is said.
local function options_of(at, given)
  if type(given) ~= "table" then
    error(('%s: %s: expected a table such as { cmd = { "date" } }, got %s'):format(at, WHAT, value.describe(given)), 0)
  end
  local spec = {}
  for key, item in next, given do spec[key] = item end
  local options <const> = { timeout = spec.timeout, input = spec.input, max_output = MAX_OUTPUT }
  if options.timeout ~= nil then
    options.seconds = tasks.argument(at, WHAT, value.duration, "timeout", options.timeout)
  end
  if options.input ~= nil and type(options.input) ~= "string" then
    tasks.argument(at, WHAT, value.must, "input", "a string", options.input)
  end
  if spec.max_output ~= nil then
    options.max_output = tasks.argument(at, WHAT, value.size, "max_output", spec.max_output, MOST_OUTPUT)
  end
  spec.timeout, spec.input, spec.max_output = nil, nil, nil
  if spec.stdin == nil and options.input then spec.stdin = "pipe" end
  if options.input and spec.stdin ~= "pipe" then
    error(('%s: %s: input: needs stdin = "pipe"'):format(at, WHAT), 0)
  end
  if spec.stdout == nil then spec.stdout = "pipe" end
  if spec.stderr == nil then spec.stderr = "pipe" end
  return spec, options
end

-- Reads to the end; what is past the limit is read, too, so that the child can go on, and dropped.
local function collect(stream, limit, result)
  result.parts = {}
  local left = limit
  while true do
    local bytes = stream:read()
    if not bytes then return end
    if #bytes > left then
      bytes, result.truncated = bytes:sub(1, left), true
    end
    left = left - #bytes
    result.parts[#result.parts + 1] = bytes
  end
end

local function text_of(result) return result.parts and table.concat(result.parts) or nil end

local function converse(scheduler, child, options, out, err)
  local current <const> = scheduler.current
  local readers = {}
  if child.stdin then
    scheduler:start(function()
      if options.input then child.stdin:write(options.input) end
      child.stdin:close()
    end, current)
  end
  for i, result in ipairs { out, err } do
    local stream <const> = child[SIDES[i]]
    if stream then
      readers[#readers + 1] = scheduler:start(function() collect(stream, options.max_output, result) end, current)
    end
  end
  local exit <const> = child:wait()
  for _, reader in ipairs(readers) do reader:wait() end
  return exit
end

local function run(scheduler, launch, at, given)
  local spec <const>, options <const> = options_of(at, given)
  local current <const> = scheduler:need(at, WHAT)
  scheduler:may_wait(at, WHAT)
  local out <const>, err <const> = {}, {}
  local child, exit, failed
  -- In a task of its own: its end is that of the child and of all that reads and writes.
  local task <const> = scheduler:start(function()
    child, failed = launch(at, WHAT, spec)
    if child then exit = converse(scheduler, child, options, out, err) end
  end, current)
  local _, late <const> = task:wait(options.seconds)
  if failed then return nil, failed end
  if late and not exit then
    scheduler:cancel(task)
    local _, timeout <const> = failure.of("timeout", ("not done within %s"):format(duration.format(options.seconds)))
    timeout.stdout, timeout.stderr = text_of(out), text_of(err)
    return nil, timeout
  end
  return {
    ok = exit.ok, kind = exit.kind, code = exit.code, signal = exit.signal, core = exit.core, pid = exit.pid,
    uptime = exit.uptime, rusage = exit.rusage, stdout = text_of(out), stderr = text_of(err),
    truncated = out.truncated or err.truncated or false,
  }
end

--- ward.run for one generation.
---@param scheduler ward.script.Scheduler
---@param launch fun(at: string, what: string, spec: table): table|nil, table|nil
---@return fun(at: string, spec: table): table|nil, table|nil
function M.new(scheduler, launch)
  return function(at, spec) return run(scheduler, launch, at, spec) end
end

return M
