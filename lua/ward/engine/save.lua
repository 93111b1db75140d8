-- The engine's state as plain data, and back: what a successor needs to decide exactly as this one would have.
--
-- What the specs and the tree say is not in it, nor what is made from them (who stands where, who is whose neighbour);
-- everything else is, also what nobody here knows by name. References become numbers: a service is its place among all
-- services, a supervisor its place among the supervisors, negated where it may be either; a command is its token.

local graph <const> = require "ward.engine.graph"
local grow <const> = require "ward.engine.grow"
local order <const> = require "ward.engine.order"

local M <const> = {}

-- Fields of a node that point to something else than plain data; each is saved in a way of its own.
local POINTS <const> = { hold = true, group = true, grip = true, taken = true, waiters = true, ladder = true }

-- Those, and what the specs and the tree say or what is made from them.
local APART <const> = {
  kind = true, name = true, spec = true, parent = true, children = true, index = true, first = true, last = true,
  needs = true, dependents = true, firsts = true, laters = true, pulls = true, shaken = true, place = true,
  hungry = true, patient = true, users = true,
}
for key in pairs(POINTS) do
  APART[key] = true
end

-- Of the state: what is made, and what belongs to the step that is over.
local PASSING <const> = {
  services = true, by_name = true, supervisors = true, sup_by_name = true, root = true, commands = true,
  queue = true, frees = true, effects = true, sweeping = true,
}

local function copy_but(from, skip)
  local copy = {}
  for key, value in next, from do
    if not skip[key] then
      copy[key] = value
    end
  end
  return copy
end

-- All holds that are in force, numbered, and as plain data.
local function save_holds(st)
  local number_of <const>, saved <const>, place <const> = {}, {}, {}
  for at, sup in ipairs(st.supervisors) do
    place[sup] = at
  end
  local function add(hold)
    if not hold or number_of[hold] then
      return
    end
    local trigger <const> = hold.trigger
    saved[#saved + 1] = { kind = hold.kind, whole = hold.whole, live = hold.live, due = hold.due, sup = place[hold.sup],
      trigger = trigger and (place[trigger] and -place[trigger] or trigger.index) }
    number_of[hold] = #saved
  end
  for _, sup in ipairs(st.supervisors) do
    add(sup.group)
    add(sup.grip)
  end
  for _, svc in ipairs(st.services) do
    add(svc.hold)
  end
  return saved, number_of
end

local function save_waiters(waiters)
  local saved = {}
  for at, waiter in ipairs(waiters) do
    saved[at] = { command = waiter.command.token, slot = waiter.slot, goal = waiter.goal, op = waiter.op }
  end
  return saved
end

local function save_node(node, number_of)
  local saved <const> = copy_but(node, APART)
  for _, key in ipairs { "hold", "group", "grip", "taken" } do
    saved[key] = node[key] and number_of[node[key]] -- taken by a group that is over: by nobody
  end
  if node.waiters and #node.waiters > 0 then
    saved.waiters = save_waiters(node.waiters)
  end
  if node.ladder then
    saved.ladder = node.ladder == node.spec.stop or node.ladder -- true: that of its spec
  end
  return saved
end

local function save_nodes(nodes, number_of)
  local saved = {}
  for at, node in ipairs(nodes) do
    saved[at] = save_node(node, number_of)
  end
  return saved
end

--- The state between two steps as plain data. It shares tables with the state: pack or copy it before the next step.
---@param st table
---@return table plain
function M.save(st)
  local holds <const>, number_of <const> = save_holds(st)
  local removed = {}
  for _, svc in ipairs(st.services) do
    removed[#removed + 1] = svc.removed and svc.spec or nil
  end
  return {
    state = copy_but(st, PASSING), commands = st.commands, holds = holds, removed = removed,
    services = save_nodes(st.services, number_of), supervisors = save_nodes(st.supervisors, number_of),
  }
end

local function restore_holds(st, saved)
  local holds = {}
  for at, each in ipairs(saved) do
    local trigger <const> = each.trigger
    holds[at] = { kind = each.kind, whole = each.whole, live = each.live, due = each.due,
      sup = st.supervisors[each.sup],
      trigger = trigger and (trigger < 0 and st.supervisors[-trigger] or st.services[trigger]) or nil }
  end
  return holds
end

local function restore_node(st, node, saved, holds)
  for key, value in next, saved do
    if not POINTS[key] then
      node[key] = value
    end
  end
  for _, key in ipairs { "hold", "group", "grip", "taken" } do
    node[key] = saved[key] and holds[saved[key]]
  end
  for at, waiter in ipairs(saved.waiters or {}) do
    node.waiters[at] = { command = st.commands[waiter.command], slot = waiter.slot, goal = waiter.goal,
      op = waiter.op }
  end
  if saved.ladder then
    node.ladder = saved.ladder == true and node.spec.stop or saved.ladder
  end
end

--- A state that decides from here on as the saved one would have. It takes over the tables of `plain`.
---@param plain table what M.save gave, or a copy of it
---@param specs table[] canonical: all that were declared when it was saved, in that order
---@param tree table|nil the tree that they were declared in
---@return table state
function M.restore(plain, specs, tree)
  local st <const> = copy_but(plain.state, {})
  st.commands, st.queue, st.frees, st.effects = plain.commands, {}, {}, {}
  grow.tree(st, specs, tree, { by_name = {}, sup_by_name = {} })
  for _, spec in ipairs(plain.removed) do
    grow.append(st, { kind = "service", name = spec.name, spec = spec, waiters = {} })
  end
  graph.link(st.services, st.by_name)
  assert(#plain.services == #st.services and #plain.supervisors == #st.supervisors,
    "engine: a saved state of other services")
  local holds <const> = restore_holds(st, plain.holds)
  for at, svc in ipairs(st.services) do
    restore_node(st, svc, plain.services[at], holds)
  end
  for at, sup in ipairs(st.supervisors) do
    restore_node(st, sup, plain.supervisors[at], holds)
  end
  for _, svc in ipairs(st.services) do
    order.rejoin(svc)
  end
  return st
end

return M
