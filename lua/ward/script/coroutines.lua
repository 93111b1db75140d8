-- `coroutine` as a script has it: a task may wait inside coroutines of its own.
--
-- What waits yields scheduler.PARK; resume and wrap here pass that on to the task's own coroutine, and so to
-- the scheduler, and go on where they were when the task goes on.

local PARK <const> = require("ward.script.scheduler").PARK

local M <const> = {}

local create <const>, resume <const>, yield <const> = coroutine.create, coroutine.resume, coroutine.yield
local running <const>, close <const> = coroutine.running, coroutine.close
local isyieldable <const>, status <const> = coroutine.isyieldable, coroutine.status

-- Leaves the coroutine where cancelling the task finds it, waits, and goes on in it.
local function pass_on(scheduler, co)
  local task <const> = scheduler.current
  if not isyieldable() then error(scheduler.stuck(), 0) end
  task.nested = task.nested or {}
  table.insert(task.nested, 1, co) -- the ones inside of it are there already
  yield(PARK)
  table.remove(task.nested, 1)
  return resume(co)
end

local function resumed(scheduler, co, ok, first, ...)
  if ok and rawequal(first, PARK) then return resumed(scheduler, co, pass_on(scheduler, co)) end
  return ok, first, ...
end

local function unwrap(co, ok, ...)
  if ok then return ... end
  close(co)
  error((...), 0)
end

--- The library of one generation.
---@param scheduler ward.script.Scheduler
---@return table
function M.new(scheduler)
  local library <const> = {}
  for name, value in next, coroutine do library[name] = value end

  -- A task has its coroutine to itself, also from one run of a timer's to the next.
  local function check(what, co, how)
    if type(co) ~= "thread" then
      error(("coroutine.%s: expected a coroutine, got a %s"):format(what, type(co)), 3)
    elseif scheduler.threads[co] and status(co) == "suspended" then
      error(("coroutine.%s: this is the coroutine of a task, %s"):format(what, how), 3)
    end
  end

  function library.resume(co, ...)
    check("resume", co, "which goes on by itself")
    return resumed(scheduler, co, resume(co, ...))
  end

  function library.close(co)
    check("close", co, "which task:cancel() ends")
    return close(co)
  end

  function library.wrap(fn)
    if type(fn) ~= "function" then
      error("coroutine.wrap: expected a function, got a " .. type(fn), 2)
    end
    local co <const> = create(fn)
    return function(...) return unwrap(co, resumed(scheduler, co, resume(co, ...))) end
  end

  function library.yield(...)
    local task <const> = scheduler.current
    if task and running() == task.co then
      error("coroutine.yield: outside of a coroutine of your own; a task waits with ward.sleep and the like", 2)
    elseif scheduler.closing then
      error("coroutine.yield: a task that is being cancelled cannot wait", 2)
    end
    return yield(...)
  end

  return library
end

return M
