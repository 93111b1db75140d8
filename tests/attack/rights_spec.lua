-- Attacks on what capabilities, Landlock and filters hold back, each made in the sandbox, where it must fail, and
-- without one, where it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local has_root <const> = sandboxed.is_root()

local function succeeds(arguments, opts)
  local ok <const>, text <const> = sandboxed.attack(arguments, nil, opts)
  assert.is_true(ok, "outside: " .. text)
end

local function fails(arguments, sandbox, opts)
  local ok <const>, text <const> = sandboxed.attack(arguments, sandbox, opts)
  assert.is_false(ok, "inside: " .. text)
end

local function attack(name, fn)
  it(name, function()
    if not has_root then return pending "needs root" end
    fn()
  end)
end

describe("a capability", function()
  after_each(harness.cleanup)

  attack("does not come back to root by exec", function()
    local _, program <const> = sandboxed.copy(harness.attack)
    succeeds { "regain", program }
    fails({ "regain", program }, { caps = {} })
    fails({ "regain", program }, { caps = {}, no_new_privs = false })
    fails({ "regain", program }, { profile = "strict", tmpfs = {} })
  end)

  attack("does not come from a file", function()
    local _, program <const> = sandboxed.copy(harness.attack)
    if not os.execute(("setcap cap_net_raw+ep %s 2>/dev/null"):format(program)) then
      return pending "setcap is missing, or the file system takes no capabilities"
    end
    local opts <const> = { keys = { user = "nobody" } }
    succeeds({ "regain", program }, opts)
    fails({ "regain", program }, {}, opts) -- no_new_privs
    fails({ "regain", program }, { caps = {}, no_new_privs = false }, opts)
    fails({ "regain", program }, { profile = "strict", tmpfs = {} }, opts)
  end)
end)

describe("Landlock", function()
  after_each(harness.cleanup)

  attack("keeps signals and ptrace within the sandbox, without a namespace", function()
    for _, uid in ipairs { false, 4711 } do
      local start <const> = uid and { under = harness.UNPRIVILEGED } or nil
      local w <const> = harness.start(
        'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', start)
      local pids <const> = { w.pid, w:until_ready "y" }
      for _, verb in ipairs { "signal", "ptrace" } do
        for _, pid in ipairs(pids) do
          succeeds({ verb, tostring(pid) }, { start = start })
          fails({ verb, tostring(pid) }, { landlock = { scope = { "signal" } } }, { start = start })
        end
      end
      w:stop()
    end
  end)

  attack("keeps it from abstract sockets, as a network namespace does", function()
    local name <const> = "ward-test-" .. sys.pid()
    local dir <const> = harness.directory()
    local pid <const> = assert(sys.spawn({ "python3", "-c", ("import socket, time; s = socket.socket(socket.AF_UNIX); "
      .. "s.bind('\\0%s'); s.listen(9); print('up', flush=True); time.sleep(1000)"):format(name) },
      { stdout = dir .. "/out" }))
    harness.until_(function() return harness.read(dir .. "/out") == "up\n" end, nil, "the socket")
    succeeds { "abstract", name }
    fails({ "abstract", name }, { landlock = { scope = { "abstract_unix_socket" } } })
    fails({ "abstract", name }, { namespaces = { "net" } })
    for _, profile in ipairs { "strict", "web", "worker" } do
      fails({ "abstract", name }, { profile = profile, tmpfs = {} })
    end
    sys.kill(pid, "KILL")
    sys.wait(pid, 20)
  end)

  attack("keeps it from ports that it was not given", function()
    succeeds { "listen", "48123" }
    fails({ "listen", "48123" }, { landlock = { net = { bind = { 48124 } } } })
    fails({ "listen", "48123" }, { profile = "worker", tmpfs = {} })
    assert.is_true((sandboxed.attack({ "listen", "48124" }, { landlock = { net = { bind = { 48124 } } } })))
  end)
end)

