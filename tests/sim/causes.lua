-- What an exit means to the model. See sim.model.

local M <const> = {}

local GENTLE <const> = { HUP = true, INT = true, TERM = true, PIPE = true }

--- How it ended, by the rules of the spec.
function M.judge(svc, exit)
  local stopping <const> = svc.state == "stopping" or svc.state == "stuck"
  local ok = false
  if exit.kind == "exited" or exit.kind == "signaled" then
    for _, code in ipairs(svc.spec.success.codes) do
      ok = ok or exit.code == code
    end
    for _, signal in ipairs(svc.spec.success.signals) do
      ok = ok or exit.signal == signal
    end
    ok = ok or stopping and GENTLE[exit.signal] or false
  end
  ok = ok and not svc.fault
  local cause <const> = svc.fault or ok and "clean" or exit.kind == "exited" and "code"
    or exit.kind == "signaled" and "signal" or exit.kind == "spawn_failed" and "spawn" or "unknown"
  return { ok = ok, cause = cause, code = exit.code, signal = exit.signal }
end

local ABNORMAL <const> = { signal = true, timeout = true, watchdog = true, check = true }
--- restart.on -> is this cause followed by a restart?
M.FOLLOWED = {
  always = function() return true end,
  never = function() return false end,
  success = function(cause) return cause == "clean" end,
  failure = function(cause) return cause ~= "clean" end,
  abnormal = function(cause) return ABNORMAL[cause] or false end,
  abort = function(cause) return cause == "signal" end,
  watchdog = function(cause) return cause == "watchdog" or cause == "check" end,
}

--- Does restart_prevent list it?
function M.prevented(list, exit)
  for _, code in ipairs(list and list.codes or {}) do
    if exit.code == code then
      return true
    end
  end
  for _, signal in ipairs(list and list.signals or {}) do
    if exit.signal == signal then
      return true
    end
  end
  return false
end

return M
