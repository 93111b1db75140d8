-- The schema of sandbox.seccomp: groups, lists, conditions, and what is refused.

local kit <const> = require "lua.schema.kit"
local schema <const> = require "ward.schema"
local syscalls <const> = require "ward.schema.syscalls"

local function seccomp(given)
  return assert(kit.normalise { sandbox = { seccomp = given } }).sandbox.seccomp
end

local function refused(given, message)
  local spec <const>, why <const> = kit.normalise { sandbox = { seccomp = given } }
  assert.is_nil(spec)
  local _, last <const> = why:find("sandbox.seccomp", 1, true)
  assert.equal(message, why:sub(last + 1, last + #message))
end

local function rule(action, names, args)
  return { names = names, action = action, args = args }
end

describe("schema: sandbox.seccomp", function()
  after_each(kit.reset)

  it("becomes rules", function()
    assert.same({ default = "EPERM", rules = { rule("allow", { "execve", "read" }) } },
      seccomp { allow = { "read", "execve", "read" } })
    assert.same({ default = "allow", rules = { rule("EPERM", { "ptrace" }) } }, seccomp { deny = { "ptrace" } })
    assert.same({ default = "log", rules = { rule("EPERM", { "ptrace" }), rule("allow", { "read" }) } },
      seccomp { default = "log", allow = { "read" }, deny = { "ptrace" } })
    assert.same({ default = "log", rules = {} }, seccomp { default = "log" })
    for _, action in ipairs { "kill_process", "kill_thread", "trap", "ENOSYS", "EACCES" } do
      assert.same({ default = action, rules = { rule("allow", { "read" }) } },
        seccomp { default = action, allow = { "read" }, deny = { "ptrace" } })
    end
  end)

  it("meets the conditions of a profile by what the program runs with", function()
    local SYS_ADMIN <const>, all <const> = 21, {}
    for number = 0, 40 do all[number + 1] = number end
    local text <const> = [[{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
      { "names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": { "caps": ["CAP_SYS_ADMIN"] } } ] }]]
    local function mounts(uid, sandbox, more, machine)
      local host <const> = setmetatable({
        uid = uid, read = function(path) return path == "/p.json" and text or nil end,
        user = function(key) return { name = key, uid = 65534, gid = 65534 } end,
        groups = function(_, gid) return { gid } end,
        machine = function()
          return machine or { arch = "x86_64", kernel = "6.1.0", caps = all, permitted = all, ambient = {} }
        end,
      }, { __index = kit.host })
      local spec <const> = { name = "x", cmd = { "x" }, sandbox = sandbox, user = more and more.user }
      sandbox.seccomp = { oci = "/p.json" }
      return #assert(schema.normalise(spec, host, "x")).sandbox.seccomp.rules == 1
    end
    assert.is_true(mounts(0, {}))
    assert.is_false(mounts(1000, {}))
    assert.is_false(mounts(0, {}, { user = "nobody" }))
    assert.is_false(mounts(0, { drop_root = true }))
    assert.is_true(mounts(0, { drop_root = true }, { user = 0 }) == mounts(0, {}, { user = 0 }))
    -- What it could have by exec counts where it can gain by that.
    assert.is_true(mounts(1000, { no_new_privs = false }))
    assert.is_false(mounts(1000, { no_new_privs = false, caps = {} }))
    assert.is_true(mounts(1000, { caps = { "sys_admin" } }))
    assert.is_false(mounts(0, { caps = {} }))
    -- Ward's own limits.
    local few <const> = { arch = "x86_64", kernel = "6.1.0", caps = {}, permitted = {}, ambient = {} }
    assert.is_false(mounts(0, {}, nil, few))
    assert.is_true(mounts(1000, { uid_map = { { inside = 0, outside = 1000, count = 1 } } }, nil, few))
    few.ambient = { SYS_ADMIN }
    assert.is_true(mounts(1000, {}, nil, few))
  end)

  it("takes a group by name, with @default and without the requests that type into the terminal", function()
    local guards <const> = {}
    for i, request in ipairs { 0x5412, 0x541C } do
      guards[i] = rule("EPERM", { "ioctl" }, { { index = 1, op = "==", value = request, narrow = true } })
    end
    local expected <const> = { default = "EPERM", rules = { guards[1], guards[2],
      rule("allow", { "@default", "@system-service" }) } }
    assert.same(expected, seccomp "@system-service")
    assert.same(expected, seccomp { allow = { "@system-service" } })
    assert.same({ rule("allow", { "ioctl" }), rule("allow", { "@basic-io", "@default" }) },
      seccomp({ allow = { "@basic-io", "ioctl" } }).rules)
  end)

  it("names before groups, and denied before allowed", function()
    local rules <const> = seccomp { allow = { "@system-service", "mount" }, deny = { "@file-system", "kill" } }.rules
    assert.same({ "EPERM kill", "allow mount", "EPERM @file-system", "EPERM ioctl", "EPERM ioctl",
      "allow @default @system-service" }, (function()
      local list <const> = {}
      for i, row in ipairs(rules) do list[i] = row.action .. " " .. table.concat(row.names, " ") end
      return list
    end)())
  end)

  it("compares what the kernel cuts to 32 bits in its low half", function()
    assert.same({ { index = 1, op = "==", value = 0xffffffff, narrow = true } },
      seccomp { deny = { { "ioctl", args = { { 1, "==", -1 } } } } }.rules[1].args)
    assert.same({ { index = 0, op = "&", mask = 0x10000000, value = 0, narrow = true } },
      seccomp { allow = { { "clone", args = { { 0, "&", 0x10000000, "==", 0 } } } } }.rules[2].args)
    assert.same({ { index = 1, op = "==", value = 0x100000000 } },
      seccomp { deny = { { "mmap", args = { { 1, "==", 0x100000000, bits = 64 } } } } }.rules[1].args)
  end)

  it("sends programs from clone3 to clone, when that is filtered", function()
    local rules <const> = seccomp { default = "allow", deny = { { "clone", args = { { 0, "&", 1, "==", 1 } } } } }.rules
    assert.same(rule("ENOSYS", { "clone3" }), rules[2])
  end)

  it("takes architectures and log", function()
    local given <const> = seccomp { deny = { "ptrace" }, architectures = { "x86", "x86" }, log = true }
    assert.same({ "x86" }, given.architectures)
    assert.is_true(given.log)
    refused({ deny = { "ptrace" }, architectures = { "x68" } }, ".architectures[1]: ")
  end)

  it("learns into a file beside the script", function()
    assert.same({ default = "allow", rules = {}, learn = "/srv/app/list.lua" }, seccomp { learn = "list.lua" })
    refused({ learn = "list.lua", deny = { "ptrace" } }, ".deny: cannot be beside learn")
  end)

  it("refuses what contradicts itself", function()
    refused({}, ": must have allow or deny")
    refused({ default = "allow" }, ": must have allow or deny")
    refused({ default = "allow", allow = { "read" } },
      '.allow: has no effect, because default = "allow" allows everything')
    refused({ default = "ENOSYS", deny = { "ptrace" } },
      '.allow: must name system calls: with default = "ENOSYS" nothing else could be done')
    refused({ allow = {} }, '.allow: must name system calls: with default = "EPERM" nothing else could be done')
    refused({ allow = { "read" }, deny = { "write", "read" } }, '.deny: "read" is in sandbox.seccomp.allow too')
    refused({ deny = { { "ioctl", args = { { 1, "==", 1 }, { 1, "!=", 2 } } } } },
      ".deny[1].args[2]: is a second condition on argument 1")
    refused({ deny = { { "clone", args = { { 0, "&", 1, "==", 2 } } } } },
      ".deny[1].args[1][5]: has bits outside of the mask, so it is never met")
  end)

  it("names what is wrong", function()
    refused("@system-servise", ': unknown group "@system-servise" (did you mean "@system-service"?)')
    refused("system-service", ': must be a group such as "@system-service" or a table, got string "system-service" '
      .. '(did you mean "@system-service"?)')
    refused({ allow = { "read", "@network" } }, '.allow[2]: unknown group "@network"')
    refused({ deny = { { "ioctl", args = {} } } }, ".deny[1].args: must not be empty")
    refused({ deny = { { "@mount", args = { { 1, "==", 1 } } } } }, ".deny[1][1]: a group has no arguments")
    refused({ deny = { { "ioctl", args = { { 6, "==", 1 } } } } }, ".deny[1].args[1][1]: ")
    refused({ alow = {} }, ': unknown key "alow" (did you mean "allow"?)')
    refused({ allow = 0 }, ".allow: must be a list of system calls")
    refused({ allow = { 0 } }, '.allow[1]: must be the name of a system call such as "openat", got number 0')
    refused({ allow = { "Read" } }, '.allow[1]: must be the name of a system call in lower case, got string "Read"')
    local actions <const> = '.default: must be "allow", "log", "trap", "kill_thread", "kill_process" or an error '
      .. 'such as "EPERM", got '
    refused({ default = "EPREM", allow = { "read" } }, actions .. 'string "EPREM" (did you mean "EPERM"?)')
    refused({ default = 1, allow = { "read" } }, actions .. "number 1")
    refused(3, ': must be a group such as "@system-service"')
  end)

  it("survives a second reading unchanged", function()
    for _, given in ipairs {
      "@system-service", { allow = { "@basic-io", { "ioctl", args = { { 1, "==", 3 } } } }, log = true },
      { deny = { "ptrace" }, architectures = { "x86" } }, { learn = "/tmp/x" },
    } do
      local once <const> = assert(kit.normalise { sandbox = { seccomp = given } })
      assert.same(once, assert(schema.normalise(once, kit.host, "scripts/x.lua:14", true)))
    end
  end)

  it("has no io_uring in any group, and no keyrings in @system-service", function()
    for name in pairs(syscalls.groups) do
      for _, call in ipairs(syscalls.expand(name)) do assert.is_nil(call:match("^io_uring"), name) end
    end
    local held <const> = {}
    for _, call in ipairs(syscalls.expand "@system-service") do held[call] = true end
    for _, call in ipairs { "keyctl", "add_key", "userfaultfd", "bpf", "perf_event_open", "ptrace", "mount" } do
      assert.is_nil(held[call], call)
    end
    for _, call in ipairs { "openat", "socket", "clone3", "futex" } do assert.is_true(held[call], call) end
  end)
end)
