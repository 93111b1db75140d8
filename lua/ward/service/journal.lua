-- What lets a successor stand where this supervisor stood: a snapshot of the engine and the events since, and what
-- the driver knows of processes and logs, in a file that outlives the process. The engine gives the same effects for
-- the same events, so what it decided is not written but decided again.
--
-- Records, in the order in which things happen:
--   "s", snapshot             all of it: engine, specs, tree, processes, logs
--   "e", now, event           before the engine takes the event
--   "r", now, reload          the same, of a reload: with those specs only that are not as they were
--   "b", name, kind, facts    a process was launched, or more is known of it; kind: "proc", "helper", the command of a
--                             stop ladder, or "task", a child of the script
--   "g", name                 the child of a task has gone
--   "d", turn                 what the last step asked for is done, up to that turn
--   "l", name, path, facts    a log was opened
--   "k", name, path, value    the script has kept something; without a name, nothing is kept any more
-- A process is gone with the event that says so ("exit", "ran"), which is written as soon as it is reaped.
--
-- When an event is written, all that the step before it asked for has been done: only the last step is in doubt.

local core <const> = require("ward.core")
local engine <const> = require("ward.engine")
local save <const> = require("ward.engine.save")
local value <const> = require("ward.schema.value")

local M <const> = {}

-- Seconds from a failure to the next try.
local RETRY <const> = 60

-- The effects of a step come in turns: first what acts, then answers, then what tells.
local TURN <const> = { ask = 2, reply = 2, quit = 2, event = 3 }
M.TURNS = 3

--- The turn of an effect.
---@param effect table
---@return integer
function M.turn(effect)
  return TURN[effect.kind] or 1
end

-- Done by whoever takes over from what the state says, or not at all: timers and launches follow from the state, and
-- the script that would be asked is not there (the default rule decides in its time).
local FOLLOWS <const> = { spawn = true, run = true, arm = true, disarm = true, ask = true }

--- Would nobody know later whether it was done?
---@param effect table
---@return boolean
function M.is_doubtful(effect)
  return not FOLLOWS[effect.kind]
end

---@class ward.service.Own plain data
---@field script string
---@field since number when supervision began, by core.now
---@field generation integer of the script
---@field keep table<string, table> what the script keeps
---@field lock integer? descriptor of the instance's lock
---@field server integer? of the control socket

---@class ward.service.Journal
---@field path string
---@field file userdata? nil when it could not be written, and is no more
---@field again number? when that is tried again
---@field told boolean? that there is none
---@field tell fun(text: string)
---@field specs table[]? as declared last; nil before it begins
---@field tree table?
---@field declared string? both, packed
---@field procs table<string, table> of each service's process: pid, started, degraded, and what its handle hands over
---@field helpers table<string, table> the same of stop commands
---@field tasks table<string, table> the same of children of tasks
---@field logs table<string, table> path, and what the log hands over
---@field deadline number seconds, as core.deadline has it while there is a journal
---@field own ward.service.Own of the supervisor itself
local Journal <const> = {}
Journal.__index = Journal

-- What an event says about processes; the writer and the reader both note it.
local function note(facts, now, event)
  local name <const> = event.name
  if event.kind == "exit" then
    facts.procs[name] = nil
  elseif event.kind == "ran" then
    facts.helpers[name] = nil
  elseif event.kind == "started" and facts.procs[name] then
    facts.procs[name].started = now
  end
end

-- Logs of services that are gone are closed; "@script" is nobody's.
local function open_logs(logs, state)
  local open = {}
  for name, log in pairs(logs) do
    if state.by_name[name] or name:sub(1, 1) == "@" then
      open[name] = log
    end
  end
  return open
end

-- One that fails says nothing true any more. A file system that is full may have room later.
local function fail(self, message)
  local file <const> = self.file
  self.file, self.long, self.again = nil, false, core.now() + RETRY
  core.deadline(0) -- rather a script that hangs than a successor that knows nothing
  if file then
    file:remove()
    file:close()
  end
  if not self.told then
    self.told = true
    self.tell(message .. "; ward goes on, but nothing could take over from it")
  end
