-- Plays random histories, with reloads and pools, for an engine and its twin: a state that was saved and restored in
-- the midst of it. Both take the same events, and have to give the same effects to the end.

local engine <const> = require "ward.engine"
local order <const> = require "ward.engine.order"
local save <const> = require "ward.engine.save"
local state <const> = require "ward.engine.state"
local scenario <const> = require "sim.scenario"

local M <const> = {}

local STEPS <const> = 80
local PATIENCE <const> = 2000 -- events within which most come to rest

--- A copy that shares nothing.
function M.copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, each in pairs(value) do
    copy[key] = M.copy(each)
  end
  return copy
end

--- The place where two values differ; nil when they do not.
function M.difference(a, b, at)
  if type(a) ~= "table" or type(b) ~= "table" then
    return (a ~= b or math.type(a) ~= math.type(b)) and ("%s: %s and %s"):format(at, a, b) or nil
  end
  for key, value in pairs(a) do
    local found = M.difference(value, b[key], ("%s.%s"):format(at, key))
    if found then
      return found
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return ("%s.%s: is there in one only"):format(at, key)
    end
  end
end

-- Some services wait for somebody to want them, as members of a pool do.
local function make_pools(dice, sup, specs, often)
  local pool <const> = dice:chance(often)
  sup.pool = pool and { min = 0, max = 9 } or nil
  for _, child in ipairs(sup.children) do
    if child.children then
      make_pools(dice, child, specs, often)
    elseif pool and dice:chance(0.5) then
      specs[child.service].dormant = true
    end
  end
end

