-- The keys of `sandbox` about namespaces: which ones, who is who in a user namespace, and the host name.

local keys <const> = require "ward.schema.keys"
local value <const> = require "ward.schema.value"

local M <const> = {}

local NAMES <const> = { "cgroup", "ipc", "mount", "net", "pid", "time", "user", "uts" }
local MAX_ID <const> = 2 ^ 32 - 2 | 0
local MAX_LINES <const> = 340 -- the kernel's

--- The list of namespaces, and those that other keys need.
---@param path string
---@param given any
---@param implied table<string, boolean>
function M.names(path, given, implied)
  local list, seen = {}, {}
  for name, yes in pairs(implied) do seen[name] = yes or nil end
  for i = 1, given == nil and 0 or value.list(path, given, 'a list such as { "mount", "net" }', 64) do
    seen[value.choice(("%s[%d]"):format(path, i), given[i], NAMES)] = true
  end
  for _, name in ipairs(NAMES) do
    if seen[name] then list[#list + 1] = name end
  end
  return list
end

local function overlap(path, ranges, side)
  local sorted <const> = table.move(ranges, 1, #ranges, 1, {})
  table.sort(sorted, function(a, b) return a[side] < b[side] end)
  for i = 2, #sorted do
    if sorted[i][side] < sorted[i - 1][side] + sorted[i - 1].count then
      value.fail(path, ("maps %d %s twice"):format(sorted[i][side], side))
    end
  end
end

local function map(path, given)
  local ranges = {}
  local what <const> = "a list such as { { inside = 0, outside = 100000, count = 65536 } }"
  local count <const> = value.list(path, given, what, MAX_LINES)
  if count == 0 then value.fail(path, "must not be empty") end
  for i = 1, count do
    local at <const> = ("%s[%d]"):format(path, i)
    value.known(at, value.table(at, given[i], "a table such as { inside = 0, outside = 100000, count = 65536 }"),
      keys.id_range, keys.id_range_aliases)
    local range <const> = {
      inside = value.integer(at .. ".inside", given[i].inside, 0, MAX_ID),
      outside = value.integer(at .. ".outside", given[i].outside, 0, MAX_ID),
      count = given[i].count == nil and 1 or value.integer(at .. ".count", given[i].count, 1, MAX_ID + 1),
    }
    if range.inside + range.count > MAX_ID + 1 or range.outside + range.count > MAX_ID + 1 then
      value.fail(at .. ".count", ("goes beyond the last id, %d"):format(MAX_ID))
    end
    ranges[i] = range
  end
  overlap(path, ranges, "inside")
  overlap(path, ranges, "outside")
  return ranges
end

--- uid_map and gid_map; without the second, groups are mapped as users are.
---@param path string of the sandbox
---@param given table
function M.maps(path, given)
  if given.uid_map == nil then
    if given.gid_map ~= nil then value.fail(path .. ".gid_map", "needs uid_map, too") end
    return nil, nil
  end
  return map(path .. ".uid_map", given.uid_map),
    given.gid_map == nil and map(path .. ".gid_map", given.uid_map) or map(path .. ".gid_map", given.gid_map)
end

--- A host name (hostname(7)).
function M.hostname(path, given)
  if given == nil then return nil end
  value.string(path, given, { max = 64 })
  if not given:find("^[%w][%w.-]*$") then
    value.fail(path, ("must be letters, digits, dots and hyphens, got %s"):format(value.describe(given)))
  end
  return given
end

return M