describe("a TCP port that Landlock withholds", function()
  after_each(harness.cleanup)

  attack("is not reached by a protocol that Landlock does not see", function()
    local net <const> = { landlock = { net = { bind = { 48124 } } } }
    succeeds { "mptcp", "48125" }
    fails({ "mptcp", "48125" }, net)
    fails({ "mptcp", "48124" }, net)
    fails({ "mptcp", "48125" }, { profile = "worker", tmpfs = {} })
  end)

  attack("is not opened without bind, where none is allowed", function()
    succeeds { "autobind" }
    fails({ "autobind" }, { landlock = { net = { bind = {} } } })
    fails({ "autobind" }, { profile = "worker", tmpfs = {} })
    -- Which is also for sockets that are no TCP; who needs those says so.
    assert.is_true((sandboxed.attack({ "autobind" }, { landlock = { net = { bind = {} } },
      seccomp = { allow = { "@system-service", "listen" } } })))
  end)

  attack("is not connected to by sending", function()
    local dir <const> = harness.directory()
    local pid <const> = assert(sys.spawn({ "python3", "-c", "import socket, time; s = socket.socket(); "
      .. "s.bind(('127.0.0.1', 0)); s.listen(9); print(s.getsockname()[1], flush=True); time.sleep(1000)" },
      { stdout = dir .. "/out" }))
    local port <const> = harness.until_(function() return harness.read(dir .. "/out"):match("^(%d+)\n") end, nil,
      "the socket")
    for _, verb in ipairs { "connect", "fastopen" } do
      succeeds { verb, port }
      fails({ verb, port }, { landlock = { net = { connect = {} } } })
      assert.is_true((sandboxed.attack({ verb, port }, { landlock = { net = { bind = { 48124 } } } })), verb)
    end
    sys.kill(pid, "KILL")
    sys.wait(pid, 20)
  end)
end)

