-- The filter that ward adds to every sandbox (seccomp(2)), beside the one of `seccomp`: for what Landlock's rules for
-- TCP ports do not see, and for the bits of files that outlive the sandbox. It stands for the canonical key `guard`,
-- which is made anew from the others. A sandbox that gets no filter at all gets one that allows everything: by it the
-- control socket knows who is in a sandbox, also where ward itself has no_new_privs (core/linux/confined.h).

local value <const> = require "ward.schema.value"

local M <const> = {}

-- Where the arguments of socket(2) and its like are behind a pointer.
local MULTIPLEXED <const> = { x86 = true, s390 = true, ppc = true, mips = true, mipsel = true }

local AF_INET <const>, AF_INET6 <const>, AF_SMC <const> = 2, 10, 43
local IPPROTO_TCP <const>, IPPROTO_SMC <const>, IPPROTO_MPTCP <const> = 6, 256, 262
local TCP_ULP <const> = 31
local MSG_FASTOPEN <const> = 0x20000000
local S_ISUID <const>, S_ISGID <const> = 0x800, 0x400
local O_CREAT <const>, O_TMPFILE <const> = 0x40, 0x400000

local function is(index, number)
  return { index = index, op = "==", value = number, narrow = true }
end

local function has(index, bits)
  return { index = index, op = "&", mask = bits, value = bits, narrow = true }
end

local function add(rules, name, action, ...)
  -- What is not known here is absent for the child, too.
  rules[#rules + 1] = { names = { name }, action = action, args = select("#", ...) > 0 and { ... } or nil,
    optional = true }
end

-- Is this call in the list of those allowed, by its name?
local function is_named(seccomp, name)
  for _, rule in ipairs(seccomp and seccomp.rules or {}) do
    for _, each in ipairs(rule.action == "allow" and rule.args == nil and rule.names or {}) do
      if each == name then return true end
    end
  end
  return false
end

-- What reaches TCP ports as another protocol, or without connect(2) and bind(2).
local function add_ports(guard, net, seccomp)
  local rules <const>, words <const> = guard.rules, guard.words
  for _, family in ipairs { AF_INET, AF_INET6 } do
    for _, protocol in ipairs { IPPROTO_SMC, IPPROTO_MPTCP } do
      add(rules, "socket", "EPROTONOSUPPORT", is(0, family), is(2, protocol))
    end
  end
  add(rules, "socket", "EPROTONOSUPPORT", is(0, AF_SMC))
  -- Makes SMC of a TCP socket. Its other use is encryption in the kernel, which programs do without.
  add(rules, "setsockopt", "EPERM", is(1, IPPROTO_TCP), is(2, TCP_ULP))
  words[#words + 1] = "no MPTCP and SMC"
  if net.connect then
    add(rules, "sendmmsg", "EOPNOTSUPP", has(3, MSG_FASTOPEN))
    add(rules, "sendmsg", "EOPNOTSUPP", has(2, MSG_FASTOPEN))
    add(rules, "sendto", "EOPNOTSUPP", has(3, MSG_FASTOPEN))
    words[#words + 1] = "no TCP Fast Open"
  end
  if net.bind and #net.bind == 0 and not is_named(seccomp, "listen") then
    add(rules, "listen", "EACCES")
    words[#words + 1] = "no listen"
  end
end

-- argument that is the mode, of the calls that have nothing else to look at
local MODES <const> = { { "chmod", 1 }, { "creat", 1 }, { "fchmod", 1 }, { "fchmodat", 2 }, { "fchmodat2", 2 },
  { "mknod", 1 }, { "mknodat", 2 } }
local OPENS <const> = { { "open", 1 }, { "openat", 2 } } -- argument that is the flags; the mode comes behind it

local function add_modes(guard)
  local rules <const> = guard.rules
  for _, bit in ipairs { S_ISUID, S_ISGID } do
    for _, row in ipairs(MODES) do add(rules, row[1], "EPERM", has(row[2], bit)) end
    for _, row in ipairs(OPENS) do
      for _, flag in ipairs { O_CREAT, O_TMPFILE } do
        add(rules, row[1], "EPERM", has(row[2], flag), has(row[2] + 1, bit))
      end
    end
  end
  add(rules, "openat2", "ENOSYS") -- its mode is behind a pointer
  guard.words[#guard.words + 1] = "no set-user-ID and set-group-ID bits"
end

-- The architectures of the other filter, but for those whose sockets no rule can see.
local function architectures(path, seccomp, net)
  local list <const> = {}
  for i, name in ipairs(seccomp and seccomp.architectures or {}) do
    if not (net and MULTIPLEXED[name]) then
      list[#list + 1] = name
    elseif not seccomp.oci then
      value.fail(("%s.seccomp.architectures[%d]"):format(path, i), ("%s hides the arguments of socket calls from the "
        .. "filter that landlock.net needs: take one of the two away"):format(name))
    end
  end
  return #list > 0 and list or nil
end

--- guard -> { default = "allow", rules =, architectures =, words = }: rules as those of the canonical key `seccomp`;
--- words: what it forbids, for people. nil when nothing is to be forbidden.
---@param path string of the sandbox
---@param box table the canonical sandbox
function M.build(path, box)
  local guard <const> = { default = "allow", rules = {}, words = {} }
  local net <const> = box.landlock and box.landlock.net
  if net then add_ports(guard, net, box.seccomp) end
  if box.no_setuid_files then add_modes(guard) end
  if #guard.rules == 0 then return nil end
  add(guard.rules, "io_uring_setup", "ENOSYS") -- makes sockets and files without a system call
  guard.architectures = architectures(path, box.seccomp, net)
  return guard
end

return M
