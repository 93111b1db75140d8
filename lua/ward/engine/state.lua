-- What a service is in, and who has to know: the one place where a state changes.

local exits <const> = require "ward.engine.exit"
local graph <const> = require "ward.engine.graph"
local hold <const> = require "ward.engine.hold"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local reply <const> = require "ward.engine.reply"
local stall <const> = require "ward.engine.stall"
local vital <const> = require "ward.engine.vital"

local M <const> = {}

local function each_service(node, visit)
  if node.kind == "service" then
    return visit(node)
  end
  for _, child in ipairs(node.children) do
    each_service(child, visit)
  end
end

-- States that a service does not leave for ready by itself, as its dependents' commands are told.
local OVER <const> = { failed = "has failed", done = "is done", stuck = "is stuck" }

local function is_over(svc)
  return not svc.up and OVER[svc.state]
end

-- Why this service does not become ready by itself: text and code, or nil.
local function over(svc)
  if svc.state == "stuck" then
    return ("stuck: pid %s outlived SIGKILL"):format(svc.pid or "?"), "stuck"
  elseif is_over(svc) then
    return ("%s: %s"):format(svc.state, svc.because or exits.last(svc)), svc.state
  end
end

-- The same of a service that waits for one which does not.
local function over_by(need)
  return ('needs "%s", which %s'):format(need.name, OVER[need.state]), need.state
end

--- The state of a service, as people are told: restarting may be paused.
---@param svc table
---@return string
function M.word(svc)
  return svc.state == "backoff" and svc.paused and "paused" or svc.state
end

--- Why a wait for ready would be in vain: text and code, or nil while there is hope.
---@param svc table
---@param clear table<table, boolean> services that need nothing that is over; those found are added
---@return string|nil, string|nil
function M.hopeless(svc, clear)
  if order.is_met(svc) or svc.desired == "down" or is_over(svc) then
    return over(svc)
  end
  local list <const>, seen <const>, at = { svc }, {}, 1
  while list[at] do
    for _, need in ipairs(list[at].needs) do
      if is_over(need) then
        return over_by(need)
      elseif not seen[need] and not clear[need] and need.active then -- one stopped by hand hides its needs
        seen[need] = true
        list[#list + 1] = need
      end
    end
    at = at + 1
  end
  for _, each in ipairs(list) do
    clear[each] = true
  end
end

--- Has the service reached what a command waits for? nil: not yet.
---@param svc table
---@param goal "ready"|"stopped"
---@return boolean|nil ok, string|nil message, string|nil code
function M.reached(svc, goal)
  if svc.state == "stuck" or goal == "ready" and is_over(svc) then
    return false, over(svc)
  elseif goal == "stopped" and svc.undone then
    return false, svc.undone, "failed"
  elseif goal == "ready" and svc.up or goal == "stopped" and order.down(svc) then
    return true
  end
end

--- Tells those who wait for what the service has reached.
function M.answer_reached(st, svc)
  reply.sweep(st, svc, function(waiter)
    return M.reached(svc, waiter.goal)
  end)
end

--- Whose end the restart of this node waits for, when its time has come: those that are restarted with it.
---@param node table
---@return string[] names in declaration order
function M.unripe(node)
  local group <const>, names = node.parent and node.parent.group, {}
  if group and group.trigger == node and group.due then
    for _, child in ipairs(group.sup.children) do
      each_service(child, function(svc)
        if svc.hold == group and order.present(svc) then
          names[#names + 1] = svc.name
        end
      end)
    end
  end
  return names
end

--- What a service in this state waits for: needs and wants on their way, or those that must be gone before it.
---@param svc table
---@param state string
---@return string[] names in declaration order
function M.waits_for(svc, state)
  local names = {}
  local function add(list, waits)
    for at = #list, 1, -1 do -- kept later first, told in declaration order
      if waits(list[at]) then
        names[#names + 1] = list[at].name
      end
    end
  end
  if state == "waiting" then
    add(svc.needs, function(need) return not need.up end)
    add(svc.firsts, function(first) return first.coming end)
  elseif state == "stopping" and svc.rung == 0 then
    add(svc.dependents, function(each) return each.busy end)
    add(svc.laters, function(each) return each.going end)
  elseif state == "backoff" then
    names = M.unripe(svc)
  end
  return names
end

local function difference(was, is)
  return (is and 1 or 0) - (was and 1 or 0)
end

--- Changes the state. `details` go into the event.
---@param st table
---@param svc table
---@param to string
---@param details table|nil
function M.enter(st, svc, to, details)
  local from <const>, was <const>, was_held <const> = svc.state, order.live(svc), order.present(svc)
  svc.state, svc.since, svc.because = to, st.now, details and details.because
  svc.undone = to == "failed" and svc.undone or nil
  st.live = st.live + difference(was, order.live(svc))
  order.update(st, svc)
  hold.count(st, svc, difference(was_held, order.present(svc)))
  vital.moved(svc, from, to)
  local event = { kind = "event", type = to, name = svc.name, from = from, pid = svc.pid }
  for key, value in pairs(details or {}) do
    event[key] = value
  end
  out.emit(st, event)
  stall.entered(st, to)
  st.litter = st.litter or svc.removed and order.down(svc)
  M.answer_reached(st, svc)
end

--- Tells those who started it by hand that this try has failed.
function M.answer_failed_try(st, svc, exit)
  reply.sweep(st, svc, function(waiter)
    if waiter.goal == "ready" and waiter.op ~= "wait" then
      return false, exits.describe(exit) .. (svc.paused and "; restarting is paused" or "; it will be tried again"),
        "failed"
    end
  end)
end

--- Tells all who wait for ready that it will not be.
---@param because string
---@param code string|nil
function M.answer_ready(st, svc, because, code)
  reply.sweep(st, svc, function(waiter)
    if waiter.goal == "ready" then
      return false, because, code or "stopped"
    end
  end)
end

--- Stops all that needs one of `origins`, directly or not, because these go away; each stays desired up and waits.
--- Their commands are told when that is for good, or by somebody's command.
---@param st table
---@param origins table[] services
---@param why { reason: string }
---@param by_stop boolean|nil the origins were named in a stop command
---@param halted boolean|nil the origins are stopped as well
function M.cascade(st, origins, why, by_stop, halted)
  local seen <const>, list <const>, because <const> = {}, {}, {}
  for _, origin in ipairs(origins) do
    seen[origin] = true
    list[#list + 1] = halted and origin or nil
  end
  for _, origin in ipairs(origins) do
    local gone <const> = is_over(origin)
    for _, each in ipairs(graph.reach(origin, "users", seen)) do
      list[#list + 1], because[each] = each, { reason = why.reason, need = origin.name }
      reply.sweep(st, each, function(waiter)
        if waiter.goal == "stopped" or each.desired == "down" then
          return nil
        elseif gone then
          return false, over_by(origin)
        elseif by_stop and waiter.op ~= "wait" then
          return false, ('superseded by stop of "%s"'):format(origin.name), "superseded"
        end
      end)
    end
  end
  table.sort(list, graph.later_first)
  for _, svc in ipairs(list) do
    svc.doomed = true
    out.push(st, svc, "halt", because[svc] or why)
  end
end

--- Stops services together, with all that needs them.
---@param st table
---@param list table[]
---@param why { reason: string }
---@param by_stop boolean|nil they were named in a stop command
function M.halt_all(st, list, why, by_stop)
  M.cascade(st, list, why, by_stop, true)
end

return M
