-- Tasks of one generation of a script: coroutines that wait for time, for the world, or for each other.
--
-- A task is owned by the task that started it and owns what it starts: its end is the end of all of that.
-- One step runs one task until it waits again, because the CPU budget is counted for each step.
--
-- A task waits by yielding PARK. Coroutines of the script's own pass that on (see coroutines.lua), so that a
-- task may wait inside them, too.

local heap <const> = require "ward.script.heap"

local M <const> = {}

--- What a task yields to say that the yield is for the scheduler.
M.PARK = setmetatable({}, { __name = "ward.park" })
-- What the function of a task that loops yields at the end of each of its runs.
local AGAIN <const> = {}
--- What park returns when its deadline came first.
M.TIMEOUT = setmetatable({}, { __name = "ward.timeout" })

local PARK <const>, TIMEOUT <const> = M.PARK, M.TIMEOUT
local create <const>, resume <const>, yield <const> = coroutine.create, coroutine.resume, coroutine.yield
local close <const>, status <const> = coroutine.close, coroutine.status
local pack <const>, select <const> = table.pack, select
local NOTHING <const> = { n = 0 }

---@class ward.script.Task
---@field co thread
---@field state "ready"|"parked"|"running"|"done"
---@field parent ward.script.Task?
---@field how "returned"|"failed"|"cancelled"|nil when done
---@field result table? packed results, or { message } of a failure
---@field waiters table<ward.script.Task, true>?
---@field owned table<table, fun(thing: table)>? what ends with it
---@field quiet boolean? its failure is no event
---@field out integer? what it and its tasks print goes there
---@field ended fun(how: string, result: table?)? called when it is done
---@field private boolean? its failure is for ended alone
---@field loops boolean? it may be run again
---@field nested thread[]? coroutines of the script that wait for it, the innermost last

---@class ward.script.Scheduler
---@field current ward.script.Task? the one that runs, or whose <close> variables do
---@field running ward.script.Task? the one that runs
---@field closing boolean a task's <close> variables run
local Scheduler <const> = {}
Scheduler.__index = Scheduler

---@param options table clock: fn() -> seconds; guard: fn(raised, co) -> the message of what ended a coroutine;
---  report: fn(message, quiet), told of failures that nobody waits for (quiet: as the task); task: metatable of tasks;
---  stuck: fn() -> words for why the caller cannot wait, or nil
---@return ward.script.Scheduler
function M.new(options)
  local self <const> = setmetatable({
    clock = options.clock, guard = options.guard, report = options.report, meta = options.task, stuck = options.stuck,
    ready = {}, first = 1, last = 0, timers = heap.new(), doomed = {}, ending = {}, serial = 0, closing = false,
    root = { state = "root" },
    -- The coroutines of tasks: nobody else is to resume them.
    threads = setmetatable({}, { __mode = "k" }),
  }, Scheduler)
  self.cancel_child = function(task) self:cancel(task) end
  return self
end

local function enqueue(self, task)
  task.state = "ready"
  self.last = self.last + 1
  self.ready[self.last] = task
end

--- Makes `thing` end with `task`: release(thing) is called then.
function Scheduler:own(task, thing, release)
  task.owned = task.owned or {}
  task.owned[thing] = release
  self.serial = self.serial + 1
  thing.serial = self.serial
end

--- Takes a thing out again.
function Scheduler.disown(_, task, thing)
  if task and task.owned then task.owned[thing] = nil end
end

--- Starts fn(...) as a task, which runs when its turn comes.
---@param fn function
---@param parent ward.script.Task? nil: it lives until the script ends
---@return ward.script.Task
function Scheduler:start(fn, parent, ...)
  parent = parent or self.root
  -- With all that it may have: a table that gets field by field is made anew for each few.
  local task <const> = setmetatable({
    co = create(fn), parent = parent, fresh = true, out = parent.out, value = select("#", ...) > 0 and pack(...) or nil,
    serial = nil, state = nil, how = nil,
  }, self.meta)
  self.threads[task.co] = true
  self:own(parent, task, self.cancel_child)
  enqueue(self, task)
  return task
end

