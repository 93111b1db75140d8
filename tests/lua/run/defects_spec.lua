-- What earlier designs of such a child got wrong, by number. Each is a mistake that shows in no ordinary run: the
-- program starts, with more than it should have, or the supervisor believes what did not happen.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local ENOENT <const>, ENOEXEC <const> = 2, 8
local NET_BIND_SERVICE <const> = 1 << 10

-- A directory and a copy of a program that every user may enter and run.
local function program(from)
  local path <const> = harness.directory() .. "/program"
  harness.write(path, harness.read(from))
  assert(sys.chmod(path, 493)) -- 0755
  return path
end

local function start(keys, opts)
  return harness.start(([[
    local ward = require "ward"
    return ward.service { name = "x", restart = "never", cwd = "/", %s }
  ]]):format(keys), opts)
end

-- What probe saw as a service with these keys.
local function probe(keys, opts)
  local w <const> = start(("cmd = { %q }, %s"):format(program(harness.probe), keys), opts)
  w:until_state("x", "done")
  w:stop()
  return cjson.decode(w:log "x")
end

-- The last exit of a service that cannot start.
local function failure(keys, opts)
  local w <const> = start(keys, opts)
  local view <const> = w:until_state("x", "failed")
  w:stop()
  return view.last_exit, w
end

local function sets(caps)
  local list = {}
  for i, name in ipairs { "effective", "permitted", "inheritable", "bounding", "ambient" } do
    list[i] = tonumber(caps[name], 16)
  end
  return list
end

-- The child that is in the middle of opening a FIFO, which nobody has open at the other end.
local function opening_child(w)
  return w:until_(function()
    local child <const> = w:left()[1]
    return child and harness.read(("/proc/%d/wchan"):format(child)) == "wait_for_partner" and child
  end, nil, "a child that opens a FIFO")
end

-- How many descriptors ward has but for sockets: the connection of a client may take a moment to close.
local function descriptors(w)
  local _, out <const> = harness.run { "ls", "-l", ("/proc/%d/fd"):format(w.pid) }
  return select(2, out:gsub("\n", "")) - select(2, out:gsub("socket:", ""))
end

