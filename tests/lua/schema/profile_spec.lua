-- sandbox = "strict", and tables that extend a profile.

local kit <const> = require "lua.schema.kit"
local profile <const> = require "ward.schema.profile"
local schema <const> = require "ward.schema"

local function good(sandbox) return kit.good({ sandbox = sandbox }).sandbox end
local function bad(sandbox, message) kit.bad({ sandbox = sandbox }, "sandbox" .. message) end

local function has(list, item)
  for _, each in ipairs(list) do
    if each == item then return true end
  end
  return false
end

describe("schema: a profile", function()
  it("is a table of keys that a script could have written", function()
    for _, name in ipairs(profile.NAMES) do
      assert.same(good(require("ward.profile." .. name)), good(name))
      assert.same(good(name), good { profile = name })
      local box <const> = good(name)
      assert.same({}, box.caps.bounding)
      assert.is_true(box.no_new_privs and box.readonly and box.proc)
      for _, namespace in ipairs { "ipc", "mount", "pid", "user", "uts" } do
        assert.is_true(has(box.namespaces, namespace), name .. ": " .. namespace)
      end
      assert.is_true(has(box.tmpfs, "/tmp"))
      assert.equal(name == "strict", has(box.namespaces, "net"))
    end
    assert.same({}, good("worker").landlock.net.bind)
    assert.is_nil(good("worker").landlock.net.connect)
    assert.is_nil(good("web").landlock.net)
  end)

  it("is extended by a table: keys are merged, lists replaced, false takes away", function()
    local box <const> = good { profile = "strict", hostname = "jail", tmpfs = { "/scratch" }, dev = false, caps = false,
      readonly = false, no_new_privs = false, on_failure = "warn", landlock = { net = { bind = { 80 } } } }
    assert.same({ "/scratch" }, box.tmpfs)
    assert.same({ bind = { 80 } }, box.landlock.net)
    assert.same({ "abstract_unix_socket", "signal" }, box.landlock.scope)
    assert.equal("jail", box.hostname)
    assert.equal("warn", box.on_failure)
    assert.is_nil(box.dev)
    assert.is_nil(box.caps)
    assert.is_nil(box.readonly)
    assert.is_false(box.no_new_privs)
    assert.is_nil(good({ profile = "strict", tmpfs = {} }).tmpfs)
    assert.same({ 13 }, good({ profile = "strict", caps = { "net_raw" } }).caps.bounding)
    assert.is_nil(good({ profile = "strict", landlock = false }).landlock)
  end)

  it("gives way to what says by itself which system calls there are", function()
    local denied <const> = {}
    for _, rule in ipairs(good("strict").seccomp.rules) do
      for _, name in ipairs(rule.action == "EPERM" and not rule.args and rule.names or {}) do denied[name] = true end
    end
    assert.is_true(denied.setns and denied.unshare)
    for _, seccomp in ipairs { { learn = "x" }, "@known" } do
      assert.same(good({ seccomp = seccomp }).seccomp, good({ profile = "web", seccomp = seccomp }).seccomp)
    end
    assert.is_nil(good({ profile = "web", seccomp = false }).seccomp)
    assert.same(good({ seccomp = { learn = "x" } }).seccomp,
      good({ profile = "strict", seccomp = { learn = "x", allow = false, deny = false } }).seccomp)
    assert.same(good({ seccomp = { allow = { "read" } } }).seccomp,
      good({ profile = "strict", seccomp = { allow = { "read" }, deny = false } }).seccomp)
    -- A list that was learned may hold what the profile denies by name, but not what it denies by argument.
    local learned <const> = good({ profile = "strict", seccomp = { allow = { "execve", "exit_group", "socket",
      "unshare" } } }).seccomp.rules
    local last <const> = learned[#learned]
    assert.same({ "allow", { "execve", "exit_group", "socket", "unshare" } }, { last.action, last.names })
    assert.equal("socket", learned[1].names[1])
    assert.equal("EPERM", learned[1].action)
    bad({ profile = "strict", seccomp = { allow = { "unshare" }, deny = { "unshare" } } },
      '.seccomp.deny: "unshare" is in sandbox.seccomp.allow too')
  end)

  it("makes nobody of root, unless somebody says who it is to be", function()
    local host <const> = setmetatable({ uid = 0 }, { __index = kit.host })
    function host.read() return "0 0 4294967295\n" end
    local function who(keys)
      keys.name, keys.cmd = "web", { "x" }
      local spec <const> = assert(schema.normalise(keys, host, "x:1"))
      assert.same(spec, schema.normalise(spec, {}))
      return spec.user, spec.ids
    end
    local NOBODY <const> = { uid = 65534, gid = 65534, groups = { 65534 } }
    for _, name in ipairs(profile.NAMES) do assert.same({ "nobody", NOBODY }, { who { sandbox = name } }) end
    assert.same({ "nobody", { uid = 65534, gid = 29, groups = { 29 } } }, { who { sandbox = "web", group = "audio" } })
    assert.same({ "nobody", { uid = 65534, gid = 65534, groups = {} } }, { who { sandbox = "web", groups = {} } })
    assert.equal("postgres", (who { sandbox = "web", user = "postgres" }))
    assert.same({}, { who { sandbox = {} } })
    assert.same({}, { who { sandbox = { profile = "web", drop_root = false } } })
    assert.same({}, { who { sandbox = { profile = "web", uid_map = { { inside = 0, outside = 100000 } } } } })
    host.uid = 1000
    assert.same({}, { who { sandbox = "web" } })
    -- In a user namespace that has no nobody.
    host.uid, host.read = 0, function() return "         0       1000          1\n" end
    assert.same({}, { who { sandbox = "web" } })
  end)

  it("stays as it is, whoever extended it", function()
    local before <const> = good "strict"
    good { profile = "strict", landlock = { scope = {}, net = { bind = {} } }, tmpfs = { "/x" } }
    assert.same(before, good "strict")
  end)

  it("is refused when there is none of that name", function()
    bad("stirct", ': unknown profile "stirct" (did you mean "strict"?); there are strict, web, worker')
    bad({ profile = "jail" }, '.profile: unknown profile "jail"; there are strict, web, worker')
    bad({ profile = true }, ".profile: must be the name of a profile, got boolean true")
    bad("", ": must not be empty")
    bad("../../etc/passwd", ': unknown profile "../../etc/passwd"; there are strict, web, worker')
    bad({ profile = "strict", sekomp = {} }, ': unknown key "sekomp" (did you mean "seccomp"?)')
    bad({ profile = "strict", landlock = 1 },
      '.landlock: must be a table such as { fs = { ["/usr"] = "rx" } }, got number 1')
  end)
end)
