-- The keys of a supervisor, and trees of supervisors in a bundle.

local keys <const> = require "ward.schema.keys"
local restart <const> = require "ward.schema.restart"
local value <const> = require "ward.schema.value"

local M <const> = {}

local STRATEGIES <const> = { "one_for_one", "one_for_all", "rest_for_one" }
local AUTO_SHUTDOWN <const> = { "never", "any_significant", "all_significant" }
local CONDITIONS <const> = { always = true, failure = true, never = true }
local MAX_DEPTH <const> = 32

--- The canonical keys of a supervisor, without its name and children.
---@param path string
---@param given table
---@param canonical boolean|nil it has been through here before
---@return table
function M.normalise(path, given, canonical)
  local prefix <const> = path == "" and "" or path .. "."
  local function flag(key) return given[key] ~= nil and value.boolean(prefix .. key, given[key]) or false end
  local policy <const> = restart.restart(prefix .. "restart", given.restart, canonical, "always")
  if not CONDITIONS[policy.on] then
    value.fail(prefix .. "restart", ('must be "always", "failure" or "never", got "%s", which is for services'):format(
      policy.on))
  elseif type(given.restart) == "function" or policy.give_up then
    value.fail(prefix .. "restart", "a supervisor has a condition and a backoff; its limit is intensity")
  end
  local significant <const> = flag "significant"
  if significant and policy.on == "always" then
    value.fail(prefix .. "significant", 'must not be true with restart = "always": such a supervisor never ends')
  end
  return {
    strategy = given.strategy == nil and "one_for_one"
      or value.choice(prefix .. "strategy", given.strategy, STRATEGIES),
    intensity = given.intensity ~= nil and restart.limit(prefix .. "intensity", given.intensity, canonical) or nil,
    auto_shutdown = given.auto_shutdown == nil and "never"
      or value.choice(prefix .. "auto_shutdown", given.auto_shutdown, AUTO_SHUTDOWN),
    significant = significant,
    restart = policy,
    shutdown = given.shutdown ~= nil and value.duration(prefix .. "shutdown", given.shutdown) or nil,
    stay = flag "stay",
  }
end

--- Why a child cannot be significant under a supervisor, or nil.
---@param auto_shutdown string|nil nil: there is no supervisor
---@param significant boolean
---@return string|nil
function M.significance(auto_shutdown, significant)
  if significant and (auto_shutdown or "never") == "never" then
    return "is significant, but its supervisor has no auto_shutdown"
  end
end

local both <const> = {
  { key = "name", since = "0.1.0" }, { key = "children", since = "0.1.0" }, { key = "pool", since = "0.1.0" },
}
for _, row in ipairs(keys.supervisor) do
  if row.key ~= "name" and row.key ~= "children" then both[#both + 1] = row end
end

local function child(path, given, parent, found, depth)
  value.table(path, given)
  if given.service == nil then return M.tree(path, given, parent, found, depth + 1) end
  for _, key in ipairs(value.keys(path, given)) do
    if key ~= "service" then value.fail(path, "unknown key " .. value.quote(key)) end
  end
  local name <const> = value.string(path .. ".service", given.service, { max = 128 })
  local spec <const> = found.specs[name]
  if not spec then value.fail(path .. ".service", "is no service of the bundle: " .. value.quote(name)) end
  if found.seen[name] then value.fail(path .. ".service", value.quote(name) .. " is there twice") end
  found.seen[name] = true
  found.count = found.count + 1
  local why <const> = M.significance(parent.auto_shutdown, spec.significant)
  if why then value.fail(path .. ".service", value.quote(name) .. " " .. why) end
  return given
end

--- A tree as it came over: { name =, strategy =, ..., children = { { service = name }, { name =, children = } } }.
---@param path string
---@param given any
---@param parent table|nil
---@param found { specs: table<string, table>, seen: table, count: integer, breathe: fun() }
---@param depth integer
---@return table
function M.tree(path, given, parent, found, depth)
  if depth > MAX_DEPTH then value.fail(path, ("is too deep: at most %d supervisors"):format(MAX_DEPTH)) end
  value.known(path, given, both)
  local sup <const> = M.normalise(path, given, true)
  if given.name ~= nil then
    sup.name = value.string(path .. ".name", given.name, { max = 128 })
    if found.seen[sup.name] or found.specs[sup.name] then
      value.fail(path .. ".name", value.quote(sup.name) .. " is there twice")
    end
    found.seen[sup.name] = true
  elseif parent then
    value.fail(path .. ".name", "is required")
  end
  local why <const> = parent and M.significance(parent.auto_shutdown, sup.significant)
  if why then value.fail(path, why) end
  sup.pool = given.pool ~= nil and value.boolean(path .. ".pool", given.pool) or nil
  sup.children = {}
  for i = 1, value.list(path .. ".children", given.children, "a list", 10000) do
    if i % 256 == 0 then found.breathe() end
    sup.children[i] = child(("%s.children[%d]"):format(path, i), given.children[i], sup, found, depth)
  end
  return sup
end

return M
