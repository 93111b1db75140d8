-- ward.watch: functions that are called as tasks when a file or a directory has changed.

local failure <const> = require "ward.script.failure"
local handle <const> = require "ward.script.handle"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WHAT <const> = "ward.watch"
local DEBOUNCE <const>, MAX_DEBOUNCE <const> = 0.1, 3600

-- path, seconds, fn of the arguments.
local function arguments(at, dir, path, opts, fn)
  if fn == nil then opts, fn = {}, opts end
  tasks.argument(at, WHAT, value.string, "the path", path, { max = value.MAX_PATH })
  if type(fn) ~= "function" then tasks.argument(at, WHAT, value.must, "the last argument", "a function", fn) end
  tasks.argument(at, WHAT, value.known, "the options", opts, { { key = "debounce", since = "0.1.0" } })
  local debounce <const> = opts.debounce == nil and DEBOUNCE
    or tasks.argument(at, WHAT, value.duration, "debounce", opts.debounce, MAX_DEBOUNCE)
  return path:sub(1, 1) == "/" and path or dir .. "/" .. path, debounce, fn
end

--- ward.watch for one generation.
---@param scheduler ward.script.Scheduler
---@param host table request; located; dir: what paths are relative to
---@return fun(at: string, path: string, opts: table|fun(event: table), fn: fun(event: table)): table|nil, table|nil
---@return fun() start begins what was declared while the script loaded
---@return fun(id: integer, event: table) tell
function M.new(scheduler, host)
  local watches <const>, running, serial = {}, false, 0
  local Watch <const> = { __metatable = "watch", __name = "watch" }

  local function cancel(watch)
    if not watches[watch.id] then return end
    watches[watch.id] = nil
    scheduler:disown(watch.owner, watch)
    if running then host.request("unwatch", watch.id) end
  end
  Watch.__index = handle.methods(host.located, "watch", { cancel = function(_, watch) cancel(watch) end })

  local function begin(watch)
    local ok <const>, err <const> = host.request("watch", watch.id, watch.path, watch.debounce)
    if not ok then cancel(watch) end
    return ok, err
  end

  local function watch(at, ...)
    local path <const>, debounce <const>, fn <const> = arguments(at, host.dir, ...)
    serial = serial + 1
    local made <const> = setmetatable({
      id = serial, at = at, path = path, debounce = debounce, fn = fn, owner = scheduler.current,
    }, Watch)
    watches[serial] = made
    if running then
      local ok <const>, err <const> = begin(made)
      if not ok then return failure.from(err) end
    end
    if made.owner then scheduler:own(made.owner, made, cancel) end
    return made
  end

  local function start()
    running = true
    local declared = {}
    for _, each in next, watches do declared[#declared + 1] = each end
    table.sort(declared, function(a, b) return a.id < b.id end)
    for _, each in ipairs(declared) do
      local ok <const>, err <const> = begin(each)
      if not ok then scheduler.report(("%s: %s: %s"):format(each.at, WHAT, err.message)) end
    end
  end

  -- The next change is told when this one has been dealt with, however that ends.
  local function tell(id, event)
    local known <const> = watches[id]
    if not known then return end
    local task <const> = scheduler:start(known.fn, known.owner, event)
    scheduler:own(task, {}, function() host.request("watch_ready", id) end)
  end

  return watch, start, tell
end

return M
