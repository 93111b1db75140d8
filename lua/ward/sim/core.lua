-- A stand-in for the C core (ward.core): a clock that moves when it is told to, and processes that do what a test
-- says. ward's own driver and agent run over it, so that what they do, and in which order, is what ward does.

local children <const> = require "ward.sim.children"
local heap <const> = require "ward.script.heap"
local script <const> = require "ward.sim.script"
local value <const> = require "ward.schema.value"

local M <const> = {}

local FIRST_PID <const> = 1001

-- So much within one moment is a loop that never waits.
local MAX_AT_ONCE <const> = 100000

---@class ward.sim.Book what is known of a service and to be done with it
---@field starts integer
---@field signals string[] sent to its processes so far
---@field proc ward.sim.Process? the one that is launched or runs
---@field held boolean? its starts take time
---@field failure string? of its next start
---@field ignores table<string, true> signals that its processes do not react to; "all": any signal

---@class ward.sim.Process
---@field pid integer? while its program runs
---@field began number when it was launched
local Process <const> = {}
Process.__index = Process

---@class ward.sim.Core
---@field clock number
---@field books table<string, ward.sim.Book>
---@field records table[] of the children of tasks, in the order of their launch
---@field printed string[] lines of the script
---@field on_signal table<string, fun()> what waits for signals to ward itself
---@field on_spawn fun(spec: table): table|nil what children of tasks do
---@field faults any[] errors that belong to the test, raised where it can see them
local Core <const> = {}

-- The clock ------------------------------------------------------------------------------------------------

--- Calls fn in a later turn of this moment.
---@param fn fun()
function Core:soon(fn)
  self.due:push({ fire = fn }, self.clock)
end

--- Calls fn when it is time.
---@param seconds number from now
---@param fn fun()
function Core:later(seconds, fn)
  self.due:push({ fire = fn }, self.clock + seconds)
end

--- Moves the clock and does all that is due up to then, in order.
---@param target number
function Core:run_until(target)
  local count = 0
  while #self.faults == 0 do
    local item <const> = self.due:due(target)
    if not item then break end
    count = count + 1
    if item.at > self.clock then self.clock, count = item.at, 1 end
    if count > MAX_AT_ONCE then
      value.fail("", ("more than %d things happen at %gs: something goes round without waiting"):format(MAX_AT_ONCE,
        self.clock))
    end
    item:fire()
  end
  self.clock = math.max(self.clock, target)
end

-- Processes ------------------------------------------------------------------------------------------------

local function next_pid(self)
  self.last_pid = self.last_pid + 1
  return self.last_pid
end

--- Ends the process.
---@param exit table kind, and code, signal or message
function Process:finish(exit)
  local core <const> = self.core
  if self.over then return end
  self.over = true
  exit.pid, exit.uptime, exit.at = self.pid or self.child_pid, core.clock - self.began, core.wall()
  exit.rusage = { user = 0, system = 0, maxrss = 0 }
  if exit.kind == "signaled" then exit.core = exit.core or false end
  if self.ended then self.ended(exit) end
  core:soon(function() self.handlers.exit(exit) end)
end

--- Lets the program run.
function Process:run()
  if self.over or self.pid then return end
  self.pid = self.child_pid
  self.core:soon(function()
    if self.over then return end
    self.handlers.started(self.pid)
  end)
end

--- Makes the launch fail, as a step before exec does.
---@param message string
function Process:fail(message)
  self:finish { kind = "spawn_failed", stage = "exec", errno = 2, message = message }
end

function Process:signal(name)
  local seen <const> = self.signals
  seen[#seen + 1] = name
  local ignores <const> = self.ignores
  if not (ignores and (ignores[name] or ignores.all)) then self:finish { kind = "signaled", signal = name } end
  return true
end

Process.stop = Process.signal
function Process:kill_tree() self:signal("KILL") end

local function new_process(self, handlers, fields)
  fields.core, fields.handlers, fields.began, fields.child_pid = self, handlers, self.clock, next_pid(self)
  return setmetatable(fields, Process)
end

local function launch_service(self, name, handlers)
  local book <const> = self.books[name]
  local proc <const> = new_process(self, handlers, {
    signals = book.signals, ignores = book.ignores,
  })
  book.starts, book.proc = book.starts + 1, proc
  function proc.ended() book.proc = nil end
  if book.failure then
    proc:fail(book.failure)
    book.failure = nil
  elseif not book.held then
    proc:run()
  end
  return proc
end

-- Files that are watched -------------------------------------------------------------------------------------

local function add_files(self, machine)
  local versions <const>, watchers <const> = {}, {}

  function self.stat(path)
    local kind <const> = machine.kind(path)
    local version <const> = versions[path] or 0
    if not kind then return nil end
    return { type = kind == "directory" and "dir" or kind, dev = 1, ino = 1, size = 0, mode = 0, mtime = version }
  end

  function self.watch(dir, fn)
    local watcher <const> = { dir = dir, fn = fn }
    watchers[#watchers + 1] = watcher
    return { close = function() watcher.closed = true end }
  end

  -- A file has changed: whoever watches it, or the directory that it is in, hears of it.
  function self.touch(path)
    versions[path] = (versions[path] or 0) + 1
    local dir <const>, name <const> = path:match("^(.*)/([^/]+)$")
    for _, watcher in ipairs(watchers) do
      if not watcher.closed and watcher.dir == (dir == "" and "/" or dir) then
        self:soon(function()
          if not watcher.closed then watcher.fn("changed", name) end
        end)
      end
    end
  end
end

-- The functions of ward.core ---------------------------------------------------------------------------------

local Timer <const> = {}
Timer.__index = Timer

function Timer:arm(at)
  self.core.due:remove(self)
  self.core.due:push(self, at)
end

function Timer:disarm() self.core.due:remove(self) end
Timer.close = Timer.disarm

local function add_functions(core, options)
  function core.now() return core.clock end
  function core.wall() return options.time + core.clock end
  core.time = core.wall
  function core.timer(fn) return setmetatable({ core = core, fire = function() fn() end }, Timer) end
  function core.plan(spec) return { spec = spec, close = function() end } end
  function core.launch(plan, handlers)
    if plan.service then return launch_service(core, plan.service, handlers) end
    local proc <const> = new_process(core, handlers, { signals = {} })
    return proc, children.launch(core, proc, plan.spec, core.on_spawn)
  end
  function core.script(path) return script.load(core, path, options) end
  function core.signal(name, fn)
    core.on_signal[name] = fn
    return { close = function() core.on_signal[name] = nil end }
  end
end

--- A core at time 0.
---@param options table on_spawn; machine: as of ward.sim.machine; time: of the wall clock; seed
---@return ward.sim.Core
function M.new(options)
  local self <const> = setmetatable({
    clock = 0, due = heap.new(), last_pid = FIRST_PID - 1, books = {}, records = {}, faults = {}, on_signal = {},
    printed = {}, on_spawn = options.on_spawn,
    machine = options.machine, seed = options.seed,
  }, {
    __index = function(_, key)
      return Core[key] or error(("ward.sim: its core has no %q"):format(tostring(key)), 2)
    end,
  })
  add_functions(self, options)
  add_files(self, options.machine)
  return self
end

return M
