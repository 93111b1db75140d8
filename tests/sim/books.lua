-- The world's own books: what it was told of each service and supervisor, and what that allows. An effect that breaks
-- a promise raises. Nothing here looks into the engine.

local Books <const> = {}
Books.__index = Books

local GONE <const> = { stopped = true, failed = true, done = true }
local LIVE <const> = { starting = true, ready = true, stopping = true }
local STATES <const> = { stopped = true, waiting = true, starting = true, ready = true, stopping = true, backoff = true,
  failed = true, done = true, stuck = true }
local KILL_TIME <const> = 10
local SLACK <const> = 1e-9

local function is_up(book)
  return book.state == "ready" or book.state == "done" and book.spec.type == "oneshot"
end

local function reach(book, along, found)
  for _, other in ipairs(book[along]) do
    if not found[other] then
      found[other] = true
      reach(other, along, found)
    end
  end
  return found
end

-- Books for a tree: services in the order of the tree, supervisors after them.
local function open(books, parent, children, sups)
  for _, child in ipairs(children) do
    local book
    if child.children then
      book = { name = child.name, spec = child, sup = true, parent = parent, starts = {}, rank = 100 + #sups,
        below = {} }
      sups[#sups + 1] = book
      open(books, book, child.children, sups)
    else
      book = { name = child.service, spec = books.specs[child.service], parent = parent, state = "stopped",
        desired = "up", rung = 0, launches = 0, asks = 0, runs = 0, needs = {}, firsts = {}, dependents = {},
        pulls = {}, index = #books.list + 1, rank = math.tointeger(child.service:sub(2)) }
      books.list[#books.list + 1] = book
      books.services[#books.services + 1] = book
      local sup = parent
      while sup do
        table.insert(sup.below, book)
        sup = sup.parent
      end
    end
    books.nodes[book.name] = book
  end
end

function Books.new(specs, tree)
  local books <const> = setmetatable({ specs = {}, nodes = {}, list = {}, services = {}, sups = {}, level = 0,
    commands = {}, now = 0, told = {} }, Books)
  for _, spec in ipairs(specs) do
    books.specs[spec.name] = spec
  end
  local root <const> = { name = tree.name, spec = tree, sup = true, starts = {}, rank = 100, below = {} }
  books.sups[1], books.nodes[tree.name] = root, root
  open(books, root, tree.children, books.sups)
  for _, book in ipairs(books.services) do
    for _, name in ipairs(book.spec.needs) do
      table.insert(books.nodes[name].dependents, book)
      table.insert(book.pulls, books.nodes[name])
    end
    for _, name in ipairs(book.spec.wants or {}) do
      table.insert(book.pulls, books.nodes[name])
    end
  end
  for _, book in ipairs(books.services) do
    for _, along in ipairs { "needs", "wants", "after" } do
      for _, name in ipairs(book.spec[along] or {}) do
        books.nodes[name].awaits = true -- others stop before it, which may end within the step
        table.insert(along == "needs" and book.needs or book.firsts, books.nodes[name])
      end
    end
    book.all_dependents = reach(book, "dependents", {})
    book.all_pulls = reach(book, "pulls", {})
  end
  table.move(books.sups, 1, #books.sups, #books.list + 1, books.list)
  return books
end

local function doom(book, reason)
  book.doomed = reason
  for other in pairs(book.all_dependents) do
    other.doomed = reason
  end
end

local ASKED <const> = {}

-- A start by hand sets those above up again that are down for good.
local function lift(book)
  local sup = book.parent
  while sup do
    local busy = false
    for _, each in ipairs(sup.below) do
      busy = busy or LIVE[each.state]
    end
    if not busy then
      sup.going, sup.starts = nil, sup.going and {} or sup.starts
    end
    sup = sup.parent
  end
end

function ASKED.command(books, event)
  if event.token then
    assert(not books.commands[event.token])
    books.commands[event.token] = event
  end
  for _, name in ipairs(event.names) do
    local book <const> = books.nodes[name]
    if book and event.op == "stop" then
      book.desired = "down"
      doom(book, "stop")
    elseif book and (event.op == "start" or event.op == "restart") and books.level == 0 then
      book.desired = "up"
      lift(book)
      for need in pairs(book.all_pulls) do
        need.desired = "up"
        lift(need)
      end
      if event.op == "restart" then
        doom(book, "restart")
      end
    elseif book and (event.op == "pause" or event.op == "resume") and books.level == 0 then
      book.paused = event.op == "pause"
      book.asking = event.op ~= "pause" and book.asking or nil -- its answer comes too late
    end
  end
end

function ASKED.shutdown(books, event)
  books.asked_down = true
  if event.token then
    books.commands[event.token] = { op = "shutdown", names = {} }
  end
end

function ASKED.cancel(books, event)
  books.commands[event.token] = nil
end

function ASKED.fault(books, event)
  local book <const> = books.nodes[event.name]
  book.faulted = book.faulted or book.state == "starting" or book.state == "ready"
end

function ASKED.timer(books, event)
  local book <const> = books.nodes[event.name]
  if book.sup then
    books.hurry = book -- its time to stop may be over
  elseif book.state == "starting" and book.starts_till and books.now >= book.starts_till then
    book.faulted = true
  end
end

function ASKED.ran(books, event)
  books.helper_failed = not event.exit.ok and event.name
end

function ASKED.verdict(books, event)
  books.nodes[event.name].asking = nil
end

--- An event goes in.
function Books:begin(event, now)
  self.event, self.now, self.hurry, self.helper_failed, self.first_rungs = event, now, nil, nil, nil
  local asked <const> = ASKED[event.kind]
  if asked then
    asked(self, event)
  end
end

--- An exit goes in: it has to be told once.
function Books.exit(_, book, exit)
  book.untold, book.last_id = exit.id, exit.id
end

local NOTE <const> = {}

function NOTE.spawn(books, _, book)
  assert(not book.proc, "a second instance")
  assert(not book.untold, "spawned before its end was told")
  assert(books.level == 0, "spawned during shutdown")
  assert(book.desired == "up", "spawned after a stop")
  assert(book.state == "starting", "spawned in another state")
  assert(not book.deadline, "spawned with a deadline armed")
  for _, need in ipairs(book.needs) do
    assert(is_up(need), "spawned without a need")
  end
  for _, first in ipairs(book.firsts) do
    assert(first.state ~= "starting", "spawned before the first try of another is over")
  end
  local sup = book.parent
  while sup do
    assert(not sup.going, "spawned below a supervisor that goes down")
    sup = sup.parent
  end
  book.rung, book.doomed, book.faulted = 0, nil, nil
  book.starts_till = book.spec.start_timeout and books.now + book.spec.start_timeout
end

-- May the rung come before its time?
local function in_a_hurry(books, book)
  local sup = book.parent
  while sup do
    if books.hurry == sup then
      return true
    end
    sup = sup.parent
  end
  return books.level > 1 or books.helper_failed == book.name
end

-- Rungs come in order, each in its time, the first with a reason and after all dependents.
local function rung_of(books, book, matches)
  local ladder <const>, hurried <const> = book.spec.stop, in_a_hurry(books, book)
  assert(book.state == "stopping", "on the ladder without a stop")
  local rung = book.rung + 1
  if rung == 1 and book.proc and book.spec.type == "oneshot" and ladder[1].cmd then
    rung = 2 -- one that is not done has nothing to undo
  end
  while (hurried or not book.proc) and rung < #ladder and not matches(ladder[rung]) do
    rung = rung + 1
  end
  assert(ladder[rung] and matches(ladder[rung]), "not the next rung")
  if book.rung > 0 and not hurried then
    assert(books.now >= book.rung_till - SLACK, "before its time")
  elseif book.rung == 0 and not book.faulted and not hurried then
    assert(book.doomed, "stopped without a reason")
    for other in pairs(book.all_dependents) do
      assert(not LIVE[other.state], "stopped before its dependent")
    end
  end
  if book.rung == 0 and not book.faulted and books.event.kind == "shutdown" and not book.awaits then
    assert(book.index < (books.first_rungs or math.huge), "not in reverse order")
    books.first_rungs = book.index
  end
  book.rung = rung
  book.rung_till = books.now + (ladder[rung].wait or KILL_TIME)
end

function NOTE.signal(books, effect, book)
  assert(book.proc, "signal to nobody")
  rung_of(books, book, function(step) return step.signal == effect.signal end)
end

function NOTE.kill(books, _, book)
  assert(book.proc or book.helper, "kills nobody")
  rung_of(books, book, function(step) return step.signal == "KILL" end)
end

function NOTE.run(books, effect, book)
  assert(not book.helper, "a second command")
  rung_of(books, book, function(step) return step.cmd ~= nil end)
  assert(effect.rung == book.rung, "another rung's command")
end

function NOTE.ask(_, _, book)
  assert(book.spec.asks and not book.asking, "asked without a rule, or twice")
  book.asking = true
end

function NOTE.arm(books, effect, book)
  assert(effect.at >= books.now, "armed in the past")
  assert(effect.at < math.huge, "armed for ever")
  book.deadline = effect.at
end

function NOTE.disarm(_, _, book)
  assert(book.deadline, "disarmed twice")
  book.deadline = nil
end

local READY <const> = { ready = true }
local GOALS <const> = { start = READY, restart = READY, ready = READY, stop = GONE, stopped = GONE }

function NOTE.reply(books, effect)
  local command <const> = books.commands[effect.token]
  assert(command, "answered twice, unasked or after a cancel")
  books.commands[effect.token] = nil
  for slot, name in ipairs(command.names) do
    local result <const> = effect.results[slot]
    assert(result and result.name == name, "a name without a result")
    assert(result.ok or result.message and result.code, "refused without a word")
    local goal <const> = GOALS[command.for_ or command.op]
    local up <const> = result.state == "done" and books.nodes[name].spec.type == "oneshot"
    assert(not result.ok or not goal or command.wait == false or goal[result.state] or goal == READY and up,
      "said yes too early")
  end
end

function NOTE.quit(books, effect)
  assert(books.level > 0 and not books.quit, "quit unasked or twice")
  local left = 0
  for _, book in ipairs(books.services) do
    assert(not LIVE[book.state], "quit before the end")
    left = left + ((book.proc or book.state == "failed" and book.undone) and 1 or 0)
  end
  assert(effect.code == ((left > 0 or books.failed) and 1 or 0), "wrong exit code")
  books.quit = true
end

-- What the engine says that happened ----------------------------------------------------------------------

local ENTER <const> = {}

-- A restart that happens: too many within the window are a broken promise.
local function count_start(books, book)
  local sup <const>, limit <const> = book.parent, book.parent.spec.intensity
  if not limit then
    return
  end
  local starts <const> = sup.starts
  starts[#starts + 1] = books.now
  while starts[1] and books.now - starts[1] > limit.within do
    table.remove(starts, 1)
  end
  assert(#starts <= limit.n, "more restarts than the intensity allows")
end

function ENTER.starting(books, effect, book)
  if effect.from == "backoff" and books.event.kind ~= "command" then
    count_start(books, book)
  end
end

function ENTER.backoff(_, effect, book)
  if effect.delay then
    local policy <const> = book.spec.restart.backoff
    assert(effect.delay >= 0 and (book.spec.asks or effect.delay <= policy.max * (1 + policy.jitter)), "a wrong delay")
  end
end

function ENTER.stopping(_, _, book)
  book.rung = 0
end

local function ends_for_good(_, effect, book)
  book.undone = effect.because and effect.because:find("the stop command failed", 1, true)
  for other in pairs(book.all_dependents) do
    other.doomed = "need"
  end
end

function ENTER.stuck(books, effect, book)
  assert(books.now >= book.rung_till - SLACK and book.spec.stop[book.rung].signal == "KILL", "given up too early")
  ends_for_good(books, effect, book)
end

ENTER.done, ENTER.failed = ends_for_good, ends_for_good

local SAID <const> = {}

-- The supervisors between a service and `sup` are as new.
local function renew_between(book, sup)
  local each = book.parent
  while each ~= sup do
    each.going, each.starts = nil, {}
    each = each.parent
  end
end

-- The supervisor goes down with all below it.
local function goes_down(books, _, sup)
  if not sup.parent and (books.event.kind == "shutdown" or not sup.spec.stay) then
    books.root_ends = true
  end
  sup.going, sup.starts = true, {}
  for _, book in ipairs(sup.below) do
    doom(book, "supervisor")
    renew_between(book, sup)
  end
end

function SAID.give_up(books, effect, sup)
  books.failed = books.failed or not sup.parent and not sup.spec.stay and books.level == 0
  goes_down(books, effect, sup)
end

function SAID.auto_shutdown(books, effect, sup)
  for _, book in ipairs(sup.below) do
    book.excused = true -- from coming up: its supervisor has done its work
    for other in pairs(book.all_dependents) do
      other.excused = true
    end
  end
  goes_down(books, effect, sup)
  books.root_ends = books.root_ends or not sup.parent -- even one that stays when it fails
end

function SAID.supervisor_up(_, _, sup)
  sup.going, sup.starts = nil, {}
  for _, book in ipairs(sup.below) do
    renew_between(book, sup)
  end
end

function SAID.shutdown(books)
  assert(books.asked_down or books.root_ends, "a shutdown that nobody asked for")
  books.level = books.level + 1
  for _, book in ipairs(books.services) do
    book.doomed = "shutdown"
  end
end

-- Those that go down together with a child in backoff.
local function doom_group(books, node)
  local sup <const> = node.parent
  local after = false
  for _, child in ipairs(sup.spec.children) do
    local other <const> = books.nodes[child.service or child.name]
    if other ~= node and (sup.spec.strategy == "one_for_all" or after and sup.spec.strategy == "rest_for_one") then
      for _, book in ipairs(other.sup and other.below or { other }) do
        doom(book, "group")
        renew_between(book, sup)
      end
    end
    after = after or other == node
  end
  for _, book in ipairs(node.sup and node.below or { node }) do
    for _, each in ipairs(book.dependents) do
      if each.spec.on_restart == "restart" then
        doom(each, "restart of a need")
      end
    end
  end
end

function SAID.supervisor_backoff(books, effect, sup)
  local policy <const> = sup.spec.restart.backoff
  assert(effect.delay >= 0 and effect.delay <= policy.max * (1 + policy.jitter), "a wrong delay")
  local siblings <const> = sup.parent.spec.strategy == "rest_for_one" and sup.parent.spec.children or {}
  for _, child in ipairs(siblings) do
    local other <const> = books.nodes[child.service or child.name]
    if other == sup then
      break
    elseif other.going or other.state == "backoff" or other.state == "waiting" then
      sup.going = nil -- it may have joined the restart of that one, which may have been put off for a need
    end
  end
  doom_group(books, sup)
end

local function tell_exit(book, exit)
  assert(type(exit.ok) == "boolean" and exit.cause, "an exit without a judgement")
  assert(book.untold and exit.id == book.untold, "an exit told twice, or another one's")
  assert(not (exit.ok and book.faulted), "a fault that counts as a success")
  book.untold = nil
end

function NOTE.event(books, effect, book)
  if STATES[effect.type] then
    assert(effect.from == book.state, "from a state that it was not in")
    book.state = effect.type
    if effect.exit and not effect.told then
      tell_exit(book, effect.exit)
    end
    local enter <const> = ENTER[effect.type]
    if enter then
      enter(books, effect, book)
    end
    if effect.type == "backoff" and effect.delay then
      doom_group(books, book)
    end
    if effect.type == "waiting" and effect.from == "backoff" then
      doom(book, "held") -- taken along by a group that is under way: those that need it go, too
    end
    if effect.type ~= "backoff" then
      book.asking = nil
    end
  elseif SAID[effect.type] then
    SAID[effect.type](books, effect, book)
  end
end

--- One effect.
function Books:note(effect, book)
  NOTE[effect.kind](self, effect, book)
end

--- The step is over.
function Books:finish()
  for _, book in ipairs(self.services) do
    local state <const> = book.state
    assert(book.proc or state ~= "starting" and state ~= "ready", "runs without a process")
    assert(not book.proc or LIVE[state] or state == "stuck", "a process that nobody knows")
    assert(not book.untold or state == "stopping" or state == "stuck", "an exit was lost")
  end
end

Books.is_up = is_up

return Books
