-- sandbox.namespaces, uid_map, gid_map, hostname, pid1 and nested.

local kit <const> = require "lua.schema.kit"

local function good(sandbox) return kit.good({ sandbox = sandbox }).sandbox end
local function bad(sandbox, message) kit.bad({ sandbox = sandbox }, "sandbox" .. message) end

describe("schema: sandbox.namespaces", function()
  it("takes them by name", function()
    assert.same({ "cgroup", "ipc", "mount", "net", "pid", "time", "user", "uts" },
      good({ namespaces = { "uts", "user", "time", "pid", "net", "mount", "ipc", "cgroup", "net" } }).namespaces)
    bad({ namespaces = { "mnt" } }, '.namespaces[1]: must be one of "cgroup", "ipc", "mount", "net", "pid", "time", '
      .. '"user", "uts", got string "mnt"')
    bad({ namespaces = "net" }, '.namespaces: must be a list such as { "mount", "net" }, got string "net"')
  end)

  it("holds what other keys need", function()
    assert.same({ "uts" }, good({ hostname = "jail" }).namespaces)
    assert.same({ "user" }, good({ uid_map = { { inside = 0, outside = 1000 } } }).namespaces)
    for _, keys in ipairs { { rootfs = "/srv/jail" }, { readonly = true }, { tmpfs = { "/tmp" } }, { dev = "minimal" },
      { mounts = { { type = "tmpfs", target = "/x" } } } } do
      assert.same({ "mount" }, good(keys).namespaces)
    end
    assert.same({ "mount", "net", "pid" }, good({ proc = true, namespaces = { "net", "pid" } }).namespaces)
    assert.same({}, good({ readonly = false, proc = false, pid1 = false, nested = false, tmpfs = {} }).namespaces)
  end)

  it("is asked for where another key would not say which kind is meant", function()
    bad({ proc = true }, '.proc: needs a pid namespace: add "pid" to namespaces')
    bad({ mounts = { { type = "proc", target = "/proc" } } },
      '.mounts[1].type: needs a pid namespace: add "pid" to namespaces')
    bad({ pid1 = true }, '.pid1: needs a pid namespace: add "pid" to namespaces')
    bad({ nested = true }, '.nested: needs a user namespace: add "user" to namespaces')
    assert.is_true(good({ pid1 = true, namespaces = { "pid" } }).pid1)
    assert.is_true(good({ nested = true, namespaces = { "user" } }).nested)
    bad({ pid1 = 1, namespaces = { "pid" } }, ".pid1: must be true or false, got number 1")
    bad({ hostname = "a b" }, '.hostname: must be letters, digits, dots and hyphens, got string "a b"')
    bad({ hostname = "-a" }, '.hostname: must be letters, digits, dots and hyphens, got string "-a"')
    bad({ hostname = ("a"):rep(65) }, ".hostname: is too long: 65 bytes, at most 64")
    bad({ hostname = "" }, ".hostname: must not be empty")
  end)
end)

describe("schema: sandbox.uid_map", function()
  local function line(inside, outside, count) return { inside = inside, outside = outside, count = count } end

  it("has ranges, one id when no count is given, and groups like users", function()
    local box = good { uid_map = { line(0, 100000, 65536), line(70000, 5) } }
    assert.same({ line(0, 100000, 65536), line(70000, 5, 1) }, box.uid_map)
    assert.same(box.uid_map, box.gid_map)
    assert.same({ line(0, 7, 1) }, good({ uid_map = { line(0, 1) }, gid_map = { line(0, 7) } }).gid_map)
    assert.same({ line(4294967294, 0, 1) }, good({ uid_map = { line(4294967294, 0) } }).uid_map)
  end)

  it("names what is wrong", function()
    bad({ gid_map = { line(0, 1) } }, ".gid_map: needs uid_map, too")
    bad({ uid_map = {} }, ".uid_map: must not be empty")
    bad({ uid_map = 1 }, ".uid_map: must be a list such as { { inside = 0, outside = 100000, count = 65536 } }, "
      .. "got number 1")
    bad({ uid_map = { 1 } }, ".uid_map[1]: must be a table such as { inside = 0, outside = 100000, count = 65536 }, "
      .. "got number 1")
    bad({ uid_map = { { insid = 0, outside = 1 } } }, '.uid_map[1]: unknown key "insid" (did you mean "inside"?)')
    bad({ uid_map = { { inside = 0, host = 1 } } }, '.uid_map[1]: unknown key "host" (did you mean "outside"?)')
    bad({ uid_map = { { inside = 0 } } }, ".uid_map[1].outside: must be a whole number from 0 to 4294967294, "
      .. "got nothing")
    bad({ uid_map = { line(0, 1, 0) } }, ".uid_map[1].count: must be a whole number from 1 to 4294967295, got number 0")
    bad({ uid_map = { line(0, 4294967294, 2) } }, ".uid_map[1].count: goes beyond the last id, 4294967294")
    bad({ uid_map = { line(0, 0, 10), line(9, 100, 10) } }, ".uid_map: maps 9 inside twice")
    bad({ uid_map = { line(20, 5, 10), line(0, 0, 6) } }, ".uid_map: maps 5 outside twice")
    local many = {}
    for i = 1, 341 do many[i] = line(i, i) end
    bad({ uid_map = many }, ".uid_map: is too long: at most 340 values")
  end)
end)
