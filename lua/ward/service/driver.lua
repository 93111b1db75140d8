-- Turns the engine's effects into core calls, and what the core reports into the engine's events.
-- One queue: an effect that causes an event (a launch that fails at once) never steps the engine inside a step.

local core <const> = require("ward.core")
local engine <const> = require("ward.engine")
local launches <const> = require("ward.service.launches")
local steps <const> = require("ward.service.steps")

local M <const> = {}

-- Seconds between the failure of a launch in this process and its report.
local SHORTAGE_PAUSE <const> = 0.1

---@class ward.service.Driver
---@field plans table<string, userdata> made once a spec; they survive restarts
---@field logs table<string, userdata> only for services that log
---@field forgotten integer how many services are gone for good
---@field procs table<string, userdata> the live process of each service
---@field ran table<string, table> the spec that each was launched with last
---@field degraded table<string, table[]> sandbox steps that failed and were allowed to: { stage, errno, message }
local Driver <const> = {}
Driver.__index = Driver

-- For a driver that nobody is to succeed.
local function nothing()
end

local NO_JOURNAL <const> = { event = nothing, undo = nothing, born = nothing, runs = nothing, done = nothing }

-- Does it want to hear of what it lacks?
local function warns(spec)
  return spec.sandbox ~= nil and spec.sandbox.on_failure == "warn"
end

-- Effect kind -> what to do about it.
local EFFECTS <const> = {}

function EFFECTS.spawn(driver, effect)
  launches.spawn(driver, effect.name)
end

-- A process that is gone already (ESRCH) is on its way to us as an exit; anything else is worth a line.
local ESRCH <const> = 3

function EFFECTS.signal(driver, effect)
  launches.call_off(driver, effect.name, effect.signal)
  local proc = driver.procs[effect.name]
  if proc then
    local ok, err = proc:stop(effect.signal)
    if not ok and err.errno ~= ESRCH then
      driver.hooks.note(effect.name, ("cannot send SIG%s: %s"):format(effect.signal, err.message))
    end
  end
end

function EFFECTS.kill(driver, effect)
  launches.call_off(driver, effect.name, "KILL")
  for _, proc in pairs({ driver.procs[effect.name], driver.helpers[effect.name] }) do
    proc:kill_tree()
  end
end

-- What is to happen when the stop command of a service has ended.
local function command_ran(driver, name)
  return function(exit)
    driver.helpers[name] = nil
    exit.ok = exit.kind == "exited" and exit.code == 0
    driver:post({ kind = "ran", name = name, exit = exit })
  end
end

-- The command of a stop ladder: a child of its own, with all that the service has but its control group.
function EFFECTS.run(driver, effect)
  local name = effect.name
  local ran <const> = command_ran(driver, name)
  local plan = driver.stops[name] -- nil: the ladder is that of a script that was replaced meanwhile
  local proc, err = nil, { message = "it is declared no longer" }
  if plan then
    proc, err = core.launch(plan, { log = driver.logs[name], started = function() end, exit = ran })
  end
  if proc then
    driver.helpers[name] = proc
    driver.journal:born(name, "helper", proc, driver.logs[name])
  else
    ran(launches.failed(err))
  end
end

-- What the script says about an exit. It may be slow, and may never answer: the engine waits only so long.
function EFFECTS.ask(driver, effect)
  local name = effect.name
  if steps.asked(driver, effect) then
    return
  end
  driver.hooks.ask(name, driver.specs[name].calls, effect.exit, effect.history, function(verdict, fault)
    driver:post({ kind = "verdict", name = name, id = effect.id, verdict = verdict, fault = fault })
  end)
end

function EFFECTS.arm(driver, effect)
  local name = effect.name
  local timer = driver.timers[name]
  if not timer then
    timer = core.timer(function()
      driver:post({ kind = "timer", name = name })
    end)
    driver.timers[name] = timer
  end
  timer:arm(effect.at)
end

function EFFECTS.disarm(driver, effect)
  local timer = driver.timers[effect.name]
  if timer then
    timer:disarm()
  end
end

function EFFECTS.reply(driver, effect)
  driver.hooks.reply(effect.token, effect)
end

function EFFECTS.event(driver, effect)
  driver.hooks.event(effect)
  if effect.type == "removed" then
    driver:forget(effect.name)
  end
end

function EFFECTS.quit(driver, effect)
  driver.hooks.quit(effect.code)
end

--- Feeds an event to the engine and carries out what it asks for.
Driver.post = steps.post

--- A launch that failed before there was a process is news of a later turn: the machine is short of something
--- (descriptors, processes, memory), and trying again at once, with a backoff of 0, would leave the loop no turn.
---@param name string
---@param exit table of the failure
function Driver:fail_later(name, exit)
  steps.later(self, SHORTAGE_PAUSE, { kind = "exit", name = name, exit = exit })
end

