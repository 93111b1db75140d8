-- The keys `user`, `group` and `groups`: whom the child runs as, by number.

local value <const> = require "ward.schema.value"

local M <const> = {}

-- The kernel takes (uid_t)-1 as "leave as it is", so it is no id.
local MAX_ID <const> = 2 ^ 32 - 2 | 0
local MAX_GROUPS <const> = 65536

-- A name or a number, as chown takes them: digits are a number unless somebody has them as a name.
local function lookup(path, given, find, kind)
  if type(given) ~= "number" then
    value.string(path, given, { max = 256, what = ("a %s name or a number"):format(kind) })
    local found = find(given)
    if found then return found end
    local number <const> = given:match("^%d+$") and math.tointeger(tonumber(given))
    if not number then value.fail(path, ("no %s is named %s"):format(kind, value.quote(given))) end
    given = number
  end
  local number <const> = value.integer(path, given, 0, MAX_ID)
  return find(number), number
end

local function group_id(path, given, host)
  if type(given) == "number" then return value.integer(path, given, 0, MAX_ID) end
  local found <const>, number <const> = lookup(path, given, host.group, "group")
  return found and found.gid or number
end

local function group_list(path, given, host)
  local ids, seen = {}, {}
  for i = 1, value.list(path, given, 'a list of groups such as { "audio", 27 }', MAX_GROUPS) do
    local gid <const> = group_id(("%s[%d]"):format(path, i), given[i], host)
    if not seen[gid] then ids[#ids + 1], seen[gid] = gid, true end
  end
  return ids
end

--- The user's name for people, and { uid=, gid=, groups= }; both nil when nothing was given. In ids, what is
--- nil stays as the caller has it; groups is always set, because a child that changes its user or group
--- must not keep the caller's supplementary groups:
---   user          uid, its primary gid, its supplementary groups
---   group alone   gid and groups = { gid }: the caller's other groups are dropped too
---   groups alone  exactly these; uid and gid stay
function M.resolve(spec, host)
  if spec.user == nil and spec.group == nil and spec.groups == nil then return nil, nil end
  local ids, name = {}, nil
  local gid <const> = spec.group ~= nil and group_id("group", spec.group, host) or nil
  if spec.user ~= nil then
    local found <const>, number <const> = lookup("user", spec.user, host.user, "user")
    if not found and not gid then
      value.fail("user", ("no user has the number %d, so its group is unknown: give group too"):format(number))
    end
    name = found and found.name or tostring(number)
    ids.uid = found and found.uid or number
    ids.gid = gid or found.gid
    if spec.groups == nil then
      ids.groups = group_list("groups", found and host.groups(found.name, ids.gid) or { ids.gid }, host)
    end
  else
    ids.gid = gid
    if gid and spec.groups == nil then ids.groups = { gid } end
  end
  if spec.groups ~= nil then ids.groups = group_list("groups", spec.groups, host) end
  return name, ids
end

-- Is this id one of those that the user namespace we are in knows? Its map has lines of inside, outside and count.
local function exists(map, id, host)
  local text <const> = host.read(map)
  for first, count in (text or ""):gmatch("(%d+)%s+%d+%s+(%d+)") do
    if id >= tonumber(first) and id - tonumber(first) < tonumber(count) then return true end
  end
  return text == nil
end

-- As the kernel and most systems have them.
local NOBODY <const> = { name = "nobody", uid = 65534, gid = 65534 }

--- What resolve returned, or nobody in place of the root that ward is; unless root is all that there is, as in a user
--- namespace of one user, where it is no root to others.
---@param user string|nil
---@param ids table|nil
---@param host table with uid, read and user
function M.lower(user, ids, host)
  if host.uid ~= 0 or ids and ids.uid then return user, ids end
  local nobody <const> = host.user(NOBODY.name) or NOBODY
  local gid <const> = ids and ids.gid or nobody.gid
  if not exists("/proc/self/uid_map", nobody.uid, host) or not exists("/proc/self/gid_map", gid, host) then
    return user, ids
  end
  return NOBODY.name, { uid = nobody.uid, gid = gid, groups = ids and ids.groups or { gid } }
end

--- Checks what resolve returned before; nothing is looked up again.
function M.canonical(spec)
  local name <const> = spec.user ~= nil and value.string("user", spec.user, { max = 256 }) or nil
  if spec.group ~= nil or spec.groups ~= nil then value.fail("group", "is part of ids here") end
  if spec.ids == nil then
    if name then value.fail("user", "has no ids") end
    return nil, nil
  end
  for _, key in ipairs(value.keys("ids", spec.ids)) do
    if key ~= "uid" and key ~= "gid" and key ~= "groups" then
      value.fail("ids", "unknown key " .. value.quote(key))
    end
  end
  local ids = { groups = {} }
  for _, key in ipairs { "uid", "gid" } do
    if spec.ids[key] ~= nil then ids[key] = value.integer("ids." .. key, spec.ids[key], 0, MAX_ID) end
  end
  for i = 1, value.list("ids.groups", spec.ids.groups, "a list of numbers", MAX_GROUPS) do
    ids.groups[i] = value.integer(("ids.groups[%d]"):format(i), spec.ids.groups[i], 0, MAX_ID)
  end
  return name, ids
end

return M
