-- Does the engine say what the model says?

local audit <const> = require "sim.audit"
local engine <const> = require "ward.engine"

local M <const> = {}

-- The delays that the engine chose in this step, where it had to choose.
local function delays(world, effects)
  local chosen = {}
  for _, effect in ipairs(effects) do
    if effect.type == "backoff" or effect.type == "supervisor_backoff" then
      chosen[effect.name] = effect.delay
    end
  end
  return function(node, policy, streak)
    local base <const> = policy.from > 0 and math.min(policy.max, policy.from * policy.factor ^ (streak - 1)) or 0
    local delay <const> = chosen[node.name]
    if policy.jitter == 0 or not delay then
      return base
    end
    if math.abs(delay - base) > base * policy.jitter + 1e-9 or delay > policy.max then
      error(("%s: a delay of %g, not about %g"):format(node.name, delay, base), 0)
    end
    return delay
  end, world
end

local function same_time(a, b)
  return a == b or a and b and math.abs(a - b) < 1e-9
end

local function differ(what, engine_says, model_says)
  error(("%s: the engine says %s, the model %s"):format(what, engine_says, model_says), 0)
end

-- Is all that they differ in that one of them starts something now which starts after others? Whether the others are
-- still to come may change within a step.
local function is_order(model, one, other)
  local count <const> = {}
  for _, line in ipairs(one) do
    count[line] = (count[line] or 0) + 1
  end
  for _, line in ipairs(other) do
    count[line] = (count[line] or 0) - 1
  end
  local late <const> = {}
  for line, more in pairs(count) do
    local name <const> = line:match "^spawn (%S+)$"
    late[name or ""] = name and more ~= 0 and #model.named[name].firsts > 0
  end
  for line, more in pairs(count) do
    if more ~= 0 and not late[line:match "^%S+ (%S+)"] then
      return false
    end
  end
  return true
end

-- What happens in which order within one step is the engine's own. That shows where one thing undoes another of the
-- same step: a command or its like brings a supervisor down, or what has just been spawned has to stop again.
local function undoes_itself(world, event, effects)
  local by_hand <const> = event.op == "start" or event.op == "restart" or event.op == "resume"
  for _, effect in ipairs(effects) do
    if by_hand and (effect.type == "give_up" or effect.type == "auto_shutdown")
      or effect.kind == "spawn" and engine.service(world.state, effect.name).state ~= "starting" then
      return true
    end
  end
  return false
end

local function compare_nodes(world)
  local model <const>, books <const> = world.model, world.books
  for _, svc in ipairs(model.list) do
    local view <const> = engine.service(world.state, svc.name)
    if view.state ~= svc.state then
      differ(svc.name, view.state, svc.state)
    elseif not same_time(books.nodes[svc.name].deadline, svc.deadline) then
      differ(svc.name .. "'s timer", books.nodes[svc.name].deadline, svc.deadline)
    end
  end
  for _, sup in ipairs(model.sups) do
    local deadline <const> = books.nodes[sup.name].deadline
    if sup.deadline and not same_time(deadline, sup.deadline) then
      differ(sup.name .. "'s timer", deadline, sup.deadline)
    end
  end
end

--- Lets the model take the same event, and raises when it thinks otherwise. Where that may be, it leaves the game.
function M.step(world, event, effects)
  local expected <const> = world.model:step(event, world.now, (delays(world, effects)))
  local said = {}
  for _, effect in ipairs(effects) do
    said[#said + 1] = audit.spoken(effect)
  end
  table.sort(said)
  table.sort(expected)
  local one <const>, other <const> = table.concat(said, ", "), table.concat(expected, ", ")
  local same <const>, message <const> = pcall(function()
    if one ~= other then
      differ("effects", "[" .. one .. "]", "[" .. other .. "]")
    end
    compare_nodes(world)
  end)
  if same then
    return
  elseif undoes_itself(world, event, effects) or one ~= other and is_order(world.model, said, expected) then
    world.model, world.left = nil, true
  else
    error(message, 0)
  end
end

return M
