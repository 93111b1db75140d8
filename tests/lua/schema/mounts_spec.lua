-- sandbox.rootfs, readonly, mounts, tmpfs, proc and dev: what is canonical, and what is refused.

local kit <const> = require "lua.schema.kit"
local schema <const> = require "ward.schema"

local function good(sandbox) return kit.good({ sandbox = sandbox }).sandbox end
local function bad(sandbox, message) kit.bad({ sandbox = sandbox }, "sandbox" .. message) end
local function bad_mount(mount, message) bad({ mounts = { { type = "tmpfs", target = "/a" }, mount } },
  ".mounts[2]" .. message) end

describe("schema: sandbox mounts", function()
  it("are canonical", function()
    local box <const> = good {
      rootfs = "jail", readonly = true, tmpfs = { "/tmp/", "//var//tmp" }, proc = true, dev = "minimal",
      namespaces = { "pid" },
      mounts = {
        { type = "bind", source = "data", target = "/data", readonly = true, optional = true, dev = false },
        { type = "tmpfs", target = "/cache", size = "64M", mode = "0700" },
        { type = "mqueue", target = "/dev/mqueue" },
      },
    }
    assert.equal("/srv/app/jail", box.rootfs)
    assert.same({ "/tmp", "/var/tmp" }, box.tmpfs)
    assert.same({
      { type = "bind", source = "/srv/app/data", target = "/data", readonly = true, optional = true },
      { type = "tmpfs", target = "/cache", size = 67108864, mode = 448 },
      { type = "mqueue", target = "/dev/mqueue" },
    }, box.mounts)
    assert.same({ true, true, "minimal" }, { box.readonly, box.proc, box.dev })
  end)

  it("name what is wrong, with the key's path", function()
    bad_mount({ type = "bind", target = "/x" }, ".source: is required")
    bad_mount({ type = "bind", source = "/x" }, ".target: is required")
    bad_mount({ source = "/x", target = "/x" }, ".type: is required")
    bad_mount({ type = "bnid" }, '.type: must be one of "bind", "mqueue", "proc", "sysfs", "tmpfs", got string "bnid" '
      .. '(did you mean "bind"?)')
    bad_mount({ type = "bind", source = "/x", target = "x" },
      '.target: must be an absolute path such as "/data", got string "x"')
    bad_mount({ type = "bind", source = "/x", target = "/x/../y" }, '.target: must not contain ".."')
    bad_mount({ type = "bind", source = "/x", target = "/./y" }, '.target: must not contain "."')
    bad_mount({ type = "bind", source = "/x", target = "/a\0" }, ".target: contains a NUL byte")
    bad_mount({ type = "bind", source = "", target = "/x" }, ".source: must not be empty")
    bad_mount({ type = "bind", source = 1, target = "/x" }, ".source: must be a string, got number 1")
    bad_mount({ type = "bind", sourec = "/x" }, ': unknown key "sourec" (did you mean "source"?)')
    bad_mount({ type = "bind", src = "/x" }, ': unknown key "src" (did you mean "source"?)')
    bad_mount({ type = "bind", source = "/x", target = "/x", size = "1M" }, ".size: is not for bind")
    bad_mount({ type = "tmpfs", source = "/x", target = "/x" }, ".source: is not for tmpfs")
    bad_mount({ type = "tmpfs", optional = true, target = "/x" }, ".optional: is not for tmpfs")
    bad_mount({ type = "tmpfs", target = "/x", mode = "888" },
      '.mode: must be an octal string such as "1777", or a number from 0 to 4095, got string "888"')
    bad_mount({ type = "tmpfs", target = "/x", size = "1Q" },
      '.size: bad size "1Q": a size looks like "64K", "256M" or "1G"')
    bad_mount({ type = "tmpfs", target = "/x", size = 0 }, ".size: must be more than 0")
    bad_mount({ type = "tmpfs", target = "/x", readonly = 1 }, ".readonly: must be true or false, got number 1")
    bad_mount(1, ': must be a table such as { type = "bind", source = "/srv/data", target = "/data" }, got number 1')
    bad_mount({ type = "tmpfs", target = "/" }, '.target: is the root: write rootfs = "...", or tmpfs = { "/" }')
    bad_mount({ type = "tmpfs", target = "/a/" }, '.target: "/a" is taken by sandbox.mounts[1].target')
    bad({ rootfs = "//" }, ".rootfs: is the host's own root: leave it out")
    bad({ rootfs = 1 }, ".rootfs: must be a string, got number 1")
    bad({ rootfs = "/x", tmpfs = { "/" } }, '.tmpfs[1]: "/" is taken by sandbox.rootfs')
    bad({ tmpfs = "/tmp" }, '.tmpfs: must be a list such as { "/tmp" }, got string "/tmp"')
    bad({ tmpfs = { "tmp" } }, '.tmpfs[1]: must be an absolute path such as "/data", got string "tmp"')
    bad({ dev = "/dev", tmpfs = { "/dev" } }, '.dev: must be "minimal", got string "/dev"')
    bad({ dev = "minimal", tmpfs = { "/dev" } }, '.tmpfs[1]: "/dev" is taken by sandbox.dev')
    bad({ proc = "yes" }, '.proc: must be true or false, got string "yes"')
    bad({ readonly = 1 }, ".readonly: must be true or false, got number 1")
    bad({ mounts = { type = "bind" } }, '.mounts: must be a list, got the key string "type"')
  end)

  it("begin at the root where there is another one", function()
    assert.equal("/", kit.good({ sandbox = { rootfs = "/srv/jail" } }).cwd)
    assert.equal("/", kit.good({ sandbox = { tmpfs = { "/" } } }).cwd)
    assert.equal("/srv/app", kit.good({ sandbox = { tmpfs = { "/tmp" } } }).cwd)
    assert.equal("/data", kit.good({ cwd = "/data", sandbox = { rootfs = "/srv/jail" } }).cwd)
  end)

  it("are made from the keys again, whatever a taken-over script state sends", function()
    local spec <const> = kit.normalise { sandbox = { tmpfs = { "/tmp" } } }
    local tree <const> = spec.sandbox.tree
    spec.sandbox.tree = { mounts = { { source = "/etc", target = "/" } } }
    assert.same(tree, schema.normalise(spec, {}).sandbox.tree)
    bad({ tree = {} }, ': unknown key "tree"')
  end)
end)
