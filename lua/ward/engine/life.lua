-- The life of one service: what the cells of the table in transitions.lua do, but for stopping (stop.lua). Each
-- function takes the engine's state, the service and what came with the input.

local backoff <const> = require "ward.engine.backoff"
local exits <const> = require "ward.engine.exit"
local graph <const> = require "ward.engine.graph"
local hold <const> = require "ward.engine.hold"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local scripted <const> = require "ward.engine.scripted"
local stall <const> = require "ward.engine.stall"
local state <const> = require "ward.engine.state"
local tree <const> = require "ward.engine.tree"
local window <const> = require "ward.engine.window"

local M <const> = {}

-- How long a rule of the script's may think.
local ASK_WITHIN <const> = 10

local PAUSED <const> = "restarting is paused"

-- How many exits a rule is told of.
local HISTORY <const> = 10

-- Starting ----------------------------------------------------------------------------------------------

local function launch(st, svc, details)
  svc.rung, svc.cause, svc.forgiven, svc.leaving, svc.proc, svc.stale, svc.ran = 0, nil, nil, nil, true, nil, 0
  state.enter(st, svc, "starting", details)
  out.emit(st, { kind = "spawn", name = svc.name })
  if svc.spec.start_timeout then
    out.arm(st, svc, st.now + svc.spec.start_timeout)
  end
end

local function wait(st, svc, details)
  if svc.state ~= "waiting" then
    details = details or {}
    details.waits_for = state.waits_for(svc, "waiting")
    state.enter(st, svc, "waiting", details)
  end
end

-- Says which rule decided, for `why`.
local function decided(st, svc, rule, outcome)
  svc.decision = { rule = rule, outcome = outcome, at = st.now }
end

-- Restarting is paused: only a start of it by name brings it up, and a resume.
local function park(st, svc, details)
  decided(st, svc, PAUSED, "kept_down")
  if svc.state ~= "backoff" then
    details = details or {}
    details.paused = true
    state.enter(st, svc, "backoff", details)
  end
end

--- A service without a process goes where it is wanted.
---@param st table
---@param svc table
---@param details table|nil of the event
function M.place(st, svc, details)
  if st.level > 0 or svc.desired == "down" then
    details = details or {}
    details.because = svc.undone
    state.enter(st, svc, svc.undone and "failed" or "stopped", details)
    if svc.undone then
      state.cascade(st, { svc }, { reason = "failed" })
    end
  elseif svc.paused then
    park(st, svc, details)
  elseif svc.hold or not order.is_free(svc) or st.root_over or tree.is_awaited(svc) then
    wait(st, svc, details)
  else
    launch(st, svc, details)
  end
end

--- What a start by hand does to the past. A fault stays the cause of the exit to come, but decides nothing any more.
function M.clear(_, svc)
  svc.restarts, svc.streak, svc.past, svc.forgiven = 0, 0, {}, true
  svc.decision = nil
end

--- The script restarts it soon after its last start: that waits as its other restarts do.
function M.again_by_script(st, svc)
  if scripted.is_rested(st, svc) then
    return M.again(st, svc)
  end
  svc.scripted = svc.state ~= "stopping" or svc.scripted
end

--- By hand while it goes down: it starts again as soon as it is down.
function M.again(st, svc)
  M.clear(st, svc)
  svc.leaving = nil
  order.expected_anew(st, svc)
  tree.by_hand(st, svc)
end

--- The script starts it while it waits or goes down: it comes by itself.
function M.hope(_, svc)
  tree.wish(svc)
end

--- A dependent is started while it waits or goes down: what comes by itself is waited for.
function M.wish(st, svc)
  if svc.sinking and svc.state ~= "stopping" then -- it would not come by itself
    return (svc.state == "stuck" and M.again or M.begin)(st, svc)
  elseif svc.state == "backoff" then
    return
  elseif svc.state ~= "waiting" then
    M.clear(st, svc)
  end
  tree.wish(svc)
end

--- Starts by hand, or at boot, or because a dependent is started: now, whatever happened before.
function M.begin(st, svc)
  if svc.up then
    return -- a oneshot that is done
  end
  M.clear(st, svc)
  svc.asking = nil
  out.disarm(st, svc)
  if not tree.by_hand(st, svc) and (svc.paused or svc.state ~= "waiting" or not svc.hold) then
    M.place(st, svc)
  end
end

