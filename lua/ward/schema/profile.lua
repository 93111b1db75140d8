-- sandbox = "strict", and sandbox = { profile = "strict", ... }: presets (lua/ward/profile) and what extends them.

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

--- Their names, sorted.
M.NAMES = { "strict", "web", "worker" }

local is_profile <const> = {}
for _, name in ipairs(M.NAMES) do is_profile[name] = true end

-- Keys for which false is a value; for others it takes away what the profile says.
local FLAGS <const> = {
  no_new_privs = true, drop_root = true, readonly = true, proc = true, nested = true, pid1 = true,
  no_setuid_files = true,
}

-- A table whose keys have names. An empty one is a list, which says "none".
local function is_map(given)
  return type(given) == "table" and getmetatable(given) == nil and next(given) ~= nil and rawget(given, 1) == nil
end

-- `over` on top of `base`: named keys are merged, lists and single values are replaced. A map is walked only where
-- the profile has one, so no deeper than a profile is.
local function merge(base, over)
  local result = {}
  for key, item in next, base do
    result[key] = type(item) == "table" and merge(item, {}) or item
  end
  for key, item in next, over do
    result[key] = is_map(item) and is_map(base[key]) and merge(base[key], item) or item
  end
  return result
end

-- What is allowed by name, as in a list that was learned, is no longer denied by the profile.
local function without_allowed(deny, allow)
  local allowed <const>, rest <const> = {}, {}
  for _, item in next, allow do
    allowed[type(item) == "table" and rawget(item, 1) or item] = true
  end
  for _, item in ipairs(deny) do
    if not allowed[item] then rest[#rest + 1] = item end
  end
  return rest
end

-- Keys of seccomp that are false, like those of the sandbox, are not there.
local function given_calls(seccomp)
  local result <const> = {}
  for key, item in next, seccomp do
    if item ~= false or key == "log" then result[key] = item end
  end
  return result
end

local function load(path, name)
  value.string(path, name, { max = 64, what = "the name of a profile" })
  if not is_profile[name] then
    value.fail(path, ("unknown profile %s%s; there are %s"):format(value.quote(name), suggest.hint(name, M.NAMES),
      table.concat(M.NAMES, ", ")))
  end
  return require("ward.profile." .. name)
end

--- The table that a sandbox stands for: a profile by name, or one that the table extends.
---@param path string
---@param given any not nil
---@return any
function M.apply(path, given)
  if type(given) == "string" then return merge(load(path, given), {}) end
  if type(given) ~= "table" or getmetatable(given) ~= nil or given.profile == nil then return given end
  local result <const> = merge(load(path .. ".profile", given.profile), given)
  result.profile = nil
  -- These say it all; what the profile lists cannot be beside them.
  if is_map(given.seccomp) and (given.seccomp.oci ~= nil or given.seccomp.learn ~= nil) then
    result.seccomp = given.seccomp
  end
  if is_map(result.seccomp) then result.seccomp = given_calls(result.seccomp) end
  if is_map(given.seccomp) and type(given.seccomp.allow) == "table" and given.seccomp.deny == nil then
    result.seccomp.deny = without_allowed(result.seccomp.deny or {}, given.seccomp.allow)
  end
  for key, item in next, result do
    if item == false and not FLAGS[key] then result[key] = nil end
  end
  return result
end

return M
