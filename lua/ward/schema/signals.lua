-- Signal names of Linux and their numbers where they are the same on x86, ARM, RISC-V, POWER and s390.

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

local NAMES <const> = {
  "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
  "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
  "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
}
local ALIASES <const> = { IOT = "ABRT", CLD = "CHLD", POLL = "IO" }

local numbers <const> = {}
for number, name in ipairs(NAMES) do numbers[name] = number end

--- Those of ward's own process that a script may have, and why it cannot have the others that it may want.
M.free, M.free_text = {}, "USR1, USR2, ALRM, CONT, IO, PROF, PWR, STKFLT, URG, VTALRM and WINCH"
for name in M.free_text:gmatch("%u%u[%u%d]*") do M.free[name] = true end
M.taken = {
  TERM = "stops ward", INT = "stops ward", QUIT = "stops ward", HUP = "makes ward reload", CHLD = "is ward's own",
}

--- The canonical name ("TERM") of a signal: a name with or without SIG in any case, or a number.
---@param given any
---@return string|nil name
---@return string|nil message
function M.canonical(given)
  if math.type(given) then
    local name = NAMES[given]
    if name then return name end
    return nil, ("no signal has number %s; signals are 1 to %d, or names such as \"TERM\""):format(
      tostring(given), #NAMES)
  elseif type(given) ~= "string" then
    return nil, 'a signal is a name such as "TERM", or a number'
  end
  local name = given:upper():gsub("^SIG", "")
  name = ALIASES[name] or name
  if numbers[name] then return name end
  if name:find("^RTM[IA][NX]") then return nil, "real-time signals: not yet supported" end
  local shown <const> = given:sub(1, 40):gsub("[%c\127]", "?")
  return nil, ('unknown signal "%s"%s'):format(shown, suggest.hint(name, NAMES))
end

--- The canonical name of a signal in a spec, or a refusal.
---@param path string of the key
---@param given any
---@return string
function M.check(path, given)
  local name <const>, message <const> = M.canonical(given)
  if name then return name end
  if type(given) ~= "string" and type(given) ~= "number" then
    value.must(path, 'a signal such as "TERM"', given)
  end
  value.fail(path, message)
end

return M