-- Its supervisor is down for good, and so is it. `exit`: of one that was stuck until now.
local function sink(st, svc, sup, exit)
  local failed <const> = sup.outcome == "failed"
  local because <const> = ('supervisor "%s" %s'):format(sup.name or "", failed and "gave up" or "has shut down")
  state.enter(st, svc, failed and "failed" or "stopped",
    { reason = failed and "give_up" or "auto_shutdown", because = because, exit = exit })
  if failed then
    state.cascade(st, { svc }, { reason = "failed" })
  end
  state.answer_ready(st, svc, because)
end

--- Its supervisor is down for good, unless it has been started by hand in the same step.
function M.lay(st, svc, sup)
  if svc.sinking then
    svc.sinking = nil
    sink(st, svc, sup)
  end
end

-- Is something that it needs, directly or not, on its way down in this very step?
local function on_sand(svc)
  for _, need in ipairs(graph.reach(svc, "needs")) do
    if need.hold then
      return true
    end
  end
  return false
end

--- All that it waits for is there. Nothing is started to be stopped in the same step.
function M.go(st, svc)
  if svc.doomed then
    return out.push(st, svc, "needs") -- behind its stop, which is queued already
  elseif hold.over_for(svc) or st.sweeping and (svc.expected or on_sand(svc)) then
    return -- it is laid down, or started later in this step, with its group
  end
  M.place(st, svc)
end

--- Its supervisor starts it again. One that is never restarted stays as it ended, unless its supervisor is new.
function M.renew(st, svc, fresh)
  if svc.doomed then -- behind its stop, which is queued already
    order.expect(st, svc, true)
    return out.push(st, svc, "renew", fresh)
  end
  local over = svc.state == "done" or svc.state == "failed"
  local down <const> = svc.desired == "down" and (svc.state == "stopped" or svc.undone)
  if down or over and not fresh and svc.spec.restart.on == "never" then
    return
  end
  out.disarm(st, svc)
  M.place(st, svc)
end

--- The program runs. Without a probe that is ready enough; a oneshot is ready when it is done.
function M.started(st, svc, event)
  assert(not svc.pid, "engine: started twice")
  svc.pid = event.pid
  if not svc.spec.ready and svc.spec.type ~= "oneshot" then
    M.rise(st, svc)
  end
end

--- The program says that it is ready, or its probe does.
function M.rise(st, svc)
  out.disarm(st, svc)
  svc.up_since = st.now
  state.enter(st, svc, "ready")
end

--- The program runs, but it is being stopped already.
function M.late(_, svc, event)
  assert(not svc.pid, "engine: started twice")
  svc.pid = event.pid
end

-- Exits -------------------------------------------------------------------------------------------------

--- Notes how long it was ready: that decides whether its next failure is one of a streak.
function M.note_ready(st, svc)
  if svc.up_since then
    svc.ran, svc.up_since = st.now - svc.up_since, nil
  end
end

--- Takes in how it ended.
---@return table exit
function M.take_exit(st, svc, event, asked)
  local exit <const> = exits.judge(svc.spec.success, event.exit, asked, svc.cause)
  svc.last_exit, svc.decision, svc.pid, svc.proc = exit, nil, nil, false
  M.note_ready(st, svc)
  if svc.spec.asks then
    svc.exits = svc.exits or {}
    table.insert(svc.exits, exit)
    if #svc.exits > HISTORY then
      table.remove(svc.exits, 1)
    end
  end
  return exit
end

-- `again` is nil after an end that nobody had asked for, else { told = }: the script starts it once more, of its own.

-- One exit is told once.
local function is_told(svc, again)
  return svc.state == "backoff" or again and again.told or nil
end

local function keep_down(st, svc, exit, outcome, again)
  decided(st, svc, PAUSED, outcome)
  state.enter(st, svc, "backoff", { exit = exit, told = is_told(svc, again), paused = true })
  state.answer_failed_try(st, svc, exit)
end

local function retry_later(st, svc, exit, delay, again)
  if svc.paused then
    return keep_down(st, svc, exit, "paused") -- a oneshot that is done, and is to be done again
  end
  local policy <const> = svc.spec.restart.backoff
  if svc.ran >= policy.reset then
    svc.streak = 0
  end
  svc.streak = svc.streak + 1
  svc.restarts = svc.restarts + 1
  delay = delay or backoff.delay(policy, svc.streak, backoff.random(st.rng))
  state.enter(st, svc, "backoff", {
    exit = exit, told = is_told(svc, again),
    delay = delay, attempt = svc.streak, restarts = svc.restarts, next_at = st.now + delay,
  })
  if not again then -- who started it by hand learns how that went; who waits for it goes on waiting
    stall.tried(st, svc)
    state.answer_failed_try(st, svc, exit)
  end
  if not again and tree.fell(st, svc) then
    return
  elseif delay > 0 then
    out.arm(st, svc, st.now + delay)
  else
    tree.back(st, svc)
  end
