-- Attacks with a symbolic link, laid by a service where ward goes as root: instead of the directory or the file that
-- the script names. Each is made in a directory that the service may write, where ward must not follow it, and in one
-- that it may not, where the same link is the administrator's and leads where it says, also after it has been moved.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local attack <const> = sandboxed.attacks(it, pending)

local UID <const> = 4711

-- A directory of the service's, one of root's in which it could not lay the link, and one that only root may enter,
-- with a file and a directory of root's that everybody could read.
local function places()
  local base <const> = harness.directory()
  assert(sys.chmod(base, 493)) -- 0755
  local p <const> = {}
  for _, name in ipairs { "own", "ours", "hidden", "group" } do
    p[name] = base .. "/" .. name
    assert(lfs.mkdir(p[name]))
  end
  assert(lfs.mkdir(p.hidden .. "/dir"))
  harness.write(p.hidden .. "/dir/file", "SECRET=hidden\n")
  assert(sys.chmod(p.hidden, 448)) -- 0700
  assert(sys.chmod(p.group, 509)) -- 0775
  assert(os.execute(("chown %d:%d %s"):format(UID, UID, p.own)))
  return p
end

local function run(keys, between)
  keys.user, keys.group, keys.cwd = UID, UID, "/"
  return sandboxed.run(keys, nil, between)
end

local function links(at, to)
  return function()
    assert(os.execute("rm -rf " .. at))
    assert(lfs.link(to, at, true))
  end
end

local function refused(view, stage)
  assert.same({ "spawn_failed", stage, 40 }, { view.last_exit.kind, view.last_exit.stage, view.last_exit.errno })
end

