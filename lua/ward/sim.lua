-- A script under test: its services as fake processes, its tasks, and ward's own policy, all under a virtual clock.
-- Plain Lua 5.4 is enough; ward itself need not be there.
--
--     package.path = "/usr/local/share/ward/lua/?.lua;/usr/local/share/ward/lua/?/init.lua;" .. package.path
--     local sim = require "ward.sim"
--     local w = sim.load "scripts/run-demo.lua"
--     w:exit("flaky", { code = 1 })
--     w:advance "1s"
--     assert(w:starts "flaky" == 2)
--
-- Every service starts at once, is ready at once, runs until w:exit, and ends at once by any signal; w:hold,
-- w:spawn_fails, w:exit, w:ignore and w:stuck make it otherwise. The same calls always give the same: pids count from
-- 1001, the clock begins at 0, and delays are spread by the seed.

local core <const> = require "ward.sim.core"
local inside <const> = require "ward.sim.inside"
local machine <const> = require "ward.sim.machine"
local value <const> = require "ward.schema.value"
local world <const> = require "ward.sim.world"

local M <const> = {}

local OPTIONS <const> = {}
for _, key in ipairs { "on_spawn", "users", "groups", "env", "read", "seed", "time" } do
  OPTIONS[#OPTIONS + 1] = { key = key, since = "0.1.0" }
end

-- 2026-01-01 00:00:00 UTC.
local WALL_CLOCK <const> = 1767225600

local function function_or_nil(key, given)
  if given ~= nil and type(given) ~= "function" then value.must(key, "a function", given) end
  return given
end

-- { name = check(item) } of an option that is a table.
local function map(key, given, what, fine)
  if given == nil then return nil end
  for _, name in ipairs(value.keys(key, given)) do
    if not fine(given[name]) then value.must(("%s.%s"):format(key, name), what, given[name]) end
  end
  return given
end

local function open(path, given)
  value.string("the path of the script", path)
  given = given == nil and {} or given
  value.known("", given, OPTIONS)
  local seen <const> = {
    read = function_or_nil("read", given.read),
    env = map("env", given.env, "a string", function(item) return type(item) == "string" end),
    users = map("users", given.users, "a table such as { uid = 33, gid = 33, groups = { 44 } }", function(item)
      return type(item) == "table" and math.type(item.uid) == "integer"
    end),
    groups = map("groups", given.groups, "the number of the group", function(item)
      return math.type(item) == "integer"
    end),
  }
  local fake <const> = core.new {
    machine = machine.new(seen), env = given.env,
    on_spawn = function_or_nil("on_spawn", given.on_spawn) or function() end,
    seed = given.seed == nil and 1 or value.integer("seed", given.seed, math.mininteger, math.maxinteger),
    time = given.time == nil and WALL_CLOCK or value.number("time", given.time, 0, 1 << 40),
  }
  return world.new(fake, path)
end

---@class ward.sim.Options
---@field on_spawn? fun(spec: table): table|nil what a child of a task (ward.run, ward.spawn) or a stop command does,
---  whose canonical spec it gets: { code = 0, signal =, stdout = "", stderr = "", after = "2s", forever = true }, or
---  { fail = "cannot exec it" }; all optional: without it, children end at once with code 0 and say nothing
---@field users? table<string, { uid: integer, gid?: integer, groups?: integer[] }> all users that there are
---@field groups? table<string, integer> all groups that there are
---@field env? table<string, string> the whole environment that the script sees
---@field read? fun(path: string): string|nil, string|nil the text of a file (the script, its modules, env_file,
---  ward.fs.read), or nil and why not
---@field seed? integer of delays and of math.random in the script
---@field time? number seconds since 1970 at which the virtual clock begins

--- Loads a script as ward does, and boots it at time 0. Raises what `ward check` says, with file and line. What only
--- the kernel or the C core can refuse (an unknown system call in a filter, say) is left to `ward check`.
---@param path string of the script
---@param options? ward.sim.Options
---@return ward.sim.World
function M.load(path, options)
  local made <const>, message <const> = value.try(open, path, options)
  if message then inside.blame("sim.load: " .. message) end
  return made
end

return M
