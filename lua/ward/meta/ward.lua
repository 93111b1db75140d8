---@meta ward
-- Scripts
-- A supervision script is a Lua 5.4 program that begins with `local ward = require "ward"`, declares services and
-- supervisors, and returns the outermost of them; without a returned value those that are nobody's children run.
-- While it loads it only declares, within a CPU budget and a limit of memory. Functions that it puts into its
-- declarations run later, each as a task: see *Tasks*.
--
-- A script has Lua's `math`, `string`, `table`, `utf8`, `coroutine` and of `os` only `clock`, `date`, `difftime`,
-- `getenv` and `time`; no `io`, `debug`, `package`, `dofile` or `loadfile`, and no `__gc`. Globals cannot be made,
-- and reading an undefined one is an error. `print` writes a line of ward's own output. `require` finds modules in
-- the script's directory and in its `lib`, as source text; of ward's own it takes `"ward"`, `"ward.duration"` and
-- `"ward.dotenv"`.
--
-- Mistakes of the programmer raise an error that begins with the file and line of the call; a name that is nearly
-- right is suggested. What goes wrong in the world is returned as `nil` and a *ward.Error*.

---A time: a number of seconds, or a string of numbers with the units `ms`, `s`, `m`, `h` and `d`, such as `"250ms"`,
---`"10s"` or `"1h30m"`. It cannot be negative, and is at most 365 days.
---@alias ward.Duration number|string

---A number of bytes, or a string with a unit of powers of 1024: `"64K"`, `"256M"`, `"1.5G"`, `"2T"`.
---@alias ward.Size integer|string

---A path; one that does not begin with `/` is relative to the directory of the script. At most 4095 bytes.
---@alias ward.Path string

---A signal of signal(7): its name with or without `SIG` in any case (`"TERM"`, `"sighup"`), or its number from 1 to
---31. Real-time signals are not supported.
---@alias ward.Signal string|integer

---Data that can leave the script: a boolean, a number, a string, or a table of these with strings and numbers as
---keys, nested at most 32 deep and without a metatable.
---@alias ward.Plain boolean|number|string|table

---What went wrong in the world, the second result of functions whose first one is then `nil`. `tostring` gives its
---message.
---
---```lua
---local child, err = ward.spawn { cmd = { "backup" } }
---if not child then
---  ward.log("error", "no backup", { why = err.message, stage = err.stage })
---end
---```
---@class ward.Error
---The name of an errno (`"ENOENT"`, see errno(3)), or a word of ward's own: `"timeout"`, `"cancelled"`, `"closed"`,
---`"too_large"`, `"spawn_failed"`, `"failed"`.
---@field code string
---@field message string A sentence for people.
---@field stage? string The step that failed on the way to exec, such as `"cwd"`; `ward explain` lists them.
---@field errno? integer The number of the errno, where a system call has failed.
---@field data? string Of a reader's `read "a"`: what was read until then.
---@field stdout? string Of `ward.run` that has timed out: what the child had written until then.
---@field stderr? string The same of its errors.

---What `require "ward"` gives. It cannot be changed, and reading a field that it does not have is an error.
---@class ward
---@field version string The version of ward, as `ward version` prints it.
local ward = {}

---Says how the script as a whole is to be treated. Only while the script loads, once.
---
---```lua
---ward.settings { prune = true }
---```
---@param settings ward.Settings what is not given is as by default
function ward.settings(settings) end

---@class ward.Settings
---A reload stops services that are declared no longer, as `ward reload --prune` does. Otherwise they go on until
---somebody stops them.
---(boolean; default: false)
---@field prune? boolean

return ward
