-- What an exit means, and which exits a restart follows.

local M <const> = {}

-- How a service leaves when it is told to. Unasked, the same deaths are failures.
local CLEAN <const> = { HUP = true, INT = true, TERM = true, PIPE = true }

local function among(list, value)
  for at = 1, #list do
    if list[at] == value then
      return true
    end
  end
  return false
end

-- Is the exit in lists of codes and signals?
local function listed(lists, exit)
  if exit.kind == "exited" then
    return among(lists.codes, exit.code)
  end
  return exit.kind == "signaled" and among(lists.signals, exit.signal)
end

--- What an exit comes to. The causes are those of the table in systemd.service(5): "clean", "code", "signal", "spawn",
--- "unknown", and what the engine itself had the service stopped for.
---@param success { codes: integer[], signals: string[] }
---@param exit table
---@param asked boolean a stop was in progress
---@param why string|nil what the engine had it stopped for: "timeout", "watchdog", "check"
---@return boolean ok
---@return string cause
function M.meaning(success, exit, asked, why)
  local kind <const> = exit.kind
  if why then
    return false, why -- an end that had to be brought about is no success
  elseif kind == "exited" then
    local ok <const> = among(success.codes, exit.code)
    return ok, ok and "clean" or "code"
  elseif kind == "signaled" then
    local ok <const> = among(success.signals, exit.signal) or asked and CLEAN[exit.signal] or false
    return ok, ok and "clean" or "signal"
  end
  return false, kind == "spawn_failed" and "spawn" or "unknown"
end

--- A copy of `exit` with `ok` and `cause` set, for the same parameters.
---@return table exit
function M.judge(success, exit, asked, why)
  local copy = {}
  for key, value in pairs(exit) do
    copy[key] = value
  end
  if asked and not why and copy.kind == "spawn_failed" and copy.signal then
    -- The stop came before its program ran: that is no failure of the start.
    copy.kind, copy.stage, copy.message, copy.errno = "signaled", nil, nil, nil
  end
  copy.ok, copy.cause = M.meaning(success, copy, asked, why)
  return copy
end

-- restart.on -> the causes that are followed by a restart. A launch that failed and a status that was lost count as
-- exit codes do.
local FOLLOWED <const> = {
  always = { clean = true, code = true, signal = true, spawn = true, unknown = true, timeout = true, watchdog = true,
    check = true },
  success = { clean = true },
  failure = { code = true, signal = true, spawn = true, unknown = true, timeout = true, watchdog = true,
    check = true },
  abnormal = { signal = true, timeout = true, watchdog = true, check = true },
  abort = { signal = true },
  watchdog = { watchdog = true, check = true },
  never = {},
}

--- Does restart.on have a service started again after this exit, which M.judge has seen?
---@param on string
---@param exit table
---@return boolean
function M.followed(on, exit)
  return FOLLOWED[on][exit.cause] or false
end

--- Is the exit one that forbids a restart?
---@param prevent { codes: integer[], signals: string[] }|nil
---@param exit table
---@return boolean
function M.prevented(prevent, exit)
  return prevent ~= nil and listed(prevent, exit)
end

--- Has the script a say about what follows an exit that nobody asked for?
---@param spec table
---@param exit table
---@return boolean
function M.asks(spec, exit)
  return spec.asks and not M.prevented(spec.restart_prevent, exit) or false
end

--- What is wrong with what the script says of an exit, or nil.
---@param verdict any
---@return string|nil
function M.nonsense(verdict)
  if verdict == nil or verdict == "stop" or verdict == "escalate" then
    return nil
  elseif math.type(verdict) == nil then
    return ("the rule returned a %s, not seconds, \"stop\", \"escalate\" or nil"):format(
      type(verdict) == "string" and "strange string" or type(verdict))
  elseif not (verdict >= 0 and verdict < math.huge) then
    return ("the rule returned %s, which is no time to wait"):format(verdict)
  end
end

local BECAUSE <const> = {
  timeout = "was not ready in time", watchdog = "missed its watchdog", check = "failed its check",
}

--- How a process ended, in words: "exited with code 1 after 4.0s".
---@param exit table
---@param after string|nil how long it ran: " after 4.0s"
---@return string
function M.words(exit, after)
  after = after or ""
  if exit.kind == "exited" then
    local odd <const> = exit.code == 0 and exit.cause == "code" and ", which its success does not list" or ""
    return ("exited with code %d%s%s"):format(exit.code, after, odd)
  elseif exit.kind == "signaled" then
    return ("killed by SIG%s%s%s"):format(exit.signal, after, exit.core and " (core dumped)" or "")
  elseif exit.kind == "spawn_failed" then
    return exit.message or "could not be started"
  end
  return "ended with an unknown status" .. after
end

--- The same, with what it was stopped for: "missed its watchdog; killed by SIGKILL".
---@param exit table
---@return string
function M.describe(exit)
  local because <const> = BECAUSE[exit.cause]
  return (because and because .. "; " or "") .. M.words(exit)
end

--- How it ended when it was not tried again.
---@param svc table
---@return string
function M.too_many(svc)
  return "too many restarts; the last time it " .. M.describe(svc.last_exit)
end

--- How a service came to stay down by itself.
---@param svc table
---@return string
function M.last(svc)
  local text <const> = M.describe(svc.last_exit)
  if svc.decision and svc.decision.outcome == "give_up" then
    return M.too_many(svc)
  elseif svc.last_exit.ok and svc.spec.ready and svc.ran == 0 then
    return text .. ", but was never ready"
  end
  return text
end

return M