describe("a link that a service lays", function()
  after_each(harness.cleanup)

  -- The same mount by a supervisor that takes the path as it is.
  attack("does not have its own files mounted over root's", function()
    local p <const> = places()
    local victim <const> = p.hidden .. "/dir"
    local source <const> = harness.directory()
    assert(sys.chmod(source, 493)) -- 0755
    harness.write(source .. "/mark", "x")
    assert(lfs.link(victim, p.ours .. "/careless", true))
    assert.equal(0, (harness.run { "unshare", "-m", "sh", "-c", ("mount --bind %s %s && test -e %s/mark"):format(source,
      p.ours .. "/careless", victim) }))
    for _, parent in ipairs { p.own, p.group } do
      local target <const> = parent .. "/data"
      assert(lfs.mkdir(target))
      refused(run({ cmd = { "true" }, sandbox = { mounts = { { type = "bind", source = source, target = target } } } },
        links(target, victim)), "mount")
      assert(os.execute("rm " .. target))
      assert(lfs.mkdir(target))
      refused(run({ cmd = { "true" }, sandbox = { tmpfs = { target } } }, links(target, victim)), "mount")
    end
    -- In a root of the service's, too.
    local root <const> = p.own .. "/root"
    local _, program <const> = sandboxed.copy(harness.attack)
    for _, dir in ipairs { "", "/data", "/etc" } do assert(lfs.mkdir(root .. dir)) end
    assert(os.execute(("cp %s %s/attack && chown %d %s"):format(program, root, UID, root)))
    refused(run({ cmd = { "/attack" }, sandbox = { rootfs = root, mounts = { { type = "bind", source = source,
      target = "/data" } } } }, links(root .. "/data", "/etc")), "mount")
  end)

  attack("does not bring into sight what root hides", function()
    local p <const> = places()
    local secret <const> = p.hidden .. "/dir"
    local tree <const> = harness.directory()
    assert(sys.chmod(tree, 493)) -- 0755
    local function keys(source)
      return { cmd = { "cat", tree .. "/file" },
        sandbox = { mounts = { { type = "bind", source = source, target = tree } } } }
    end
    -- What an administrator has linked.
    assert(lfs.link(secret, p.ours .. "/data", true))
    local view, text = run(keys(p.ours .. "/data"))
    assert.equal(0, view.last_exit.code)
    assert.equal("SECRET=hidden\n", text)
    assert(lfs.mkdir(p.own .. "/data"))
    view, text = run(keys(p.own .. "/data"), links(p.own .. "/data", secret))
    refused(view, "mount_make")
    assert.is_nil(text:find "hidden")
    -- Also where it is the root, or on the way to it.
    assert(os.execute(("rm %s/data && mkdir -p %s/a/dir && chown -R %d %s/a"):format(p.own, p.own, UID, p.own)))
    view = run(keys(p.own .. "/a/dir"), links(p.own .. "/a", p.hidden))
    refused(view, "mount_make")
    assert(lfs.mkdir(p.own .. "/root"))
    refused(run({ cmd = { "/file" }, sandbox = { rootfs = p.own .. "/root" } }, links(p.own .. "/root", secret)),
      "mount_make")
  end)

  attack("does not have a file of root's opened for it", function()
    local p <const> = places()
    local file <const> = p.hidden .. "/dir/file"
    assert(lfs.link(file, p.ours .. "/log", true))
    local view = run { cmd = { "echo", "planted" }, stdout = p.ours .. "/log" }
    assert.equal(0, view.last_exit.code)
    assert.is_truthy(harness.read(file):find "planted")
    harness.write(file, "SECRET=hidden\n")
    for _, key in ipairs { "stdout", "stderr", "stdin" } do
      local at <const> = ("%s/%s"):format(p.own, key)
      harness.write(at, "")
      local text
      view, text = run({ cmd = { "sh", "-c", "echo planted; echo planted >&2; cat" }, [key] = at }, links(at, file))
      refused(view, "fd_open")
      assert.is_nil(text:find "hidden")
    end
    assert.equal("SECRET=hidden\n", harness.read(file))
    -- Nor is one made where it leads to nothing.
    local at <const> = p.own .. "/new"
    refused(run({ cmd = { "echo", "planted" }, stdout = at }, links(at, p.hidden .. "/dir/made")), "fd_open")
    assert.is_nil(lfs.attributes(p.hidden .. "/dir/made"))
  end)

  attack("is refused when the script is loaded, with the key that names it", function()
    local p <const> = places()
    local secret <const> = p.hidden .. "/dir"
    for _, parent in ipairs { "own", "ours" } do
      links(p[parent] .. "/link", secret)()
      links(p[parent] .. "/env", secret .. "/file")()
    end
    local why <const> = "a link on the way lies where others than root and ward's user may change it"
    local function check(parent, keys)
      keys.cmd, keys.cwd = { "true" }, "/"
      local path <const> = harness.write(harness.directory() .. "/ward.lua", sandboxed.script(keys))
      local code <const>, out <const>, err <const> = harness.run { harness.ward, "check", path }
      assert.equal(parent == "own" and 1 or 0, code, err)
      return out .. err
    end
    for _, parent in ipairs { "own", "ours" } do
      local link <const> = p[parent] .. "/link"
      for key, keys in pairs {
        ["sandbox.mounts[1].source: " .. link] = { sandbox = { mounts = { { type = "bind", source = link,
          target = "/mnt" } } } },
        ["sandbox.mounts[1].target: " .. link] = { sandbox = { mounts = { { type = "bind", source = "/etc",
          target = link } } } },
        ["sandbox.tmpfs[1]: " .. link] = { sandbox = { tmpfs = { link } } },
        ["sandbox.rootfs: " .. link] = { sandbox = { rootfs = link } },
        [('sandbox.landlock.fs["%s"]'):format(link)] = { sandbox = { landlock = { fs = { [link] = "r",
          ["/"] = "x" } } } },
        env_file = { env_file = p[parent] .. "/env" },
      } do
        local text <const> = check(parent, keys)
        if parent == "own" then
          assert.is_truthy(text:find(key, 1, true), text)
          assert.is_truthy(text:find(why, 1, true), text)
        end
      end
    end
  end)
end)

