-- Every step of the child can fail: for each stage one failure, told with its name and errno, without exec and without
-- a trace in the supervisor. By arguments where that is possible; else strace makes the system call fail.

local cases <const> = require "lua.run.stage_cases"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local EPERM <const>, ENOENT <const>, EAGAIN <const>, EACCES <const>, EINVAL <const> = 1, 2, 11, 13, 22

local function script(on_failure, clone, mark)
  return ([[
local ward = require "ward"
return ward.service { name = "x", clone = %q, cmd = { "/bin/sh", "-c", "echo ran >>%s" }, restart = "never", %s }
]]):format(clone, mark, (cases.EVERYTHING:gsub("ON_FAILURE", ("%q"):format(on_failure))))
end

local function open_descriptors(pid)
  local _, out = harness.run { "ls", ("/proc/%d/fd"):format(pid) }
  return select(2, out:gsub("\n", ""))
end

-- The connection of the last command may still have been open when they were counted.
local function no_more_descriptors(pid, before)
  harness.until_(function() return open_descriptors(pid) <= before end, nil, before .. " descriptors")
end

local function blocked_signals(pid)
  return harness.read(("/proc/%d/status"):format(pid)):match("SigBlk:%s*(%x+)")
end

-- How the supervisor stands before and after a failure: nothing of it is left, no process and no zombie either.
local function standing(w)
  return { descriptors = open_descriptors(w.pid), mask = blocked_signals(w.pid) }
end

