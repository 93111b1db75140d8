-- The key `sandbox`: what the child may do and reach.

local capabilities <const> = require "ward.schema.capabilities"
local guard <const> = require "ward.schema.guard"
local keys <const> = require "ward.schema.keys"
local landlock <const> = require "ward.schema.landlock"
local mounts <const> = require "ward.schema.mounts"
local namespaces <const> = require "ward.schema.namespaces"
local profile <const> = require "ward.schema.profile"
local seccomp <const> = require "ward.schema.seccomp"
local suggest <const> = require "ward.suggest"
local tree <const> = require "ward.schema.tree"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MODES <const> = { "error", "warn", "silent" }

-- caps ------------------------------------------------------------------------------------------------------

local SETS <const> = { "bounding", "permitted", "inheritable", "ambient", "effective" }
-- The kernel refuses a set that holds what the other does not.
local WITHIN <const> = { { "effective", "permitted" }, { "ambient", "permitted" }, { "ambient", "inheritable" } }

-- What "all" means for a set: what ward has to give. Whoever enters a user namespace of his own has everything there.
local function all_of(set, host, own_user)
  local all = {}
  if host.machine and not own_user then
    local machine <const> = host.machine()
    table.move(set == "bounding" and machine.caps or machine.permitted, 1, capabilities.LAST + 1, 1, all)
  else
    for number = 0, capabilities.LAST do all[number + 1] = number end
  end
  return all
end

