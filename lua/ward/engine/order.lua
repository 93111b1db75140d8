-- What neighbours are to each other. Counters keep a step's work to the neighbours of what changed:
--
--   unmet        needs that are not up                     0: may start, when
--   pending      of wants and after, those still on their  0  too
--                way to a first try
--   blockers     dependents that are busy                  0: may be signalled, when
--   followers    of wants and after the other way round,   0  too
--                those that are stopping
--   lost         needs that will not come by themselves
--
-- A service is
--   up           ready, or a oneshot that is done: what dependents need
--   busy         has a live process, or a busy dependent; so a service whose process is gone still holds up the stop
--                of what it needs while its own dependents run
--   coming       expected to be up without anybody's help, and its first try is not over
--   dead         down, or waiting for a need that is dead

local out <const> = require "ward.engine.out"

local M <const> = {}

local LIVE <const> = { starting = true, ready = true, stopping = true }
local DOWN <const> = { stopped = true, failed = true, done = true }

--- Is there a process, or one on its way, or a stop that is not over?
---@param svc table
---@return boolean
function M.live(svc)
  return LIVE[svc.state] or false
end

--- Is it down, wherever it is headed?
---@param svc table
---@return boolean
function M.down(svc)
  return DOWN[svc.state] and not svc.up or false
end

--- Sets the counters of a service that has never run; its neighbours are linked.
---@param svc table
function M.init(svc)
  svc.up, svc.busy, svc.coming, svc.dead, svc.going = false, false, false, true, false
  svc.unmet, svc.lost = #svc.needs, #svc.needs
  svc.pending, svc.blockers, svc.followers = 0, 0, 0
end

local function may_start(st, svc)
  if svc.unmet == 0 and svc.pending == 0 then
    out.push(st, svc, "needs")
  end
end

local function may_stop(st, svc)
  if svc.blockers == 0 and svc.followers == 0 then
    out.push(st, svc, "free")
  end
end

local function update_up(st, svc)
  local up <const> = svc.state == "ready" or svc.state == "done" and svc.spec.type == "oneshot"
  if up ~= svc.up then
    svc.up = up
    for at = #svc.dependents, 1, -1 do -- starts go in declaration order
      local each = svc.dependents[at]
      each.unmet = each.unmet + (up and -1 or 1)
      may_start(st, each)
    end
  end
end

local function update_busy(st, svc)
  local list, walked = { svc }, 0
  repeat
    walked = walked + 1
    local each = list[walked]
    local busy = LIVE[each.state] or each.blockers > 0
    if busy ~= each.busy then
      each.busy = busy
      for _, need in ipairs(each.needs) do
        need.blockers = need.blockers + (busy and 1 or -1)
        may_stop(st, need)
        list[#list + 1] = need
      end
    end
  until walked == #list
end

local function is_coming(svc)
  if svc.state == "waiting" then
    return not svc.dead
  end
  return svc.state == "starting" or svc.expected and (DOWN[svc.state] or svc.state == "backoff") or false
end

local function update_coming(st, svc)
  local coming <const> = is_coming(svc)
  if coming ~= svc.coming then
    svc.coming = coming
    for at = #svc.laters, 1, -1 do
      local each = svc.laters[at]
      each.pending = each.pending + (coming and 1 or -1)
      may_start(st, each)
    end
  end
end

local function is_dead(svc)
  if svc.state == "waiting" then
    return svc.lost > 0
  end
  return svc.state == "stuck" or M.down(svc) and not svc.expected
end

-- A need that is dead takes those with it that wait for it, and theirs.
local function update_dead(st, svc)
  local list, walked = { svc }, 0
  repeat
    walked = walked + 1
    local each = list[walked]
    local dead = is_dead(each)
    if dead ~= each.dead then
      each.dead = dead
      for _, other in ipairs(each.dependents) do
        other.lost = other.lost + (dead and 1 or -1)
        list[#list + 1] = other
      end
    end
    update_coming(st, each)
  until walked == #list
end

local function update_going(st, svc)
  local going <const> = svc.state == "stopping"
  if going ~= svc.going then
    svc.going = going
    for _, first in ipairs(svc.firsts) do
      first.followers = first.followers + (going and 1 or -1)
      may_stop(st, first)
    end
  end
end

--- The state of a service has changed: counts again what it is to its neighbours, and tells those for whom that
--- makes a difference.
---@param st table
---@param svc table
function M.update(st, svc)
  update_up(st, svc)
  update_busy(st, svc)
  update_going(st, svc)
  update_dead(st, svc)
end

--- Its neighbours are other ones: what it waited for may be over.
---@param st table
---@param svc table
function M.settle(st, svc)
  if svc.state == "waiting" then
    may_start(st, svc)
  elseif svc.state == "stopping" then
    may_stop(st, svc)
  end
end

--- One more start of it is queued, or one less: those that start after it must not think it is down for good.
---@param st table
---@param svc table
---@param more boolean
function M.expect(st, svc, more)
  local count <const> = (svc.expected or 0) + (more and 1 or -1)
  svc.expected = count > 0 and count or nil
  update_dead(st, svc)
end

return M
