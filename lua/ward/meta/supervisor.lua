---@meta _
-- Supervisors
-- A supervisor is a group of services and supervisors that restart together or apart, with the semantics of OTP: see
-- supervisor(3erl). One that has given up is a failure for its own supervisor; the outermost one then ends ward with 1.

---@class ward
local ward = {}

---Declares a supervisor. Only while the script loads. Raises at the caller's line when a key is unknown, missing or
---wrong, and when a child is already somebody else's.
---
---```lua
---return ward.supervisor {
---  name = "app", strategy = "rest_for_one", intensity = { 5, within = "1m" },
---  children = { db, ward.supervisor { name = "fleet", children = { web1, web2 } } },
---}
---```
---@param spec ward.SupervisorSpec the keys
---@return ward.Supervisor supervisor it cannot be changed
function ward.supervisor(spec) end

---A declared supervisor.
---@class ward.Supervisor
---@field name string Its name.

---The keys of a supervisor.
---@class ward.SupervisorSpec
---As a service's name; unique in the script.
---(string; required)
---@field name string
---Services, supervisors and pools, in order of start; each can be in one place only.
---(list of services and supervisors; required)
---@field children (ward.Service|ward.Supervisor|ward.Pool)[]
---What else restarts when one child exits: nothing, all children, or those after it. What restarts together stops at
---once, in reverse order, and starts in order when all of it is down.
---("one_for_one", "one_for_all" or "rest_for_one"; default: "one_for_one")
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one"
---More restarts of its children within this time are too many: then it stops them all and gives up. A restart of a
---group counts once; one by hand does not.
---(table { n, within = }; default: unlimited)
---@field intensity? ward.Intensity
---Whether the end of one or of all of its significant children is its own.
---("never", "any_significant" or "all_significant"; default: "never")
---@field auto_shutdown? "never"|"any_significant"|"all_significant"
---Whether its own end counts for `auto_shutdown` of the supervisor above. Not with `restart = "always"`.
---(boolean; default: false)
---@field significant? boolean
---Whether the supervisor above starts it again when it has given up, or has shut itself down; a table gives the
---delays.
---(condition or table; default: "always")
---@field restart? ward.Condition|ward.Restart
---Longest time that its stop may take; what is left then is killed.
---(duration; default: unlimited)
---@field shutdown? ward.Duration
---Of the outermost one: ward goes on when it has given up, with everything stopped, and can be told to start it
---again.
---(boolean; default: false)
---@field stay? boolean
