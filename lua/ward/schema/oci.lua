-- Seccomp profiles as Docker, Podman and the OCI runtimes read them (config-linux.md of the runtime specification;
-- includes, excludes and archMap are Docker's). What depends on the machine and on the child's capabilities is decided
-- here, so that what comes out is rules without conditions of that kind.

local json <const> = require "ward.schema.json"
local suggest <const> = require "ward.suggest"

local M <const> = {}

local DEFAULT_ERRNO <const> = 1 -- EPERM
local MAX_ERRNO <const> = 4095

-- Those without a number, and those that have one.
local ACTIONS <const> = {
  SCMP_ACT_ALLOW = "allow", SCMP_ACT_LOG = "log", SCMP_ACT_TRAP = "trap", SCMP_ACT_KILL = "kill_thread",
  SCMP_ACT_KILL_THREAD = "kill_thread", SCMP_ACT_KILL_PROCESS = "kill_process",
  SCMP_ACT_ERRNO = "errno:%d", SCMP_ACT_TRACE = "trace:%d",
}
local ACTION_NAMES <const> = {
  "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRAP", "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE",
}

local OPS <const> = {
  SCMP_CMP_NE = "!=", SCMP_CMP_LT = "<", SCMP_CMP_LE = "<=", SCMP_CMP_EQ = "==", SCMP_CMP_GE = ">=",
  SCMP_CMP_GT = ">", SCMP_CMP_MASKED_EQ = "&",
}
local OP_NAMES <const> = {
  "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
}

-- uname(2)'s machine -> what profiles call it in includes.arches, and in archMap.
local MACHINES <const> = {
  x86_64 = { "amd64", "SCMP_ARCH_X86_64" }, aarch64 = { "arm64", "SCMP_ARCH_AARCH64" },
  i386 = { "x86", "SCMP_ARCH_X86" }, i686 = { "x86", "SCMP_ARCH_X86" }, armv7l = { "arm", "SCMP_ARCH_ARM" },
  armv6l = { "arm", "SCMP_ARCH_ARM" }, ppc64le = { "ppc64le", "SCMP_ARCH_PPC64LE" },
  s390x = { "s390x", "SCMP_ARCH_S390X" }, riscv64 = { "riscv64", "SCMP_ARCH_RISCV64" },
  loongarch64 = { "loong64", "SCMP_ARCH_LOONGARCH64" }, mips64 = { "mips64", "SCMP_ARCH_MIPS64" },
}

-- Every name that profiles have for an architecture, and those of includes and excludes, which are Go's.
local ARCHITECTURES <const>, GO_ARCHITECTURES <const> = {}, {}
for word in ([[X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X
  PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB]]):gmatch("%S+") do
  ARCHITECTURES[#ARCHITECTURES + 1] = "SCMP_ARCH_" .. word
end
for word in ([[amd64 386 x86 x32 arm arm64 mips mips64 mips64n32 mipsle mips64le mipsel mipsel64 mipsel64n32 ppc ppc64
  ppc64le s390 s390x parisc parisc64 riscv64 loong64]]):gmatch("%S+") do
  GO_ARCHITECTURES[#GO_ARCHITECTURES + 1] = word
end

-- The keys that an object may have. What is misspelled would be a rule without its condition.
local KEYS <const> = {
  profile = { "defaultAction", "defaultErrnoRet", "defaultErrno", "architectures", "archMap", "flags", "syscalls",
    "listenerPath", "listenerMetadata", "comment" },
  rule = { "names", "name", "action", "errnoRet", "errno", "args", "includes", "excludes", "comment" },
  filter = { "caps", "arches", "minKernel" },
  condition = { "index", "value", "valueTwo", "op" },
  map = { "architecture", "subArchitectures" },
}

-- A profile being read. Faults leave by error({ line, message }).
local function fail(node, message)
  error({ line = node.line, message = message }, 0)
end

local WORDS <const> = {
  object = "an object", array = "a list", string = "a string", number = "a number", boolean = "true or false",
  null = "null",
}

local PLURALS <const> = { object = "objects", string = "strings" }

-- The field of an object, of this kind; nil when it is not there or null.
local function field(node, key, kind)
  local found <const> = node.value[key]
  if not found or found.kind == "null" then return nil end
  if found.kind ~= kind then fail(found, ("%s must be %s, not %s"):format(key, WORDS[kind], WORDS[found.kind])) end
  return found
end

-- The items of a list, each of this kind.
local function list(node, key, kind)
  local found <const> = field(node, key, "array")
  for _, item in ipairs(found and found.value or {}) do
    if item.kind ~= kind then
      fail(item, ("%s must hold %s, not %s"):format(key, PLURALS[kind], WORDS[item.kind]))
    end
  end
  return found and found.value or {}
end

-- Those that begin with "$", such as "$schema", are for editors.
local function known(node, keys)
  local first
  for key, found in pairs(node.value) do
    local is_known = keys == KEYS.profile and key:sub(1, 1) == "$"
    for _, name in ipairs(keys) do is_known = is_known or name == key end
    if not is_known and (not first or found.line < first.line or found.line == first.line and key < first.key) then
      first = { line = found.line, key = key }
    end
  end
  if first then fail(first, ('unknown key "%s"%s'):format(first.key, suggest.hint(first.key, keys))) end
end

-- The same list, of these names only.
local function names_of(items, names, what)
  for _, item in ipairs(items) do
    local is_known = false
    for _, name in ipairs(names) do is_known = is_known or name == item.value end
    if not is_known then
      fail(item, ('unknown %s "%s"%s'):format(what, item.value, suggest.hint(item.value, names)))
    end
  end
  return items
end

local function contains(items, wanted)
  for _, item in ipairs(items) do
    if item.value == wanted then return true end
  end
  return false
end

local function whole(node, key, most)
  local found <const> = field(node, key, "number")
  if not found then return nil end
  local n <const> = math.tointeger(found.value)
  if not n or found.minus or most and (n < 0 or n > most) then
    fail(found, ("%s must be a whole number from 0%s"):format(key, most and (" to %d"):format(most) or ""))
  end
  return n
end

-- An action as the core names it. errnoRet counts before errno, which some profiles have besides. errors: a set of
-- names, those of errors among them.
local function action(node, key, number_key, name_key, otherwise, errors)
  local found <const> = field(node, key, "string")
  if not found then fail(node, key .. " is missing") end
  local form <const> = ACTIONS[found.value]
  if found.value == "SCMP_ACT_NOTIFY" then fail(found, "SCMP_ACT_NOTIFY needs an agent, which ward has not") end
  if not form then
    fail(found, ('%s: unknown action "%s"%s'):format(key, found.value, suggest.hint(found.value, ACTION_NAMES)))
  end
  local number <const>, name <const> = whole(node, number_key, MAX_ERRNO), field(node, name_key, "string")
  if name and not (name.value:find "^E" and errors[name.value]) then
    fail(name, ('%s: unknown error "%s"'):format(name_key, name.value))
  end
  if not form:find("%d", 1, true) then return form end
  if not number and name and form:find("^errno") then return name.value end
  return form:format(number or otherwise)
end

-- Versions by their first two numbers, as Docker compares them.
local function at_least(node, kernel)
  local major <const>, minor <const> = node.value:match("^(%d+)%.(%d+)$")
  if not major then fail(node, ('minKernel must be two numbers such as "4.8", not "%s"'):format(node.value)) end
  local have_major <const>, have_minor <const> = kernel:match("^(%d+)%.(%d+)")
  local want <const>, have <const> = tonumber(major), tonumber(have_major) or 0
  return have > want or have == want and (tonumber(have_minor) or 0) >= tonumber(minor)
end

local function capability(node, numbers)
  local name <const> = node.value:lower():gsub("^cap_", "")
  if numbers[name] then return numbers[name] end
  local words <const> = {}
  for word in pairs(numbers) do words[#words + 1] = word end
  table.sort(words)
  fail(node, ('unknown capability "%s"%s'):format(node.value, suggest.hint(name, words)))
end

-- What includes or excludes says, all of it checked: { arches =, caps = numbers, kernel = boolean }, or nil.
local function machines(rule, key, machine)
  local node <const> = field(rule, key, "object")
  if not node then return nil end
  known(node, KEYS.filter)
  local caps <const> = {}
  for i, item in ipairs(list(node, "caps", "string")) do caps[i] = capability(item, machine.capabilities) end
  local kernel <const> = field(node, "minKernel", "string")
  return {
    arches = names_of(list(node, "arches", "string"), GO_ARCHITECTURES, "architecture"), caps = caps,
    kernel = kernel and { met = at_least(kernel, machine.kernel) },
  }
end

-- Does this rule count here? includes must all be met, excludes none.
local function counts(rule, machine)
  local includes <const>, excludes <const> = machines(rule, "includes", machine), machines(rule, "excludes", machine)
  if excludes then
    if contains(excludes.arches, machine.goarch) or excludes.kernel and excludes.kernel.met then return false end
    for _, cap in ipairs(excludes.caps) do
      if machine.has[cap] then return false end
    end
  end
  if includes then
    if #includes.arches > 0 and not contains(includes.arches, machine.goarch) then return false end
    for _, cap in ipairs(includes.caps) do
      if not machine.has[cap] then return false end
    end
    if includes.kernel and not includes.kernel.met then return false end
  end
  return true
end

local function condition(node)
  known(node, KEYS.condition)
  local index <const>, op <const> = whole(node, "index", 5), field(node, "op", "string")
  local value <const>, second <const> = whole(node, "value"), whole(node, "valueTwo")
  if not index then fail(node, "index is missing") end
  if not op then fail(node, "op is missing") end
  if not OPS[op.value] then
    fail(op, ('unknown op "%s"%s'):format(op.value, suggest.hint(op.value, OP_NAMES)))
  end
  if not value then fail(node, "value is missing") end
  if OPS[op.value] ~= "&" then return { index = index, op = OPS[op.value], value = value } end
  if value == 0 then fail(node, "a mask (value) of 0 compares nothing") end
  if (second or 0) & ~value ~= 0 then fail(node, "valueTwo has bits outside of the mask (value): it is never met") end
  return { index = index, op = "&", mask = value, value = second or 0 }
end

-- The conditions of a rule, all of which are to be met, as a list of one; but of several on one argument each by itself
-- is enough, with those on other arguments: so runc has it, and the profiles that were written for it.
local function conditions(rule)
  local args <const>, seen <const> = {}, {}
  local several = false
  for i, node in ipairs(list(rule, "args", "object")) do
    args[i] = condition(node)
    several, seen[args[i].index] = several or seen[args[i].index], true
  end
  if not several then return { #args > 0 and args or nil } end
  local alternatives <const> = {}
  for i, arg in ipairs(args) do alternatives[i] = { arg } end
  return alternatives
end

local function names(rule)
  local found <const>, seen <const> = {}, {}
  local function add(node, key)
    if not node.value:find("^[%w_]+$") or #node.value > 64 then
      fail(node, key .. " must hold names of system calls")
    end
    if not seen[node.value] then found[#found + 1], seen[node.value] = node.value, true end
  end
  for _, node in ipairs(list(rule, "names", "string")) do add(node, "names") end
  local single <const> = field(rule, "name", "string") -- of profiles before 2017
  if single then add(single, "name") end
  if #found == 0 then fail(rule, "a rule without names") end
  table.sort(found)
  return found
end

local function ward_name(arch)
  return (arch:lower():gsub("^scmp_arch_", ""))
end

-- The architectures besides the machine's own that the profile is for.
local function architectures(profile, machine)
  local wanted <const> = {}
  local map <const>, plain <const> = list(profile, "archMap", "object"),
    names_of(list(profile, "architectures", "string"), ARCHITECTURES, "architecture")
  if #map > 0 and #plain > 0 then fail(plain[1], "architectures and archMap cannot both be there") end
  for _, row in ipairs(map) do
    known(row, KEYS.map)
    local own <const> = field(row, "architecture", "string")
    if not own then fail(row, "architecture is missing") end
    names_of({ own }, ARCHITECTURES, "architecture")
    for _, sub in ipairs(names_of(list(row, "subArchitectures", "string"), ARCHITECTURES, "architecture")) do
      if own.value == machine.scmp then wanted[#wanted + 1] = ward_name(sub.value) end
    end
  end
  for _, node in ipairs(plain) do
    if node.value ~= machine.scmp then wanted[#wanted + 1] = ward_name(node.value) end
  end
  return wanted
end

local FLAGS <const> = {
  SECCOMP_FILTER_FLAG_LOG = true, SECCOMP_FILTER_FLAG_TSYNC = true, SECCOMP_FILTER_FLAG_SPEC_ALLOW = true,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = true,
}

local function read(profile, machine)
  if profile.kind ~= "object" then fail(profile, "a profile must be an object, not " .. WORDS[profile.kind]) end
  known(profile, KEYS.profile)
  local default <const> = action(profile, "defaultAction", "defaultErrnoRet", "defaultErrno", DEFAULT_ERRNO,
    machine.errors)
  local rules <const>, log = {}, nil
  for _, flag in ipairs(list(profile, "flags", "string")) do
    if not FLAGS[flag.value] then fail(flag, ('unknown flag "%s"'):format(flag.value)) end
    log = log or flag.value == "SECCOMP_FILTER_FLAG_LOG" or nil
  end
  for _, node in ipairs(list(profile, "syscalls", "object")) do
    -- What does not count here is checked all the same: the file is the same everywhere.
    known(node, KEYS.rule)
    local what <const> = action(node, "action", "errnoRet", "errno", DEFAULT_ERRNO, machine.errors)
    local called <const>, alternatives <const> = names(node), conditions(node)
    if counts(node, machine) and what ~= default then
      for i = 1, math.max(1, #alternatives) do
        rules[#rules + 1] = { names = called, action = what, args = alternatives[i], optional = true }
      end
    end
  end
  local arches <const> = architectures(profile, machine)
  return { default = default, rules = rules, architectures = #arches > 0 and arches or nil, log = log }
end

--- The rules of a profile on this machine.
---@param text string
---@param machine { arch: string, kernel: string, capabilities: table<string, integer>, has: table<integer, boolean>,
---  errors?: table<string, boolean> } arch: of uname(2); has: the capabilities that the child may have; errors: those
---  that have a name
---@return table? seccomp { default=, rules=, architectures=, log= } as in the canonical form
---@return integer? line
---@return string? message
function M.rules(text, machine)
  local profile <const>, line <const>, message <const> = json.parse(text)
  if not profile then return nil, line, message end
  local names_here <const> = MACHINES[machine.arch] or { machine.arch, "SCMP_ARCH_" .. machine.arch:upper() }
  local here <const> = {
    goarch = names_here[1], scmp = names_here[2], kernel = machine.kernel, capabilities = machine.capabilities,
    has = machine.has, errors = machine.errors or {},
  }
  local ok <const>, result <const> = pcall(read, profile, here)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result.line, result.message
end

return M
