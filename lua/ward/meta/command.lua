---@meta _
-- Commands of a script

---@class ward
local ward = {}

---Declares a verb that `ward do NAME ARGS` calls, as a task. Only while the script loads. What it prints goes to the
---caller, and so does what it returns; an error, or `nil` and an error, is the caller's exit status 1. When the caller
---goes, the task is cancelled.
---
---```lua
---ward.command("scale", { help = "Set the number of workers.", args = { "count" } }, function(count)
---  return workers:resize(math.tointeger(tonumber(count)))
---end)
---```
---@overload fun(name: string, fn: fun(...: string): any)
---@param name string at most 64 letters, digits and `_ . : -`
---@param opts ward.CommandOptions may be left out
---@param fn fun(...: string): any what is called with the arguments
function ward.command(name, opts, fn) end

---Options of `ward.command`.
---@class ward.CommandOptions
---@field help? string One sentence for `ward do --help`.
---Names of the arguments: `"name"`, `"name?"` for one that may be missing, `"name..."` for the rest.
---@field args? string[]
