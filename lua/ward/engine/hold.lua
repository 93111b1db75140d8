-- What stops together is held together: a service with a hold does not start, whatever else would allow it.
--   { kind = "group", sup =, trigger =, live =, due = }   restarted together with `trigger`, a child of sup
--   { kind = "sup", sup =, live = }                       sup itself goes down
-- `live` counts those held that are not down yet; at 0 sup is told ("ripe").

local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"

local M <const> = {}

--- Puts a service under a hold, and takes it out of the one that it was under.
---@param st table
---@param svc table
---@param by table|nil
function M.set(st, svc, by)
  local old <const>, live <const> = svc.hold, order.live(svc) and 1 or 0
  if old == by then
    return
  end
  svc.hold = by
  if by then
    by.live = by.live + live
  end
  if old and live > 0 then
    old.live = old.live - live
    if old.live == 0 then
      out.push(st, old.sup, "ripe", old)
    end
  end
end

--- May a service that is new start? One below a supervisor that is down is held with its siblings.
---@param st table
---@param svc table
---@return boolean
function M.admits(st, svc)
  local sup = svc.parent
  while sup and sup.state == "up" do
    sup = sup.parent
  end
  if sup and (sup.state == "stopping" or sup.state == "backoff") then
    M.set(st, svc, sup.grip or { kind = "sup", sup = sup, live = 0 })
  end
  return sup == nil
end

--- The supervisor above a service that is down for good, if there is one.
---@param svc table
---@return table|nil
function M.over_for(svc)
  local sup = svc.parent
  while sup and sup.state ~= "failed" and sup.state ~= "done" do
    sup = sup.parent
  end
  return sup
end

return M
