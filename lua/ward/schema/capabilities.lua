-- Names of Linux capabilities and their numbers, which are the same everywhere (capabilities(7)).

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

local NAMES <const> = {
  [0] = "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
  "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
  "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
  "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
  "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
  "checkpoint_restore",
}

--- The highest number.
M.LAST = 40

local numbers <const>, words <const> = {}, {}
for number = 0, M.LAST do
  numbers[NAMES[number]] = number
  words[number + 1] = NAMES[number]
end

--- name -> number
M.NUMBERS = numbers

--- The name of a capability as messages write it: "net_raw".
---@param number integer
---@return string|nil
function M.name(number)
  return NAMES[number]
end

--- The number of a capability: "net_raw", "cap_net_raw" or "CAP_NET_RAW", or the number itself.
---@param path string of the key
---@param given any
---@return integer
function M.check(path, given)
  if type(given) == "number" then return value.integer(path, given, 0, M.LAST) end
  value.string(path, given, { max = 64, what = 'a capability such as "net_raw"' })
  local name <const> = given:lower():gsub("^cap_", "")
  if numbers[name] then return numbers[name] end
  value.fail(path, ("unknown capability %s%s"):format(value.quote(given), suggest.hint(name, words)))
end

return M
