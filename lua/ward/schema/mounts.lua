-- The keys of `sandbox` about files: rootfs, readonly, mounts, tmpfs, proc and dev.

local keys <const> = require "ward.schema.keys"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_MOUNTS <const> = 256
local TYPES <const> = { "bind", "mqueue", "proc", "sysfs", "tmpfs" }
local DEVS <const> = { "minimal" }
local MAX_SIZE <const> = math.maxinteger

-- An absolute path without anything that a walk would have to think about: "/a//b/" -> "/a/b".
local function target(path, given)
  value.string(path, given, { max = value.MAX_PATH })
  if given:sub(1, 1) ~= "/" then value.must(path, 'an absolute path such as "/data"', given) end
  for part in given:gmatch("[^/]+") do
    if part == "." or part == ".." then value.fail(path, ("must not contain %s"):format(value.quote(part))) end
  end
  local whole <const> = given:gsub("/+", "/"):gsub("(.)/$", "%1")
  return whole
end

local function mode(path, given)
  if given == nil then return nil end
  if type(given) == "string" and given:find("^[0-7][0-7]?[0-7]?[0-7]?[0-7]?$") then given = tonumber(given, 8) end
  local number <const> = type(given) == "number" and math.tointeger(given)
  if not number or number < 0 or number > 4095 then
    value.must(path, 'an octal string such as "1777", or a number from 0 to 4095', given)
  end
  return number
end

-- Keys that only some types have.
local ONLY <const> = {
  source = { bind = true }, dev = { bind = true }, optional = { bind = true },
  size = { tmpfs = true }, mode = { tmpfs = true },
}
local ONLY_ORDER <const> = { "source", "dev", "optional", "size", "mode" }

local function mount(at, given, absolute)
  value.known(at, value.table(at, given, 'a table such as { type = "bind", source = "/srv/data", target = "/data" }'),
    keys.mount, keys.mount_aliases)
  if given.type == nil then value.fail(at .. ".type", "is required") end
  local kind <const> = value.choice(at .. ".type", given.type, TYPES)
  for _, key in ipairs(ONLY_ORDER) do
    if given[key] ~= nil and not ONLY[key][kind] then
      value.fail(("%s.%s"):format(at, key), ("is not for %s"):format(kind))
    end
  end
  for _, key in ipairs { "target", kind == "bind" and "source" or nil } do
    if given[key] == nil then value.fail(("%s.%s"):format(at, key), "is required") end
  end
  local row <const> = { type = kind, target = target(at .. ".target", given.target) }
  if kind == "bind" then
    value.string(at .. ".source", given.source, { max = value.MAX_PATH })
    row.source = absolute(at .. ".source", given.source)
  end
  for _, key in ipairs { "readonly", "dev", "optional" } do
    if given[key] ~= nil and value.boolean(("%s.%s"):format(at, key), given[key]) then row[key] = true end
  end
  row.size = given.size ~= nil and value.size(at .. ".size", given.size, MAX_SIZE) or nil
  if row.size == 0 then value.fail(at .. ".size", "must be more than 0") end
  row.mode = mode(at .. ".mode", given.mode)
  return row
end

-- Each place once; @seen goes from target to key.
local function once(seen, at, path)
  if seen[path] then value.fail(at, ("%s is taken by %s"):format(value.quote(path), seen[path])) end
  seen[path] = at
end

local function flag(path, given)
  if given == nil then return nil end
  return value.boolean(path, given) or nil
end

--- The canonical keys: { rootfs=, readonly=, mounts=, tmpfs=, proc=, dev= }; nil for what is not used.
---@param path string of the sandbox
---@param given table
---@param absolute fun(path: string, relative: string): string
function M.normalise(path, given, absolute)
  local function at(key) return path .. "." .. key end
  local result <const>, seen <const> = {}, {}
  if given.rootfs ~= nil then
    value.string(at "rootfs", given.rootfs, { max = value.MAX_PATH })
    result.rootfs = absolute(at "rootfs", given.rootfs)
    if result.rootfs:find("^/+$") then value.fail(at "rootfs", "is the host's own root: leave it out") end
    once(seen, at "rootfs", "/")
  end
  result.readonly = flag(at "readonly", given.readonly)
  result.proc = flag(at "proc", given.proc)
  if result.proc then once(seen, at "proc", "/proc") end
  if given.dev ~= nil then
    result.dev = value.choice(at "dev", given.dev, DEVS)
    once(seen, at "dev", "/dev")
  end
  for i = 1, given.tmpfs == nil and 0 or value.list(at "tmpfs", given.tmpfs, 'a list such as { "/tmp" }', MAX_MOUNTS) do
    local here <const> = ("%s[%d]"):format(at "tmpfs", i)
    result.tmpfs = result.tmpfs or {}
    result.tmpfs[i] = target(here, given.tmpfs[i])
    once(seen, here, result.tmpfs[i])
  end
  for i = 1, given.mounts == nil and 0 or value.list(at "mounts", given.mounts, "a list of mounts", MAX_MOUNTS) do
    local here <const> = ("%s[%d]"):format(at "mounts", i)
    local row <const> = mount(here, given.mounts[i], absolute)
    result.mounts = result.mounts or {}
    result.mounts[i] = row
    if row.target == "/" then value.fail(here .. ".target", 'is the root: write rootfs = "...", or tmpfs = { "/" }') end
    once(seen, here .. ".target", row.target)
  end
  return result
end

return M
