-- Waiting, and doing things side by side: ward.sleep, task, all, race, timeout, semaphore, after, every, now.

local duration <const> = require "ward.duration"
local failure <const> = require "ward.script.failure"
local handle <const> = require "ward.script.handle"
local scheduler <const> = require "ward.script.scheduler"
local value <const> = require "ward.schema.value"

local M <const> = {}

local TIMEOUT <const> = scheduler.TIMEOUT
local MAX_GROUP <const> = 10000

--- Raises at `at` when an argument is wrong; returns what check returns.
---@param at string
---@param what string the function, "ward.sleep"
---@param check function gets a path and what follows
function M.argument(at, what, check, path, ...)
  local result <const>, message <const> = value.try(check, path, ...)
  if message then error(("%s: %s: %s"):format(at, what, message), 0) end
  return result
end

local argument <const> = M.argument

local function need_function(path, given)
  if type(given) ~= "function" then value.must(path, "a function", given) end
  return given
end

--- A deadline from an optional timeout.
---@param self ward.script.Scheduler
function M.deadline(self, at, what, timeout)
  return timeout ~= nil and self.clock() + argument(at, what, value.duration, "timeout", timeout) or nil
end

-- Waits for the first end among tasks that are not done. Returns whether it came before the deadline.
local function await(self, at, what, tasks, deadline)
  local current <const> = self:need(at, what)
  self:may_wait(at, what)
  for _, task in ipairs(tasks) do
    if task == current then error(("%s: %s: a task cannot wait for itself"):format(at, what), 0) end
  end
  for _, task in ipairs(tasks) do
    task.waiters = task.waiters or {}
    task.waiters[current] = true
  end
  local woken <const> = self:park(at, what, deadline)
  for _, task in ipairs(tasks) do
    if task.waiters then task.waiters[current] = nil end
  end
  return woken ~= TIMEOUT
end

-- What a task that is done gives whoever waits for it.
local function outcome(task)
  if task.how == "returned" then return table.unpack(task.result, 1, task.result.n) end
  if task.how == "failed" then error(task.result[1], 0) end
  return failure.of("cancelled", "the task was cancelled")
end

local function late(timeout)
  return failure.of("timeout", "not done within " .. duration.format(duration.parse(timeout)))
end

