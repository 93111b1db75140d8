-- Attacks on what ward's own filter holds back: what Landlock's rules for TCP ports do not see, and bits of files that
-- outlive the sandbox. Each is made in the sandbox, where it must fail, and without one, where it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local attack <const> = sandboxed.attacks(it, pending)
local succeeds <const>, fails <const> = sandboxed.succeeds, sandboxed.fails

describe("a TCP port that Landlock withholds", function()
  after_each(harness.cleanup)

  attack("is not reached by a protocol that Landlock does not see", function()
    local net <const> = { landlock = { net = { bind = { 48124 } } } }
    succeeds { "mptcp", "48125" }
    fails({ "mptcp", "48125" }, net)
    fails({ "mptcp", "48124" }, net)
    fails({ "mptcp", "48125" }, { profile = "worker", tmpfs = {} })
    succeeds { "syscall", "ulp" }
    fails({ "syscall", "ulp" }, net)
    assert.is_true((sandboxed.attack({ "syscall", "nodelay" }, net)))
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

  attack("is not made of one with capabilities either", function()
    local function given(sandbox)
      local file <const> = select(2, sandboxed.copy(harness.attack))
      local view <const> = sandboxed.run { cmd = { "setcap", "cap_setuid+ep", file }, cwd = "/", sandbox = sandbox }
      local _, text <const> = harness.run { "getcap", file }
      return view.last_exit.code == 0 and text:find("cap_setuid", 1, true) ~= nil
    end
    if harness.run { "sh", "-c", "command -v setcap && command -v getcap" } ~= 0 then
      return pending "setcap is not installed"
    end
    assert.is_true(given(nil))
    for _, namespaces in ipairs { {}, { "user" } } do
      assert.is_true(given { namespaces = namespaces })
      assert.is_false(given { namespaces = namespaces, no_setuid_files = true })
    end
  end)

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
