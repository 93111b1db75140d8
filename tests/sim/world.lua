-- A world for the engine to run in: virtual time, processes with a character of their own, an operator who presses
-- everything. Its books (sim.books) raise as soon as an effect breaks a promise.

local Books <const> = require "sim.books"
local Model <const> = require "sim.model"
local engine <const> = require "ward.engine"
local audit <const> = require "sim.audit"
local compare <const> = require "sim.compare"
local scenario <const> = require "sim.scenario"

local World <const> = {}
World.__index = World

local HUGE <const> = math.huge
local PIDS <const> = 40 -- more than ever live at once; a pid that is free again is the next to be used

--- A new world; everything in it follows from the seed and what is left out.
---@param seed integer
---@param options { without: table|nil, log: boolean|nil, seen: table|nil, audit: boolean|nil }
function World.new(seed, options)
  local it <const> = scenario.new(seed, options.without)
  local world = setmetatable({
    seen = options.seen, seed = seed, without = options.without or {},
    now = 0, calm = false, free_pids = {}, log = options.log and {},
    actions = it.actions, early = it.early, tokens = 0, asks = 0, audit = options.audit, steps = 0,
    quirks = {}, -- misbehaviour that has come into play
  }, World)
  for pid = PIDS, 1, -1 do
    world.free_pids[#world.free_pids + 1] = pid
  end
  world.books = Books.new(it.specs, it.tree)
  world.model = options.model and Model.new(it.specs, it.tree)
  world.state = engine.new(it.specs, { seed = seed, tree = it.tree })
  return world
end

-- Processes ---------------------------------------------------------------------------------------------

-- The dice of one launch, ask or command, or nil when nothing special is to happen.
local function dice_of(world, book, what, count)
  local key <const> = ("%s %s %d"):format(book.name, what, count)
  if world.calm or world.without[key] then
    return nil
  end
  world.quirks[#world.quirks + 1] = key
  return scenario.dice(world.seed, book.rank * 4096 + count * 4 + (what == "launch" and 1 or what == "ask" and 2 or 3))
end

-- A process knows from the start when it is up, when it dies unasked and how it takes signals.
local function new_process(world, book)
  local oneshot <const> = book.spec.type == "oneshot"
  local proc = { born = world.now, ears = 0.01, up_at = world.now + 0.01, dies_of = 0 }
  book.launches = book.launches + 1
  local dice <const> = dice_of(world, book, "launch", book.launches)
  if not dice then
    proc.ready_at = book.spec.ready and proc.up_at + 0.01
    proc.dies_at = oneshot and proc.up_at + 0.01 or nil
    return proc
  end
  proc.up_at = world.now + dice:unit() * 0.1
  if book.spec.ready and dice:chance(0.8) then
    proc.ready_at = proc.up_at + dice:unit() ^ 3 * 4
  end
  if dice:chance(0.12) then
    proc.dies_at, proc.dies_of = proc.up_at, dice:pick { "spawn", "spawn", "unknown" }
    proc.up_at = dice:chance(0.3) and proc.up_at - 0.001 or HUGE
    proc.up_at = proc.up_at < world.now and HUGE or proc.up_at
  elseif oneshot then
    proc.dies_at, proc.dies_of = proc.up_at + dice:unit() ^ 3 * 4, dice:pick { 0, 0, 0, 1, "SEGV" }
  elseif dice:chance(0.45) then
    proc.dies_at = proc.up_at + dice:unit() ^ 3 * 8
    proc.dies_of = dice:pick { 0, 0, 1, 1, 2, "SEGV", "TERM" }
  end
  proc.ears = dice:pick { 0, 0.01, 0.01, 0.5, 1.5, 4, HUGE }
  proc.stuck, proc.dies_how = dice:chance(0.05), dice:pick { 0, 1, "as told" }
  return proc
end

local DO <const> = {}

function DO.spawn(world, _, book)
  book.proc = new_process(world, book)
end

-- Dies of a signal or a command, if it listens, unless it is dying sooner.
local function hear(world, proc, signal)
  local at <const> = world.now + proc.ears
  if at < (proc.dies_at or HUGE) then
    proc.dies_at, proc.dies_of = at, proc.dies_how == "as told" and signal or proc.dies_how or signal
  end
end

function DO.signal(world, effect, book)
  hear(world, book.proc, effect.signal)
end

function DO.kill(world, _, book)
  local proc <const>, helper <const> = book.proc, book.helper
  if proc then
    proc.dies_at, proc.dies_of = world.now + (proc.stuck and 11 or 0.01), "KILL"
  end
  if helper then
    helper.ends_at, helper.ok = math.min(helper.ends_at, world.now + 0.01), false
  end
end

function DO.run(world, _, book)
  book.runs = book.runs + 1
  local dice <const> = dice_of(world, book, "run", book.runs)
  local helper <const> = { ends_at = world.now + 0.02, ok = true }
  if dice then
    helper.ends_at, helper.ok = world.now + dice:pick { 0, 0.02, 0.5, 3, 60 }, dice:chance(0.7)
  end
  book.helper = helper
  if book.proc and helper.ok then
    hear(world, book.proc, "TERM")
  end
end

local ANSWERS <const> = { 0, 0.5, 3, "stop", "escalate", false, -1, 0 / 0, HUGE, "banana", {}, "fault", "never" }

function DO.ask(world, _, book)
  book.asks = book.asks + 1
  local dice <const> = dice_of(world, book, "ask", book.asks)
  local answer <const> = dice and dice:pick(ANSWERS) or false
  book.answer_at = world.now + (dice and dice:unit() ^ 2 * 11 or 0)
  book.answer = answer
  if answer == "never" then
    book.answer_at = nil
  end
end

function DO.arm(world, effect, book)
  book.fires_at = effect.at
  if effect.at - world.now > 0.5 and (world.steps + book.rank) % 8 == 0 then
    book.fires_at = world.now + (effect.at - world.now) * 0.5 -- early
  end
end

function DO.disarm(_, _, book)
  book.fires_at = nil
end

-- Steps -------------------------------------------------------------------------------------------------

local function describe(event)
  return ("%s %s"):format(event.op or event.kind, event.name or event.names and table.concat(event.names, " ") or "")
end

local function count(seen, what)
  seen[what] = (seen[what] or 0) + 1
end

--- One event into the engine, its effects into the books and into the world.
function World:step(event)
  local books <const> = self.books
  self.steps = self.steps + 1
  local seen <const> = self.seen
  if seen then
    count(seen, "> " .. (event.op or event.kind))
  end
  if self.log then
    audit.log(self.log, ("%.6f > %s"):format(self.now, describe(event)))
  end
  local state, effects = engine.step(self.state, event, self.now)
  self.state = state
  books:begin(event, self.now)
  for at = 1, #effects do
    local effect <const> = effects[at]
    if self.log then
      audit.log(self.log, effect)
    end
    if seen then
      count(seen, effect.type or effect.kind)
    end
    local book <const> = books.nodes[effect.name]
    books:note(effect, book)
    local act <const> = DO[effect.kind]
    if act then
      act(self, effect, book)
    end
  end
  books:finish()
  if self.model then
    compare.step(self, event, effects)
  end
  if self.audit then
    audit.check(self.state)
  end
  return effects
end

-- What happens next -------------------------------------------------------------------------------------

local function give_pid(world, proc)
  proc.pid = table.remove(world.free_pids)
  return proc.pid
end

local function exit_of(world, proc)
  local how <const> = proc.dies_of
  local exit = { kind = "exited", code = how, pid = proc.pid, uptime = world.now - proc.born, id = {} }
  if how == "spawn" or how == "unknown" then
    exit.kind, exit.code = how == "spawn" and "spawn_failed" or "unknown", nil
  elseif type(how) == "string" then
    exit.kind, exit.code, exit.signal = "signaled", nil, how
  end
  return exit
end

local HAPPEN <const> = {}

function HAPPEN.up(world, book)
  local proc <const> = book.proc
  proc.up_at, proc.is_up = nil, true
  world:step { kind = "started", name = book.name, pid = give_pid(world, proc) }
end

function HAPPEN.ready(world, book)
  book.proc.ready_at = nil
  world:step { kind = "ready", name = book.name }
end

function HAPPEN.dies(world, book)
  local proc <const> = book.proc
  local exit <const> = exit_of(world, proc)
  if proc.pid then
    table.insert(world.free_pids, proc.pid)
  end
  book.proc = nil
  world.books:exit(book, exit)
  world:step { kind = "exit", name = book.name, exit = exit }
end

function HAPPEN.ran(world, book)
  local helper <const> = book.helper
  book.helper = nil
  world:step { kind = "ran", name = book.name, exit = { kind = "exited", code = helper.ok and 0 or 1, ok = helper.ok } }
end

function HAPPEN.answer(world, book)
  local answer <const> = book.answer
  book.answer_at, book.answer = nil, nil
  world:step { kind = "verdict", name = book.name, verdict = answer ~= "fault" and answer or nil,
    fault = answer == "fault" and "it broke" or nil }
end

function HAPPEN.timer(world, book)
  if world.now < book.deadline then
    book.fires_at = book.deadline -- early: the engine has to notice
  else
    book.fires_at, book.deadline = nil, nil
  end
  world:step { kind = "timer", name = book.name }
end

-- The earliest thing that is due. Ties go in declaration order.
local function due(world)
  local at, who, what = HUGE, nil, nil
  for _, book in ipairs(world.books.list) do
    local proc <const>, helper <const> = book.proc, book.helper
    if proc then
      if proc.up_at and proc.up_at < at then
        at, who, what = proc.up_at, book, "up"
      end
      if proc.ready_at and proc.ready_at < at then
        at, who, what = proc.ready_at, book, "ready"
      end
      if proc.dies_at and proc.dies_at < at then
        at, who, what = proc.dies_at, book, "dies"
      end
    end
    if helper and helper.ends_at < at then
      at, who, what = helper.ends_at, book, "ran"
    end
    if book.answer_at and book.answer_at < at then
      at, who, what = book.answer_at, book, "answer"
    end
    if book.fires_at and book.fires_at < at then
      at, who, what = book.fires_at, book, "timer"
    end
  end
  return at, who, what
end

--- Lets things happen up to a time, or until nothing is left to happen.
function World:run(till)
  for _ = 1, 3000 do
    local at, book, what = due(self)
    if at > till or at == HUGE then
      self.now = till < HUGE and math.max(self.now, till) or self.now
      return
    end
    self.now = math.max(self.now, at)
    HAPPEN[what](self, book)
  end
  error("the world does not come to rest")
end

--- No more crashes, failed launches, deaf processes or odd answers.
function World:settle_down()
  self.calm = true
  for _, book in ipairs(self.books.list) do
    local proc <const> = book.proc
    if proc then
      if proc.up_at == HUGE and book.rung == 0 then
        proc.up_at, proc.dies_at = self.now, nil
      end
      if book.rung == 0 then
        proc.dies_at, proc.dies_of = nil, 0
      end
      if not proc.is_up or proc.ready_at or book.state == "starting" then
        proc.ready_at = book.spec.ready and math.max(proc.up_at or 0, self.now + 0.01) or nil
      end
      if book.spec.type == "oneshot" and not proc.dies_at then
        proc.dies_at = math.max(proc.up_at or 0, self.now) + 0.01
      end
      proc.ears = math.min(proc.ears, 0.5)
    end
    if book.answer_at or book.asking then
      book.answer_at, book.answer = self.now, false
    end
    if book.helper then
      book.helper.ends_at = math.min(book.helper.ends_at, self.now + 0.1)
    end
  end
end

-- The operator ------------------------------------------------------------------------------------------

--- Gives a command.
function World:command(op, names, silent, wait)
  local event <const> = { kind = "command", op = op, names = names }
  if op == "ready" or op == "stopped" then
    event.op, event.for_ = "wait", op
  end
  if wait == false then
    event.wait = false
  end
  if not silent then
    self.tokens = self.tokens + 1
    event.token = self.tokens
  end
  self:step(event)
end

function World:shutdown()
  self.tokens = self.tokens + 1
  self:step { kind = "shutdown", token = self.tokens }
end

local ACT <const> = {}

function ACT.nothing()
end

function ACT.command(world, it)
  world:command(it.op, it.names, it.silent, it.wait)
end

function ACT.shutdown(world)
  world:shutdown()
end

function ACT.cancel(world, it)
  world:step { kind = "cancel", token = it.token }
end

function ACT.fault(world, it)
  world:step { kind = "fault", name = it.name, cause = it.cause, message = "not well" }
end

function ACT.timer(world, it)
  if world.books.nodes[it.name] then
    world:step { kind = "timer", name = it.name }
  end
end

function ACT.jump(world, it)
  world.now = world.now + it.by
end

-- What comes too late: nobody waits for it any more.
function ACT.stray(world, it)
  local book <const> = world.books.nodes[it.name]
  if book.state ~= "starting" then
    world:step { kind = "ready", name = it.name }
  end
  if not book.asking then
    world:step { kind = "verdict", name = it.name, verdict = 0 }
  end
end

--- Does one thing of the scenario.
function World:act(it)
  self:run(self.now + it.after)
  ACT[it.kind](self, it)
end

return World