-- A group of ward.all or ward.race: functions become tasks of the caller.
local function group(self, at, what, list)
  local current <const> = self:need(at, what)
  local tasks, own = {}, {}
  for i = 1, argument(at, what, value.list, "", list, "a list of functions and tasks", MAX_GROUP) do
    if type(list[i]) == "function" then
      self:may_wait(at, what)
      tasks[i] = self:start(list[i], current)
      own[#own + 1] = tasks[i]
    elseif getmetatable(list[i]) == "task" then
      tasks[i] = list[i]
    else
      argument(at, what, value.must, ("[%d]"):format(i), "a function or a task", list[i])
    end
  end
  return tasks, own
end

local function cancel_all(self, tasks)
  for _, task in ipairs(tasks) do self:cancel(task) end
end

local function pending(tasks)
  local list = {}
  for _, task in ipairs(tasks) do
    if task.state ~= "done" then list[#list + 1] = task end
  end
  return list
end

local function all(self, at, list)
  local tasks <const>, own <const> = group(self, at, "ward.all", list)
  while true do
    for _, task in ipairs(tasks) do
      if task.how == "failed" then
        cancel_all(self, own)
        outcome(task)
      end
    end
    local left <const> = pending(tasks)
    if #left == 0 then break end
    await(self, at, "ward.all", left)
  end
  local results = {}
  for i, task in ipairs(tasks) do results[i] = (outcome(task)) end
  return results
end

local function race(self, at, list)
  local tasks <const>, own <const> = group(self, at, "ward.race", list)
  if #tasks == 0 then error(at .. ": ward.race: must not be empty", 0) end
  while true do
    for _, task in ipairs(tasks) do
      if task.state == "done" then
        cancel_all(self, own)
        return outcome(task)
      end
    end
    await(self, at, "ward.race", tasks)
  end
end

local function timeout(self, at, limit, fn, ...)
  local current <const> = self:need(at, "ward.timeout")
  local seconds <const> = argument(at, "ward.timeout", value.duration, "the time", limit)
  argument(at, "ward.timeout", need_function, "the second argument", fn)
  self:may_wait(at, "ward.timeout")
  local task <const> = self:start(fn, current, ...)
  if not await(self, at, "ward.timeout", { task }, self.clock() + seconds) then
    self:cancel(task)
    return late(seconds)
  end
  return outcome(task)
end

local function task_methods(self, located)
  local methods <const> = {}
  function methods.wait(at, task, limit)
    local deadline <const> = M.deadline(self, at, "task:wait", limit)
    if task.state ~= "done" and not await(self, at, "task:wait", { task }, deadline) then return late(limit) end
    return outcome(task)
  end
  function methods.cancel(at, task)
    local current <const> = self.current
    local alive <const> = self:cancel(task)
    if task == current and not self.closing then self:park(at, "task:cancel") end
    return alive
  end
  function methods.done(_, task) return task.state == "done" end
  return handle.methods(located, "task", methods)
end

local function semaphore_methods(self, located)
  local methods <const> = {}
  local Permit <const> = { __metatable = "permit", __name = "permit" }

  local function release(semaphore)
    local waiting <const> = semaphore.waiting
    while #waiting > 0 do
      local task <const> = table.remove(waiting, 1)
      if task.state == "parked" then return self:wake(task, true) end
    end
    semaphore.free = semaphore.free + 1
  end

  local function give_back(permit)
    local semaphore <const> = permit.semaphore
    permit.semaphore = nil
    if not semaphore then return end
    self:disown(permit.owner, permit)
    release(semaphore)
  end

  Permit.__index = handle.methods(located, "permit", { release = function(_, permit) give_back(permit) end })
  Permit.__close = give_back

  function methods.acquire(at, semaphore, limit)
    local current <const> = self:need(at, "semaphore:acquire")
    local deadline <const> = M.deadline(self, at, "semaphore:acquire", limit)
    if semaphore.free > 0 then
      semaphore.free = semaphore.free - 1
    else
      self:may_wait(at, "semaphore:acquire")
      table.insert(semaphore.waiting, current)
      if self:park(at, "semaphore:acquire", deadline) == TIMEOUT then
        for i, task in ipairs(semaphore.waiting) do
          if task == current then table.remove(semaphore.waiting, i) break end
        end
        return late(limit)
      end
    end
    -- Owned by the task, so that one that ends gives it back.
    local permit <const> = setmetatable({ semaphore = semaphore, owner = current }, Permit)
    self:own(current, permit, give_back)
    return permit
  end
  return handle.methods(located, "semaphore", methods)
end

-- Timers of ward.after and ward.every: their metatable, and what starts fn as a task when one is due.
local function timer_class(self, located)
  local Timer <const> = { __metatable = "timer", __name = "timer" }

  local function cancel(timer)
    self.timers:remove(timer)
    self:disown(timer.owner, timer)
    timer.cancelled = true
  end
  Timer.__index = handle.methods(located, "timer", { cancel = function(_, timer) cancel(timer) end })

  local function fire(timer, now)
    local period <const> = timer.period
    if period then
      -- On the grid of its first time: late ones are left out, never made up for.
      local at <const> = timer.at + period
      self.timers:put_off(timer, at > now and at or at + ((now - at) // period + 1) * period)
      local last <const> = timer.task
      if not last or last.state == "done" then timer.task = self:rerun(timer.fn, timer.owner, last) end
    else
      self.timers:remove(timer)
      self:disown(timer.owner, timer)
      self:start(timer.fn, timer.owner)
    end
  end
  return Timer, fire, cancel
end

--- The functions of one generation, as name -> fn(at, ...), and what starts its timers.
---@param self ward.script.Scheduler
---@param located fun(fn: function): function
---@param meta table metatable of tasks, to be filled
---@return table<string, function> functions
---@return fun() start arms what was declared while the script loaded
function M.new(self, located, meta)
  meta.__index, meta.__metatable, meta.__name = task_methods(self, located), "task", "task"
  local Semaphore <const> = {
    __index = semaphore_methods(self, located), __metatable = "semaphore", __name = "semaphore",
  }
  local Timer <const>, fire <const>, cancel <const> = timer_class(self, located)
  local declared = {}
  local functions <const> = {}
  -- The duration that was read last. A check goes deep, and a stack that has grown for it stays so: with this
  -- 10,000 tasks that sleep in one place cost a third less.
  local last, last_seconds

  local function timer(seconds, period, fn)
    local made <const> = setmetatable({ fn = fn, period = period, owner = self.current, fire = fire }, Timer)
    if declared then
      declared[#declared + 1] = { made, seconds }
    else
      if self.current then self:own(self.current, made, cancel) end
      self.timers:push(made, self.clock() + seconds)
    end
    return made
  end

  function functions.sleep(at, time)
    self:need(at, "ward.sleep")
    if time ~= last or time == nil then
      last_seconds = argument(at, "ward.sleep", value.duration, "the time", time)
      last = time
    end
    return self:doze(at, "ward.sleep", self.clock() + last_seconds)
  end
  function functions.task(at, fn, ...)
    local current <const> = self:need(at, "ward.task")
    return self:start(argument(at, "ward.task", need_function, "the first argument", fn), current, ...)
  end
  function functions.all(at, list) return all(self, at, list) end
  function functions.race(at, list) return race(self, at, list) end
  function functions.timeout(at, ...) return timeout(self, at, ...) end
  function functions.semaphore(at, count)
    local free <const> = argument(at, "ward.semaphore", value.integer, "the count", count, 1, 1000000)
    return setmetatable({ free = free, waiting = {} }, Semaphore)
  end
  function functions.after(at, time, fn)
    local seconds <const> = argument(at, "ward.after", value.duration, "the time", time)
    return timer(seconds, nil, argument(at, "ward.after", need_function, "the second argument", fn))
  end
  function functions.every(at, time, opts, fn)
    if fn == nil then opts, fn = {}, opts end
    local seconds <const> = argument(at, "ward.every", value.duration, "the time", time)
    if seconds < 0.001 then error(at .. ": ward.every: the time: must be at least 1ms", 0) end
    argument(at, "ward.every", value.known, "the options", opts, { { key = "immediate", since = "0.1.0" } })
    argument(at, "ward.every", need_function, "the last argument", fn)
    local immediate <const> = opts.immediate ~= nil
      and argument(at, "ward.every", value.boolean, "immediate", opts.immediate)
    return timer(immediate and 0 or seconds, seconds, fn)
  end

  return functions, function()
    local list <const> = declared
    declared = nil
    for _, entry in ipairs(list) do
      if not entry[1].cancelled then self.timers:push(entry[1], self.clock() + entry[2]) end
    end
  end
end

return M
