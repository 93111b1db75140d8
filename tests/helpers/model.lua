-- Random specs of a child, and what tests/helpers/probe must report for each: the model is written from the
-- documentation of the keys and of the kernel (capabilities(7), landlock(7)), not from ward's code.
--
-- generate(random, world) -> spec: a table of keys as a script writes them. Only specs that ward accepts: what cannot
-- go together is left out here, with the reason.
-- expect(spec, world) -> fields of the report.

local M <const> = {}

local EACCES <const> = 13
local CAPS <const> = {
  chown = 0, dac_override = 1, kill = 5, setgid = 6, setuid = 7, net_bind_service = 10, net_raw = 13, sys_chroot = 18,
}
local CAP_NAMES <const> = {}
for name in pairs(CAPS) do CAP_NAMES[#CAP_NAMES + 1] = name end
table.sort(CAP_NAMES)
local NOBODY <const> = 65534

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

-- Specs ---------------------------------------------------------------------------------------------------

local function ids(r, spec)
  local kind <const> = r.below(4)
  if kind == 0 then
    spec.user = "nobody"
  elseif kind == 1 then
    spec.user, spec.group = 4711, 4712
  elseif kind == 2 then
    spec.group = 4713
  end
  if spec.user and r.chance(50) then spec.groups = r.some({ 4, 27, 4712, 4714, 4715 }, 40) end
end

local function stdio(r, spec, world)
  if r.chance(15) then
    spec.tty = r.chance(50) or { rows = 10 + r.below(50), cols = 20 + r.below(200) }
  end
  spec.stdin = r.one { nil, "null", "inherit", world.input, 5 }
  spec.stdout = r.one { nil, "log", "null", "inherit", world.output, 6 }
  spec.stderr = r.one { nil, "log", "null", "stdout", world.output, 7 }
  local fds, any = {}, false
  for target = 3, 12 do
    if r.chance(20) then
      fds[target] = r.one { 0, 1, 2, 5, 6, 7, false }
      any = true
    end
  end
  if any then spec.fds = fds end
end

local function environment(r, spec, world)
  if r.chance(30) then spec.env_clear = true end
  if r.chance(40) then spec.env_file = world.env_file end
  if r.chance(60) then
    spec.env = {}
    if r.chance(50) then spec.env.ADDED = "text with 'quotes' and \"more\"" end
    if r.chance(50) then spec.env.NUMBER = r.below(1000) end
    if r.chance(50) then spec.env.WARD_TEST_GIVEN = r.chance(50) and "changed" or false end
    if r.chance(50) then spec.env.FROM_FILE = r.chance(50) and "" or false end
  end
end

local function limits(r, spec)
  local set, any = {}, false
  local function maybe(name, value)
    if r.chance(25) then set[name], any = value, true end
  end
  maybe("nofile", r.chance(50) and 64 + r.below(200) or { 64 + r.below(100), 200 + r.below(200) })
  maybe("core", r.chance(50) and 0 or { 0, "1M" })
  maybe("fsize", "64M")
  maybe("cpu", 1000 + r.below(1000))
  maybe("memlock", { 0, "64K" })
  maybe("stack", { "1M", "8M" })
  if any then spec.limits = set end
end

local function process(r, spec)
  if r.chance(30) then spec.nice = r.below(20) end
  if r.chance(30) then
    spec.ioprio = r.one { "idle", "best-effort", { class = "best-effort", level = r.below(8) } }
  end
  if r.chance(30) then spec.sched = r.one { "batch", "idle", "other" } end
  if r.chance(30) then spec.affinity = { r.below(2) } end
  if r.chance(30) then spec.oom_score_adj = r.below(1001) end
  if r.chance(30) then spec.parent_death = r.one { "TERM", "KILL", "USR1" } end
  if r.chance(50) then spec.umask = ("%03o"):format(r.below(64)) end
  if r.chance(30) then spec.arg0 = "-other name" end
  if r.chance(30) then spec.cwd = r.one { "/", "/usr", "/proc" } end
  if not spec.tty and r.chance(20) then spec.session = false end -- a terminal needs a session
  spec.clone = r.one { nil, "shared", "vfork", "copy" }
end

local function random_caps(r)
  if r.chance(40) then return r.some(CAP_NAMES, 40) end
  -- Each set within the one above it: the kernel takes nothing else.
  local bounding <const> = r.some(CAP_NAMES, 70)
  local permitted <const> = r.some(bounding, 70)
  local inheritable <const> = r.some(permitted, 70)
  local sets <const> = {
    bounding = bounding, permitted = permitted, inheritable = inheritable, effective = r.some(permitted, 60),
    ambient = r.some(inheritable, 60),
  }
  -- What is left out stays; the others contradict what ward has when they are alone.
  for _, name in ipairs { "bounding", "ambient" } do
    if r.chance(20) then sets[name] = nil end
  end
  return sets
end

local function sandbox(r, spec, world)
  local box <const> = {}
  if r.chance(70) then box.caps = random_caps(r) end
  -- With a change of user these two would need capabilities that are gone by then.
  if not spec.user and r.chance(20) then box.securebits = { "noroot" } end
  if r.chance(40) then
    box.landlock = { fs = {
      ["/"] = "rx", [world.reports] = "rw", ["/dev"] = "rw", ["/proc"] = "rw",
      [world.dir .. "/a"] = r.one { "r", "rw" },
    } }
    if r.chance(50) then box.landlock.scope = { "signal" } end
  end
  if r.chance(40) then box.seccomp = { default = "allow", deny = { "ptrace", "swapon" } } end
  box.namespaces = r.some({ "uts", "ipc", "net", "mount", "cgroup", "time", "pid" }, 20)
  -- Behind an init it is another process that is tied to ward and leads the session: see namespace_spec.lua.
  for _, name in ipairs(box.namespaces) do
    if name == "pid" then box.pid1 = true end
  end
  -- Without no_new_privs a filter or a ruleset needs CAP_SYS_ADMIN, which no list here keeps.
  if not box.landlock and not box.seccomp and r.chance(20) then box.no_new_privs = false end
  if r.chance(30) then box.on_failure = r.one { "error", "warn", "silent" } end
  spec.sandbox = box
end

--- A spec.
---@param r table of M.random
---@param world table dir, reports, input, output, env_file: paths; see model_spec.lua
function M.generate(r, world)
  local spec <const> = {}
  if r.chance(60) then ids(r, spec) end
  if r.chance(70) then stdio(r, spec, world) end
  environment(r, spec, world)
  limits(r, spec)
  process(r, spec)
  if r.chance(60) then sandbox(r, spec, world) end
  return spec
end

-- What must be seen ----------------------------------------------------------------------------------------

local SIGNALS <const> = { TERM = 15, KILL = 9, USR1 = 10 }
local SCHEDULERS <const> = { other = 0, batch = 3, idle = 5 }

local function mask(names)
  local set = 0
  for _, name in ipairs(names) do set = set | 1 << CAPS[name] end
  return set
end

-- The five sets after exec (capabilities(7), "Transformation of capabilities during execve()").
local function capabilities(spec, base)
  local given = spec.sandbox and spec.sandbox.caps
  local root <const> = (spec.user or 0) == 0
  local bits = spec.sandbox and spec.sandbox.securebits and 1 or 0
  local bounding, inheritable, ambient, before = base.bounding, base.inheritable, base.ambient, base.permitted
  if given and (#given > 0 or not next(given)) then
    given = { bounding = given, inheritable = given, ambient = given, permitted = given }
  end
  if given then
    bounding = given.bounding and mask(given.bounding) or bounding
    inheritable, ambient = mask(given.inheritable), given.ambient and mask(given.ambient) or 0
    before = mask(given.permitted)
    -- Without securebits of its own, a child gains nothing by exec that its sets leave out.
    local by_exec <const> = (inheritable | bounding) & (spec.sandbox.no_new_privs == false and ~0 or before)
    local beyond <const> = by_exec & ~(before & mask(given.effective or given.permitted))
    if root and bits == 0 and beyond ~= 0 then bits = 3 end -- noroot and its lock
  elseif not root then
    ambient = 0
  end
  local permitted = ambient
  if root and bits == 0 then
    permitted = inheritable | bounding
    -- prctl(2), PR_SET_NO_NEW_PRIVS: exec gives no more than there was.
    if spec.sandbox and spec.sandbox.no_new_privs ~= false then permitted = permitted & before end
  end
  -- One that gains by exec loses its parent death signal (prctl(2), PR_SET_PDEATHSIG).
  return {
    gained = permitted & ~before ~= 0, bounding = bounding, inheritable = inheritable, ambient = ambient,
    permitted = permitted, effective = permitted, securebits = bits,
  }
end

local function groups_of(spec, base)
  if not spec.user and not spec.group then return base.groups end
  local list <const> = spec.groups or { spec.group or NOBODY }
  local copy <const> = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

local function environ(spec, world, inherited)
  local env <const> = {}
  if not spec.env_clear then
    for name, text in pairs(inherited) do env[name] = text end
  end
  if spec.env_file then
    for name, text in pairs(world.from_file) do env[name] = text end
  end
  for name, text in pairs(spec.env or {}) do env[name] = text ~= false and tostring(text) or nil end
  return env
end

-- Descriptors by number: { path } as /proc/self/fd has it, or a pattern of it that begins with ^, and the mode.
local function descriptors(spec, world)
  local own <const> = world.inherited
  local tty <const> = { "^/dev/pts/%d+$", "rw" }
  local null <const>, log <const> = { "/dev/null", "rw" }, { "^pipe:%[%d+%]$", "rw" }
  local function stream(given, target)
    if given == nil then return spec.tty and tty or target == 0 and null or log end
    if given == "null" then return null end
    if given == "log" then return log end
    if given == "inherit" then return own[target] end
    if type(given) == "number" then return own[given] end
    return { given, target == 0 and "r" or "w" }
  end
  local fds <const> = { [0] = stream(spec.stdin, 0), [1] = stream(spec.stdout, 1) }
  fds[2] = spec.stderr == "stdout" and fds[1] or stream(spec.stderr, 2)
  for target, source in pairs(spec.fds or {}) do
    if source then fds[target] = own[source] end
  end
  return fds
end

-- One value is soft and hard.
local function limit(given)
  local out <const> = {}
  for i, item in ipairs(type(given) == "table" and given or { given, given }) do
    local digits <const>, unit <const> = tostring(item):match("^(%d+)([KM]?)$")
    out[i] = tonumber(digits) * (unit == "K" and 1024 or unit == "M" and 1048576 or 1)
  end
  return out
end

local function tries(spec, world, caps)
  local box <const> = spec.sandbox and spec.sandbox.landlock
  -- Root is the owner, whatever it may do.
  local may <const> = spec.user == nil or caps.effective & 1 << CAPS.dac_override ~= 0
  local a <const>, b <const> = world.dir .. "/a/file", world.dir .. "/b/file"
  local shut <const> = world.dir .. "/a/shut" -- 0600, root's
  local shut_errno <const> = may and 0 or EACCES
  local expected <const> = { [a] = { 0, 0 }, [b] = { 0, 0 }, [shut] = { shut_errno, shut_errno } }
  if box then
    expected[b][2] = EACCES
    if box.fs[world.dir .. "/a"] == "r" then
      expected[a][2], expected[shut][2] = EACCES, EACCES
    end
  end
  return expected
end

--- The fields of the report that the spec decides, as compare takes them.
---@param spec table
---@param world table also inherited: number -> { path, mode }; from_file; base: a report of probe outside of ward;
---  environ: ward's own
---@param name string of the service
function M.expect(spec, world, name)
  local base <const>, box <const> = world.base, spec.sandbox
  local uid <const> = spec.user == "nobody" and NOBODY or spec.user or 0
  local gid <const> = spec.group or (spec.user and NOBODY) or base.gid.real
  local caps <const> = capabilities(spec, base.caps)
  local limits_ <const> = {}
  for key, pair in pairs(base.limits) do limits_[key] = pair end
  for key, given in pairs(spec.limits or {}) do limits_[key] = limit(given) end
  local ioprio = base.ioprio
  if spec.ioprio == "idle" then ioprio = 3 << 13 end -- it has no levels
  if spec.ioprio == "best-effort" then ioprio = 2 << 13 | 4 end
  if type(spec.ioprio) == "table" then ioprio = 2 << 13 | spec.ioprio.level end
  return {
    argv0 = spec.arg0 or world.program, cwd = spec.cwd or world.script_dir,
    umask = tonumber(spec.umask or "022", 8), uid = uid, gid = gid, groups = groups_of(spec, base),
    environ = environ(spec, world, world.environ), fds = descriptors(spec, world),
    session = spec.session ~= false, terminal = spec.tty and true or false,
    window = type(spec.tty) == "table" and { spec.tty.rows, spec.tty.cols } or spec.tty and { 24, 80 } or nil,
    caps = caps, limits = limits_,
    no_new_privs = box ~= nil and box.no_new_privs ~= false,
    seccomp = box and box.seccomp and 2 or 0, securebits = caps.securebits,
    parent_death = not caps.gained and SIGNALS[spec.parent_death] or 0, affinity = spec.affinity or base.affinity,
    sched = SCHEDULERS[spec.sched or "other"], nice = spec.nice or base.nice, ioprio = ioprio,
    namespaces = box and box.namespaces or {}, tries = tries(spec, world, caps),
    oom_score_adj = spec.oom_score_adj or base.oom_score_adj, name = name,
  }
end

-- Comparing ------------------------------------------------------------------------------------------------

local NS_FILES <const> = { uts = "uts", ipc = "ipc", net = "net", mount = "mnt", cgroup = "cgroup", time = "time",
  pid = "pid" }

-- JSON knows no integers: 1.0 is 1 here.
local function show(value)
  if math.tointeger(value) then return tostring(math.tointeger(value)) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, item in pairs(value) do parts[#parts + 1] = tostring(key) .. "=" .. show(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, " ") .. "}"
end

local function fd_differs(want, seen)
  if not want or not seen then return true end
  local link <const> = seen.link
  local same <const> = want[1]:sub(1, 1) == "^" and link:find(want[1]) or link == want[1]
  return not same or seen.mode ~= want[2]
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
  for _, field in ipairs { "cwd", "no_new_privs" } do check(field, want[field], seen[field]) end
  for _, field in ipairs { "umask", "seccomp", "securebits", "parent_death", "nice", "ioprio" } do
    check(field, want[field], seen[field])
  end
  for _, which in ipairs { "real", "effective", "saved" } do
    check("uid " .. which, want.uid, seen.uid[which])
    check("gid " .. which, want.gid, seen.gid[which])
  end
  table.sort(seen.groups)
  check("groups", want.groups, seen.groups)
  local env = {}
  for _, pair in ipairs(seen.environ) do
    local key <const>, text <const> = pair:match("^([^=]*)=(.*)$")
    env[key] = text
  end
  check("environ", want.environ, env)
  local have = {}
  for _, fd in ipairs(seen.fds) do have[math.tointeger(fd.fd)] = fd end
  for number = 0, 64 do
    if (want.fds[number] or have[number]) and fd_differs(want.fds[number], have[number]) then
      check("fd " .. number, want.fds[number], have[number])
    end
  end
  check("session", want.session, seen.sid == seen.pid)
  check("group leader", seen.pid, seen.pgid)
  check("terminal", want.terminal, seen.tty > 0)
  if want.window and want.fds[0][1]:find("pts") then check("window", want.window, seen.window) end
  for set, hex in pairs(seen.caps) do check("caps." .. set, want.caps[set], tonumber(hex, 16)) end
  for name, pair in pairs(want.limits) do check("limits." .. name, pair, seen.limits[name]) end
  check("affinity", want.affinity, seen.affinity)
  check("sched", want.sched, seen.sched.policy)
  check("signals", { blocked = {}, ignored = {}, caught = {} }, seen.signals)
  local own = {}
  for _, name in ipairs(want.namespaces) do own[NS_FILES[name]] = true end
  for name, link in pairs(world.base.namespaces) do
    check("namespace " .. name .. " of its own", own[name] or false, seen.namespaces[name] ~= link)
  end
  for path, errnos in pairs(want.tries) do check("open " .. path, errnos, seen.tries[path]) end
  check("oom_score_adj", want.oom_score_adj, seen.oom_score_adj)
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
