-- Starts of the script's own: soon after an end they are restarts, which the service's limits are for.

local exits <const> = require "ward.engine.exit"
local window <const> = require "ward.engine.window"

local M <const> = {}

--- Has it been well, or over, for so long that a start by the script has nothing to do with its last end?
---@param st table
---@param svc table
---@return boolean
function M.is_rested(st, svc)
  local since <const> = svc.up_since or svc.state ~= "starting" and svc.since
  return not since or st.now - since >= svc.spec.restart.backoff.reset
end

--- What a start by the script does to one that is over: it goes on as if by hand, or is one more restart.
---@param st table
---@param svc table
---@return boolean
function M.is_new(st, svc)
  return svc.up or svc.state == "stopped" or not svc.last_exit or M.is_rested(st, svc)
end

--- Would a start by the script be one restart too many of a service that is over? Then it is none: what has ended is
--- told once, and not again for each try.
---@param st table
---@param svc table
---@return string|nil why
function M.refusal(st, svc)
  local limit <const> = svc.spec.restart.give_up
  local over <const> = svc.state == "failed" or svc.state == "done"
  if over and limit and not M.is_new(st, svc) and window.count(svc.past, limit, st.now) >= limit.n then
    return ("%s: %s"):format(svc.state, exits.too_many(svc))
  end
end

return M
