-- Supervisors: what a restart takes along, how many are too many, and what then.
--
-- A node is a service or a supervisor; the services of a supervisor stand next to each other in st.services, from
-- `first` to `last`. A supervisor is
--   up        its children live their own lives
--   stopping  all of them are being stopped, because it gives up ("failed") or shuts itself down ("done")
--   backoff   down; its own supervisor starts it again in a while
--   failed, done   down for good

local backoff <const> = require "ward.engine.backoff"
local hold <const> = require "ward.engine.hold"
local nodes <const> = require "ward.engine.nodes"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local stall <const> = require "ward.engine.stall"
local state <const> = require "ward.engine.state"
local vital <const> = require "ward.engine.vital"
local window <const> = require "ward.engine.window"

local M <const> = {}

-- The time that its stop may take begins.
local function time_stop(st, sup)
  if sup.spec.shutdown then
    sup.stops_since = st.now
    out.arm(st, sup, st.now + sup.spec.shutdown)
  end
end

-- The supervisors of a child are as new: what they were about to do is taken over by whoever stops their services.
local function reset(st, child)
  nodes.each_supervisor(child, function(sup)
    out.disarm(st, sup)
    vital.enter(st, sup, "up")
    sup.up_since, sup.past, sup.group, sup.grip, sup.wanted = st.now, {}, nil, nil, nil
    time_stop(st, sup)
  end)
end

-- Down for good: so are its services, or, when a group lays it down, those that the group has kept down. Was one of
-- them started by hand meanwhile, then the supervisor stays for that one.
local function lay_down(st, sup, outcome, group)
  local stays = false
  for _, svc in ipairs(nodes.backwards(st, sup.first, sup.last)) do
    if group == nil or svc.hold == group then
      hold.set(st, svc, nil)
      svc.sinking = true
      out.push(st, svc, "lay", sup)
    else
      stays = stays or svc.desired == "up"
    end
  end
  if not stays then
    vital.enter(st, sup, outcome)
    sup.outcome = outcome
  end
end

-- Starts the services of a child that `by` has kept down; nil: all of them. `alone`: a retry, whose first try is over
-- for those that start after it.
local function release(st, child, by, alone)
  for index = child.first, child.last do
    local svc = st.services[index]
    if by == nil or svc.hold == by then
      hold.set(st, svc, nil)
      if not alone then
        order.expect(st, svc, true)
      end
      out.push(st, svc, "renew", child.kind == "supervisor")
    end
  end
end

-- The time of its stop is over, that of a child or of those below it, and a new life begins.
local function calm(st, child)
  nodes.each_supervisor(child, function(sup)
    if sup.state == "up" then
      out.disarm(st, sup)
      sup.up_since = st.now
    end
  end)
end

-- What a group has kept down starts, without the one that it was kept down for.
local function let_go(st, group, child)
  if child.taken == group then
    child.taken = nil
    calm(st, child)
    if not nodes.is_fleeting(child) then
      release(st, child, group)
    elseif child.state == "up" then -- or it has come to its own end, for one that was started by hand
      lay_down(st, child, "done", group)
    end
  end
end

