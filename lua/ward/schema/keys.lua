-- Every key of a declaration: its type, default and meaning. The schema refuses keys that are not
-- here, and those without `since` as "not yet supported"; the reference is made from the same rows.
--
--   key       as it is written          service   true: of a declared service only, not of a spawned child
--   type      in words                  since     first release that has it; nil: not yet supported
--   default   in words; nil: required   doc       one sentence

local M <const> = {}

M.service = {
  { key = "name", type = "string", service = true, since = "0.1.0",
    doc = "1 to 128 letters, digits and _ . @ : -, beginning with a letter or digit; unique in the script." },
  { key = "cmd", type = "list of strings or numbers", since = "0.1.0",
    doc = "Program and arguments; the program is looked up in the child's PATH unless it has a slash." },
  { key = "arg0", type = "string", default = "cmd[1]", since = "0.1.0",
    doc = "argv[0] of the program." },
  { key = "cwd", type = "path", default = "the script's directory", since = "0.1.0",
    doc = "Working directory; relative to the script's directory." },
  { key = "umask", type = "octal string or number", default = '"022"', since = "0.1.0",
    doc = 'File mode mask. A string is octal ("022"); a number is taken as it is (18, or 0x12).' },
  { key = "env", type = "table of strings or numbers", default = "{}", since = "0.1.0",
    doc = "Variables to set; false removes one. Wins over env_file, which wins over the inherited ones." },
  { key = "env_clear", type = "boolean", default = "false", since = "0.1.0",
    doc = "Start from an empty environment instead of ward's own." },
  { key = "env_file", type = "path or list of paths", default = "none", since = "0.1.0",
    doc = 'dotenv files, relative to the script\'s directory, later ones win; a leading "-" makes one optional.' },
  { key = "user", type = "name or number", default = "ward's own", since = "0.1.0",
    doc = "User of the child; its primary group and supplementary groups too unless group or groups is given." },
  { key = "group", type = "name or number", default = "the user's primary group", since = "0.1.0",
    doc = "Group of the child. Without user, the user stays and the supplementary groups become this one only." },
  { key = "groups", type = "list of names or numbers", default = "the user's supplementary groups", since = "0.1.0",
    doc = "Exactly these supplementary groups; {} for none." },
  { key = "stdin", type = '"null", "inherit", "tty", "pipe", fd number or path', default = '"null"', since = "0.1.0",
    doc = 'Where input comes from; a path has a "/", relative to the script\'s directory. "pipe" is ward.spawn\'s.' },
  { key = "stdout", type = '"log", "inherit", "null", "tty", "pipe", fd number or path', default = '"log"',
    since = "0.1.0",
    doc = "Where output goes; a path is appended to." },
  { key = "stderr", type = 'as stdout, or "stdout"', default = '"log"', since = "0.1.0",
    doc = 'Where errors go; "stdout" is the same place as stdout.' },
  { key = "fds", type = "table of descriptor numbers", default = "{}", since = "0.1.0",
    doc = "{ [3] = 5 } passes ward's own descriptor 5 on as 3. Every other one above 2 is closed; false says so." },
  { key = "session", type = "boolean", default = "true", since = "0.1.0",
    doc = "A session of its own (setsid)." },
  { key = "tty", type = "boolean or table of rows and cols", default = "false", since = "0.1.0",
    doc = "A pty as the controlling terminal; it is stdin, stdout and stderr where these are not given." },
  { key = "parent_death", type = "signal or false", default = "false", since = "0.1.0",
    doc = "Signal that the child gets when ward dies; false: it lives on." },
  { key = "limits", type = "table of limits by name", default = "inherited", since = "0.1.0",
    doc = 'Resource limits: a number, a size where bytes count, "unlimited", or { soft, hard }; one value is both.' },
  { key = "nice", type = "number from -20 to 19", default = "inherited", since = "0.1.0",
    doc = "Scheduling niceness; below ward's own it needs privilege." },
  { key = "ioprio", type = '"realtime", "best-effort", "idle" or table', default = "inherited", since = "0.1.0",
    doc = "I/O priority: a class, or { class =, level = } with a level from 0 (first) to 7." },
  { key = "sched", type = '"other", "batch", "idle" or table', default = "inherited", since = "0.1.0",
    doc = 'Scheduling policy, or { policy = "fifo" or "rr", priority = 1 to 99 }.' },
  { key = "affinity", type = "list of numbers", default = "inherited", since = "0.1.0",
    doc = "CPUs it may run on, from 0." },
  { key = "oom_score_adj", type = "number from -1000 to 1000", default = "inherited", since = "0.1.0",
    doc = "How much sooner (above 0) or later the kernel kills it when memory runs out." },
  { key = "clone", type = '"shared", "vfork" or "copy"', default = '"shared"', since = "0.1.0",
    doc = "How the child is made: in ward's memory until exec; the same, and ward waits; in a copy of it." },
  { key = "sandbox", type = "table", default = "none", since = "0.1.0", doc = "What the child may do and reach." },
  { key = "restart", type = "condition, table or function", default = '"failure"', service = true, since = "0.1.0",
    doc = 'When to start it again: "always", "success", "failure", "abnormal", "abort", "watchdog", "never"; a table; '
      .. 'or function(exit, history) that returns a delay, "stop", "escalate" or nil for the default.' },
  { key = "restart_prevent", type = "list of exit codes and signals", default = "{}", service = true, since = "0.1.0",
    doc = "Exits that are never followed by a restart." },
  { key = "stop", type = "list of signals and waits, or command", default = '{ "TERM", "10s", "KILL" }',
    service = true, since = "0.1.0",
    doc = "How it is stopped: signal, wait, signal, wait ...; or { cmd = {...}, timeout = } before these; ends in "
      .. "KILL of the whole tree." },
  { key = "needs", type = "list of services or names", default = "{}", service = true, since = "0.1.0",
    doc = "Started after these are ready, stopped before them; waits when one of them is down." },

  { key = "cgroup", type = "true or table", default = "none", since = "0.1.0",
    doc = "A control group (cgroup v2) of its own, with limits; whatever is left in it dies with the child." },
  { key = "type", type = '"simple", "oneshot" or "notify"', default = '"simple"', service = true, since = "0.1.0",
    doc = "What being started means: the program runs; it has ended with success; it says so." },
  { key = "wants", type = "list of services or names", default = "{}", service = true, since = "0.1.0",
    doc = "Started with it, and before it; it starts even when they fail." },
  { key = "after", type = "list of services or names", default = "{}", service = true, since = "0.1.0",
    doc = "Order only: when both start, it starts after these, and stops before them." },
  { key = "on_restart", type = '"keep" or "restart"', default = '"keep"', service = true, since = "0.1.0",
    doc = "What becomes of it when something it needs is restarted." },
  { key = "ready", type = "probe", default = "started", service = true, doc = "When it is ready." },
  { key = "check", type = "probe", default = "none", service = true, doc = "Whether it is alive." },
  { key = "watchdog", type = "duration", default = "none", service = true, doc = "Heartbeat interval." },
  { key = "success", type = "list of exit codes and signals", default = "{ 0 }", service = true, since = "0.1.0",
    doc = "Exits that count as success; HUP, INT, TERM and PIPE do, too, when ward has asked for the end." },
  { key = "start_timeout", type = "duration", default = "none", service = true, since = "0.1.0",
    doc = "From start to ready; one that takes longer is stopped, and that is a failure." },
  { key = "sockets", type = "table", default = "{}", service = true, doc = "Listening sockets to pass on." },
  { key = "log", type = "table", default = "a file in the log directory", service = true,
    doc = "Where the log goes and how it is kept." },
  { key = "significant", type = "boolean", default = "false", service = true, since = "0.1.0",
    doc = "Counts for the supervisor's auto_shutdown." },
  { key = "on_start", type = "function", default = "none", service = true, since = "0.1.0",
    doc = "Called with the service when it starts." },
  { key = "on_ready", type = "function", default = "none", service = true, since = "0.1.0",
    doc = "Called with the service when it is ready." },
  { key = "on_exit", type = "function", default = "none", service = true, since = "0.1.0",
    doc = "Called with the service and each exit of it; after one that nobody asked for it may return what a restart "
      .. "function may." },
  { key = "on_stop", type = "function", default = "none", service = true, since = "0.1.0",
    doc = "Called with the service when it is to stop." },
  { key = "on_fail", type = "function", default = "none", service = true, since = "0.1.0",
    doc = "Called with the service and its last exit when it has failed for good." },
}