--- Starts fn() as a task that can be run again when it is done. Its coroutine, which is most of what a task is made of,
--- then stays as long as fn does not fail.
---@param fn function
---@param parent ward.script.Task?
---@param last ward.script.Task? of the run before, which is done
---@return ward.script.Task
function Scheduler:rerun(fn, parent, last)
  if last and last.co then
    last.how, last.result, last.fresh = nil, nil, true
    self:own(last.parent, last, self.cancel_child)
    enqueue(self, last)
    return last
  end
  local task <const> = self:start(function()
    while true do
      fn()
      yield(AGAIN)
    end
  end, parent)
  task.loops = true
  return task
end

-- What a task owns, the youngest first.
local function release(task)
  local owned <const> = task.owned
  if not owned then return end
  local things = {}
  for thing in next, owned do things[#things + 1] = thing end
  table.sort(things, function(a, b) return a.serial > b.serial end)
  for _, thing in ipairs(things) do
    local fn <const> = owned[thing]
    owned[thing] = nil
    if fn then fn(thing) end
  end
  task.owned = nil
end

-- What comes of the end of the task that stands last in `ending`. A task that it ends in turn may use up the budget:
-- then it is called again, and goes on where it was.
local function conclude(self)
  local ending <const> = self.ending
  local task <const> = ending[#ending]
  release(task)
  ending[#ending] = nil
  if task.ended then task.ended(task.how, task.result) end
  local waiters <const> = task.waiters
  task.waiters = nil
  if waiters and next(waiters) then
    self:wake_all(waiters)
  elseif task.how == "failed" and not task.private then
    self.report(task.result[1], task.quiet)
  end
end

local function set_done(self, task, how, result)
  task.state, task.how, task.result = "done", how, result
  task.co, task.nested = nil, nil
  if task.index then self.timers:remove(task) end
  local siblings <const> = task.parent.owned
  if siblings then siblings[task] = nil end
  self.ending[#self.ending + 1] = task
end

local function finish(self, task, how, result)
  set_done(self, task, how, result)
  conclude(self)
end

-- Runs the <close> variables of a task that waits, from the innermost coroutine out. Their errors are told.
local function shut(self, task)
  local before <const> = self.current
  self.current, self.closing = task, true
  local threads <const> = task.nested or {}
  table.insert(threads, 1, task.co)
  for i = #threads, 1, -1 do
    local ok <const>, raised <const> = close(threads[i])
    if not ok then self.report(self.guard(raised, threads[i])) end
  end
  self.current, self.closing = before, false
end

--- Ends a task: its <close> variables run, what it owns ends. pcall in it cannot stop that. A task that is
--- running ends as soon as it waits.
---@return boolean whether it was still alive
function Scheduler:cancel(task)
  if task.state == "done" then return false end
  if task.state == "running" or self.closing then
    self.doomed[#self.doomed + 1] = task
  elseif task.fresh then
    finish(self, task, "cancelled")
  else
    shut(self, task)
    finish(self, task, "cancelled")
  end
  return true
end

--- Lets a task that waits go on, with `value` as what park returns.
function Scheduler:wake(task, value)
  if task.state ~= "parked" then return end
  self.timers:remove(task)
  task.value = value
  enqueue(self, task)
end

--- Lets those that wait for the same go on, the oldest first: each run is like the one before.
---@param waiters table<ward.script.Task, true>
function Scheduler:wake_all(waiters)
  local list <const> = {}
  for waiter in next, waiters do list[#list + 1] = waiter end
  table.sort(list, function(a, b) return a.serial < b.serial end)
  for _, waiter in ipairs(list) do self:wake(waiter) end
end

-- By tail calls down to here the stack of a task that waits stays at its first size.
local function wait(task)
  yield(PARK)
  local value <const> = task.value
  task.value = nil
  return value
end

--- Raises at `at` where Lua cannot wait: for what is to be started, or to be noted in a list, before it is waited for.
--- Whoever is left in a list is woken out of another wait later.
---@param at string file:line of the caller
---@param what string the function that wants to wait
function Scheduler:may_wait(at, what)
  local why <const> = self.closing and "a task that is being cancelled cannot wait" or self.stuck()
  if why then error(("%s: %s: %s"):format(at, what, why), 0) end
end

--- The current task waits until wake or the deadline (seconds of the clock). Returns wake's value, or TIMEOUT.
--- Raises as may_wait does.
---@param at string file:line of the caller
---@param what string the function that wants to wait
---@param deadline number?
function Scheduler:park(at, what, deadline)
  local task <const> = self.current
  self:may_wait(at, what)
  task.state = "parked"
  if deadline then self.timers:push(task, deadline) end
  return wait(task)
end

local function idle(task)
  yield(PARK)
  task.value = nil
end

--- As park, where it is all the same what ends the wait: returns nothing.
---@param at string file:line of the caller
---@param what string
---@param deadline number
function Scheduler:doze(at, what, deadline)
  local task <const> = self.current
  self:may_wait(at, what)
  task.state = "parked"
  self.timers:push(task, deadline)
  return idle(task)
end

--- The current task, or an error for what only tasks may do.
function Scheduler:need(at, what)
  if not self.current then
    error(("%s: %s: only declarations are allowed while a script loads; call it in a task"):format(at, what), 0)
  end
  return self.current
end

-- A coroutine of a task that has returned, raised or parked.
local function settle(self, task, ok, ...)
  if not ok then
    local co <const> = task.co
    local message <const> = self.guard((...), co)
    close(co) -- what it had to <close>
    return finish(self, task, "failed", { message })
  elseif task.loops and rawequal((...), AGAIN) then
    local co <const> = task.co
    finish(self, task, "returned", NOTHING)
    task.co = co
  elseif status(task.co) == "dead" then
    return finish(self, task, "returned", select("#", ...) > 0 and pack(...) or NOTHING)
  end
end

local function step(self, task)
  self.current, self.running = task, task
  task.state = "running"
  if task.fresh then
    local args <const> = task.value
    task.fresh, task.value = nil, nil
    if args then
      settle(self, task, resume(task.co, table.unpack(args, 1, args.n)))
    else
      settle(self, task, resume(task.co))
    end
  else
    settle(self, task, resume(task.co))
  end
  self.current, self.running = nil, nil
end

--- Ends what was cancelled while it ran, or while a <close> variable did. Call it after whatever may cancel but step.
function Scheduler:reap()
  while #self.doomed > 0 do self:cancel(table.remove(self.doomed, 1)) end
end

--- Runs one task that is ready, and ends what it has cancelled.
---@return boolean more whether another one is
function Scheduler:step()
  local ready <const> = self.ready
  local first = self.first
  while first <= self.last do
    local task <const> = ready[first]
    ready[first] = nil
    first = first + 1
    self.first = first
    if task.state == "ready" then
      step(self, task)
      break
    end
  end
  if self.doomed[1] then self:reap() end
  if self.first <= self.last then return true end
  self.first, self.last = 1, 0 -- the list stays where it has its room
  return false
end

--- A step was cut off from outside: the task that ran has used up its budget. Nothing of it runs any more, nor of one
--- that it has cancelled and whose <close> variables took too long.
---@param message string
function Scheduler:cut_off(message)
  local closing <const>, running <const> = self.closing and self.current or nil, self.running
  self.current, self.running, self.closing = nil, nil, false
  local failed = running and running.state ~= "done"
  if failed then set_done(self, running, "failed", { message }) end
  if closing and closing ~= running then
    set_done(self, closing, failed and "cancelled" or "failed", { message })
    failed = true
  end
  if not failed then self.report(message, true) end
  while #self.ending > 0 do conclude(self) end
end

--- Ends every task.
function Scheduler:stop()
  self.ending[#self.ending + 1] = self.root
  conclude(self)
end

--- Moves on what is due: tasks whose deadline has come, and timers.
---@param now number
function Scheduler:tick(now)
  local timers <const> = self.timers
  while true do
    local item <const> = timers[1]
    if not item or item.at > now then return end
    if item.fire then
      item:fire(now) -- takes it out, or puts it off
    else
      timers:remove(item)
      self:wake(item, TIMEOUT)
    end
  end
end

--- When tick has something to do next; nil: never.
function Scheduler:next_time()
  return self.timers:next()
end

return M
