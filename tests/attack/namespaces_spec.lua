-- Attacks on what namespaces and mounts hold back. Each is made twice: in the sandbox, where it must fail, and without
-- one, where it must succeed, or it would prove nothing.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local attack <const> = sandboxed.attacks(it, pending)
local succeeds <const>, fails <const> = sandboxed.succeeds, sandboxed.fails

-- The secret of the host: /etc/shadow, which only root may read.
local SECRET <const> = "/etc/shadow"

-- A root with the attack in it and a place to write, as each way to be started has it.
local function jail(more)
  local box <const> = { tmpfs = { "/", "/tmp" }, proc = true, dev = "minimal", namespaces = { "pid" } }
  for key, value in pairs(more or {}) do box[key] = value end
  return box
end

-- Without a sandbox, as root, and in one: as root with every capability, so that nothing but the sandbox holds it
-- back; with the user namespace; and without capabilities.
local KINDS <const> = {
  { "root in a jail", jail() },
  { "root of a user namespace", jail { uid_map = { { inside = 0, outside = 100000, count = 1000 } } } },
  { "root without capabilities", jail { caps = {} } },
}

-- A sandbox that is held against one attack; the program is at /attack in it.
local function fails_in_jails(arguments)
  for _, kind in ipairs(KINDS) do
    local ok <const>, text <const> = sandboxed.attack(arguments, kind[2], { at = "/attack" })
    assert.is_false(ok, kind[1] .. ": " .. text)
  end
end

describe("a file of the host", function()
  after_each(harness.cleanup)

  attack("is not to be read by its path", function()
    succeeds { "read", SECRET }
    fails_in_jails { "read", SECRET }
    succeeds({ "read", SECRET }, { keys = { user = "root" } })
    fails({ "read", SECRET }, { profile = "strict" }, { at = "/tmp/attack", keys = { user = "nobody" } })
    for _, profile in ipairs { "strict", "web", "worker" } do
      fails({ "read", SECRET }, { profile = profile }, { at = "/tmp/attack" })
      fails({ "read", SECRET }, { profile = profile }, { at = "/tmp/attack", keys = { group = "root" } })
    end
  end)

  attack("is not to be read through a root or working directory in /proc", function()
    for _, link in ipairs { "/proc/self/root", "/proc/self/cwd", "/proc/thread-self/root" } do
      succeeds { "read", link .. SECRET }
      fails_in_jails { "read", link .. SECRET }
    end
  end)

  attack("is not to be read through a descriptor that ward has by accident", function()
    -- ward itself has a directory open without close-on-exec; a shell hands it on, ward does not.
    local program <const> = select(2, sandboxed.copy(harness.attack))
    assert.equal(0, (harness.run { "sh", "-c", "exec 9</; exec " .. program .. " fds etc/shadow" }))
    local start <const> = { under = { "sh", "-c", 'exec 8</ 9</etc; exec "$@"', "sh" } }
    for _, kind in ipairs(KINDS) do
      for _, relative in ipairs { "etc/shadow", "shadow" } do
        fails({ "fds", relative }, kind[2], { at = "/attack", start = start })
      end
    end
  end)

  attack("is not to be read after leaving the root as one leaves a chroot", function()
    local dir <const> = sandboxed.copy(harness.attack)
    -- In a plain chroot it works.
    assert.equal(0, (harness.run { "chroot", dir, "/attack", "chroot", "/x", "etc/shadow" }))
    fails({ "chroot", "/x", "etc/shadow" }, { rootfs = dir }, { program = "/attack" })
    fails_in_jails { "chroot", "/tmp/x", "etc/shadow" }
  end)

  attack("is not to be seen by unmounting what hides it", function()
    local dir <const> = harness.directory()
    harness.write(dir .. "/secret", "x")
    local program <const> = select(2, sandboxed.copy(harness.attack))
    assert.equal(0, (harness.run { "unshare", "-m", "sh", "-c", ("mount -t tmpfs x %s && exec %s unmount %s %s/secret")
      :format(dir, program, dir, dir) }))
    for _, box in ipairs { { caps = {} }, { namespaces = { "user" } },
      { uid_map = { { inside = 0, outside = 0 } }, nested = true } } do
      box.tmpfs = { dir }
      fails({ "unmount", dir, dir .. "/secret" }, box)
    end
    -- Without privilege it is root of the namespace that owns the mount.
    fails({ "unmount", dir, dir .. "/secret" }, { uid_map = { { inside = 0, outside = 4711 } }, tmpfs = { dir } },
      { start = { under = harness.UNPRIVILEGED } })
  end)

  attack("is not to be written", function()
    local dir <const> = harness.directory()
    assert(sys.chmod(dir, 511))
    succeeds { "write", dir .. "/a" }
    assert.is_truthy(lfs.attributes(dir .. "/a"))
    local writers <const> = { { "write", dir .. "/b" }, { "writable", dir .. "/b" } }
    for _, arguments in ipairs(writers) do
      fails_in_jails(arguments)
      fails(arguments, { readonly = true, caps = {} })
      fails(arguments, { readonly = true, uid_map = { { inside = 0, outside = 100000, count = 10 } } })
      fails(arguments, { profile = "strict", tmpfs = {}, proc = false })
      for _, outside in ipairs { { inside = 0, outside = 4711 }, { inside = 4711, outside = 4711 } } do
        fails(arguments, { readonly = true, uid_map = { outside } }, { start = { under = harness.UNPRIVILEGED } })
      end
    end
    assert.is_nil(lfs.attributes(dir .. "/b"))
  end)
end)

