-- From the keys about files to the list of mounts: their order, and what new file systems hold before.

local kit <const> = require "lua.schema.kit"

local function tree(keys)
  keys.namespaces = { "pid" }
  return kit.good({ sandbox = keys }).sandbox.tree
end

local function targets(list)
  local names = {}
  for i, row in ipairs(list) do names[i] = row.target end
  return names
end

local function bind(source, target, more)
  local row = { type = "bind", source = source, target = target }
  for key, value in pairs(more or {}) do row[key] = value end
  return row
end

describe("schema: the tree", function()
  it("is nothing where files are left alone", function()
    assert.is_nil(tree {})
  end)

  it("makes the host's tree read-only where no other root is", function()
    assert.same({ mounts = {}, host = { readonly = true } }, tree { readonly = true })
    assert.same({ nodev = true }, tree({ dev = "minimal" }).host)
    assert.is_nil(tree({ tmpfs = { "/tmp" } }).host)
    local jail <const> = tree { rootfs = "/jail", readonly = true, dev = "minimal" }
    assert.is_nil(jail.host)
    assert.same({ source = "/jail", target = "/", readonly = true, nodev = true }, jail.mounts[1])
  end)

  it("has parents before what lies below, whatever the order of keys", function()
    assert.same({ "/", "/a-b", "/a", "/a/b", "/a/b/c", "/ab", "/proc" }, targets(tree({ rootfs = "/jail", proc = true,
      tmpfs = { "/ab", "/a/b" }, mounts = { bind("/x", "/a/b/c"), bind("/x", "/a-b"), bind("/x", "/a") } }).mounts))
  end)

  it("makes places in its own file systems, and nowhere else", function()
    local list <const> = tree({ tmpfs = { "/" }, proc = true, mounts = { bind("/usr", "/usr", { readonly = true }),
      bind("/etc/passwd", "/etc/passwd"), bind("/etc/group", "/etc/group"), bind("/x", "/usr/x"),
      { type = "tmpfs", target = "/usr/t", size = 4096, mode = 0 }, bind("/y", "/usr/t/d/e") } }).mounts
    assert.same({ "/", "/etc/group", "/etc/passwd", "/proc", "/usr", "/usr/t", "/usr/t/d/e", "/usr/x" }, targets(list))
    assert.same({
      { kind = "dir", path = "etc", mode = 493 }, { kind = "like", path = "etc/group", like = 2 },
      { kind = "like", path = "etc/passwd", like = 3 }, { kind = "dir", path = "proc", mode = 493 },
      { kind = "like", path = "usr", like = 5 },
    }, list[1].fills)
    assert.same({ type = "tmpfs", target = "/usr/t", nosuid = true, nodev = true,
      options = { "mode", "0000", "size", "4096" },
      fills = { { kind = "dir", path = "d", mode = 493 }, { kind = "like", path = "d/e", like = 7 } } }, list[6])
    assert.same({ source = "/usr", target = "/usr", readonly = true, nosuid = true, nodev = true }, list[5])
  end)

  it("has device nodes only where they were asked for", function()
    local list <const> = tree({ mounts = { bind("/dev/kvm", "/dev/kvm", { dev = true }), bind("/dev", "/d") } }).mounts
    assert.is_true(list[1].nodev)
    assert.is_nil(list[2].nodev)
    assert.is_true(list[2].nosuid)
  end)

  it("has a /dev to which a script can add, and whose parts it can replace", function()
    local list <const> = tree({ dev = "minimal", mounts = { bind("/dev/kvm", "/dev/kvm", { dev = true }),
      { type = "tmpfs", target = "/dev/shm", size = 4096 } } }).mounts
    assert.same({ "/dev", "/dev/full", "/dev/kvm", "/dev/null", "/dev/pts", "/dev/random", "/dev/shm", "/dev/tty",
      "/dev/urandom", "/dev/zero" }, targets(list))
    assert.same({ "mode", "1777", "size", "4096" }, list[7].options)
    assert.is_true(list[1].readonly)
    local made = {}
    for _, fill in ipairs(list[1].fills) do made[fill.path] = fill.kind end
    assert.same({ fd = "link", ptmx = "link", stderr = "link", stdin = "link", stdout = "link", full = "like",
      kvm = "like", null = "like", pts = "dir", random = "like", shm = "dir", tty = "like", urandom = "like",
      zero = "like" }, made)
  end)
end)
