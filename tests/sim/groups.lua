-- The model's supervisors: groups that restart together, limits, giving up and coming back. See sim.model.
--
-- A child that is to be restarted (service or supervisor) may have a `group`: the services that are held until it is.
-- A supervisor that goes down holds all its services. svc.hold is the one hold that a service is in.

local Replies <const> = require "sim.replies"

local M <const> = {}

local LIVE <const> = { starting = true, ready = true, stopping = true }

local function below(svc, node)
  local at = svc
  while at do
    if at == node then
      return true
    end
    at = at.parent
  end
  return false
end

local function services_below(model, node)
  local list = {}
  for _, svc in ipairs(model.list) do
    if below(svc, node) then
      list[#list + 1] = svc
    end
  end
  return list
end

local function supervisors_below(model, node)
  local list = {}
  for _, sup in ipairs(model.sups) do
    if below(sup, node) then
      list[#list + 1] = sup
    end
  end
  return list
end

local function any_live(list)
  for _, svc in ipairs(list) do
    if LIVE[svc.state] then
      return true
    end
  end
  return false
end

--- Does a group or a supervisor keep it from starting?
function M.kept(svc)
  local sup = svc.parent
  while sup do
    if sup.state ~= "up" then
      return true
    end
    sup = sup.parent
  end
  return svc.hold ~= nil or svc.group ~= nil
end

--- What a wanted service is when its supervisor is down for good: "failed" or "stopped"; nil: it may start.
function M.verdict_of_the_dead(svc)
  local sup = svc.parent
  while sup do
    if sup.state == "failed" or sup.state == "done" then
      return sup.state == "failed" and "failed" or "stopped"
    end
    sup = sup.parent
  end
end

local function members_of(model, hold)
  local list = {}
  for _, svc in ipairs(model.list) do
    if svc.hold == hold then
      list[#list + 1] = svc
    end
  end
  return list
end

-- Nobody waits for this child any more.
local function dissolve(model, node)
  if node.group then
    for _, svc in ipairs(members_of(model, node.group)) do
      svc.hold = nil
    end
  end
  node.group, node.due = nil, nil
end

-- The supervisor and all in it as on the first day.
local function renew(model, sup)
  for _, each in ipairs(supervisors_below(model, sup)) do
    dissolve(model, each)
    each.state, each.past, each.outcome, each.again, each.deadline = "up", {}, nil, nil, nil
    each.since = model.now
  end
  for _, svc in ipairs(services_below(model, sup)) do
    dissolve(model, svc)
  end
end

-- The time that a supervisor's stop may take begins.
local function time_stop(model, sup)
  for _, each in ipairs(supervisors_below(model, sup)) do
    if each.spec.shutdown then
      each.deadline, each.stops = model.now + each.spec.shutdown, model.now
    end
  end
end

local function set_of(list)
  local set = {}
  for _, svc in ipairs(list) do
    set[svc] = true
  end
  return set
end

-- Siblings that restart with a child.
local function group_of(node)
  local list, after = {}, false
  for _, child in ipairs(node.parent.children) do
    if child ~= node and (node.parent.spec.strategy == "one_for_all"
      or node.parent.spec.strategy == "rest_for_one" and after) then
      list[#list + 1] = child
    end
    after = after or child == node
  end
  return list
end

-- The group of a sibling that waits for its restart, and would take this node along.
local function group_around(node)
  if node.parent.spec.strategy ~= "rest_for_one" then
    return nil
  end
  for _, child in ipairs(node.parent.children) do
    if child ~= node and child.group and child.group.covers[node] then
      return child.group
    end
  end
end

-- Takes a child along: it is held, as new, and stops.
local function take(model, child, group, stops)
  for _, svc in ipairs(services_below(model, child)) do
    svc.hold, stops[svc] = group, true
  end
  if child.sup then
    renew(model, child)
    time_stop(model, child)
    group.laid[child] = child.spec.restart.on == "never" or nil
  else
    dissolve(model, child)
    child.leaving = child.spec.restart.on == "never" and LIVE[child.state]
      and (child.leaving or child.state ~= "stopping" or child.fault ~= nil and not child.forgiven)
  end
end

-- A restart of its siblings does not bring it back, and it is over.
local function is_out(child)
  return child.spec.restart.on == "never" and (child.sup and child.state ~= "up"
    or child.spec.type == "oneshot" and child.state == "done")
end

--- The child is to be restarted: those that restart with it stop now, and what wants a restart with it.
--- Was it freed from a group that still waits, then it is held again with that: true.
function M.child_down(model, node)
  dissolve(model, node)
  local around <const>, stops <const> = group_around(node), {}
  if around then
    take(model, node, around, stops)
  end
  local siblings <const> = around and {} or group_of(node)
  if not around and node.parent.spec.strategy ~= "one_for_one" then
    node.group = { sup = node.parent, child = node, covers = set_of(siblings), laid = {} }
  end
  for _, child in ipairs(siblings) do
    if not is_out(child) then
      take(model, child, node.group, stops)
    end
  end
  for _, svc in ipairs(services_below(model, node)) do
    for _, each in ipairs(svc.dependents) do
      if each.spec.on_restart == "restart" and not below(each, node) then
        stops[each] = true
      end
    end
  end
  model:halt_all(stops)
  return around ~= nil
end

--- Its delay is over: it is restarted as soon as those that restart with it are down.
function M.delay_over(_, node)
  node.due, node.deadline = true, nil
end

--- A child in backoff was halted.
function M.child_left(model, svc)
  if svc.hold or svc.desired == "down" or model.level > 0 or M.verdict_of_the_dead(svc) then
    dissolve(model, svc)
  elseif svc.state == "waiting" and svc.group then
    svc.due = true
  end
end

-- Wakes what is wanted.
local function wake(svc)
  if svc.undone and svc.desired == "down" then
    return
  end
  svc.undone = nil
  if svc.state == "backoff" and svc.paused then
    svc.kept, svc.undecided = true, nil
  end
  if not LIVE[svc.state] and svc.state ~= "stuck" and svc.state ~= "backoff"
    and not (svc.state == "done" and svc.spec.type == "oneshot") then
    svc.state = svc.desired ~= "up" and "stopped" or svc.paused and "backoff" or "waiting"
    svc.kept, svc.undecided = svc.state == "backoff" or nil, nil
  end
end

local function stays_down(node, sup)
  return node.parent == sup and node.spec.restart.on == "never" and (node.state == "done" or node.state == "failed")
end

local function wake_all(model, sup)
  renew(model, sup)
  for _, svc in ipairs(services_below(model, sup)) do
    svc.hold = nil
    wake(svc)
  end
end

local down_for_good, lay

-- Those that wait for the restart of this child start without it. A supervisor that nobody restarts is down for good,
-- unless one below it has been started by hand.
local function let_go(model, node)
  local group <const> = node.group
  local members <const> = group and members_of(model, group) or {}
  dissolve(model, node)
  for child in pairs(group and group.covers or {}) do
    local revived = false
    for _, svc in ipairs(child.sup and services_below(model, child) or {}) do
      revived = revived or svc.desired == "up" and not set_of(members)[svc]
    end
    if child.sup and child.state == "up" then
      for _, each in ipairs(supervisors_below(model, child)) do
        if each.state == "up" then
          each.deadline, each.stops, each.since = nil, nil, model.now
        end
      end
      if group.laid[child] and not revived then
        child.outcome = "done"
        down_for_good(model, child)
      end
    end
  end
  for _, svc in ipairs(members) do
    local top = svc
    while top.parent ~= node.parent do
      top = top.parent
    end
    if group.laid[top] then
      lay(model, svc, "done")
    elseif not stays_down(svc, node.parent) and not M.verdict_of_the_dead(svc) then
      wake(svc)
    end
  end
end

local function restart(model, node)
  let_go(model, node)
  if node.sup then
    wake_all(model, node)
  elseif node.state == "backoff" then
    node.state = "waiting"
  end
end

--- A child that others wait for is stopped by hand.
function M.stopped_by_hand(model, svc)
  if svc.state == "backoff" or svc.state == "waiting" then
    let_go(model, svc)
  end
end

--- Before a service starts by hand: nothing above it may keep it.
function M.started_by_hand(model, svc)
  let_go(model, svc)
  if svc.hold and svc.hold.child then
    svc.hold = nil
  end
  local sup = svc.parent
  while sup do
    if sup.state == "failed" or sup.state == "done" then
      sup.state, sup.past, sup.outcome, sup.since = "up", {}, nil, model.now
    elseif sup.state == "backoff" then
      let_go(model, sup)
      wake_all(model, sup)
    elseif sup.state == "stopping" then
      sup.again = true
    end
    sup = sup.parent
  end
end

local function comes_back(sup)
  local on <const> = sup.parent and sup.spec.restart.on
  return on == "always" or on == "failure" and sup.outcome == "failed"
end

--- What needs it is started by hand, and it waits or goes down: it comes back in its time.
function M.wished(svc)
  local sup = svc.parent
  while sup do
    sup.again = sup.again or sup.state == "stopping" and not comes_back(sup)
    sup = sup.parent
  end
end

--- Is somebody of the group still to go down?
function M.is_unripe(model, node)
  return node.group ~= nil and any_live(members_of(model, node.group))
end

--- A restart happens, and is counted, or is one too many.
function M.rule_restart(model)
  for _, list in ipairs { model.sups, model.list } do
    for _, node in ipairs(list) do
      if node.due and not M.is_unripe(model, node) then
        local sup <const> = node.parent
        if model.level > 0 or sup.state ~= "up" then
          dissolve(model, node)
        elseif model:too_often(sup.past, sup.spec.intensity) then
          M.give_up(model, sup)
        else
          restart(model, node)
        end
        return true
      end
    end
  end
end

-- The supervisor goes down.
local function go_down(model, sup, outcome)
  if sup.state ~= "up" or model.level > 0 then
    return
  end
  if not sup.parent and not (outcome == "failed" and sup.spec.stay) then
    return model:shutdown { code = outcome == "failed" and 1 or 0 }
  end
  local long <const> = model.now - sup.since >= (sup.spec.restart and sup.spec.restart.backoff.reset or 0)
  renew(model, sup)
  sup.state, sup.outcome, sup.long = "stopping", outcome, long
  local list <const> = services_below(model, sup)
  local hold <const> = { sup = sup }
  time_stop(model, sup)
  for _, svc in ipairs(list) do
    svc.hold = hold
  end
  model:halt_all(set_of(list))
end

function M.give_up(model, sup)
  go_down(model, sup, "failed")
end

local ACTIVE <const> = { waiting = true, starting = true, ready = true, stopping = true, backoff = true, up = true }

--- Does a child that has ended by itself, for good, end its supervisor?
function M.is_last(node)
  local sup <const> = node.parent
  local auto <const> = sup and sup.spec.auto_shutdown
  if not sup or not node.spec.significant or auto == nil or auto == "never" then
    return false
  end
  for _, child in ipairs(sup.children) do
    if auto == "all_significant" and child ~= node and child.spec.significant and ACTIVE[child.state] then
      return false
    end
  end
  return true
end

--- It does.
function M.ended(model, node)
  go_down(model, node.parent, "done")
end

function lay(model, svc, outcome)
  svc.hold = nil
  if svc.desired == "up" and (svc.state == "waiting" or svc.state == "backoff" and svc.paused) then
    svc.undecided, svc.kept = nil, nil
    svc.state = outcome == "failed" and "failed" or "stopped"
    if outcome == "failed" then
      Replies.need_is_over(model, model.users_of(svc))
      model:halt_all(model.users_of(svc))
    end
    if model.laid then
      model.laid[#model.laid + 1] = svc
    else
      Replies.laid(model, svc)
    end
  end
end

function down_for_good(model, sup)
  sup.state, sup.deadline, sup.stops = sup.outcome, nil, nil
  for _, svc in ipairs(services_below(model, sup)) do
    lay(model, svc, sup.outcome)
  end
end

local function is_down(model, sup)
  if sup.again then
    wake_all(model, sup)
  elseif comes_back(sup) then
    sup.state = "backoff"
    sup.streak = (sup.long and 0 or sup.streak) + 1
    local delay <const> = model.delay_of(sup, sup.spec.restart.backoff, sup.streak)
    if M.child_down(model, sup) then
      sup.deadline = nil
    elseif delay > 0 then
      sup.deadline = model.now + delay
    else
      M.delay_over(model, sup)
    end
  else
    down_for_good(model, sup)
    if M.is_last(sup) then
      M.ended(model, sup)
    end
  end
end

--- A supervisor is down when none of its services lives.
function M.rule_down(model)
  for at = #model.sups, 1, -1 do
    local sup <const> = model.sups[at]
    if (sup.state == "stopping" or sup.stops) and not any_live(services_below(model, sup)) then
      if sup.stops then
        sup.stops, sup.deadline = nil, nil
      end
      if sup.state == "stopping" and model.level == 0 then
        is_down(model, sup)
      elseif sup.state == "stopping" then
        sup.state = sup.outcome
      end
      return true
    end
  end
end

function M.timer(model, sup)
  if not sup.deadline or model.now < sup.deadline then
    return
  end
  sup.deadline = nil
  if sup.stops then
    for _, svc in ipairs(services_below(model, sup)) do
      model:slay(svc, sup.stops)
    end
    sup.stops = nil
  elseif sup.state == "backoff" then
    M.delay_over(model, sup)
  end
end

--- Ward ends: nothing is held, nothing comes back.
function M.shutdown(model)
  for _, sup in ipairs(model.sups) do
    dissolve(model, sup)
    if sup.state == "backoff" then
      sup.deadline = nil
    end
  end
  for _, svc in ipairs(model.list) do
    dissolve(model, svc)
    svc.hold = nil
  end
  time_stop(model, model.root)
end

return M
