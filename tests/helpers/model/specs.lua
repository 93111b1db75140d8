-- Random specs of a child, of all keys. Only specs that ward accepts: what cannot go together is left out here, with
-- the reason.

local M <const> = {}

--- Capabilities that the specs speak of, by number.
M.CAPS = {
  chown = 0, dac_override = 1, kill = 5, setgid = 6, setuid = 7, net_bind_service = 10, net_raw = 13, sys_chroot = 18,
}
local CAP_NAMES <const> = {}
for name in pairs(M.CAPS) do CAP_NAMES[#CAP_NAMES + 1] = name end
table.sort(CAP_NAMES)

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

local function stdio(r, spec, world, spawned)
  local pipe <const> = spawned and "pipe" or "null"
  if r.chance(15) then
    spec.tty = r.chance(50) or { rows = 10 + r.below(50), cols = 20 + r.below(200) }
  end
  spec.stdin = r.one { nil, "null", "inherit", world.input, 5, pipe, pipe }
  if spec.tty and r.chance(30) then spec.stdin = "tty" end
  spec.stdout = r.one { nil, "log", "null", "inherit", world.output, 6, pipe, pipe }
  spec.stderr = r.one { nil, "log", "null", "stdout", world.output, 7, pipe }
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

local function process(r, spec, world)
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
  if r.chance(25) then
    spec.cgroup = { optional = true }
    if world.cgroups and r.chance(50) then spec.cgroup = true end
  end
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

local function line(inside, outside, count)
  return { inside = inside, outside = outside, count = count }
end

-- Maps hold every id that a spec here can have. Without privilege the namespace knows one user and one group.
local function user_namespace(r, box, world)
  if world.plain then
    local kind <const> = r.below(3)
    if kind == 0 then table.insert(box.namespaces, "user") end
    if kind == 1 then box.uid_map = { line(0, world.plain) } end
    if kind == 2 then box.uid_map, box.gid_map = { line(12, world.plain) }, { line(34, world.plain) } end
    if r.chance(30) then box.nested = true end
    return
  end
  local kind <const> = r.below(3)
  if kind == 0 then
    table.insert(box.namespaces, "user")
  elseif kind == 1 then
    box.uid_map = { line(0, 100000, 65536) }
  else
    box.uid_map = { line(0, 100000, 1000), line(4711, 4711, 10), line(65534, 65534) }
    if r.chance(50) then box.gid_map = { line(0, 0), line(1, 200000, 999), line(4711, 4800, 10), line(65534, 100) } end
  end
  if kind > 0 and r.chance(30) then table.insert(box.namespaces, "user") end
  if r.chance(30) then box.nested = true end
end

-- Where the program sees its files: the host's tree or another root. What it needs is in world.dir.
local function files(r, spec, box, world)
  local root <const> = r.one { "host", "host", "rootfs", "tmpfs" }
  local mounts <const>, tmpfs <const> = {}, {}
  local function bind(path, more)
    local row <const> = { type = "bind", source = path, target = path }
    for key, value in pairs(more or {}) do row[key] = value end
    mounts[#mounts + 1] = row
  end
  if r.chance(40) then box.readonly = true end
  if root == "rootfs" then box.rootfs = world.root end
  if root == "tmpfs" then tmpfs[1] = "/" end
  if root ~= "host" or box.readonly then bind(world.dir) end
  if r.chance(40) then bind(world.dir .. "/a", { readonly = true }) end
  if r.chance(30) then bind(world.dir .. "/none", { optional = true, target = world.dir .. "/b" }) end
  local empty <const> = r.below(4)
  if empty == 0 then tmpfs[#tmpfs + 1] = world.dir .. "/empty" end
  if empty == 1 then
    mounts[#mounts + 1] = { type = "tmpfs", target = world.dir .. "/empty", size = "1M", mode = "0755",
      readonly = r.chance(50) or nil }
  end
  -- Paths of Landlock are the host's: a new /proc below another root stands under no rule.
  if box.pid and r.chance(60) and not (box.landlock and root ~= "host") then
    box.proc = true
  elseif root ~= "host" and r.chance(60) then
    bind "/proc"
  end
  if r.chance(35) then box.dev = "minimal" end
  if root ~= "host" and spec.cwd then spec.cwd = r.one { "/", world.dir } end
  if #mounts > 0 then box.mounts = mounts end
  if #tmpfs > 0 then box.tmpfs = tmpfs end
end

local function confinement(r, box, world)
  if r.chance(40) then
    box.landlock = { fs = {
      ["/"] = "rx", [world.dir] = "rx", [world.reports] = "rw", ["/dev"] = "rw", ["/proc"] = "rw",
      [world.dir .. "/a"] = r.one { "r", "rw" },
    } }
    if r.chance(50) then box.landlock.scope = { "signal" } end
  end
  if r.chance(40) then box.seccomp = { default = "allow", deny = { "ptrace", "swapon" } } end
  if r.chance(20) then box.no_setuid_files = true end
end

-- What takes privilege, or a user namespace that gives it.
local function surroundings(r, spec, box, world)
  if r.chance(70) then box.caps = random_caps(r) end
  if r.chance(20) then box.securebits = { "noroot" } end
  box.namespaces = r.some({ "uts", "ipc", "net", "mount", "cgroup", "time" }, 20)
  box.pid = r.chance(35) -- taken away again below
  if r.chance(40) then files(r, spec, box, world) end
  if box.pid then
    table.insert(box.namespaces, "pid")
    if r.chance(40) then box.pid1 = true end
  end
  box.pid = nil
  if r.chance(30) or world.plain then user_namespace(r, box, world) end
  if r.chance(20) then box.hostname = "model.example" end
end

local function sandbox(r, spec, world)
  local box <const> = {}
  confinement(r, box, world)
  local powerful = not world.plain
  if powerful or r.chance(70) then
    surroundings(r, spec, box, world)
    powerful = true
  end
  if r.chance(20) then box.drop_root = r.chance(80) end
  -- Without no_new_privs a filter or a ruleset needs CAP_SYS_ADMIN, which no list here keeps, nor a change of user.
  powerful = powerful and not box.caps and not spec.user and not box.drop_root
  local filters <const> = box.landlock or box.seccomp or box.no_setuid_files
  if (powerful or not filters) and r.chance(20) then box.no_new_privs = false end
  if r.chance(30) then box.on_failure = r.one { "error", "warn", "silent" } end
  spec.sandbox = box
end

--- A spec, and whether it is for ward.spawn instead of ward.service.
---@param r table of model.random
---@param world table dir, root, reports, input, output, env_file: paths; cgroups: can they be made?
---  plain: nil, or the uid and gid of an unprivileged ward
---@return table spec
---@return boolean spawned
function M.generate(r, world)
  local spec <const>, spawned <const> = {}, r.chance(30)
  if not world.plain and r.chance(60) then ids(r, spec) end
  if r.chance(70) then stdio(r, spec, world, spawned) end
  environment(r, spec, world)
  limits(r, spec)
  process(r, spec, world)
  if r.chance(65) then sandbox(r, spec, world) end
  return spec, spawned
end

return M