-- What schema.normalise adds. Known only where a spec has `source`: it has been normalised before.
M.canonical = {
  { key = "source", type = "string", since = "0.1.0", doc = "file:line of the declaration." },
  { key = "ids", type = "table", since = "0.1.0", doc = "uid, gid and groups by number; nil: unchanged." },
  { key = "success", type = "table", since = "0.1.0", doc = "codes and signals." },
  { key = "calls", type = "table", since = "0.1.0", doc = "Numbers of the script's functions by key." },
  { key = "dormant", type = "boolean", since = "0.1.0", doc = "Whether it is not started at boot." },
  { key = "asks", type = "boolean", since = "0.1.0", doc = "Whether the script has a say after an exit." },
}

M.cgroup = {
  { key = "memory", type = "size or table of max, high and swap_max", default = "unlimited", since = "0.1.0",
    doc = "Bytes: past high it is slowed down, past max its processes are killed." },
  { key = "pids", type = "number", default = "unlimited", since = "0.1.0", doc = "Processes and threads." },
  { key = "cpu", type = "number or table of max and weight", default = "unlimited", since = "0.1.0",
    doc = "max: processors, 0.5 is half of one; weight: share where they are scarce, 1 to 10000, usually 100." },
  { key = "optional", type = "boolean", default = "false", since = "0.1.0",
    doc = "Without what the kernel or its owner does not grant, instead of no start." },
}