end

local function give_up(st, svc, exit, details, again)
  details = details or {}
  details.exit, details.told = exit, is_told(svc, again)
  local to <const> = exit.ok and details.reason ~= "give_up" and "done" or "failed"
  state.enter(st, svc, to, details)
  if not svc.up then
    state.cascade(st, { svc }, { reason = svc.state })
  end
  tree.over(st, svc)
end

-- The script has it restarted, maybe because of its last end: that is one more of its restarts, unlike one by hand.
local function once_more(st, svc, exit, again)
  if window.add(svc.past, svc.spec.restart.give_up, st.now) then
    decided(st, svc, "restart.give_up, and the script starts it", "give_up")
    return give_up(st, svc, exit, { reason = "give_up" }, again)
  end
  if svc.paused then -- the rule has lost its say all the same
    return keep_down(st, svc, exit, again and "kept_down" or "put_off", again)
  end
  decided(st, svc, "the script starts it", "restart")
  retry_later(st, svc, exit, nil, again)
end

--- The script starts it. A rule that is being asked has decided with that.
function M.auto(st, svc)
  if svc.state == "backoff" then
    if svc.asking then
      svc.asking = nil
      out.disarm(st, svc)
      once_more(st, svc, svc.last_exit)
    end
  elseif scripted.is_new(st, svc) then
    M.begin(st, svc) -- one without an exit never ran: its supervisor had laid it down
  elseif not scripted.refusal(st, svc) and not tree.by_hand(st, svc) then
    once_more(st, svc, svc.last_exit, { told = true })
  end
end

-- The rule of the spec.
local function decide(st, svc, exit, delay)
  local restart <const> = svc.spec.restart
  local rule = ("restart.on is %q, and the cause is %q"):format(restart.on, exit.cause)
  if exits.prevented(svc.spec.restart_prevent, exit) then
    rule = "restart_prevent lists this exit"
  elseif exits.followed(restart.on, exit) then
    if not window.add(svc.past, restart.give_up, st.now) then
      decided(st, svc, rule, "restart")
      return retry_later(st, svc, exit, delay)
    end
    rule = ("restart.give_up: more than %d restarts within %gs"):format(restart.give_up.n, restart.give_up.within)
    decided(st, svc, rule, "give_up")
    return give_up(st, svc, exit, { reason = "give_up" })
  end
  decided(st, svc, rule, exit.ok and "done" or "failed")
  give_up(st, svc, exit)
end

