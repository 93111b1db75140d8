---@meta _
-- Pools
-- A pool is a supervisor of equal services, of which as many run as the pool is large.

---@class ward
local ward = {}

---Declares a pool: services of one template, named NAME-1, NAME-2 and so on. Only while the script loads. Raises at
---the caller's line when a key is unknown, missing or wrong.
---
---```lua
---local workers = ward.pool {
---  name = "worker", size = 2, max = 8, cmd = { "/srv/worker" },
---  each = function(i) return { env = { PORT = 8000 + i } } end,
---}
---ward.every("30s", function()
---  local r = ward.run { cmd = { "redis-cli", "llen", "jobs" }, timeout = "5s" }
---  local jobs = r and r.ok and tonumber(r.stdout) or 0
---  workers:resize(math.max(2, math.min(8, jobs // 100)))
---end)
---```
---@param spec ward.PoolSpec the keys of the pool, and of its members
---@return ward.Pool pool a child for supervisors
function ward.pool(spec) end

---The keys of a pool. Those of a service make the template of its members; `significant` is not among them.
---@class ward.PoolSpec: ward.ServiceSpec
---The pool's own name; its members are NAME-1, NAME-2 and so on.
---(string; required)
---@field name string
---How many members run at first, from `min` to `max`.
---(number; default: 1)
---@field size? integer
---The least that `resize` takes.
---(number; default: 0)
---@field min? integer
---The most that `resize` takes, at most 1000.
---(number; default: size)
---@field max? integer
---Called with a member's number, from 1 to `max` + 1, while the script loads; returns keys in which that member
---differs from the template.
---(function; default: none)
---@field each? fun(i: integer): table
---As a supervisor's, over all members.
---(table { n, within = }; default: unlimited)
---@field intensity? ward.Intensity

---A declared pool. Its methods are for tasks, and run one at a time.
---@class ward.Pool
---@field name string Its name.
local Pool = {}

---Makes the pool larger or smaller, and waits until the new members are ready or the surplus ones, the last first,
---are down. Raises when `n` is not between `min` and `max`.
---@param n integer how many members are to run
---@return true? ok
---@return ward.Error? err of the first member that failed
function Pool:resize(n) end

---Replaces every member by a new one, one by one. The new member is ready before the old one goes; when it does not
---get ready, the old one stays and the roll ends.
---
---```lua
---ward.on_signal("USR2", function()
---  local ok, err = workers:roll()
---  if not ok then ward.log("error", "the old workers stay: " .. err.message) end
---end)
---```
---@return true? ok
---@return ward.Error? err of the member that failed
function Pool:roll() end

---How many members are meant to run.
---@return integer n
function Pool:size() end