M.cgroup_memory = {
  { key = "max", type = "size", default = "unlimited", since = "0.1.0", doc = "memory.max" },
  { key = "high", type = "size", default = "unlimited", since = "0.1.0", doc = "memory.high" },
  { key = "swap_max", type = "size", default = "unlimited", since = "0.1.0", doc = "memory.swap.max" },
}

M.cgroup_cpu = {
  { key = "max", type = "number", default = "unlimited", since = "0.1.0", doc = "cpu.max, in processors" },
  { key = "weight", type = "number", default = "100", since = "0.1.0", doc = "cpu.weight" },
}

M.restart = {
  { key = "on", type = "condition", default = '"failure"', since = "0.1.0",
    doc = "Which exits are followed by a new start, as Restart= of systemd.service(5) has them." },
  { key = "backoff", type = "table", default = "see its keys", since = "0.1.0", doc = "Delays between starts." },
  { key = "give_up", type = "table { n, within = }", default = "never", since = "0.1.0",
    doc = "More restarts within this time are too many: then it has failed." },
}

M.backoff = {
  { key = "from", type = "duration", default = '"100ms"', since = "0.1.0", doc = "The first delay." },
  { key = "factor", type = "number", default = "2", since = "0.1.0", doc = "Each delay is this times the last." },
  { key = "max", type = "duration", default = '"30s", or from when that is more', since = "0.1.0",
    doc = "The longest delay." },
  { key = "jitter", type = "number", default = "0.1", since = "0.1.0",
    doc = "Part of the delay that chance adds or takes, 0 to 1." },
  { key = "reset", type = "duration", default = '"10s"', since = "0.1.0",
    doc = "Time up after which the delays begin again." },
}

M.tty = {
  { key = "rows", type = "number", default = "24", since = "0.1.0", doc = "Height of the window." },
  { key = "cols", type = "number", default = "80", since = "0.1.0", doc = "Width of the window." },
}

M.ioprio = {
  { key = "class", type = '"realtime", "best-effort" or "idle"', since = "0.1.0", doc = "The class of ioprio_set(2)." },
  { key = "level", type = "number from 0 to 7", default = "4", since = "0.1.0", doc = "Within the class; 0 is first." },
}

M.sched = {
  { key = "policy", type = '"other", "batch", "idle", "fifo" or "rr"', since = "0.1.0", doc = "As in sched(7)." },
  { key = "priority", type = "number from 1 to 99", default = "none; required for fifo and rr", since = "0.1.0",
    doc = "Of fifo and rr; 99 is first." },
}

