-- The life of one service: what each cell of the table in transitions.lua does. Each function takes the
-- engine's state, the service and what came with the input. None calls the table again: an input for another
-- service is queued (M.push), so that a step is a flat sequence and its order is the same each time.
--
-- Counters keep a step's work to the neighbours of what changed:
--   unmet      needs that are not ready                    0: may start
--   blockers   dependents that are busy                    0: may be signalled
--   busy       has a live process, or a busy dependent; so a service whose process is gone still holds up the
--              stop of what it needs while its own dependents run

local backoff <const> = require "ward.engine.backoff"
local exits <const> = require "ward.engine.exit"
local graph <const> = require "ward.engine.graph"
local reply <const> = require "ward.engine.reply"

local M <const> = {}

local LIVE <const> = { starting = true, ready = true, stopping = true }
local DOWN <const> = { stopped = true, failed = true, done = true }

-- States that a service does not leave for ready by itself, as its dependents' commands are told.
local OVER <const> = { failed = "has failed", done = "is done", stuck = "is stuck" }

-- How long a tree may outlive SIGKILL (uninterruptible sleep, a frozen cgroup) before it is given up.
local STUCK_AFTER <const> = 10

-- Output ------------------------------------------------------------------------------------------------

local function emit(st, effect)
  st.effects[#st.effects + 1] = effect
end

local function arm(st, svc, at)
  svc.deadline = at
  emit(st, { kind = "arm", name = svc.spec.name, at = at })
end

local function disarm(st, svc)
  if svc.deadline then
    svc.deadline = nil
    emit(st, { kind = "disarm", name = svc.spec.name })
  end
end

--- Queues an input for a service; it is dispatched within the same step.
---@param st table
---@param svc table
---@param input string a column of the table
---@param arg any
function M.push(st, svc, input, arg)
  st.queue[#st.queue + 1] = { svc = svc, input = input, arg = arg }
end

--- Is there a process, or one on its way?
---@param svc table
---@return boolean
function M.live(svc)
  return LIVE[svc.state] or false
end

-- Counters ----------------------------------------------------------------------------------------------

local function update_busy(st, svc)
  local list, walked = { svc }, 0
  repeat
    walked = walked + 1
    local each = list[walked]
    local busy = LIVE[each.state] or each.blockers > 0
    if busy ~= each.busy then
      each.busy = busy
      for _, need in ipairs(each.needs) do
        need.blockers = need.blockers + (busy and 1 or -1)
        if need.blockers == 0 then
          M.push(st, need, "free")
        end
        list[#list + 1] = need
      end
    end
  until walked == #list
end

local function update_ready(st, svc, ready)
  local dependents = svc.dependents
  for at = #dependents, 1, -1 do -- starts go in declaration order
    local each = dependents[at]
    each.unmet = each.unmet + (ready and -1 or 1)
    if each.unmet == 0 then
      M.push(st, each, "needs")
    end
  end
end

-- Why this service does not become ready by itself: text and code, or nil.
local function over(svc)
  if svc.state == "stuck" then
    return ("stuck: pid %s outlived SIGKILL"):format(svc.pid or "?"), "stuck"
  elseif OVER[svc.state] then
    return ("%s: %s"):format(svc.state, exits.describe(svc.last_exit)), svc.state
  end
end

-- The same of a service that waits for one which does not.
local function over_by(need)
  return ('needs "%s", which %s'):format(need.spec.name, OVER[need.state]), need.state
end

--- Why a wait for ready would be in vain: text and code, or nil while there is hope.
---@param svc table
---@return string|nil, string|nil
function M.hopeless(svc)
  if svc.unmet == 0 or svc.desired == "down" or OVER[svc.state] then
    return over(svc)
  end
  for _, need in ipairs(graph.reach(svc, "needs")) do
    if OVER[need.state] then
      return over_by(need)
    end
  end
end

--- Has the service reached what a command waits for? nil: not yet.
---@param svc table
---@param goal "ready"|"stopped"
---@return boolean|nil ok, string|nil message, string|nil code
function M.reached(svc, goal)
  if svc.state == "stuck" or goal == "ready" and OVER[svc.state] then
    return false, over(svc)
  elseif goal == "ready" and svc.state == "ready" or goal == "stopped" and DOWN[svc.state] then
    return true
  end
end

-- The one place where a state changes. `details` go into the event.
local function enter(st, svc, to, details)
  local from = svc.state
  svc.state, svc.since = to, st.now
  if (from == "ready") ~= (to == "ready") then
    update_ready(st, svc, to == "ready")
  end
  if LIVE[from] ~= LIVE[to] then
    st.live = st.live + (LIVE[to] and 1 or -1)
    update_busy(st, svc)
  end
  if from == "stuck" or to == "stuck" then
    st.stuck = st.stuck + (to == "stuck" and 1 or -1)
  end
  local event = { kind = "event", type = to, name = svc.spec.name, from = from, pid = svc.pid }
  for key, value in pairs(details or {}) do
    event[key] = value
  end
  emit(st, event)
  reply.sweep(st, svc, function(waiter)
    return M.reached(svc, waiter.goal)
  end)
end

--- Stops all that needs `origin`, directly or not, because it goes away; each stays desired up and waits. Their
--- commands are told when that is for good, or by somebody's command.
---@param st table
---@param origin table
---@param why { reason: string }
---@param by_stop boolean origin was named in a stop command
function M.cascade(st, origin, why, by_stop)
  local name = origin.spec.name
  for _, each in ipairs(graph.reach(origin, "dependents")) do
    M.push(st, each, "halt", { reason = why.reason, need = name })
    reply.sweep(st, each, function(waiter)
      if waiter.goal == "stopped" or each.desired == "down" then
        return nil
      elseif OVER[origin.state] then
        return false, over_by(origin)
      elseif by_stop and waiter.op ~= "wait" then
        return false, ('superseded by stop of "%s"'):format(name), "superseded"
      end
    end)
  end
end

--- What a start by hand does to the past.
---@param svc table
function M.forget(_, svc)
  svc.restarts, svc.streak = 0, 0
end

-- Starting ----------------------------------------------------------------------------------------------

local function launch(st, svc, details)
  svc.rung = 0
  enter(st, svc, "starting", details)
  emit(st, { kind = "spawn", name = svc.spec.name })
end

local function unready_needs(svc)
  local names = {}
  for _, need in ipairs(svc.needs) do
    if need.state ~= "ready" then
      table.insert(names, 1, need.spec.name) -- kept later first, told in declaration order
    end
  end
  return names
end

local function wait(st, svc, details)
  if svc.state ~= "waiting" then
    details = details or {}
    details.waits_for = unready_needs(svc)
    enter(st, svc, "waiting", details)
  end
end

-- A service without a process goes where it is wanted.
local function place(st, svc, details)
  if st.level > 0 or svc.desired == "down" then
    enter(st, svc, "stopped", details)
  elseif svc.unmet > 0 then
    wait(st, svc, details)
  else
    launch(st, svc, details)
  end
end

--- Starts by hand (or at boot): now, whatever happened before.
function M.begin(st, svc)
  M.forget(st, svc)
  disarm(st, svc)
  place(st, svc)
end

--- All needs have become ready.
function M.go(st, svc)
  place(st, svc)
end

--- The program runs. A service is ready as soon as it has started.
function M.up(st, svc, event)
  svc.pid = event.pid
  enter(st, svc, "ready")
end

--- The program runs, but it is being stopped already.
function M.late(_, svc, event)
  assert(not svc.pid, "engine: started twice")
  svc.pid = event.pid
end

-- Exits -------------------------------------------------------------------------------------------------

local function take_exit(svc, event, asked)
  svc.last_exit = exits.judge(svc.spec.success, event.exit, asked)
  svc.pid = nil
  return svc.last_exit
end

local function retry_later(st, svc, exit)
  local policy = svc.spec.restart.backoff
  if svc.state == "ready" and st.now - svc.since >= policy.reset then
    svc.streak = 0
  end
  svc.streak = svc.streak + 1
  svc.restarts = svc.restarts + 1
  local delay = backoff.delay(policy, svc.streak, backoff.random(st.rng))
  enter(st, svc, "backoff", {
    exit = exit, delay = delay, attempt = svc.streak, restarts = svc.restarts, next_at = st.now + delay,
  })
  -- Who started it by hand learns how that went; who waits for it goes on waiting.
  reply.sweep(st, svc, function(waiter)
    if waiter.goal == "ready" and waiter.op ~= "wait" then
      return false, exits.describe(exit) .. "; it will be tried again", "failed"
    end
  end)
  if delay > 0 then
    arm(st, svc, st.now + delay)
  else
    place(st, svc)
  end
end

--- An exit that nobody asked for. Dependents go on running over a restart, not over an end.
function M.crash(st, svc, event)
  local exit = take_exit(svc, event, false)
  local on = svc.spec.restart.on
  if on == "always" or on == "failure" and not exit.ok then
    retry_later(st, svc, exit)
  else
    enter(st, svc, exit.ok and "done" or "failed", { exit = exit })
    M.cascade(st, svc, { reason = svc.state }, false)
  end
end

--- The exit that was asked for, or at last that of a stuck one.
function M.ended(st, svc, event)
  disarm(st, svc)
  place(st, svc, { exit = take_exit(svc, event, true) })
end

--- The time in backoff is over.
function M.retry(st, svc)
  if st.now < svc.deadline then
    return arm(st, svc, svc.deadline)
  end
  svc.deadline = nil
  place(st, svc)
end

-- Stopping ----------------------------------------------------------------------------------------------

-- Rung 0 is the ground: nothing is sent yet, because dependents are still busy.
local function step_on(st, svc, rung)
  local name, step = svc.spec.name, svc.spec.stop[rung]
  local lethal = step.signal == "KILL"
  local wait_for = lethal and STUCK_AFTER or step.wait
  svc.rung = rung
  emit(st, { kind = "event", type = "signal", name = name, pid = svc.pid, signal = step.signal,
    rung = rung, wait = wait_for })
  if lethal then
    emit(st, { kind = "kill", name = name })
  else
    emit(st, { kind = "signal", name = name, signal = step.signal })
  end
  arm(st, svc, st.now + wait_for)
end

--- Goes down the ladder as soon as no dependent is busy.
function M.release(st, svc)
  if svc.rung == 0 and svc.blockers == 0 then
    step_on(st, svc, st.level >= 3 and #svc.spec.stop or 1)
  end
end

--- A live service has to stop.
function M.stop(st, svc, why)
  enter(st, svc, "stopping", { reason = why.reason, need = why.need })
  M.release(st, svc)
end

--- One without a process has to: it is down at once.
function M.shelve(st, svc, why)
  disarm(st, svc)
  local details = { reason = why.reason, need = why.need }
  if st.level > 0 or svc.desired == "down" then
    enter(st, svc, "stopped", details)
  else
    wait(st, svc, details)
  end
end

--- A rung's time is over.
function M.climb(st, svc)
  if not svc.deadline then
    return -- a stale timer: on the ground there is none
  elseif st.now < svc.deadline then
    return arm(st, svc, svc.deadline)
  end
  svc.deadline = nil
  if svc.rung < #svc.spec.stop then
    step_on(st, svc, svc.rung + 1)
  else
    enter(st, svc, "stuck")
    M.cascade(st, svc, { reason = "stuck" }, false)
  end
end

--- Shutdown was asked for again: the next rung now; the third time, the last.
function M.hurry(st, svc)
  local last = #svc.spec.stop
  if svc.rung > 0 and svc.rung < last then
    step_on(st, svc, st.level >= 3 and last or svc.rung + 1)
  end
end

--- What the service waits for now: needs that are not ready, or dependents that must be gone first.
---@param svc table
---@return string[] names in declaration order
function M.waits_for(svc)
  if svc.state == "waiting" then
    return unready_needs(svc)
  end
  local names = {}
  if svc.state == "stopping" and svc.rung == 0 then
    for _, each in ipairs(svc.dependents) do
      if each.busy then
        table.insert(names, 1, each.spec.name)
      end
    end
  end
  return names
end

return M
