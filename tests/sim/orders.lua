-- What an operator asks of the model. See sim.model.

local Causes <const> = require "sim.causes"
local Groups <const> = require "sim.groups"
local Replies <const> = require "sim.replies"

local M <const> = {}

local function pulled_by(svc, found)
  for _, list in ipairs { svc.spec.needs or {}, svc.spec.wants or {} } do
    for _, name in ipairs(list) do
      found[name] = true
    end
  end
  return found
end

-- The names and all that they need or want, directly or not.
local function wanted_by(model, names)
  local all, more = {}, true
  for _, name in ipairs(names) do
    all[name] = model.named[name] and true
  end
  while more do
    more = false
    for name in pairs(all) do
      for other in pairs(pulled_by(model.named[name], {})) do
        more = more or not all[other]
        all[other] = true
      end
      if more then
        break
      end
    end
  end
  return all
end

-- By hand; what was not named itself, and comes by itself, is waited for.
local function begin(model, svc, named, was)
  local down <const> = not model.is_live(svc) and svc.state ~= "stuck"
  if not named and svc.state == "backoff" then
    return
  elseif svc.paused and down and svc.state ~= "waiting" then
    svc.past, svc.streak, svc.undone = {}, 0, nil
    Groups.started_by_hand(model, svc)
    svc.state, svc.kept = "backoff", true
    return
  elseif named or was ~= "waiting" then
    svc.past, svc.streak, svc.forgiven = {}, 0, true
  end
  if named or down and svc.state ~= "waiting" then
    Groups.started_by_hand(model, svc)
    svc.leaving = nil
  else
    Groups.wished(svc)
  end
  if down then
    svc.deadline, svc.asking, svc.undecided, svc.undone = nil, nil, nil, nil
    svc.state = "waiting"
  end
end

local function lift(model, names)
  for _, name in ipairs(names) do
    if model.named[name] then
      model.named[name].paused = nil
    end
  end
end

local function start(model, names)
  lift(model, names)
  local all <const>, named <const>, was <const> = wanted_by(model, names), {}, {}
  for _, name in ipairs(names) do
    named[name] = true
  end
  for _, svc in ipairs(model.list) do
    if all[svc.name] then
      svc.desired, was[svc] = "up", svc.state
    end
  end
  model.laid = model.laid or {}
  for _, by_name in ipairs { true, false } do -- the others after those named, which may have laid them down
    for _, svc in ipairs(model.list) do
      if all[svc.name] and (named[svc.name] or false) == by_name and not model.is_up(svc)
        and svc.state ~= "starting" then
        begin(model, svc, by_name, was[svc])
      end
    end
  end
  for _, svc in ipairs(model.laid) do
    if svc.state ~= "waiting" then -- or it was started in this same command
      Replies.laid(model, svc)
    end
  end
  model.laid = nil
end

function M.start(model, names)
  Replies.supersede(model, wanted_by(model, names), "stopped")
  start(model, names)
end

function M.restart(model, names)
  model.laid = {}
  Replies.supersede(model, wanted_by(model, names), "stopped")
  lift(model, names)
  local stops <const> = {}
  for _, name in ipairs(names) do
    local svc <const> = model.named[name]
    if svc and (model.is_live(svc) or model.is_up(svc)) then
      stops[svc] = true
    end
  end
  for name in pairs(wanted_by(model, names)) do
    model.named[name].desired = "up"
  end
  for _, svc in ipairs(model.list) do
    if stops[svc] then
      svc.past, svc.streak, svc.forgiven, svc.leaving = {}, 0, true, nil
      Groups.started_by_hand(model, svc)
    end
  end
  model:halt_all(stops)
  repeat until not Groups.rule_restart(model)
  start(model, names)
end

function M.stop(model, names)
  local stops <const> = {}
  for _, name in ipairs(names) do
    local svc <const> = model.named[name]
    if svc then
      svc.desired = "down"
      stops[svc] = true
    end
  end
  for svc in pairs(stops) do
    Groups.stopped_by_hand(model, svc)
  end
  Replies.stopped(model, stops)
  model:halt_all(stops)
end

function M.pause(model, names)
  for _, name in ipairs(names) do
    local svc <const> = model.named[name]
    if svc then
      svc.paused = true
      if svc.state == "backoff" then
        svc.undecided = svc.undecided or svc.asking
        svc.deadline, svc.asking, svc.due = nil, nil, nil
      elseif svc.state == "waiting" then
        svc.state, svc.kept, svc.due = "backoff", true, nil
      end
    end
  end
end

function M.resume(model, names)
  local resumed, kept = {}, {}
  for _, name in ipairs(names) do
    local svc <const> = model.named[name]
    if svc and svc.paused then
      resumed[svc], kept[svc] = true, svc.kept
      svc.paused, svc.kept = nil, nil
    end
  end
  for _, svc in ipairs(model.list) do
    local due <const> = resumed[svc] and svc.state == "backoff"
    if due and (svc.hold or kept[svc] and not svc.group) then
      svc.state, svc.undecided = "waiting", nil
    elseif due and svc.undecided then
      if svc.spec.asks and not Causes.prevented(svc.spec.restart_prevent, svc.exit) then
        model:ask(svc)
      else
        model:rule_of_spec(svc, 0)
      end
    elseif due and not svc.asking then
      Groups.delay_over(model, svc)
    end
  end
end

function M.wait()
end

return M
