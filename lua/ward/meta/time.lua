---@meta _
-- Timers and clock

---@class ward
local ward = {}

---Seconds of a clock that never jumps and has no meaning but its differences (CLOCK_MONOTONIC, see clock_gettime(2)).
---The time of day is `os.time()`.
---@return number seconds
function ward.now() end

---Calls a function once, as a task, after a time. While the script loads it is a declaration, and the time begins
---when the script runs; within a task the timer ends with the task.
---
---```lua
---ward.after("5s", function() print("five seconds later") end)
---```
---@param time ward.Duration how long
---@param fn fun() what is called
---@return ward.Timer timer
function ward.after(time, fn) end

---Calls a function again and again, as a task, on a grid that does not drift. While a call goes on the next ones are
---left out, and late ones are not made up for. Where it may stand and what ends it is as of `ward.after`.
---
---```lua
---ward.every("1m", { immediate = true }, function()
---  local r, err = ward.run { cmd = { "df", "-P", "/srv" }, timeout = "10s" }
---  print(r and r.stdout or err)
---end)
---```
---@overload fun(time: ward.Duration, fn: fun()): ward.Timer
---@param time ward.Duration the period, at least 1 ms
---@param opts ward.EveryOptions may be left out
---@param fn fun() what is called
---@return ward.Timer timer
function ward.every(time, opts, fn) end

---Options of `ward.every`.
---@class ward.EveryOptions
---@field immediate? boolean Whether the first call is made at once instead of after the first period.

---A timer of `ward.after` or `ward.every`.
---@class ward.Timer
local Timer = {}

---Ends the timer; a call that goes on is not touched.
function Timer:cancel() end
