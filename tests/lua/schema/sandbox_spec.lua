-- sandbox and everything below it.

local capabilities <const> = require "ward.schema.capabilities"
local kit <const> = require "lua.schema.kit"
local schema <const> = require "ward.schema"

local SETS <const> = { "bounding", "permitted", "inheritable", "ambient", "effective" }

local function good(sandbox) return kit.good({ sandbox = sandbox }).sandbox end
local function bad(sandbox, message) kit.bad({ sandbox = sandbox }, "sandbox" .. message) end

-- A canonical spec whose sandbox was tampered with.
local function again(sandbox, message)
  local spec = kit.normalise { sandbox = {} }
  for key, value in pairs(sandbox) do spec.sandbox[key] = value end
  local out <const>, why <const> = schema.normalise(spec, {})
  assert.is_nil(out)
  assert.equal('service "web": sandbox' .. message, why)
end

describe("schema: sandbox", function()
  it("has defaults that fail closed", function()
    assert.same({ on_failure = "error", no_new_privs = true, namespaces = {} }, good {})
    assert.is_nil(kit.good().sandbox)
    assert.same({ on_failure = "silent", no_new_privs = false, namespaces = {} },
      good { on_failure = "silent", no_new_privs = false })
  end)

  it("is a table of known keys", function()
    bad(true, ': must be a table such as { caps = {}, namespaces = { "net" } }, or a profile such as "strict", '
      .. "got boolean true")
    bad({ sekomp = {} }, ': unknown key "sekomp" (did you mean "seccomp"?)')
    bad({ frobnicate = {} }, ': unknown key "frobnicate"')
    bad({ capabilities = {} }, ': unknown key "capabilities" (did you mean "caps"?)')
    bad({ { "caps" } }, ": a value without a name, at [1]")
    bad({ on_failure = "warning" }, '.on_failure: must be one of "error", "warn", "silent", got string "warning"')
    bad({ no_new_privs = 1 }, ".no_new_privs: must be true or false, got number 1")
  end)

  it("says of each key what it takes, what it does and since when", function()
    for _, at in ipairs { "sandbox", "seccomp" } do
      for _, row in ipairs(schema.keys[at]) do
        for _, said in ipairs { "doc", "type", "since" } do assert.is_string(row[said], row.key .. "." .. said) end
      end
    end
  end)

  it("takes securebits by name", function()
    assert.equal(0, good({ securebits = {} }).securebits)
    assert.equal(1 | 2 | 16, good({ securebits = { "noroot-locked", "noroot", "keep_caps" } }).securebits)
    assert.equal(255, good({ securebits = { "noroot", "noroot_locked", "no_setuid_fixup", "no_setuid_fixup_locked",
      "keep_caps", "keep_caps_locked", "no_cap_ambient_raise", "no_cap_ambient_raise_locked" } }).securebits)
    bad({ securebits = { "no_root" } }, '.securebits[1]: unknown securebit "no_root" (did you mean "noroot"?)')
    bad({ securebits = { 1 } }, '.securebits[1]: must be a name such as "noroot", got number 1')
    bad({ securebits = 3 }, '.securebits: must be a list such as { "noroot", "noroot_locked" }, got number 3')
    again({ securebits = 256 }, ".securebits: must be a whole number from 0 to 255, got number 256")
  end)
end)

