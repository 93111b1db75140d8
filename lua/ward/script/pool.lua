-- ward.pool: services of one template, of which as many run as the pool is large.
--
-- A pool is a supervisor with one member more than it may have size, so that it can be replaced one by one. The members
-- beyond its size are dormant: declared, not started.

local keys <const> = require "ward.schema.keys"
local schema <const> = require "ward.schema"
local supervisors <const> = require "ward.schema.supervisor"
local tree <const> = require "ward.script.tree"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_SIZE <const> = 1000

local own <const> = {}
for _, row in ipairs(keys.pool) do own[row.key] = true end

-- The keys of the pool itself, and the template.
local function divide(given)
  local pool, template = {}, {}
  for _, key in ipairs(value.keys("", given)) do
    if own[key] then pool[key] = given[key] else template[key] = given[key] end
  end
  if template.significant ~= nil then value.fail("significant", "is for services; a pool does not end by itself") end
  return pool, template
end

local function sizes(pool)
  local max <const> = pool.max ~= nil and value.integer("max", pool.max, 1, MAX_SIZE) or nil
  local size <const> = pool.size == nil and 1 or value.integer("size", pool.size, 0, max or MAX_SIZE)
  local min <const> = pool.min == nil and 0 or value.integer("min", pool.min, 0, size)
  return { size = size, min = min, max = max or math.max(1, size) }
end

-- What makes a member different from its siblings.
local function member_spec(template, each, name, i)
  local spec = { name = ("%s-%d"):format(name, i) }
  for key, item in next, template do spec[key] = item end
  if each then
    for key, item in next, value.table("each", each(i), "a function that returns a table of keys") do
      spec[key] = item
    end
  end
  return spec
end

--- Declares a pool. Raises at the caller's line when the declaration is wrong.
---@param generation table
---@param at string file:line of the call
---@param given table see ward.schema.keys: pool, and the keys of a service
---@return table pool a read-only value: name, resize, roll, size; a child for supervisors
function M.declare(generation, at, given)
  local name <const>, bad_name <const> = schema.name(type(given) == "table" and given.name)
  local title <const> = name and ('pool "%s"'):format(name) or "pool"
  local members, limits = {}, nil
  local sup <const>, message <const> = value.try(function()
    value.table("", given, 'a table such as { name = "worker", size = 4, cmd = { "worker" } }')
    if not name then value.fail("", given.name == nil and "name: is required" or bad_name) end
    local pool <const>, template <const> = divide(given)
    if pool.each ~= nil and type(pool.each) ~= "function" then value.must("each", "a function", pool.each) end
    limits = sizes(pool)
    for i = 1, limits.max + 1 do members[i] = member_spec(template, pool.each, name, i) end
    local sup = supervisors.normalise("", { intensity = pool.intensity })
    sup.pool = true
    return sup
  end)
  if not sup then error(("%s: %s: %s"):format(at, title, message), 0) end
  local children, names = {}, {}
  for i, spec in ipairs(members) do
    local declared <const>, wrong <const> = schema.declare(spec, generation.host, at)
    if not declared then error(("%s: %s: %s"):format(at, title, wrong), 0) end
    declared.dormant = i > limits.size or nil
    names[i] = declared.name
    children[i] = generation.nodes[tree.add(generation, "service", declared.name, at, declared, nil,
      generation.runtime.services.service)]
  end
  local behind <const> = { name = name, names = names, min = limits.min, max = limits.max }
  behind.value = tree.add(generation, "supervisor", name, at, sup, children, generation.runtime.services.pool(behind),
    title)
  return behind.value
end

return M
