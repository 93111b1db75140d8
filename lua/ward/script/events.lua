-- ward.on and ward.emit: functions that are called as tasks when something happens.

local glob <const> = require "ward.glob"
local handle <const> = require "ward.script.handle"
local plain <const> = require "ward.script.plain"
local suggest <const> = require "ward.suggest"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

--- What ward itself tells. Other names are the script's own.
M.names = { "start", "ready", "exit", "fail", "give_up", "stop", "stopped", "reload", "signal", "script_error" }

local known <const> = {}
for _, name in ipairs(M.names) do known[name] = true end

local MAX_NAME <const> = 128

local function event_name(path, given)
  value.string(path, given, { max = MAX_NAME })
  if known[given] then return given end
  local near <const> = suggest.hint(given, M.names)
  if near ~= "" then value.fail(path, ("no event is called %s%s"):format(value.quote(given), near)) end
  return given
end

-- ward.on's middle argument: a name, a glob, or { name = glob }.
local function filter_of(given, service_name)
  if given == nil then return nil end
  if type(given) == "string" then return value.string("the filter", given) end
  local name <const> = service_name(given)
  if name then return name end
  value.known("the filter", given, { { key = "name", since = "0.1.0" } })
  return given.name ~= nil and (service_name(given.name) or value.string("the filter.name", given.name)) or nil
end

--- The functions of one generation, as name -> fn(at, ...), and what tells them of an event.
---@param scheduler ward.script.Scheduler
---@param service_name fun(value: any): string?
---@param host table request, located
---@return table<string, function> functions
---@return fun(event: table) tell
---@return fun(event: string, filter: string|nil, fn: function): table listen
---@return fun(listener: table) cancel
function M.new(scheduler, service_name, host)
  local listeners <const> = {} -- name -> list
  local Listener <const> = { __metatable = "listener", __name = "listener" }
  local functions <const> = {}

  local function cancel(listener)
    if listener.cancelled then return end
    listener.cancelled = true
    scheduler:disown(listener.owner, listener)
    local list <const> = listeners[listener.event]
    for i, each in ipairs(list) do
      if each == listener then table.remove(list, i) break end
    end
  end
  Listener.__index = handle.methods(host.located, "listener", { cancel = function(_, listener) cancel(listener) end })

  local function tell(event)
    local list <const> = listeners[event.event]
    if not list then return end
    for _, listener in ipairs(list) do
      if not listener.filter or (event.name and glob.match(listener.filter, event.name)) then
        -- One that fails over a script_error must not cause the next.
        scheduler:start(listener.fn, listener.owner, event).quiet = event.event == "script_error"
      end
    end
  end

  local function listen(name, filter, fn)
    local listener <const> = setmetatable({
      event = name, fn = fn, owner = scheduler.current, filter = filter,
    }, Listener)
    listeners[name] = listeners[name] or {}
    table.insert(listeners[name], listener)
    if listener.owner then scheduler:own(listener.owner, listener, cancel) end
    return listener
  end

  function functions.on(at, name, filter, fn)
    if fn == nil then filter, fn = nil, filter end
    tasks.argument(at, "ward.on", event_name, "the event", name)
    if type(fn) ~= "function" then
      tasks.argument(at, "ward.on", value.must, "the last argument", "a function", fn)
    end
    return listen(name, tasks.argument(at, "ward.on", filter_of, filter, service_name), fn)
  end

  function functions.emit(at, name, data)
    scheduler:need(at, "ward.emit")
    tasks.argument(at, "ward.emit", value.string, "the event", name, { max = MAX_NAME })
    if known[name] then error(("%s: ward.emit: %s is an event of ward's own"):format(at, value.quote(name)), 0) end
    local event <const> = tasks.argument(at, "ward.emit", function(path, given)
      return plain.copy(path, given == nil and {} or value.table(path, given))
    end, "the data", data)
    event.event = name
    host.request("emit", event)
    tell(event)
  end

  return functions, tell, listen, cancel
end

return M
