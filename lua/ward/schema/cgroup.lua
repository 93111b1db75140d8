-- The key `cgroup`: limits of a control group, as the files of cgroup v2 that they are written to
-- (Documentation/admin-guide/cgroup-v2.rst).

local keys <const> = require "ward.schema.keys"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_BYTES <const> = 1 << 60
local MAX_PIDS <const> = 4194304 -- PID_MAX_LIMIT
local MAX_CPUS <const> = 8192
-- The period of cpu.max, in microseconds, and the least of it that the kernel takes.
local PERIOD <const>, LEAST <const> = 100000, 1000

local FILES <const> = {
  ["memory.max"] = "^%d+$", ["memory.high"] = "^%d+$", ["memory.swap.max"] = "^%d+$", ["pids.max"] = "^%d+$",
  ["cpu.max"] = "^%d+ " .. PERIOD .. "$", ["cpu.weight"] = "^%d+$",
}

local function memory(path, given, files)
  if type(given) ~= "table" then given = { max = given } end
  value.known(path, given, keys.cgroup_memory)
  for key, file in pairs { max = "memory.max", high = "memory.high", swap_max = "memory.swap.max" } do
    if given[key] ~= nil then
      files[file] = ("%d"):format(value.size(path .. "." .. key, given[key], MAX_BYTES))
    end
  end
end

local function cpu(path, given, files)
  if type(given) ~= "table" then given = { max = given } end
  value.known(path, given, keys.cgroup_cpu)
  if given.max ~= nil then
    local share <const> = value.number(path .. ".max", given.max, LEAST / PERIOD, MAX_CPUS)
    files["cpu.max"] = ("%d %d"):format(math.floor(share * PERIOD + 0.5), PERIOD)
  end
  if given.weight ~= nil then
    files["cpu.weight"] = ("%d"):format(value.integer(path .. ".weight", given.weight, 1, 10000))
  end
end

local function canonical(path, given)
  for _, key in ipairs(value.keys(path, given)) do
    if key ~= "files" and key ~= "optional" then value.fail(path, "unknown key " .. value.quote(key)) end
  end
  local files <const> = {}
  for _, file in ipairs(value.keys(path .. ".files", given.files)) do
    local text <const> = value.string(path .. ".files", given.files[file])
    if not FILES[file] or not text:find(FILES[file]) then
      value.fail(path .. ".files", ("%s cannot be %s"):format(value.quote(file), value.quote(text)))
    end
    files[file] = text
  end
  return { files = files, optional = value.boolean(path .. ".optional", given.optional) }
end

--- cgroup -> { files = { ["memory.max"] = "268435456", ... }, optional = }, or nil.
---@param path string
---@param given any
---@param again boolean whether it is the canonical form
function M.normalise(path, given, again)
  if given == nil then return nil end
  if again then return canonical(path, value.table(path, given)) end
  if given == true then given = {} end
  value.table(path, given, "true, or a table such as { memory = \"256M\", pids = 100 }")
  value.known(path, given, keys.cgroup)
  local files <const> = {}
  if given.memory ~= nil then memory(path .. ".memory", given.memory, files) end
  if given.cpu ~= nil then cpu(path .. ".cpu", given.cpu, files) end
  if given.pids ~= nil then
    files["pids.max"] = ("%d"):format(value.integer(path .. ".pids", given.pids, 1, MAX_PIDS))
  end
  return {
    files = files, optional = given.optional ~= nil and value.boolean(path .. ".optional", given.optional) or false,
  }
end

return M