end

local function put(self, write, ...)
  local file <const> = self.file
  if not file then
    return
  end
  local ok, long <const> = file[write](file, ...)
  if ok then
    self.long = long
  else
    fail(self, long.message)
  end
end

-- What a handle gives to a successor.
local function facts_of(handle)
  return handle and handle.handover and handle:handover() or nil
end

local function snapshot(self, state)
  self.logs = open_logs(self.logs, state)
  local err
  if not self.declared then -- most of a snapshot, and seldom another one: it is kept
    self.declared, err = core.pack(self.specs, self.tree)
  end
  if not self.declared then
    return fail(self, err.message)
  end
  put(self, "snapshot", "s", {
    state = save.save(state), declared = self.declared, procs = self.procs, helpers = self.helpers,
    tasks = self.tasks, logs = self.logs, own = self.own, now = core.now(), pid = core.pid, boot = self.boot,
  })
end

local function begin_again(self, state)
  self.again = nil
  self.file = core.journal(self.path)
  if self.file then
    snapshot(self, state)
  end
  if self.file then
    self.told = nil
    core.deadline(self.deadline)
    self.tell("the journal is written again")
  end
end

--- Begins the file, in the place of the one that is there.
---@param state table of the engine, between two steps
---@param specs table[] all that are declared
---@param tree table?
function Journal:begin(state, specs, tree)
  self.specs, self.tree, self.declared = specs, tree, nil
  snapshot(self, state)
end

-- Where a declaration stands and which functions it has is nothing to the engine.
local APART <const> = { source = true, calls = true }

local function is_as_it_was(old, new)
  if old == new then
    return true
  elseif not old then
    return false
  end
  for key, each in next, new do
    if old[key] ~= each and not APART[key] then
      return false
    end
  end
  for key in next, old do
    if new[key] == nil and not APART[key] then
      return false
    end
  end
  return true
end

