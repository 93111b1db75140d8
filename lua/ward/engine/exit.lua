-- What an exit means.

local M <const> = {}

-- How a service leaves when it is told to. Unasked, the same deaths are failures.
local CLEAN <const> = { HUP = true, INT = true, TERM = true, PIPE = true }

local function among(list, value)
  for _, each in ipairs(list) do
    if each == value then
      return true
    end
  end
  return false
end

local function is_ok(success, exit, asked)
  if exit.kind == "exited" then
    return among(success.codes, exit.code)
  elseif exit.kind == "signaled" then
    return asked and CLEAN[exit.signal] or among(success.signals, exit.signal)
  end
  return false -- spawn_failed; and an unknown status is never taken for a success
end

--- A copy of `exit` with `ok` set.
---@param success { codes: integer[], signals: string[] }
---@param exit table
---@param asked boolean a stop was in progress
---@return table exit
function M.judge(success, exit, asked)
  local copy = {}
  for key, value in pairs(exit) do
    copy[key] = value
  end
  copy.ok = is_ok(success, exit, asked)
  return copy
end

--- An exit in words: "exited with code 1", "killed by SIGSEGV (core dumped)".
---@param exit table
---@return string
function M.describe(exit)
  if exit.kind == "exited" then
    return ("exited with code %d"):format(exit.code)
  elseif exit.kind == "signaled" then
    return ("killed by SIG%s%s"):format(exit.signal, exit.core and " (core dumped)" or "")
  elseif exit.kind == "spawn_failed" then
    return exit.message or "could not be started"
  end
  return "ended with an unknown status"
end

return M
