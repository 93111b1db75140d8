-- The policy: what runs, when it starts again and in which order it stops. Pure: it reads no clock and does
-- nothing itself. `step` takes what has happened and says what to do; the same events with the same times and
-- the same seed give the same effects, so every failure can be played again.
--
-- Events into step                                     Effects out of it (in order)
--   { kind = "boot" }                                    { kind = "spawn", name }
--   { kind = "started", name, pid }                      { kind = "signal", name, signal }
--   { kind = "exit", name, exit }                        { kind = "kill", name }  SIGKILL to the whole tree
--   { kind = "timer", name }                             { kind = "arm", name, at }  one a service, replaces
--   { kind = "command", op, names, for_, token, wait }   { kind = "disarm", name }
--   { kind = "cancel", token }                           { kind = "reply", token, ok, results }
--   { kind = "shutdown", token }                         { kind = "event", type, name, ... }
--                                                        { kind = "quit", code }
--
-- An event's type is the state that was entered (then with `from` and `pid`, and where they apply `exit`, `delay`,
-- `attempt`, `restarts`, `next_at`, `reason`, `need`, `waits_for`), or "signal" (signal, rung, wait, pid), or
-- "shutdown" (level, live).
--
-- A command is answered when its names have got there: start and restart when ready (or after one failed try),
-- stop when down. `wait = false` answers at once; without a token nobody is answered.

local command <const> = require "ward.engine.command"
local graph <const> = require "ward.engine.graph"
local life <const> = require "ward.engine.life"
local reply <const> = require "ward.engine.reply"
local transitions <const> = require "ward.engine.transitions"

local M <const> = {}

M.check = graph.check

--- A new engine: every service stopped and desired up, until the boot event.
---@param specs table[] canonical specs in declaration order, which M.check accepts
---@param options? { seed: integer }
---@return table state
function M.new(specs, options)
  local fine, errors = graph.check(specs)
  if not fine then
    error(errors[1].message, 2)
  end
  local st = {
    services = {}, by_name = {},
    live = 0, stuck = 0, -- how many
    level = 0, -- how often shutdown was asked for
    quit = false,
    commands = {}, -- token -> command not yet answered
    shutdown_tokens = {},
    queue = {}, effects = {}, now = 0, -- of the step in progress
    rng = { word = options and options.seed or 0 },
  }
  for index, spec in ipairs(specs) do
    assert(spec.stop[#spec.stop].signal == "KILL", "engine: a stop ladder ends in KILL")
    local svc = {
      spec = spec, index = index,
      state = "stopped", since = nil, pid = nil, desired = "up",
      unmet = 0, blockers = 0, busy = false,
      restarts = 0, streak = 0, last_exit = nil,
      rung = 0, deadline = nil,
      waiters = {},
    }
    st.services[index], st.by_name[spec.name] = svc, svc
  end
  graph.link(st.services, st.by_name)
  for _, svc in ipairs(st.services) do
    svc.unmet = #svc.needs
  end
  return st
end

local EVENTS <const> = {}

function EVENTS.boot(st)
  for _, svc in ipairs(st.services) do
    if svc.desired == "up" and st.level == 0 then
      life.push(st, svc, "want")
    end
  end
end

local function about_service(st, event)
  local svc = st.by_name[event.name]
  if not svc then
    error(('engine: "%s" of unknown service "%s"'):format(event.kind, event.name), 0)
  end
  life.push(st, svc, event.kind, event)
end

EVENTS.started, EVENTS.exit, EVENTS.timer = about_service, about_service, about_service
EVENTS.command, EVENTS.shutdown = command.apply, command.shutdown

function EVENTS.cancel(st, event)
  reply.cancel(st, event.token)
  for at = #st.shutdown_tokens, 1, -1 do
    if st.shutdown_tokens[at] == event.token then
      table.remove(st.shutdown_tokens, at)
    end
  end
end

--- One event in, what to do out. The state given is used up: go on with the one returned.
---@param st table
---@param event table
---@param now number seconds of a clock that never goes back
---@return table state, table[] effects
function M.step(st, event, now)
  local handle = EVENTS[event.kind]
  if not handle then
    error(('engine: unknown event "%s"'):format(event.kind), 2)
  end
  st.now, st.effects, st.queue = now, {}, {}
  handle(st, event)
  local at = 1
  while st.queue[at] do
    local input = st.queue[at]
    transitions.dispatch(st, input.svc, input.input, input.arg)
    at = at + 1
  end
  if event.kind == "command" then
    command.register(st, event)
  end
  command.finish(st)
  return st, st.effects
end

local function view(svc)
  return {
    name = svc.spec.name, state = svc.state, ready = svc.state == "ready", pid = svc.pid, since = svc.since,
    restarts = svc.restarts, last_exit = svc.last_exit, next_at = svc.deadline, desired = svc.desired,
    waits_for = life.waits_for(svc),
  }
end

--- How a service is. `since` is when it came into its state, `next_at` when it is tried again (backoff) or gets
--- its next signal (stopping), both on the clock of step; `waits_for` names needs or, when stopping, dependents.
---@param st table
---@param name string
---@return table|nil view
function M.service(st, name)
  local svc = st.by_name[name]
  return svc and view(svc)
end

--- All services, in declaration order.
---@param st table
---@return table[] views
function M.list(st)
  local views = {}
  for index, svc in ipairs(st.services) do
    views[index] = view(svc)
  end
  return views
end

return M
