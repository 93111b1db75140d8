-- What services are to each other in the model, looked up each time. See sim.model.

local Groups <const> = require "sim.groups"

local M <const> = {}

local LIVE <const> = { starting = true, ready = true, stopping = true }
local OVER <const> = { done = true, failed = true }

local function is_up(svc)
  return svc.state == "ready" or svc.state == "done" and svc.spec.type == "oneshot"
end

local function is_live(svc)
  return LIVE[svc.state] or false
end

M.is_up, M.is_live = is_up, is_live

-- Live, or something that needs it is busy.
local function busy(svc)
  if is_live(svc) then
    return true
  end
  for _, each in ipairs(svc.dependents) do
    if busy(each) then
      return true
    end
  end
  return false
end

--- May it be told to go, or has somebody to be gone first?
function M.may_signal(svc)
  if svc.fault then
    return true
  end
  for _, each in ipairs(svc.dependents) do
    if busy(each) then
      return false
    end
  end
  for _, each in ipairs(svc.laters) do
    if each.state == "stopping" then
      return false
    end
  end
  return true
end

-- It will not come up by itself.
local function is_dead(svc)
  if svc.state == "waiting" then
    for _, need in ipairs(svc.needs) do
      if is_dead(need) then
        return true
      end
    end
  end
  return svc.state == "stuck" or svc.state == "backoff" and svc.paused or svc.state == "stopped"
    or OVER[svc.state] and not is_up(svc)
end

local function on_its_way(svc)
  if svc.state == "stopping" then
    return svc.desired == "up" and not svc.leaving and (svc.fault == nil or svc.forgiven or false)
  end
  return svc.state == "starting" or svc.state == "waiting" and not is_dead(svc)
end

M.on_its_way = on_its_way

-- Does the stop of what it needs change anything for it?
local function is_active(svc)
  if svc.state == "stopped" then
    return svc.desired == "up"
  end
  return is_up(svc) or svc.undone or svc.state ~= "stuck" and not OVER[svc.state]
end

--- The active dependents, directly or through active ones.
function M.users_of(svc, found)
  found = found or {}
  for _, each in ipairs(svc.dependents) do
    if not found[each] and is_active(each) then
      found[each] = true
      M.users_of(each, found)
    end
  end
  return found
end

--- Is it wanted, kept by nobody, and all that it needs is up?
function M.has_needs(svc)
  if svc.desired == "down" or Groups.kept(svc) then
    return false
  end
  for _, need in ipairs(svc.needs) do
    if not is_up(need) then
      return false
    end
  end
  return true
end

--- May it start?
function M.may_start(svc)
  if not M.has_needs(svc) then
    return false
  end
  for _, first in ipairs(svc.firsts) do
    if on_its_way(first) then
      return false
    end
  end
  return true
end

--- Does its restart wait for its time, with something that it needs, directly or not?
function M.bides(svc)
  local list <const>, seen <const> = { svc }, {}
  for _, each in ipairs(svc.group and svc.deadline and list or {}) do
    for _, need in ipairs(each.needs) do
      if need.hold == svc.group then
        return true
      elseif not seen[need] then
        seen[need], list[#list + 1] = true, need
      end
    end
  end
  return false
end

return M
