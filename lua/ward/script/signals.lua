-- ward.on_signal: the signals of ward's own process that ward leaves to scripts.

local failure <const> = require "ward.script.failure"
local handles <const> = require "ward.script.handle"
local signals <const> = require "ward.schema.signals"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WHAT <const> = "ward.on_signal"

local function signal(path, given)
  local name <const> = signals.check(path, given)
  if not signals.free[name] then
    value.fail(path, ("SIG%s %s; a script can have %s"):format(name, signals.taken[name] or "cannot be a script's",
      signals.free_text))
  end
  return name
end

--- ward.on_signal for one generation.
---@param scheduler ward.script.Scheduler
---@param listen fun(event: string, filter: string, fn: function): table as of ward.script.events
---@param unlisten fun(listener: table)
---@param host table request, located
---@return fun(at: string, name: string, fn: function): table|nil, table|nil
---@return fun() start asks for what was declared while the script loaded
function M.new(scheduler, listen, unlisten, host)
  local request <const> = host.request
  local counts <const>, running = {}, false
  local Handle <const> = { __metatable = "listener", __name = "listener" }

  local function cancel(handle)
    if handle.cancelled then return end
    handle.cancelled = true
    unlisten(handle.listener)
    scheduler:disown(handle.owner, handle)
    counts[handle.name] = counts[handle.name] - 1
    if running and counts[handle.name] == 0 then request("signal", handle.name, false) end
  end
  Handle.__index = handles.methods(host.located, "listener", { cancel = function(_, handle) cancel(handle) end })

  local function on_signal(at, given, fn)
    local name <const> = tasks.argument(at, WHAT, signal, "the signal", given)
    if type(fn) ~= "function" then tasks.argument(at, WHAT, value.must, "the last argument", "a function", fn) end
    local first <const> = (counts[name] or 0) == 0
    if running and first then
      local ok <const>, err <const> = request("signal", name, true)
      if not ok then return failure.from(err) end
    end
    counts[name] = (counts[name] or 0) + 1
    local handle <const> = setmetatable({ name = name, owner = scheduler.current }, Handle)
    handle.listener = listen("signal", name, fn)
    if handle.owner then scheduler:own(handle.owner, handle, cancel) end
    return handle
  end

  return on_signal, function()
    running = true
    for name, count in next, counts do
      if count > 0 then
        local ok <const>, err <const> = request("signal", name, true)
        if not ok then scheduler.report(("%s: SIG%s: %s"):format(WHAT, name, err.message)) end
      end
    end
  end
end

return M
