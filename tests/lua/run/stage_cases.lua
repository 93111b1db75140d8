-- For each step of the child what makes it fail, and how that is told: tests/lua/run/stage_spec.lua.

local harness <const> = require "helpers.harness"

local EPERM <const>, ENOENT <const>, ESRCH <const>, EIO <const>, EBADF <const>, EAGAIN <const> = 1, 2, 3, 5, 9, 11
local EACCES <const>, EFAULT <const>, EINVAL <const>, EMFILE <const>, EROFS <const> = 13, 14, 22, 24, 30

local M <const> = {}

M.EVERYTHING = [[cwd = "/", user = "nobody", tty = true, fds = { [40] = 0 }, umask = "027", nice = 1,
  affinity = { 0 }, ioprio = "best-effort", sched = "batch", limits = { core = 0, nofile = 100 }, parent_death = "TERM",
  sandbox = { on_failure = ON_FAILURE, caps = { "net_bind_service" }, securebits = { "noroot" }, namespaces = { "uts" },
    landlock = { fs = { ["/"] = "rwx" } }, seccomp = { default = "allow", deny = { "ptrace" } } }]]

-- The child calls prctl in LEASH (1), once in BOUNDING for every capability of the bounding set but the one it keeps,
-- then in SECUREBITS, KEEPCAPS and AMBIENT (twice): the nth call after BOUNDING.
local function after_bounding(n)
  local dropped = -1
  for digit in harness.read("/proc/self/status"):match("CapBnd:%s*(%x+)"):gmatch("%x") do
    local bits = tonumber(digit, 16)
    while bits > 0 do
      dropped, bits = dropped + bits % 2, bits // 2
    end
  end
  return 1 + dropped + n
end