describe("a link of the administrator's", function()
  after_each(harness.cleanup)

  attack("is followed anew at every start", function()
    local p <const> = places()
    for _, name in ipairs { "1", "2" } do
      assert(lfs.mkdir(p.ours .. "/" .. name))
      harness.write(("%s/%s/number"):format(p.ours, name), name)
    end
    local current <const> = p.ours .. "/current"
    assert(lfs.link("../ours/./1/", current, true))
    local _, text <const> = run({ cmd = { "cat", "/mnt/number" }, sandbox = { mounts = { { type = "bind",
      source = current, target = "/mnt" } } } }, links(current, p.ours .. "/2"))
    assert.equal("12", text)
    -- So is one to a place.
    local place <const> = p.ours .. "/place"
    assert(lfs.link(p.hidden, place, true))
    local view <const> = run { cmd = { "test", "-e", p.hidden .. "/number" }, sandbox = { mounts = { { type = "bind",
      source = current, target = place } } } }
    assert.equal(0, view.last_exit.code)
  end)

  attack("is told from another's where all may write, and only the owner take away", function()
    local p <const> = places()
    local sticky <const> = p.ours .. "/sticky"
    assert(lfs.mkdir(sticky))
    assert(sys.chmod(sticky, 1023)) -- 1777
    local keys <const> = { cmd = { "cat" }, stdin = sticky .. "/link" }
    harness.write(sticky .. "/link", "") -- what check wants to see
    local view <const>, text <const> = run(keys, links(sticky .. "/link", p.hidden .. "/dir/file"))
    assert.equal(0, view.last_exit.code)
    assert.equal("SECRET=hidden\n", text)
    refused(run(keys, function() assert(os.execute(("chown -h %d %s/link"):format(UID, sticky))) end), "fd_open")
  end)

  attack("is that of the sandbox's own root, in a root of its own", function()
    local root <const> = sandboxed.copy(harness.attack)
    for _, dir in ipairs { "/run", "/var" } do assert(lfs.mkdir(root .. dir)) end
    assert(lfs.link("/run", root .. "/var/run", true))
    assert(os.execute("chown -hR 100000:100000 " .. root))
    local mounts <const> = { { type = "bind", source = harness.directory(), target = "/var/run" } }
    local function exit(map)
      return sandboxed.run { cmd = { "/attack", "write", "/run/x" }, sandbox = { rootfs = root, mounts = mounts,
        uid_map = map } }
    end
    assert.equal("exited", exit({ { inside = 0, outside = 100000, count = 10 } }).last_exit.kind)
    refused(exit(nil), "mount")
    refused(exit { { inside = 0, outside = 200000, count = 10 } }, "mount")
  end)

  attack("may also be one of /proc, to what ward has open", function()
    local path <const> = harness.directory() .. "/out"
    local w <const> = harness.start(sandboxed.script { cmd = { "echo", "heard" }, stdout = "/dev/stdout", cwd = "/" },
      { under = { "sh", "-c", 'exec "$@" >>' .. path, "sh" } })
    harness.until_(function() return harness.read(path):find("heard", 1, true) end, nil, "the word")
    w:stop()
  end)

  attack("that leads in a circle ends the walk", function()
    local p <const> = places()
    for from, to in pairs { a = "b", b = "a" } do assert(lfs.link(to, p.ours .. "/" .. from, true)) end
    refused(run { cmd = { "true" }, stdout = p.ours .. "/a" }, "fd_open")
  end)

  attack("works without privilege", function()
    local dir <const> = harness.directory()
    assert(os.execute(("chown %d %s && cd %s && mkdir real && ln -s real link && echo x >real/file"):format(UID, dir,
      dir)))
    local view <const> = sandboxed.run({ cmd = { "test", "-e", "/mnt/file" }, cwd = "/", sandbox = { namespaces = {
      "user" }, mounts = { { type = "bind", source = dir .. "/link", target = "/mnt" } } } },
      { under = harness.UNPRIVILEGED })
    assert.equal(0, view.last_exit.code)
  end)
end)