describe("the kernel", function()
  after_each(harness.cleanup)

  attack("makes no mount", function()
    local program <const> = select(2, sandboxed.copy(harness.attack))
    assert.equal(0, (harness.run { "unshare", "-m", program, "mount", "/mnt" }))
    fails({ "mount", "/mnt" }, { namespaces = { "mount" }, caps = {} })
    fails({ "mount", "/mnt" }, { namespaces = { "mount" }, uid_map = { { inside = 0, outside = 0 } } })
    fails({ "mount", "/mnt" }, { namespaces = { "mount" }, uid_map = { { inside = 0, outside = 4711 } } },
      { start = { under = harness.UNPRIVILEGED } })
    fails({ "mount", "/mnt" }, { profile = "strict", tmpfs = {} })
  end)

  attack("gives no capability back in another user namespace", function()
    local program <const> = select(2, sandboxed.copy(harness.attack))
    assert.equal(0, (harness.run { program, "userns", "/mnt" }))
    assert.equal(0, (harness.run { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", program, "userns",
      "/mnt" }))
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      fails({ "userns", "/mnt" }, { profile = "strict", tmpfs = {} }, { start = start or nil })
      fails({ "userns", "/mnt" }, { namespaces = { "user" } }, { start = start or nil })
    end
  end)

  attack("does not let the root of a user namespace lift the limit of those below it", function()
    local lift <const> = "echo 9 >/proc/sys/user/max_user_namespaces; unshare -U true"
    assert.equal(0, (harness.run { "unshare", "-Ur", "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces; "
      .. "unshare -U true || { " .. lift .. "; }" }))
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      local function code(nested)
        return sandboxed.run({ cmd = { "sh", "-c", lift }, cwd = "/", sandbox = { nested = nested,
          uid_map = { { inside = 0, outside = 4711 } } } }, start or nil).last_exit.code
      end
      assert.equal(0, code(true))
      assert.equal(1, code(false))
    end
  end)

  attack("opens no device through a node of one's own, nor through one that lies about", function()
    local dir <const> = harness.directory()
    assert(sys.chmod(dir, 511))
    succeeds { "mknod", dir .. "/a" }
    succeeds { "device", dir .. "/a" }
    local data <const> = { { type = "bind", source = dir, target = "/data" } }
    for _, kind in ipairs(KINDS) do
      kind[2].mounts = data
    end
    fails_in_jails { "mknod", "/data/b" }
    fails_in_jails { "mknod", "/tmp/b" }
    fails_in_jails { "device", "/data/a" }
    for _, kind in ipairs(KINDS) do kind[2].mounts = nil end
    fails({ "device", dir .. "/a" }, { dev = "minimal" })
    fails({ "mknod", dir .. "/c" }, { caps = {} })
  end)

  attack("gives no root to those who find the bit on a file, nor lets one be left for others", function()
    local dir <const>, program <const> = sandboxed.copy(harness.attack)
    assert(sys.chmod(program, 2541)) -- 04755
    succeeds({ "setuid", program }, { keys = { user = "nobody" } })
    for _, box in ipairs { { namespaces = { "uts" } }, { no_new_privs = false, mounts = { { type = "bind", source = dir,
      target = dir } } }, { no_new_privs = false, namespaces = { "user" } } } do
      fails({ "setuid", program }, box, { keys = { user = "nobody" } })
    end
    -- What the root of a user namespace leaves behind is somebody else's outside.
    local shared <const> = harness.directory()
    assert(sys.chmod(shared, 511))
    local function use(path)
      return harness.run { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", path, "root" }
    end
    succeeds { "plant", shared .. "/outside" }
    assert.equal(0, (use(shared .. "/outside")))
    assert.is_true((sandboxed.attack({ "plant", shared .. "/inside" }, { uid_map = KINDS[2][2].uid_map })))
    assert.equal(1, (use(shared .. "/inside")))
  end)

  attack("does not leave it the groups that it had before", function()
    local file <const> = harness.write(harness.directory() .. "/of-group-27", "x")
    os.execute(("chown 0:27 %s && chmod 640 %s"):format(file, file))
    local start <const> = { under = { "setpriv", "--groups=27", "--" } }
    assert.equal(0, (harness.run { "setpriv", "--reuid=4711", "--groups=27", "cat", file }))
    fails({ "read", file }, nil, { start = start, keys = { user = 4711, group = 4711 } })
    fails({ "read", file }, { uid_map = { { inside = 0, outside = 4711 } } }, { start = start })
    fails({ "read", file }, { namespaces = { "user" } }, { start = start, keys = { user = 4711, group = 4711 } })
  end)

  attack("lets it make no more processes than it may", function()
    local keys <const> = { user = 4719, group = 4719 }
    succeeds({ "forks", "60" }, { keys = keys })
    keys.limits = { nproc = 30 }
    for _, box in ipairs { { caps = {} }, { namespaces = { "pid" } }, { namespaces = { "pid", "user" } } } do
      fails({ "forks", "60" }, box, { keys = keys })
    end
  end)
end)

describe("the supervisor", function()
  after_each(harness.cleanup)

  -- A ward as an ordinary user, whose own rights the attacker has as well.
  local function victim(uid)
    local under <const> = uid and harness.UNPRIVILEGED or nil
    local w <const> = harness.start(
      'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', { under = under })
    w:until_ready "y"
    return w
  end

  -- Sandboxes that hide it: their numbers of processes are their own.
  local function boxes(more)
    local list <const> = {
      { namespaces = { "pid", "user" } },
      { namespaces = { "pid", "user" }, proc = true },
      { profile = "strict", tmpfs = {} },
    }
    for _, box in ipairs(list) do
      for key, value in pairs(more or {}) do box[key] = value end
    end
    return list
  end

  for _, verb in ipairs { "signal", "ptrace" } do
    attack(verb .. " does not reach it", function()
      for _, uid in ipairs { false, 4711 } do
        local w <const> = victim(uid)
        local pid <const> = tostring(w.pid)
        local start <const> = uid and { under = harness.UNPRIVILEGED } or nil
        local arguments <const> = { verb, pid }
        -- Of nobody but root can it be traced at all.
        if uid and verb == "ptrace" then
          fails(arguments, nil, { start = start })
        else
          succeeds(arguments, { start = start })
        end
        for _, box in ipairs(boxes()) do fails(arguments, box, { start = start }) end
        assert.is_true(sys.alive(w.pid))
        w:stop()
      end
    end)

    attack(verb .. " does not reach a sibling", function()
      local w <const> = victim(4711)
      local arguments <const> = { verb, tostring(w:status("y").pid) }
      local start <const> = { under = harness.UNPRIVILEGED }
      succeeds(arguments, { start = start })
      for _, box in ipairs(boxes()) do fails(arguments, box, { start = start }) end
      w:stop()
    end)
  end

  attack("does not leak a directory through /proc/PID, nor does the init", function()
    local w <const> = victim()
    succeeds { "leak", tostring(w.pid), "etc/shadow" }
    for _, pid in ipairs { tostring(w.pid), "1", "self" } do
      fails_in_jails { "leak", pid, "etc/shadow" }
    end
    w:stop()
    -- An init that may be looked into would be a way out of what its program has put on itself.
    local text <const> = fails({ "leak", "1", "etc/shadow" }, { profile = "strict", tmpfs = {} },
      { keys = { user = "nobody" } })
    assert.is_truthy(text:find("/proc/1/root/etc/shadow: Permission denied", 1, true), text)
    local ok <const> = sandboxed.attack({ "ptrace", "1" }, { namespaces = { "pid" }, proc = true, caps = {} },
      { keys = { user = "nobody" } })
    assert.is_false(ok)
  end)

  attack("is not overwritten through /proc/PID/exe, nor is the init", function()
    local program <const> = select(2, sandboxed.copy(harness.probe))
    local pid <const> = assert(sys.spawn({ program, "--hold" }, { stdout = "/dev/null" }))
    succeeds { "overwrite", tostring(pid) }
    sys.wait(pid, 5)
    assert.equal("x", harness.read(program):sub(1, 1))
    local size <const> = lfs.attributes(harness.ward).size
    local w <const> = victim()
    for _, target in ipairs { tostring(w.pid), "1" } do
      fails_in_jails { "overwrite", target }
      for _, box in ipairs(boxes()) do fails({ "overwrite", target }, box) end
    end
    assert.is_true(sys.alive(w.pid))
    assert.equal(size, lfs.attributes(harness.ward).size)
    w:stop()
  end)
end)

describe("another process of the same user", function()
  after_each(harness.cleanup)

  attack("is no way past what is read-only", function()
    local dir <const> = harness.directory()
    assert(sys.chmod(dir, 511)) -- 0777
    local pid <const> = assert(sys.spawn({ "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "sleep",
      "1000" }, { stdout = "/dev/null" }))
    local status <const> = ("/proc/%d/status"):format(pid)
    harness.until_(function()
      local text <const> = harness.read(status)
      return text:find "Name:%ssleep" and text:find "Uid:%s4711"
    end, nil, "its user")
    local arguments <const> = { "write", ("/proc/%d/root%s/a"):format(pid, dir) }
    local opts <const> = { keys = { user = 4711, group = 4711 } }
    succeeds(arguments, opts)
    -- This is why ward explain counts it as open.
    assert.is_true((sandboxed.attack(arguments, { readonly = true }, opts)))
    for _, box in ipairs { { proc = true, namespaces = { "pid" } }, { namespaces = { "user" } },
      { landlock = { scope = { "signal" } } }, { tmpfs = { "/proc" } } } do
      box.readonly = true
      fails(arguments, box, opts)
    end
    sys.kill(pid, "KILL")
    sys.wait(pid, 20)
  end)
end)

describe("a rootfs that an attacker changes", function()
  after_each(harness.cleanup)

  -- A root whose /data leads to the same path outside when it is followed there.
  local function make()
    local root <const> = sandboxed.copy(harness.probe)
    local outside <const> = harness.directory() .. "/outside"
    local source <const> = harness.directory()
    harness.write(source .. "/mark", "x")
    assert(lfs.mkdir(outside))
    assert(lfs.mkdir(root .. "/dir"))
    assert(lfs.mkdir(root .. "/proc"))
    assert(lfs.link(outside, root .. "/link", true))
    return root, outside, source
  end

  attack("does not have mounts placed outside by a link", function()
    local root <const>, outside <const>, source <const> = make()
    -- A mount by its path from outside, as a careless supervisor makes it.
    assert.equal(0, (harness.run { "unshare", "-m", "sh", "-c",
      ("mount --bind %s %s/link && test -e %s/mark"):format(source, root, outside) }))
    local view <const> = sandboxed.run { cmd = { "/probe" },
      sandbox = { rootfs = root, mounts = { { type = "bind", source = source, target = "/link" } } } }
    assert.same({ "spawn_failed", "mount" }, { view.last_exit.kind, view.last_exit.stage })
  end)

  attack("does not have them placed outside while it changes", function()
    local root <const>, outside <const>, source <const> = make()
    assert(lfs.mkdir(root .. "/data")) -- what check wants to see
    local w <const> = harness.start(sandboxed.script { cmd = { "/probe" }, sandbox = { rootfs = root, proc = true,
      namespaces = { "pid" }, mounts = { { type = "bind", source = source, target = "/data" } } } })
    -- data is a directory and a link in turn, as fast as can be.
    local racer <const> = assert(sys.spawn({ "sh", "-c", ([[cd %s; while :; do
      mv -T dir data 2>/dev/null; mv -T data dir; mv -T link data; mv -T data link; done]]):format(root) },
      { stdout = "/dev/null", stderr = "/dev/null" }))
    local placed, missed = 0, 0
    local deadline <const> = sys.now() + 20
    while (placed < 3 or missed < 3) and sys.now() < deadline do
      local exit <const> = w:until_(function()
        local v <const> = w:status "x"
        return (v.state == "done" or v.state == "failed") and v.last_exit
      end, nil, "the end of x")
      if exit.kind == "exited" then
        placed = placed + 1
      else
        assert.equal("mount", exit.stage)
        missed = missed + 1
      end
      w:cli("start", "x", "--no-wait")
    end
    sys.kill(racer, "KILL")
    sys.wait(racer, 5)
    w:until_(function()
      local v <const> = w:status "x"
      return v.state == "done" or v.state == "failed"
    end, nil, "the end of x")
    w:stop()
    assert.is_true(placed >= 3 and missed >= 3, ("%d placed, %d missed"):format(placed, missed))
    for report in w:log("x"):gmatch("(%b{})") do
      for _, mount in ipairs(cjson.decode(report).mounts) do
        -- A mount stays on its directory, which may have been renamed since.
        local at <const> = mount.target
        assert.is_true(at == "/" or at == "/data" or at == "/dir" or at == "/proc", at)
      end
    end
    assert.is_nil(lfs.attributes(outside .. "/mark"))
  end)
end)

describe("the init of a pid namespace", function()
  after_each(harness.cleanup)

  attack("does nothing for its program that the filter denies it", function()
    local dir <const>, program <const> = sandboxed.copy(harness.attack)
    assert(sys.chmod(dir, 511)) -- 0777
    local function made(name) return lfs.attributes(dir .. "/" .. name) ~= nil end
    -- A parent that no filter holds.
    local free <const> = dir .. "/free"
    local parent <const> = assert(sys.spawn { "sh", "-c", ("%s puppet 0 %s & wait"):format(program, free) })
    harness.until_(function() return made "free" end, nil, "what the parent was made to do")
    sys.kill(parent, "KILL") -- its registers are not what they were: it need not end by itself
    sys.wait(parent, 20)
    local seccomp <const> = { deny = { "mkdir", "mkdirat" } }
    for name, service in pairs {
      root = { sandbox = { namespaces = { "pid" }, proc = true, seccomp = seccomp } },
      user = { user = 4711, group = 4711, sandbox = { namespaces = { "pid", "user" }, seccomp = seccomp } },
      tracer = { user = 4711, group = 4711, sandbox = { namespaces = { "pid" }, proc = true, seccomp = seccomp,
        caps = { "sys_ptrace" } } },
    } do
      service.cmd, service.cwd = { program, "puppet", "0", dir .. "/" .. name }, "/"
      local view <const>, text <const> = sandboxed.run(service)
      assert.is_false(made(name), name .. ": " .. text)
      assert.is_truthy(view.last_exit.kind == "signaled" or view.last_exit.code == 1, name .. ": " .. text)
    end
  end)

  attack("has no capability but CAP_KILL, no new privilege and a filter", function()
    local w <const> = harness.start(sandboxed.script { cmd = { "sleep", "1000" }, cwd = "/",
      sandbox = { namespaces = { "pid" } } })
    local status <const> = harness.read(("/proc/%d/status"):format(w:until_ready "x"))
    assert.equal("1", status:match("NoNewPrivs:%s*(%d)"))
    assert.equal("2", status:match("Seccomp:%s*(%d)"))
    assert.equal(0x20, tonumber(status:match("CapPrm:%s*(%x+)"), 16))
    w:stop()
  end)
end)
