-- The end of a service: the cells of the table that bring it about.

local exits <const> = require "ward.engine.exit"
local graph <const> = require "ward.engine.graph"
local life <const> = require "ward.engine.life"
local out <const> = require "ward.engine.out"
local state <const> = require "ward.engine.state"
local tree <const> = require "ward.engine.tree"

local M <const> = {}

-- How long a tree may outlive SIGKILL (uninterruptible sleep, a frozen cgroup) before it is given up.
local STUCK_AFTER <const> = 10

-- Rung 0 is the ground: nothing is sent yet, because others have to be gone first.
local function step_on(st, svc, rung)
  while not svc.proc and svc.ladder[rung].signal and rung < #svc.ladder do
    rung = rung + 1 -- nobody is left to signal, only the command that stops it: KILL ends that
  end
  local name <const>, step <const> = svc.name, svc.ladder[rung]
  if not svc.proc and not svc.helper and not step.cmd then
    return life.finish(st, svc) -- a oneshot that is done and whose command is skipped: nobody to kill
  end
  local lethal <const> = step.signal == "KILL"
  local wait_for <const> = lethal and STUCK_AFTER or step.wait
  svc.rung = rung
  out.emit(st, { kind = "event", type = "signal", name = name, pid = svc.pid, signal = step.signal,
    command = step.cmd and true or nil, rung = rung, wait = wait_for })
  if lethal then
    out.emit(st, { kind = "kill", name = name })
  elseif step.cmd then
    svc.helper = true
    out.emit(st, { kind = "run", name = name, rung = rung })
  else
    out.emit(st, { kind = "signal", name = name, signal = step.signal })
  end
  out.arm(st, svc, st.now + wait_for)
end

-- Is there anything that the ladder could bring down?
local function needs_ladder(svc)
  return svc.proc or svc.ladder[1].cmd ~= nil
end

-- The command that undoes a oneshot has nothing to undo before that is done: then signals are all there is.
local function first_rung(svc)
  return svc.spec.type == "oneshot" and svc.proc and svc.ladder[1].cmd and 2 or 1
end

--- Goes down the ladder as soon as nobody has to be gone first.
function M.down(st, svc)
  if svc.rung ~= 0 or svc.blockers > 0 or svc.followers > 0 then
    return
  elseif needs_ladder(svc) then
    step_on(st, svc, st.level >= 3 and #svc.ladder or first_rung(svc))
  else
    life.finish(st, svc)
  end
end

--- A service that runs has to stop. Whether others have to be gone first is known when all of this step are told.
function M.stop(st, svc, why)
  out.disarm(st, svc)
  svc.rung, svc.ladder = 0, svc.spec.stop -- as it is now, whatever a reload says
  state.enter(st, svc, "stopping", { reason = why.reason, need = why.need })
  out.push(st, svc, "free")
end

--- A oneshot that is done has to go down; one of another type is.
function M.quit(st, svc, why)
  if svc.up then
    M.stop(st, svc, why)
  end
end

-- Does it wait for the time of its restart, with something that it needs? That goes down for this very restart.
local function bides(svc)
  for _, need in ipairs(svc.deadline and tree.is_awaited(svc) and graph.reach(svc, "needs") or {}) do
    if need.hold == svc.parent.group then
      return true
    end
  end
  return false
end

--- One without a process has to: it is down at once.
function M.shut(st, svc, why)
  if svc.desired == "up" and st.level == 0 and (svc.paused or bides(svc)) then
    return -- and stays down
  end
  local awaited <const> = tree.is_awaited(svc)
  local details <const> = { reason = why.reason, need = why.need }
  if svc.asking then -- of the exit nothing was said but to the rule
    svc.asking, details.exit, details.told = nil, svc.last_exit, true
  end
  out.disarm(st, svc)
  if st.level > 0 or svc.desired == "down" then
    state.enter(st, svc, "stopped", details)
  elseif svc.state ~= "waiting" then
    details.waits_for = state.waits_for(svc, "waiting")
    state.enter(st, svc, "waiting", details)
  end
  if awaited then
    tree.missed(st, svc)
  end
end

--- It does not become ready in time, or is not well any more: down the ladder, whoever needs it.
---@param event { cause: string, message: string|nil }
function M.fault(st, svc, event)
  svc.cause, svc.ladder = event.cause, svc.spec.stop
  life.note_ready(st, svc) -- the time that the ladder takes does not count
  out.disarm(st, svc)
  state.enter(st, svc, "stopping", { reason = event.cause, message = event.message })
  step_on(st, svc, first_rung(svc))
end

--- The time for its start may be over.
function M.lapse(st, svc)
  if svc.deadline and st.now < svc.deadline then
    out.arm(st, svc, svc.deadline)
  elseif svc.deadline then
    svc.deadline = nil -- it has fired: nothing is left to disarm
    M.fault(st, svc, { cause = "timeout" })
  end
end

--- A rung's time is over.
function M.climb(st, svc)
  if not svc.deadline then
    return -- a stale timer: on the ground there is none
  elseif st.now < svc.deadline then
    return out.arm(st, svc, svc.deadline)
  end
  svc.deadline = nil
  if svc.rung < #svc.ladder then
    step_on(st, svc, svc.rung + 1)
  else
    state.enter(st, svc, "stuck")
    state.cascade(st, { svc }, { reason = "stuck" })
  end
end

--- Its stop command had failed, so that what it did is not undone: that is tried again, before what it needs is undone.
function M.undo(st, svc, why)
  local need <const> = st.by_name[why.need or ""]
  if svc.undone and not st.quit and not (need and need.undone) then
    M.stop(st, svc, why)
  end
end

--- The command of a rung is done. One that failed has not helped: the next rung is due; where there is no process that
--- a signal could end, what the service did is not undone.
---@param event { exit: table }
function M.ran(st, svc, event)
  svc.helper = nil
  if not event.exit.ok then
    local message <const> = "the stop command failed: " .. exits.describe(event.exit)
    out.emit(st, { kind = "event", type = "stop_failed", name = svc.name, message = message })
    svc.undone = not svc.proc and not svc.untold and message or nil
  end
  if not svc.proc then
    out.disarm(st, svc)
    local exit <const> = svc.untold
    svc.untold = nil
    life.finish(st, svc, exit)
  elseif not event.exit.ok and svc.ladder[svc.rung].cmd then
    step_on(st, svc, svc.rung + 1)
  end
end

--- Shutdown was asked for again: the next rung now; the third time, the last.
function M.hurry(st, svc)
  local last <const> = #svc.ladder
  if svc.rung > 0 and svc.rung < last then
    step_on(st, svc, st.level >= 3 and last or svc.rung + 1)
  end
end

--- Its supervisor's time to stop is over.
function M.slay(st, svc)
  if svc.rung < #svc.ladder and needs_ladder(svc) then
    step_on(st, svc, #svc.ladder)
  end
end

return M