describe("schema: sandbox.caps", function()
  local function all_sets(numbers)
    local sets = {}
    for _, name in ipairs(SETS) do sets[name] = numbers end
    return sets
  end

  it("as a list is for all five sets", function()
    assert.same(all_sets {}, good({ caps = {} }).caps)
    assert.same(all_sets { 0, 10, 40 },
      good({ caps = { "CAP_CHECKPOINT_RESTORE", "net_bind_service", "cap_chown", "chown" } }).caps)
    local all = good({ caps = "all" }).caps
    assert.equal(41, #all.bounding)
    assert.equal(40, all.effective[41])
    assert.are_not.equal(all.bounding, all.effective)
  end)

  it("as a table leaves alone what it does not name", function()
    assert.same({ bounding = { 13 }, ambient = {} }, good({ caps = { bounding = { "net_raw" }, ambient = {} } }).caps)
    assert.equal(41, #good({ caps = { inheritable = "all" } }).caps.inheritable)
  end)

  it("has the kernel's 41 names", function()
    local header <close> = io.open("/usr/include/linux/capability.h")
    if not header then
      pending("linux/capability.h is not installed")
      return
    end
    local count = 0
    for name, number in header:read("a"):gmatch("#define%s+CAP_([%u_]+)%s+(%d+)%s") do
      assert.equal(name:lower(), capabilities.name(tonumber(number)))
      assert.equal(tonumber(number), capabilities.check("x", name))
      count = count + 1
    end
    assert.equal(41, count)
  end)

  it("is refused when the kernel would refuse it", function()
    bad({ caps = { effective = { "net_raw", "chown" }, permitted = { "chown" } } },
      ".caps.effective: holds net_raw, but permitted does not")
    bad({ caps = { ambient = { "chown" }, permitted = { "chown" }, inheritable = {} } },
      ".caps.ambient: holds chown, but inheritable does not")
  end)

  it("is refused when it names nothing", function()
    bad({ caps = { "net_rwa" } }, '.caps[1]: unknown capability "net_rwa" (did you mean "net_raw"?)')
    bad({ caps = { bounding = { "\n" } } }, '.caps.bounding[1]: unknown capability "\\n"')
    bad({ caps = { 41 } }, ".caps[1]: must be a whole number from 0 to 40, got number 41")
    bad({ caps = { true } }, '.caps[1]: must be a capability such as "net_raw", got boolean true')
    bad({ caps = { efective = {} } }, '.caps: unknown key "efective" (did you mean "effective"?)')
    bad({ caps = { "chown", bounding = {} } }, '.caps: must be a list, got the key string "bounding"')
    bad({ caps = "cap_net_rwa=ep" }, '.caps: unknown capability "cap_net_rwa" (did you mean "net_raw"?)')
    bad({ caps = "cap_net_raw=" .. ("e"):rep(5000) }, ".caps: is too long: 5012 bytes, at most 4096")
    bad({ caps = { ambient = "net_rwa" } }, '.caps.ambient[1]: unknown capability "net_rwa" (did you mean "net_raw"?)')
    bad({ caps = { ambient = "cap_net_raw=ep" } },
      '.caps.ambient: text such as "cap_net_raw=ep" says several sets: write caps = "cap_net_raw=ep"')
    bad({ caps = 3 }, '.caps: must be a list of capabilities such as { "net_raw" }, or "all", got number 3')
  end)
end)

describe("schema: sandbox.landlock", function()
  local function landlock(given) return good({ landlock = given }).landlock end
  local function refused(given, message) bad({ landlock = given }, ".landlock" .. message) end

  it("spells letters out, in the kernel's order", function()
    assert.same({
      fs = {
        { path = "/", rights = { "read_dir" }, optional = false },
        { path = "/srv/app/data", optional = true, rights = { "write_file", "read_file", "read_dir", "remove_dir",
          "remove_file", "make_dir", "make_reg", "make_sock", "make_fifo", "make_sym", "refer", "truncate",
          "ioctl_dev" } },
        { path = "/usr", rights = { "execute", "read_file", "read_dir" }, optional = false },
      },
      scope = {}, compat = "best_effort",
    }, landlock { fs = { ["/usr/"] = "xr", ["//"] = "read_dir",
      ["./data"] = { rights = { "ioctl_dev", "rw", "read_file" }, optional = true } } })
  end)

  it("takes ports, scopes and strictness", function()
    assert.same({ fs = {}, net = { bind = { 80, 443 }, connect = {} }, scope = { "abstract_unix_socket", "signal" },
      compat = "strict" }, landlock { net = { bind = { 443, 80, 443 }, connect = {} },
      scope = { "signal", "abstract_unix_socket" }, compat = "strict" })
    assert.same({ connect = { 5432 } }, landlock({ net = { connect = { 5432 } } }).net)
  end)

  it("refuses what restricts nothing, and what could start nothing", function()
    refused({}, ": restricts nothing: give fs, net or scope")
    refused({ scope = {} }, ": restricts nothing: give fs, net or scope")
    local none <const> = '.fs: gives no path the right to execute ("x"), so the program could not be started'
    refused({ fs = {} }, none)
    refused({ fs = { ["/srv"] = "rw" } }, none)
    again({ landlock = { fs = { { path = "/", rights = { "read_file" }, optional = false } } } }, ".landlock" .. none)
    refused({ net = {} }, ".net: must have bind or connect; bind = {} and connect = {} allow no port")
  end)

  it("names what is wrong", function()
    refused("rx", ': must be a table such as { fs = { ["/usr"] = "rx" } }, got string "rx"')
    refused({ files = {} }, ': unknown key "files"')
    refused({ fs = { "/usr" } }, '.fs: a value without a name, at [1]; write fs = { ["/usr"] = "rx" }')
    refused({ fs = { ["/usr"] = "rq" } },
      '.fs["/usr"]: unknown right "rq"; rights are letters of "rwx" or names such as "read_file"')
    refused({ fs = { ["/usr"] = { "exectue" } } }, '.fs["/usr"][1]: unknown right "exectue" (did you mean "execute"?); '
      .. 'rights are letters of "rwx" or names such as "read_file"')
    refused({ fs = { ["/usr"] = {} } }, '.fs["/usr"]: must not be empty')
    refused({ fs = { ["/usr"] = true } }, '.fs["/usr"]: must be letters such as "rx", a list of rights, '
      .. "or { rights =, optional = true }, got boolean true")
    refused({ fs = { ["/usr"] = { optional = true } } }, '.fs["/usr"].rights: must be letters such as "rx", '
      .. "a list of rights, or { rights =, optional = true }, got nothing")
    refused({ fs = { ["/usr"] = { rights = "x", optinal = true } } },
      '.fs["/usr"]: unknown key "optinal" (did you mean "optional"?)')
    refused({ fs = { ["/usr"] = { rights = "x", optional = 1 } } },
      '.fs["/usr"].optional: must be true or false, got number 1')
    refused({ fs = { ["/usr"] = "x", ["/usr/"] = "r" } }, '.fs["/usr/"]: is the same path as "/usr"')
    refused({ fs = { [""] = "x" } }, '.fs[""]: must not be empty')
    refused({ fs = { ["/a\0"] = "x" } }, '.fs["/a\\0"]: contains a NUL byte')
    refused({ net = { bind = 80 } }, ".net.bind: must be a list of ports such as { 80, 443 }, got number 80")
    refused({ net = { bind = { 65536 } } }, ".net.bind[1]: must be a whole number from 0 to 65535, got number 65536")
    refused({ net = { listen = {} } }, '.net: unknown key "listen"')
    refused({ scope = { "signals" } }, '.scope[1]: must be one of "abstract_unix_socket", "signal", '
      .. 'got string "signals" (did you mean "signal"?)')
    refused({ scope = { "signal" }, compat = "best-effort" }, '.compat: must be one of "best_effort", "strict", '
      .. 'got string "best-effort" (did you mean "best_effort"?)')
  end)

  it("is read with suspicion the second time", function()
    local usr <const> = { path = "/usr", rights = { "execute" }, optional = false }
    local function tampered(fs, message) again({ landlock = { fs = fs } }, ".landlock.fs" .. message) end
    tampered(nil, ": must be a list, got nothing")
    tampered({ usr, usr }, "[2]: must be sorted by path, each once")
    tampered({ { path = "usr", rights = { "execute" } } }, '[1].path: must be absolute, got string "usr"')
    tampered({ { path = "/usr", rights = { "execute" }, x = 1 } }, '[1]: unknown key "x"')
    tampered({ ["/usr"] = "rx" }, ': must be a list, got the key string "/usr"')
  end)
end)

describe("schema: sandbox as a taken-over script state sends it", function()
  -- What a value can be put into, by the rows that say which keys there are.
  local PLACES <const> = {
    sandbox = function(value) return value end,
    caps = function(value) return { caps = value } end,
    landlock = function(value) return { landlock = value } end,
    landlock_net = function(value) return { landlock = { fs = {}, net = value } } end,
    landlock_rule = function(value) return { landlock = { fs = { value, ["/"] = value } } } end,
    seccomp = function(value) return { seccomp = value } end,
    mount = function(value) return { mounts = { value }, tmpfs = { value }, namespaces = { "pid" } } end,
    id_range = function(value) return { uid_map = { value }, gid_map = { value } } end,
  }

  local refused

  local function survive(sandbox)
    for _, source in ipairs { "x:1", false } do
      local spec <const> = { name = "web", cmd = { "x" }, cwd = "/", source = source or nil, sandbox = sandbox }
      if kit.survives(spec, { dir = not source and "/" or nil }) then refused = refused + 1 end
    end
  end

  it("never raises and never loops", function()
    refused = 0
    for _, value in ipairs(kit.hostile()) do
      for rows, place in pairs(PLACES) do
        survive(place(value))
        for _, row in ipairs(schema.keys[rows]) do survive(place { [row.key] = value }) end
      end
      survive { profile = "strict", landlock = value, namespaces = value }
      survive { tree = value, readonly = true }
      survive { landlock = { fs = { value } } }
      survive { landlock = { fs = { { path = value, rights = { "execute" } } } } }
      survive { seccomp = { default = "EPERM", allow = value, deny = value } }
      survive { seccomp = { default = "EPERM", rules = value } }
      survive { seccomp = { default = "EPERM", rules = { value } } }
      survive { seccomp = { default = "EPERM", rules = { { names = value, action = "allow" } } } }
    end
    assert.is_true(refused > 1000)
  end)

  it("adds a filter of ward's own where Landlock and modes of files need it", function()
    local function guard(box) return kit.good({ sandbox = box }).sandbox.guard end
    assert.is_nil(guard {})
    assert.is_nil(guard { landlock = { scope = { "signal" } }, no_setuid_files = false })
    assert.same({ "no MPTCP and SMC" }, guard({ landlock = { net = { bind = { 80 } } } }).words)
    assert.same({ "no MPTCP and SMC", "no TCP Fast Open", "no listen" },
      guard({ landlock = { net = { bind = {}, connect = {} } } }).words)
    assert.same({ "no MPTCP and SMC" },
      guard({ landlock = { net = { bind = {} } }, seccomp = { allow = { "@system-service", "listen" } } }).words)
    assert.same({ "no set-user-ID and set-group-ID bits" }, guard({ no_setuid_files = true }).words)
    local x86 <const> = { deny = { "bpf" }, architectures = { "x86" } }
    assert.same({ "x86" }, guard({ no_setuid_files = true, seccomp = x86 }).architectures)
    kit.bad({ sandbox = { landlock = { net = { bind = {} } }, seccomp = x86 } },
      "sandbox.seccomp.architectures[1]: x86 hides the arguments of socket calls from the filter that landlock.net "
      .. "needs: take one of the two away")
    kit.bad({ sandbox = { no_setuid_files = 1 } }, "sandbox.no_setuid_files: must be true or false, got number 1")
  end)
end)
