-- The log of a simulation, and an audit of the engine's own counters.

local M <const> = {}

--- What an effect does, in words; nil for one that only tells.
---@param effect table
---@return string|nil
function M.spoken(effect)
  local kind <const> = effect.kind
  if kind == "spawn" or kind == "kill" or kind == "ask" then
    return kind .. " " .. effect.name
  elseif kind == "signal" then
    return ("signal %s %s"):format(effect.name, effect.signal)
  elseif kind == "run" then
    return ("run %s %d"):format(effect.name, effect.rung)
  elseif kind == "reply" then
    return ("reply %s %s"):format(effect.token, effect.ok and "ok" or "no")
  elseif kind == "quit" then
    return ("quit %d"):format(effect.code)
  end
end

--- Adds a line to a log: a text, or an effect.
function M.log(log, what)
  if type(what) == "table" then
    local effect <const> = what
    what = M.spoken(effect)
    if effect.kind == "arm" or effect.kind == "disarm" then
      what = ("%s %s %s"):format(effect.kind, effect.name, effect.at or "")
    elseif effect.kind == "event" then
      what = ("%s is %s %s"):format(effect.name or "ward", effect.type, effect.reason or effect.delay or "")
    end
    what = "    " .. what
  end
  log[#log + 1] = what
end

local function check_service(svc)
  local unmet, pending, blockers, followers, lost = 0, 0, 0, 0, 0
  for _, need in ipairs(svc.needs) do
    unmet = unmet + (need.up and 0 or 1)
    lost = lost + (need.dead and 1 or 0)
  end
  for _, first in ipairs(svc.firsts) do
    pending = pending + (first.coming and 1 or 0)
  end
  for _, each in ipairs(svc.dependents) do
    blockers = blockers + (each.busy and 1 or 0)
  end
  for _, each in ipairs(svc.laters) do
    followers = followers + (each.going and 1 or 0)
  end
  assert(svc.state ~= "waiting" or svc.unmet == unmet and svc.lost == lost and svc.pending == pending,
    "those before it miscounted")
  assert(svc.blockers == blockers and svc.followers == followers, "those after it miscounted")
  assert(not svc.expected, "still expected")
end

--- Do the engine's counters say what they count?
function M.check(state)
  local live, held = 0, {}
  for _, svc in ipairs(state.services) do
    check_service(svc)
    local alive <const> = svc.state == "starting" or svc.state == "ready" or svc.state == "stopping"
    assert(svc.up == (svc.state == "ready" or svc.state == "done" and svc.spec.type == "oneshot"), "up miscounted")
    assert(svc.busy == (alive or svc.blockers > 0), "busy miscounted")
    assert(svc.going == (svc.state == "stopping"), "going miscounted")
    live = live + (alive and 1 or 0)
    if svc.hold then
      held[svc.hold] = (held[svc.hold] or 0) + ((alive or svc.up) and 1 or 0)
      local sup <const> = svc.hold.sup
      assert(sup.group == svc.hold or sup.grip == svc.hold or sup.state == "backoff", "held by nobody")
    end
  end
  for hold, count in pairs(held) do
    assert(hold.live == count, "the held miscounted")
  end
  assert(state.live == live, "miscounted")
end

return M