local function capability_set(path, given, set, host, own_user)
  if given == "all" then
    return all_of(set, host, own_user)
  elseif type(given) == "string" and given:find("[=+]") then
    value.fail(path, 'text such as "cap_net_raw=ep" says several sets: write caps = "cap_net_raw=ep"')
  elseif type(given) == "string" then
    local names = {}
    for name in given:gmatch("[^,%s]+") do names[#names + 1] = name end
    given = names
  end
  return value.set(path, given, 'a list of capabilities such as { "net_raw" }, or "all"', nil, capabilities.check)
end

local function both(a, b)
  local held, list = {}, {}
  for _, number in ipairs(b) do held[number] = true end
  for _, number in ipairs(a) do
    if held[number] then list[#list + 1] = number end
  end
  return list
end

local function either(a, b)
  local list, seen = {}, {}
  for _, set in ipairs { a, b } do
    for _, number in ipairs(set) do
      if not seen[number] then list[#list + 1], seen[number] = number, true end
    end
  end
  table.sort(list)
  return list
end

-- Names that libcap would only call an invalid argument.
local function check_words(path, text)
  for word in text:gmatch("[%w_]+") do
    if word:lower():find("^cap_") then capabilities.check(path, word) end
  end
end

-- libcap's text says the three sets of capset(2). The other two follow from them, so that the program that is exec'd
-- has what the text says, and no more: root would get back all that the bounding set holds, and others keep only what
-- is ambient.
local function capability_text(path, text, host)
  value.string(path, text, { max = 4096 })
  check_words(path, text)
  if not host.caps then value.fail(path, "text is read where a script is loaded only") end
  local sets <const>, message <const> = host.caps(text)
  if not sets then value.fail(path, ("%s: %s"):format(value.quote(text), message)) end
  sets.bounding = either(sets.permitted, sets.inheritable)
  sets.ambient = both(both(sets.permitted, sets.inheritable), sets.effective)
  return sets
end

local function check_within(path, sets)
  for _, pair in ipairs(WITHIN) do
    local inner <const>, outer <const> = sets[pair[1]], sets[pair[2]]
    local held = {}
    for _, number in ipairs(outer or {}) do held[number] = true end
    for _, number in ipairs(inner and outer and inner or {}) do
      if not held[number] then
        value.fail(path .. "." .. pair[1], ("holds %s, but %s does not"):format(capabilities.name(number), pair[2]))
      end
    end
  end
end

-- A list is for all five sets; a set that a table does not name is left alone.
local function caps(path, given, host, own_user)
  if given == nil then return nil end
  if type(given) == "string" and given:find("[=+-]") then return capability_text(path, given, host) end
  local sets = {}
  if type(given) == "table" and getmetatable(given) == nil and next(given) ~= nil and given[1] == nil then
    value.known(path, given, keys.caps, nil, '; write caps = { "net_raw" } or caps = { effective = {...} }')
    for _, name in ipairs(SETS) do
      if given[name] ~= nil then sets[name] = capability_set(path .. "." .. name, given[name], name, host, own_user) end
    end
    check_within(path, sets)
    return sets
  end
  for _, name in ipairs(SETS) do sets[name] = capability_set(path, given, name, host, own_user) end
  return sets
end

-- securebits ------------------------------------------------------------------------------------------------

-- In the order of their bits (capabilities(7)).
local SECUREBITS <const> = {
  "noroot", "noroot_locked", "no_setuid_fixup", "no_setuid_fixup_locked", "keep_caps", "keep_caps_locked",
  "no_cap_ambient_raise", "no_cap_ambient_raise_locked",
}
local ALL_SECUREBITS <const> = (1 << #SECUREBITS) - 1

local bit_of <const> = {}
for i, name in ipairs(SECUREBITS) do bit_of[name] = 1 << (i - 1) end

local function securebits(path, given, again)
  if given == nil then return nil end
  if again then return value.integer(path, given, 0, ALL_SECUREBITS) end
  local bits = 0
  for i = 1, value.list(path, given, 'a list such as { "noroot", "noroot_locked" }', 64) do
    local at <const> = ("%s[%d]"):format(path, i)
    value.string(at, given[i], { max = 64, what = 'a name such as "noroot"' })
    -- systemd and capsh write "noroot-locked".
    local bit <const> = bit_of[given[i]:gsub("-", "_")]
    if not bit then
      value.fail(at, ("unknown securebit %s%s"):format(value.quote(given[i]), suggest.hint(given[i], SECUREBITS)))
    end
    bits = bits | bit
  end
  return bits
end

-- Namespaces, and what stands in them; all but `namespaces` is nil when it is not used.
local function surroundings(path, given, absolute)
  local function at(key) return path .. "." .. key end
  local function flag(key)
    return given[key] ~= nil and value.boolean(at(key), given[key]) or nil
  end
  local result <const> = mounts.normalise(path, given, absolute)
  result.tree = tree.build(result)
  result.uid_map, result.gid_map = namespaces.maps(path, given)
  result.hostname = namespaces.hostname(at "hostname", given.hostname)
  result.nested, result.pid1 = flag "nested", flag "pid1"
  result.namespaces = namespaces.names(at "namespaces", given.namespaces, {
    mount = result.tree ~= nil, user = result.uid_map ~= nil, uts = result.hostname ~= nil,
  })
  local has = {}
  for _, name in ipairs(result.namespaces) do has[name] = true end
  local function need(key, name)
    if not has[name] then
      value.fail(at(key), ("needs a %s namespace: add %s to namespaces"):format(name, value.quote(name)))
    end
  end
  if result.proc then need("proc", "pid") end
  for i, row in ipairs(result.mounts or {}) do
    if row.type == "proc" then need(("mounts[%d].type"):format(i), "pid") end
  end
  if result.pid1 then need("pid1", "pid") end
  if result.nested then need("nested", "user") end
  return result
end

--- Does the program get another root than the host's? From the canonical form.
M.has_root = tree.has_root

-- The canonical form has two keys more, which are made anew.
local canonical_keys <const> = { { key = "guard", since = "0.1.0" }, { key = "tree", since = "0.1.0" } }
table.move(keys.sandbox, 1, #keys.sandbox, 3, canonical_keys)

--- sandbox -> { on_failure=, no_new_privs=, caps=, securebits=, landlock=, seccomp=, namespaces=, ... } with
--- capabilities and securebits by number, tree= as tree.lua and guard= as guard.lua make it; nil is left as ward has
--- it.
---@param path string
---@param given any
---@param absolute fun(path: string, relative: string): string
---@param again boolean whether it is the canonical form
---@param host table as for ward.schema
---@param settle? fun(box: table): table? the ids of the program in this sandbox, of which only seccomp is not read yet
function M.normalise(path, given, absolute, again, host, settle)
  if given == nil then return nil end
  if not again then given = profile.apply(path, given) end
  value.known(path, value.table(path, given, 'a table such as { caps = {}, namespaces = { "net" } }, or a profile '
    .. 'such as "strict"'), again and canonical_keys or keys.sandbox, keys.sandbox_aliases)
  local function at(key) return path .. "." .. key end
  local no_new_privs = given.no_new_privs
  if no_new_privs == nil then no_new_privs = true end
  local result <const> = surroundings(path, given, absolute)
  result.on_failure = given.on_failure == nil and "error" or value.choice(at "on_failure", given.on_failure, MODES)
  result.no_new_privs = value.boolean(at "no_new_privs", no_new_privs)
  result.drop_root = given.drop_root ~= nil and value.boolean(at "drop_root", given.drop_root) or nil
  if given.no_setuid_files ~= nil then
    result.no_setuid_files = value.boolean(at "no_setuid_files", given.no_setuid_files) or nil
  end
  local own_user = false
  for _, name in ipairs(result.namespaces) do own_user = own_user or name == "user" end
  result.caps = caps(at "caps", given.caps, host, own_user)
  result.securebits = securebits(at "securebits", given.securebits, again)
  result.landlock = landlock.normalise(at "landlock", given.landlock, absolute, again)
  result.seccomp = seccomp.normalise(at "seccomp", given.seccomp, again,
    { host = host, absolute = absolute, spec = { ids = settle and settle(result), sandbox = result } })
  result.guard = guard.build(path, result)
  return result
end

return M
