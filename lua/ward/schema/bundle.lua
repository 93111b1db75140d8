-- What a script state hands over, checked on this side: services and the tree over them.
--
-- Most of a script is what it was when it is loaded again. A declaration that is the very table of before stands for
-- the spec of before; what only looks the same is compared; and only what is new is normalised.

local graph <const> = require "ward.engine.graph"
local suggest <const> = require "ward.suggest"
local supervisor <const> = require "ward.schema.supervisor"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_SERVICES <const> = 10000
-- A path and a line number.
local MAX_SOURCE <const> = value.MAX_PATH + 16
local MAX_SOURCES <const> = 4096

local KEYS <const> = { path = true, name = true, services = true, tree = true, reacts = true, sources = true }

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

-- The spec of one declaration.
local function spec_of(given, at, host, schema)
  value.table(at, given)
  local source <const> = value.string(at .. ".source", given.source, { max = MAX_SOURCE })
  -- It begins lines on the terminal.
  if source:find("[%c\127]") then value.fail(at .. ".source", "contains a control character") end
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

-- Returns the specs, the declarations by name, and those specs that are not what is known.
local function services_of(list, host, schema)
  local before <const>, known <const> = host.former and host.former.given or {}, host.known or {}
  local services, given_of, fresh = {}, {}, {}
  for i = 1, value.list("bundle.services", list, "a list of services", MAX_SERVICES) do
    local given <const> = list[i]
    local name = type(given) == "table" and rawget(given, "name")
    local spec = name and before[name] == given and known[name]
    if not spec then
      spec = spec_of(given, ("bundle.services[%d]"):format(i), host, schema)
      name = spec.name
      if spec ~= known[name] then fresh[#fresh + 1] = spec end
    end
    if given_of[name] then
      local first
      for _, each in ipairs(services) do first = first or each.name == name and each.source end
      value.fail(spec.source, ('service "%s": this name is taken by the service at %s'):format(name, first))
    end
    services[i], given_of[name] = spec, given
    if i % 64 == 0 then host.breathe() end
  end
  return services, given_of, fresh
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

---@class ward.schema.Traces how a bundle is recognised when it comes again
---@field given table<string, table> the declarations as they came over, by name
---@field given_tree table
---@field services table[] their specs
---@field tree table
---@field fresh table[] those of the specs that are not in host.known

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
  local services <const>, given <const>, fresh <const> = services_of(bundle.services, host, schema)
  local reacts <const> = value.boolean("bundle.reacts", bundle.reacts or false)
  local former <const> = host.former
  local tree
  if former and #fresh == 0 and #services == #former.services and bundle.tree == former.given_tree then
    tree = former.tree -- over the same services, which fitted together before
  else
    local ok <const>, errors <const> = graph.check(services, suggest.nearest, host.breathe)
    if not ok then value.fail("", errors[1].message) end
    tree = tree_of(bundle.tree, services, host)
  end
  return {
    path = bundle.path, name = name, services = services, tree = tree, reacts = reacts,
    sources = sources_of(bundle.sources),
  }, { given = given, given_tree = bundle.tree, services = services, tree = tree, fresh = fresh }
end

return M
