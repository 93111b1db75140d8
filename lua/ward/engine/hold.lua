-- What stops together is held together: a service with a hold does not start, whatever else would allow it.
--   { kind = "group", sup =, trigger =, whole =, live =, due = }   restarted together with `trigger`, a child of
--     sup, be it all of sup or those after it
--   { kind = "sup", sup =, live = }                       sup itself goes down
-- `live` counts those held that live or are up; at 0 sup is told ("ripe").

local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"

local M <const> = {}

--- One that is held has come, or gone.
---@param st table
---@param svc table
---@param change integer
function M.count(st, svc, change)
  local by <const> = svc.hold
  if by and change ~= 0 then
    by.live = by.live + change
    if by.live == 0 then
      out.push(st, by.sup, "ripe", by)
    end
  end
end

--- Puts a service under a hold, and takes it out of the one that it was under.
---@param st table
---@param svc table
---@param by table|nil
function M.set(st, svc, by)
  if svc.hold == by then
    return
  end
  local live <const> = order.present(svc) and 1 or 0
  M.count(st, svc, -live)
  svc.hold = by
  if by then
    by.live = by.live + live
  end
end

--- Is somebody held by a group who lives, or has something to undo and is told so in this step?
---@param st table
---@param by table of kind "group"
---@return boolean
function M.is_busy(st, by)
  for index = by.whole and by.sup.first or by.trigger.first, by.live == 0 and by.sup.last or 0 do
    local svc <const> = st.services[index]
    if svc.hold == by and svc.doomed and svc.undone then
      return true
    end
  end
  return by.live > 0
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