--- Says which sandbox steps a service runs without, when it asked to be warned.
---@param name string
function Driver:tell_degraded(name)
  for _, failed in ipairs(self.degraded[name] or {}) do
    if failed.stage == "cgroup" then
      self.hooks.note(name, "runs without what it may do without: " .. failed.message)
    elseif self.warns[name] then
      self.hooks.note(name, "runs without a part of its sandbox: " .. failed.message)
    end
  end
end

--- Says where the list of what a service called is.
---@param name string
---@param exit table
function Driver:tell_learned(name, exit)
  local learned = exit.learned
  exit.learned = nil
  if learned then
    self.hooks.note(name, learned.count and ("%d system calls written to %s"):format(learned.count, learned.path)
      or ("cannot write %s: %s"):format(learned.path, learned.message))
  end
end

--- The engine's view of a service, with what the driver knows: uptime of the process.
---@param name string
---@return table? view
function Driver:view(name)
  steps.catch_up(self)
  local view = engine.service(self.state, name)
  if view then
    view.degraded = self.degraded[name]
    local plan <const> = self.plans[name]
    view.landlock_abi = view.pid and not view.stale and plan and plan.landlock and plan:landlock() or nil
  end
  if view and view.pid and self.started[name] then
    view.uptime = core.now() - self.started[name]
  end
  return view
end

--- Why a service is as it is: see ward.engine.why. Times are on the clock of core.now.
---@param name string
---@return table?
function Driver:why(name)
  return engine.why(self.state, name, core.now())
end

--- The tree of supervisors and services: see ward.engine.why.
---@return table root
function Driver:graph()
  return engine.graph(self.state)
end

--- Was it told to stop everything?
---@return boolean
function Driver:shutting_down()
  return self.state.level > 0
end

--- All names in declaration order.
---@return string[]
function Driver:names()
  return self.order
end

--- Whether there is a service of this name that is more than a member that its pool does without.
---@param name string
---@return boolean
function Driver:wants(name)
  local svc <const> = engine.service(self.state, name)
  return svc ~= nil and not svc.dormant
end

