-- The nodes of the tree: made when the engine begins, and made again around those that live on when the script is
-- replaced.

local graph <const> = require "ward.engine.graph"
local order <const> = require "ward.engine.order"
local vital <const> = require "ward.engine.vital"

local M <const> = {}

-- The supervisor of a script that declares none.
local IMPLICIT <const> = { strategy = "one_for_one" }

local function new_service(spec)
  return {
    kind = "service", name = spec.name,
    state = "stopped", since = nil, pid = nil, desired = spec.dormant and "down" or "up",
    restarts = 0, streak = 0, past = {}, last_exit = nil,
    rung = 0, deadline = nil, proc = false,
    waiters = {},
  }
end

local function new_supervisor(spec)
  return {
    kind = "supervisor", name = spec.name,
    state = "up", since = nil, streak = 0, restarts = 0, past = {},
  }
end

-- Services come in the order of the tree.
local function place_service(st, svc)
  local index <const> = #st.services + 1
  svc.index, svc.first, svc.last = index, index, index
  st.services[index], st.by_name[svc.name] = svc, svc
end

local function grow(st, sup, children, specs, old)
  sup.first, sup.children = #st.services + 1, {}
  st.supervisors[#st.supervisors + 1] = sup
  st.sup_by_name[sup.name or ""] = sup
  for index, child in ipairs(children) do
    local node
    if child.children then
      node = old.sup_by_name[child.name] or new_supervisor(child)
      node.spec, node.parent = child, sup
      grow(st, node, child.children, specs, old)
    else
      local spec = assert(specs[child.service], "engine: a tree of other services")
      assert(spec.stop[#spec.stop].signal == "KILL", "engine: a stop ladder ends in KILL")
      node = old.by_name[spec.name] or new_service(spec)
      node.spec, node.parent = spec, sup
      if node.removed then
        node.desired, node.removed = node.removed, nil
        old.back[#old.back + 1] = node
      end
      place_service(st, node)
    end
    sup.children[index], node.place = node, index
  end
  sup.last = #st.services
end

-- One supervisor over all.
local function flat(specs)
  local children = {}
  for index, spec in ipairs(specs) do
    children[index] = { service = spec.name }
  end
  return children
end

--- Makes the tree of `st` over the specs. Nodes of `old` with the same names stay what they are.
---@param st table
---@param specs table[] canonical, which graph.check accepts
---@param tree table|nil the root supervisor as in a bundle, over all of specs
---@param old { by_name: table, sup_by_name: table, root: table|nil, back: table[]|nil } back: gets those that are
---  declared again
function M.tree(st, specs, tree, old)
  local by_name = {}
  for _, spec in ipairs(specs) do
    by_name[spec.name] = spec
  end
  tree = tree or IMPLICIT
  st.services, st.by_name, st.supervisors, st.sup_by_name = {}, {}, {}, {}
  st.root = old.root or new_supervisor(tree)
  st.root.name, st.root.spec = tree.name, tree
  grow(st, st.root, tree.children or flat(specs), by_name, old)
  assert(#st.services == #specs, "engine: a tree of other services")
end

local NONE <const> = {}

local function same_names(a, b)
  a, b = a or NONE, b or NONE
  if #a ~= #b then
    return false
  end
  for index, name in ipairs(a) do
    if name ~= b[index] then
      return false
    end
  end
  return true
end

local function same_neighbours(a, b)
  return a == b or a.on_restart == b.on_restart and a.significant == b.significant
    and same_names(a.needs, b.needs) and same_names(a.wants, b.wants) and same_names(a.after, b.after)
end

-- The spec that the node in a child's place is to have; nil where it is another one's place, or has other neighbours.
local function same_place(node, child, specs)
  if not node or not node.children ~= not child.children then
    return nil
  elseif child.children then
    return node.name == child.name and node.spec.significant == child.significant and child or nil
  end
  local old <const>, new <const> = node.spec, specs[child.service]
  return new and not node.removed and node.name == new.name and old.type == new.type and same_neighbours(old, new)
    and new or nil
end

local function pair_up(sup, children, specs, found)
  if #sup.children ~= #children then
    return false
  end
  for index, child in ipairs(children) do
    local node <const> = sup.children[index]
    local spec <const> = same_place(node, child, specs)
    if not spec or child.children and not pair_up(node, child.children, specs, found) then
      return false
    end
    found[#found + 1] = { node, spec }
  end
  return true
end

--- Gives some nodes their new specs, when the tree is the very same as before, and so are their neighbours.
---@param st table
---@param fresh table[] specs that are others than before
---@param count integer of all specs
---@param tree table|nil
---@return boolean done false: nothing has been done
function M.touch(st, fresh, count, tree)
  if not tree or tree ~= st.root.spec or count ~= #st.services then
    return false
  end
  for _, spec in ipairs(fresh) do
    local node <const> = st.by_name[spec.name]
    if not node or node.removed or node.spec.type ~= spec.type or not same_neighbours(node.spec, spec) then
      return false
    end
  end
  for _, spec in ipairs(fresh) do
    st.by_name[spec.name].spec = spec
  end
  return true
end

--- Gives the nodes their new specs, when each has its place and its neighbours as before: thousands of services need
--- not be linked again then.
---@return boolean done false: nothing has been done
function M.keep_shape(st, specs, tree)
  if not tree or #specs ~= #st.services or tree.name ~= st.root.name then
    return false
  end
  local by_name <const>, found <const> = {}, {}
  for _, spec in ipairs(specs) do
    by_name[spec.name] = spec
  end
  if not pair_up(st.root, tree.children, by_name, found) then
    return false
  end
  for _, pair in ipairs(found) do
    pair[1].spec = pair[2]
  end
  st.root.spec = tree
  return true
end

--- Adds a service that no tree has any more, as the last child of the root.
---@param st table
---@param svc table
function M.append(st, svc)
  svc.parent = st.root
  table.insert(st.root.children, svc)
  svc.place = #st.root.children
  place_service(st, svc)
  st.root.last = svc.index
end

-- Gives the services below a supervisor their places again.
local function renumber(st, sup)
  sup.first = #st.services + 1
  for place, child in ipairs(sup.children) do
    child.place = place
    if child.children then
      renumber(st, child)
    else
      place_service(st, child)
    end
  end
  sup.last = #st.services
end

--- Takes services out that are nobody's children any more.
---@param st table
function M.shrink(st)
  st.services, st.by_name = {}, {}
  renumber(st, st.root)
  M.link(st)
end

--- Tells neighbours of each other, and counts anew what they are to each other.
---@param st table
function M.link(st)
  graph.link(st.services, st.by_name)
  for _, svc in ipairs(st.services) do
    order.init(svc)
  end
  for _, svc in ipairs(st.services) do
    order.update(st, svc)
  end
  for _, svc in ipairs(st.services) do
    order.settle(st, svc)
  end
  vital.count(st.supervisors)
end

return M