-- A reload without what has not changed. `order` is missing when the names are the same.
local function shorten(self, event)
  local known <const>, specs <const>, order <const> = {}, {}, {}
  local moved = #event.specs ~= #self.specs
  for _, spec in ipairs(self.specs) do
    known[spec.name] = spec
  end
  for at, spec in ipairs(event.specs) do
    order[at] = spec.name
    moved = moved or self.specs[at].name ~= spec.name
    if not is_as_it_was(known[spec.name], spec) then
      specs[#specs + 1] = spec
    end
  end
  return {
    specs = specs, order = moved and order or nil, former = event.former, stale = event.stale,
    tree = not value.same(self.tree, event.tree) and event.tree or nil,
    restart = event.restart, prune = event.prune, rolls = event.rolls,
  }
end

--- Writes what is about to happen: call it before the engine's step.
---@param now number
---@param event table
---@param state table of the engine
function Journal:event(now, event, state)
  if self.again and now >= self.again then
    begin_again(self, state)
  elseif self.long then
    snapshot(self, state)
  end
  if event.kind ~= "reload" then
    note(self, now, event)
    return put(self, "append", "e", now, event)
  end
  put(self, "append", "r", now, shorten(self, event))
  self.own.generation = self.own.generation + 1
  if state.level == 0 then -- a shutdown takes nothing over
    self.specs, self.tree, self.declared = event.specs, event.tree, nil
  end
end

--- A process was launched.
---@param name string of the service
---@param kind "proc"|"helper"|"task"
---@param proc userdata
---@param log userdata? of the service: a terminal may have come to it
---@param cgroup string? path of its control group
function Journal:born(name, kind, proc, log, cgroup)
  local facts <const> = facts_of(proc) or { pid = proc:pid() }
  facts.cgroup = cgroup
  self[kind .. "s"][name] = facts
  put(self, "append", "b", name, kind, facts)
  local known <const>, now <const> = self.logs[name], facts_of(log)
  if known and not value.same(known.facts, now) then
    known.facts = now
    put(self, "append", "l", name, known.path, now)
  end
end

--- Its program runs, and more is known of it: what it lacks of its sandbox, and who listens to its calls.
---@param name string
---@param degraded table[]? as the driver has it
---@param proc userdata?
function Journal:runs(name, degraded, proc)
  local facts <const>, listener <const> = self.procs[name], (facts_of(proc) or {}).listener
  if facts and (degraded or listener) then
    facts.degraded, facts.listener = degraded, listener
    put(self, "append", "b", name, "proc", facts)
  end
end

--- A child of a task has gone.
---@param name string as it was born with
function Journal:gone(name)
  if self.tasks[name] then
    self.tasks[name] = nil
    put(self, "append", "g", name)
  end
end

--- What a step asked for is done, up to a turn.
---@param turn integer
function Journal:done(turn)
  put(self, "append", "d", turn)
end

--- A log was opened.
---@param name string of the service, or "@script"
---@param path string
---@param log userdata
function Journal:log(name, path, log)
  local facts <const> = facts_of(log)
  self.logs[name] = { path = path, facts = facts }
  if self.specs then
    put(self, "append", "l", name, path, facts)
  end
end

--- The script has kept something.
---@param name string? nil: nothing is kept any more
---@param path (string|number)[]?
---@param given any
function Journal:kept(name, path, given)
  if self.specs then
    put(self, "append", "k", name, path, given)
  end
end

--- An orderly end: nothing is left to take over.
function Journal:remove()
  if self.file then
    self.file:remove()
    self.file:close()
  end
  self.file, self.again = nil, nil
end

-- Supervision does not fail with its journal, whatever is wrong with that.
for _, name in ipairs({ "begin", "event", "born", "runs", "gone", "done", "log", "kept" }) do
  local act <const> = Journal[name]
  Journal[name] = function(self, ...)
    local ok, err = xpcall(act, debug.traceback, self, ...)
    if not ok then
      fail(self, "internal error in the journal: " .. tostring(err))
    end
  end
end

--- A journal; nothing is written before it begins.
---@param path string
---@param own ward.service.Own read for each snapshot
---@param found ward.service.Succession? what it goes on from; moved
---@param tell fun(text: string) says that it cannot be written, once, and that it can again
---@return ward.service.Journal
function M.new(path, own, found, tell)
  local boot <const> = core.read("/proc/sys/kernel/random/boot_id", 64)
  local self <const> = setmetatable({ path = path, tell = tell, own = own, procs = found and found.procs or {},
    helpers = found and found.helpers or {}, tasks = {}, logs = {}, boot = boot and boot:match("%S+"),
    deadline = core.deadline() }, Journal)
  self.file = core.journal(path) -- nil: no memory for it
  return self
end

-- Reading ------------------------------------------------------------------------------------------------

local RECORDS <const> = {}

-- A step that failed had failed then, too, and supervision went on.
local function step(replay, now, event)
  local ok, state, effects = pcall(engine.step, replay.state, event, now)
  replay.state, replay.effects = ok and state or replay.state, ok and effects or {}
  replay.now, replay.done = now, 0
  for _, effect in ipairs(replay.effects) do
    if effect.type == "removed" then
      replay.logs[effect.name] = nil
    end
  end
end

function RECORDS.s(replay, it)
  replay.specs, replay.tree = core.unpack(it.declared)
  replay.state, replay.effects = save.restore(it.state, replay.specs, replay.tree), {}
  for _, key in ipairs({ "procs", "helpers", "tasks", "logs", "own", "now", "pid", "boot" }) do
    replay[key] = it[key]
  end
end

function RECORDS.e(replay, now, event)
  note(replay, now, event)
  step(replay, now, event)
end

function RECORDS.r(replay, now, it)
  local known <const>, specs <const> = {}, {}
  for _, list in ipairs({ replay.specs, it.specs }) do
    for _, spec in ipairs(list) do
      known[spec.name] = spec
    end
  end
  for at, each in ipairs(it.order or replay.specs) do
    specs[at] = known[it.order and each or each.name]
  end
  replay.own.generation = replay.own.generation + 1
  local tree <const>, accepted <const> = it.tree or replay.tree, replay.state.level == 0
  step(replay, now, { kind = "reload", specs = specs, tree = tree, former = it.former, stale = it.stale,
    restart = it.restart, prune = it.prune, rolls = it.rolls })
  if accepted then
    replay.specs, replay.tree = specs, tree
  end
end

function RECORDS.b(replay, name, kind, facts)
  replay[kind .. "s"][name] = facts
end

function RECORDS.g(replay, name)
  replay.tasks[name] = nil
end

function RECORDS.d(replay, turn)
  replay.done = turn
end

function RECORDS.l(replay, name, path, facts)
  replay.logs[name] = { path = path, facts = facts }
end

function RECORDS.k(replay, name, path, given)
  local own <const> = replay.own
  if not name then
    own.keep = {}
    return
  end
  local at, key = own.keep, name
  for _, next_key in ipairs(path) do
    at, key = at[key], next_key
  end
  at[key] = given
end

-- What the last step asked for and may not have been done.
local function in_doubt(replay)
  local effects = {}
  for _, effect in ipairs(replay.effects) do
    if M.is_doubtful(effect) and M.turn(effect) > replay.done then
      effects[#effects + 1] = effect
    end
  end
  return effects
end

-- What the state counts on and is not there.
local function add_missing(result, replay)
  for _, svc in ipairs(replay.state.services) do
    local name <const> = svc.name
    if svc.proc and not replay.procs[name] then
      local list <const> = svc.state == "starting" and result.launch or result.lost
      list[#list + 1] = name
    end
    if svc.helper and not replay.helpers[name] then
      result.run[#result.run + 1] = name
    end
    result.timers[name] = svc.deadline
    svc.spec.calls, svc.spec.asks = nil, nil
  end
  for _, sup in ipairs(replay.state.supervisors) do
    result.timers[sup.name or ""] = sup.deadline
  end
end

---@class ward.service.Succession
---@field state table of the engine, after the last event
---@field specs table[] as declared last; without functions, which nobody can call any more
---@field tree table?
---@field procs table<string, table> pid, started, degraded, and what the process's handle handed over
---@field helpers table<string, table> the same of stop commands
---@field tasks table<string, table> the same of children of the script's tasks
---@field logs table<string, { path: string, facts: table? }>
---@field own ward.service.Own
---@field now number when the last event came, on the clock of core.now
---@field effects table[] of the last step, what may not have been done: signals (sent twice rather than not at all),
---  replies, quit, and events
---@field launch string[] services that are to have a process and have none: their launch was waiting, or never came
---@field lost string[] those that are being stopped, whose process nobody knows: to be told as an exit
---@field run string[] services whose stop command has to be run (again)
---@field timers table<string, number> what has to be armed
---@field pid integer of the supervisor
---@field boot string? the id of the boot in which it ran: pids of another one mean nothing
---@field torn string? where the file was cut; what was before it counts

local function read(path)
  local replay <const> = {}
  local ok, torn <const> = core.journal_read(path, function(kind, ...)
    assert(kind == "s" or replay.state, "it does not begin with a snapshot")
    RECORDS[kind](replay, ...)
  end)
  if not ok then
    return nil, torn
  end
  assert(replay.state, "it holds no snapshot")
  local result <const> = {
    effects = in_doubt(replay), launch = {}, lost = {}, run = {}, timers = {}, torn = torn,
    logs = open_logs(replay.logs, replay.state),
  }
  for _, key in ipairs({ "state", "specs", "tree", "procs", "helpers", "tasks", "own", "now", "pid", "boot" }) do
    result[key] = replay[key]
  end
  add_missing(result, replay)
  return result
end

--- Reads what a supervisor has left.
---@param path string
---@return ward.service.Succession?
---@return table? err
function M.read(path)
  local fine, result, err = pcall(read, path)
  if not fine then -- whole records, but not ours
    return nil, { code = "invalid", message = ("%s: %s"):format(path, result) }
  end
  return result, err
end

return M