--- The names without members of pools that are not wanted.
---@return string[]
function Driver:shown()
  local names = {}
  for _, name in ipairs(self.order) do
    if self:wants(name) then
      names[#names + 1] = name
    end
  end
  return names
end

-- A spec whose functions nobody can call any more.
local function without_calls(spec)
  local copy = {}
  for key, value in pairs(spec) do
    copy[key] = value
  end
  copy.calls, copy.asks = nil, nil
  return copy
end

--- Those that run otherwise than declared, and the specs that they were launched with; false where nobody knows.
---@return table<string, table|false>
function Driver:outdated()
  local list = {}
  for _, svc in ipairs(self.state.services) do
    if svc.stale then
      list[svc.name] = self.ran[svc.name] or false
    end
  end
  return list
end

---@class ward.service.Reload
---@field services table[] all canonical specs
---@field fresh table[] those of them that are others than before
---@field tree table
---@field plans table<string, userdata> of services that are new or changed
---@field stops table<string, userdata> of their stop commands
---@field logs table<string, userdata> of services that had none
---@field stale table<string, boolean>
---@field restart boolean
---@field prune boolean
---@field rolls table<string, boolean> stale ones that are not restarted all the same

-- The names in their new order, and the specs of those that are declared no longer.
local function reorder(driver, services)
  local order, declared, former = {}, {}, {}
  for i, spec in ipairs(services) do
    order[i], declared[spec.name] = spec.name, true
  end
  for _, name in ipairs(driver.order) do
    if not declared[name] then
      order[#order + 1] = name
      former[name] = without_calls(driver.specs[name])
      driver.specs[name] = former[name]
    end
  end
  driver.order = order
  return former
end

-- The engine has not taken a reload: there is what there was. The next one finds what is missing, and adds it.
local function keep_to(driver, services)
  local order, specs = {}, {}
  for i, svc in ipairs(services) do
    order[i], specs[svc.name] = svc.name, driver.specs[svc.name] or svc.spec
  end
  driver.order, driver.specs, driver.tree = order, specs, nil
end

--- Takes over what another version of the script declares.
---@param new ward.service.Reload
function Driver:reload(new)
  for _, spec in ipairs(new.fresh) do
    local name = spec.name
    self.specs[name] = spec
    self.warns[name] = warns(spec)
    if new.plans[name] then
      self.plans[name], self.stops[name] = new.plans[name], new.stops[name]
    end
    self.logs[name] = self.logs[name] or new.logs[name]
  end
  local former = {}
  if new.tree ~= self.tree or #new.services ~= #self.order then
    former, self.tree = reorder(self, new.services), new.tree
  end
  local event <const> = {
    kind = "reload", specs = new.services, fresh = new.fresh, tree = new.tree, former = former, stale = new.stale,
    restart = new.restart, prune = new.prune, rolls = new.rolls,
  }
  self:post(event)
  if event.refused then
    keep_to(self, self.state.services)
  end
end

--- A service is gone for good.
---@param name string
function Driver:forget(name)
  self.forgotten = self.forgotten + 1
  if self.timers[name] then
    self.timers[name]:close()
  end
  if self.logs[name] then
    self.logs[name]:close()
  end
  for _, of in ipairs({ "timers", "logs", "specs", "plans", "stops", "warns", "degraded", "ran" }) do
    self[of][name] = nil
  end
  for at, each in ipairs(self.order) do
    if each == name then
      table.remove(self.order, at)
      break
    end
  end
end

local function nothing_told()
end

--- Takes over the processes that a supervisor before this one has left, and arms the timers.
---@param found ward.service.Succession
function Driver:adopt(found)
  for _, svc in ipairs(self.state.services) do
    self.ran[svc.name] = not svc.stale and self.specs[svc.name] or nil
  end
  for name, facts in pairs(found.procs) do
    launches.adopt(self, name, facts)
  end
  for name, facts in pairs(found.helpers) do
    local it <const> = { log = self.logs[name], plan = self.stops[name], started = nothing_told,
      exit = command_ran(self, name) }
    self.helpers[name] = launches.take_over(self, name, facts, it)
  end
  -- The script's tasks are over, and their children with them.
  for name, facts in pairs(found.tasks) do
    local proc <const> = launches.take_over(self, name, facts, { started = nothing_told, exit = function()
      self.journal:gone(name)
    end })
    if proc then
      proc:kill_tree()
    end
  end
  for name, at in pairs(found.timers) do
    EFFECTS.arm(self, { name = name, at = at })
  end
end

--- Goes on where that supervisor stopped: does what it may not have done. Call it when everything is adopted.
---@param found ward.service.Succession
function Driver:go_on(found)
  for token in pairs(found.state.commands) do
    self:post({ kind = "cancel", token = token }) -- who waited for an answer has lost the connection
  end
  for _, token in ipairs(table.move(found.state.shutdown_tokens, 1, #found.state.shutdown_tokens, 1, {})) do
    self:post({ kind = "cancel", token = token })
  end
  for _, effect in ipairs(found.effects) do
    steps.guarded(self, effect.kind, EFFECTS[effect.kind], self, effect)
  end
  for name, proc in pairs(self.procs) do
    if engine.service(self.state, name).state == "stopping" then
      proc:stop("CONT") -- what it has started must end with it, also from here on
    end
  end
  for _, name in ipairs(found.launch) do
    launches.spawn(self, name)
  end
  for _, name in ipairs(found.lost) do
    self:fail_later(name, { kind = "unknown", uptime = 0, at = core.time() })
  end
  for _, name in ipairs(found.run) do
    steps.guarded(self, "run", EFFECTS.run, self, { name = name })
  end
  for _, svc in ipairs(table.move(self.state.services, 1, #self.state.services, 1, {})) do
    if svc.asking then -- who was asked is there no more
      self:post({ kind = "verdict", name = svc.name, id = svc.asking, fault = "the script does not run" })
    end
  end
end

--- How many services have a process.
---@return integer
function Driver:alive()
  local count = 0
  for _ in pairs(self.procs) do
    count = count + 1
  end
  return count
end

--- Closes what the driver opened. Call it when no process is left.
function Driver:close()
  for _, timer in pairs(self.timers) do
    timer:close()
  end
  for _, log in pairs(self.logs) do
    log:close()
  end
  self.timers, self.logs = {}, {}
end

---@class ward.service.Hooks
---@field event fun(event: table) the engine has something to tell
---@field reply fun(token: any, reply: table) a command is answered
---@field quit fun(code: integer) the engine is done
---@field ask fun(name: string, calls: table, exit: table, history: table, told: fun(verdict: any, fault: string?))
---@field note fun(name: string, text: string) something small went wrong with a service
---@field internal_error fun(what: string, trace: string)

--- A driver over the specs; nothing runs until the boot event is posted.
---@param specs table[] canonical specs
---@param parts { plans: table<string, userdata>, stops: table<string, userdata>, logs: table<string, userdata>,
---  seed: integer?, state: table?, cgroups: table?, tree: table?, journal: ward.service.Journal? } state:
---  of an engine that goes on; it is made from the seed otherwise
---@param hooks ward.service.Hooks
---@return ward.service.Driver
function M.new(specs, parts, hooks)
  local order, warned, by_name = {}, {}, {}
  for i, spec in ipairs(specs) do
    order[i] = spec.name
    by_name[spec.name] = spec
    warned[spec.name] = warns(spec)
  end
  return setmetatable({
    state = parts.state or engine.new(specs, { seed = parts.seed, tree = parts.tree }),
    journal = parts.journal or NO_JOURNAL,
    specs = by_name, cgroups = parts.cgroups, plans = parts.plans, stops = parts.stops or {}, logs = parts.logs,
    hooks = hooks, effects = EFFECTS, helpers = {},
    order = order, warns = warned, tree = parts.tree, forgotten = 0,
    procs = {}, ran = {}, started = {}, degraded = {}, failing = {}, timers = {},
    under_way = 0, line = { first = 1, last = 0 }, in_line = {}, queue = {}, at = 1, draining = false,
  }, Driver)
end

return M
