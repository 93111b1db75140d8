-- The key `sandbox.seccomp`: which system calls the child may make (seccomp(2)).

local keys <const> = require "ward.schema.keys"
local suggest <const> = require "ward.suggest"
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

local function action(path, given)
  local what <const> = ('"%s" or an error such as "EPERM"'):format(table.concat(WORDS, '", "'))
  value.string(path, given, { max = 64, what = what })
  if not is_action[given] then
    value.fail(path, ("must be %s, got %s%s"):format(what, value.describe(given), suggest.hint(given, actions)))
  end
  return given
end

local function syscall(path, given)
  if type(given) == "table" then value.fail(path, "a condition on arguments: not yet supported") end
  value.string(path, given, { max = 64, what = 'the name of a system call such as "openat"' })
  if given:sub(1, 1) == "@" then value.fail(path, ("the preset %s: not yet supported"):format(value.quote(given))) end
  if not given:find("^[a-z_][a-z0-9_]*$") then
    value.must(path, "the name of a system call in lower case", given)
  end
  return given
end

local function names(path, given)
  return value.set(path, given, 'a list of system calls such as { "read", "write" }', MAX_NAMES, syscall)
end

-- Adds a rule; a call may be in one only.
local function add_rule(path, rules, owners, list, what)
  for _, name in ipairs(list) do
    if owners[name] then value.fail(path, ("%s is in %s too"):format(value.quote(name), owners[name])) end
    owners[name] = path
  end
  rules[#rules + 1] = { names = list, action = what }
end

local function canonical(path, given)
  for _, key in ipairs(value.keys(path, given)) do
    if key ~= "default" and key ~= "rules" then value.fail(path, "unknown key " .. value.quote(key)) end
  end
  local default <const> = action(path .. ".default", given.default)
  local rules, owners = {}, {}
  for i = 1, value.list(path .. ".rules", given.rules, "a list", MAX_RULES) do
    local at <const>, row <const> = ("%s.rules[%d]"):format(path, i), given.rules[i]
    for _, key in ipairs(value.keys(at, row)) do
      if key ~= "names" and key ~= "action" then value.fail(at, "unknown key " .. value.quote(key)) end
    end
    local what <const> = action(at .. ".action", row.action)
    if what == default then value.fail(at .. ".action", "is the default") end
    add_rule(at, rules, owners, names(at .. ".names", row.names), what)
  end
  return { default = default, rules = rules }
end

local function declared(path, given)
  local allow <const> = given.allow ~= nil and names(path .. ".allow", given.allow) or nil
  local deny <const> = given.deny ~= nil and names(path .. ".deny", given.deny) or nil
  local default = allow and "EPERM" or "allow"
  if given.default ~= nil then default = action(path .. ".default", given.default) end
  local denies <const> = default ~= "allow" and default ~= "log"

  -- A filter that cannot mean what it says.
  if default == "allow" and allow then
    value.fail(path .. ".allow", 'has no effect, because default = "allow" allows everything')
  elseif default == "allow" and not deny then
    value.fail(path, "must have allow or deny")
  elseif denies and not (allow and #allow > 0) then
    value.fail(path .. ".allow", ('must name system calls: with default = "%s" nothing else could be done'):format(
      default))
  end

  local rules, owners = {}, {}
  if allow and #allow > 0 then add_rule(path .. ".allow", rules, owners, allow, "allow") end
  if deny and #deny > 0 then
    -- What the default denies already needs no rule, and libseccomp takes none; the check is for both.
    add_rule(path .. ".deny", denies and {} or rules, owners, deny, "EPERM")
  end
  return { default = default, rules = rules }
end

--- seccomp -> { default=, rules = { { names = {...}, action= }, ... } }. With allow alone everything else is
--- EPERM; with deny alone everything else is allowed.
---@param path string
---@param given any
---@param again boolean whether it is the canonical form
function M.normalise(path, given, again)
  if given == nil then return nil end
  if type(given) == "string" then value.fail(path, "a preset: not yet supported") end
  value.table(path, given, 'a table such as { default = "EPERM", allow = { "read", "write" } }')
  if again then return canonical(path, given) end
  value.known(path, given, keys.seccomp)
  return declared(path, given)
end

return M
