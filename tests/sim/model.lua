-- A second engine, slow and obvious, written from what the first one promises. One event changes what it says;
-- then rules are tried over all services and supervisors until none has anything left to do. Nothing is counted or
-- remembered that can be looked up.
--
-- It says what has to be spawned, signalled, killed, run, asked and answered in a step (in no order), in which state
-- each service is then, and when each timer is due. A delay with jitter is taken from the engine: `delay_of`.

local Causes <const> = require "sim.causes"
local Groups <const> = require "sim.groups"
local Neighbours <const> = require "sim.neighbours"
local Orders <const> = require "sim.orders"
local Replies <const> = require "sim.replies"

local Model <const> = {}
Model.__index = Model

local KILL_TIME <const> = 10
local ASK_TIME <const> = 10

local is_up <const>, is_live <const> = Neighbours.is_up, Neighbours.is_live

Model.is_up, Model.is_live = is_up, is_live
Model.on_its_way, Model.users_of = Neighbours.on_its_way, Neighbours.users_of

local function grow(model, sup, children)
  model.sups[#model.sups + 1] = sup
  model.sup_named[sup.name or ""] = sup
  for _, child in ipairs(children) do
    local node
    if child.children then
      node = { spec = child, name = child.name, parent = sup, state = "up", past = {}, streak = 0, children = {},
        since = -math.huge, sup = true }
      grow(model, node, child.children)
    else
      node = { spec = model.specs[child.service], name = child.service, parent = sup, state = "stopped", desired = "up",
        past = {}, streak = 0, rung = 0 }
      model.list[#model.list + 1] = node
      model.named[node.name] = node
    end
    sup.children[#sup.children + 1] = node
  end
end

--- A model of the same services in the same tree.
function Model.new(specs, tree)
  local model = setmetatable({ list = {}, named = {}, sups = {}, sup_named = {}, specs = {}, level = 0, code = 0,
    now = 0, open = {}, shut_tokens = {} }, Model)
  for _, spec in ipairs(specs) do
    model.specs[spec.name] = spec
  end
  model.root = { spec = tree, name = tree.name, state = "up", past = {}, streak = 0, children = {},
    since = -math.huge, sup = true }
  grow(model, model.root, tree.children)
  for _, svc in ipairs(model.list) do
    svc.needs, svc.firsts, svc.dependents, svc.laters = {}, {}, {}, {}
  end
  for _, svc in ipairs(model.list) do
    local seen = {}
    for field, lists in pairs { needs = { "needs", "dependents" }, wants = { "firsts", "laters" },
      after = { "firsts", "laters" } } do
      for _, name in ipairs(svc.spec[field] or {}) do
        if not seen[lists[1] .. name] then
          seen[lists[1] .. name] = true
          table.insert(svc[lists[1]], model.named[name])
          table.insert(model.named[name][lists[2]], svc)
        end
      end
    end
  end
  return model
end

function Model:say(...)
  self.effects[#self.effects + 1] = table.concat({ ... }, " ")
end

-- Stops ---------------------------------------------------------------------------------------------------

local decide

-- Where one without a process goes.
local function place(model, svc)
  if svc.desired == "down" or model.level > 0 then
    svc.state = svc.undone and "failed" or "stopped"
    Replies.settle_one(model, svc)
  else
    svc.undone = nil
    local dead <const> = Groups.verdict_of_the_dead(svc)
    svc.state = dead or svc.paused and "backoff" or "waiting"
    if dead then
      Replies.laid(model, svc)
    end
    svc.kept = svc.state == "backoff" or nil
  end
end

-- The stop is over, `had_process` or not.
local function after_stop(model, svc, had_process)
  local wanted <const> = svc.desired == "up" and model.level == 0
  local fault <const> = svc.fault
  svc.deadline, svc.fault, svc.helper, svc.had = nil, nil, nil, nil
  if had_process and fault and wanted and not svc.forgiven and not Groups.kept(svc) then
    decide(model, svc)
  elseif had_process and wanted and svc.leaving then
    svc.state = svc.exit.ok and svc.spec.type ~= "oneshot" and "done" or "failed"
    Replies.settle_one(model, svc)
    Replies.need_is_over(model, Neighbours.users_of(svc))
    model:halt_all(model.users_of(svc))
  else
    place(model, svc)
  end
end

-- The rung that is due, or a later one: without a process there is nobody to signal, and without the command of a
-- rung nobody to kill.
local function next_rung(model, svc, rung)
  local ladder <const> = svc.spec.stop
  while not svc.proc and ladder[rung].signal and rung < #ladder do
    rung = rung + 1
  end
  local step <const> = ladder[rung]
  if not svc.proc and not svc.helper and not step.cmd then
    return after_stop(model, svc, svc.had)
  end
  svc.rung = rung
  svc.deadline = model.now + (step.signal == "KILL" and KILL_TIME or step.wait)
  if step.cmd then
    svc.helper = true
    model:say("run", svc.name, rung)
  elseif step.signal == "KILL" then
    model:say("kill", svc.name)
  else
    model:say("signal", svc.name, step.signal)
  end
end

-- A oneshot that is not done has nothing to undo by command.
local function first_rung(svc)
  return svc.spec.type == "oneshot" and svc.proc and svc.spec.stop[1].cmd and 2 or 1
end

-- How long it was ready decides whether its next failure is one of a streak.
local function leave_ready(model, svc)
  if svc.state == "ready" then
    svc.ready_for = model.now - svc.since
  end
end

--- The service has to go away, whoever wants that.
function Model:halt(svc)
  if svc.state == "starting" or is_up(svc) or svc.state == "failed" and svc.undone and not self.quit then
    svc.undone = nil
    leave_ready(self, svc)
    svc.state, svc.rung, svc.deadline, svc.fault, svc.halted_at = "stopping", 0, nil, nil, self.now
  elseif svc.state == "backoff" and svc.desired == "up" and self.level == 0
    and (svc.paused or Neighbours.bides(svc)) then
    return
  elseif svc.state == "backoff" then
    svc.deadline, svc.asking, svc.undecided, svc.kept = nil, nil, nil, nil
    place(self, svc)
    Groups.child_left(self, svc)
  elseif svc.state == "waiting" then
    place(self, svc)
  end
end

--- The services and all that need them have to go away.
function Model:halt_all(set)
  local all <const> = {}
  for svc in pairs(set) do
    all[svc] = true
    Neighbours.users_of(svc, all)
  end
  for _, svc in ipairs(self.list) do
    if all[svc] then
      self:halt(svc)
    end
  end
end

function Model:rule_signal()
  for at = #self.list, 1, -1 do
    local svc <const> = self.list[at]
    if svc.state == "stopping" and svc.rung == 0 and Neighbours.may_signal(svc) then
      if svc.proc or svc.spec.stop[1].cmd then
        next_rung(self, svc, self.level >= 3 and #svc.spec.stop or first_rung(svc))
      else
        after_stop(self, svc)
      end
      return true
    end
  end
end

--- The time of its supervisor's stop, which began at `since`, is over: the last rung, whoever else is still there.
function Model:slay(svc, since)
  if svc.state == "stopping" and svc.halted_at <= since and svc.rung < #svc.spec.stop
    and (svc.proc or svc.spec.stop[1].cmd) then
    next_rung(self, svc, #svc.spec.stop)
  end
end

-- Starts --------------------------------------------------------------------------------------------------

local function launch(model, svc)
  svc.state, svc.proc, svc.rung, svc.fault, svc.forgiven, svc.ready_for = "starting", true, 0, nil, nil, 0
  svc.leaving, svc.undone = nil, nil
  svc.deadline = svc.spec.start_timeout and model.now + svc.spec.start_timeout
  model:say("spawn", svc.name)
end

function Model:rule_start()
  for _, svc in ipairs(self.list) do
    if svc.state == "waiting" and self.level == 0 and Neighbours.may_start(svc) then
      launch(self, svc)
      return true
    end
  end
end

-- Decisions -----------------------------------------------------------------------------------------------

--- Notes a time, unless that is more than the limit allows.
function Model:too_often(past, limit)
  if not limit then
    return false
  end
  local count = 0
  for _, at in ipairs(past) do
    count = count + (self.now - at <= limit.within and 1 or 0)
  end
  if count < limit.n then
    past[#past + 1] = self.now
  end
  return count >= limit.n
end

-- It stays down by itself.
local function end_for_good(model, svc, too_often)
  svc.asking, svc.undecided, svc.deadline = nil, nil, nil
  svc.state = svc.exit.ok and not too_often and "done" or "failed"
  Replies.settle_one(model, svc)
  Groups.child_left(model, svc)
  local was_last <const> = Groups.is_last(svc) -- before any that needs it is stopped
  if not is_up(svc) then
    Replies.need_is_over(model, Neighbours.users_of(svc))
    model:halt_all(model.users_of(svc))
  end
  if was_last then
    Groups.ended(model, svc)
  end
end

local function keep_down(model, svc)
  svc.state, svc.undecided, svc.deadline, svc.asking = "backoff", true, nil, nil
  Replies.try_failed(model, svc)
end

local function retry(model, svc, delay)
  if svc.paused then
    return keep_down(model, svc)
  end
  svc.state, svc.asking, svc.undecided = "backoff", nil, nil
  model.tried[svc] = true
  svc.streak = (svc.ready_for >= svc.spec.restart.backoff.reset and 0 or svc.streak) + 1
  delay = delay or model.delay_of(svc, svc.spec.restart.backoff, svc.streak)
  Replies.try_failed(model, svc)
  svc.deadline = delay > 0 and model.now + delay or nil
  local joined <const> = Groups.child_down(model, svc)
  if joined then
    svc.deadline = nil -- it restarts with a group
  elseif delay == 0 and svc.state == "backoff" then
    Groups.delay_over(model, svc)
  end
end

local function rule_of_spec(model, svc, delay)
  local restart <const> = svc.spec.restart
  if Causes.prevented(svc.spec.restart_prevent, svc.exit) or not Causes.FOLLOWED[restart.on](svc.exit.cause) then
    end_for_good(model, svc)
  elseif model:too_often(svc.past, restart.give_up) then
    end_for_good(model, svc, true)
  else
    retry(model, svc, delay)
  end
end

local function ask(model, svc)
  svc.state, svc.undecided, svc.asking, svc.deadline = "backoff", nil, true, model.now + ASK_TIME
  model:say("ask", svc.name)
end

Model.ask, Model.rule_of_spec = ask, rule_of_spec

-- The exit is there; what now?
function decide(model, svc)
  svc.kept = nil
  if svc.paused and not (svc.exit.ok and svc.spec.type == "oneshot") then
    keep_down(model, svc)
  elseif svc.spec.asks and not Causes.prevented(svc.spec.restart_prevent, svc.exit) then
    ask(model, svc)
  else
    rule_of_spec(model, svc)
  end
end

-- Events --------------------------------------------------------------------------------------------------

local EVENTS <const> = {}

function EVENTS.boot(model)
  for _, svc in ipairs(model.level == 0 and model.list or {}) do
    if svc.state == "stopped" and svc.desired == "up" then
      svc.state = svc.paused and "backoff" or "waiting"
      svc.kept = svc.paused
    end
  end
end

local function become_ready(model, svc)
  svc.state, svc.deadline, svc.since = "ready", nil, model.now
end

function EVENTS.started(model, _, svc)
  if svc.state == "starting" and not svc.spec.ready and svc.spec.type ~= "oneshot" then
    become_ready(model, svc)
  end
end

function EVENTS.ready(model, _, svc)
  if svc.state == "starting" then
    become_ready(model, svc)
  end
end

function EVENTS.exit(model, event, svc)
  svc.exit = Causes.judge(svc, event.exit)
  svc.proc = false
  leave_ready(model, svc)
  if svc.state == "starting" or svc.state == "ready" then
    svc.deadline = nil
    decide(model, svc)
  elseif svc.helper then
    svc.had = true -- the command that stops it has to be done, too
  else
    after_stop(model, svc, true)
  end
end

function EVENTS.ran(model, event, svc)
  svc.helper = nil
  svc.undone = not svc.proc and not svc.had and not event.exit.ok
  if not svc.proc then
    after_stop(model, svc, svc.had)
  elseif svc.state == "stopping" and not event.exit.ok and svc.spec.stop[svc.rung].cmd then
    next_rung(model, svc, svc.rung + 1)
  end
end

local function take_down(model, svc, cause)
  leave_ready(model, svc)
  svc.state, svc.fault, svc.halted_at = "stopping", cause, model.now
  next_rung(model, svc, first_rung(svc))
end

function EVENTS.fault(model, event, svc)
  if svc.proc and (svc.state == "starting" or svc.state == "ready") then
    take_down(model, svc, event.cause)
  end
end

function EVENTS.verdict(model, event, svc)
  local verdict <const> = event.verdict
  if not svc.asking then
    return
  end
  svc.asking, svc.deadline = nil, nil
  if not event.fault and math.type(verdict) and verdict >= 0 and verdict < math.huge then
    retry(model, svc, verdict)
  elseif not event.fault and verdict == "stop" then
    end_for_good(model, svc)
  elseif not event.fault and verdict == "escalate" then
    Groups.give_up(model, svc.parent)
  else
    rule_of_spec(model, svc)
  end
end

local function service_timer(model, svc)
  if not svc.deadline or model.now < svc.deadline then
    return
  end
  svc.deadline = nil
  if svc.state == "starting" then
    take_down(model, svc, "timeout")
  elseif svc.state == "stopping" then
    if svc.rung < #svc.spec.stop then
      next_rung(model, svc, svc.rung + 1)
    else
      svc.state = "stuck"
      Replies.need_is_over(model, Neighbours.users_of(svc))
      model:halt_all(model.users_of(svc))
    end
  elseif svc.asking then
    svc.asking = nil
    rule_of_spec(model, svc)
  else
    Groups.delay_over(model, svc)
  end
end

function EVENTS.timer(model, event, svc)
  if svc then
    service_timer(model, svc)
  else
    Groups.timer(model, model.sup_named[event.name])
  end
end

function EVENTS.command(model, event)
  if model.level == 0 or event.op == "stop" or event.op == "wait" then
    Orders[event.op](model, event.names)
  end
end

function EVENTS.cancel(model, event)
  Replies.cancel(model, event.token)
end

--- The end of ward, once to begin, again to hurry.
function Model:shutdown(event)
  self.level = self.level + 1
  self.code = event.code or self.code
  if event.token ~= nil then
    table.insert(self.shut_tokens, event.token)
  end
  if self.level == 1 then
    Replies.shutdown(self)
    Groups.shutdown(self)
    for _, svc in ipairs(self.list) do
      self:halt(svc)
    end
    return
  end
  for _, svc in ipairs(self.list) do
    if svc.state == "stopping" and svc.rung > 0 and svc.rung < #svc.spec.stop then
      next_rung(self, svc, self.level == 2 and svc.rung + 1 or #svc.spec.stop)
    end
  end
end

EVENTS.shutdown = Model.shutdown

local RULES <const> = { Groups.rule_restart, Groups.rule_down, Model.rule_signal, Model.rule_start }

--- One event: what has to be done, as lines in no order.
---@param event table
---@param now number
---@param delay_of fun(node: table, policy: table, streak: integer): number
---@return string[]
function Model:step(event, now, delay_of)
  self.now, self.effects, self.delay_of, self.tried = now, {}, delay_of, {}
  EVENTS[event.kind](self, event, event.name and self.named[event.name])
  local at = 1
  while RULES[at] do
    at = RULES[at](self) and 1 or at + 1
  end
  if event.kind == "command" then
    Replies.register(self, event)
  end
  Replies.settle(self)
  return self.effects
end

return Model
