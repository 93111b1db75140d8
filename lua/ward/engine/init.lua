-- The policy: what runs, when it starts again and in which order it stops. Pure: it reads no clock and does
-- nothing itself. `step` takes what has happened and says what to do; the same events with the same times and
-- the same seed give the same effects, so every failure can be played again.
--
-- Events into step                                     Effects out of it (in order)
--   { kind = "boot" }                                    { kind = "spawn", name }
--   { kind = "started", name, pid }                      { kind = "signal", name, signal }
--   { kind = "ready", name }                             { kind = "run", name, rung }  the command of a stop ladder
--   { kind = "exit", name, exit }                        { kind = "kill", name }  SIGKILL to the whole tree
--   { kind = "ran", name, exit }                         { kind = "arm", name, at }  one a node, replaces
--   { kind = "fault", name, cause, message }             { kind = "disarm", name }
--   { kind = "verdict", name, id, verdict, fault }       { kind = "ask", name, id, exit, history }
--   { kind = "timer", name }                             { kind = "reply", token, ok, results }
--   { kind = "command", op, names, for_, by, token, wait } { kind = "event", type, name, ... }
--   { kind = "cancel", token }                           { kind = "quit", code }
--   { kind = "shutdown", token }
--   { kind = "reload", specs, tree, stale, restart, prune }
--
-- An event's type is the state that a service entered (then with `from` and `pid`, and where they apply `exit`,
-- `delay`, `attempt`, `restarts`, `next_at`, `reason`, `need`, `waits_for`, `because`), or "signal" (signal, rung,
-- wait, pid), "rule_failed" and "stop_failed" (message), "escalate" (exit), "shutdown" (level, live, reason), or of a
-- supervisor "give_up", "auto_shutdown" (reason, child), "supervisor_backoff" (delay, restarts), "supervisor_up".
--
-- A command is answered when its names have got there: start and restart when ready (or after one failed try, also of
-- what they wait for, or when that does not come by itself), stop when down, pause and resume at once. `wait = false`
-- answers at once; without a token nobody is answered.

local command <const> = require "ward.engine.command"
local exits <const> = require "ward.engine.exit"
local graph <const> = require "ward.engine.graph"
local grow <const> = require "ward.engine.grow"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local reload <const> = require "ward.engine.reload"
local reply <const> = require "ward.engine.reply"
local stall <const> = require "ward.engine.stall"
local state <const> = require "ward.engine.state"
local transitions <const> = require "ward.engine.transitions"
local why <const> = require "ward.engine.why"

local M <const> = {}

-- States in which an exit is one that nobody asked for.
local CRASHES <const> = {}
for name, row in pairs(transitions.CELLS) do
  CRASHES[name] = row.exit == "died" or nil
end

M.check = graph.check

--- A new engine: every service stopped, and all but dormant ones desired up, until the boot event.
---@param specs table[] canonical specs in declaration order, which M.check accepts
---@param options? { seed: integer, tree: table|nil } tree: the root supervisor as in a bundle, over all of specs
---@return table state
function M.new(specs, options)
  options = options or {}
  local fine, errors = graph.check(specs)
  if not fine then
    error(errors[1].message, 2)
  end
  local st = {
    live = 0, -- how many
    level = 0, -- how often shutdown was asked for
    code = 0, quit = false,
    commands = {}, serial = 0, -- token -> command not yet answered; how many there were
    shutdown_tokens = {},
    queue = {}, frees = {}, effects = {}, now = 0, -- of the step in progress
    rng = { word = options.seed or 0 },
  }
  grow.tree(st, specs, options.tree, { by_name = {}, sup_by_name = {} })
  grow.link(st)
  return st
end

local EVENTS <const> = {}

function EVENTS.boot(st)
  if st.level > 0 then
    return
  end
  for _, svc in ipairs(st.services) do
    if svc.desired == "up" then
      order.expect(st, svc, true)
      out.push(st, svc, "want")
    end
  end
end

local function about_service(st, event)
  local svc = st.by_name[event.name]
  if not svc then
    error(('engine: "%s" of unknown service "%s"'):format(event.kind, event.name), 0)
  end
  out.push(st, svc, event.kind, event)
end

for _, kind in ipairs { "started", "ready", "exit", "ran", "fault", "verdict" } do
  EVENTS[kind] = about_service
end

function EVENTS.timer(st, event)
  local sup <const> = st.sup_by_name[event.name]
  if sup then
    return out.push(st, sup, "timer")
  end
  about_service(st, event)
end

EVENTS.command, EVENTS.shutdown, EVENTS.reload = command.apply, command.shutdown, reload.apply

function EVENTS.cancel(st, event)
  reply.cancel(st, event.token)
  for at = #st.shutdown_tokens, 1, -1 do
    if st.shutdown_tokens[at] == event.token then
      table.remove(st.shutdown_tokens, at)
    end
  end
end

-- The root supervisor has come to its end by itself, and that is the end of ward.
local function end_root(st)
  local failed <const> = st.root_over == "failed"
  st.root_over = nil
  if st.level == 0 then
    command.shutdown(st, { code = failed and 1 or 0, reason = failed and "give_up" or "auto_shutdown" })
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
  st.now, st.effects, st.queue, st.frees, st.sweeping = now, {}, {}, {}, nil
  handle(st, event)
  local at, freed = 1, 1
  local queue <const>, frees <const> = st.queue, st.frees
  while queue[at] or frees[freed] do
    local input = queue[at]
    if input then
      at = at + 1
    else -- nobody is signalled or starts before all that stop in this step are told: they stop in one order
      input, freed = frees[freed], freed + 1
    end
    transitions.dispatch(st, input.node, input.input, input.arg)
    if st.root_over then
      end_root(st)
    end
  end
  if event.kind == "command" then
    command.register(st, event)
  end
  stall.answer(st)
  reload.sweep(st)
  command.finish(st)
  return st, st.effects
end

local function view(svc)
  return {
    name = svc.name, state = svc.state, ready = svc.up, pid = svc.pid, since = svc.since,
    restarts = svc.restarts, last_exit = svc.last_exit, next_at = svc.deadline, desired = svc.desired,
    paused = svc.paused, stale = svc.stale, removed = svc.removed ~= nil or nil,
    waits_for = state.waits_for(svc, svc.state),
    dormant = (svc.spec.dormant or svc.parent.spec.pool) and svc.desired == "down" and svc.state == "stopped" or nil,
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

--- Would a reload that restarts what is stale restart this one, if it is?
---@param st table
---@param name string
---@return boolean
function M.is_due(st, name)
  local svc <const> = st.by_name[name]
  return svc ~= nil and reload.is_due(svc)
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

--- Will the script be asked about this exit, if it is the next event?
---@param st table
---@param name string
---@param exit table
---@return boolean|nil ok of the exit; nil: it is not asked
---@return string|nil cause
function M.foresee(st, name, exit)
  local svc <const> = st.by_name[name]
  if svc and CRASHES[svc.state] and not svc.paused and exits.asks(svc.spec, exit) then
    return exits.meaning(svc.spec.success, exit, false, svc.cause)
  end
end

--- Why a service is as it is: see ward.engine.why.
M.why = why.service

--- The tree and the dependencies: see ward.engine.why.
M.graph = why.graph

return M
