-- What a declared service can be told to do while the script runs: service:start(), stop(), restart(), signal(),
-- status(); and pools, which start and stop members of a template.

local failure <const> = require "ward.script.failure"
local scheduler <const> = require "ward.script.scheduler"
local signals <const> = require "ward.schema.signals"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local TIMEOUT <const> = scheduler.TIMEOUT

-- One command, answered when the service has got there.
local function command(self, at, what, op, name, timeout)
  local current <const> = self.scheduler:need(at, what)
  local deadline <const> = tasks.deadline(self.scheduler, at, what, timeout)
  self.scheduler:may_wait(at, what)
  self.serial = self.serial + 1
  local id <const> = self.serial
  local waiting <const> = { task = current }
  self.waiting[id] = waiting
  -- The order stands when the task ends; only the answer is not wanted any more.
  self.scheduler:own(current, waiting, function()
    self.waiting[id] = nil
    self.request("cancel", id)
  end)
  local ok, err = self.request("command", id, op, name)
  if ok and not waiting.done and self.scheduler:park(at, what, deadline) == TIMEOUT then
    ok, err = nil, { code = "timeout", message = ('service "%s": not done within the time'):format(name) }
    self.request("cancel", id)
  elseif ok then
    ok, err = waiting.ok, waiting.err
  end
  self.waiting[id] = nil
  self.scheduler:disown(current, waiting)
  if not ok then return failure.from(err) end
  return true
end

--- The answer to a command.
local function commanded(self, id, ok, err)
  local waiting <const> = self.waiting[id]
  if waiting then
    waiting.done, waiting.ok, waiting.err = true, ok, err
    self.scheduler:wake(waiting.task)
  end
end

-- Pools ---------------------------------------------------------------------------------------------------

local function members(self, pool)
  local wanted, spare = {}, {}
  for _, name in ipairs(pool.names) do
    local list <const> = self.request("service", name).desired == "up" and wanted or spare
    list[#list + 1] = name
  end
  return wanted, spare
end

-- Runs one change of a pool at a time; the others wait their turn.
local function exclusive(self, at, what, pool, change)
  self.scheduler:need(at, what)
  self.scheduler:may_wait(at, what)
  while pool.busy and pool.busy.state ~= "done" do
    pool.queue[#pool.queue + 1] = self.scheduler.current
    self.scheduler:park(at, what)
  end
  local current <const> = self.scheduler.current
  pool.busy = current
  local baton <const> = {}
  local function pass()
    if pool.busy == current then pool.busy = nil end
    local queue <const> = pool.queue
    pool.queue = {}
    for _, task in ipairs(queue) do self.scheduler:wake(task) end
  end
  self.scheduler:own(current, baton, pass)
  local ok <const>, err <const> = change()
  self.scheduler:disown(current, baton)
  pass()
  return ok, err
end

-- Sends all the commands before it waits for the first answer.
local function each(self, at, what, op, names)
  local failed
  local jobs = {}
  for i, name in ipairs(names) do
    jobs[i] = self.scheduler:start(function()
      local ok <const>, err <const> = command(self, at, what, op, name)
      if not ok then failed = failed or err end
    end, self.scheduler.current)
  end
  for _, job in ipairs(jobs) do self.await(at, what, job) end
  if failed then return nil, failed end
  return true
end

local function resize(self, at, pool, size)
  local what <const> = "pool:resize"
  self.scheduler:need(at, what)
  tasks.argument(at, what, value.integer, "the size", size, pool.min, pool.max)
  return exclusive(self, at, what, pool, function()
    local wanted <const>, spare <const> = members(self, pool)
    if size > #wanted then return each(self, at, what, "start", table.move(spare, 1, size - #wanted, 1, {})) end
    local names = {}
    for i = #wanted, size + 1, -1 do names[#names + 1] = wanted[i] end
    return each(self, at, what, "stop", names)
  end)
end

-- One by one, by the supervisor: it goes on when the task or the script ends.
local function roll(self, at, pool)
  return exclusive(self, at, "pool:roll", pool, function()
    return command(self, at, "pool:roll", "roll", pool.name)
  end)
end

--- The methods of one generation's services and pools.
---@param scheduler_ ward.script.Scheduler
---@param host table request, located
---@return table kit service: name -> method(service, ...); pool: fn(pool) -> methods of pool.value; commanded:
---  fn(id, ok, err)
function M.new(scheduler_, host)
  local located <const> = host.located
  local self <const> = { scheduler = scheduler_, request = host.request, waiting = {}, serial = 0 }
  function self.await(at, what, task)
    task.waiters = task.waiters or {}
    task.waiters[scheduler_.current] = true
    while task.state ~= "done" do scheduler_:park(at, what) end
  end

  local function name_of(at, what, service)
    local name <const> = host.service_name(service)
    if not name then error(("%s: %s: call it with a colon, on a service"):format(at, what), 0) end
    return name
  end

  local methods <const> = {}
  for _, op in ipairs { "start", "stop", "restart" } do
    methods[op] = located(function(at, service, timeout)
      local what <const> = "service:" .. op
      return command(self, at, what, op, name_of(at, what, service), timeout)
    end)
  end
  methods.status = located(function(at, service)
    scheduler_:need(at, "service:status")
    return self.request("service", name_of(at, "service:status", service))
  end)
  methods.signal = located(function(at, service, signal)
    local what <const> = "service:signal"
    scheduler_:need(at, what)
    local name <const> = name_of(at, what, service)
    local ok <const>, err <const> = self.request("signal_service", name,
      tasks.argument(at, what, signals.check, "the signal", signal))
    if not ok then return failure.from(err) end
    return true
  end)

  local function pool_methods(pool)
    pool.queue = {}
    local function method(name, fn)
      return located(function(at, given, ...)
        if given ~= pool.value then error(("%s: pool:%s: call it with a colon, on the pool"):format(at, name), 0) end
        return fn(at, ...)
      end)
    end
    return {
      resize = method("resize", function(at, size) return resize(self, at, pool, size) end),
      roll = method("roll", function(at) return roll(self, at, pool) end),
      size = method("size", function(at)
        scheduler_:need(at, "pool:size")
        return #members(self, pool)
      end),
    }
  end

  return {
    service = methods, pool = pool_methods,
    commanded = function(...) commanded(self, ...) end,
  }
end

return M