describe("defect", function()
  after_each(harness.cleanup)
  if os.execute("test $(id -u) = 0") ~= true then
    return pending("changing ids and capabilities needs root")
  end

  it("1: the bounding set is applied", function()
    local bit <const> = tonumber(probe('sandbox = { caps = { bounding = { "net_bind_service" } } }').caps.bounding, 16)
    assert.equal(NET_BIND_SERVICE, bit)
  end)

  it("2: capabilities are kept through a change of user, in all five sets", function()
    local kept <const> = sets(probe('user = "nobody", sandbox = { caps = { "net_bind_service" } }').caps)
    assert.same({ NET_BIND_SERVICE, NET_BIND_SERVICE, NET_BIND_SERVICE, NET_BIND_SERVICE, NET_BIND_SERVICE }, kept)
  end)

  it("3: root without capabilities does not get them back at exec", function()
    local seen <const> = probe "sandbox = { caps = {} }"
    assert.equal(0, seen.uid.effective)
    assert.same({ 0, 0, 0, 0, 0 }, sets(seen.caps))
  end)

  it("4: a filter that cannot be made is refused, and one that is there is in force", function()
    local dir <const> = harness.directory()
    local script <const> = harness.write(dir .. "/s.lua", [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "true" }, sandbox = { seccomp = { allow = { "no_such_call" } } } }
    ]])
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.equal(1, code)
    assert.matches("no_such_call", err)
    assert.equal(2, probe('sandbox = { seccomp = { default = "allow", deny = { "ptrace" } } }').seccomp)
  end)

  it("5: a change of ids that fails is fatal, whatever on_failure says", function()
    if os.execute("command -v strace >/dev/null && strace -qq -e trace=none true 2>/dev/null") ~= true then
      return pending("strace is missing, or may not trace here")
    end
    local mark <const> = harness.directory() .. "/ran"
    for _, on_failure in ipairs { "warn", "silent" } do
      for call, stage in pairs { setresuid = "uid", setresgid = "gid", setgroups = "groups" } do
        local exit <const> = failure(([[cmd = { "touch", %q }, user = "nobody", sandbox = { on_failure = %q }]]):format(
          mark, on_failure), { under = harness.strace { "-f", "-D", "-o", "/dev/null", "-e", "trace=" .. call, "-e",
          ("inject=%s:error=EPERM"):format(call) } })
        assert.same({ "spawn_failed", stage, 1 }, { exit.kind, exit.stage, exit.errno })
      end
    end
    assert.is_nil(harness.read(mark))
  end)

  it("6: the supplementary groups are those of the user, not of the supervisor", function()
    local under <const> = { under = { "setpriv", "--groups", "4,27" } }
    assert.same({ 65534 }, probe('user = "nobody"', under).groups)
    assert.same({}, probe('user = 4711, group = 4711, groups = {}', under).groups)
  end)

  it("7: namespaces can be asked for", function()
    local own <const> = assert(require("lfs").symlinkattributes("/proc/self/ns/uts", "target"))
    local w <const> = start [[cmd = { "readlink", "/proc/self/ns/uts" }, sandbox = { namespaces = { "uts" } }]]
    w:until_state("x", "done")
    w:stop()
    assert.matches("^uts:%[%d+%]\n$", w:log "x")
    assert.not_equal(own .. "\n", w:log "x")
  end)

  -- Thousands of random tables: tests/core/loop/fds_test.c
  it("8: descriptors trade places, and a source at or above the highest target is none the worse for it", function()
    local dir <const> = harness.directory()
    local opened = {}
    for fd = 3, 9 do
      harness.write(("%s/%d"):format(dir, fd), "")
      opened[#opened + 1] = ("%d<%s/%d"):format(fd, dir, fd)
    end
    local under <const> = { under = { "sh", "-c", "exec " .. table.concat(opened, " ") .. '; exec "$@"', "sh" } }
    for _, fds in ipairs {
      { [3] = 4, [4] = 3 }, { [3] = 4, [4] = 5, [5] = 3 }, { [3] = 6, [6] = 6 }, { [6] = 3, [3] = 6, [5] = 6 },
      { [3] = 7, [4] = 7, [7] = 4 }, { [4] = 9, [5] = 8, [6] = 7 }, { [9] = 3, [3] = 9, [4] = 9, [5] = 3 },
    } do
      local parts, want, have = {}, {}, {}
      for target, source in pairs(fds) do
        parts[#parts + 1] = ("[%d] = %d"):format(target, source)
        want[target] = ("%s/%d"):format(dir, source)
      end
      for _, fd in ipairs(probe("fds = { " .. table.concat(parts, ", ") .. " }", under).fds) do
        if fd.fd > 2 then have[math.tointeger(fd.fd)] = fd.link end
      end
      assert.same(want, have)
    end
  end)

  it("9: no descriptor of the supervisor reaches the child, and none stays behind with a launch", function()
    local w <const> = start [[cmd = { "ls", "/proc/self/fd" }, sandbox = { landlock = { fs = { ["/"] = "rwx" } } }]]
    w:until_state("x", "done")
    assert.equal("0\n1\n2\n3\n", w:log "x") -- 3 is the directory that ls reads
    local before <const> = descriptors(w)
    for _ = 1, 20 do assert.equal(0, (w:cli("restart", "x"))) end
    w:until_state("x", "done")
    assert.equal(before, descriptors(w))
    w:stop()
  end)

  it("10: a text without #! is no program, arguments may be many, and PATH is the child's", function()
    local dir <const> = harness.directory()
    harness.write(dir .. "/text", "echo this must not run\n")
    assert(sys.chmod(dir .. "/text", 493))
    local exit <const> = failure(("cmd = { %q }"):format(dir .. "/text"))
    assert.same({ "exec", ENOEXEC }, { exit.stage, exit.errno })
    local w = harness.start [[
      local ward = require "ward"
      local cmd = { "sh", "-c", "echo $#", "sh" }
      for i = 1, 20000 do cmd[#cmd + 1] = i end
      return ward.service { name = "x", cmd = cmd, restart = "never" }
    ]]
    w:until_state("x", "done")
    w:stop()
    assert.equal("20000\n", w:log "x")
    harness.write(dir .. "/only-there", "#!/bin/sh\necho found\n")
    assert(sys.chmod(dir .. "/only-there", 493))
    w = start(("cmd = { 'only-there' }, env = { PATH = %q }"):format(dir .. ":/bin"))
    w:until_state("x", "done")
    w:stop()
    assert.equal("found\n", w:log "x")
    assert.equal(ENOENT, failure("cmd = { 'ls' }, env = { PATH = '/nowhere' }").errno)
  end)

  it("11: a signal before exec is neither lost nor the supervisor's; what ward ignores, the child does not", function()
    local dir <const> = harness.directory()
    assert(sys.mkfifo(dir .. "/fifo"))
    local w <const> = start(("cmd = { 'sleep', '1000' }, stdin = %q"):format(dir .. "/fifo"), {
      under = { "sh", "-c", "trap '' HUP INT USR1; exec \"$@\"", "sh" },
    })
    local child <const> = opening_child(w)
    assert(sys.kill(child, "HUP"))
    assert(sys.kill(child, "INT"))
    io.open(dir .. "/fifo", "w"):close()
    local exit <const> = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "mask", "HUP" }, { exit.kind, exit.stage, exit.signal })
    w:stop()
  end)

  it("12: no death before exec is taken for a start, nor its reason lost", function()
    local dir <const> = harness.directory()
    local script <const> = harness.write(dir .. "/s.lua", [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "true" }, sandbox = { seccomp = { default = "allow",
        deny = { "execve" } } } }
    ]])
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.equal(1, code)
    assert.matches("execve", err)
    for _, clone in ipairs { "shared", "vfork", "copy" } do
      local exit <const> = failure(("clone = %q, cmd = { '/nope' }"):format(clone))
      assert.same({ "spawn_failed", "exec", ENOENT }, { exit.kind, exit.stage, exit.errno })
      -- Nor where the filter that is in force by then forbids to write.
      local denied <const> = failure(("clone = %q, cmd = { '/nope' }, sandbox = { seccomp = { "
        .. "default = 'kill_process', allow = { 'execve', 'exit_group' } } }"):format(clone))
      assert.same({ "spawn_failed", "exec", ENOENT }, { denied.kind, denied.stage, denied.errno })
    end
    assert(sys.mkfifo(dir .. "/fifo"))
    local w <const> = start(("cmd = { 'sleep', '1000' }, stdin = %q"):format(dir .. "/fifo"))
    assert(sys.kill(opening_child(w), "KILL"))
    local exit <const> = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "fd_open", "KILL" }, { exit.kind, exit.stage, exit.signal })
    assert.matches("ended by signal 9", exit.message)
    w:stop()
  end)

  -- By how much it is held up, and by what else: tests/core/loop/hostile_test.c
  it("13: the supervisor is not frozen with a child that has not exec'd yet", function()
    local dir <const> = harness.directory()
    assert(sys.mkfifo(dir .. "/fifo"))
    local w <const> = harness.start(([[
      local ward = require "ward"
      ward.service { name = "y", cmd = { "sleep", "1000" } }
      ward.service { name = "x", cwd = "/", cmd = { "sleep", "1000" }, user = "nobody", stdin = %q, restart = "never" }
    ]]):format(dir .. "/fifo"))
    local child <const> = harness.until_(function()
      for _, pid in ipairs(w:left()) do
        if harness.read(("/proc/%d/wchan"):format(pid)) == "wait_for_partner" then return pid end
      end
    end, nil, "a child that opens a FIFO")
    assert(sys.kill(child, "STOP"))
    local before <const> = w:until_ready "y"
    assert.equal(0, (w:cli("restart", "y")))
    w:until_ready("y", before)
    assert.equal("starting", w:status("x").state)
    assert(sys.kill(child, "KILL"))
    local exit <const> = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "fd_open", "KILL" }, { exit.kind, exit.stage, exit.signal })
    w:stop()
  end)
