-- What neighbours are to each other. Counters keep a step's work to the neighbours for whom a change matters: a need
-- of thousands that run does not look at them when it restarts alone.
--
--   unmet        needs that are not up                     0: may start, when
--   pending      of wants and after, those still on their  0  too
--                way to a first try
--   lost         needs that will not come by themselves
--                (these three while it waits, and only then)
--   blockers     dependents that are busy                  0: may be signalled, when
--   followers    of wants and after the other way round,   0  too
--                those that are stopping
--
-- A service is
--   up           ready, or a oneshot that is done: what dependents need
--   busy         has a live process, or a busy dependent; so a service whose process is gone still holds up the stop
--                of what it needs while its own dependents run
--   coming       expected to be up without anybody's help, and its first try is not over
--   dead         down, or waiting for a need that is dead
--   active       in a state that the stop of a need changes; `users` are the dependents that are
--
-- `hungry` and `patient` are the dependents and the laters that wait.

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

--- Is it up, or live: something that has to go before it is down?
---@param svc table
---@return boolean
function M.present(svc)
  return LIVE[svc.state] or svc.up
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
  svc.queued, svc.active, svc.hungry, svc.patient, svc.users = nil, nil, nil, nil, nil
  svc.blockers, svc.followers = 0, 0
end

local function join(svc, set, other)
  local members = svc[set]
  if not members then
    members = {}
    svc[set] = members
  end
  members[other] = true
end

local function leave(svc, set, other)
  svc[set][other] = nil
  if not next(svc[set]) then
    svc[set] = nil
  end
end

local function earlier_first(a, b)
  return a.index < b.index
end

local NOBODY <const> = {}

-- The members of a set in declaration order.
local function ordered(set)
  if not set then
    return NOBODY
  end
  local list = {}
  for member in pairs(set) do
    list[#list + 1] = member
  end
  if list[2] then
    table.sort(list, earlier_first)
  end
  return list
end

local function may_start(st, svc)
  if svc.queued and svc.unmet == 0 and svc.pending == 0 then
    out.push(st, svc, "needs")
  end
end

local function may_stop(st, svc)
  if svc.blockers == 0 and svc.followers == 0 then
    out.push(st, svc, "free")
  end
end

--- Are all its needs up?
---@param svc table
---@return boolean
function M.is_met(svc)
  for _, need in ipairs(svc.needs) do
    if not need.up then
      return false
    end
  end
  return true
end

--- Has it nothing to wait for?
---@param svc table
---@return boolean
function M.is_free(svc)
  for _, first in ipairs(svc.firsts) do
    if first.coming then
      return false
    end
  end
  return M.is_met(svc)
end

-- It counts what it waits for from when it waits.
local function update_queued(svc)
  local waits <const> = svc.state == "waiting" or nil
  if waits == svc.queued then
    return
  end
  svc.queued = waits
  local change <const> = waits and join or leave
  svc.unmet, svc.lost, svc.pending = 0, 0, 0
  for _, need in ipairs(svc.needs) do
    svc.unmet = svc.unmet + (need.up and 0 or 1)
    svc.lost = svc.lost + (need.dead and 1 or 0)
    change(need, "hungry", svc)
  end
  for _, first in ipairs(svc.firsts) do
    svc.pending = svc.pending + (first.coming and 1 or 0)
    change(first, "patient", svc)
  end
end

local function is_active(svc)
  local state <const> = svc.state
  if state == "stopped" then
    return svc.desired == "up"
  end
  return state ~= "stuck" and (svc.up or not DOWN[state] or svc.undone ~= nil)
end

local function update_active(svc)
  local active <const> = is_active(svc) or nil
  if active ~= svc.active then
    svc.active = active
    for _, need in ipairs(svc.needs) do
      (active and join or leave)(need, "users", svc)
    end
  end
end

--- It is as it was when its state was saved: among those that wait for its neighbours, and that these would stop.
---@param svc table
function M.rejoin(svc)
  for _, need in ipairs(svc.needs) do
    if svc.queued then
      join(need, "hungry", svc)
    end
    if svc.active then
      join(need, "users", svc)
    end
  end
  for _, first in ipairs(svc.queued and svc.firsts or {}) do
    join(first, "patient", svc)
  end
end

local function update_up(st, svc)
  local up <const> = svc.state == "ready" or svc.state == "done" and svc.spec.type == "oneshot"
  if up ~= svc.up then
    svc.up = up
    for _, each in ipairs(ordered(svc.hungry)) do
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
  local state <const> = svc.state
  if state == "waiting" then
    return not svc.dead
  elseif state == "stopping" then -- to start again; after a fault its rule has to decide that
    return svc.desired == "up" and not svc.leaving and (svc.cause == nil or svc.forgiven) or false
  end
  return state == "starting" or svc.expected and (DOWN[state] or state == "backoff") or false
end

local function update_coming(st, svc)
  local coming <const> = is_coming(svc)
  if coming ~= svc.coming then
    svc.coming = coming
    for _, each in ipairs(ordered(svc.patient)) do
      each.pending = each.pending + (coming and 1 or -1)
      may_start(st, each)
    end
  end
end

local function is_dead(svc)
  if svc.state == "waiting" then
    return svc.lost > 0
  end
  return svc.state == "stuck" or svc.state == "backoff" and svc.paused or M.down(svc) and not svc.expected
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
      for _, other in ipairs(ordered(each.hungry)) do
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
  update_queued(svc)
  update_up(st, svc)
  update_active(svc)
  update_busy(st, svc)
  update_going(st, svc)
  update_dead(st, svc)
end

--- What is wanted of a service has changed: whether others may expect it follows from that, too.
---@param st table
---@param svc table
function M.expected_anew(st, svc)
  update_active(svc)
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
