-- What a program must report of itself: capabilities(7), user_namespaces(7), pid_namespaces(7), prctl(2), README.md.

local files <const> = require "helpers.model.files"
local specs <const> = require "helpers.model.specs"

local M <const> = {}

local NOBODY <const>, SYS_ADMIN <const>, SYS_RESOURCE <const>, SETFCAP <const> = 65534, 21, 24, 31
local EVERY <const> = ~0

local SIGNALS <const> = { TERM = 15, KILL = 9, USR1 = 10 }
local SCHEDULERS <const> = { other = 0, batch = 3, idle = 5 }

local function mask(names)
  local set = 0
  for _, name in ipairs(names) do set = set | 1 << specs.CAPS[name] end
  return set
end

-- The five sets after exec (capabilities(7), "Transformation of capabilities during execve()").
local function capabilities(spec, base, user, uid, plain)
  local given = spec.sandbox and spec.sandbox.caps
  -- With what it could undo the sandbox: its mounts, when they belong to a user namespace that comes first; the limit
  -- of those below its own; and what files give to who executes them.
  local kept, undoing = 0, user and plain and 1 << SYS_ADMIN or 0
  for _, names in pairs(given or {}) do kept = kept | (type(names) == "table" and mask(names) or 0) end
  if user and not spec.sandbox.nested then undoing = undoing | 1 << SYS_RESOURCE end
  if spec.sandbox and spec.sandbox.no_setuid_files and (user or not plain) then undoing = undoing | 1 << SETFCAP end
  undoing = undoing & ~kept
  -- Whoever enters a user namespace has all capabilities in it, but inherits none.
  base = user and { bounding = base.all & ~undoing, permitted = base.all, inheritable = 0, ambient = 0 }
    or setmetatable({ bounding = base.bounding & ~undoing }, { __index = base })
  local root <const> = uid == 0
  local bits = spec.sandbox and spec.sandbox.securebits and 1 or 0
  local bounding, inheritable, ambient, before = base.bounding, base.inheritable, base.ambient, base.permitted
  local last = (root or user) and before or 0 -- effective, just before exec
  if given and (#given > 0 or not next(given)) then
    given = { bounding = given, inheritable = given, ambient = given, permitted = given }
  end
  if given then
    bounding = given.bounding and mask(given.bounding) or bounding
    inheritable, ambient = mask(given.inheritable), given.ambient and mask(given.ambient) or 0
    before = mask(given.permitted)
    last = before & mask(given.effective or given.permitted)
    -- Without securebits of its own, a child gains nothing by exec that its sets leave out.
    local by_exec <const> = (inheritable | bounding) & (spec.sandbox.no_new_privs == false and EVERY or before)
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
    permitted = permitted, effective = permitted, securebits = bits, last = last,
  }
end

local function groups_of(spec, base, user)
  if not spec.user and not spec.group then return user and {} or base.groups end
  local list <const> = spec.groups or { spec.group or NOBODY }
  local copy <const> = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

