-- The model's answers: who waits for what, looked at after each step. See sim.model.

local M <const> = {}

local DOWN <const> = { stopped = true, failed = true, done = true }

local function is_up(svc)
  return svc.state == "ready" or svc.state == "done" and svc.spec.type == "oneshot"
end

local function is_over(svc)
  return not is_up(svc) and (svc.state == "failed" or svc.state == "done" or svc.state == "stuck")
end

-- Something that it needs, directly or not, will not come.
local function needs_what_is_over(svc)
  for _, need in ipairs(svc.needs) do
    local hides <const> = need.state == "stopped" and need.desired == "down"
    if is_over(need) or not hides and needs_what_is_over(need) then
      return true
    end
  end
  return false
end

-- Will it not be up before another try, or not at all by itself?
local function is_halted(model, node, seen)
  if node.sup then
    return node.state == "backoff"
  elseif is_up(node) then
    return false
  elseif model.tried[node] and not node.asking then
    return true
  elseif node.state == "waiting" then
    return M.has_stalled(model, node, seen)
  elseif DOWN[node.state] then
    return true
  end
  return node.state == "backoff" and not node.asking
end

--- Does it wait for what is halted?
function M.has_stalled(model, svc, seen)
  local on_its_way <const> = model.on_its_way
  seen = seen or {}
  if seen[svc] then
    return false
  end
  seen[svc] = true
  for _, need in ipairs(svc.needs) do
    if is_halted(model, need, seen) then
      return true
    end
  end
  for _, first in ipairs(svc.firsts) do
    if on_its_way(first) and is_halted(model, first, seen) then
      return true
    end
  end
  return svc.hold ~= nil and is_halted(model, svc.hold.child or svc.hold.sup, seen)
end

-- true, false, or nil: not yet.
local function reached(svc, goal)
  if svc.state == "stuck" then
    return false
  elseif goal == "stopped" then
    if svc.state == "failed" and svc.undone then
      return false
    end
    return DOWN[svc.state] and not is_up(svc) or nil
  elseif is_up(svc) then
    return true
  elseif is_over(svc) then
    return false
  elseif svc.state == "waiting" and needs_what_is_over(svc) then
    return false
  end
end

local function each_slot(model, visit)
  for token, command in pairs(model.open) do
    for _, slot in ipairs(command) do
      if slot.ok == nil then
        visit(slot, token)
      end
    end
  end
end

local function refuse(model, matches)
  each_slot(model, function(slot)
    if matches(slot) then
      slot.ok = false
    end
  end)
end

--- Commands whose goal is now the wrong one.
---@param names table<string, any>
---@param goal "ready"|"stopped" the goal that is given up
function M.supersede(model, names, goal)
  refuse(model, function(slot)
    return slot.op ~= "wait" and slot.goal == goal and names[slot.svc.name]
  end)
end

--- Services were stopped by a command: nobody gets them, or what needs them, ready.
function M.stopped(model, stops)
  local all = {}
  for svc in pairs(stops) do
    all[svc.name] = true
    for each in pairs(model.users_of(svc)) do
      all[each.name] = true
    end
  end
  M.supersede(model, all, "ready")
end

function M.try_failed(model, svc)
  refuse(model, function(slot)
    return slot.svc == svc and slot.op ~= "wait" and slot.goal == "ready"
  end)
end

function M.shutdown(model)
  refuse(model, function(slot)
    return slot.goal == "ready"
  end)
end

function M.cancel(model, token)
  model.open[token] = nil
  for at = #model.shut_tokens, 1, -1 do
    if model.shut_tokens[at] == token then
      table.remove(model.shut_tokens, at)
    end
  end
end

--- A command is taken in after all that follows from it at once.
function M.register(model, event)
  if event.token == nil then
    return
  end
  local command <const> = {}
  for at, name in ipairs(event.names) do
    local svc <const> = model.named[name]
    local slot <const> = { svc = svc, op = event.op, goal = event.op == "stop" and "stopped" or event.for_ or "ready" }
    if not svc then
      slot.ok = false
    elseif event.op == "pause" or event.op == "resume" then
      slot.ok = true
    elseif model.level > 0 and slot.goal == "ready" then
      slot.ok = false
    elseif slot.goal == "ready" and svc.desired == "up" and not is_up(svc) and needs_what_is_over(svc) then
      slot.ok = false
    elseif event.wait == false then
      slot.ok = reached(svc, slot.goal) ~= false
    end
    command[at] = slot
  end
  model.open[event.token] = command
end

--- What has come to its end has done so, whatever becomes of it in the same step.
function M.settle_one(model, svc)
  each_slot(model, function(slot)
    if slot.svc == svc then
      slot.ok = reached(svc, slot.goal)
    end
  end)
end

--- What they need is over: nobody gets them ready.
function M.need_is_over(model, dependents)
  refuse(model, function(slot)
    return dependents[slot.svc] and slot.goal == "ready" and slot.svc.desired == "up"
  end)
end

--- Its supervisor is down for good: it has ended, and nobody gets it ready.
function M.laid(model, svc)
  M.settle_one(model, svc)
  refuse(model, function(slot)
    return slot.svc == svc and slot.goal == "ready"
  end)
end

--- Answers what has got there.
function M.settle(model)
  each_slot(model, function(slot)
    local svc <const> = slot.svc
    slot.ok = reached(svc, slot.goal)
    if slot.ok == nil and slot.op ~= "wait" and slot.goal == "ready" and (svc.state == "backoff" and svc.paused
      or svc.state == "waiting" and M.has_stalled(model, svc)) then
      slot.ok = false
    end
  end)
  for token, command in pairs(model.open) do
    local all, ok = true, true
    for _, slot in ipairs(command) do
      all, ok = all and slot.ok ~= nil, ok and slot.ok
    end
    if all then
      model.open[token] = nil
      model:say("reply", token, ok and "ok" or "no")
    end
  end
  local live, left = 0, 0
  for _, svc in ipairs(model.list) do
    live = live + (model.is_live(svc) and 1 or 0)
    left = left + ((svc.state == "stuck" or svc.undone) and 1 or 0)
  end
  if model.level > 0 and live == 0 then
    for _, token in ipairs(model.shut_tokens) do
      model:say("reply", token, left == 0 and "ok" or "no")
    end
    model.shut_tokens = {}
    if not model.quit then
      model.quit = true
      model:say("quit", left > 0 and 1 or model.code)
    end
  end
end

return M
