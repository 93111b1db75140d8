-- `ward run`: one supervisor on one instance, from the lock to the last orphan.

local agent <const> = require("ward.service.agent")
local core <const> = require("ward.core")
local cgroups <const> = require("ward.service.cgroups")
local console <const> = require("ward.service.console")
local control <const> = require("ward.service.control")
local driver <const> = require("ward.service.driver")
local events <const> = require("ward.service.history")
local journal <const> = require("ward.service.journal")
local keep <const> = require("ward.service.keep")
local last_good <const> = require("ward.service.last_good")
local load <const> = require("ward.service.load")
local logs <const> = require("ward.service.logs")
local paths <const> = require("ward.service.paths")
local reload <const> = require("ward.service.reload")
local sources_watch <const> = require("ward.service.sources")
local succession <const> = require("ward.service.succession")

local M <const> = {}

local EAGAIN <const> = 11

-- How long after the last service its orphans (daemonised grandchildren) have to be gone, and how often we look.
local SWEEP_SECONDS <const>, SWEEP_EVERY <const> = 5, 0.02

-- The lock says who holds it; its file may still be empty in the moment after it was taken.
local function taken_by(lock_path)
  local text = core.read(lock_path, 32)
  return text and text:match("^(%d+)")
end

-- The directory and the lock of an instance: what makes it ours.
---@param kept integer? the lock's descriptor, when a supervisor before this one has left it
local function claim(instance, kept)
  local place, message = paths.runtime(instance)
  if not place then
    return nil, message
  end
  local ok
  ok, message = paths.claim(place, "runtime directory")
  if not ok then
    return nil, message
  end
  local lock, err = core.lock(place.lock, { adopt = kept })
  if lock then
    place.held = lock
    return place
  elseif err.errno ~= EAGAIN then
    return nil, ("cannot lock instance %q: %s"):format(instance, err.message)
  end
  local pid = taken_by(place.lock)
  pid = pid and core.stat("/proc/" .. pid) and pid -- not the holder before this one
  return nil, ("instance %q is already supervised by %s"):format(instance, pid and "pid " .. pid or "another ward")
end

local function names_of(specs)
  local names = {}
  for i, spec in ipairs(specs) do
    names[i] = spec.name
  end
  return names
end

-- How the terminal is used: log lines go to stdout, state lines to stderr. Only state lines get our colours: a log
-- line is the service's, and may have its own.
local function make_look(specs, quiet)
  local no_colour = core.getenv("NO_COLOR")
  local coloured = no_colour == nil or no_colour == ""
  return {
    width = console.width(names_of(specs)),
    echo = not quiet and core.out(1) or nil,
    err = core.out(2),
    tty_out = core.isatty(1),
    colour = coloured and core.isatty(2),
  }
end

---@class ward.service.Supervisor what the parts of a running supervisor share
local Supervisor <const> = {}
Supervisor.__index = Supervisor

function Supervisor:say(name, text, mood)
  local look = self.look
  look.err:write(console.line(core.localtime(core.time()), name, text,
    { width = look.width, colour = look.colour, mood = mood }))
end

function Supervisor:internal_error(what, trace)
  self:say("ward", "internal error in " .. what, "bad")
  self.look.err:write(trace .. "\n")
end

local SHUTDOWN_LINES <const> = {
  "stopping %d %s (%s; again to hurry)",
  "hurrying %d %s (%s; again to kill)",
  "killing %d %s (%s)",
}