end)

describe("memory that is shared with the supervisor", function()
  after_each(harness.cleanup)
  if os.execute("test $(id -u) = 0") ~= true then
    return pending("changing ids needs root")
  end

  it("takes nothing over that belongs to all of it", function()
    local w <const> = start [[cmd = { "sleep", "1000" }, oom_score_adj = 600, user = "nobody"]]
    local child <const> = w:until_ready "x"
    local function of(pid, file) return harness.read(("/proc/%s/%s"):format(math.tointeger(pid) or pid, file)) end
    w:until_(function() return of(child, "oom_score_adj") == "600\n" end, nil, "oom_score_adj")
    assert.equal(of("self", "oom_score_adj"), of(w.pid, "oom_score_adj"))
    assert.equal(of("self", "coredump_filter"), of(w.pid, "coredump_filter"))
    w:stop()
  end)

  it("is refused to a child of another uid where fs.suid_dumpable would open it; a copy is not", function()
    local dir <const> = harness.directory()
    harness.write(dir .. "/one", "1\n")
    local under <const> = { "unshare", "-m", "sh", "-c",
      ("mount --bind %s/one /proc/sys/fs/suid_dumpable && exec \"$@\""):format(dir), "sh" }
    local exit <const> = failure([[cmd = { "true" }, user = "nobody"]], { under = under })
    assert.same({ "spawn_failed", "prepare" }, { exit.kind, exit.stage })
    assert.matches("fs.suid_dumpable", exit.message)
    local w <const> = start([[cmd = { "true" }, user = "nobody", clone = "copy"]], { under = under })
    w:until_state("x", "done")
    w:stop()
  end)
end)
