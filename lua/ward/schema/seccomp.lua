-- The key `sandbox.seccomp`: which system calls the child may make (seccomp(2)).

local capabilities <const> = require "ward.schema.capabilities"
local conditions <const> = require "ward.schema.conditions"
local held <const> = require "ward.schema.held"
local keys <const> = require "ward.schema.keys"
local oci <const> = require "ward.schema.oci"
local suggest <const> = require "ward.suggest"
local syscalls <const> = require "ward.schema.syscalls"
local value <const> = require "ward.schema.value"

local M <const> = {}

-- There are fewer than 500 system calls.
local MAX_NAMES <const> = 1024
local MAX_RULES <const> = 256

local WORDS <const> = { "allow", "log", "trap", "kill_thread", "kill_process" }

-- Names of errno(3); a filter answers with one instead of making the call.
local ERRNOS <const> = [[
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV
  ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
  ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ENODATA ETIME EPROTO EBADMSG EOVERFLOW EILSEQ EUSERS ENOTSOCK
  EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT
  EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
  ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED ENOKEY EKEYEXPIRED
  EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE
]]

local is_action <const>, actions <const> = {}, {}
local function add_action(name)
  actions[#actions + 1], is_action[name] = name, true
end
for _, word in ipairs(WORDS) do add_action(word) end
for name in ERRNOS:gmatch("%S+") do add_action(name) end

-- errno:N and trace:N come from profiles, which have numbers.
local function action(path, given, canonical)
  if canonical and type(given) == "string" and (given:find("^errno:%d%d?%d?%d?$") or given:find("^trace:%d+$")) then
    return given
  end
  local what <const> = ('"%s" or an error such as "EPERM"'):format(table.concat(WORDS, '", "'))
  value.string(path, given, { max = 64, what = what })
  if not is_action[given] then
    value.fail(path, ("must be %s, got %s%s"):format(what, value.describe(given), suggest.hint(given, actions)))
  end
  return given
end

local function known_name(path, name, host)
  local found <const> = not host.syscall or host.syscall(name)
  if found == "foreign" then
    value.fail(path, ("this machine has no system call %s, only others have: leave it out, or name its architecture in "
      .. "architectures"):format(value.quote(name)))
  elseif found then
    return
  end
  local list <const> = { "io_uring_setup", table.unpack(syscalls.expand("@known")) }
  value.fail(path, ("unknown system call %s%s"):format(value.quote(name), suggest.hint(name, list)))
end

-- The name of a call, or of a group with "@".
local function call_name(path, given, host, plain)
  value.string(path, given, { max = 64, what = 'the name of a system call such as "openat"' })
  if given:sub(1, 1) == "@" then
    if plain then value.fail(path, "a group has no arguments: name the system call") end
    if not syscalls.groups[given] then
      value.fail(path, ("unknown group %s%s"):format(value.quote(given), suggest.hint(given, syscalls.names())))
    end
    return given
  end
  if not given:find("^[a-z_][a-z0-9_]*$") then
    value.must(path, "the name of a system call in lower case", given)
  end
  known_name(path, given, host)
  return given
end

-- A list of names, groups and { name, args = {...} }: { plain = {...}, groups = {...}, rules = { { name, args } } }
local function read_list(path, given, denies, host)
  local result <const>, seen <const> = { plain = {}, groups = {}, rules = {} }, {}
  local what <const> = 'a list of system calls such as { "@basic-io", "openat" }'
  for i = 1, value.list(path, given, what, MAX_NAMES) do
    local at <const>, item <const> = ("%s[%d]"):format(path, i), given[i]
    if type(item) == "table" then
      value.table(at, item)
      local name <const> = call_name(at .. "[1]", item[1], host, true)
      result.rules[#result.rules + 1] = { name, conditions.declared(at, item, name, denies) }
    else
      local name <const> = call_name(at, item, host)
      local into <const> = name:sub(1, 1) == "@" and result.groups or result.plain
      if not seen[name] then into[#into + 1], seen[name] = name, true end
    end
  end
  table.sort(result.plain)
  table.sort(result.groups)
  return result
end

local EMPTY <const> = { plain = {}, groups = {}, rules = {} }

local function add(rules, names, what, args)
  if #names > 0 then rules[#rules + 1] = { names = names, action = what, args = args } end
end

local function mentions(list, name)
  for _, rule in ipairs(list.rules) do
    if rule[1] == name then return true end
  end
  return false
end

local function names_plainly(list, name)
  for _, plain in ipairs(list.plain) do
    if plain == name then return true end
  end
  return false
end

-- What comes with the groups of an allow list: terminals are not typed into.
local function add_guards(rules, allow)
  for _, guard in ipairs(syscalls.guards) do
    if not names_plainly(allow, guard.call) then
      local typed <const> = { index = guard.argument, op = "==", value = guard.equals, narrow = true }
      add(rules, { guard.call }, "EPERM", { typed })
    end
  end
end

-- The rules of two lists in the order in which they count: what is named before what is in a group, and of either
-- what is denied before what is allowed.
local function rules_of(allow, deny, default)
  local rules <const>, denies <const> = {}, default ~= "allow" and default ~= "log"
  local answer <const> = denies and default or "EPERM"
  -- What the default denies and nothing allows needs no rule.
  local needed <const> = not denies or #allow.groups > 0 or #allow.rules > 0
  for _, rule in ipairs(deny.rules) do add(rules, { rule[1] }, answer, rule[2]) end
  if needed then add(rules, deny.plain, answer) end
  -- clone3 has its flags behind a pointer: who filters those of clone must make programs fall back on it.
  if (mentions(allow, "clone") or mentions(deny, "clone"))
    and not names_plainly(allow, "clone3") and not names_plainly(deny, "clone3") then
    add(rules, { "clone3" }, "ENOSYS")
  end
  for _, rule in ipairs(allow.rules) do add(rules, { rule[1] }, "allow", rule[2]) end
  if default ~= "allow" then add(rules, allow.plain, "allow") end
  if needed then add(rules, deny.groups, answer) end
  if #allow.groups > 0 then
    add_guards(rules, allow)
    local groups <const> = { "@default" }
    for _, group in ipairs(allow.groups) do
      if group ~= "@default" then groups[#groups + 1] = group end
    end
    table.sort(groups)
    add(rules, groups, "allow")
  end
  return rules
end

-- What is denied whatever its arguments are cannot be allowed, too.
local function check_lists(path, allow, deny)
  for _, name in ipairs(deny.plain) do
    if names_plainly(allow, name) or mentions(allow, name) then
      value.fail(path .. ".deny", ("%s is in %s too"):format(value.quote(name), path .. ".allow"))
    end
  end
end

local function check_default(path, default, allow, deny)
  local denies <const> = default ~= "allow" and default ~= "log"
  -- A filter that cannot mean what it says.
  if default == "allow" and allow then
    value.fail(path .. ".allow", 'has no effect, because default = "allow" allows everything')
  elseif default == "allow" and not deny then
    value.fail(path, "must have allow or deny")
  elseif denies and not (allow and #allow.plain + #allow.groups + #allow.rules > 0) then
    value.fail(path .. ".allow", ('must name system calls: with default = "%s" nothing else could be done'):format(
      default))
  end
end

local ARCHITECTURES <const> = {
  "x86", "x86_64", "x32", "arm", "aarch64", "mips", "mips64", "mips64n32", "mipsel", "mipsel64", "mipsel64n32", "ppc",
  "ppc64", "ppc64le", "s390", "s390x", "parisc", "parisc64", "riscv64",
}

local function architectures(path, given)
  if given == nil then return nil end
  local list <const> = value.set(path, given, 'a list of architectures such as { "x86" }', 64, function(at, name)
    return value.choice(at, name, ARCHITECTURES)
  end)
  return #list > 0 and list or nil
end

local function switch(path, given)
  return given ~= nil and value.boolean(path, given) or nil
end

-- Refuses what is given beside a key that stands alone.
local function alone(path, given, key, why, allowed)
  for _, other in ipairs { "default", "allow", "deny", "oci", "learn", "architectures", "log" } do
    if other ~= key and given[other] ~= nil and not (allowed and allowed[other]) then
      value.fail(("%s.%s"):format(path, other), ("cannot be beside %s: %s"):format(key, why))
    end
  end
end

-- The capabilities that a profile's conditions are about, as a set of numbers: those that the program runs with; where
-- it can gain by exec, all that its bounding set lets it have.
local function capability_set(spec, uid, machine)
  local caps <const>, set <const> = spec.sandbox.caps, {}
  if spec.sandbox.no_new_privs then return held.of(spec, uid, machine) end
  for _, number in ipairs(caps and (caps.bounding or caps.permitted) or machine.caps) do set[number] = true end
  return set
end

local cache <const> = setmetatable({}, { __mode = "k" }) -- machine -> path -> text

local function profile_text(path, file, host, machine)
  local texts <const> = cache[machine] or {}
  cache[machine] = texts
  if texts[file] == nil then
    local text <const>, message <const> = host.read(file)
    if not text then value.fail(path, value.unreadable(file, message)) end
    texts[file] = text
  end
  return texts[file]
end

local function profile(path, given, context)
  alone(path, given, "oci", "the profile says it all", { log = true })
  value.string(path .. ".oci", given.oci, { max = value.MAX_PATH, what = "the path of a profile" })
  local host <const> = context.host
  if not host.machine then value.fail(path .. ".oci", "is read where a script is loaded only") end
  local file <const> = context.absolute(path .. ".oci", given.oci)
  local machine <const> = host.machine()
  local text <const> = profile_text(path .. ".oci", file, host, machine)
  local result <const>, line <const>, message <const> = oci.rules(text, {
    arch = machine.arch, kernel = machine.kernel, capabilities = capabilities.NUMBERS,
    has = capability_set(context.spec, host.uid, machine), errors = is_action,
  })
  if not result then value.fail(path .. ".oci", ("%s:%d: %s"):format(file, line, message)) end
  result.log = result.log or switch(path .. ".log", given.log)
  result.oci = file
  -- Those that ward has no name for never run where it does.
  local arches <const> = {}
  for _, name in ipairs(result.architectures or {}) do
    for _, ours in ipairs(ARCHITECTURES) do
      if name == ours then arches[#arches + 1] = name end
    end
  end
  table.sort(arches)
  result.architectures = #arches > 0 and arches or nil
  return result
end

local function learn(path, given, context)
  alone(path, given, "learn", "it forbids nothing, and writes down what the program calls")
  value.string(path .. ".learn", given.learn, { max = value.MAX_PATH, what = "the path of the list to write" })
  return { default = "allow", rules = {}, learn = context.absolute(path .. ".learn", given.learn) }
end

local function lists(path, given, context)
  if given.oci ~= nil then return profile(path, given, context) end
  if given.learn ~= nil then return learn(path, given, context) end
  -- Those of a further architecture may be named, too.
  local host <const> = { syscall = context.host.syscall and function(name)
    local found <const> = context.host.syscall(name)
    return found == "foreign" and given.architectures ~= nil or found
  end }
  local default = given.allow ~= nil and "EPERM" or "allow"
  if given.default ~= nil then default = action(path .. ".default", given.default) end
  local allow <const> = given.allow ~= nil and read_list(path .. ".allow", given.allow, false, host) or nil
  local deny <const> = given.deny ~= nil and read_list(path .. ".deny", given.deny, true, host) or nil
  check_default(path, default, allow, deny)
  check_lists(path, allow or EMPTY, deny or EMPTY)
  return {
    default = default, rules = rules_of(allow or EMPTY, deny or EMPTY, default),
    architectures = architectures(path .. ".architectures", given.architectures),
    log = switch(path .. ".log", given.log),
  }
end

-- canonical --------------------------------------------------------------------------------------------------

local CANONICAL <const> = { default = true, rules = true, architectures = true, log = true, oci = true, learn = true }
local RULE <const> = { names = true, action = true, args = true, optional = true }

local function canonical_rule(at, row)
  for _, key in ipairs(value.keys(at, row)) do
    if not RULE[key] then value.fail(at, "unknown key " .. value.quote(key)) end
  end
  local names <const> = value.set(at .. ".names", row.names, "a list", MAX_NAMES, function(path, name)
    value.string(path, name, { max = 64 })
    if not syscalls.groups[name] and not name:find("^[%w_]+$") then value.must(path, "a system call", name) end
    return name
  end)
  if #names == 0 then value.fail(at .. ".names", "must not be empty") end
  return {
    names = names, action = action(at .. ".action", row.action, true),
    args = conditions.canonical(at .. ".args", row.args), optional = switch(at .. ".optional", row.optional),
  }
end

local function canonical(path, given, absolute)
  for _, key in ipairs(value.keys(path, given)) do
    if not CANONICAL[key] then value.fail(path, "unknown key " .. value.quote(key)) end
  end
  local rules <const> = {}
  for i = 1, value.list(path .. ".rules", given.rules, "a list", MAX_RULES) do
    rules[i] = canonical_rule(("%s.rules[%d]"):format(path, i), given.rules[i])
  end
  local function file(key)
    if given[key] == nil then return nil end
    return absolute(path .. "." .. key, value.string(path .. "." .. key, given[key], { max = value.MAX_PATH }))
  end
  return {
    default = action(path .. ".default", given.default, true), rules = rules,
    architectures = architectures(path .. ".architectures", given.architectures),
    log = switch(path .. ".log", given.log), oci = file "oci", learn = file "learn",
  }
end

--- seccomp -> { default=, rules = { { names = {...}, action=, args=, optional= }, ... }, architectures=, log=, oci=,
--- learn= }. The first rule that applies to a call decides it; those of a profile (oci) have no order. A name with "@"
--- is a group. With allow alone everything else is EPERM; with deny alone everything else is allowed.
---@param path string
---@param given any
---@param again boolean whether it is the canonical form
---@param context table host: as for ward.schema; absolute: fn(path, relative) -> path; caps: the canonical sets, or nil
function M.normalise(path, given, again, context)
  if given == nil then return nil end
  if type(given) == "string" and not again then
    if given:sub(1, 1) ~= "@" then
      value.fail(path, ('must be a group such as "@system-service" or a table, got string %s%s'):format(
        value.quote(given), suggest.hint("@" .. given, syscalls.names())))
    end
    return lists(path, { allow = { call_name(path, given, context.host) } }, context)
  end
  value.table(path, given,
    'a group such as "@system-service", or a table such as { allow = { "@basic-io", "openat" } }')
  if again then return canonical(path, given, context.absolute) end
  value.known(path, given, keys.seccomp)
  return lists(path, given, context)
end

return M
