-- Random specs of a child, and what tests/helpers/probe must report for each: the model is written from the
-- documentation of the keys and of the kernel (capabilities(7), landlock(7) and others), not from ward's code.
--
-- generate(random, world) -> spec, spawned: a table of keys as a script writes them; see model/specs.lua.
-- expect(spec, world, name) -> fields of the report; see model/view.lua and model/files.lua.

local specs <const> = require "helpers.model.specs"
local view <const> = require "helpers.model.view"

local M <const> = { generate = specs.generate, expect = view.expect }

local ENOSPC <const> = 28

-- Chance --------------------------------------------------------------------------------------------------

--- A generator of its own (Numerical Recipes' LCG), so that a seed means the same everywhere.
function M.random(seed)
  local state = seed
  local random <const> = {}
  function random.below(n)
    state = (state * 1664525 + 1013904223) & 0xffffffff
    return (state >> 8) % n
  end
  function random.chance(percent) return random.below(100) < percent end
  function random.one(list) return list[1 + random.below(#list)] end
  function random.some(list, percent)
    local chosen = {}
    for _, item in ipairs(list) do
      if random.chance(percent) then chosen[#chosen + 1] = item end
    end
    return chosen
  end
  return random
end

-- Comparing ------------------------------------------------------------------------------------------------

local NS_FILES <const> = { uts = "uts", ipc = "ipc", net = "net", mount = "mnt", cgroup = "cgroup", time = "time",
  pid = "pid", user = "user" }

-- JSON knows no integers: 1.0 is 1 here.
local function show(value)
  if math.tointeger(value) then return tostring(math.tointeger(value)) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, item in pairs(value) do parts[#parts + 1] = tostring(key) .. "=" .. show(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, " ") .. "}"
end

local function fd_differs(want, seen, sees_proc)
  if not want or not seen or seen.mode ~= want[2] then return true end
  local link <const> = seen.link
  return sees_proc and not (want[1]:sub(1, 1) == "^" and link:find(want[1]) or link == want[1])
end

-- A map of ids as the kernel prints it, its lines sorted.
local function lines_of_map(map)
  local lines = {}
  for i, line in ipairs(map) do lines[i] = ("%d %d %d"):format(line.inside, line.outside, line.count or 1) end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function sorted_map(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line:gsub("%s+", " "):match("^ ?(.-) ?$") end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- Who it is, and with whom.
local function compare_ids(check, want, seen)
  for _, which in ipairs { "real", "effective", "saved" } do
    check("uid " .. which, want.uid, seen.uid[which])
    check("gid " .. which, want.gid, seen.gid[which])
  end
  table.sort(seen.groups)
  check("groups", want.groups, seen.groups)
  for set, hex in pairs(seen.caps) do check("caps." .. set, want.caps[set], tonumber(hex, 16)) end
  -- Behind an init, that leads.
  local leader <const> = want.init and seen.ppid or seen.pid
  check("session", want.session, seen.sid == leader)
  check("group leader", leader, seen.pgid)
  if want.init then check("pid of init", 1, seen.ppid) end
  if want.namespaces.pid and not want.init then check("pid", 1, seen.pid) end
  check("user namespaces of its own", want.user and not want.user.nested and ENOSPC or 0, seen.userns)
end

local function compare_fds(check, want, seen)
  local have = {}
  for _, fd in ipairs(seen.fds) do have[math.tointeger(fd.fd)] = fd end
  for number = 0, 64 do
    if (want.fds[number] or have[number]) and fd_differs(want.fds[number], have[number], want.sees_proc) then
      check("fd " .. number, want.fds[number], have[number] or "none")
    end
  end
  if want.window and want.fds[0][1]:find("pts") then check("window", want.window, seen.window) end
end

-- What only /proc tells.
local function compare_proc(check, want, seen, base)
  check("seccomp", want.seccomp, seen.seccomp)
  check("terminal", want.terminal, seen.tty > 0)
  for name, file in pairs(NS_FILES) do
    check("namespace " .. name .. " of its own", want.namespaces[name] or false,
      seen.namespaces[file] ~= base.namespaces[file])
  end
  for _, key in ipairs { "uid_map", "gid_map" } do
    check(key, want.user and lines_of_map(want.user[key]) or sorted_map(base[key]), sorted_map(seen[key]))
  end
  local group <const> = seen.cgroup:match("0::([^\n]*)")
  if want.group then
    check("control group", true, group:find(want.group) ~= nil)
  else
    check("control group", want.namespaces.cgroup and group and "/" or base.cgroup:match("0::([^\n]*)"), group)
  end
  if not want.mounts then return end
  local mounts <const> = {}
  for _, mount in ipairs(seen.mounts) do
    -- What the host has below its /proc comes along.
    if not mount.target:find("^/proc/") then mounts[mount.target] = (mount.options .. ","):find("^ro,") ~= nil end
  end
  check("mounts", want.mounts, mounts)
end

--- The fields in which a report differs from what was expected, as sentences.
---@param want table of M.expect
---@param seen table the report
---@param world table
---@return string[]
function M.differences(want, seen, world)
  local list = {}
  local function check(field, expected, got)
    if show(expected) ~= show(got) then
      list[#list + 1] = ("%s: want %s, got %s"):format(field, show(expected), show(got))
    end
  end
  check("argv0", want.argv0, seen.argv[1])
  for _, field in ipairs { "cwd", "no_new_privs", "umask", "securebits", "parent_death", "nice", "ioprio", "affinity",
    "oom_score_adj", "hostname", "loopback", "terminal_owner" } do
    check(field, want[field], seen[field])
  end
  local env = {}
  for _, pair in ipairs(seen.environ) do
    local key <const>, text <const> = pair:match("^([^=]*)=(.*)$")
    env[key] = text
  end
  check("environ", want.environ, env)
  for name, pair in pairs(want.limits) do check("limits." .. name, pair, seen.limits[name]) end
  check("sched", want.sched, seen.sched.policy)
  check("signals", { blocked = {}, ignored = {}, caught = {} }, seen.signals)
  compare_ids(check, want, seen)
  compare_fds(check, want, seen)
  if want.sees_proc then compare_proc(check, want, seen, world.base) end
  for path, errnos in pairs(want.tries) do check("open " .. path, errnos, seen.tries[path]) end
  for path, names in pairs(want.lists) do check("list " .. path, names, seen.lists[path]) end
  return list
end

--- A table of keys as Lua source.
function M.source(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = ("[%s] = %s"):format(M.source(key), M.source(value[key]))
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

return M
