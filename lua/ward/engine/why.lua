-- What the engine knows about itself, as plain data: why a service is as it is, and how all hangs together.

local state <const> = require "ward.engine.state"

local M <const> = {}

local function limit_of(limit, past, now)
  if not limit then
    return nil
  end
  local count = 0
  for _, at in ipairs(past) do
    count = count + (now - at <= limit.within and 1 or 0)
  end
  return { n = limit.n, within = limit.within, count = count }
end

-- The supervisors above, nearest first.
local function above(svc, now)
  local list = {}
  local sup = svc.parent
  while sup do
    list[#list + 1] = {
      name = sup.name, strategy = sup.spec.strategy, state = sup.state, restarts = sup.restarts,
      next_at = sup.state == "backoff" and sup.deadline or nil, waits_for = state.unripe(sup),
      intensity = limit_of(sup.spec.intensity, sup.past, now),
    }
    sup = sup.parent
  end
  return list
end

-- For whose restart it is held, or with which supervisor it is down.
local function held(svc)
  local hold <const> = svc.hold
  if not hold then
    return nil
  end
  return { by = hold.sup.name, kind = hold.kind, trigger = hold.trigger and hold.trigger.name }
end

--- Why a service is as it is. `decision` is what followed its last exit and by which rule { rule, outcome, at },
--- `give_up` and each supervisor's `intensity` how near their limits are { n, within, count }, `held` for whose
--- restart it is kept down, `dead_needs` what it waits for in vain.
---@param st table
---@param name string
---@param now number
---@return table|nil
function M.service(st, name, now)
  local svc <const> = st.by_name[name]
  if not svc then
    return nil
  end
  local dead = {}
  for at = #svc.needs, 1, -1 do
    if svc.needs[at].dead then
      dead[#dead + 1] = { name = svc.needs[at].name, state = state.word(svc.needs[at]) }
    end
  end
  return {
    name = name, state = svc.state, since = svc.since, desired = svc.desired, pid = svc.pid, paused = svc.paused,
    asking = svc.asking, because = svc.because, cause = svc.cause,
    last_exit = svc.last_exit, decision = svc.decision,
    restarts = svc.restarts, streak = svc.streak, next_at = svc.deadline,
    rung = svc.state == "stopping" and svc.rung or nil,
    give_up = limit_of(svc.spec.restart.give_up, svc.past, now),
    waits_for = state.waits_for(svc, svc.state), dead_needs = dead, held = held(svc), supervisors = above(svc, now),
  }
end

local function names(list)
  local result = {}
  for at = #list, 1, -1 do
    result[#result + 1] = list[at].name
  end
  return result
end

local function draw(node)
  if node.kind == "service" then
    return { name = node.name, state = node.state, needs = names(node.needs), wants = node.spec.wants or {},
      after = node.spec.after or {} }
  end
  local children = {}
  for _, child in ipairs(node.children) do
    if not (child.spec.dormant and child.desired == "down" and child.state == "stopped") then
      children[#children + 1] = draw(child)
    end
  end
  return { name = node.name, state = node.state, strategy = node.spec.strategy, children = children }
end

--- The tree as nested tables: a supervisor has `children` and `strategy`, a service `needs`, `wants` and `after`.
---@param st table
---@return table root
function M.graph(st)
  return draw(st.root)
end

return M
