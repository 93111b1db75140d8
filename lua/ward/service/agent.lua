-- The supervisor's side of a running script: enters it when something happened, and does for its tasks what they
-- may ask for.
--
-- The script is somebody else's code. It is entered with plain data under a CPU budget, one task at a time; what a
-- task owns here (processes, pipes, timers) stands under a number of its own, so that nothing depends on the
-- script's good will to be found again.

local core <const> = require("ward.core")
local http <const> = require("ward.service.agent.http")
local runs <const> = require("ward.service.agent.runs")
local schema <const> = require("ward.schema")
local services <const> = require("ward.service.agent.services")
local signals <const> = require("ward.service.agent.signals")
local watches <const> = require("ward.service.agent.watches")

local M <const> = {}

-- CPU seconds of one entry, and how many entries a turn of the loop may have.
local BUDGET <const>, ENTRIES <const> = 0.1, 64

---@class ward.service.Agent
---@field script userdata?
---@field children table<integer, table> number -> { proc =, stdin =, stdout =, stderr =, forgotten = }
local Agent <const> = {}
Agent.__index = Agent

-- Errors as plain data.
local function plain(err)
  return err and { code = err.code, errno = err.errno, stage = err.stage, message = err.message }
end

local ENTRY_GONE <const> = { code = "closed", message = "the child's pipe is closed" }

-- Requests -------------------------------------------------------------------------------------------------

local OPS <const> = {}

local function close_streams(child)
  for _, side in ipairs({ "stdin", "stdout", "stderr" }) do
    if child[side] then
      child[side]:close()
      child[side] = nil
    end
  end
end

-- What the child will need of us besides its plan.
local function log_for(self, spec)
  if spec.stdout.kind == "log" or spec.stderr.kind == "log" or spec.tty ~= false then
    return self.parts.log()
  end
end

-- What a child holds besides its process: not for the collector, which knows nothing of descriptors and directories.
local function release(self, plan, group_name)
  plan:close()
  self.parts.cgroups:drop(group_name)
end

-- The child has ended.
local function ended(self, id, exit)
  local child = self.children[id]
  exit.ok = exit.kind == "exited" and exit.code == 0
  child.proc = nil
  if child.forgotten then
    self.children[id] = nil
  end
  self.live = self.live - 1
  self:post("told", id, "exit", exit)
  if self.live == 0 and self.stopped then
    self.stopped()
  end
end

-- Says what a child runs without, as for services: what on_failure = "warn" asks for, and limits that are optional.
local function tell_degraded(self, spec, lacking, degraded)
  for _, failed in ipairs(lacking or {}) do
    self.parts.say(("%s runs without what it may do without: %s"):format(spec.cmd[1], failed.message), "warn")
  end
  if spec.sandbox and spec.sandbox.on_failure == "warn" then
    for _, failed in ipairs(degraded or {}) do
      self.parts.say(("%s runs without a part of its sandbox: %s"):format(spec.cmd[1], failed.message), "warn")
    end
  end
end

-- What has failed on this side is told as what fails in the child is.
local function spawn_failed(err)
  local stage, message = err.stage or "prepare", err.message
  if not message:find(" (stage ", 1, true) then
    message = ("%s (stage %s)"):format(message, stage)
  end
  return nil, { code = "spawn_failed", stage = stage, errno = err.errno, message = message }
end

function OPS.spawn(self, id, given)
  local spec, message = schema.child(given, {})
  if not spec then
    return nil, { code = "spec", message = message }
  end
  local log, err = log_for(self, spec)
  if err then
    return spawn_failed({ message = err })
  end
  local plan
  plan, err = core.plan(spec)
  if not plan then
    return spawn_failed(err)
  end
  local group_name = "@task-" .. id
  local group, no_group, lacking = self.parts.cgroups:group(group_name, spec)
  if no_group then
    release(self, plan, group_name)
    return spawn_failed(no_group)
  end
  local child = {}
  local proc
  proc, child.stdin, child.stdout, child.stderr = core.launch(plan, {
    log = log, cgroup = group,
    started = function(pid, degraded)
      tell_degraded(self, spec, lacking, degraded)
      self:post("told", id, "started", pid)
    end,
    exit = function(exit)
      self.parts.journal:gone(group_name)
      release(self, plan, group_name)
      ended(self, id, exit)
    end,
  })
  if not proc then
    release(self, plan, group_name)
    return spawn_failed(child.stdin) -- the second result of a launch that failed
  end
  child.proc = proc
  self.children[id], self.live = child, self.live + 1
  self.parts.journal:born(group_name, "task", proc)
  return true
end

function OPS.kill(self, id, signal)
  local child = self.children[id]
  if not child or not child.proc then
    return nil, { code = "ESRCH", message = "the child has ended" }
  end
  local ok, err = child.proc:signal(signal)
  return ok, plain(err)
end