local function stands_as(w, before, what)
  harness.until_(function() return #sys.children(w.pid) == 0 end, nil, "no child after " .. what)
  no_more_descriptors(w.pid, before.descriptors)
  assert.equal(before.mask, blocked_signals(w.pid), what)
end

local function traced(pid)
  return harness.read(("/proc/%d/status"):format(pid)):match("TracerPid:%s*(%d+)") ~= "0"
end

-- A fault is a call with what becomes of it, and the path that it must be about, if any.
local function attach(w, fault)
  local what, path = fault:match "^(%S+) ?(%S*)$"
  -- A call is tampered with only where it is traced.
  local argv = { "strace", "-f", "-qq", "-e", "trace=" .. fault:match "^[%w_]+", "-e", "inject=" .. what, "-p",
    tostring(w.pid) }
  if path ~= "" then table.move({ "-P", path }, 1, 2, #argv + 1, argv) end
  local strace = assert(sys.spawn(argv, { stdout = "/dev/null", stderr = "/dev/null" }))
  harness.until_(function() return traced(w.pid) end, nil, "strace to attach")
  return strace
end

local function detach(w, strace)
  sys.kill(strace, "INT")
  sys.wait(strace, 20)
  harness.until_(function() return not traced(w.pid) end, nil, "strace to detach")
end

-- Starts the service; returns its view after the next exit.
local function start_again(w)
  local before
  harness.until_(function()
    local answered, view = pcall(w.status, w, "x")
    before = answered and view.last_exit
    return answered
  end, nil, "an answer")
  w:cli("start", "x", "--no-wait")
  return harness.until_(function()
    -- The same call of ward's own may be the one that fails, and with it an answer.
    local answered, s = pcall(w.status, w, "x")
    return answered and (s.state == "failed" or s.state == "done") and s.last_exit
      and s.last_exit.at ~= (before and before.at) and s
  end, nil, "another exit")
end

-- Starts the service once under a fault; returns its view after that.
local function start_under(w, fault)
  local strace = attach(w, fault)
  local view = start_again(w)
  detach(w, strace)
  return view
end

local function can_trace()
  if os.execute("test $(id -u) = 0") ~= true then
    pending("needs root")
    return false
  elseif os.execute("command -v strace >/dev/null && strace -qq -e trace=none true 2>/dev/null") ~= true then
    pending("strace is missing, or may not trace here")
    return false
  end
  return true
end

local function start(on_failure, clone)
  local dir = harness.directory()
  sys.chmod(dir, 511) -- 0777: the service writes its mark as somebody else
  local mark = dir .. "/mark"
  local w = harness.start(script(on_failure, clone, mark))
  w:until_state("x", "done")
  assert.equal("ran\n", harness.read(mark)) -- without a fault it runs
  harness.write(mark, "")
  sys.chmod(mark, 511)
  return w, mark
end

-- A ward whose service has every namespace and mount, and has run once.
local function confined(clone)
  local w = harness.start(([[
    local ward = require "ward"
    return ward.service { name = "x", clone = %q, cmd = { "/bin/true" }, restart = "never", %s }
  ]]):format(clone, cases.CONFINED))
  w:until_state("x", "done")
  return w
end

-- Lines of a trace of a restart, each with the number of its process before it.
local function trace_of_restart(w)
  local trace = harness.directory() .. "/trace"
  local strace = assert(sys.spawn({ "strace", "-f", "-qq", "-o", trace, "-p", tostring(w.pid) },
    { stdout = "/dev/null", stderr = "/dev/null" }))
  harness.until_(function() return traced(w.pid) end, nil, "strace to attach")
  assert.equal(0, (w:cli("restart", "x")))
  w:until_state("x", "done")
  sys.kill(strace, "INT")
  sys.wait(strace, 20)
  return harness.read(trace):gmatch("[^\n]+")
end

-- System calls of the child from its birth to the program's, in order, from a trace of a start: names, and lines.
local function calls_before_exec(w)
  local child, calls, lines = nil, {}, {}
  for line in trace_of_restart(w) do
    local pid, call = line:match("^(%d+) +([%w_]+)%(")
    child = child or (call == "rt_sigaction" and tonumber(pid) ~= w.pid and pid)
    if pid == child and child then
      calls[#calls + 1], lines[#lines + 1] = call, line
      if call == "execve" then return calls, lines end
    end
  end
  error("no execve in the trace of " .. tostring(child))
end

-- The same of all processes that it is made of, each to the call that gives it a program: pid -> names.
local function calls_of_all(w)
  local calls, begun = {}, false
  for line in trace_of_restart(w) do
    local pid, call = line:match("^(%d+) +([%w_]+)%(")
    begun = begun or call == "rt_sigaction" and tonumber(pid) ~= w.pid
    if begun and call and tonumber(pid) ~= w.pid then
      local list = calls[pid] or {}
      local last = list[#list]
      if last ~= "execve" and last ~= "execveat" then list[#list + 1] = call end
      calls[pid] = list
    end
  end
  return calls
end

describe("a child with everything", function()
  after_each(harness.cleanup)

  it("asks the kernel for what its steps are, and never for memory", function()
    if not can_trace() then return end
    local allowed = {}
    for name in ([[rt_sigaction rt_sigprocmask prctl getppid setsid ioctl ioprio_set setpriority sched_setscheduler
      sched_setaffinity umask prlimit64 setrlimit unshare openat openat2 fcntl dup3 close_range setgroups setresgid
      setresuid
      capget capset getresuid getresgid getgroups chdir getcwd landlock_restrict_self seccomp execve]]):gmatch("%S+") do
      allowed[name] = true
    end
    for _, clone in ipairs { "shared", "vfork", "copy" } do
      local w = start("error", clone)
      local calls = calls_before_exec(w)
      for _, call in ipairs(calls) do assert.is_true(allowed[call], clone .. ": " .. call) end
      assert.is_true(#calls > 60)
      w:stop()
    end
  end)

  it("does so with every namespace, mount and process of its own, too", function()
    if not can_trace() then return end
    local allowed = {}
    for name in ([[rt_sigaction rt_sigprocmask prctl setsid umask openat clone read write close wait4 exit_group
      unshare sethostname socket ioctl mount_setattr open_tree fsopen fsconfig fsmount statx mkdirat fchmodat symlinkat
      move_mount fchdir pivot_root umount2 chdir openat2 setns fcntl dup3 close_range setgroups setresgid setresuid
      capget getresuid getresgid getgroups getcwd pipe2 ppoll set_tid_address seccomp execveat
      getpid getppid kill execve]]):gmatch("%S+") do
      allowed[name] = true
    end
    for _, clone in ipairs { "shared", "vfork", "copy" } do
      local w = confined(clone)
      local ends = {}
      for _, list in pairs(calls_of_all(w)) do
        for _, call in ipairs(list) do assert.is_true(allowed[call], clone .. ": " .. call) end
        ends[#ends + 1] = list[#list]
      end
      table.sort(ends)
      assert.same({ "execve", "execveat", "kill" }, ends) -- the program, the init, and the helper
      w:stop()
    end
  end)
end)

describe("a step of the child that fails", function()
  after_each(harness.cleanup)

  it("is told by stage and errno, without exec, descriptor, zombie or signal mask left", function()
    if not can_trace() then return end
    local w, mark = start("error", "shared")
    local before = standing(w)
    for _, fault in ipairs(cases.FAULTS) do
      local exit = start_under(w, fault[2]).last_exit
      stands_as(w, before, fault[2])
      if fault[3] then
        assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno }, fault[2])
        assert.is_nil(harness.read(mark):find("ran"), fault[2])
      else
        assert.equal("exited", exit.kind, fault[2])
        harness.write(mark, "")
      end
    end
    assert.same({}, w:left())
    w:cli("start", "x") -- without strace it runs again
    harness.until_(function() return harness.read(mark):find("ran") end, nil, "the program")
    w:stop()
  end)

  it("is told in the steps that only a trace can count", function()
    if not can_trace() then return end
    local w, mark = start("error", "shared")
    local calls, lines = calls_before_exec(w)
    local function nth_prctl(pattern, which)
      local n = 0
      for i, call in ipairs(calls) do
        n = call == "prctl" and n + 1 or n
        if lines[i]:find(pattern) then which = which - 1 end
        if which == 0 then return n end
      end
    end
    harness.write(mark, "")
    for stage, n in pairs {
      deathsig = nth_prctl("PR_SET_PDEATHSIG", 2), nnp = nth_prctl("PR_SET_NO_NEW_PRIVS", 1),
    } do
      local exit = start_under(w, ("prctl:error=EPERM:when=%d"):format(n)).last_exit
      assert.same({ "spawn_failed", stage, EPERM }, { exit.kind, exit.stage, exit.errno })
    end
    -- The first call is the supervisor's, before the clone; the next launch's child makes one, too.
    local strace = attach(w, "rt_sigprocmask:error=EINVAL:when=1")
    local first = start_again(w).last_exit
    assert.same({ "spawn_failed", "clone", EINVAL }, { first.kind, first.stage, first.errno })
    local second = start_again(w).last_exit
    assert.same({ "spawn_failed", "mask", EINVAL }, { second.kind, second.stage, second.errno })
    detach(w, strace)
    assert.is_nil(harness.read(mark):find("ran"))
    w:stop()
  end)

  it("is told when it makes a namespace or a mount, and leaves nothing of it", function()
    if not can_trace() then return end
    local w = confined "shared"
    local before, mounts = standing(w), harness.read("/proc/self/mountinfo")
    for _, fault in ipairs(cases.CONFINED_FAULTS) do
      local exit = start_under(w, fault[2]).last_exit
      assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno }, fault[2])
      assert.same({}, w:left())
      stands_as(w, before, fault[2])
    end
    assert.equal(mounts, harness.read("/proc/self/mountinfo"))
    assert.equal("exited", start_again(w).last_exit.kind)
    w:stop()
  end)

  it("is told in specs of other kinds, and in the supervisor itself", function()
    if not can_trace() then return end
    for _, fault in ipairs(cases.OTHERS) do
      local w = harness.start(([[
        local ward = require "ward"
        return ward.service { name = "x", cmd = { "true" }, restart = "never", %s }
      ]]):format(fault.keys), fault.plain and { under = harness.UNPRIVILEGED })
      w:until_state("x", "done")
      local before = standing(w)
      local exit = start_under(w, fault[2]).last_exit
      assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno }, fault[2])
      stands_as(w, before, fault[2])
      w:stop()
    end
    local w, mark = start("error", "shared")
    local before = standing(w)
    for _, fault in ipairs(cases.PARENT) do
      local exit = start_under(w, fault[2]).last_exit
      assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno }, fault[2])
      stands_as(w, before, fault[2])
    end
    assert.is_nil(harness.read(mark):find("ran"))
    assert.equal("exited", start_under(w, "clone3:error=ENOSYS").last_exit.kind) -- an old kernel: clone(2)
    stands_as(w, before, "clone(2)")
    w:stop()
    -- Written after exec; without the capability it cannot be lowered.
    w = harness.start([[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "sleep", "1000" }, restart = "never", oom_score_adj = -500 }
    ]], { under = { "setpriv", "--bounding-set", "-sys_resource" } })
    local exit = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "oom", EACCES }, { exit.kind, exit.stage, exit.errno })
    w:stop()
  end)

  it("ends the child where a filter forbids even that", function()
    if not can_trace() then return end
    local w = harness.start [[
      return require("ward").service { name = "x", cmd = { "/nonexistent" }, restart = "never" }
    ]]
    w:until_state("x", "failed")
    local before = standing(w)
    local exit = start_under(w, "exit_group:error=EPERM").last_exit
    assert.same({ "spawn_failed", "exec", ENOENT }, { exit.kind, exit.stage, exit.errno })
    stands_as(w, before, "exit_group")
    w:stop()
  end)

  it("is that of exec for a user who has more processes than he may", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending "needs root" end
    local w = harness.start [[
      local ward = require "ward"
      local one = ward.service { name = "one", cwd = "/", cmd = { "sleep", "1000" }, user = 54322, group = 54322 }
      return ward.supervisor { name = "both", children = { one, ward.service { name = "x", cwd = "/", needs = { one },
        cmd = { "true" }, user = 54322, group = 54322, limits = { nproc = 0 }, restart = "never" } } }
    ]]
    local exit = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "exec", EAGAIN }, { exit.kind, exit.stage, exit.errno })
    w:stop()
  end)

  it("is not seen in a question that the kernel does not answer", function()
    if not can_trace() then return end
    local w = harness.start([[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "sleep", "1000" }, stop = { "KILL" } }
    ]], { under = harness.strace { "-D", "-o", "/dev/null", "-e", "trace=waitid", "-e",
      "inject=waitid:error=EIO:when=1" } })
    w:until_ready("x")
    assert.is_nil(w:err():find("timed out", 1, true), w:err())
    w:stop()
  end)

  it("has a row for each stage", function()
    local rows = { deathsig = true, nnp = true, mask = true, oom = true }
    for _, list in ipairs { cases.FAULTS, cases.OTHERS, cases.CONFINED_FAULTS, cases.PARENT } do
      for _, fault in ipairs(list) do rows[fault[1]] = true end
    end
    for name in harness.read("core/spawn/stage.h"):gmatch('X%([%u_]+, "([%l_]+)"') do
      assert.is_true(rows[name] or cases.ELSEWHERE[name] ~= nil, name)
    end
  end)

  it("lets the program run where the sandbox says warn, but never with other ids", function()
    if not can_trace() then return end
    local w, mark = start("warn", "shared")
    for _, fault in ipairs(cases.FAULTS) do
      if fault.soft then
        local view = start_under(w, fault[2])
        assert.equal("exited", view.last_exit.kind, fault[2])
        assert.equal("ran\n", harness.read(mark), fault[2])
        assert.equal(fault[1], view.degraded[1].stage, fault[2])
        assert.equal(fault[3], view.degraded[1].errno, fault[2])
        harness.write(mark, "")
      elseif fault[1] == "groups" or fault[1] == "gid" or fault[1] == "uid" or fault[1] == "ids_check" then
        local exit = start_under(w, fault[2]).last_exit
        assert.same({ "spawn_failed", fault[1] }, { exit.kind, exit.stage }, fault[2])
      end
    end
    assert.is_truthy(w:err():find("runs without a part of its sandbox: cannot load the seccomp filter", 1, true))
    w:stop()
  end)

  it("does not touch the host's name where there is none of its own", function()
    if not can_trace() then return end
    local w = harness.start([[
      return require("ward").service { name = "x", cmd = { "uname", "-n" }, restart = "never",
        sandbox = { hostname = "jail", on_failure = "warn" } }
    ]], { under = { "unshare", "--uts", "--" } })
    w:until_state("x", "done")
    assert.equal("jail\n", w:log "x")
    local view = start_under(w, "unshare:error=ENOSPC")
    assert.same({ "exited", 0 }, { view.last_exit.kind, view.last_exit.code })
    assert.same({ "namespaces", "hostname" }, { view.degraded[1].stage, view.degraded[2].stage })
    local _, name = harness.run { "uname", "-n" }
    harness.until_(function() return w:log "x" == "jail\n" .. name end, nil, "the host's name")
    w:stop()
  end)

  it("is told the same way in the other clone modes, every one of them", function()
    if not can_trace() then return end
    for _, clone in ipairs { "vfork", "copy" } do
      local w, mark = start("error", clone)
      local before = standing(w)
      for _, fault in ipairs(cases.FAULTS) do
        local exit = start_under(w, fault[2]).last_exit
        stands_as(w, before, clone .. ": " .. fault[2])
        if fault[3] then
          assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno },
            clone .. ": " .. fault[2])
          assert.is_nil(harness.read(mark):find("ran"), clone .. ": " .. fault[2])
        else
          assert.equal("exited", exit.kind, fault[2])
          harness.write(mark, "")
        end
      end
      w:stop()
      w = confined(clone)
      for _, fault in ipairs(cases.CONFINED_FAULTS) do
        local exit = start_under(w, fault[2]).last_exit
        assert.same({ "spawn_failed", fault[1], fault[3] }, { exit.kind, exit.stage, exit.errno },
          clone .. ": " .. fault[2])
      end
      w:stop()
    end
  end)
