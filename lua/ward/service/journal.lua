-- What lets a successor stand where this supervisor stood: a snapshot of the engine and the events since, and what
-- the driver knows of processes and logs, in a file that outlives the process. The engine gives the same effects for
-- the same events, so what it decided is not written but decided again.
-- Records, in the order in which things happen:
--   "s", snapshot             all of it: engine, specs, tree, processes, logs
--   "e", now, event           before the engine takes the event
--   "r", now, reload          the same, of a reload: with those specs only that are not as they were
--   "b", name, kind, facts    a process was launched, or more is known of it; kind: "proc", "helper", the command of a
--                             stop ladder, or "task", a child of the script
--   "g", name                 the child of a task has gone
--   "d", turn                 what the last step asked for is done, up to that turn
--   "l", name, path, facts    a log was opened
--   "p", name, roll           members of a pool are being replaced; without a roll, no more
--   "k", name, path, value    the script has kept something; without a name, nothing is kept any more
-- A process is gone with the event that says so ("exit", "ran"), which is written as soon as it is reaped.
-- When an event is written, all that the step before it asked for has been done: only the last step is in doubt.

local core <const> = require("ward.core")
local replay <const> = require("ward.service.replay")
local save <const> = require("ward.engine.save")
local value <const> = require("ward.schema.value")

local M <const> = {}

-- Seconds from a failure to the next try.
local RETRY <const> = 60

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
---@field rolls table<string, table> of pools whose members are being replaced
---@field deadline number seconds, as core.deadline has it while there is a journal
---@field own ward.service.Own of the supervisor itself
local Journal <const> = {}
Journal.__index = Journal

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
  local ok, long <const>, lacks <const> = file[write](file, ...)
  if not ok then
    return fail(self, long.message)
  end
  self.long = long
  if lacks then
    self.again = self.again or core.now() + RETRY
  end
  if lacks and not self.told then
    self.told = true
    self.tell(("cannot write the journal: %s; ward goes on, and has it in memory"):format(lacks))
  elseif not lacks and self.told then
    self.told = nil
    self.tell("the journal is written again")
  end
end

-- What a handle gives to a successor.
local function facts_of(handle)
  return handle and handle.handover and handle:handover() or nil
end

local function snapshot(self, state)
  self.logs = replay.open_logs(self.logs, state)
  local err
  if not self.declared then -- most of a snapshot, and seldom another one: it is kept
    self.declared, err = core.pack(self.specs, self.tree)
  end
  if not self.declared then
    return fail(self, err.message)
  end
  put(self, "snapshot", "s", {
    state = save.save(state), declared = self.declared, procs = self.procs, helpers = self.helpers, tasks = self.tasks,
    logs = self.logs, rolls = self.rolls, own = self.own, now = core.now(), pid = core.pid, boot = self.boot,
  })
end

local function begin_again(self, state)
  self.again = nil
  self.file = self.file or core.journal(self.path)
  if self.file then
    snapshot(self, state)
  end
  if self.file then
    core.deadline(self.deadline)
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

local function is_within(old, new)
  for key, each in next, new do
    if old[key] ~= each and not APART[key] then
      return false
    end
  end
  return true
end

-- A reload without what has not changed. `order` is missing when the names are the same.
local function shorten(self, event)
  local known <const>, specs <const>, order <const> = {}, {}, {}
  local moved = #event.specs ~= #self.specs
  local same <const> = not moved and event.tree == self.tree and event.fresh -- then so are the names
  for _, spec in ipairs(self.specs) do
    known[spec.name] = spec
  end
  for at, spec in ipairs(same or event.specs) do
    local old <const> = known[spec.name]
    order[at] = spec.name
    moved = moved or not same and self.specs[at] ~= old
    specs[#specs + 1] = not (old and is_within(old, spec) and is_within(spec, old)) and spec or nil
  end
  return {
    specs = specs, order = moved and order or nil, former = event.former, stale = event.stale,
    tree = not same and not value.same(self.tree, event.tree) and event.tree or nil,
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
    replay.note(self, now, event)
    return put(self, "append", "e", now, event)
  end
  put(self, "append", "r", now, shorten(self, event))
  self.own.generation = self.own.generation + 1
  if state.level == 0 then -- a shutdown takes nothing over
    self.specs, self.tree, self.declared = event.specs, event.tree, nil
  end
end

--- The step has failed, and has left the engine's state half done. The file knows the one before it, and plays the
--- event once more: what failed for want of memory need not fail again.
---@return table? state before the step, or after it when there are effects; nil: nobody knows
---@return table[]? effects
function Journal:undo()
  if not self.file then
    return nil
  end
  local found <const>, err <const> = replay.play(self.file:place())
  if not found or found.holes then -- steps that were done once: there is no memory for it
    return self.tell("a step cannot be undone: " .. (err and err.message or "the journal cannot be played"))
  elseif not found.failed then
    return found.state, found.effects
  end
  self:begin(found.state, found.specs, found.tree) -- the event has not happened, for a successor neither
  return found.state
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

--- Members of a pool are being replaced, or no more.
---@param name string of the pool
---@param roll table? see ward.service.roll
function Journal:rolling(name, roll)
  self.rolls[name] = roll
  put(self, "append", "p", name, roll)
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
for _, name in ipairs({ "begin", "event", "undo", "born", "runs", "gone", "rolling", "done", "log", "kept" }) do
  local act <const> = Journal[name]
  Journal[name] = function(self, ...)
    local ok, result, effects = xpcall(act, debug.traceback, self, ...)
    if ok then
      return result, effects
    end
    fail(self, "internal error in the journal: " .. tostring(result))
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
    helpers = found and found.helpers or {}, tasks = {}, logs = {}, rolls = found and found.rolls or {},
    boot = boot and boot:match("%S+"), deadline = core.deadline() }, Journal)
  self.file = core.journal(path) -- nil: no memory for it
  return self
end

M.read, M.turn, M.is_doubtful, M.TURNS = replay.read, replay.turn, replay.is_doubtful, replay.TURNS

return M