function OPS.read(self, id, side)
  local child = self.children[id]
  local stream = child and child[side]
  if not stream then
    return nil, ENTRY_GONE
  end
  local ok, err = stream:read(function(bytes, failed)
    self:post("told", id, "read", side, bytes, plain(failed))
  end)
  return ok, plain(err)
end

function OPS.write(self, id, bytes)
  local child = self.children[id]
  if not child or not child.stdin then
    return nil, ENTRY_GONE
  end
  local ok, err = child.stdin:write(bytes, function(done, failed)
    self:post("told", id, "wrote", "stdin", done, plain(failed))
  end)
  return ok, plain(err)
end

function OPS.close(self, id, side)
  local child = self.children[id]
  if child and child[side] then
    child[side]:close()
    child[side] = nil
  end
end

-- Nobody in the script has anything to do with it any more.
function OPS.forget(self, id)
  local child = self.children[id]
  if not child then
    return
  end
  child.forgotten = true
  close_streams(child)
  if child.proc then
    child.proc:kill_tree()
  else
    self.children[id] = nil
  end
end

-- Levels of ward.log that look different.
local MOODS <const> = { warn = "warn", error = "bad" }

function OPS.say(self, text, level)
  self.parts.say(text, MOODS[level])
end

-- A keep is written; see lua/ward/service/keep.lua.
function OPS.keep_set(self, name, path, value)
  local ok, message = self.parts.keep:set(name, path, value)
  return ok, message and { code = "keep", message = message }
end

function OPS.report(self, message)
  self.parts.report(message)
  self.parts.history:add({ event = "script_error", message = message })
end

-- An event of the script's own; its listeners are told on its side.
function OPS.emit(self, event)
  self.parts.history:add(event)
end

function OPS.answer(self, id, verdict, fault)
  local told = self.asked[id]
  self.asked[id] = nil
  if told then
    told(verdict, fault)
  end
end

for _, more in ipairs({ http.ops, runs.ops, services.ops, signals.ops, watches.ops }) do
  for op, fn in pairs(more) do
    OPS[op] = fn
  end
end

-- Entries --------------------------------------------------------------------------------------------------

-- What an entry came to. Returns whether a task is ready for the next one.
local function entered(self, ok, more, at)
  if ok then
    self.next_time, self.failures = at, 0
    return more
  end
  -- The task that ran is to blame, and the script's own side has to know. Where even that fails, we give up on it.
  self.failures = self.failures + 1
  if self.failures > 2 then
    self.parts.report(more.message)
    self:close()
    self.parts.failed(more, true)
    return false
  end
  self.parts.failed(more, false)
  self.first = self.first - 1 -- of what it stands before, or of nothing: then it is the only one
  self.queue[self.first] = table.pack("cut_off", more.message)
  return true
end

-- Works off the queue, and after that what is ready. Tasks that want a turn of the loop between them have it, and so
-- has what comes after one that has used up its time.
local function go_on(self, more)
  local queue = self.queue
  self.entering = true
  local left = ENTRIES
  while left > 0 and self.script do
    local event = queue[self.first]
    if event then
      queue[self.first] = nil
      self.first = self.first + 1
      more = entered(self, self.script:enter(BUDGET, table.unpack(event, 1, event.n)))
    elseif more then
      more = entered(self, self.script:enter(BUDGET))
    else
      break
    end
    left = self.failures > 0 and 1 or left - 1
  end
  self.entering = false
  if not self.script then
    return
  end
  local late = more or self.queue[self.first] ~= nil
  if late then
    self.later:arm(core.now())
  elseif self.late then
    self.later:disarm()
  end
  self.late = late
  if self.next_time and not late then
    self.timer:arm(self.next_time)
  else
    self.timer:disarm()
  end
end

--- Something has happened: op and its data, as lua/ward/script/runtime.lua lists them.
---@param op string
function Agent:post(op, ...)
  if not self.script then
    return
  end
  local free = self.started and not self.entering
  if free and self.last < self.first then
    self.entering = true
    return go_on(self, entered(self, self.script:enter(BUDGET, op, ...)))
  end
  self.last = self.last + 1
  self.queue[self.last] = table.pack(op, ...)
  if free then
    go_on(self, true)
  end
end

-- The engine's words for what happened to a service -> the script's.
local EVENTS <const> = {
  starting = "start", ready = "ready", failed = "fail", stopping = "stop", stopped = "stopped",
  give_up = "give_up",
}

-- The state that was entered -> the hook of the service.
local HOOKS <const> = {
  starting = "on_start", ready = "on_ready", stopping = "on_stop", failed = "on_fail",
}

--- Tells everybody of an event: those who listen in the script (ward.on), and the history.
---@param event table { event =, name =, at = ... }
function Agent:announce(event)
  self.parts.history:add(event)
  self:post("event", event)
end