end)

describe("a user namespace without privilege", function()
  after_each(harness.cleanup)

  -- Who maps a user can be taken over by any process of that user.
  it("is mapped by a process that has nothing to give away", function()
    if not can_trace() then return end
    local w = harness.start([[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "true" }, restart = "never", sandbox = { namespaces = { "user" } } }
    ]], { under = harness.UNPRIVILEGED })
    w:until_state("x", "done")
    local strace = attach(w, "openat:delay_enter=5000000 /proc/self/setgroups") -- until we have seen it
    w:cli("start", "x", "--no-wait")
    local child
    local mapper = harness.until_(function()
      for _, pid in ipairs(sys.children(w.pid)) do
        child = pid
        for _, below in ipairs(sys.children(pid)) do
          if (harness.read(("/proc/%d/cmdline"):format(below)) or ""):find("^ward%-map") then return below end
        end
      end
    end, nil, "the process")
    local status = harness.read(("/proc/%d/status"):format(mapper))
    assert.matches("\nNoNewPrivs:\t1\n", status)
    assert.matches("\nSeccomp:\t2\n", status)
    assert.equal(0, open_descriptors(mapper))
    -- The child, which shares the supervisor's memory, is not to be looked into meanwhile.
    local owner = io.popen(("stat -c %%u /proc/%d/mem"):format(child)):read "l"
    assert.equal("0", owner)
    detach(w, strace)
    w:until_state("x", "done")
    w:stop()
  end)
end)