M.sandbox = {
  { key = "on_failure", type = '"error", "warn" or "silent"', default = '"error"', since = "0.1.0",
    doc = "What a step that fails means: no start, a warning, nothing. Changes of user and group are always fatal." },
  { key = "no_new_privs", type = "boolean", default = "true", since = "0.1.0",
    doc = "No exec can give it privileges that it does not have (set-user-ID, file capabilities)." },
  { key = "drop_root", type = "boolean", default = "false", since = "0.1.0",
    doc = "Where ward is root, and neither user nor uid_map says who the program is, it is nobody." },
  { key = "no_setuid_files", type = "boolean", default = "false", since = "0.1.0",
    doc = "It gives no file a set-user-ID or set-group-ID bit, nor capabilities, which would outlive the sandbox." },
  { key = "caps", type = '"all", list of capabilities, text of libcap or table of sets', default = "unchanged",
    since = "0.1.0", doc = "A list keeps exactly these in all five sets; {} keeps none." },
  { key = "securebits", type = "list of names", default = "unchanged", since = "0.1.0",
    doc = "Exactly these of noroot, no_setuid_fixup, keep_caps, no_cap_ambient_raise, and each with _locked." },
  { key = "landlock", type = "table", default = "none", since = "0.1.0",
    doc = "Files, TCP ports and processes it may reach." },
  { key = "seccomp", type = '"@group" or table', default = "none", since = "0.1.0", doc = "System calls it may make." },
  { key = "namespaces", type = "list of names", default = "{}", since = "0.1.0",
    doc = "Its own of cgroup, ipc, mount, net, pid, time, user and uts." },
  { key = "profile", type = "name", default = "none", since = "0.1.0",
    doc = "strict, web or worker; the other keys extend it: tables are merged, lists replaced, false takes away." },
  { key = "pid1", type = "boolean", default = "false", since = "0.1.0",
    doc = "The program is process 1 of its pid namespace, without ward's init, which reaps and passes signals on." },
  { key = "nested", type = "boolean", default = "false", since = "0.1.0",
    doc = "It may make user namespaces below its own." },
  { key = "uid_map", type = "list of ranges", default = "the program's own user", since = "0.1.0",
    doc = "Users of a user namespace; without privilege only ward's own user." },
  { key = "gid_map", type = "list of ranges", default = "as uid_map; else the program's own groups", since = "0.1.0",
    doc = "Groups of a user namespace." },
  { key = "rootfs", type = "path", default = "the host's root", since = "0.1.0",
    doc = "Directory that becomes the root (pivot_root); nothing of the host stays in sight." },
  { key = "readonly", type = "boolean", default = "false", since = "0.1.0",
    doc = "The root and all that is mounted below it is read-only; what the keys below mount is not." },
  { key = "mounts", type = "list of mounts", default = "{}", since = "0.1.0", doc = "What is mounted for it." },
  { key = "tmpfs", type = "list of paths", default = "{}", since = "0.1.0",
    doc = 'Empty file systems of its own, mode 1777; "/" makes an empty root, in which places are made as needed.' },
  { key = "proc", type = "boolean", default = "false", since = "0.1.0",
    doc = "/proc of its pid namespace, read-only." },
  { key = "dev", type = '"minimal"', default = "the root's", since = "0.1.0",
    doc = "A /dev of null, zero, full, random, urandom, tty, pts and shm; device nodes elsewhere have no effect." },
  { key = "hostname", type = "string", default = "unchanged", since = "0.1.0",
    doc = "Host name in a uts namespace." },
}

M.mount = {
  { key = "type", type = '"bind", "tmpfs", "proc", "sysfs" or "mqueue"', since = "0.1.0", doc = "What is mounted." },
  { key = "source", type = "path", since = "0.1.0",
    doc = "bind: what of the host, relative to the script's directory, with all that is mounted below it." },
  { key = "target", type = "absolute path", since = "0.1.0",
    doc = "Where; it must exist, unless it lies in a tmpfs of the sandbox." },
  { key = "readonly", type = "boolean", default = "false", since = "0.1.0", doc = "Read-only, with all below it." },
  { key = "dev", type = "boolean", default = "false", since = "0.1.0", doc = "bind: device nodes in it work." },
  { key = "optional", type = "boolean", default = "false", since = "0.1.0", doc = "bind: the source need not exist." },
  { key = "size", type = "size", default = "half of the memory", since = "0.1.0", doc = "tmpfs: what it can hold." },
  { key = "mode", type = "octal string or number", default = '"1777"', since = "0.1.0", doc = "tmpfs: of its root." },
}

