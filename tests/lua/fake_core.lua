-- A stand-in for ward.core: a clock that moves when told, processes that die when told, files in a table.
-- Install it before the first require of what is tested: package.loaded["ward.core"] = fake.new().

local M <const> = {}

local function failure(errno, message)
  local err = { errno = errno, message = message }
  return setmetatable(err, { __tostring = function() return message end })
end

M.failure = failure

local function add_clock(core)
  core.clock = 100
  core.timers = {}
  function core.now() return core.clock end
  function core.time() return 1700000000 + core.clock end
  function core.localtime() return "12:00:00" end
  function core.sleep(seconds)
    core.clock = core.clock + seconds
    if core.on_sleep then core.on_sleep() end
  end
  function core.timer(fn)
    local timer = { fn = fn }
    function timer:arm(at) self.at = at end
    function timer:disarm() self.at = nil end
    function timer:close() self.at, self.closed = nil, true end
    table.insert(core.timers, timer)
    return timer
  end
  --- Moves the clock and fires what is due, in order.
  function core.advance(seconds)
    local target = core.clock + seconds
    while true do
      local due
      for _, timer in ipairs(core.timers) do
        if timer.at and timer.at <= target and (not due or timer.at < due.at) then due = timer end
      end
      if not due then break end
      core.clock = math.max(core.clock, due.at)
      due.at = nil
      due.fn()
    end
    core.clock = target
  end
end

local function add_files(core)
  core.files = {} -- path -> { type, mode, uid, text }
  function core.stat(path)
    local file = core.files[path]
    if not file then return nil, failure(2, "No such file or directory") end
    return { type = file.type or "file", mode = file.mode or 384, uid = file.uid or core.uid,
      size = #(file.text or ""), ino = file.ino or 1, dev = 1 }
  end
  function core.mkdir(path, mode)
    if core.files[path] then return nil, failure(17, "File exists") end
    local parent = path:match("^(.*)/[^/]*$")
    if parent ~= "" and not core.files[parent] then return nil, failure(2, "No such file or directory") end
    core.files[path] = { type = "dir", mode = mode }
    return true
  end
  function core.read(path)
    local file = core.files[path]
    if not file then return nil, failure(2, "No such file or directory") end
    return file.text or ""
  end
  function core.open(path)
    local opened, pos = core.files[path], 0
    if not opened then return nil, failure(2, "No such file or directory") end
    local file = {}
    function file.read(_, n)
      local part = opened.text:sub(pos + 1, pos + n)
      pos = pos + #part
      core.most_read = math.max(core.most_read or 0, n)
      return part
    end
    function file.seek(_, to) pos = to return true end
    function file.stat() return { size = #opened.text, ino = opened.ino or 1, dev = 1 } end
    function file.close() end
    return file
  end
  function core.access_x(path) return (core.files[path] or {}).x == true end
  function core.lock(path)
    if core.files[path] and core.files[path].locked then return nil, failure(11, "locked") end
    core.files[path] = { locked = true, text = core.pid .. "\n" }
    local lock = {}
    function lock.close() core.files[path].locked = nil end
    function lock.handover() return 8 end
    return lock
  end
end

local function add_processes(core)
  core.launched = {} -- in order; each has name, handlers, signals
  core.refuse = {} -- plan name -> error of launch
  core.next_pid = 1000
  function core.plan(spec)
    return { name = spec.name, spec = spec, lacks = function() return {} end }
  end
  function core.launch(plan, handlers)
    if core.refuse[plan.name] then return nil, core.refuse[plan.name] end
    core.next_pid = core.next_pid + 1
    local proc = { name = plan.name, pid = core.next_pid, handlers = handlers, signals = {} }
    function proc:signal(name)
      table.insert(self.signals, name)
      return true
    end
    function proc:stop(name) return self:signal(name) end
    function proc:kill_tree() table.insert(self.signals, "tree") end
    function proc:handover() return { pid = self.pid } end
    function proc:up() self.handlers.started(self.pid) end
    function proc:exit(exit)
      self.dead = true
      exit.pid, exit.uptime = self.pid, exit.uptime or 1
      self.handlers.exit(exit)
    end
    table.insert(core.launched, proc)
    return proc
  end
  --- The newest process of a service.
  function core.proc(name)
    for i = #core.launched, 1, -1 do
      if core.launched[i].name == name then return core.launched[i] end
    end
  end
  core.orphan_count, core.orphan_kills = 0, 0
  function core.orphans() return core.orphan_count end
  function core.kill_orphans()
    core.orphan_kills = core.orphan_kills + 1
    core.orphan_count = 0
  end
end

local function add_terminal(core)
  core.written = { [1] = "", [2] = "" }
  function core.write(fd, text)
    core.written[fd] = core.written[fd] .. text
    return true
  end
  function core.out(fd)
    local writer = {}
    function writer.write(_, text) core.write(fd, text) end
    return writer
  end
  function core.isatty() return false end
  function core.columns() return nil end
end

--- A connection that remembers what was sent to it.
function M.conn()
  local conn = { sent = {} }
  function conn:send(text) table.insert(self.sent, text) return true end
  function conn:close() self.closed = true end
  return conn
end

--- A fresh core. `core.play` runs inside core.run.
---@param env table<string, string>|nil
function M.new(env)
  local core = { version = "0.1.0", pid = 77, uid = 1000, env = env or {} }
  core.signals = { HUP = 1, INT = 2, KILL = 9, USR1 = 10, TERM = 15, IOT = 6, ABRT = 6 }
  function core.getenv(name) return core.env[name] end
  function core.cwd() return "/home/me" end
  function core.machine() return { arch = "x86_64", kernel = "6.1.0", caps = {}, permitted = {}, ambient = {} } end
  function core.strerror(errno)
    return ({ [2] = "No such file or directory", [13] = "Permission denied" })[errno] or "error " .. errno
  end
  add_clock(core)
  add_files(core)
  add_processes(core)
  add_terminal(core)
  function core.write_file(path, text)
    core.files[path] = { text = text, mode = 384 }
    return true
  end
  core.on_signal, core.logs = {}, {}
  function core.signal(name, fn)
    core.on_signal[name] = fn
    return { close = function() core.on_signal[name] = nil end }
  end
  function core.log(config)
    core.logs[config.path:match("([^/]*)%.log$")] = config
    return { close = function() config.closed = true end }
  end
  function core.listen(path, handlers)
    core.server = { path = path, handlers = handlers }
    function core.server:close() self.closed = true end
    function core.server.handover() return 9 end
    return core.server
  end
  function core.pack(...) return { ... } end
  --- Records as they come; `core.journal_fails` makes writing fail.
  function core.journal(path)
    local journal = { path = path, records = {} }
    function journal.append(_, ...)
      if core.journal_fails then return nil, failure(28, core.journal_fails) end
      table.insert(journal.records, { ... })
      return true, false
    end
    function journal.snapshot(_, ...)
      journal.records = {}
      return journal:append(...)
    end
    function journal.remove() journal.removed = true end
    function journal.close() journal.closed = true end
    core.last_journal = journal
    return journal
  end
  function core.connect(path)
    if core.answer then return core.answer(path) end
    return nil, failure(2, "No such file or directory")
  end
  function core.start() return true end
  function core.handover() end -- nobody was here before
  function core.deadline() return 5 end
  function core.run() core.play() end
  function core.stop() core.stopped = true end
  return core
end

--- A script that has loaded and does nothing.
function M.script()
  return {
    serve = function() end, close = function() end,
    enter = function() return true, false end,
  }
end

return M
