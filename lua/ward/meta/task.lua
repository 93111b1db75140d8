---@meta _
-- Tasks
-- Every function of the script that runs after it was loaded is a task: a coroutine that waits in plain sequential code
-- while everything else goes on. A task has 100 ms of CPU between two waits; one that uses more ends alone, with an
-- error that names its line. What a task started (tasks, children, timers, watches) ends with it.
--
-- A task waits inside of `pcall`, metamethods, iterators and coroutines of the script's own. Where Lua itself cannot
-- wait, as in the comparison function of `table.sort`, the error names the place. A cancelled task runs its `<close>`
-- variables, which cannot wait, and no `pcall` holds it up.

---@class ward
local ward = {}

---Waits. Raises outside of a task, and for what is no duration.
---
---```lua
---ward.sleep("250ms")
---```
---@param time ward.Duration how long; 0 lets the other tasks that are ready run first
function ward.sleep(time) end

---Starts a function as a task beside this one, which owns it. It runs when this one waits.
---
---```lua
---local t = ward.task(function(host) return ward.run { cmd = { "ping", "-c1", host } } end, "db.example")
---local result, err = t:wait("5s")
---```
---@param fn function what it runs
---@param ... any its arguments
---@return ward.Task task
function ward.task(fn, ...) end

---Runs functions side by side, and waits for all of them, and for tasks in the list. When one fails, the functions of
---this list are cancelled and its error is raised.
---@param list (function|ward.Task)[] at most 10000
---@return any[] results the first result of each, in order
function ward.all(list) end

---Runs functions side by side, and waits for the first of them to end, or of the tasks in the list. The other
---functions of the list are then cancelled. An error of the first one is raised.
---@param list (function|ward.Task)[] at least one, at most 10000
---@return any ... what the first one returned
function ward.race(list) end

---Runs a function as a task for at most so long, and then cancels it.
---
---```lua
---local lines, err = ward.timeout("2s", function() return ward.fs.read("/srv/state") end)
---```
---@param time ward.Duration the longest time
---@param fn function what it runs
---@param ... any its arguments
---@return any ... what the function returned; `nil` and a *ward.Error* with the code `"timeout"` when it was too slow
function ward.timeout(time, fn, ...) end

---Makes a semaphore, so that at most `n` tasks do something at a time. It can be made while the script loads.
---
---```lua
---local slots = ward.semaphore(2)
---local function fetch(url)
---  local _ <close> = slots:acquire()
---  return ward.run { cmd = { "curl", "-sf", url }, timeout = "1m" }
---end
---```
---@param n integer how many permits there are, 1 to 1000000
---@return ward.Semaphore semaphore
function ward.semaphore(n) end

---A task.
---@class ward.Task
local Task = {}

---Waits for its end, as often as wanted.
---@param timeout? ward.Duration how long to wait; the task goes on when it is over
---@return any ... what its function returned; `nil` and a *ward.Error* with the code `"timeout"` or `"cancelled"`. An
---error of the task is raised.
function Task:wait(timeout) end

---Ends the task and all that it started: its coroutine is closed and its `<close>` variables run. A task may cancel
---itself.
---@return boolean alive whether it had not ended before
function Task:cancel() end

---Whether it has ended.
---@return boolean done
function Task:done() end

---Permits for a number of tasks.
---@class ward.Semaphore
local Semaphore = {}

---Waits for a permit, in order of arrival. It ends with the task, with its `<close>` variable, or by `release`.
---@param timeout? ward.Duration how long to wait
---@return ward.Permit? permit
---@return ward.Error? err the code `"timeout"`
function Semaphore:acquire(timeout) end

---A permit of a semaphore, which gives itself back as a `<close>` variable.
---@class ward.Permit
local Permit = {}

---Gives the permit back; the next task that waits gets it. Again: nothing.
function Permit:release() end