M.id_range = {
  { key = "inside", type = "number", since = "0.1.0", doc = "The first id in the namespace." },
  { key = "outside", type = "number", since = "0.1.0", doc = "The first id on the host." },
  { key = "count", type = "number", default = "1", since = "0.1.0", doc = "How many ids." },
}

M.caps = {
  { key = "bounding", type = '"all" or list', default = "unchanged", since = "0.1.0", doc = "What exec can give." },
  { key = "permitted", type = '"all" or list', default = "unchanged", since = "0.1.0", doc = "What it can raise." },
  { key = "inheritable", type = '"all" or list', default = "unchanged", since = "0.1.0",
    doc = "What programs with file capabilities keep." },
  { key = "ambient", type = '"all" or list', default = "unchanged", since = "0.1.0",
    doc = "What any program keeps at exec; part of permitted and inheritable." },
  { key = "effective", type = '"all" or list', default = "unchanged", since = "0.1.0",
    doc = "What counts now; part of permitted." },
}

M.landlock = {
  { key = "fs", type = "table of rights by path", default = "unrestricted", since = "0.1.0",
    doc = 'Rights below each path: letters of "rwx", a list of rights, or { rights =, optional = true }.' },
  { key = "net", type = "table", default = "unrestricted", since = "0.1.0", doc = "TCP ports." },
  { key = "scope", type = "list of names", default = "{}", since = "0.1.0",
    doc = "signal, abstract_unix_socket: only within the sandbox." },
  { key = "compat", type = '"best_effort" or "strict"', default = '"best_effort"', since = "0.1.0",
    doc = "What a kernel that lacks some of it means: the rest is applied, or no start." },
}

M.landlock_rule = {
  { key = "rights", type = "string or list", since = "0.1.0",
    doc = "r: read files, list directories. w: write, create, remove, rename. x: execute. Or names of landlock(7)." },
  { key = "optional", type = "boolean", default = "false", since = "0.1.0", doc = "The path need not exist." },
}

M.landlock_net = {
  { key = "bind", type = "list of ports", default = "unrestricted", since = "0.1.0", doc = "It may listen on these." },
  { key = "connect", type = "list of ports", default = "unrestricted", since = "0.1.0",
    doc = "It may connect to these." },
}

M.seccomp = {
  { key = "default", type = "action", default = '"EPERM" with allow, "allow" without', since = "0.1.0",
    doc = 'For calls in no list: "allow", "log", "trap", "kill_thread", "kill_process" or an error such as "ENOSYS".' },
  { key = "allow", type = "list of system calls", default = "none", since = "0.1.0",
    doc = 'These are made: names, groups such as "@basic-io", { "ioctl", args = { { 1, "==", 0x5401 } } }.' },
  { key = "deny", type = "list of system calls", default = "none", since = "0.1.0",
    doc = "These give EPERM, or the default where that denies; a name counts before a group." },
  { key = "architectures", type = "list of names", default = "{}", since = "0.1.0",
    doc = "Whose calls it may make besides the machine's own; those of others kill it." },
  { key = "log", type = "boolean", default = "false", since = "0.1.0",
    doc = "Whether the kernel logs what is denied." },
  { key = "oci", type = "path", default = "none", since = "0.1.0",
    doc = "A profile in JSON as of Docker and OCI runtimes, instead of lists." },
  { key = "learn", type = "path", default = "none", since = "0.1.0",
    doc = "Forbids nothing, and writes a list of what the program calls to this file when it ends. No symbolic link "
      .. "may lead to its directory." },
}

M.pool = {
  { key = "name", type = "string", since = "0.1.0", doc = "Its members are NAME-1, NAME-2 ..." },
  { key = "size", type = "number", default = "1", since = "0.1.0", doc = "How many members run at first." },
  { key = "min", type = "number", default = "0", since = "0.1.0", doc = "The least that resize takes." },
  { key = "max", type = "number", default = "size", since = "0.1.0", doc = "The most that resize takes." },
  { key = "each", type = "function", default = "none", since = "0.1.0",
    doc = "Called with a member's number; returns keys in which it differs from the template." },
  { key = "intensity", type = "table { n, within = }", default = "unlimited", since = "0.1.0",
    doc = "As a supervisor's, over all members." },
}

