-- The running side of a script: everything that happens in it after it was loaded.
--
-- The supervisor enters here with plain data, each time under a CPU budget: first what has happened, then one
-- task that is ready. What tasks want of the world they ask for with host.request.

local children <const> = require "ward.script.children"
local coroutines <const> = require "ward.script.coroutines"
local events <const> = require "ward.script.events"
local fs <const> = require "ward.script.fs"
local hooks <const> = require "ward.script.hooks"
local keep <const> = require "ward.script.keep"
local log <const> = require "ward.script.log"
local run <const> = require "ward.script.run"
local scheduler <const> = require "ward.script.scheduler"
local services <const> = require "ward.script.services"
local signals <const> = require "ward.script.signals"
local tasks <const> = require "ward.script.tasks"
local watches <const> = require "ward.script.watches"

local M <const> = {}

local isyieldable <const> = coroutine.isyieldable

local function stuck(blocker)
  return function()
    if isyieldable() then return nil end
    local name <const> = blocker()
    return ("cannot wait inside %s, which Lua calls without a way back: collect first, then wait outside of it"):format(
      name and name .. "()" or "this call")
  end
end

-- What the core calls: one of `ops`, and then whatever has become due. Says whether there is more to do at once, and
-- when the next thing is due; after "stop" nothing begins any more.
local function entry(self, ops)
  local over = false
  return function(op, ...)
    ops[op](...)
    self:reap()
    over = over or op == "stop"
    if over then return false end
    self:tick(self.clock())
    local more <const> = self:step()
    self:reap()
    return more, self:next_time()
  end
end

--- The running side of one generation.
---@param host table request, now, blocker, located, environ, what schema.normalise needs, and what ward.fs needs
---@param guard fun(raised: any, co: thread): string the message of what ended a coroutine
---@return table runtime functions: name -> fn(at, ...), what `ward` offers; groups: name -> functions, such as
---  those of ward.fs; values: name -> table; coroutine, print: the script's; callback: fn(fn) -> its number;
---  services: methods of services and pools; entry: fn(op, ...) -> more, next_time;
---  reacts: fn() -> whether something was declared that runs later
function M.new(host, guard)
  local meta <const> = {}
  local tell -- of events.lua
  local self <const> = scheduler.new {
    clock = host.now, guard = guard, task = meta, stuck = stuck(host.blocker),
    report = function(message, quiet)
      host.request("report", message)
      if not quiet then tell({ event = "script_error", message = message }) end
    end,
  }
  local functions <const>, arm <const> = tasks.new(self, host.located, meta)
  local listening, listen
  listening, tell, listen = events.new(self, function(given)
    return host.service_name and host.service_name(given)
  end)
  local kids <const>, launch <const> = children.new {
    scheduler = self, host = host, request = host.request, located = host.located,
  }
  local hook <const> = hooks.new(self, host)
  local running, reacts = false, false
  local keeping <const>, keep_start <const> = keep.new {
    located = host.located, request = host.request, report = self.report,
  }
  local on_signal <const>, signals_start <const> = signals.new(self, listen, host.request)
  local watch <const>, watches_start <const>, watches_tell <const> = watches.new(self, host)

  local service <const> = services.new(self, host)

  for name, fn in next, listening do functions[name] = fn end
  function functions.spawn(at, spec) return launch(at, "ward.spawn", spec) end
  functions.run = run.new(self, launch)
  functions.keep, functions.on_signal, functions.watch = keeping, on_signal, watch
  functions.log = log.new(self, function(level, text) host.request("log", level, text) end)
  for _, name in ipairs { "after", "every", "on", "on_signal", "watch" } do
    local fn <const> = functions[name]
    functions[name] = function(...)
      reacts = true
      return fn(...)
    end
  end

  local ops <const> = {
    start = function(kept)
      running = true
      keep_start(kept)
      signals_start()
      watches_start()
      arm()
    end,
    event = function(event) tell(event) end,
    told = function(...) children.told(kids, ...) end,
    hook = hook.call,
    ask = hook.ask,
    commanded = service.commanded,
    watch = watches_tell,
    cut_off = function(message) self:cut_off(message) end,
    run = function() end,
    stop = function() self:stop() end,
  }

  return {
    functions = functions,
    groups = { fs = fs.functions(host) },
    values = { env = fs.env(host.environ()) },
    coroutine = coroutines.new(self),
    callback = hook.add,
    services = service,
    reacts = function() return reacts or hook.any() end,
    print = function(...)
      if not running then return print(...) end
      local words <const> = table.pack(...)
      for i = 1, words.n do words[i] = tostring(words[i]) end
      host.request("print", table.concat(words, "\t"))
    end,
    entry = entry(self, ops),
  }
end

return M