describe("a set-user-ID file", function()
  after_each(harness.cleanup)

  local WAYS <const> = { "chmod", "creat", "fchmod", "fchmodat", "fchmodat2", "mknod", "mknodat", "open", "openat",
    "openat2" }

  for _, way in ipairs(WAYS) do
    attack("is not made by " .. way, function()
      local dir <const> = harness.directory()
      local ok <const>, text <const> = sandboxed.attack { "setid", way, dir .. "/outside" }
      if not ok and (text:find("no such way", 1, true) or text:find("not implemented", 1, true)) then
        return pending("this machine has no " .. way)
      end
      assert.is_true(ok, text)
      fails({ "setid", way, dir .. "/inside" }, { no_setuid_files = true })
      fails({ "setid", way, dir .. "/inside" }, { no_setuid_files = true, seccomp = { deny = { "bpf" } } })
    end)
  end

  attack("is not left behind by a profile, whoever runs in it", function()
    local dir <const>, program <const> = sandboxed.copy(harness.attack)
    for _, profile in ipairs { "strict", "web", "worker" } do
      local exec <const> = { harness.ward, "exec", "--profile", profile, "--user", "root", "--rw", dir, "--", program }
      local function runs(...)
        return (harness.run(table.move({ ... }, 1, select("#", ...), #exec + 1, { table.unpack(exec) }), { cwd = "/" }))
      end
      assert.equal(0, runs("write", dir .. "/" .. profile))
      assert.equal(1, runs("plant", dir .. "/planted"))
      for _, way in ipairs(WAYS) do assert.equal(1, runs("setid", way, dir .. "/by-" .. way), way) end
    end
  end)
end)

describe("the control socket", function()
  after_each(harness.cleanup)

  -- How often a service's supervisor does what it asks for, itself and through an orphan.
  local function asks(sandbox, start, user)
    local ask <const> = harness.ward .. " eval 'return 6 * 7' 2>&1"
    local _, text <const> = sandboxed.run({ cwd = "/", user = user, sandbox = sandbox or nil,
      cmd = { "sh", "-c", ("%s; (setsid %s &) | cat"):format(ask, ask) } }, start)
    return select(2, text:gsub("42", ""))
  end

  attack("does not listen to who is in a sandbox", function()
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      local user <const> = not start and "root" or nil
      assert.equal(2, asks(nil, start or nil, user))
      for _, box in ipairs { {}, { seccomp = "@system-service" }, { caps = {} }, { profile = "strict", tmpfs = {} },
        { profile = "web", tmpfs = {} }, { profile = "worker", tmpfs = {} } } do
        assert.equal(0, asks(box, start or nil, user))
      end
    end
  end)

  -- What a program outside of it is told, under something that holds it.
  local function told(w, under)
    local argv <const> = table.move(under, 1, #under, 1, {})
    table.move({ harness.ward, "eval", "return 6 * 7" }, 1, 3, #argv + 1, argv)
    local _, out <const>, err <const> = harness.run(argv, { env = w.env })
    assert.is_truthy(out:find "42" or err:find "it hears nobody in a sandbox" or err:find "no supervisor", err)
    return out:find "42" ~= nil
  end

  attack("does not listen to who is in another's sandbox either", function()
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      local w <const> = harness.start(
        'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', start or nil)
      local as <const> = start and { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups" } or { "env" }
      local function under(...)
        return told(w, table.move({ ... }, 1, select("#", ...), #as + 1, { table.unpack(as) }))
      end
      assert.is_true(told(w, { "env" }))
      assert.is_true(under())
      assert.is_false(under(harness.ward, "exec", "--profile", "none", "--"))
      assert.is_false(under(harness.ward, "exec", "--profile", "none", "--seccomp", "none", "--"))
      assert.is_false(under("setpriv", "--no-new-privs"))
      assert.is_false(under("unshare", "--user"))
      assert.is_false(under("unshare", "--user", "--map-root-user", "--pid", "--fork"))
      if not start then
        assert.is_false(told(w, { "setpriv", "--bounding-set=-sys_admin" }))
        assert.is_false(told(w, { "unshare", "--mount" }))
        assert.is_false(told(w, { "unshare", "--pid", "--fork" }))
      else
        -- Root's own sandboxes are no way to be somebody else's root.
        assert.is_false(told(w, { harness.ward, "exec", "--profile", "none", "--user", "root", "--cap", "dac_override",
          "--" }))
      end
      w:stop()
    end
  end)

  attack("listens to who is held less than ward is", function()
    for _, held in ipairs { { "setpriv", "--no-new-privs" }, { "unshare", "--mount" },
      { "setpriv", "--bounding-set=-sys_boot" } } do
      local w <const> = harness.start(
        'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', { under = held })
      assert.is_true(told(w, { "env" }), held[2])
      w:stop()
    end
  end)

  attack("knows a sandbox where ward itself can gain no privileges", function()
    local held <const> = { under = { "setpriv", "--no-new-privs" } }
    assert.equal(2, asks(nil, held, "root"))
    for _, box in ipairs { {}, { landlock = { scope = { "signal" } } }, { caps = {} } } do
      assert.equal(0, asks(box, held, "root"))
    end
  end)
end)

describe("a profile's filter", function()
  after_each(harness.cleanup)

  local CALLS <const> = { "bpf", "io_uring_setup", "keyctl", "name_to_handle_at", "perf_event_open", "process_vm_readv",
    "process_vm_writev", "ptrace", "setns", "unshare", "userfaultfd" }
  for _, call in ipairs(CALLS) do
    attack("lets no " .. call .. " through", function()
      local _, program <const> = sandboxed.copy(harness.attack)
      if harness.run { program, "call", call } ~= 0 then
        return pending("this machine says no to " .. call .. " anyway")
      end
      for _, profile in ipairs { "strict", "web", "worker" } do
        fails({ "call", call }, { profile = profile, tmpfs = {} })
      end
    end)
  end

  attack("makes no socket of a family that a network namespace does not hold", function()
    for _, profile in ipairs { "strict", "web", "worker" } do
      local box <const> = { profile = profile, tmpfs = {} }
      for _, family in ipairs { "alg", "vsock", "vsock-high", "ax25", "x25", "rose", "key", "pair-packet",
        "pair-tipc" } do
        succeeds { "syscall", family }
        fails({ "syscall", family }, box)
      end
      for _, family in ipairs { "unix", "inet6", "netlink", "pair-unix" } do
        assert.is_true((sandboxed.attack({ "syscall", family }, box)), family)
      end
    end
  end)
end)
