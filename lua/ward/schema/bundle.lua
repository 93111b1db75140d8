-- What a script state hands over, checked on this side: services and the tree over them.
--
-- Most of a script is what it was when it is loaded again. A declaration that is the very table of before stands for
-- the spec of before; what only looks the same is compared; and only what is new is normalised.

local graph <const> = require "ward.engine.graph"
local keys <const> = require "ward.schema.keys"
local suggest <const> = require "ward.suggest"
local supervisor <const> = require "ward.schema.supervisor"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_SERVICES <const> = 10000
-- A path and a line number.
local MAX_SOURCE <const> = value.MAX_PATH + 16
local MAX_SOURCES <const> = 4096

local KEYS <const> = {
  path = true, name = true, services = true, tree = true, reacts = true, sources = true, settings = true,
}

-- What a service was in the script before, when it is the same now but for its line and the numbers of its functions.
local function unchanged(given, known, schema)
  local defaults <const> = schema.defaults
  for key, item in next, given do
    if key ~= "source" and key ~= "calls" and item ~= known[key] and not value.same(item, known[key]) then
      return nil
    end
  end
  for key, item in next, known do
    if item ~= defaults[key] and given[key] == nil and not value.same(item, defaults[key])
      and not (key == "arg0" and item == known.cmd[1] or key == "asks" or key == "calls") then
      return nil
    end
  end
  if given.source == known.source and value.same(given.calls, known.calls) then return known end
  local again, calls = {}, schema.calls_of(given, nil, true)
  for key, item in next, known do again[key] = item end
  again.source, again.calls = given.source, next(calls) and calls or nil
  again.asks = (calls.restart or calls.on_exit) ~= nil or nil
  return again
end

local function source_of(at, given)
  local source <const> = value.string(at .. ".source", given, { max = MAX_SOURCE })
  -- It begins lines on the terminal.
  if source:find("[%c\127]") then value.fail(at .. ".source", "contains a control character") end
  return source
end

-- The spec of one declaration.
local function spec_of(given, at, host, schema)
  value.table(at, given)
  local source <const> = source_of(at, given.source)
  local known <const> = host.known and host.known[given.name]
  local spec, message = known and unchanged(given, known, schema), nil
  if not spec then spec, message = schema.normalise(given, host) end
  if not spec then value.fail(source, message) end
  -- What was declared is kept, to be recognised; it need not be there twice.
  for key, item in next, given do
    if type(item) == "table" and item ~= spec[key] and value.same(item, spec[key]) then given[key] = spec[key] end
  end
  return spec
end

-- Returns the traces of the services.
local function services_of(list, host, schema)
  local before <const>, known <const> = host.former and host.former.given or {}, host.known or {}
  local sources <const> = host.moved or {}
  local services <const>, given_of <const>, fresh <const>, moved <const> = {}, {}, {}, {}
  local strange = false
  for i = 1, value.list("bundle.services", list, "a list of services", MAX_SERVICES) do
    local given <const> = list[i]
    local name = type(given) == "table" and rawget(given, "name")
    local spec = name and before[name] == given and known[name]
    local source = spec and sources[i] and source_of(name, sources[i])
    if not spec then
      spec = spec_of(given, ("bundle.services[%d]"):format(i), host, schema)
      name = spec.name
      strange = strange or not before[name]
    end
    if given_of[name] then
      value.fail(source or spec.source, ('service "%s": this name is taken by the service at %s'):format(name,
        moved[name] or given_of[name].source))
    end
    if spec ~= known[name] then fresh[#fresh + 1] = spec end
    services[i], given_of[name], moved[name] = spec, given, source or nil
    if i % 64 == 0 then host.breathe() end
  end
  return { services = services, given = given_of, fresh = fresh, moved = moved, strange = strange }
end

-- Are services the nodes of the tree and the neighbours that others of these names were before?
local function same_places(traces, host)
  local former <const>, known <const> = host.former, host.known
  if not former or #traces.services ~= #former.services or traces.strange then return false end
  for i, spec in ipairs(traces.fresh) do
    local old <const> = known[spec.name]
    if old.significant ~= spec.significant or not value.same(old.needs, spec.needs)
      or not value.same(old.wants, spec.wants) or not value.same(old.after, spec.after) then
      return false
    end
    if i % 64 == 0 then host.breathe() end
  end
  return true
end

-- The tree over all services.
local function tree_of(given, services, host)
  local found <const> = { specs = {}, seen = {}, count = 0, breathe = host.breathe }
  for _, spec in ipairs(services) do found.specs[spec.name] = spec end
  local tree <const> = supervisor.tree("bundle.tree", given, nil, found, 1)
  if found.count ~= #services then value.fail("bundle.tree", "does not hold every service") end
  return tree
end

-- The texts that the script was loaded from, by path.
local function sources_of(given)
  local sources = {}
  if given == nil then return sources end
  local paths <const> = value.keys("bundle.sources", given)
  if #paths > MAX_SOURCES then value.fail("bundle.sources", "are too many") end
  for _, path in ipairs(paths) do
    if type(given[path]) ~= "string" then value.must("bundle.sources", "texts by path", given[path]) end
    sources[path] = given[path]
  end
  return sources
end

--- The settings of a script, complete.
---@param path string
---@param given any
---@return table
function M.settings(path, given)
  value.table(path, given, "a table such as { prune = true }")
  value.known(path, given, keys.settings)
  return { prune = given.prune ~= nil and value.boolean(path == "" and "prune" or path .. ".prune", given.prune) }
end

---@class ward.schema.Traces how a bundle is recognised when it comes again
---@field given table<string, table> the declarations as they came over, by name
---@field given_tree table
---@field services table[] their specs
---@field tree table
---@field fresh table[] those of the specs that are not in host.known
---@field strange boolean is there one that host.former does not have?
---@field moved table<string, string> the sources of those that are declared on another line than before; see M.move

--- Checks a bundle; see ward.schema. Raises what value.try catches.
---@param bundle any
---@param host table as for ward.schema.bundle, with breathe
---@param schema { name: function, normalise: function, calls_of: function, defaults: table }
---@return table bundle
---@return ward.schema.Traces traces
function M.check(bundle, host, schema)
  for _, key in ipairs(value.keys("bundle", bundle)) do
    if not KEYS[key] then value.fail("bundle", "unknown key " .. value.quote(key)) end
  end
  value.string("bundle.path", bundle.path, { max = value.MAX_PATH })
  local name <const>, bad <const> = schema.name(bundle.name)
  if not name then value.fail("bundle", bad) end
  local traces <const> = services_of(bundle.services, host, schema)
  local services <const> = traces.services
  local reacts <const> = value.boolean("bundle.reacts", bundle.reacts or false)
  local same <const> = same_places(traces, host)
  if not same then
    local ok <const>, errors <const> = graph.check(services, suggest.nearest, host.breathe)
    if not ok then value.fail("", errors[1].message) end
  end
  traces.given_tree = bundle.tree
  traces.tree = same and bundle.tree == host.former.given_tree and host.former.tree
    or tree_of(bundle.tree, services, host)
  return {
    path = bundle.path, name = name, services = services, tree = traces.tree, reacts = reacts,
    sources = sources_of(bundle.sources),
    settings = M.settings("bundle.settings", bundle.settings == nil and {} or bundle.settings),
  }, traces
end

--- Tells specs and declarations that have only moved where they are. A bundle that takes over does so.
---@param traces ward.schema.Traces
---@param known table<string, table> the specs by name
function M.move(traces, known)
  for name, source in next, traces.moved do known[name].source, traces.given[name].source = source, source end
  traces.moved = {}
end

return M
