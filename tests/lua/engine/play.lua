-- Plays cases that are written as data: a tree, what happens, and what starts and stops because of it, in order.
--
--   { title, tree, steps ..., specs =, slow =, mute =, deaf =, lean = reloads share what is as before }
--
-- `tree` and `specs` are as kit.tree takes them. A step is { time, event, lines ... }. The children are obedient: they
-- are up as soon as they are spawned, and die of the first signal; but those named in `mute` do not come up by
-- themselves, in `slow` die of KILL only, and in `deaf` not even of that. Timers fire when they are due. A case begins
-- with everything up at time 0, unless its first event is the boot.
--
-- Lines tell what is done and how it ends, not each state between: "start a", "TERM a", "KILL a", "run a 1", "ask a",
-- "a is failed" (stopped, done, stuck), "a is paused", "a in 2" (the next try), replies and "quit 1"; of supervisors
-- "app gives up: a intensity", "app shuts down: a any_significant", "app is back", "app in 2".

local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local luassert <const> = require "luassert"
local value <const> = require "ward.schema.value"

local M <const> = {}

--- Events that are none: let time pass; compare states, written "a failed", "app up".
M.pass, M.is = { kind = "pass" }, { kind = "is" }

local EVENTS <const> = {
  give_up = "%s gives up: %s %s", auto_shutdown = "%s shuts down: %s %s", supervisor_up = "%s is back",
  rule_failed = "%s has no rule: %s", removed = "%s is removed",
}

local TOLD <const> = { stopped = true, failed = true, done = true, stuck = true }

local function line_of_event(e)
  if TOLD[e.type] then
    return ("%s is %s"):format(e.name, e.type)
  elseif e.type == "rule_failed" then
    return EVENTS.rule_failed:format(e.name, e.message)
  elseif e.type == "backoff" and e.paused then
    return e.name .. " is paused"
  elseif e.type == "backoff" or e.type == "supervisor_backoff" then
    return e.delay and e.delay > 0 and ("%s in %g"):format(e.name, e.delay) or nil
  end
  return EVENTS[e.type] and EVENTS[e.type]:format(e.name, e.child, e.reason)
end

local LINES <const> = {
  spawn = function(e) return "start " .. e.name end,
  signal = function(e) return e.signal .. " " .. e.name end,
  kill = function(e) return "KILL " .. e.name end,
  run = function(e) return ("run %s %d"):format(e.name, e.rung) end,
  ask = function(e) return "ask " .. e.name end,
  event = line_of_event, reply = kit.line, quit = kit.line,
}

local function set(words)
  local names = {}
  for name in (words or ""):gmatch("%S+") do
    names[name] = true
  end
  return names
end

-- What the processes do about an effect: an event that follows at once, or nothing.
local REACTIONS <const> = {
  spawn = function(play, name)
    play.alive[name] = true
    return not play.mute[name] and kit.started(name)
  end,
  signal = function(play, name, effect)
    return play.alive[name] and not play.slow[name] and kit.exit(name, effect.signal)
  end,
  kill = function(play, name)
    return play.alive[name] and not play.deaf[name] and kit.exit(name, "KILL")
  end,
  run = function(play, name)
    return not play.slow[name] and { kind = "ran", name = name, exit = { kind = "exited", code = 0, ok = true } }
  end,
  arm = function(play, name, effect)
    play.timers[name] = effect.at
  end,
  disarm = function(play, name)
    play.timers[name] = nil
  end,
}

-- A reload as it comes of a script that was recognised: what is as before is the very same, and the rest is told.
local function lean(st, event)
  local specs, fresh = {}, {}
  for i, spec in ipairs(event.specs) do
    local svc = st.by_name[spec.name]
    local known = svc and not svc.removed and value.same(svc.spec, spec)
    specs[i] = known and svc.spec or spec
    fresh[#fresh + 1] = not known and spec or nil
  end
  local changed = { specs = specs, fresh = fresh }
  if value.same(event.tree, st.root.spec) then
    changed.tree = st.root.spec
  end
  return setmetatable(changed, { __index = event })
end

local function step(play, event, now)
  local todo = { play.lean and event.kind == "reload" and lean(play.st, event) or event }
  for _, each in ipairs(todo) do
    if each.kind ~= "exit" or play.alive[each.name] then
      play.alive[each.name or ""] = each.kind ~= "exit" and play.alive[each.name or ""] or nil
      local effects
      play.st, effects = engine.step(play.st, each, now)
      for _, effect in ipairs(effects) do
        local line, react = LINES[effect.kind], REACTIONS[effect.kind]
        play.lines[#play.lines + 1] = line and line(effect)
        todo[#todo + 1] = react and react(play, effect.name, effect) or nil
      end
    end
  end
end

local function next_timer(play)
  local first
  for name, at in pairs(play.timers) do
    local before = first and (at - play.timers[first])
    if not first or before < 0 or before == 0 and name < first then
      first = name
    end
  end
  return first, play.timers[first]
end

-- Everything that is due until then happens, each at its time.
local function advance(play, now)
  local name, at = next_timer(play)
  while name and at <= now do
    play.timers[name] = nil
    step(play, kit.timer(name), at)
    name, at = next_timer(play)
  end
end

local function states(st, expected)
  local lines = {}
  for at, line in ipairs(expected) do
    local name = line:match("^(%S+)")
    lines[at] = name .. " " .. (st.by_name[name] or st.sup_by_name[name]).state
  end
  return lines
end

local Session <const> = {}
Session.__index = Session

--- Lets everything happen that is due until `now`, and then the event, unless it is none.
---@param now number
---@param event table
function Session:at(now, event)
  self.lines = {}
  advance(self, now)
  if event.kind ~= "pass" and event.kind ~= "is" then
    step(self, event, now)
  end
end

--- An engine over a case's tree with obedient children, booted unless the case does so itself.
---@param case table
---@return table session st, alive, lines: of the last event; at(now, event)
function M.session(case)
  local specs, tree = kit.tree(case[2], case.specs)
  local session = setmetatable({ st = engine.new(specs, { tree = tree }), lines = {}, alive = {}, timers = {},
    slow = set(case.slow), mute = set(case.mute), deaf = set(case.deaf),
    lean = case.lean }, Session)
  if not case[3] or case[3][2].kind ~= "boot" then
    step(session, kit.boot, 0)
  end
  return session
end

--- Plays a case; raises at the first step that goes another way.
---@param case table
---@return table st the engine's state at the end
function M.play(case)
  local session = M.session(case)
  for number = 3, #case do
    local each = case[number]
    local now, event, expected = each[1], each[2], { table.unpack(each, 3) }
    session:at(now, event)
    luassert.same(expected, event.kind == "is" and states(session.st, expected) or session.lines,
      ("step %d, %s at %g"):format(number - 2, event.op or event.kind, now))
  end
  return session.st
end

return M