-- The script has a rule of its own: it is asked, and has some time.
local function ask(st, svc, exit)
  svc.asked = (svc.asked or 0) + 1
  svc.asking = svc.asked
  state.enter(st, svc, "backoff", { exit = exit, told = svc.state == "backoff" or nil, asking = true })
  local told <const> = svc.exits or { exit } -- the rule may be younger than the exit
  out.emit(st, { kind = "ask", name = svc.name, id = svc.asked, exit = exit,
    history = { restarts = svc.restarts, streak = svc.streak, exits = table.move(told, 1, #told, 1, {}) } })
  out.arm(st, svc, st.now + ASK_WITHIN)
end

-- What follows an end that no stop had asked for. `delay` takes the place of the default rule's.
local function settle(st, svc, exit, delay)
  out.disarm(st, svc)
  if svc.paused and not (exit.ok and svc.spec.type == "oneshot") then
    keep_down(st, svc, exit, "paused")
  elseif exits.asks(svc.spec, exit) then
    ask(st, svc, exit)
  else
    decide(st, svc, exit, delay)
  end
end

--- An exit that nobody asked for. Dependents go on running over a restart, not over an end.
function M.died(st, svc, event)
  settle(st, svc, M.take_exit(st, svc, event, false))
end

--- The exit that was asked for, or at last that of a stuck one.
function M.gone(st, svc, event)
  local exit <const> = M.take_exit(st, svc, event, true)
  if svc.helper then
    svc.untold = exit -- the command that stops it has to be done, too
  else
    M.finish(st, svc, exit)
  end
end

-- A group took it along, and nothing restarts it: that was its end. A oneshot is not up for that: its work was cut
-- short, and what it needs may be going down.
local function left(st, svc, exit)
  local short <const> = svc.spec.type == "oneshot"
  local to <const> = exit.ok and not short and "done" or "failed"
  decided(st, svc, ('restart.on is "never", and it was stopped for the restart of "%s"'):format(svc.leaving), to)
  state.enter(st, svc, to, { exit = exit, reason = "group",
    because = ('%s for the restart of "%s"'):format(short and "stopped before it was done" or "stopped", svc.leaving) })
  state.cascade(st, { svc }, { reason = svc.state })
end

--- A stop is over.
---@param exit table|nil nil: there was no process
function M.finish(st, svc, exit)
  local by_script <const> = svc.scripted
  svc.scripted = nil
  out.disarm(st, svc)
  if st.level == 0 and svc.desired == "up" then
    local down <const> = hold.over_for(svc)
    if down then
      return sink(st, svc, down, exit)
    elseif exit and svc.leaving then
      return left(st, svc, exit)
    elseif exit and svc.cause and not svc.forgiven and not svc.hold then
      return settle(st, svc, exit)
    elseif by_script and not svc.hold then
      return once_more(st, svc, exit or svc.last_exit, { told = exit == nil })
    elseif svc.doomed and not svc.paused then
      out.push(st, svc, "needs") -- behind its next stop, which is queued already
      return wait(st, svc, { exit = exit })
    end
  end
  M.place(st, svc, { exit = exit })
end

-- The script's rule ----------------------------------------------------------------------------------------

local function follow(st, svc, verdict)
  local exit <const> = svc.last_exit
  if type(verdict) == "number" then
    decided(st, svc, "the script's rule", "restart")
    retry_later(st, svc, exit, verdict)
  elseif verdict == "stop" then
    decided(st, svc, "the script's rule", "stop")
    give_up(st, svc, exit, { reason = "rule" })
  elseif verdict == "escalate" then
    decided(st, svc, "the script's rule", "escalate")
    out.emit(st, { kind = "event", type = "escalate", name = svc.name, exit = exit, told = true })
    tree.escalate(st, svc.parent, svc)
  else
    decide(st, svc, exit)
  end
end

--- The answer of the script's rule: seconds to wait, "stop", "escalate" or nil for the default rule. A rule that
--- failed says so in `fault`, one that returned anything else has failed, too, and then the default rule applies.
--- `id` tells which question it answers: an answer that comes when another one is open is none.
---@param event { id: integer|nil, verdict: any, fault: string|nil }
function M.verdict(st, svc, event)
  if not svc.asking or event.id and event.id ~= svc.asking then
    return
  end
  svc.asking = nil
  out.disarm(st, svc)
  local fault <const> = event.fault or exits.nonsense(event.verdict)
  if fault then
    out.emit(st, { kind = "event", type = "rule_failed", name = svc.name, message = fault })
    return decide(st, svc, svc.last_exit)
  end
  follow(st, svc, event.verdict)
end

--- The time in backoff is over.
function M.retry(st, svc)
  if not svc.deadline then
    return -- a stale timer
  elseif st.now < svc.deadline then
    return out.arm(st, svc, svc.deadline)
  end
  svc.deadline = nil
  if svc.asking then
    return M.verdict(st, svc, { fault = ("no answer within %d s"):format(ASK_WITHIN) })
  end
  tree.back(st, svc)
end

--- Restarting is paused: nothing is decided any more, and what was decided does not happen yet.
function M.pause(st, svc)
  svc.paused = true
  if svc.state == "waiting" then
    tree.put_off(svc)
    return park(st, svc)
  elseif svc.state ~= "backoff" then
    return
  end
  out.disarm(st, svc)
  tree.put_off(svc)
  order.expected_anew(st, svc)
  if svc.asking then
    svc.asking = nil
    decided(st, svc, PAUSED, "paused")
    state.enter(st, svc, "backoff", { exit = svc.last_exit, told = true, paused = true })
  end
end

--- Restarting is paused no longer: what is due is due now, unless its stop is queued already, or its end.
function M.resume(st, svc)
  if svc.doomed or svc.sinking or svc.asking then
    return
  end
  local outcome <const> = svc.decision and svc.decision.outcome
  if svc.hold then
    M.place(st, svc) -- it starts with its group
  elseif outcome == "paused" then
    settle(st, svc, svc.last_exit, 0)
  elseif outcome == "put_off" then
    retry_later(st, svc, svc.last_exit, 0)
  elseif outcome == "kept_down" and not tree.is_awaited(svc) then
    M.place(st, svc)
  else
    tree.back(st, svc)
  end
end

return M
