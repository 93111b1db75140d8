-- Docker's default profile, unchanged: what the compiled filter answers is what the profile's text demands.

local capabilities <const> = require "ward.schema.capabilities"
local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local oci <const> = require "ward.schema.oci"

local PROFILE <const> = "../shared/data/docker-seccomp-default.json"
local OPS <const> = { ["=="] = 0, ["!="] = 1, ["<"] = 2, ["<="] = 3, [">="] = 4, [">"] = 5, ["&"] = 6 }
local ALLOW <const>, EPERM <const>, ENOSYS <const> = "7fff0000", "00050001", "00050026"
local LAST <const> = 469 -- of the calls that have a name
local OLD <const> = 450 -- of those that libseccomp 2.5.4 has a name for

-- First arguments around every value that the profile compares with.
local FIRST <const> = { 0, 1, 8, 9, 37, 38, 39, 40, 41, 0x20000, 0x20008, 0x20009, 0xffffffff, 0x10000000, 0x7e020000,
  0x11, 0x100000000, 0x100000026 }

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

local function verdicts(rules)
  local lines <const> = { "default " .. rules.default }
  for _, rule in ipairs(rules.rules) do
    local args = ""
    for _, c in ipairs(rule.args or {}) do
      args = args .. (" %d %d %d %d"):format(c.index, OPS[c.op], c.value, c.mask or 0)
    end
    for _, name in ipairs(rule.names) do lines[#lines + 1] = "rule " .. rule.action .. " " .. name .. args end
  end
  for number = 0, LAST do
    for _, first in ipairs(FIRST) do lines[#lines + 1] = ("ask %d %d 0 0"):format(number, first) end
  end
  local path <const> = harness.write(harness.directory() .. "/questions", table.concat(lines, "\n") .. "\n")
  local code <const>, out <const>, err <const> = harness.run { "sh", "-c", "build/tests/verdict < " .. path }
  assert.equal(0, code, err)
  local result <const> = {}
  for action, name in out:gmatch("(%x+) (%S+)\n") do result[#result + 1] = { action, name } end
  assert.equal((LAST + 1) * #FIRST, #result)
  return result
end

-- The text of the profile, read a second time and in another way.

local function older(kernel, other)
  local a <const>, b <const> = kernel:match("(%d+)%.(%d+)")
  local c <const>, d <const> = other:match("(%d+)%.(%d+)")
  return tonumber(a) * 1000 + tonumber(b) < tonumber(c) * 1000 + tonumber(d)
end

local function holds(list, has)
  for _, item in ipairs(list or {}) do
    if has(item) then return true end
  end
  return false
end

local function counts(rule, kernel, caps)
  local inc <const>, exc <const> = rule.includes or {}, rule.excludes or {}
  local function has_cap(cap) return caps[cap] end
  local function is_arch(arch) return arch == "amd64" end
  if holds(exc.caps, has_cap) or holds(exc.arches, is_arch) then return false end
  if inc.arches and #inc.arches > 0 and not holds(inc.arches, is_arch) then return false end
  if holds(inc.caps, function(cap) return not caps[cap] end) then return false end
  return not (inc.minKernel and older(kernel, inc.minKernel))
end

local function met(c, first)
  local value <const>, datum <const> = math.tointeger(c.value), c.index == 0 and first or 0
  if c.op == "SCMP_CMP_EQ" then return datum == value end
  if c.op == "SCMP_CMP_LT" then return datum < value end
  if c.op == "SCMP_CMP_GT" then return datum > value end
  assert(c.op == "SCMP_CMP_MASKED_EQ")
  return datum & value == math.tointeger(c.valueTwo or 0)
end

local function demanded(by_name, name, first)
  for _, rule in ipairs(by_name[name] or {}) do
    local all = true
    for _, c in ipairs(rule.args or {}) do all = all and met(c, first) end
    if all then
      if rule.action == "SCMP_ACT_ALLOW" then return ALLOW end
      return ("0005%04x"):format(math.tointeger(rule.errnoRet))
    end
  end
  return EPERM
end

local function check(text, kernel, cap_names)
  local has <const>, caps <const> = {}, {}
  for _, name in ipairs(cap_names) do
    has[capabilities.NUMBERS[name]], caps["CAP_" .. name:upper()] = true, true
  end
  local rules <const> = assert(oci.rules(text, {
    arch = "x86_64", kernel = kernel, capabilities = capabilities.NUMBERS, has = has,
  }))
  local by_name <const> = {}
  for _, rule in ipairs(cjson.decode(text).syscalls) do
    if counts(rule, kernel, caps) then
      for _, name in ipairs(rule.names) do
        by_name[name] = by_name[name] or {}
        table.insert(by_name[name], rule)
      end
    end
  end
  local wrong <const>, seen <const> = {}, {}
  for i, verdict in ipairs(verdicts(rules)) do
    local first <const> = FIRST[(i - 1) % #FIRST + 1]
    local want = demanded(by_name, verdict[2], first)
    seen[want] = true
    -- As for runc, what is newer than the profile is as on an older kernel.
    if (i - 1) // #FIRST > OLD and not by_name[verdict[2]] and verdict[1] == ENOSYS then want = ENOSYS end
    if verdict[1] ~= want then
      wrong[#wrong + 1] = ("%s(%#x): %s, not %s"):format(verdict[2], first, verdict[1], want)
    end
  end
  assert.same({}, wrong)
  return seen
end

describe("Docker's default profile", function()
  after_each(harness.cleanup)

  for _, kernel in ipairs { "4.4.0", "4.8.0-1", "6.18.1" } do
    for title, caps in pairs { ["without capabilities"] = {}, ["with CAP_SYS_ADMIN"] = { "sys_admin" } } do
      it(("means the same here on %s, %s"):format(kernel, title), function()
        local text <const> = read(PROFILE)
        if not text then return pending(PROFILE .. " is not here") end
        local seen <const> = check(text, kernel, caps)
        assert.is_true(seen[ALLOW] and seen[EPERM])
        assert.equal(#caps == 0, seen[ENOSYS] or false)
      end)
    end
  end
end)

describe("a profile", function()
  local MACHINE <const> = { arch = "x86_64", kernel = "6.1.0", capabilities = capabilities.NUMBERS, has = {} }

  it("of every kind of rule becomes what counts here", function()
    local text <const> = assert(read "tests/lua/schema/profile.json")
    local function of(kernel, ...)
      local has <const> = {}
      for _, name in ipairs { ... } do has[capabilities.NUMBERS[name]] = true end
      local profile <const> = assert(oci.rules(text, {
        arch = "x86_64", kernel = kernel, capabilities = capabilities.NUMBERS, has = has,
      }))
      local list <const> = {}
      for i, rule in ipairs(profile.rules) do
        list[i] = rule.action .. " " .. table.concat(rule.names, " ")
        for _, c in ipairs(rule.args or {}) do
          local mask <const> = c.mask and ("&%d "):format(c.mask) or ""
          list[i] = ("%s [%d %s%s %d]"):format(list[i], c.index, mask, c.op, c.value)
        end
      end
      return profile, list
    end
    local profile <const>, list <const> = of("4.7.9")
    assert.equal("errno:13", profile.default)
    assert.same({ "x86", "x32" }, profile.architectures)
    assert.is_true(profile.log)
    local ends <const> = { "allow arch_prctl", "allow clone [0 &2114060288 & 0]", "trap socket [0 == 16] [2 != 9]",
      "errno:38 clone3", "trace:7 bpf" }
    local function with(...) return table.move(ends, 1, #ends, select("#", ...) + 1, { ... }) end
    assert.same(with("allow read write", "kill_process umount2"), list)
    assert.same(with("allow read write", "allow mount", "allow ptrace"), select(2, of("4.8.0", "sys_admin")))
    assert.same(with("allow read write", "kill_process umount2", "allow ptrace"), select(2, of("5.0.0-rc1")))
  end)

  it("has alternatives where conditions are on one argument, as for runc, and keys of editors", function()
    local function args(text)
      local list <const> = {}
      local profile <const> = assert(oci.rules([[{ "$schema": "x.json", "$id": 1, "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [ { "names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": []] .. text .. "] } ] }", MACHINE))
      for i, rule in ipairs(profile.rules) do
        list[i] = {}
        for k, c in ipairs(rule.args or {}) do list[i][k] = ("%d%s%d"):format(c.index, c.op, c.value) end
      end
      return list
    end
    local function is(index, value)
      return ('{ "index": %d, "op": "SCMP_CMP_EQ", "value": %d }'):format(index, value)
    end
    assert.same({ {} }, args "")
    assert.same({ { "0==1", "1==2" } }, args(is(0, 1) .. "," .. is(1, 2)))
    assert.same({ { "0==1" }, { "0==16" } }, args(is(0, 1) .. "," .. is(0, 16)))
    assert.same({ { "0==1" }, { "0==16" }, { "2==0" } }, args(is(0, 1) .. "," .. is(0, 16) .. "," .. is(2, 0)))
  end)

  it("that is wrong is refused with its line", function()
    for text, expected in pairs {
      ["{\n"] = 2, ['{ "defaultAction": "SCMP_ACT_ERRNO",\n "syscalls": 3 }'] = 2,
      ['{ "defaultAction":\n"SCMP_ACT_ALOW" }'] = 2, ["[]"] = 1,
      ['{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [\n\n{ "names": [],\n "action": "SCMP_ACT_ALLOW" } ] }'] = 3,
      ['{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [ { "names": ["x"], "action": "SCMP_ACT_ALLOW",\n'
        .. '"includes": { "caps": [\n"CAP_NONE"] } } ] }'] = 3,
    } do
      local rules <const>, line <const>, message <const> = oci.rules(text, MACHINE)
      assert.is_nil(rules)
      assert.equal(expected, line, text .. ": " .. tostring(message))
    end
  end)

  it("with a word that nobody knows is refused with its line, but for names of system calls", function()
    local function of(text)
      return oci.rules(text, { arch = "x86_64", kernel = "6.1.0", capabilities = capabilities.NUMBERS, has = {},
        errors = { EPERM = true, ENOSYS = true, allow = true } })
    end
    local function rule(more)
      return '{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [\n{ "names": ["x_nobody_knows"],\n'
        .. '"action": "SCMP_ACT_ALLOW",\n' .. more .. " } ] }"
    end
    assert.is_truthy(of(rule '"comment": "x"'))
    assert.is_truthy(of '{ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EPERM", "listenerPath": "" }')
    assert.is_truthy(of(rule '"args": [ { "index": 0, "op": "SCMP_CMP_EQ", "value": 18446744073709551615 } ]'))
    for text, expected in pairs {
      [rule '"arg": []'] = { 4, 'unknown key "arg" (did you mean "args"?)' },
      [rule '"include": {}'] = { 4, 'unknown key "include" (did you mean "includes"?)' },
      [rule '"includes": {\n"cap": [] }'] = { 5, 'unknown key "cap" (did you mean "caps"?)' },
      [rule '"args": [ { "index": 0, "op": "SCMP_CMP_EQ",\n"value": 1, "valuetwo": 1 } ]']
        = { 5, 'unknown key "valuetwo" (did you mean "valueTwo"?)' },
      [rule '"args": [ { "index": 0, "op": "SCMP_CMP_EQ",\n"value": -1 } ]']
        = { 5, "value must be a whole number from 0" },
      [rule '"args": [ { "index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 1,\n"valueTwo": -1 } ]']
        = { 5, "valueTwo must be a whole number from 0" },
      [rule '"includes": { "arches": [\n"amd46"] }'] = { 5, 'unknown architecture "amd46" (did you mean "amd64"?)' },
      -- Also behind a condition that is not met.
      [rule '"excludes": { "arches": ["amd64"], "caps": [\n"CAP_NONE"] }'] = { 5, 'unknown capability "CAP_NONE"' },
      [rule '"errno": "EPREM"'] = { 4, 'errno: unknown error "EPREM"' },
      ['{ "defaultAction": "SCMP_ACT_ERRNO",\n"defaultErrno": "allow" }']
        = { 2, 'defaultErrno: unknown error "allow"' },
      ['{ "defaultAction": "SCMP_ACT_ERRNO",\n"architecture": [] }']
        = { 2, 'unknown key "architecture" (did you mean "architectures"?)' },
      ['{ "defaultAction": "SCMP_ACT_ERRNO", "architectures": [\n"SCMP_ARCH_X68"] }']
        = { 2, 'unknown architecture "SCMP_ARCH_X68" (did you mean "SCMP_ARCH_X86"?)' },
      ['{ "defaultAction": "SCMP_ACT_ERRNO", "archMap": [ { "architecture": "SCMP_ARCH_ARM",\n'
        .. '"subArchitectures": ["arm"] } ] }'] = { 2, 'unknown architecture "arm"' },
      ['{ "defaultAction": "SCMP_ACT_ERRNO", "archMap": [\n{ "subArchitectures": [] } ] }']
        = { 2, "architecture is missing" },
    } do
      local rules <const>, line <const>, message <const> = of(text)
      assert.is_nil(rules, text)
      assert.same(expected, { line, message:sub(1, #expected[2]) }, text)
    end
  end)
end)