-- Children change places: with each other, or from the end of one supervisor to that of another.
local function move_children(dice, root)
  local sups <const> = { root }
  for _, sup in ipairs(sups) do
    for _, child in ipairs(sup.children) do
      sups[#sups + 1] = child.children and not child.pool and child or nil
    end
  end
  local from <const>, to <const> = dice:pick(sups).children, dice:pick(sups).children
  if dice:chance(0.3) then
    local one <const>, other <const> = dice:below(#from), dice:below(#from)
    from[one], from[other] = from[other], from[one]
  end
  local last <const> = from[#from]
  if dice:chance(0.3) and #from > 1 and last.service then
    table.insert(to, table.remove(from))
  end
end

-- What the script declares: some of the seed's services, in a tree that is not always the same.
local function declare(play)
  local dice <const>, without = play.dice, {}
  for rank = 1, 16 do
    without["s" .. rank] = dice:chance(0.2) or nil
  end
  local it = scenario.new(play.seed, without)
  if #it.specs == 0 or dice:chance(0.3) then
    it = scenario.new(play.seed)
  end
  local named = {}
  for _, spec in ipairs(it.specs) do
    named[spec.name] = spec
    if dice:chance(0.2) then
      spec.restart.backoff.from, spec.asks = 2, dice:chance(0.5) or nil
    end
    if not spec.significant and spec.restart.on ~= "always" and dice:chance(0.1) then
      spec.type = spec.type == "oneshot" and "simple" or "oneshot"
      spec.ready = spec.type == "simple" and spec.ready or nil
    end
  end
  it.tree.strategy = dice:pick { it.tree.strategy, "rest_for_one", "one_for_all" }
  make_pools(dice, it.tree, named, 0.2)
  move_children(dice, it.tree)
  return it.specs, it.tree
end

local MAKE <const> = {}

function MAKE.started(play, name)
  if play.procs[name] == "born" then
    play.procs[name] = "up"
    return { kind = "started", name = name, pid = play.steps }
  end
end

function MAKE.ready(play, name)
  return play.procs[name] == "up" and { kind = "ready", name = name }
end

function MAKE.exit(play, name)
  if play.procs[name] then
    play.procs[name] = nil
    local dice <const> = play.dice
    return { kind = "exit", name = name, exit = dice:chance(0.6)
      and { kind = "exited", code = dice:pick { 0, 1, 2 }, rusage = { user = 0.5 } }
      or { kind = "signaled", signal = dice:pick { "SEGV", "TERM" } } }
  end
end

function MAKE.ran(play, name)
  if play.helpers[name] then
    play.helpers[name] = nil
    local ok <const> = play.dice:chance(0.7)
    return { kind = "ran", name = name, exit = { kind = "exited", code = ok and 0 or 1, ok = ok } }
  end
end

function MAKE.verdict(play, name)
  local id <const> = play.asks[name]
  play.asks[name] = nil
  return id and { kind = "verdict", name = name, id = id, verdict = play.dice:pick { 0, 1, "stop", "escalate", "x" } }
end

function MAKE.fault(play, name)
  return { kind = "fault", name = name, cause = play.dice:pick { "watchdog", "check" } }
end

-- The timer that is due next, with the time that it takes.
function MAKE.timer(play)
  local first
  for name, at in pairs(play.timers) do
    if not first or at < play.timers[first] or at == play.timers[first] and name < first then
      first = name
    end
  end
  if first then
    play.now = math.max(play.now, play.timers[first])
    play.timers[first] = nil
    return { kind = "timer", name = first }
  end
end

function MAKE.command(play, name)
  local dice <const> = play.dice
  local event = { kind = "command", op = dice:pick { "start", "stop", "restart", "pause", "resume", "wait" },
    names = { name, dice:chance(0.3) and "s" .. dice:below(16) or nil } }
  event.for_ = event.op == "wait" and dice:pick { "ready", "stopped" } or nil
  event.token = dice:chance(0.9) and play.steps or nil
  event.by = (event.op == "start" or event.op == "restart") and dice:chance(0.4) and "script" or nil
  return event
end

function MAKE.cancel(play)
  return { kind = "cancel", token = play.dice:below(play.steps) }
end

function MAKE.shutdown(play)
  return play.dice:chance(0.1) and { kind = "shutdown", token = play.steps }
end

function MAKE.reload(play)
  local dice <const> = play.dice
  local specs <const>, tree <const> = declare(play)
  local stale, former, declared = {}, {}, {}
  for _, spec in ipairs(specs) do
    declared[spec.name], stale[spec.name] = true, dice:chance(0.3) or nil
  end
  for _, svc in ipairs(play.one.services) do
    if not declared[svc.name] then
      former[svc.name] = M.copy(svc.spec)
      former[svc.name].asks = nil
    end
  end
  if play.one.level == 0 then
    play.specs, play.tree = specs, tree
  end
  return { kind = "reload", specs = specs, tree = tree, stale = stale, former = former, restart = dice:chance(0.7),
    prune = dice:chance(0.3) }
end

local WORDS <const> = { "started", "started", "started", "started", "ready", "exit", "exit", "exit", "ran", "ran",
  "verdict", "fault", "timer", "timer", "timer", "command", "command", "command", "cancel", "shutdown", "reload" }

local NOTE <const> = {
  spawn = function(play, name) play.procs[name] = "born" end,
  run = function(play, name) play.helpers[name] = true end,
  ask = function(play, name, effect) play.asks[name] = effect.id end,
  arm = function(play, name, effect) play.timers[name] = effect.at end,
  disarm = function(play, name) play.timers[name] = nil end,
}

local function step(play, event)
  local mine, other
  if play.watch.before then
    play.watch.before(play.now, event, play.one)
  end
  play.one, mine = engine.step(play.one, event, play.now)
  if play.twin then
    play.twin, other = engine.step(play.twin, event, play.now)
    local found <const> = M.difference(mine, other, "effects")
    assert(not found, found)
  end
  for _, effect in ipairs(mine) do
    if effect.kind == "event" and effect.exit and not effect.told then
      assert(not play.told[effect.exit], effect.name .. ": an exit is told twice")
      play.told[effect.exit] = true
    end
    local note <const> = NOTE[effect.kind]
    if note then
      note(play, effect.name, effect)
    end
  end
  if play.watch.after then
    play.watch.after(play)
  end
end

local function next_event(play)
  local dice <const> = play.dice
  for _ = 1, 50 do
    local services <const> = play.one.services
    local name <const> = #services > 0 and services[dice:below(#services)].name or "s1"
    local event <const> = #services > 0 and MAKE[dice:pick(WORDS)](play, name)
    if event then
      return event
    end
  end
end

-- What a process does that is well, and a script that answers: nil when that is nothing.
local function good(play, svc)
  local name <const>, proc <const> = svc.name, play.procs[svc.name]
  if proc == "born" then
    return MAKE.started(play, name)
  elseif proc and (svc.state == "stopping" or svc.state == "stuck" or svc.spec.type == "oneshot") then
    play.procs[name] = nil
    return { kind = "exit", name = name, exit = { kind = "exited", code = 0 } }
  elseif proc and svc.state == "starting" then
    return MAKE.ready(play, name)
  elseif play.helpers[name] then
    play.helpers[name] = nil
    return { kind = "ran", name = name, exit = { kind = "exited", code = 0, ok = true } }
  elseif play.asks[name] then
    local id <const> = play.asks[name]
    play.asks[name] = nil
    return { kind = "verdict", name = name, id = id, verdict = "stop" }
  end
end

local function next_good(play)
  for _, svc in ipairs(play.one.services) do
    local event <const> = good(play, svc)
    if event then
      return event
    end
  end
  return MAKE.timer(play)
end

-- Nothing fails any more. When nothing is to happen either, nobody may wait whose needs are all there.
local function come_to_rest(play)
  local names = {}
  for at, svc in ipairs(play.one.services) do
    names[at] = svc.name
  end
  local event = { kind = "command", op = "resume", names = names }
  for _ = 1, PATIENCE do
    if not event then
      break
    end
    step(play, event)
    event = next_good(play)
  end
  for _, svc in ipairs(event and {} or play.one.services) do
    assert(svc.state ~= "waiting" or not order.is_free(svc), svc.name .. " is left waiting")
    for _, waiter in ipairs(svc.waiters) do
      assert(state.reached(svc, waiter.goal) == nil, svc.name .. " is waited for, and is there")
    end
  end
  return not event
end

--- All of a state. Whether two ladders are one or only alike makes no difference.
function M.all_of(st)
  local plain <const> = save.save(st)
  for at, each in ipairs(plain.services) do
    each.ladder = st.services[at].ladder
  end
  return plain
end

--- Plays a seed; raises where the twin is no twin.
---@param seed integer
---@param watch? { begin: function?, before: function?, after: function? } begin(state, specs, tree);
--- before(now, event, state); after(play)
---@return integer twins how many there were
---@return boolean rests did it come to rest?
function M.play(seed, watch)
  local play <const> = { seed = seed, dice = scenario.dice(seed, 77), now = 0, steps = 1, watch = watch or {},
    procs = {}, helpers = {}, asks = {}, timers = {}, told = setmetatable({}, { __mode = "k" }) }
  play.specs, play.tree = declare(play)
  play.one = engine.new(play.specs, { seed = seed, tree = play.tree })
  if play.watch.begin then
    play.watch.begin(play.one, play.specs, play.tree)
  end
  local twins = 0
  step(play, { kind = "boot" })
  for number = 1, STEPS do
    if play.dice:chance(0.1) then
      play.twin = save.restore(M.copy(save.save(play.one)), M.copy(play.specs), M.copy(play.tree))
      twins = twins + 1
    end
    play.steps, play.now = number, play.now + play.dice:unit() ^ 4
    local event <const> = next_event(play)
    if event then
      step(play, event)
    end
  end
  local rests <const> = come_to_rest(play)
  local found <const> = play.twin and M.difference(M.all_of(play.one), M.all_of(play.twin), "state")
  assert(not found, found)
  return twins, rests
end

return M