M.settings = {
  { key = "prune", type = "boolean", default = "false", since = "0.1.0",
    doc = "A reload stops what is declared no longer, as ward reload --prune does." },
}

M.supervisor = {
  { key = "name", type = "string", since = "0.1.0", doc = "As a service's; unique in the script." },
  { key = "children", type = "list of services and supervisors", since = "0.1.0", doc = "In order of start." },
  { key = "strategy", type = '"one_for_one", "one_for_all" or "rest_for_one"', default = '"one_for_one"',
    since = "0.1.0", doc = "What else restarts when one child exits." },
  { key = "intensity", type = "table { n, within = }", default = "unlimited", since = "0.1.0",
    doc = "More restarts of its children within this time are too many: then it gives up." },
  { key = "auto_shutdown", type = '"never", "any_significant" or "all_significant"', default = '"never"',
    since = "0.1.0", doc = "Whether the end of its significant children is its own." },
  { key = "significant", type = "boolean", default = "false", since = "0.1.0",
    doc = "Counts for the auto_shutdown of its own supervisor." },
  { key = "restart", type = "condition or table", default = '"always"', since = "0.1.0",
    doc = "Whether its own supervisor starts it again when it has given up (or shut itself down)." },
  { key = "shutdown", type = "duration", default = "unlimited", since = "0.1.0",
    doc = "Longest time its stop may take; what is left then is killed." },
  { key = "stay", type = "boolean", default = "false", since = "0.1.0",
    doc = "Of the outermost one: ward goes on when it has given up, with everything stopped." },
}

-- What other supervisors call these keys.
M.aliases = {
  command = "cmd", exec = "cmd", exec_start = "cmd", ExecStart = "cmd", args = "cmd", argv = "cmd",
  script = "cmd", program = "cmd",
  directory = "cwd", dir = "cwd", workdir = "cwd", working_dir = "cwd", working_directory = "cwd",
  WorkingDirectory = "cwd", chdir = "cwd",
  environment = "env", Environment = "env", environment_file = "env_file", EnvironmentFile = "env_file",
  uid = "user", User = "user", gid = "group", Group = "group", supplementary_groups = "groups",
  autorestart = "restart", Restart = "restart", stopsignal = "stop", kill_signal = "stop",
  stop_timeout = "stop", stopwaitsecs = "stop",
  depends_on = "needs", dependencies = "needs", depends = "needs", requires = "needs",
  wait_for = "needs", rlimits = "limits", ulimits = "limits", ulimit = "limits", rlimit = "limits",
  Nice = "nice", priority = "nice", OOMScoreAdjust = "oom_score_adj", oom_score_adjust = "oom_score_adj",
  cpu_affinity = "affinity", cpus = "affinity", CPUAffinity = "affinity",
  pdeathsig = "parent_death", scheduler = "sched", setsid = "session", pty = "tty", terminal = "tty",
  stdout_logfile = "stdout", stderr_logfile = "stderr", logfile = "log",
}

M.sandbox_aliases = {
  capabilities = "caps", caps_keep = "caps", CapabilityBoundingSet = "caps", ambient_caps = "caps",
  NoNewPrivileges = "no_new_privs", no_new_privileges = "no_new_privs", nnp = "no_new_privs",
  fs = "landlock", paths = "landlock", syscalls = "seccomp", SystemCallFilter = "seccomp", unshare = "namespaces",
  root = "rootfs", chroot = "rootfs", RootDirectory = "rootfs", ro = "readonly", read_only = "readonly",
  binds = "mounts", bind = "mounts", volumes = "mounts", BindPaths = "mounts", TemporaryFileSystem = "tmpfs",
  uidmap = "uid_map", gidmap = "gid_map", preset = "profile", extends = "profile", init = "pid1",
}

M.mount_aliases = {
  src = "source", from = "source", path = "target", dst = "target", dest = "target", destination = "target",
  ro = "readonly", read_only = "readonly", fstype = "type", permissions = "mode", perms = "mode",
}

M.id_range_aliases = {
  container = "inside", host = "outside", containerID = "inside", hostID = "outside", size = "count", length = "count",
}

return M