--- Tells the script of an event of the engine.
---@param event table
---@param spec table? of the service
function Agent:tell(event, spec)
  local at, calls = core.time(), spec and spec.calls
  local type = event.type
  if type == "done" and spec and spec.type == "oneshot" then
    type = "ready"
  end
  local hook = calls and calls[HOOKS[type]]
  if hook then
    self:post("hook", hook, event.name, event.exit)
  end
  if calls and calls.on_exit and event.exit and not event.told and not event.asking then
    self:post("hook", calls.on_exit, event.name, event.exit)
  end
  if event.exit and not event.told then
    self:announce({ event = "exit", name = event.name, exit = event.exit, pid = event.exit.pid, at = at })
  end
  if EVENTS[type] then
    self:announce({ event = EVENTS[type], name = event.name, pid = event.pid, exit = event.exit, at = at })
  end
end

--- Asks the script's own rules what follows an exit; told(verdict, fault) is called at once or later, or never.
---@param name string
---@param calls table<string, integer>
---@param exit table
---@param history table
---@param told fun(verdict: any, fault: string?)
function Agent:ask(name, calls, exit, history, told)
  if not self.script then
    return told(nil, "the script does not run")
  end
  self.serial = self.serial + 1
  self.asked[self.serial] = told
  -- The history is long, and each call of a hook has its price: only a rule is told of it.
  self:post("ask", self.serial, name, exit, calls.on_exit, calls.restart, calls.restart and history or nil)
end

--- The engine has answered a command; true when it was the script's.
Agent.reply = services.reply

--- Starts the script: what it declared to run runs from here on. What was posted before comes after that.
function Agent:start()
  if not self.script then
    return
  end
  for name, value in pairs(self.carried) do
    self.parts.keep:set(name, {}, value)
  end
  self.first = self.first - 1
  self.queue[self.first] = table.pack("start", self.parts.keep.data)
  self.started = true
  go_on(self, true)
end

Agent.withdraw = services.withdraw

--- Another script has taken over: ends its tasks and their children, and closes it. What they close may hang.
function Agent:retire()
  self:post("stop")
  self:close("the script was reloaded")
  self:withdraw()
end

--- A signal has come to ward.
---@param name string "USR1"
function Agent:signalled(name)
  self:announce({ event = "signal", name = name, at = core.time() })
end

--- Starts a command of the script, or code that was sent to it, and tells `run` of its output and its end.
---@param run ward.service.Run
---@param op "command"|"eval"
---@return integer id for post("cancel_run", id) and post("drained", id)
function Agent:run(run, op, ...)
  return runs.start(self, run, op, ...)
end

--- Ends every task and every child of one; done() is called when none is left, at the latest in a later turn.
---@param done fun()
function Agent:stop(done)
  self:post("stop")
  for id in pairs(self.children) do
    OPS.forget(self, id)
  end
  if self.live == 0 then
    return done()
  end
  self.stopped = done
end

--- Closes the script. Its children, if there are any, are killed.
---@param why string? what those are told who wait for it
function Agent:close(why)
  if not self.script then
    return
  end
  why = why or "the script does not run"
  for id in pairs(self.children) do
    OPS.forget(self, id)
  end
  http.close(self)
  runs.close(self)
  signals.close(self)
  watches.close(self)
  self.timer:close()
  self.later:close()
  self.script:close()
  self.script = nil
  for id, told in pairs(self.asked) do
    self.asked[id] = nil
    told(nil, why)
  end
end

---@class ward.service.AgentParts
---@field cgroups ward.service.Cgroups
---@field driver ward.service.Driver
---@field log fun(): userdata?, string? the log for what tasks' children say
---@field say fun(text: string, mood: string?) something that the script has to say
---@field failed fun(err: table, over: boolean) an entry failed as a whole; over: the script runs no more
---@field report fun(message: string) something went wrong in the script: "file:line: text"
---@field keep ward.service.Keep
---@field journal ward.service.Journal
---@field roll fun(name: string, answer: fun(ok: boolean, result: table?)): boolean see ward.service.roll
---@field history ward.service.History
---@field internal_error fun(what: string, trace: string)

--- The agent of a script that was loaded; nothing in it runs before it is started. Without a script, nobody hears what
--- is told, and no rule is asked.
---@param script userdata? of core.script; moved
---@param parts ward.service.AgentParts
---@param carried table<string, table>? what it has made of what is kept, by name
---@return ward.service.Agent
function M.new(script, parts, carried)
  local self = setmetatable({
    script = script, parts = parts, children = {}, signals = {}, watches = {}, live = 0,
    queue = {}, first = 1, last = 0, failures = 0, entering = false, asked = {}, serial = 0,
    started = false, carried = carried or {},
    commands = {}, requests = {}, runs = {}, next_run = 1,
  }, Agent)
  if script then
    script:serve(function(op, ...)
      self.entering = true
      return OPS[op](self, ...)
    end)
    -- What only waits for time is entered from the core, and mostly nothing is left to do here.
    self.timer = core.timer(function(...)
      return go_on(self, select("#", ...) == 0 or entered(self, ...))
    end, script, BUDGET)
    self.later = core.timer(function()
      go_on(self, true)
    end)
  end
  return self
end

return M