function Supervisor:event(event)
  if event.type == "shutdown" then
    if event.reason then
      self.stopped_by = console.because(event.reason)
    end
    if event.live == 0 then
      return self:say("ward", ("stopping (%s)"):format(self.stopped_by), "warn")
    end
    local line = SHUTDOWN_LINES[math.min(event.level, #SHUTDOWN_LINES)]
    return self:say("ward", line:format(event.live, event.live == 1 and "service" or "services", self.stopped_by),
      "warn")
  end
  local text, mood = console.event(event)
  if text then
    self:say(event.name, text, mood)
  end
end

--- The script's part is over until a reload brings another one; the services go on under the engine's default rules.
---@param because string
function Supervisor:quarantine(because)
  self.quarantined = { at = core.time(), because = because }
  self.history:add({ event = "quarantine", message = because })
  self:say("ward", ("the script is quarantined, its services go on without it; ward reload brings it back: %s")
    :format(because), "bad")
end

-- After the last service come the script's tasks and their children.
function Supervisor:quit(code)
  self.code = code
  self.agent:stop(function()
    self:sweep()
  end)
end

-- What services left behind belongs to us as subreaper. Kill it, wait for it, then leave.
function Supervisor:sweep()
  local deadline = core.now() + SWEEP_SECONDS
  local sweep
  sweep = core.timer(function()
    local left = core.orphans() + self.cgroups:sweep()
    if left > 0 and core.now() < deadline then
      core.kill_orphans()
      sweep:arm(core.now() + SWEEP_EVERY)
      return
    elseif left > 0 then
      self:say("ward", ("%d orphaned %s could not be killed"):format(left, left == 1 and "process" or "processes"),
        "bad")
    end
    sweep:close()
    core.stop()
  end)
  sweep:arm(core.now())
end

-- Signals of the supervisor itself.
function Supervisor:watch_signals()
  local function stop(name)
    return core.signal(name, function()
      self.stopped_by = "SIG" .. name
      self.agent:signalled(name)
      self.driver:post({ kind = "shutdown" })
    end)
  end
  self.signals = {
    stop("TERM"), stop("INT"), stop("QUIT"), self.hangup,
  }
end

-- SIGHUP, from the very beginning: one that comes while the script is loaded is a reload as soon as there is a loop.
-- The other signals end a start as they end any program.
local function watch_hangup()
  local watch <const> = {}
  watch.handle = core.signal("HUP", function()
    local self <const> = watch.supervisor
    if self then
      self.agent:signalled("HUP")
      self.reloader:by_itself({ restart = true }, "SIGHUP")
    end
  end)
  return watch
end

function Supervisor:listen(place, kept)
  local on = self.control
  return core.listen(place.socket, {
    max_line = control.MAX_LINE,
    line = function(conn, line)
      on:line(conn, line)
    end,
    oversize = function(conn)
      on:oversize(conn)
    end,
    drained = function(conn)
      on:drained(conn)
    end,
    closed = function(conn)
      on:closed(conn)
    end,
  }, { adopt = kept })
end

local function hooks_of(self)
  local function internal_error(what, trace)
    self:internal_error(what, trace)
  end
  return {
    internal_error = internal_error,
    event = function(event)
      self:event(event)
      self.agent:tell(event, self.driver.specs[event.name])
    end,
    ask = function(name, calls, exit, history, told)
      self.agent:ask(name, calls, exit, history, told)
    end,
    reply = function(token, reply)
      if not self.agent:reply(token, reply) and not self.reloader.roll:reply(token, reply) then
        self.control:reply(token, reply)
      end
    end,
    quit = function(code)
      self:quit(code)
    end,
    note = function(name, text)
      self:say(name, text, "warn")
    end,
  }
end

-- Tasks of the script run from here on. What their children say goes to a log of their own.

local function new_agent(self, script, carried)
  local log = self.logs[logs.SCRIPT]
  return agent.new(script, {
    cgroups = self.cgroups, driver = self.driver,
    keep = self.keep, history = self.history, journal = self.journal,
    roll = function(name, answer)
      return self.reloader.roll:all(name, answer)
    end,
    say = function(text, mood)
      for line in (text .. "\n"):gmatch("(.-)\n") do
        self:say("script", (line:gsub("\t", "    ")), mood)
      end
    end,
    report = function(message)
      self:say("script", message, "bad")
    end,
    failed = function(err, over)
      if over then
        self:quarantine(err.message)
      end
      self.reloader:offence(err, over)
    end,
    log = function()
      local err
      if not log then
        log, err = self.open_log(logs.SCRIPT)
        self.logs[logs.SCRIPT] = log
      end
      return log, not log and err or nil
    end,
  }, carried)
end

local function new_reloader(self, bundle, place, internal_error)
  return reload.new({
    path = bundle.path, driver = self.driver, keep = self.keep, last_good = last_good.file(place.dir),
    journal = self.journal, internal_error = internal_error,
    say = function(text, mood)
      self:say("ward", text, mood)
    end,
    open_logs = function(specs)
      self.look.width = math.max(self.look.width, console.width(names_of(specs)))
      local opened, files = logs.open(specs, self.open_log, self.logs)
      for name, file in pairs(opened and files or {}) do
        self.log_files[name] = file
      end
      return opened, files
    end,
    new_agent = function(script, carried)
      return new_agent(self, script, carried)
    end,
    swap = function(fresh)
      local former = self.agent
      former:withdraw()
      self.agent, self.quarantined = fresh, nil
      return former
    end,
    shutting_down = function()
      return self.driver:shutting_down()
    end,
  }, bundle, self.handed_on.generation)
end

local function new_control(self, bundle, options, internal_error)
  return control.new({
    driver = self.driver, reloader = self.reloader,
    info = { instance = options.instance, script = bundle.path, since = self.since, log_files = self.log_files },
    history = self.history,
    quarantined = function()
      return self.quarantined
    end,
    agent = function()
      return self.agent
    end,
    shutting_down = function(by)
      self.stopped_by = by
    end,
    internal_error = internal_error,
  })
end

-- Everything ends, in the order in which it may.
local function close(self, place, server)
  self.reloader:close()
  self.agent:close()
  for _, handle in ipairs(self.signals) do
    handle:close()
  end
  self.driver:close()
  self.cgroups:close()
  self.journal:remove()
  -- The lock goes first: a client that sees its connection end may start the next supervisor at once.
  place.held:close()
  server:close()
end

-- Either everything starts, or what a supervisor before this one has left goes on.
local function begin(self, bundle)
  self.journal:begin(self.driver.state, bundle.services, bundle.tree)
  if not bundle.found then
    self.agent:start()
    self.driver:post({ kind = "boot" })
    return self.reloader:remember()
  end
  self.driver:adopt(bundle.found)
  core.adopted()
  self:quarantine(bundle.because)
  self.driver:go_on(bundle.found)
  local pools <const> = {}
  for _, pool in pairs(bundle.found.rolls) do
    pools[#pools + 1] = pool
  end
  self.reloader.roll:start(pools)
end

local function supervise(self, bundle, place, options)
  local found <const> = bundle.found
  local hooks = hooks_of(self)
  self.cgroups = cgroups.new(options.instance)
  self.driver = driver.new(bundle.all or bundle.services, {
    plans = bundle.plans, stops = bundle.stops, logs = self.logs, cgroups = self.cgroups, tree = bundle.tree,
    seed = math.floor(core.time() * 1e6) ~ core.pid, state = found and found.state, journal = self.journal,
  }, hooks)
  self.reloader = new_reloader(self, bundle, place, hooks.internal_error)
  self.control = new_control(self, bundle, options, hooks.internal_error)
  local server, err = self:listen(place, found and found.own.server)
  if not server then
    return nil, err.message
  end
  self.handed_on.server, self.handed_on.lock = server:handover(), place.held:handover()
  self:watch_signals()
  self.agent = new_agent(self, bundle.script)
  begin(self, bundle)
  local sources = options.watch and sources_watch.new(self.reloader)
  core.run()
  if sources then
    sources:close()
  end
  close(self, place, server)
  return self.code
end

---@class ward.service.Options
---@field script string
---@field instance string a valid name (paths.is_instance)
---@field quiet boolean? no log lines on stdout
---@field watch boolean? reload when a source changes
---@field last_good boolean? start from the sources that worked last when those on disk do not load
---@field complain fun(line: string) takes one line for stderr

-- The script as it is on disk, or, when it does not load and that is wanted, as it worked last.
local function load_script(options)
  local place <const> = paths.runtime(options.instance)
  local kept <const> = place and last_good.read(last_good.file(place.dir), options.script)
  local bundle <const>, errors = (kept and load.bundle_apart or load.bundle)(options.script)
  if bundle or not kept then
    return bundle, errors
  end
  local at = os.date("%Y-%m-%d %H:%M:%S", math.floor(kept.at))
  if not options.last_good then
    errors[#errors + 1] = ("the sources that worked last are those of %s: ward run --last-good starts them"):format(at)
    return nil, errors
  end
  for _, line in ipairs(errors) do
    options.complain(line)
  end
  options.complain(("%s does not load: starting the sources that worked last, those of %s"):format(options.script, at))
  return load.bundle(options.script, kept.sources)
end

-- What is to be supervised: what the script declares, or what a supervisor before this one has left.
local function load_all(options, place)
  local handed <const> = core.handover()
  if handed then
    local bundle <const>, message = succession.read(handed, place.dir, options.complain)
    if bundle then
      bundle.because = succession.because(handed)
    end
    return bundle, { message }
  end
  local bundle, errors = load_script(options)
  if not bundle then
    return nil, errors
  end
  local plans <const>, stops <const> = load.plans(bundle.services)
  bundle.plans, bundle.stops = plans, stops
  return plans and bundle, stops
end

--- Supervises what a script declares until it is told to stop.
---@param options ward.service.Options
---@return integer code exit status
function M.run(options)
  local function refuse(lines)
    for _, line in ipairs(lines) do
      options.complain(line)
    end
    return 1
  end
  local planned <const> = paths.runtime(options.instance) -- whether it can be ours, claim says
  local started <const>, shortage = core.start({ journal = planned and planned.journal })
  if not started then
    return refuse({ shortage.message })
  end
  local hangup <const> = watch_hangup()
  local bundle, errors = load_all(options, planned)
  if not bundle then
    return refuse(errors)
  end
  local found <const> = bundle.found
  local place, message = claim(options.instance, found and found.own.lock)
  if not place then
    return refuse({ message })
  end
  local look = make_look(bundle.services, options.quiet)
  local self <const> = setmetatable({
    look = look, code = 1, stopped_by = "shutdown", history = events.new(),
    since = found and found.own.since or core.now(), hangup = hangup.handle,
  }, Supervisor)
  self.handed_on = { script = bundle.path, since = self.since, generation = found and found.own.generation or 1 }
  self.journal = journal.new(place.journal, self.handed_on, found, function(text)
    self:say("ward", text, "warn")
  end)
  self.keep = keep.new(found and found.own.keep, function(...)
    self.journal:kept(...)
  end)
  self.handed_on.keep = self.keep.data
  self.open_log = logs.opener(options.instance, look, self.journal, found and found.logs)
  self.logs, self.log_files = logs.open(bundle.all or bundle.services, self.open_log)
  if not self.logs then
    return refuse({ self.log_files })
  elseif found and found.logs[logs.SCRIPT] then
    self.logs[logs.SCRIPT] = self.open_log(logs.SCRIPT)
  end
  local code
  hangup.supervisor = self
  code, message = supervise(self, bundle, place, options)
  return code or refuse({ message })
end

return M
