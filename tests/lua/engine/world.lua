-- A world for the engine to run in: virtual time, processes with a character of their own, an operator who
-- presses everything. It keeps its own books and raises as soon as an effect breaks a promise.

local backoff <const> = require "ward.engine.backoff"
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

local World <const> = {}
World.__index = World

local LADDERS <const> = {
  { { signal = "KILL" } },
  { { signal = "TERM", wait = 2 }, { signal = "KILL" } },
  { { signal = "INT", wait = 1 }, { signal = "TERM", wait = 0 }, { signal = "KILL" } },
}

function World:random()
  return backoff.random(self.rng)
end

function World:chance(p)
  return self:random() < p
end

function World:below(n) -- 1 .. n
  return math.floor(self:random() * n) + 1
end

function World:pick(list)
  return list[self:below(#list)]
end

-- What a state must be for a command to be answered with yes.
local READY <const> = { ready = true }
local GONE <const> = { stopped = true, failed = true, done = true }
local GOALS <const> = { start = READY, restart = READY, ready = READY, stop = GONE, stopped = GONE }

-- Services in a random order of declaration over a random order of needs.
local function random_specs(world)
  local specs, order = {}, {}
  local density = world:random() * 0.7
  for rank = 1, world:below(7) do
    local needs = {}
    for other = 1, rank - 1 do
      if world:chance(density) then
        needs[#needs + 1] = "s" .. other
      end
    end
    order[rank] = kit.spec("s" .. rank, {
      needs = needs, on = world:pick { "always", "failure", "failure", "never" },
      backoff = { from = world:pick { 0, 0.1, 1 }, max = 5, jitter = 0.1, reset = 3 },
      stop = world:pick(LADDERS),
    })
  end
  for rank, spec in ipairs(order) do
    table.insert(specs, world:below(rank), spec)
  end
  return specs
end

local function reach(books, name, along, found)
  found = found or {}
  for _, other in ipairs(books[name][along]) do
    if not found[other] then
      found[other] = true
      reach(books, other, along, found)
    end
  end
  return found
end

--- A new world; everything in it follows from the seed.
---@param seed integer
---@return table world
function World.new(seed)
  local world = setmetatable({
    rng = { word = seed * 2 + 1 }, now = 0, calm = false, level = 0, quit = nil, next_pid = 1,
    books = {}, names = {}, open = {}, closed = {}, log = {}, audit = seed % 8 == 0,
  }, World)
  local specs = random_specs(world)
  for _, spec in ipairs(specs) do
    world.names[#world.names + 1] = spec.name
    world.books[spec.name] = { spec = spec, needs = spec.needs, dependents = {}, desired = "up" }
  end
  for _, spec in ipairs(specs) do
    for _, need in ipairs(spec.needs) do
      table.insert(world.books[need].dependents, spec.name)
    end
  end
  for _, book in pairs(world.books) do
    book.all_needs = reach(world.books, book.spec.name, "needs")
    book.all_dependents = reach(world.books, book.spec.name, "dependents")
  end
  world.state = engine.new(specs, { seed = seed })
  return world
end

-- Processes ---------------------------------------------------------------------------------------------

-- A process knows from the start when it is up, when it dies unasked and how it takes signals.
local function process(world)
  local proc = { pid = world.next_pid, up_at = world.now + 0.001 + world:random() * 0.1, rung = 0 }
  world.next_pid = world.next_pid + 1
  proc.ears = 0.01
  if world.calm then
    return proc
  end
  if world:chance(0.15) then
    proc.up_at, proc.fails_at = nil, proc.up_at
  elseif world:chance(0.4) then
    proc.dies_at = proc.up_at + world:random() ^ 3 * 8
    proc.dies_of = world:pick { 0, 0, 1, "SEGV", "TERM" }
  end
  proc.ears = world:pick { 0, 0.01, 0.01, 0.5, 4, math.huge }
  proc.stuck = world:chance(0.05)
  return proc
end

local EFFECTS <const> = {}

function EFFECTS.spawn(world, effect, book)
  assert(not book.proc, "a second instance")
  assert(world.level == 0, "spawned during shutdown")
  assert(book.desired == "up", "spawned after a stop")
  for _, need in ipairs(book.needs) do
    local proc = world.books[need].proc
    assert(proc and proc.is_up and proc.rung == 0 and engine.service(world.state, need).ready,
      "spawned without " .. need)
  end
  assert(not book.deadline, "spawned with a deadline armed")
  book.proc, book.doomed, book.stuck = process(world), false, false
  assert(engine.service(world.state, effect.name).state == "starting")
end

-- Rungs come in order, each in its time, the first with a reason and after all dependents.
local function signalled(world, book, signal)
  local proc, ladder = assert(book.proc, "signal to nobody"), book.spec.stop
  local hurried = world.level > 1
  local rung = proc.rung + 1
  while hurried and signal == "KILL" and ladder[rung].signal ~= "KILL" do
    rung = rung + 1
  end
  assert(rung <= #ladder and ladder[rung].signal == signal, "not the next rung")
  if rung == 1 then
    assert(book.doomed, "signalled without a reason")
  elseif not hurried then
    assert(world.now >= proc.signalled_at + ladder[rung - 1].wait, "before its time")
  end
  for name in pairs(book.all_dependents) do
    local other = world.books[name]
    assert(not other.proc or other.stuck, "signalled before its dependent")
  end
  proc.rung, proc.signalled_at = rung, world.now
  return proc
end

function EFFECTS.signal(world, effect, book)
  local proc = signalled(world, book, effect.signal)
  local at = world.now + proc.ears * (0.5 + world:random())
  if at < (proc.dies_at or math.huge) then
    proc.dies_at, proc.dies_of = at, world:pick { effect.signal, 0, 1 }
  end
end

function EFFECTS.kill(world, _, book)
  local proc = signalled(world, book, "KILL")
  proc.fails_at, proc.dies_of = nil, "KILL"
  proc.dies_at = world.now + (proc.stuck and 11 or 0) + world:random() * 0.1
end

function EFFECTS.arm(world, effect, book)
  assert(effect.at >= world.now, "armed in the past")
  book.deadline = effect.at
  book.fires_at = world:chance(0.1) and world.now + (effect.at - world.now) * world:random() or effect.at
end

function EFFECTS.disarm(_, _, book)
  assert(book.deadline, "disarmed twice")
  book.deadline, book.fires_at = nil, nil
end

function EFFECTS.reply(world, effect)
  local command = world.open[effect.token]
  assert(command, "answered twice, unasked or after a cancel")
  world.open[effect.token] = nil
  for slot, name in ipairs(command.names) do
    local result = effect.results[slot]
    assert(result and result.name == name, "a name without a result")
    assert(result.ok or result.message and result.code, "refused without a word")
    assert(not result.ok or GOALS[command.for_ or command.op][result.state], "said yes too early")
  end
end

function EFFECTS.event(world, effect, book)
  if effect.type == "stuck" then
    assert(world.now >= book.proc.signalled_at + 10, "given up too early")
    book.stuck = true
  elseif effect.type == "done" or effect.type == "failed" then
    for name in pairs(book.all_dependents) do
      world.books[name].doomed = true
    end
  end
end

function EFFECTS.quit(world, effect)
  assert(world.level > 0 and not world.quit, "quit unasked or twice")
  local left = 0
  for _, book in pairs(world.books) do
    assert(not book.proc or book.stuck, "quit before the end")
    left = left + (book.proc and 1 or 0)
  end
  assert(effect.code == (left > 0 and 1 or 0), "wrong exit code")
  world.quit = true
end

-- Do the engine's counters say what they count?
local function audit(state)
  local live, stuck = 0, 0
  for _, svc in ipairs(state.services) do
    local unmet, blockers = 0, 0
    for _, need in ipairs(svc.needs) do
      unmet = unmet + (need.state == "ready" and 0 or 1)
    end
    for _, each in ipairs(svc.dependents) do
      blockers = blockers + (each.busy and 1 or 0)
    end
    local alive = svc.state == "starting" or svc.state == "ready" or svc.state == "stopping"
    assert(svc.unmet == unmet and svc.blockers == blockers, "neighbours miscounted")
    assert(svc.busy == (alive or blockers > 0), "busy miscounted")
    live, stuck = live + (alive and 1 or 0), stuck + (svc.state == "stuck" and 1 or 0)
  end
  assert(state.live == live and state.stuck == stuck, "miscounted")
end

--- One event into the engine, its effects into the books.
function World:step(event)
  local effects
  self.log[#self.log + 1] = ("%.6f > %s %s"):format(self.now, event.op or event.kind,
    event.name or event.names and table.concat(event.names, " ") or "")
  self.state, effects = engine.step(self.state, event, self.now)
  for _, effect in ipairs(effects) do
    self.log[#self.log + 1] = kit.line(effect) or effect.type
    EFFECTS[effect.kind](self, effect, self.books[effect.name])
  end
  if self.audit then
    audit(self.state)
  end
  return effects
end

-- What happens next -------------------------------------------------------------------------------------

local function end_process(world, name, how)
  local book = world.books[name]
  local event = kit.exit(name, how)
  event.exit.pid = book.proc.pid
  book.proc, book.stuck = nil, false
  local told = 0
  for _, effect in ipairs(world:step(event)) do
    if effect.kind == "event" and effect.exit then
      assert(effect.exit.pid == event.exit.pid and type(effect.exit.ok) == "boolean")
      told = told + 1
    end
  end
  assert(told == 1, "an exit is told once")
  assert(engine.service(world.state, name).last_exit.pid == event.exit.pid, "an exit was lost")
end

-- The earliest thing that is due: a name and what it does. Ties go in declaration order.
local function due(world)
  local at, who, what = math.huge, nil, nil
  for _, name in ipairs(world.names) do
    local book = world.books[name]
    local proc = book.proc
    if proc and not proc.is_up and proc.up_at and proc.up_at < at then
      at, who, what = proc.up_at, name, "up"
    end
    if proc and proc.fails_at and proc.fails_at < at then
      at, who, what = proc.fails_at, name, "fails"
    end
    if proc and proc.dies_at and proc.dies_at < at then
      at, who, what = proc.dies_at, name, "dies"
    end
    if book.fires_at and book.fires_at < at then
      at, who, what = book.fires_at, name, "timer"
    end
  end
  return at, who, what
end

local function happen(world, at, name, what)
  local book = world.books[name]
  local proc = book.proc
  world.now = math.max(world.now, at)
  if what == "up" then
    proc.is_up = true
    world:step(kit.started(name, proc.pid))
  elseif what == "fails" then
    end_process(world, name, "spawn")
  elseif what == "dies" then
    end_process(world, name, proc.dies_of)
  elseif world.now < book.deadline then
    book.fires_at = book.deadline
    world:step(kit.timer(name)) -- early: the engine has to notice
  else
    book.deadline, book.fires_at = nil, nil
    world:step(kit.timer(name))
  end
end

--- Lets things happen up to a time, or until nothing is left to happen.
function World:run(till)
  for _ = 1, 2000 do
    local at, name, what = due(self)
    if at > till or at == math.huge then
      self.now = till < math.huge and math.max(self.now, till) or self.now
      return
    end
    happen(self, at, name, what)
  end
  error("the world does not come to rest")
end

--- No more crashes, failed launches or deaf processes.
function World:settle_down()
  self.calm = true
  for _, name in ipairs(self.names) do
    local proc = self.books[name].proc
    if proc then
      if proc.fails_at then
        proc.up_at, proc.fails_at = proc.fails_at, nil
      end
      if proc.rung == 0 then
        proc.dies_at = nil
      end
      proc.ears = math.min(proc.ears, 1)
    end
  end
end

-- The operator ------------------------------------------------------------------------------------------

local function doom(world, name)
  world.books[name].doomed = true
  for other in pairs(world.books[name].all_dependents) do
    world.books[other].doomed = true
  end
end

--- Gives a command and writes down what it means.
function World:command(text)
  local token = #self.closed + 1
  self.closed[token] = true
  local event = kit.command(text, token)
  self.open[token] = event
  for _, name in ipairs(event.names) do
    local book = self.books[name]
    if book and event.op == "stop" then
      book.desired = "down"
    elseif book and event.op ~= "wait" and self.level == 0 then
      book.desired = "up"
      for need in pairs(book.all_needs) do
        self.books[need].desired = "up"
      end
    end
    if book and (event.op == "stop" or event.op == "restart") then
      doom(self, name)
    end
  end
  self:step(event)
  return token
end

function World:shutdown()
  local token = #self.closed + 1
  self.closed[token] = true
  self.open[token] = { names = {} }
  self.level = self.level + 1
  for _, name in ipairs(self.names) do
    doom(self, name)
  end
  self:step { kind = "shutdown", token = token }
end

--- Does one thing at random.
function World:meddle()
  local roll = self:random()
  if roll < 0.06 then
    local token = self:below(#self.closed + 1)
    self.open[token] = nil
    self:step { kind = "cancel", token = token }
  elseif roll < 0.09 then
    self:shutdown()
  else
    local words = { self:pick { "start", "stop", "stop", "restart", "restart", "ready", "stopped" } }
    repeat
      words[#words + 1] = self:chance(0.03) and "nobody" or self:pick(self.names)
    until self:chance(0.6)
    self:command(table.concat(words, " "))
  end
end

--- Nothing moves any more: is each service where it should be?
function World:inspect()
  for _, name in ipairs(self.names) do
    local book = self.books[name]
    local view = engine.service(self.state, name)
    assert(view.desired == book.desired, "what is desired was forgotten")
    local met = true
    for _, need in ipairs(book.needs) do
      met = met and engine.service(self.state, need).ready
    end
    if self.level > 0 then
      assert(not book.proc and self.quit, "shutdown did not end")
    elseif view.state ~= "failed" and view.state ~= "done" then
      local expected = book.desired == "down" and "stopped" or met and "ready" or "waiting"
      assert(view.state == expected, ("%s is %s, not %s"):format(name, view.state, expected))
      assert((book.proc ~= nil) == view.ready)
    end
  end
end

return World
