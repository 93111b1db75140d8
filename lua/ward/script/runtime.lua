-- The running side of a script: everything that happens in it after it was loaded.
--
-- The supervisor enters here with plain data, each time under a CPU budget: first what has happened, then one
-- task that is ready. What tasks want of the world they ask for with host.request.

local children <const> = require "ward.script.children"
local commands <const> = require "ward.script.commands"
local coroutines <const> = require "ward.script.coroutines"
local eval <const> = require "ward.script.eval"
local events <const> = require "ward.script.events"
local fs <const> = require "ward.script.fs"
local hooks <const> = require "ward.script.hooks"
local http <const> = require "ward.script.http"
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

-- What the core calls: one of `ops` or nothing, and then whatever has become due. Says whether there is more to do at
-- once, and when the next thing is due; after "stop" nothing begins any more.
local function entry(self, ops)
  local over = false
  return function(op, ...)
    if op == "carry" then return ops.carry(...) end -- nothing else happens, or can happen, where it is entered for that
    if op then
      over = over or op == "stop" -- also where that is cut off
      ops[op](...)
      self:reap()
    end
    if over then return false end
    if op == "cut_off" then return true end -- what is next may fail as well, and has an entry of its own
    self:tick(self.clock())
    return self:step(), self:next_time()
  end
end

-- The parts of a generation that do things, and what `ward` offers of them.
local function parts_of(self, host, meta)
  local tell <const> = {}
  local parts <const> = { starts = {} }
  local functions <const>, arm <const> = tasks.new(self, host.located, meta)
  parts.functions = functions
  local listening <const>, tell_event <const>, listen <const>, unlisten <const> = events.new(self, function(given)
    return host.service_name and host.service_name(given)
  end, host)
  for name, fn in next, listening do functions[name] = fn end
  local kids <const>, launch <const> = children.new {
    scheduler = self, host = host, request = host.request, located = host.located,
  }
  function functions.spawn(at, spec) return launch(at, "ward.spawn", spec) end
  functions.run = run.new(self, launch)

  local starts <const> = parts.starts
  functions.keep, starts[1], tell.carry = keep.new {
    located = host.located, request = host.request, report = self.report, guard = self.guard,
  }
  functions.on_signal, starts[2] = signals.new(self, listen, unlisten, host)
  functions.watch, starts[3], tell.watch = watches.new(self, host)
  parts.commands, functions.command = commands.new(self, host.request)
  starts[4] = function() parts.commands:start() end
  starts[5] = arm

  parts.hook = hooks.new(self, host)
  parts.service = services.new(self, host)
  tell.hook, tell.ask, tell.commanded = parts.hook.call, parts.hook.ask, parts.service.commanded
  tell.event = tell_event
  tell.told = function(...) children.told(kids, ...) end
  tell.command = function(...) parts.commands:call(...) end
  tell.cancel_run = function(id) parts.commands:cancel(id) end
  tell.drained = function(id) parts.commands:drained(id) end
  tell.eval, tell.eval_end = eval.new(parts.commands, host.request, function() return parts.scope() end)
  parts.http, tell.http = http.new(self, host)
  parts.tell = tell
  return parts
end

-- What the script says goes to who waits for the task that says it, else to everybody.
local function sayings(parts, host, self)
  local function say(at, text, level)
    if not parts.commands:print(at, text .. "\n") then host.request("say", text, level) end
  end
  return log.new(self, say), host.located(function(at, ...)
    if not parts.running then return print(...) end
    local words <const> = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    say(at, table.concat(words, "\t"))
  end)
end

-- Calls that make a script one that has something to do later.
local REACTS <const> = { "after", "every", "on", "on_signal", "watch", "command" }

--- The running side of one generation.
---@param host table request, now, blocker, located, environ, what schema.normalise needs, and what ward.fs needs
---@param guard fun(raised: any, co: thread): string the message of what ended a coroutine
---@return table runtime functions: name -> fn(at, ...), what `ward` offers; groups: name -> functions, such as
---  those of ward.fs; values: name -> what else it offers; coroutine, print: the script's; callback: fn(fn) -> its
---  number; services: methods of services and pools; scope: fn(fn), told once: what eval.new takes;
---  entry: fn(op, ...) -> more, next_time; reacts: fn() -> whether something was declared that runs later
function M.new(host, guard)
  local meta <const> = {}
  local parts
  local self <const> = scheduler.new {
    clock = host.now, guard = guard, task = meta, stuck = stuck(host.blocker),
    report = function(message, quiet)
      host.request("report", message)
      if not quiet then parts.tell.event({ event = "script_error", message = message }) end
    end,
  }
  parts = parts_of(self, host, meta)
  local functions <const> = parts.functions
  local reacts = false
  local script_print
  functions.log, script_print = sayings(parts, host, self)
  for _, name in ipairs(REACTS) do
    local fn <const> = functions[name]
    functions[name] = function(...)
      reacts = true
      return fn(...)
    end
  end

  local ops <const> = parts.tell
  function ops.start(kept)
    parts.running = true
    for _, start in ipairs(parts.starts) do start(kept) end
  end
  function ops.cut_off(message) self:cut_off(message) end
  function ops.stop() self:stop() end

  return {
    functions = functions,
    groups = { fs = fs.functions(host), http = parts.http },
    values = { env = fs.env(host.environ()), now = host.now }, -- to read the clock needs no position
    coroutine = coroutines.new(self),
    callback = parts.hook.add,
    services = parts.service,
    print = script_print,
    scope = function(fn) parts.scope = fn end,
    reacts = function() return reacts or parts.hook.any() end,
    entry = entry(self, ops),
  }
end

return M
