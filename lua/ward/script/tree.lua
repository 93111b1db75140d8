-- What one generation of a script declares, and the bundle that comes of it.
--
-- A node is a declared service or supervisor:
--   { kind, name, title = 'service "web"', source = "file:line", spec, children, parent, value }

local graph <const> = require "ward.engine.graph"
local schema <const> = require "ward.schema"
local suggest <const> = require "ward.suggest"
local supervisors <const> = require "ward.schema.supervisor"
local value <const> = require "ward.schema.value"
local view <const> = require "ward.script.view"

local M <const> = {}

--- An empty generation. Its host is `host` with service_name and node added.
function M.new(host)
  local nodes <const> = {}
  local own <const> = {
    service_name = function(given)
      local node <const> = nodes[given]
      return node and node.kind == "service" and node.name or nil
    end,
  }
  local by_name <const> = {}
  function own.node(name) return by_name[name] end
  -- order: nodes as declared; nodes: by the value the script holds; by_name: services and supervisors.
  return {
    host = setmetatable(own, { __index = host }), order = {}, nodes = nodes, by_name = by_name,
    view = view.family(nodes),
  }
end

--- Adds a declaration and returns the value the script gets for it. Raises when the name is taken.
---@param generation table
---@param kind "service"|"supervisor"
---@param name string
---@param at string file:line
---@param spec table canonical
---@param children table[]|nil nodes of a supervisor
---@param methods table<string, function>|nil what else the value has
---@param title string|nil
function M.add(generation, kind, name, at, spec, children, methods, title)
  title = title or ('%s "%s"'):format(kind, name)
  local taken <const> = generation.by_name[name]
  if taken then
    error(("%s: %s: this name is taken by the %s at %s"):format(at, title, taken.kind, taken.source), 0)
  end
  local node <const> = {
    kind = kind, name = name, title = title, source = at, spec = spec, children = children, methods = methods,
  }
  for _, child in ipairs(children or {}) do child.parent = node end
  node.value = setmetatable({}, generation.view)
  generation.order[#generation.order + 1] = node
  generation.nodes[node.value] = node
  generation.by_name[name] = node
  return node.value
end

--- What a generation has declared, as the script holds it, in tables that are made anew.
---@param generation table
---@return table<string, table> tables services, pools: name -> value; a name that is not there is an error
function M.declared(generation)
  local services, pools = {}, {}
  for _, node in ipairs(generation.order) do
    if node.kind == "service" then
      services[node.name] = node.value
    elseif node.methods then
      pools[node.name] = node.value
    end
  end
  local function by_name(values, kind)
    return setmetatable(values, { __index = function(_, key)
      local names = {}
      for name in next, values do names[#names + 1] = name end
      error(("no %s is called %s%s"):format(kind, view.key(key), suggest.hint(key, names)), 2)
    end })
  end
  return { services = by_name(services, "service"), pools = by_name(pools, "pool") }
end

local EXPECTED <const> = "must return a supervisor, a service, a list of these, or nothing"

-- The nodes that the script returned, in order; without a returned value, those that are nobody's children.
local function roots_of(generation, path, returned)
  if returned == nil then
    local list = {}
    for _, node in ipairs(generation.order) do
      if not node.parent then list[#list + 1] = node end
    end
    return list
  end
  local node <const> = generation.nodes[returned]
  if node then return { node } end
  local roots <const>, message <const> = value.try(function()
    local list = {}
    if type(returned) ~= "table" or getmetatable(returned) ~= nil then
      value.fail("", ("%s, got %s"):format(EXPECTED, value.describe(returned)))
    end
    for i = 1, value.list("the returned list", returned) do
      list[i] = generation.nodes[returned[i]]
      if not list[i] then
        value.must(("the returned list: [%d]"):format(i), "a service or a supervisor", returned[i])
      end
    end
    return list
  end)
  if not roots then error(path .. ": " .. message, 0) end
  return roots
end

-- What the engine needs of a node and those below it; their specs go into the list.
local function collect(node, seen, specs)
  if seen[node] then
    error(("%s: %s: is in two places of what the script returns"):format(node.source, node.title), 0)
  end
  seen[node] = true
  if node.kind == "service" then
    specs[#specs + 1] = node.spec
    return { service = node.name }
  end
  local sup = { name = node.name, children = {} }
  for key, item in next, node.spec do sup[key] = item end
  for i, child in ipairs(node.children) do sup.children[i] = collect(child, seen, specs) end
  return sup
end

-- A root that is no supervisor's child stands under one that has no rules.
local function root_of(roots, trees, path)
  if #roots == 1 and roots[1].kind == "supervisor" then
    local top <const> = roots[1]
    if top.spec.significant then
      error(("%s: %s: is significant, but there is no supervisor above it"):format(top.source or path, top.title), 0)
    end
    return trees[1]
  end
  for _, node in ipairs(roots) do
    local why <const> = supervisors.significance(nil, node.spec.significant)
      or node.spec.stay and "has stay = true, which only the outermost supervisor can have"
    if why then error(("%s: %s: %s"):format(node.source or path, node.title, why), 0) end
  end
  return { strategy = "one_for_one", children = trees }
end

-- A name for a bundle without a supervisor: that of the script's file.
local function name_of_file(path)
  local file <const> = path:match("([^/]*)$"):gsub("%.lua$", "")
  local name <const> = file:gsub("[^A-Za-z0-9_.@:-]", "-"):gsub("^[^A-Za-z0-9]+", "")
  return name == "" and "script" or name:sub(1, 128)
end

--- The bundle of a generation whose script has returned `returned`. Raises "file:line: text".
---@param generation table
---@param path string of the script
---@param returned any
---@return table bundle { path=, name=, services = { spec, ... }, tree = root supervisor, reacts = whether something
---  runs in it later, settings = as given, or nil }
function M.finish(generation, path, returned)
  local roots <const> = roots_of(generation, path, returned)
  local specs, seen, trees = {}, {}, {}
  for i, node in ipairs(roots) do trees[i] = collect(node, seen, specs) end
  for _, node in ipairs(generation.order) do
    if not seen[node] then
      error(("%s: %s: declared, but not in what the script returns"):format(node.source, node.title), 0)
    end
  end
  local reacts <const> = generation.runtime.reacts()
  if #specs == 0 and not reacts then error(path .. ": declares no service", 0) end
  local ok <const>, errors <const> = graph.check(specs, suggest.nearest)
  if not ok then error(errors[1].message, 0) end
  local root <const> = root_of(roots, trees, path)
  generation.finished = true
  return {
    path = path, name = assert(schema.name(root.name or name_of_file(path))), services = specs, tree = root,
    reacts = reacts, settings = generation.settings,
  }
end

return M
