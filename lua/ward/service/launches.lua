-- Processes of services: how they are launched, and how those are taken over that a supervisor before this one has
-- launched. What the driver has of them is in its tables: procs, started, degraded.

local core <const> = require("ward.core")
local steps <const> = require("ward.service.steps")

local M <const> = {}

-- Launches under way at once: each holds descriptors and a stack until its program runs, and thousands of them
-- would compete for two processors rather than start sooner.
local MAX_UNDER_WAY <const> = 64

--- The exit of what never was a process.
---@param err table
---@return table exit
function M.failed(err)
  return {
    kind = "spawn_failed", stage = err.stage, errno = err.errno, message = err.message,
    uptime = 0, at = core.time(),
  }
end

-- Two lists as one; nil when both are.
local function together(a, b)
  if not a or not b then
    return a or b
  end
  return table.move(b, 1, #b, #a + 1, table.move(a, 1, #a, 1, {}))
end

-- What a process tells. `lacking`: what it does without since before its program runs; `settle` is called when that
-- runs, or never will.
local function callbacks(driver, name, lacking, settle)
  local it <const> = { log = driver.logs[name] }
  function it.listening() -- on whoever takes over waits the child
    driver.journal:runs(name, nil, it.proc)
  end
  function it.started(pid, degraded)
    local plan <const> = driver.plans[name]
    local lacks <const> = plan and plan.lacks and plan:lacks() or {}
    driver.started[name], driver.degraded[name] = core.now(), together(lacking, degraded)
    if #lacks > 0 then driver.degraded[name] = together(lacks, driver.degraded[name]) end
    driver:tell_degraded(name)
    driver.journal:runs(name, driver.degraded[name], it.proc)
    driver:post({ kind = "started", name = name, pid = pid })
    settle()
  end
  function it.exit(exit)
    if driver.procs[name] == it.proc then
      driver.procs[name], driver.started[name] = nil, nil
    end
    exit.at = exit.at or core.time()
    driver:tell_learned(name, exit)
    steps.exited(driver, name, exit)
    settle()
  end
  return it
end

local launch_waiting

-- Counts what is under way from now until the function that it returns is called for the first time.
local function settler(driver)
  local under_way = true
  driver.under_way = driver.under_way + 1
  return function()
    if under_way then
      under_way = false
      driver.under_way = driver.under_way - 1
      launch_waiting(driver)
    end
  end
end

-- One launch. Until its program runs or it has failed, it is under way and counts.
local function launch(driver, name)
  driver.ran[name] = driver.specs[name]
  local group, no_group, lacking, path
  if not driver.plans[name] then -- of a supervisor that succeeds another one
    return driver:fail_later(name, M.failed({ message = "it cannot be planned any more; see the start of this ward" }))
  elseif driver.cgroups then
    group, no_group, lacking, path = driver.cgroups:group(name, driver.specs[name])
  end
  if no_group then
    return driver:fail_later(name, M.failed(no_group))
  end
  local settle <const> = settler(driver)
  local it <const> = callbacks(driver, name, lacking, settle)
  it.cgroup = group
  local ok, proc, err = pcall(core.launch, driver.plans[name], it)
  if not ok then -- ours; but the engine waits for an answer to every spawn
    driver.hooks.internal_error("launch", tostring(proc))
    proc, err = nil, { message = "internal error: " .. tostring(proc) }
  end
  if proc then
    it.proc, driver.procs[name] = proc, proc
    driver.journal:born(name, "proc", proc, driver.logs[name], path)
  else
    settle()
    driver:fail_later(name, M.failed(err))
  end
end

-- Launches what had to wait, first come, first served. Entries that were called off are passed over.
function launch_waiting(driver)
  local line <const> = driver.line
  while driver.under_way < MAX_UNDER_WAY and line.first <= line.last do
    local entry <const> = line[line.first]
    line[line.first] = nil
    line.first = line.first + 1
    if driver.in_line[entry.name] == entry then
      driver.in_line[entry.name] = nil
      launch(driver, entry.name)
    end
  end
end

--- Launches a service, now or when it is its turn.
---@param driver ward.service.Driver
---@param name string
function M.spawn(driver, name)
  if driver.under_way < MAX_UNDER_WAY then
    return launch(driver, name)
  end
  local line <const>, entry <const> = driver.line, { name = name }
  line.last = line.last + 1
  line[line.last], driver.in_line[name] = entry, entry
end

--- A service that is to stop while its launch waits in line has ended before it began, as of that signal.
---@param driver ward.service.Driver
---@param name string
---@param signal string
function M.call_off(driver, name, signal)
  if driver.in_line[name] then
    driver.in_line[name] = nil
    driver:post({ kind = "exit", name = name,
      exit = { kind = "signaled", signal = signal, core = false, uptime = 0, at = core.time() } })
  end
end

--- Takes over a process. One that cannot be is told as an exit that nobody knows.
---@param driver ward.service.Driver
---@param name string
---@param facts table what the journal says of it
---@param it table callbacks, log and plan as for core.adopt
---@return userdata? proc
---@return boolean running
function M.take_over(driver, name, facts, it)
  for _, key in ipairs({ "pid", "pidfd", "report", "status", "listener", "terminal", "started_at" }) do
    it[key] = facts[key]
  end
  it.cgroup = facts.cgroup and driver.cgroups:adopt(name, facts.cgroup)
  local fine, proc, running = pcall(core.adopt, it)
  if not fine then
    proc, running = nil, { message = "cannot be taken over: " .. tostring(proc) }
  end
  if not proc then
    driver.hooks.note(name, running.message)
    it.exit({ kind = "unknown", pid = facts.pid, uptime = 0, at = core.time() })
    return nil, false
  end
  return proc, running
end

--- Takes over the process of a service.
---@param driver ward.service.Driver
---@param name string
---@param facts table what the journal says of it
function M.adopt(driver, name, facts)
  local settle <const> = settler(driver)
  local it <const> = callbacks(driver, name, nil, settle)
  it.plan = driver.plans[name]
  local proc <const>, running <const> = M.take_over(driver, name, facts, it)
  it.proc, driver.procs[name] = proc, proc
  if running then
    driver.started[name], driver.degraded[name] = facts.started, facts.degraded
    settle()
  end
end

return M
