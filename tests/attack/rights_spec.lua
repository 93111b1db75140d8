-- Attacks on what capabilities, Landlock and filters hold back, each made in the sandbox, where it must fail, and
-- without one, where it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local attack <const> = sandboxed.attacks(it, pending)
local succeeds <const>, fails <const> = sandboxed.succeeds, sandboxed.fails

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
    local unprivileged <const> = { start = { under = harness.UNPRIVILEGED } }
    succeeds({ "regain", program }, unprivileged)
    fails({ "regain", program }, { caps = {} }, unprivileged)
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
          if uid and verb == "ptrace" and pid == w.pid then -- whom nobody but root can trace at all
            fails({ verb, tostring(pid) }, nil, { start = start })
          else
            succeeds({ verb, tostring(pid) }, { start = start })
          end
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

describe("the memory of an ordinary user's supervisor", function()
  after_each(harness.cleanup)

  -- What a service of the same user has to come by it, where neither files nor processes are withheld from it.
  local START <const> = { under = harness.UNPRIVILEGED }
  local BOXES <const> = { {}, { seccomp = { allow = { "@system-service", "@debug" }, deny = { "socket" } } },
    { landlock = { net = { bind = {} } } } }

  attack("is out of reach of its services, while another's is not", function()
    local w <const> = harness.start(
      'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', START)
    local sibling <const> = ("%d"):format(w:until_ready "y")
    for _, verb in ipairs { "look", "ptrace" } do
      succeeds({ verb, sibling }, { start = START })
      for _, box in ipairs(BOXES) do fails({ verb, tostring(w.pid) }, box, { start = START }) end
    end
    w:stop()
  end)

  attack("is out of reach again when it has executed itself", function()
    local w <const> = harness.start([[
      local ward = require "ward"
      ward.service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }
      ward.command("stick", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)
    ]], START)
    w:until_ready "y"
    w:cli("do", "stick")
    w:until_(function() return (w:rpc "status" or {}).quarantine end, 60, "the quarantine")
    fails({ "look", tostring(w.pid) }, {}, { start = START })
    w:stop()
  end)

  attack("is out of reach of what ward exec runs", function()
    local _, program <const> = sandboxed.copy(harness.attack)
    local code <const>, out <const> = harness.run { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups",
      harness.ward, "exec", "--profile", "none", "--", "sh", "-c", program .. " look $PPID" }
    assert.equal("look failed", out:match "look %a+", out)
    assert.equal(1, code)
  end)
end)
