---@meta _
-- Events

---@class ward
local ward = {}

---Calls a function, as a task, whenever something happens. Within a task the listener ends with the task. A name that
---is nearly one of ward's own events is refused.
---
---```lua
---ward.on("fail", "web-*", function(event)
---  ward.run { cmd = { "notify", event.name, tostring(event.exit and event.exit.code) }, timeout = "10s" }
---end)
---```
---@overload fun(event: ward.EventName|string, fn: fun(event: ward.Event)): ward.Listener
---@param event ward.EventName|string an event of ward's own, or one of the script's
---@param filter string|ward.Service|ward.EventFilter the name of a service, a glob, or a service; may be left out
---@param fn fun(event: ward.Event) what is called
---@return ward.Listener listener
function ward.on(event, filter, fn) end

---Tells an event of the script's own to those who asked for it with `ward.on`, and to `ward events`. Raises for the
---names of ward's own events, and for data that is not plain.
---
---```lua
---ward.emit("deployed", { version = "1.4.2" })
---```
---@param event string its name, at most 128 bytes
---@param data? table<string|number, ward.Plain> fields of the event; `name` is what filters look at
function ward.emit(event, data) end

---A filter as a table.
---@class ward.EventFilter
---@field name? string|ward.Service The name of a service, a glob, or a service.

---What ward itself tells.
---@alias ward.EventName
---| "start" # a service is being started
---| "ready" # a service is ready
---| "exit" # a process of a service has ended
---| "fail" # a service has failed for good
---| "give_up" # a supervisor has seen too many restarts of its children
---| "stop" # a service is to stop
---| "stopped" # a service is down, as it was asked
---| "reload" # another version of the script has taken over
---| "signal" # a signal has come to ward
---| "script_error" # a task has failed; failures of its own listeners are only reported

---An event. One of the script's own has the fields that it was emitted with.
---@class ward.Event
---@field event string Its name.
---@field name? string The service, or the signal without `SIG`.
---@field pid? integer The process of the service, while there is one; of `"exit"`, the one that ended.
---@field exit? ward.Exit Of `"exit"` and `"fail"`, and of others that come of an exit.
---@field message? string Of `"script_error"`: file, line and what went wrong.
---@field at? number When, in seconds since 1970; not of `"script_error"`.

---What `ward.on` and `ward.on_signal` return.
---@class ward.Listener
local Listener = {}

---No call is made any more.
function Listener:cancel() end