-- Those that a group may have taken, and the one that it restarts with, in their order.
local function of_group(group)
  local children <const> = group.sup.children
  return table.move(children, group.whole and 1 or group.trigger.place, #children, 1, {})
end

-- Starts `node` again, and what a group has kept down for it, in their order.
local function start(st, node, group)
  for _, child in ipairs(group and of_group(group) or { node }) do
    if child ~= node then
      let_go(st, group, child)
    else
      out.disarm(st, node)
      calm(st, node)
      release(st, node, nil, group == nil and node.kind == "service")
    end
  end
  if node.kind == "supervisor" then
    vital.enter(st, node, "up")
    node.up_since, node.past, node.outcome = st.now, {}, nil
    out.emit(st, { kind = "event", type = "supervisor_up", name = node.name })
  end
end

-- Giving up -----------------------------------------------------------------------------------------------

-- All children go down, in reverse order; then it is told to its own supervisor.
local function close(st, sup, outcome, culprit, reason)
  if sup.state ~= "up" then
    return
  end
  out.emit(st, { kind = "event", type = outcome == "failed" and "give_up" or "auto_shutdown", name = sup.name,
    reason = reason, child = culprit.name })
  sup.outcome, st.sweeping = outcome, true
  if not sup.parent and not (outcome == "failed" and sup.spec.stay) then
    st.root_over = outcome
    return
  end
  local grip <const> = { kind = "sup", sup = sup, live = 0 }
  for _, child in ipairs(sup.children) do
    reset(st, child)
  end
  out.disarm(st, sup)
  vital.enter(st, sup, "stopping")
  sup.grip, sup.group = grip, nil
  sup.ran = st.now - (sup.up_since or 0) -- the time that its stop takes does not count
  local list <const> = nodes.backwards(st, sup.first, sup.last)
  for _, svc in ipairs(list) do
    hold.set(st, svc, grip)
  end
  state.halt_all(st, list, { reason = outcome == "failed" and "give_up" or "auto_shutdown" })
  time_stop(st, sup)
  if grip.live == 0 then
    out.push(st, sup, "ripe", grip)
  end
end

--- A supervisor gives up, because of a child.
---@param st table
---@param sup table
---@param child table a node
function M.escalate(st, sup, child, reason)
  close(st, sup, "failed", child, reason or "escalate")
end

--- A child has ended by itself and is not started again: that may be the end of its supervisor.
---@param st table
---@param node table
function M.over(st, node)
  local sup <const> = node.parent
  local auto <const> = sup and sup.spec.auto_shutdown
  if not node.spec.significant or auto == nil or auto == "never"
    or auto == "all_significant" and vital.others(node) then
    return
  end
  close(st, sup, "done", node, auto)
end

-- All of it is down: its own supervisor restarts it, or does not.
local function ended(st, sup)
  out.disarm(st, sup)
  sup.grip = nil
  if sup.wanted then
    sup.wanted = nil
    return start(st, sup)
  end
  if not nodes.comes_back(sup) then
    lay_down(st, sup, sup.outcome)
    return sup.parent and M.over(st, sup)
  end
  local policy <const> = sup.spec.restart.backoff
  if sup.ran >= policy.reset then
    sup.streak = 0
  end
  sup.streak, sup.restarts = sup.streak + 1, sup.restarts + 1
  local delay <const> = backoff.delay(policy, sup.streak, backoff.random(st.rng))
  vital.enter(st, sup, "backoff")
  out.emit(st, { kind = "event", type = "supervisor_backoff", name = sup.name, delay = delay,
    restarts = sup.restarts })
  stall.tried(st, sup)
  if M.fell(st, sup) then
    return
  elseif delay > 0 then
    out.arm(st, sup, st.now + delay)
  else
    M.back(st, sup)
  end
end

-- Restarting ----------------------------------------------------------------------------------------------

local function group_of(node)
  local group <const> = node.parent and node.parent.group
  return group and group.trigger == node and group or nil
end

--- Do others wait for the restart of this node?
---@param node table
---@return boolean
function M.is_awaited(node)
  return group_of(node) ~= nil
end

--- The restart of this node is not to happen before it is asked for again.
---@param node table
function M.put_off(node)
  local group <const> = group_of(node)
  if group then
    group.due = false
  end
end

-- A group takes a child along; its services are added to `list`, later ones first.
local function take(st, group, child, list)
  reset(st, child)
  child.taken, st.sweeping = group, true
  for _, svc in ipairs(nodes.backwards(st, child.first, child.last)) do
    hold.set(st, svc, group)
    list[#list + 1] = svc
  end
  if child.kind == "service" and child.spec.restart.on == "never" then
    local stops <const> = child.state == "stopping" and (child.cause == nil or child.forgiven)
    local leaves <const> = order.live(child) and (child.leaving or not stops)
    child.leaving = leaves and (group.trigger.name or "") or nil
  end
end

--- A child is to be started again: what its supervisor restarts along with it goes down now. One that a group under
--- way would have taken along, had it not been started by hand, goes down with that one.
---@param st table
---@param node table
---@return boolean joined its restart is that of the group
function M.fell(st, node)
  local sup <const> = node.parent
  local strategy <const>, former <const> = sup.spec.strategy, sup.group
  local list = {}
  local joined = false
  if strategy ~= "one_for_one" then
    local first <const> = strategy == "one_for_all" and sup.first or node.last + 1
    joined = former ~= nil and former.trigger ~= node and former.trigger.first < first
    if joined then
      take(st, former, node, list)
    else
      local whole <const> = strategy == "one_for_all"
      local group <const> = { kind = "group", sup = sup, trigger = node, whole = whole, live = 0, due = false }
      sup.group = group
      for at = #sup.children, whole and 1 or node.place + 1, -1 do
        local child = sup.children[at]
        if child ~= node and not nodes.is_out(child) then
          take(st, group, child, list)
        end
      end
    end
  end
  state.halt_all(st, list, { reason = strategy })
  M.shake(st, node)
  return joined
end

--- Those that want to be restarted with what they need.
---@param st table
---@param node table
function M.shake(st, node)
  local list = {}
  for index = node.first, node.last do
    for _, each in ipairs(st.services[index].shaken) do
      if each.index < node.first or each.index > node.last then
        list[#list + 1] = each
      end
    end
  end
  if #list > 0 then
    state.halt_all(st, list, { reason = "need_restarts" })
  end
end

-- The restart that was decided does not happen, and does not count.
local function too_many(st, sup, node)
  local limit <const> = sup.spec.intensity
  node.restarts = math.max(node.restarts - 1, 0)
  if node.kind == "service" then
    local rule <const> = 'intensity of supervisor "%s": more than %d restarts within %gs'
    node.decision = { outcome = "give_up", at = st.now, rule = rule:format(sup.name or "", limit.n, limit.within) }
  end
end

--- The time for its restart has come: it counts, and happens, unless it is one too many. A group starts when all of
--- it is down.
---@param st table
---@param node table
function M.back(st, node)
  local sup <const>, group <const> = node.parent, group_of(node)
  if node.hold and node.hold.kind == "sup" then -- the script starts it below one that is being stopped
    order.expect(st, node, true)
    return out.push(st, node, "renew")
  elseif group and hold.is_busy(st, group) then
    group.due = true
    return
  elseif group then
    sup.group = nil -- that of another one goes on: the script may restart a child of its own while that waits
  end
  if window.add(sup.past, sup.spec.intensity, st.now) then
    too_many(st, sup, node)
    return M.escalate(st, sup, node, "intensity")
  end
  start(st, node, group)
end

-- Who was held for a restart that does not come starts without it.
local function abandon(st, group)
  group.sup.group = nil
  for _, child in ipairs(of_group(group)) do
    let_go(st, group, child)
  end
end

-- Its restart happens now, by hand.
local function hasten(st, node)
  local group <const> = group_of(node)
  if group then
    group.sup.group = nil
  end
  start(st, node, group)
end

--- A node that others wait for is stopped before its restart: by somebody's command, or because what it needs went
--- away. Then it is restarted as far as it goes, so that the restart counts.
---@param st table
---@param node table
function M.missed(st, node)
  local group <const> = group_of(node)
  if not group then
    return
  elseif node.desired == "down" or st.level > 0 then
    abandon(st, group)
  else
    M.back(st, node)
  end
end

--- A service is started by hand: neither a group nor a supervisor that is down may keep it.
---@param st table
---@param svc table
---@return boolean hastened it starts in its turn, with others
function M.by_hand(st, svc)
  local hastened = M.is_awaited(svc)
  svc.sinking = nil
  if hastened then
    hasten(st, svc)
  elseif svc.hold and svc.hold.kind == "group" then
    hold.set(st, svc, nil)
  end
  local sup = svc.parent
  while sup do
    if sup.state == "failed" or sup.state == "done" then
      vital.enter(st, sup, "up")
      sup.up_since, sup.past, sup.outcome = st.now, {}, nil
    elseif sup.state == "stopping" then
      sup.wanted = true
    elseif sup.state == "backoff" then
      hasten(st, sup)
      hastened = true
    end
    sup = sup.parent
  end
  return hastened
end

--- What needs the service is started by hand: a supervisor on its way down for good comes back.
---@param svc table
function M.wish(svc)
  local sup = svc.parent
  while sup do
    if sup.state == "stopping" and not nodes.comes_back(sup) then
      sup.wanted = true
    end
    sup = sup.parent
  end
end

-- Is what the service is held for there still, and will it let go of it?
local function is_kept(st, svc)
  local by <const> = svc.hold
  local sup <const> = by.sup
  if st.sup_by_name[sup.name or ""] ~= sup or svc.index < sup.first or svc.index > sup.last then
    return false
  elseif by.kind == "sup" then
    return sup.grip == by or sup.state == "backoff"
  end
  local child = svc
  while child.parent ~= sup do
    child = child.parent
  end
  return sup.group == by and child.taken == by
end

--- The tree is another one: what a node is held for has to be there still.
---@param st table
function M.mend(st)
  for _, sup in ipairs(st.supervisors) do
    local group <const> = sup.group
    local trigger <const> = group and group.trigger
    if trigger then
      group.whole = true -- its place is another one, or gone
      if trigger.removed or trigger.parent ~= sup or not nodes.is_there(st, trigger) then
        abandon(st, group)
      end
    end
  end
  for _, svc in ipairs(st.services) do
    local stale <const> = svc.hold ~= nil and not is_kept(st, svc)
    local down <const> = hold.over_for(svc)
    if stale then
      hold.set(st, svc, nil)
    end
    if down and (stale or svc.state == "waiting") then
      svc.sinking = true
      out.push(st, svc, "lay", down)
    elseif stale then
      order.expect(st, svc, true)
      out.push(st, svc, "renew", true)
    end
  end
end

-- Inputs of supervisors -----------------------------------------------------------------------------------

local INPUTS <const> = {}

-- All that was held is down.
function INPUTS.ripe(st, sup, by)
  if by.live > 0 or st.level > 0 or not nodes.is_there(st, sup) then
    return
  elseif sup.grip == by then
    ended(st, sup)
  elseif sup.group == by and by.due then
    M.back(st, by.trigger)
  end
end

function INPUTS.timer(st, sup)
  if not sup.deadline then
    return -- a stale one
  elseif st.now < sup.deadline then
    return out.arm(st, sup, sup.deadline)
  end
  sup.deadline = nil
  if sup.state == "backoff" and st.level == 0 then
    return M.back(st, sup)
  end
  for _, svc in ipairs(nodes.backwards(st, sup.first, sup.last)) do -- its time to stop is over
    if svc.state == "stopping" and svc.since <= sup.stops_since then
      out.push(st, svc, "slay")
    end
  end
end

--- Ward goes down: supervisors do nothing of their own any more, but for the time that they may take.
---@param st table
function M.shut(st)
  for _, sup in ipairs(st.supervisors) do
    out.disarm(st, sup)
    sup.group, sup.grip = nil, nil
    time_stop(st, sup)
  end
  for _, svc in ipairs(st.services) do
    svc.hold = nil
  end
end

--- Does what an input asks of a supervisor.
---@param st table
---@param sup table
---@param input "ripe"|"timer"
---@param arg any
function M.dispatch(st, sup, input, arg)
  INPUTS[input](st, sup, arg)
end

return M