-- stage, fault (as strace's inject=), errno. Calls are counted in the child.
-- Faults come in the order of the child's steps; UMASK cannot fail.
M.FAULTS = {
  { "signals", "rt_sigaction:error=EINVAL", nil }, -- EINVAL is what KILL says: passed over
  { "signals", "rt_sigaction:error=EFAULT", EFAULT },
  { "leash", "prctl:error=EPERM:when=1", EPERM },
  { "leash", "getppid:retval=1:when=1", ESRCH }, -- the supervisor has died before it was tied
  { "session", "setsid:error=EPERM", EPERM },
  { "tty", "setsid:retval=1", EPERM }, -- the kernel refuses: it leads no session
  { "ioprio", "ioprio_set:error=EPERM", EPERM },
  { "nice", "setpriority:error=EPERM", EPERM },
  { "sched", "sched_setscheduler:error=EPERM", EPERM },
  { "affinity", "sched_setaffinity:error=EINVAL", EINVAL },
  { "limit", "prlimit64:error=EPERM:when=1", EPERM },
  { "namespaces", "unshare:error=EPERM", EPERM, soft = true },
  { "fd_lift", "fcntl:error=EBADF:when=1", EBADF },
  { "fd_block", "fcntl:error=EBADF:when=8", EBADF },
  { "fd_move", "dup3:error=EBADF", EBADF },
  { "fd_close", "close_range:error=EINVAL", EINVAL },
  { "nofile", "prlimit64:error=EPERM:when=2", EPERM },
  { "bounding", "prctl:error=EPERM:when=2", EPERM, soft = true },
  { "securebits", "prctl:error=EPERM:when=" .. after_bounding(1), EPERM, soft = true },
  { "keepcaps", "prctl:error=EPERM:when=" .. after_bounding(2), EPERM, soft = true },
  { "groups", "setgroups:error=EPERM", EPERM },
  { "gid", "setresgid:error=EPERM", EPERM },
  { "uid", "setresuid:error=EPERM", EPERM },
  { "caps", "capset:error=EPERM", EPERM, soft = true },
  { "ambient", "prctl:error=EPERM:when=" .. after_bounding(3), EPERM, soft = true },
  { "ids_check", "getresuid:error=EPERM", EPERM },
  { "caps_check", "capget:error=EPERM", EPERM, soft = true },
  { "cwd", "chdir:error=ENOENT", ENOENT },
  { "deathsig", "getppid:retval=1:when=2", ESRCH },
  { "landlock", "landlock_restrict_self:error=EPERM", EPERM, soft = true },
  { "seccomp", "seccomp:error=EINVAL", EINVAL, soft = true },
  { "exec", "execve:error=ENOENT", ENOENT },
  -- The call says that all is well and changes nothing: only asking the kernel afterwards finds out.
  { "ids_check", "setresuid:retval=0", EPERM },
  { "ids_check", "setresgid:retval=0", EPERM },
  { "ids_check", "setgroups:retval=0", EPERM },
  { "ambient", "capset:retval=0", EPERM, soft = true },
  { "caps_check", "prctl:retval=0:when=" .. after_bounding(4), EPERM, soft = true },
}

-- Other specs for what the first has no step for.
M.OTHERS = {
  { "fd_open", "openat2:error=EMFILE:when=1", EMFILE, keys = "" },
  { "mark", "seccomp:error=EINVAL", EINVAL, keys = "sandbox = { no_new_privs = false }" },
  { "guard", "seccomp:error=EINVAL", EINVAL, keys = "sandbox = { no_setuid_files = true }" },
  { "pgroup", "setpgid:error=EPERM", EPERM, keys = "session = false" },
  -- Without privilege the child makes its user namespace itself, and a process of its own writes the maps.
  { "userns", "unshare:error=EPERM:when=1", EPERM, keys = 'sandbox = { namespaces = { "user" } }', plain = true },
  { "id_map", "openat:error=EACCES:when=1", EACCES, keys = 'sandbox = { namespaces = { "user" } }', plain = true },
  { "id_map", "write:error=EINVAL:when=3", EINVAL, keys = 'sandbox = { namespaces = { "user" } }', plain = true },
  { "nested", "openat:error=EACCES /proc/sys/user/max_user_namespaces", EACCES,
    keys = 'sandbox = { namespaces = { "user" } }', plain = true },
}

-- A bind mount of what is there, whose source has no link.
local function bind(path)
  local pipe <close> = assert(io.popen("realpath " .. path))
  return ("{ type = 'bind', source = %q, target = %q }"):format(pipe:read "l", path)
end

-- Namespaces and mounts of every kind, with privilege.
M.CONFINED = ([[cwd = "/", sandbox = { hostname = "jail", readonly = true, proc = true, dev = "minimal",
  namespaces = { "pid", "net", "user" }, tmpfs = { "/", "/tmp" }, mounts = { %s, %s, %s, %s } }]]):format(bind "/usr",
  bind "/bin", bind "/lib", bind "/lib64")

-- It opens the supervisor's /dev/null, then what it mounts: four directories and six devices.
local SOURCES <const> = 1 + 4 + 6

M.CONFINED_FAULTS = {
  { "userns", "clone:error=EAGAIN:when=1", EAGAIN },
  { "userns", "read:error=EIO:when=1", EIO },
  { "userns", "write:error=EPERM:when=1", EPERM },
  { "userns", "write:error=EINVAL:when=2", EINVAL },
  { "hostname", "sethostname:error=EPERM", EPERM },
  { "loopback", "socket:error=EACCES", EACCES },
  { "loopback", "ioctl:error=EPERM:when=2", EPERM },
  { "private", "mount_setattr:error=EINVAL:when=1", EINVAL },
  { "mount_make", "openat2:error=EACCES:when=2", EACCES },
  { "mount_make", "open_tree:error=EACCES:when=2", EACCES },
  { "mount_make", "fsopen:error=EPERM:when=1", EPERM },
  { "mount_make", "fsconfig:error=EINVAL:when=1", EINVAL },
  { "mount_make", "fsmount:error=EPERM:when=2", EPERM },
  { "mount_fill", "mkdirat:error=EROFS:when=1", EROFS },
  { "mount_fill", "symlinkat:error=EIO:when=1", EIO },
  { "mount_fill", "statx:error=EACCES:when=1", EACCES },
  { "mount_attr", "mount_setattr:error=EPERM:when=2", EPERM },
  { "pivot", "pivot_root:error=EINVAL", EINVAL },
  { "pivot", "umount2:error=EPERM", EPERM },
  { "pivot", "fchdir:error=EACCES", EACCES },
  { "mount", "openat2:error=EACCES:when=" .. SOURCES + 2, EACCES },
  { "mount", "move_mount:error=EINVAL:when=3", EINVAL },
  { "user_enter", "setns:error=EINVAL", EINVAL },
  { "init", "clone:error=EAGAIN:when=2", EAGAIN },
  { "init", "execveat:error=EACCES", EACCES },
  { "init", "dup3:error=EBADF:when=4", EBADF }, -- after those of descriptors 0 to 2
}

-- In the supervisor, before there is a child.
M.PARENT = {
  { "prepare", "pipe2:error=EMFILE", EMFILE },
  { "clone", "clone3:error=EAGAIN", EAGAIN },
}

-- Stages that are made to fail elsewhere, or cannot.
M.ELSEWHERE = {
  cgroup = "tests/lua/run/cgroup_spec.lua", umask = "umask(2) cannot fail",
}

return M