-- The maps of a user namespace of its own; nil without one.
local function user_namespace(box, uid, gid, groups)
  local own = box and box.uid_map ~= nil
  for _, name in ipairs(box and box.namespaces or {}) do own = own or name == "user" end
  if not own then return nil end
  local uids, gids = box.uid_map, box.gid_map or box.uid_map
  if not uids then
    -- Exactly the ids that the program has.
    uids, gids = { { inside = uid, outside = uid } }, { { inside = gid, outside = gid } }
    for _, id in ipairs(groups) do
      if id ~= gid then gids[#gids + 1] = { inside = id, outside = id } end
    end
  end
  return { uid_map = uids, gid_map = gids, nested = box.nested }
end

-- The namespaces that it does not share with ward: those named, and those that other keys need.
local function namespaces(box, user)
  local own <const> = {}
  for _, name in ipairs(box and box.namespaces or {}) do own[name] = true end
  if not box then return own end
  own.mount = own.mount or (box.rootfs or box.readonly or box.mounts or box.tmpfs or box.proc or box.dev) ~= nil
  own.uts = own.uts or box.hostname ~= nil
  own.user = user ~= nil
  return own
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
    if given == "tty" then return tty end
    if given == "null" then return null end
    if given == "log" then return log end
    if given == "pipe" then return { log[1], target == 0 and "r" or "w" } end
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

-- The scheduling of disks: class and level (ioprio_set(2)).
local function ioprio(given, base)
  if given == "idle" then return 3 << 13 end -- it has no levels
  if given == "best-effort" then return 2 << 13 | 4 end
  return type(given) == "table" and 2 << 13 | given.level or base
end

--- The fields of the report that the spec decides, as model.differences takes them.
---@param spec table
---@param world table also inherited: number -> { path, mode }; from_file; base: a report of probe outside of ward;
---  environ: ward's own; group: pattern of a control group of ward's
-- Every sandbox has a filter, or the mark that is one, where the kernel takes it: before any right is given up.
local function has_filter(box, plain, own)
  return box and (box.seccomp or box.no_setuid_files or box.no_new_privs ~= false or not plain or own.user)
end

---@param name string of the service
function M.expect(spec, world, name)
  local base <const>, box <const> = world.base, spec.sandbox
  if box and box.drop_root and not spec.user and not box.uid_map and not world.plain then
    spec = setmetatable({ user = "nobody" }, { __index = spec })
  end
  local mapped <const> = box and box.uid_map
  -- Who has no privilege stays who he is, whatever he is called inside.
  local first_gid <const> = mapped and world.plain and (box.gid_map or mapped)[1].inside
  local uid <const> = spec.user == "nobody" and NOBODY or spec.user or mapped and world.plain and mapped[1].inside
    or mapped and 0 or base.uid.real
  local gid <const> = spec.group or spec.user and NOBODY or first_gid or mapped and 0 or base.gid.real
  local user <const> = user_namespace(box, uid, gid, groups_of(spec, base, true))
  local caps <const> = capabilities(spec, base.caps, user, uid, world.plain)
  local own <const> = namespaces(box, user)
  local limits <const> = {}
  for key, pair in pairs(base.limits) do limits[key] = pair end
  for key, given in pairs(spec.limits or {}) do limits[key] = limit(given) end
  local want <const> = {
    name = name, argv0 = spec.arg0 or world.program, uid = uid, gid = gid, groups = groups_of(spec, base, user),
    cwd = spec.cwd or files.own_root(box) and "/" or world.script_dir,
    umask = tonumber(spec.umask or "022", 8), environ = environ(spec, world, world.environ),
    fds = descriptors(spec, world), caps = caps, limits = limits, user = user, namespaces = own,
    -- One that gains by exec loses its signal; behind an init it is the init that is tied to ward.
    init = own.pid and not box.pid1 or false,
    session = spec.session ~= false, terminal = spec.tty and true or false,
    window = type(spec.tty) == "table" and { spec.tty.rows, spec.tty.cols } or spec.tty and { 24, 80 } or nil,
    no_new_privs = box ~= nil and box.no_new_privs ~= false, securebits = caps.securebits,
    seccomp = has_filter(box, world.plain, own) and 2 or 0,
    affinity = spec.affinity or base.affinity, nice = spec.nice or base.nice,
    sched = SCHEDULERS[spec.sched or "other"], ioprio = ioprio(spec.ioprio, base.ioprio),
    oom_score_adj = spec.oom_score_adj or base.oom_score_adj,
    hostname = box and box.hostname or base.hostname, loopback = own.net or base.loopback,
    group = spec.cgroup and world.cgroups and not own.cgroup and world.group or nil,
    sees_proc = files.sees_proc(box), terminal_owner = spec.tty and files.outside(user and user.uid_map, uid) or nil,
  }
  want.parent_death = not caps.gained and not want.init and SIGNALS[spec.parent_death] or 0
  want.tries, want.lists, want.mounts = files.tries(spec, world, want), files.lists(spec, world),
    files.mounts(spec, world)
  return want
end

return M
