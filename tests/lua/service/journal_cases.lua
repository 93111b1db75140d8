-- What journal_spec.lua has done in a state with ward.core (build/tests/trusted): the writer and the reader of the
-- journal over an engine, without a driver. Raises at the first thing that is not as it should be.
--
--     trusted tests/lua/service/journal_cases.lua JOURNAL [SEEDS]
local path <const>, seeds <const> = ...

package.path = "tests/?.lua;" .. package.path

local core <const> = require "ward.core"
local driver <const> = require "ward.service.driver"
local engine <const> = require "ward.engine"
local journal <const> = require "ward.service.journal"
local queue <const> = require "ward.service.steps"
local twin <const> = require "sim.twin"

local told = {}

local function new()
  told = {}
  return journal.new(path, { script = "x.lua", since = 1, generation = 1, keep = {} }, nil, function(text)
    told[#told + 1] = text
  end)
end

local function spec(name, more)
  local it = {
    name = name, cmd = { name }, type = "simple", needs = {},
    restart = { on = "always", backoff = { from = 1, factor = 2, max = 60, jitter = 0, reset = 10 } },
    success = { codes = { 0 }, signals = {} }, stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
  }
  for key, value in pairs(more or {}) do
    it[key] = value
  end
  return it
end

local function same(want, got, what)
  local found <const> = twin.difference(want, got, what)
  assert(not found, found)
end

local function proc(pid)
  return { handover = function() return { pid = pid, pidfd = pid + 1000 } end }
end

-- An engine with a journal, and what its driver would tell that.
local function new_play(specs, tree)
  local play = { it = new(), state = engine.new(specs, { seed = 1, tree = tree }), now = core.now() }
  play.it:begin(play.state, specs, tree)
  function play.step(event)
    play.now = play.now + 1
    play.it:event(play.now, event, play.state)
    local effects
    play.state, effects = engine.step(play.state, event, play.now)
    return effects
  end
  return play
end

local function words(effects)
  local list = {}
  for at, effect in ipairs(effects) do
    list[at] = ("%s %s"):format(effect.type or effect.kind, effect.name or "")
  end
  return table.concat(list, ", ")
end

local CASES <const> = {}

-- In random histories, with snapshots in between, the reader stands where the writer stands.
function CASES.histories()
  for seed = 1, math.tointeger(seeds) or 100 do
    local it <const> = new()
    local dice <const> = { word = seed }
    local steps = 0
    twin.play(seed, {
      begin = function(state, specs, tree)
        it:begin(state, specs, tree)
      end,
      before = function(now, event, state)
        it.long = it.long or steps % 17 == 16
        it:event(now, event, state)
      end,
      after = function(play)
        steps = steps + 1
        if steps % 20 == 0 or steps == 1 then
          local found <const> = assert(journal.read(path))
          same(twin.all_of(play.one), twin.all_of(found.state), ("seed %d, step %d: state"):format(seed, steps))
          assert(found.now == play.now and dice, "another time")
          assert(#found.specs == #play.specs, "other specs")
        end
      end,
    })
    assert(#told == 0, told[1])
    it:remove()
  end
end

-- Of a step that may not have been carried out, the reader says what that leaves to do.
function CASES.doubt()
  local play <const> = new_play { spec "a", spec "b", spec("c", { stop = { { cmd = { "down" }, wait = 5 },
    { signal = "KILL" } } }) }
  play.step { kind = "boot" }
  play.it:born("a", "proc", proc(11))
  local found = journal.read(path)
  same({ "b", "c" }, found.launch, "launch") -- waiting in line, or never launched
  same({ a = { pid = 11, pidfd = 1011 } }, found.procs, "procs")
  assert(not words(found.effects):find("spawn"), words(found.effects))
  play.it:born("b", "proc", proc(12))
  play.it:runs("b", { { stage = "nice" } })
  play.it:born("c", "proc", proc(13))
  for at, name in ipairs { "a", "b", "c" } do
    play.step { kind = "started", name = name, pid = 10 + at }
  end
  found = journal.read(path)
  same({}, found.launch, "launch")
  assert(found.procs.b.started == play.now - 1 and found.procs.b.degraded[1].stage == "nice", "started")
  play.step { kind = "command", op = "stop", names = { "a" }, token = 1 }
  assert(words(journal.read(path).effects):find("signal a", 1, true), "a signal that may not be sent is sent again")
  play.it:done(1)
  found = journal.read(path)
  assert(not words(found.effects):find("signal a, ", 1, true), "a signal that is sent is not")
  play.step { kind = "command", op = "stop", names = { "c" } }
  same({ "c" }, journal.read(path).run, "a command that was not launched")
  play.it:born("c", "helper", proc(14))
  found = journal.read(path)
  same({}, found.run, "a command that runs")
  assert(found.helpers.c.pid == 14 and found.timers.c == play.now + 5, "its timer")
  play.step { kind = "ran", name = "c", exit = { kind = "exited", code = 0, ok = true } }
  same({}, journal.read(path).helpers, "a command that is done")
  play.step { kind = "exit", name = "a", exit = { kind = "signaled", signal = "TERM" } }
  found = journal.read(path)
  assert(not found.procs.a and words(found.effects) == "stopped a, reply ", words(found.effects))
  play.step { kind = "exit", name = "b", exit = { kind = "exited", code = 1 } }
  play.step { kind = "timer", name = "b" }
  play.step { kind = "command", op = "stop", names = { "b" } } -- while its launch waits
  found = journal.read(path)
  same({ "b" }, found.lost, "lost")
  play.step { kind = "shutdown" }
  play.step { kind = "exit", name = "b", exit = { kind = "spawn_failed" } }
  play.step { kind = "exit", name = "c", exit = { kind = "exited", code = 0 } }
  assert(words(journal.read(path).effects):find("quit", 1, true), "the end is not forgotten")
end

-- What a log has to hand over may change with a launch: a terminal that it reads.
function CASES.terminals()
  local play <const> = new_play { spec "a" }
  local facts = { reader = 5, writer = 6, terminals = {} }
  local log <const> = { handover = function() return facts end }
  play.it:log("a", "/log/a.log", log)
  play.it:log("@script", "/log/@script.log", log)
  play.it:log("gone", "/log/gone.log", log)
  play.step { kind = "boot" }
  play.it:born("a", "proc", proc(1), log)
  local before <const> = core.stat(path).size
  play.it:born("a", "proc", proc(1), log)
  local size <const> = core.stat(path).size - before
  facts = { reader = 5, writer = 6, terminals = { { master = 9, other = 10 } } }
  play.it:born("a", "proc", proc(1), log)
  local found <const> = journal.read(path)
  same({ path = "/log/a.log", facts = facts }, found.logs.a, "log")
  assert(found.logs["@script"].path == "/log/@script.log" and not found.logs.gone, "the logs that are open")
  assert(size < 60, size)
end

-- A reload writes what it changes.
function CASES.reload()
  local specs, tree = {}, { name = "app", strategy = "one_for_one", children = {} }
  for at = 1, 1000 do
    specs[at] = spec("s" .. at, { source = "x.lua:1", calls = { on_exit = at } })
    tree.children[at] = { service = "s" .. at }
  end
  local play <const> = new_play(specs, tree)
  local function size()
    return core.stat(path).size
  end
  local function reload(change)
    local again <const> = {}
    for at, each in ipairs(specs) do
      again[at] = {}
      for key, value in pairs(each) do
        again[at][key] = value
      end
      again[at].source, again[at].calls = "x.lua:2", { on_exit = at + 1 }
    end
    change(again)
    local before <const> = size()
    local _, root = 0, { name = "app", strategy = "one_for_one", children = {} }
    for at, each in ipairs(again) do
      root.children[at] = { service = each.name }
    end
    play.step { kind = "reload", specs = again, tree = root, stale = {}, former = {}, restart = true, prune = true }
    specs = again
    local found <const> = journal.read(path)
    same(twin.all_of(play.state), twin.all_of(found.state), "state")
    for at, each in ipairs(again) do
      assert(found.specs[at].name == each.name and found.specs[at].cmd[1] == each.cmd[1], "another spec")
      assert(not found.specs[at].calls, "functions are gone")
    end
    return size() - before
  end
  assert(reload(function() end) < 200, "nothing has changed")
  local one <const> = reload(function(list) list[5].cmd = { "other" } end)
  assert(one < 1000, one)
  local moved <const> = reload(function(list) table.insert(list, 1, table.remove(list, 9)) end)
  assert(moved < 40000, moved)
  assert(reload(function(list) list[1].asks = true end) < 1000, "a rule of its own")
end

-- What cannot be written ends the journal, is told once, and the reader finds none.
function CASES.failure()
  local play <const> = new_play { spec "a" }
  play.step { kind = "boot" }
  play.step { kind = "cancel", token = print } -- is no plain data
  play.step { kind = "cancel", token = 1 }
  assert(#told == 1 and told[1]:find("ward goes on", 1, true), told[1])
  local found, err = journal.read(path)
  assert(not found and err.code == "ENOENT", err and err.message)
  play.it:born("a", "proc", proc(9))
  play.now = core.now() + 100
  play.step { kind = "started", name = "a", pid = 9 }
  assert(#told == 2 and told[2] == "the journal is written again", told[2])
  found = assert(journal.read(path))
  same(twin.all_of(play.state), twin.all_of(found.state), "state")
  assert(found.procs.a.pid == 9, "what came meanwhile is known")
  play.step { kind = "cancel", token = print }
  assert(#told == 3, "a second failure is another one")
  new():begin(play.state, { spec("a", { on_exit = print }) })
  assert(#told == 1 and told[1]:find("a function cannot be packed", 1, true), told[1])
  local other <const> = new_play { spec "a" }
  other.it.logs = nil -- a mistake of ours
  other.it:log("a", "x")
  other.step { kind = "boot" }
  assert(#told == 1 and told[1]:find("internal error in the journal", 1, true), told[1])
  assert(not journal.read(path), "there is none")
  local nowhere <const> = journal.new(path .. "/not/there", {}, nil, function(text) told[#told + 1] = text end)
  nowhere:begin(other.state, { spec "a" })
  nowhere:event(1, { kind = "boot" }, other.state)
  nowhere:remove()
  assert(#told == 2 and told[2]:find("cannot write the journal", 1, true), told[2])
end

-- A file of other records than ours is refused, not believed; so is one of ours in which bytes are others.
function CASES.nonsense()
  local file <const> = core.journal(path)
  for _, record in ipairs { { "e", 1, { kind = "boot" } }, { "x" }, {}, { "s", 1 }, { "s", {} }, { 5, {} } } do
    file:snapshot(table.unpack(record))
    local found <const>, err <const> = journal.read(path)
    assert(not found and err.code == "invalid", "nonsense")
  end
  local play <const> = new_play { spec "a", spec("b", { needs = { "a" } }) }
  play.step { kind = "boot" }
  play.it:born("a", "proc", proc(1))
  play.step { kind = "started", name = "a", pid = 1 }
  play.step { kind = "command", op = "stop", names = { "a" }, token = 4 }
  local records = {}
  assert(core.journal_read(path, function(...)
    records[#records + 1] = core.pack(...)
  end))
  math.randomseed(3)
  local refused = 0
  for _ = 1, 500 do
    for at, record in ipairs(records) do
      local bytes <const> = { record:byte(1, -1) }
      for _ = 1, math.random(0, 2) do
        bytes[math.random(#bytes)] = math.random(0, 255)
      end
      file[at == 1 and "snapshot" or "append"](file, core.unpack(string.char(table.unpack(bytes))))
    end
    local found <const>, err <const> = journal.read(path)
    assert(found or err.message, "neither")
    refused = refused + (found and 0 or 1)
  end
  assert(refused > 100, refused)
  file:remove()
end

-- From here to the end of its block the engine fails at the end of a step with this event, as often as is said.
local function break_engine(kind, value, times)
  local step <const> = engine.step
  function engine.step(state, event, now)
    local after, effects = step(state, event, now)
    if times > 0 and (event[kind] == value or event.exit and event.exit[kind] == value) then
      times = times - 1
      error "broken"
    end
    return after, effects
  end
  return setmetatable({}, { __close = function() engine.step = step end })
end

local function new_driver(specs, seen)
  local it <const> = new()
  local its <const> = driver.new(specs, { plans = {}, logs = {}, seed = 1, journal = it }, {
    event = function(event) seen[#seen + 1] = ("%s %s"):format(event.type, event.name or "") end,
    reply = function(token, reply) seen[#seen + 1] = ("reply %s %s"):format(token, reply.ok) end,
    internal_error = function(what, trace) seen[#seen + 1] = ("error %s %s"):format(what, trace:match "broken") end,
    note = print, quit = print, ask = print,
  })
  for _, kind in ipairs { "spawn", "signal", "kill" } do
    its.effects[kind] = function(_, effect) seen[#seen + 1] = ("do %s %s"):format(kind, effect.name) end
  end
  its.effects.arm, its.effects.disarm = function() end, function() end
  it:begin(its.state, specs)
  return its, function(event)
    for at = #seen, 1, -1 do
      seen[at] = nil
    end
    its:post(event)
    return table.concat(seen, ", ")
  end
end

-- A step that fails has not happened, or it is done once more and succeeds: no exit and no answer is lost with it.
function CASES.undo()
  local function exit(code)
    return { kind = "exit", name = "a", exit = { kind = "exited", code = code } }
  end
  local at_once <const> = { restart = { on = "always",
    backoff = { from = 0, factor = 2, max = 60, jitter = 0, reset = 10 } } }
  local put_off <const> = {}
  queue.later = function(_, delay, event) put_off[#put_off + 1] = { delay, event } end
  local its <const>, post <const> = new_driver({ spec("a", at_once), spec("b", { needs = { "a" } }) }, {})
  post { kind = "boot" }
  post { kind = "started", name = "a", pid = 1 }
  do -- for want of memory, say
    local _ <close> = break_engine("code", 9, 1)
    same("error exit broken, do spawn a, backoff a, starting a", post(exit(9)), "what it asked for")
    assert(#put_off == 0, "told again")
  end
  same("ready a", post { kind = "started", name = "a", pid = 2 }, "goes on")
  do -- again and again: the exit comes later
    local _ <close> = break_engine("code", 8, 4)
    same("error exit broken", post(exit(8)), "nothing")
    local view = engine.service(its.state, "a")
    same({ "ready", 2, 1 }, { view.state, view.pid, view.restarts }, "before the step")
    same(twin.all_of(its.state), twin.all_of(journal.read(path).state), "a successor sees the same")
    same({ "a" }, journal.read(path).lost, "whose exit the successor tells")
    local wait, again = table.unpack(table.remove(put_off))
    same({ 1.0, "exit" }, { wait, again.kind }, "in a moment")
    same("error exit broken", post(again), "nothing")
    wait, again = table.unpack(table.remove(put_off))
    same({ 2.0, nil }, { wait, put_off[1] }, "once, later")
    local text <const> = post(again)
    assert(text:find("do spawn a", 1, true), text)
    view = engine.service(its.state, "a")
    same({ "starting", 2 }, { view.state, view.restarts }, "as ever")
  end
  do
    local _ <close> = break_engine("kind", "command", 2)
    same("error command broken, reply 7 false", post { kind = "command", op = "stop", names = { "b" }, token = 7 },
      "who waits")
    assert(engine.service(its.state, "b").desired == "up" and #put_off == 0, "undone")
  end
  do -- the driver keeps to what the engine has, and the next reload adds what is missing
    local all <const> = { spec("a", at_once), spec("b", { needs = { "a" } }), spec "c" }
    local function reload()
      its:reload { services = all, fresh = { all[3] }, plans = {}, stops = {}, logs = {}, stale = {} }
      return table.concat(its:shown(), " ")
    end
    local _ <close> = break_engine("kind", "reload", 2)
    same("a b", reload(), "as it was")
    assert(not its.specs.c and its.specs.b and #journal.read(path).specs == 2, "and for a successor")
    same("a b c", reload(), "then it is there")
  end
  its.journal:remove()
  do -- nobody knows the state before
    local _ <close> = break_engine("pid", 3, 1)
    same("error started broken", post { kind = "started", name = "a", pid = 3 }, "told")
    assert(engine.service(its.state, "a").name, "and goes on")
  end
end

for _, name in ipairs { "doubt", "undo", "terminals", "reload", "failure", "nonsense", "histories" } do
  CASES[name]()
  print("ok " .. name)
end
os.remove(path)
