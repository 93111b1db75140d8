-- Namespaces and mounts as the program sees them, with and without privilege.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local ENOENT <const>, EACCES <const>, EROFS <const> = 2, 13, 30

local function bind(source, target, more)
  local row = { type = "bind", source = source, target = target }
  for key, value in pairs(more or {}) do row[key] = value end
  return row
end

local function mkdir(path)
  assert(lfs.mkdir(path))
  assert(sys.chmod(path, 511)) -- 0777: also for an ordinary user
  return path
end

local function open_file(path)
  harness.write(path, "x")
  assert(sys.chmod(path, 438)) -- 0666
  return path
end

local function outside()
  local _, out <const> = harness.run { harness.probe }
  return cjson.decode(out)
end

for _, way in ipairs(sandboxed.BOTH) do
  local title <const>, start <const> = way[1], way[2]

  describe("a sandbox " .. title, function()
    after_each(harness.cleanup)

    it("has namespaces of its own, and only those", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local host <const> = outside()
      local names <const> = { cgroup = "cgroup", ipc = "ipc", mnt = "mount", net = "net", pid = "pid", time = "time",
        user = "user", uts = "uts" }
      local some <const> = sandboxed.probe({ namespaces = { "user", "ipc", "net" } }, { start = start })
      local all <const> = sandboxed.probe({ namespaces = { "cgroup", "ipc", "mount", "net", "pid", "time", "user",
        "uts" } }, { start = start })
      for file, name in pairs(names) do
        local own <const> = name == "user" or name == "ipc" or name == "net"
        assert.equal(own, host.namespaces[file] ~= some.namespaces[file], name)
        -- /proc is the host's, and does not know who we are in our pid namespace.
        if file ~= "pid" then assert.not_equal(host.namespaces[file], all.namespaces[file], name) end
      end
      assert.is_true(some.loopback)
      assert.is_true(all.pid > 1)
      assert.equal(1, all.ppid)
    end)

    it("has a host name of its own", function()
      if not sandboxed.is_root() then return pending "needs root" end
      assert.equal("jail.example", sandboxed.probe({ hostname = "jail.example", namespaces = { "user" } },
        { start = start }).hostname)
      assert.not_equal("jail.example", outside().hostname)
    end)

    it("has a root with nothing in it but what it was given", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local dir <const> = harness.directory()
      assert(sys.chmod(dir, 511))
      open_file(dir .. "/read")
      local file <const> = open_file(harness.directory() .. "/single")
      local seen <const> = sandboxed.probe({
        tmpfs = { "/", "/tmp" }, proc = true, readonly = true, namespaces = { "pid", "user" },
        mounts = { bind(dir, "/srv/data"), bind(dir, "/srv/seen", { readonly = true }), bind(file, "/etc/single"),
          bind(dir .. "/none", "/srv/none", { optional = true }) },
      }, { at = "/probe", lists = { "/", "/srv", "/etc", "/tmp", "/srv/data", dir },
        tries = { "/srv/data/read", "/srv/seen/read", "/etc/single", "/new" }, start = start })
      assert.same({
        ["/"] = { "etc", "probe", "proc", "srv", "tmp" }, ["/srv"] = { "data", "seen" }, ["/etc"] = { "single" },
        ["/tmp"] = {}, ["/srv/data"] = { "read" }, [dir] = ENOENT,
      }, seen.lists)
      assert.same({ ["/srv/data/read"] = { 0, 0 }, ["/srv/seen/read"] = { 0, EROFS }, ["/etc/single"] = { 0, 0 },
        ["/new"] = { ENOENT, ENOENT } }, seen.tries)
      local mounts <const> = sandboxed.mounts(seen)
      local count = 0
      for _ in pairs(mounts) do count = count + 1 end
      assert.equal(7, count) -- nothing of the host's
      assert.is_true(sandboxed.has(mounts["/"].options, "ro"))
      assert.is_true(sandboxed.has(mounts["/tmp"].options, "rw"))
      for _, target in ipairs { "/srv/data", "/tmp", "/proc" } do
        assert.is_true(sandboxed.has(mounts[target].options, "nosuid"), target)
        assert.is_true(sandboxed.has(mounts[target].options, "nodev"), target)
      end
      assert.equal("/", seen.cwd)
    end)

    it("has a directory of the host as its root", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local root <const>, program <const> = sandboxed.copy(harness.probe)
      mkdir(root .. "/tmp")
      mkdir(root .. "/data")
      open_file(root .. "/file")
      local dir <const> = harness.directory()
      open_file(dir .. "/x")
      for _, readonly in ipairs { false, true } do
        local view <const>, text <const> = sandboxed.run({
          cmd = { "/probe", "--list", "/", "--list", "/data", "--try", "/file", "--try", program },
          sandbox = { rootfs = root, readonly = readonly, tmpfs = { "/tmp" }, mounts = { bind(dir, "/data") },
            namespaces = { "user" } },
        }, start)
        assert.equal("exited", view.last_exit.kind, view.last_exit.message)
        local seen <const> = cjson.decode(text)
        assert.same({ ["/"] = { "data", "file", "probe", "tmp" }, ["/data"] = { "x" } }, seen.lists)
        assert.same({ ["/file"] = { 0, readonly and EROFS or 0 }, [program] = { ENOENT, ENOENT } }, seen.tries)
        assert.equal("/", seen.cwd)
        assert.equal(cjson.null, seen.uid_map) -- no /proc
      end
      assert.is_nil(lfs.attributes(root .. "/proc"))
    end)

    it("has the host's tree read-only, but for its own places", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local dir <const> = harness.directory()
      mkdir(dir .. "/own")
      mkdir(dir .. "/empty")
      open_file(dir .. "/file")
      open_file(dir .. "/own/file")
      local seen <const> = sandboxed.probe({ readonly = true, tmpfs = { dir .. "/empty" },
        mounts = { bind(dir .. "/own", dir .. "/own") }, namespaces = { "user" } },
        { tries = { dir .. "/file", dir .. "/own/file" }, lists = { dir .. "/empty" }, start = start })
      assert.same({ [dir .. "/file"] = { 0, EROFS }, [dir .. "/own/file"] = { 0, 0 } }, seen.tries)
      assert.same({}, seen.lists[dir .. "/empty"])
      for _, mount in ipairs(seen.mounts) do
        if mount.target ~= dir .. "/own" and mount.target ~= dir .. "/empty" then
          assert.is_true(sandboxed.has(mount.options, "ro"), mount.target)
        end
      end
    end)

    it("has a /proc of its own processes, and a /dev without hardware", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local seen <const> = sandboxed.probe({ proc = true, dev = "minimal", namespaces = { "pid", "user" } },
        { lists = { "/proc", "/dev", "/dev/pts", "/dev/shm" }, start = start,
          tries = { "/dev/null", "/dev/zero", "/dev/urandom", "/proc/sys/kernel/core_pattern", "/dev/ptmx" } })
      local pids = {}
      for _, name in ipairs(seen.lists["/proc"]) do
        if name:find("^%d+$") then pids[#pids + 1] = name end
      end
      assert.same({ "1", ("%d"):format(seen.pid) }, pids)
      assert.same({ "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero" }, seen.lists["/dev"])
      assert.same({ "ptmx" }, seen.lists["/dev/pts"])
      assert.same({}, seen.lists["/dev/shm"])
      for _, name in ipairs { "null", "zero", "ptmx" } do assert.same({ 0, 0 }, seen.tries["/dev/" .. name], name) end
      assert.not_equal(0, seen.tries["/proc/sys/kernel/core_pattern"][2])
    end)

    it("has file systems of the size and mode that it was given", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local seen <const> = sandboxed.probe({ proc = true, namespaces = { "pid", "user", "ipc" }, tmpfs = { "/" },
        mounts = {
          { type = "tmpfs", target = "/small", size = "1M", mode = "0750" },
          { type = "tmpfs", target = "/ro", readonly = true }, { type = "mqueue", target = "/mq" },
        } }, { at = "/probe", start = start, lists = { "/mq" } })
      local mounts <const> = sandboxed.mounts(seen)
      assert.is_true(sandboxed.has(mounts["/small"].super, "size=1024k"))
      assert.is_true(sandboxed.has(mounts["/small"].super, "mode=750"))
      assert.is_true(sandboxed.has(mounts["/ro"].options, "ro"))
      assert.equal("mqueue", mounts["/mq"].type)
      assert.same({}, seen.lists["/mq"])
    end)

    it("does not start when something cannot be mounted, and says what", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local function message(sandbox, between)
        sandbox.namespaces = { "user" }
        local view <const> = sandboxed.run({ cmd = { "/bin/true" }, cwd = "/", sandbox = sandbox }, start, between)
        assert.equal("spawn_failed", view.last_exit.kind)
        return view.last_exit.message
      end
      -- What was there when it was checked, and is no more.
      for text, make in pairs {
        ["cannot make the mount for /mnt of %s: No such file or directory (stage mount_make)"] = function(dir)
          return { mounts = { bind(dir, "/mnt") } }
        end,
        ["cannot mount on %s: No such file or directory (stage mount)"] = function(dir) return { tmpfs = { dir } } end,
      } do
        local dir <const> = harness.directory() .. "/gone"
        assert(lfs.mkdir(dir))
        assert.equal(text:format(dir), message(make(dir), function() assert(lfs.rmdir(dir)) end))
      end
      local dir <const> = harness.directory() .. "/file"
      assert(lfs.mkdir(dir))
      assert.equal(("cannot mount on %s: Invalid argument (stage mount)"):format(dir), message({ tmpfs = { dir } },
        function()
          assert(lfs.rmdir(dir))
          harness.write(dir, "")
        end))
      assert.equal("cannot exec /bin/true: No such file or directory (stage exec)", message { tmpfs = { "/" } })
      assert.equal("cannot change to directory /tmp: No such file or directory (stage cwd)",
        sandboxed.run({ cmd = { "/bin/true" }, cwd = "/tmp", sandbox = { tmpfs = { "/" }, namespaces = { "user" } } },
          start).last_exit.message)
    end)

    it("is the same in every clone mode", function()
      if not sandboxed.is_root() then return pending "needs root" end
      for _, clone in ipairs { "shared", "vfork", "copy" } do
        local seen <const> = sandboxed.probe({ tmpfs = { "/" }, proc = true, dev = "minimal", hostname = clone,
          namespaces = { "pid", "net", "user" } }, { at = "/bin/probe", lists = { "/" }, start = start,
          keys = { clone = clone } })
        assert.same({ "bin", "dev", "proc" }, seen.lists["/"], clone)
        assert.same({ clone, true, 1 }, { seen.hostname, seen.loopback, seen.ppid })
        assert.same({ blocked = {}, ignored = {}, caught = {} }, seen.signals)
        assert.equal(3, #seen.fds)
      end
    end)

    it("keeps its mounts to itself", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local before <const> = harness.read "/proc/self/mountinfo"
      local dir <const> = mkdir(harness.directory() .. "/here")
      local w <const> = harness.start(sandboxed.script { cmd = { "sleep", "1000" }, cwd = "/",
        sandbox = { tmpfs = { dir }, namespaces = { "user" } } }, start)
      w:until_ready "x"
      assert.equal(before, harness.read "/proc/self/mountinfo")
      w:stop()
      assert.equal(before, harness.read "/proc/self/mountinfo")
    end)

    it("may make no user namespace below its own, unless it is told so", function()
      if not sandboxed.is_root() then return pending "needs root" end
      for _, nested in ipairs { false, true } do
        assert.equal(nested, (sandboxed.attack({ "userns", "/mnt" }, { namespaces = { "user" }, nested = nested },
          { start = start })))
      end
      assert.is_true(tonumber(harness.read "/proc/sys/user/max_user_namespaces") > 0)
    end)

    for _, name in ipairs { "strict", "web", "worker" } do
      it("is what the profile " .. name .. " says", function()
        if not sandboxed.is_root() then return pending "needs root" end
        local seen <const> = sandboxed.probe({ profile = name }, { at = "/tmp/probe", start = start,
          lists = { "/tmp", "/dev/shm" }, tries = { "/etc/passwd" } })
        assert.same({ "probe" }, seen.lists["/tmp"])
        assert.equal(0, seen.tries["/etc/passwd"][1])
        assert.not_equal(0, seen.tries["/etc/passwd"][2])
        assert.is_true(seen.no_new_privs)
        assert.equal(2, seen.seccomp)
        for set, hex in pairs(seen.caps) do assert.equal(0, tonumber(hex, 16), set) end
        local host <const> = outside()
        for _, file in ipairs { "ipc", "mnt", "user", "uts" } do
          assert.not_equal(host.namespaces[file], seen.namespaces[file])
        end
        assert.equal(name == "strict", host.namespaces.net ~= seen.namespaces.net)
      end)
    end
  end)
end

describe("a sandbox as root", function()
  after_each(harness.cleanup)

  local MAP <const> = { { inside = 0, outside = 100000, count = 1000 }, { inside = 5000, outside = 4711, count = 1 } }

  it("has users and groups by its map, also in several lines", function()
    if not sandboxed.is_root() then return pending "needs root" end
    for _, clone in ipairs { "shared", "vfork", "copy" } do
      local w <const> = harness.start(sandboxed.script { cmd = { "sleep", "1000" }, cwd = "/", clone = clone, user = 7,
        group = 8, groups = { 8, 5000, 9 }, sandbox = { uid_map = MAP } })
      local pid <const> = w:until_ready "x"
      local status <const> = harness.read(("/proc/%d/status"):format(pid))
      assert.equal("100007\t100007\t100007\t100007", status:match("Uid:%s*([^\n]+)"))
      assert.equal("100008\t100008\t100008\t100008", status:match("Gid:%s*([^\n]+)"))
      assert.equal("4711 100008 100009", (status:match("Groups:%s*([^\n]-) ?\n")))
      w:stop()
    end
    local seen <const> = sandboxed.probe({ uid_map = MAP })
    assert.same({ real = 0, effective = 0, saved = 0 }, seen.uid)
    assert.same({ real = 0, effective = 0, saved = 0 }, seen.gid)
    assert.same({}, seen.groups)
    assert.equal("0 100000 1000\n5000 4711 1\n", (seen.uid_map:gsub(" +", " "):gsub("^ ", ""):gsub("\n ", "\n")))
    assert.equal(seen.uid_map, seen.gid_map)
  end)

  it("owns its terminal, and may open its output anew, as the user that it is outside", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local w <const> = harness.start(sandboxed.script { cwd = "/", user = 7, group = 8, tty = true,
      cmd = { "sh", "-c", "echo $(tty) >/dev/stdout; sleep 1000" }, sandbox = { uid_map = MAP } })
    w:until_says "/dev/pts/%d+"
    assert.equal(100007, lfs.attributes(w:log("x"):match "/dev/pts/%d+", "uid"))
    w:stop()
    local view <const>, text <const> = sandboxed.run { cwd = "/", sandbox = { uid_map = MAP, caps = {} },
      cmd = { "sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr" } }
    assert.same({ 0, "out\nerr\n" }, { view.last_exit.code, text })
  end)

  it("knows only the program's own ids without a map", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local seen <const> = sandboxed.probe({ namespaces = { "user" } },
      { keys = { user = 12, group = 34, groups = { 56, 34 } } })
    assert.same({ 12, 34, { 34, 56 } }, { seen.uid.real, seen.gid.real, seen.groups })
    assert.equal("12 12 1", (seen.uid_map:gsub("%s+", " "):match("^ ?(.-) ?$")))
    assert.equal("34 34 1 56 56 1", (seen.gid_map:gsub("%s+", " "):match("^ ?(.-) ?$")))
  end)

  it("keeps capabilities that count inside alone", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local seen = sandboxed.probe({ uid_map = MAP, caps = { "net_bind_service", "kill" } })
    assert.same({ 1 << 10 | 1 << 5 }, { tonumber(seen.caps.effective, 16) })
    local file <const> = open_file(harness.directory() .. "/closed")
    assert(sys.chmod(file, 0))
    seen = sandboxed.probe({ uid_map = MAP }, { tries = { file } })
    assert.not_equal(0, tonumber(seen.caps.effective, 16))
    assert.same({ EACCES, EACCES }, seen.tries[file]) -- dac_override is nothing to the host's files
  end)

  it("is refused when it is not possible, before anything starts", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local function check(keys)
      local path <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script(keys))
      local code <const>, _, err <const> = harness.run { harness.ward, "check", path }
      assert.equal(1, code)
      return err:match("service \"x\": (.*)\n")
    end
    assert.equal("sandbox.uid_map: no user is 2000 inside, which the program is to be",
      check { cmd = { "true" }, user = 2000, group = 1, sandbox = { uid_map = MAP } })
    assert.equal('sandbox.mounts[1].source: is required',
      check { cmd = { "true" }, sandbox = { mounts = { { type = "bind", target = "/x" } } } })
    assert.equal('sandbox: unknown profile "strickt" (did you mean "strict"?); there are strict, web, worker',
      check { cmd = { "true" }, sandbox = "strickt" })
  end)

  it("opens the descriptors' paths on the host", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local dir <const> = harness.directory()
    harness.write(dir .. "/in", "from the host\n")
    local _, program <const> = sandboxed.copy(harness.probe)
    local view <const> = sandboxed.run { cmd = { "/probe" }, stdin = dir .. "/in", stdout = dir .. "/out",
      sandbox = { tmpfs = { "/" }, mounts = { bind(program, "/probe") } } }
    assert.equal("done", view.state, view.last_exit.message)
    local seen <const> = cjson.decode(harness.read(dir .. "/out"))
    assert.same({ "/" }, { seen.cwd })
    assert.same({ 0, 1, 2 }, { seen.fds[1].fd, seen.fds[2].fd, seen.fds[3].fd })
  end)

  it("follows links of a rootfs within it, and those of the host's own tree", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local root <const>, program <const> = sandboxed.copy(harness.probe)
    local dir <const> = harness.directory()
    open_file(dir .. "/mark")
    for _, name in ipairs { "/var", "/run" } do
      mkdir(root .. name)
      assert(sys.chmod(root .. name, 493)) -- 0755: a link that others could change is not followed
    end
    assert(lfs.link("/run", root .. "/var/run", true))
    assert(lfs.link("../../../../run", root .. "/up", true))
    for _, target in ipairs { "/var/run", "/up" } do
      local view <const>, text <const> = sandboxed.run { cmd = { "/probe", "--list", "/run" },
        sandbox = { rootfs = root, mounts = { bind(dir, target) } } }
      assert.equal("done", view.state, view.last_exit.message)
      assert.same({ "mark" }, cjson.decode(text).lists["/run"])
    end
    local link <const> = dir .. "/link"
    assert(lfs.link(root .. "/run", link, true))
    local view <const>, text <const> = sandboxed.run { cwd = "/", cmd = { program, "--list", root .. "/run" },
      sandbox = { mounts = { bind(dir, link) } } }
    assert.equal("done", view.state, view.last_exit.message)
    assert.same({ "link", "mark" }, cjson.decode(text).lists[root .. "/run"])
  end)
end)

describe("a sandbox as an ordinary user", function()
  after_each(harness.cleanup)
  local start <const> = { under = harness.UNPRIVILEGED }

  it("knows that user alone, as himself or under another number", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local seen = sandboxed.probe({ namespaces = { "user" } }, { start = start })
    assert.same({ 4711, 4711 }, { seen.uid.real, seen.gid.real })
    seen = sandboxed.probe({ uid_map = { { inside = 0, outside = 4711 } } }, { start = start })
    assert.same({ 0, 0 }, { seen.uid.real, seen.gid.real })
    assert.equal(0, tonumber(seen.caps.effective, 16) & 1 << 21) -- CAP_SYS_ADMIN would undo its mounts
    assert.not_equal(0, tonumber(seen.caps.effective, 16))
    -- Root inside would get back by exec what its list leaves out; nobody else.
    for inside, bits in pairs { [0] = 3, [12] = 0 } do
      seen = sandboxed.probe({ uid_map = { { inside = inside, outside = 4711 } }, caps = { bounding = { "kill" },
        permitted = { "kill" }, effective = {}, inheritable = {} } }, { start = start })
      assert.equal(bits, seen.securebits)
    end
  end)

  it("is refused other users, and what needs privilege, with the reason", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local function fate(keys)
      keys.cwd = "/"
      keys.cmd = { "/bin/true" }
      return sandboxed.run(keys, start).last_exit.message
    end
    assert.equal("cannot make the namespaces: net: Operation not permitted (stage namespaces)",
      fate { sandbox = { namespaces = { "net" } } })
    assert.equal("cannot create the process: Operation not permitted (stage clone)",
      fate { sandbox = { namespaces = { "pid" } } })
    local function check(keys)
      keys.cmd = { "/bin/true" }
      local path <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script(keys))
      local code <const>, _, err <const> = harness.run { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups",
        harness.ward, "check", path }
      assert.equal(1, code)
      return err:match("service \"x\": (.*)\n")
    end
    local alone <const> = "sandbox.uid_map: without CAP_SYS_ADMIN a user namespace can only map user 4711 and group "
      .. "4711, each in one line with count = 1"
    assert.equal(alone, check { sandbox = { uid_map = { { inside = 0, outside = 100000, count = 65536 } } } })
    local one <const> = "%s: without CAP_SYS_ADMIN a user namespace knows one user, so user, group and groups "
      .. "cannot be given"
    assert.equal(one:format "user", check { user = "nobody", sandbox = "strict" })
    assert.equal(one:format "group", check { group = "nogroup", sandbox = "strict" })
    assert.equal("sandbox.no_new_privs: false needs CAP_SYS_ADMIN for no_setuid_files, which the program is not to "
      .. "have", check { sandbox = { no_new_privs = false, no_setuid_files = true } })
  end)

  it("is warned of when nothing marks it", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local function warns(box, ...)
      local path <const> = harness.write(harness.directory() .. "/x.lua",
        sandboxed.script { cmd = { "/bin/true" }, cwd = "/", sandbox = box })
      local argv <const> = { ... }
      table.move({ harness.ward, "check", path }, 1, 3, #argv + 1, argv)
      local code <const>, _, err <const> = harness.run(argv)
      assert.equal(0, code, err)
      return err:find("warning: sandbox.no_new_privs: false, and ward has no CAP_SYS_ADMIN", 1, true) ~= nil
    end
    local box <const> = { no_new_privs = false }
    assert.is_true(warns(box, "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"))
    assert.is_false(warns(box, "env"))
    for _, marked in ipairs { {}, { no_new_privs = false, namespaces = { "user" } } } do
      assert.is_false(warns(marked, "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"))
    end
  end)
end)

describe("a sandbox that may do without", function()
  after_each(harness.cleanup)

  it("starts without the namespaces that it cannot have, and says which", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local box <const> = { namespaces = { "cgroup", "ipc", "net", "time" }, hostname = "jail", on_failure = "warn" }
    local seen <const>, view <const>, w <const> = sandboxed.probe(box, { start = { under = harness.UNPRIVILEGED } })
    local messages <const> = {}
    for i, missed in ipairs(view.degraded) do messages[i] = missed.message end
    local function cannot(what) return ("cannot %s: Operation not permitted (stage %%s)"):format(what) end
    local names <const> = cannot("make the namespaces: %s")
    assert.same({ names:format("time", "namespaces"), names:format("cgroup", "namespaces"),
      names:format("uts", "namespaces"), names:format("ipc", "namespaces"), names:format("net", "namespaces"),
      cannot("set the host name"):format("hostname") }, messages)
    for _, message in ipairs(messages) do
      assert.is_truthy(w:err():find("runs without a part of its sandbox: " .. message, 1, true), w:err())
    end
    local host <const> = outside()
    assert.same({ host.namespaces.net, host.hostname }, { seen.namespaces.net, seen.hostname })
    box.on_failure = "silent"
    local silent <const> = select(3, sandboxed.probe(box, { start = { under = harness.UNPRIVILEGED } }))
    assert.is_nil(silent:err():find("runs without", 1, true))
  end)

  it("does not start with half a root, as nobody that was meant, or among the host's processes", function()
    if not sandboxed.is_root() then return pending "needs root" end
    for stage, make in pairs {
      namespaces = function() return { readonly = true } end,
      clone = function() return { namespaces = { "pid" } } end,
      mount = function(dir) return { tmpfs = { dir }, namespaces = { "user" } } end,
    } do
      local dir <const> = harness.directory() .. "/gone"
      assert(lfs.mkdir(dir))
      local box <const> = make(dir)
      box.on_failure = "warn"
      local view <const> = sandboxed.run({ cwd = "/", cmd = { "true" }, sandbox = box },
        { under = harness.UNPRIVILEGED }, function() assert(lfs.rmdir(dir)) end)
      assert.same({ "spawn_failed", stage }, { view.last_exit.kind, view.last_exit.stage })
    end
  end)
end)
