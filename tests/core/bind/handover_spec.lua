-- Re-exec in place, without ward's own service: a small program in the place of ward.cli launches children through
-- ward.core, hangs in a C function or executes itself, and its successor takes everything over.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

-- What the program runs in a script state: one call that no hook ends.
local BOOT <const> = [[
return function(host, path)
  return function(what)
    if what == "request" then return host.request() end
    return string.find(("a"):rep(200), ("a*"):rep(40) .. "b")
  end, {}
end
]]

local PROGRAM <const> = [==[
local core <const> = require "ward.core"
local json <const> = require "cjson"
local schema <const> = require "ward.schema"

local DIR <const> = core.getenv "DIR"
local JOURNAL <const>, LOG <const> = DIR .. "/journal", DIR .. "/disk/log"
local procs <const>, exits <const>, begun <const>, plans <const> = {}, {}, {}, {}
local log, lock, server
local answered = function() end

local function say(file, text)
  assert(core.write_file(DIR .. "/" .. file .. ".new", text))
  assert(os.rename(DIR .. "/" .. file .. ".new", DIR .. "/" .. file))
end

local function plan_of(name, given)
  given.name = name
  local host <const> = { user = core.user, group = core.group, groups = core.groups, read = core.read, dir = DIR }
  local spec <const> = assert(schema.normalise(given, host))
  plans[name] = assert(core.plan(spec))
  return plans[name]
end

local function sh(text, more)
  local given <const> = more or {}
  given.cmd = { "sh", "-c", text }
  given.stdout = given.stdout or "null"
  given.stderr = "null"
  return given
end

-- Every child, and whether its program begins before the re-exec; the others are for the mode that does not take long,
-- because a launch must not.
local CHILDREN <const> = {
  counter = { sh([[i=0; while [ ! -e "$DIR/enough" ]; do echo "line $i"; i=$((i+1)); done; echo "end $i"; exit 7]],
    { stdout = "log" }), true },
  terminal = { sh([[echo "on a terminal" >/dev/tty; while [ ! -e "$DIR/enough" ]; do sleep 0.05; done
    echo "still on a terminal" >/dev/tty; exit 3]], { tty = true, stdout = "log" }), true },
  asked = { sh "exec sleep 1000", true },
  tree = { sh "sleep 1001 & setsid sleep 1002 & wait", true },
  dying = { sh [[while [ ! -e "$DIR/noted" ]; do sleep 0.01; done; exit 5]], true },
  late = { sh("exit 9", { stdin = DIR .. "/late" }), false },
  never = { sh("exit 9", { stdin = DIR .. "/never" }), false },
  stray = { sh "exec sleep 1004", true },
  -- The end of a program behind an init is told on a pipe: the init itself exits.
  boxed = { sh([[while [ ! -e "$DIR/enough" ]; do sleep 0.05; done; kill -TERM $$]],
    { sandbox = { namespaces = { "pid" } } }), true },
  -- Each of its calls waits until somebody has noted it.
  learned = { sh([[while [ ! -e "$DIR/enough" ]; do sleep 0.05; done; exit 4]],
    { sandbox = { seccomp = { learn = DIR .. "/calls" } } }), true },
}

-- The re-exec comes when its listener is there, and before that has let its program begin.
local HEARD <const> = sh("exit 6", { sandbox = { seccomp = { learn = DIR .. "/heard" } } })

local function callbacks(name, all)
  all.log = log
  all.started = function(pid)
    begun[name] = pid
    answered()
  end
  all.exit = function(exit)
    exits[name], procs[name] = exit, nil
    answered()
  end
  return all
end

local function listen(options)
  return assert(core.listen(DIR .. "/socket", {
    line = function(conn, line) conn:send(("%s from %d\n"):format(line, core.pid)) end,
  }, options))
end

local function note()
  local kept <const> = {}
  for name, proc in pairs(procs) do kept[name] = proc:handover() end
  say("journal", json.encode {
    procs = kept, lock = lock:handover(), server = server:handover(), log = log:handover(),
  })
  say("noted", "")
end

local script
local function hang()
  note()
  local ok, err = script:enter(0.1, "hang")
  say("ended", json.encode { ok = ok, message = tostring(err) })
  core.stop()
end

local LEAVE <const> = {
  hang = function() -- its file is gone
    assert(os.remove(DIR .. "/ward"))
    hang()
  end,
  full = function() -- what the log could not write is in this process
    local timer
    timer = core.timer(function()
      if core.stat(LOG).size == 16384 and core.read(DIR .. "/out"):find "cannot write" then hang() end
      timer:arm(core.now() + 0.01)
    end)
    timer:arm(core.now())
    answered = function() return timer end
  end,
  unable = function() -- there is no room for its arguments
    assert(os.execute(("prlimit --pid %d --stack=65536:"):format(core.pid)))
    hang()
  end,
  request = function() -- what runs on the script's behalf is not interrupted, however long it takes
    script:serve(function()
      local until_ <const> = core.now() + 1
      while core.now() < until_ do end
      return true
    end)
    script:enter(0.1, "request")
    say("served", "")
    hang()
  end,
  upgrade = function() -- another file is in the place of its own
    assert(os.execute 'cp "$DIR/ward" "$DIR/newer"')
    assert(os.rename(DIR .. "/newer", DIR .. "/ward"))
    procs.heard = assert(core.launch(plan_of("heard", HEARD), callbacks("heard", { listening = function()
      note()
      error(tostring(select(2, core.reexec "upgrade")))
    end })))
  end,
}

local function first(mode)
  assert(core.start { journal = JOURNAL, deadline = 0.3 })
  lock = assert(core.lock(DIR .. "/lock"))
  server = listen()
  log = assert(core.log { path = LOG })
  script = select(2, assert(core.script(DIR .. "/none.lua")))
  local left = 0
  for name, child in pairs(CHILDREN) do
    if child[2] or mode == "upgrade" then
      procs[name] = assert(core.launch(plan_of(name, child[1]), callbacks(name, {})))
      left = left + (child[2] and 1 or 0)
    end
  end
  answered = function()
    left = left - 1
    if left > 0 then return end
    LEAVE[mode]()
  end
end

local function finish()
  answered = function() end
  local timer
  timer = core.timer(function()
    if core.kill_orphans() > 0 then return timer:arm(core.now() + 0.01) end
    say("result", json.encode { exits = exits, begun = begun })
    server:close()
    log:close()
    core.stop()
  end)
  timer:arm(core.now())
  answered = function() return timer end -- it must be kept
end

local function second(from)
  local kept <const> = json.decode(assert(core.read(from.journal)))
  assert(core.start { journal = JOURNAL, deadline = 0.3 })
  assert(not pcall(core.lock, DIR .. "/lock", { adopt = 1 }))
  lock = assert(core.lock(DIR .. "/lock", { adopt = kept.lock }))
  server = listen { adopt = kept.server }
  log = assert(core.log { path = LOG, adopt = kept.log })
  local running <const>, left = {}, 0
  for name, child in pairs(kept.procs) do
    if name ~= "stray" then
      local given <const> = name == "learned" and CHILDREN[name][1] or name == "heard" and HEARD
      child.plan = given and plan_of(name, given) or nil
      procs[name], running[name] = assert(core.adopt(callbacks(name, child)))
      left = left + 1
    end
  end
  local twice <const> = pcall(core.adopt, callbacks("asked", kept.procs.asked))
  core.adopted()
  assert(core.handover() == nil)
  local plan <const> = plan_of("new", sh("env", { stdout = "log" }))
  procs.new = assert(core.launch(plan, callbacks("new", {})))
  left = left + 1
  assert(procs.asked:stop "TERM")
  procs.tree:kill_tree()
  say("adopted", json.encode {
    from = from, running = running, twice = twice, pid = core.pid, orphans = core.orphans(),
  })
  answered = function()
    for name in pairs(kept.procs) do
      if name ~= "stray" and not exits[name] then return end
    end
    if exits.new then finish() end
  end
end

return function(argv)
  if argv[1] == "rehearse" then return 0 end
  local from <const> = core.handover()
  if from then second(from) else first(argv[1]) end
  core.run()
  return 0
end
]==]

local CLOEXEC <const> = tonumber("2000000", 8) -- O_CLOEXEC in /proc/PID/fdinfo

-- Executes itself over and over, each second time before it has taken anything over.
local CHAIN <const> = [==[
local core <const> = require "ward.core"
local json <const> = require "cjson"
local schema <const> = require "ward.schema"

local DIR <const> = core.getenv "DIR"
local CHILDREN <const>, ROUNDS <const> = 30, 20
local state, procs, logs

local function ended() end

local function go_on()
  state.round = state.round + 1
  assert(core.write_file(DIR .. "/journal", json.encode(state)))
  error(tostring(select(2, core.reexec "chain")))
end

local function descriptors()
  local count = 0
  for fd = 0, 1023 do
    if core.stat(("/proc/self/fd/%d"):format(fd)) then count = count + 1 end
  end
  return count
end

local function first()
  local spec <const> = assert(schema.normalise({ name = "a", stdin = "null", stdout = "log", cmd = {
    "sh", "-c", [[trap 'exit 3' TERM; i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.01; done]] } },
    { user = core.user, group = core.group, groups = core.groups, read = core.read, dir = DIR }))
  local plan <const> = assert(core.plan(spec))
  local left = CHILDREN
  state, procs, logs = { round = 0, procs = {}, logs = {} }, {}, {}
  for i = 1, CHILDREN do
    logs[i] = assert(core.log { path = ("%s/disk/%d"):format(DIR, i) })
    procs[i] = assert(core.launch(plan, { log = logs[i], exit = ended, started = function()
      left = left - 1
      if left > 0 then return end
      for k, proc in ipairs(procs) do state.procs[k], state.logs[k] = proc:handover(), logs[k]:handover() end
      go_on()
    end }))
  end
end

local function take(i, exits)
  logs[i] = assert(core.log { path = ("%s/disk/%d"):format(DIR, i), adopt = state.logs[i] })
  local all <const> = setmetatable({ log = logs[i] }, { __index = state.procs[i] })
  function all.exit(exit)
    exits[#exits + 1] = exit.code or exit.signal
    if #exits < CHILDREN then return end
    state.exits = exits
    assert(core.write_file(DIR .. "/result", json.encode(state)))
    core.stop()
  end
  procs[i] = assert(core.adopt(all))
end

local function second()
  state = json.decode(assert(core.read(DIR .. "/journal")))
  if state.round % 2 == 1 then go_on() end
  local exits <const> = {}
  procs, logs = {}, {}
  for i = 1, CHILDREN do take(i, exits) end
  core.adopted()
  state.now = descriptors()
  state.descriptors = state.descriptors or state.now
  if state.round < ROUNDS then
    local timer
    timer = core.timer(function() return timer and go_on() end)
    return timer:arm(core.now() + 0.01)
  end
  for _, proc in ipairs(procs) do assert(proc:signal "TERM") end
end

return function(argv)
  if argv[1] == "rehearse" then return 0 end
  assert(core.start { journal = DIR .. "/journal" })
  if core.handover() then second() else first() end
  core.run()
  return 0
end
]==]

local marks <const> = {} -- in the environment of every process of a test

-- A library of ward's with the program in the place of its command line.
local function library(dir, program)
  assert(lfs.mkdir(dir .. "/lua"))
  assert(lfs.mkdir(dir .. "/lua/ward"))
  assert(lfs.mkdir(dir .. "/lua/ward/script"))
  local real <const> = lfs.currentdir() .. "/lua/ward/"
  for name in lfs.dir(real) do
    if name:sub(1, 1) ~= "." and name ~= "cli" and name ~= "script" then
      assert(lfs.link(real .. name, dir .. "/lua/ward/" .. name, true))
    end
  end
  harness.write(dir .. "/lua/ward/cli.lua", program)
  harness.write(dir .. "/lua/ward/script/boot.lua", BOOT)
  return dir .. "/lua"
end

-- In front of the program: with a child from before that is none of its business; and what a mode needs.
local PREPARE <const> = {
  full = 'mount -t tmpfs -o size=16k none "$DIR/disk"; ', -- in namespaces of its own
  unable = 'BIG=$(head -c 100000 /dev/zero | tr "\\0" x); export BIG BIGGER=$BIG; ',
}
local RUN <const> = 'sleep 1003 & echo $! >"$DIR/new"; mv "$DIR/new" "$DIR/before"; exec "$DIR/ward" "$1"'

local function begin(mode, program)
  local dir <const> = harness.directory()
  marks[#marks + 1] = "DIR=" .. dir
  assert(sys.mkfifo(dir .. "/late"))
  assert(sys.mkfifo(dir .. "/never"))
  assert(lfs.mkdir(dir .. "/disk"))
  harness.write(dir .. "/ward", harness.read(harness.ward))
  assert(sys.chmod(dir .. "/ward", 493)) -- 0755
  local argv <const> = { "sh", "-c", (PREPARE[mode] or "") .. RUN, "sh", mode }
  if mode == "full" then table.move({ "unshare", "-m" }, 1, 2, 1, table.move(argv, 1, #argv, 3)) end
  local pid <const> = assert(sys.spawn(argv, {
    env = { DIR = dir, WARD_LUA = library(dir, program) }, stdout = dir .. "/out", stderr = dir .. "/out",
  }))
  return dir, pid
end

local function until_file(dir, pid, name)
  local function said() return ("; the program has said: %s"):format(harness.read(dir .. "/out")) end
  return harness.until_(function()
    local text <const> = harness.read(dir .. "/" .. name)
    local status <const> = not text and sys.wait(pid, 0)
    if status then error(("it has ended with %s before %s%s"):format(cjson.encode(status), name, said())) end
    return text
  end, nil, function() return name .. said() end)
end

-- Every line of a counter, in order.
local function check_lines(log, first)
  local next_line = first or 0
  for number in log:gmatch "line (%d+)\n" do
    if tonumber(number) ~= next_line then return ("line %s came after %d"):format(number, next_line - 1) end
    next_line = next_line + 1
  end
  local last <const> = first and next_line or log:match "end (%d+)\n"
  return last and tonumber(last) == next_line and next_line > 0 or ("%d lines, end %s"):format(next_line, last)
end

-- Descriptors of a process that exec would pass on, but for those that another has, too.
local function passed_on(pid, other)
  local list <const> = {}
  for name in lfs.dir(("/proc/%d/fd"):format(pid)) do
    local info <const> = tonumber(name) and harness.read(("/proc/%d/fdinfo/%s"):format(pid, name))
    local flags <const> = info and tonumber(info:match "flags:%s*(%d+)", 8)
    local shared <const> = lfs.symlinkattributes(("/proc/%d/fd/%s"):format(other, name))
    if flags and not shared and flags & CLOEXEC == 0 then list[#list + 1] = name end
  end
  return list
end

-- @unblock: what lets a mode go on that cannot yet.
local function take_over(mode, reason, unblock)
  local dir <const>, pid <const> = begin(mode, PROGRAM)
  local before <const> = tonumber(until_file(dir, pid, "before"))
  until_file(dir, pid, "noted")
  local function log_now()
    return harness.read(("/proc/%d/root%s/disk/log"):format(before, dir))
  end
  if unblock then unblock(dir, pid, log_now) end
  local kept <const> = cjson.decode(harness.read(dir .. "/journal"))
  local connection <close> = assert(sys.connect(dir .. "/socket"))
  assert(connection:send "hello\n")
  assert.equal(("hello from %d"):format(pid), (harness.read_line(connection)))
  local adopted <const> = cjson.decode(until_file(dir, pid, "adopted"))
  assert.equal(pid, adopted.pid)
  local exe <const> = lfs.symlinkattributes(("/proc/%d/exe"):format(pid)).target:sub(#dir + 1)
  assert.equal(reason, adopted.from.reason)
  assert.equal(dir .. "/journal", adopted.from.journal)
  -- Own code has no place that is told.
  assert.equal("", adopted.from.detail)
  assert.is_false(adopted.twice)
  assert.is_true(adopted.orphans >= 1) -- and what the killed tree has left
  for name, running in pairs(adopted.running) do
    assert.equal(name ~= "late" and name ~= "never" and name ~= "heard", running, name)
  end
  assert.same({}, passed_on(pid, before))
  assert.equal(1, (harness.run { "flock", "-n", dir .. "/lock", "true" }))

  local size <const> = #log_now()
  harness.until_(function() return #log_now() > size end, nil, "more lines")
  if mode == "upgrade" then
    assert(sys.kill(kept.procs.never.pid, "KILL"))
    assert(io.open(dir .. "/late", "w")):close()
  end
  harness.write(dir .. "/enough", "")

  local result <const> = cjson.decode(until_file(dir, pid, "result"))
  local exits <const> = result.exits
  assert.equal("TERM", exits.asked.signal)
  assert.equal("KILL", exits.tree.signal)
  assert.equal(5, exits.dying.code)
  assert.equal(7, exits.counter.code)
  assert.equal(3, exits.terminal.code)
  if mode == "upgrade" then
    assert.equal(9, exits.late.code)
    assert.equal(kept.procs.late.pid, result.begun.late)
    assert.equal(6, exits.heard.code)
    assert.is_true(exits.heard.learned.count > 0)
    assert.equal("spawn_failed", exits.never.kind)
    assert.is_nil(exits.never.stage)
    assert.equal("KILL", exits.never.signal)
    assert.is_nil(result.begun.never)
  end
  assert.is_nil(result.begun.asked)
  assert.is_true(exits.counter.uptime > exits.new.uptime)
  assert.is_true(exits.counter.uptime < 60)
  assert.equal("TERM", exits.boxed.signal)
  assert.equal(4, exits.learned.code)
  assert.is_true(exits.learned.learned.count > 0)
  local log <const> = log_now()
  assert.is_true(check_lines(log))
  assert.is_truthy(log:find("on a terminal\r\n", 1, true))
  assert.is_truthy(log:find("still on a terminal\r\n", 1, true))
  assert.is_nil(log:find("WARD_HANDOVER", 1, true))
  assert.is_true(sys.alive(before))
  sys.kill(before, "KILL")
  assert.same({ code = 0 }, sys.wait(pid, 60))
  assert.is_nil(lfs.attributes(dir .. "/socket"))
  return dir, pid, harness.read(dir .. "/out"), exe
end

describe("a re-exec in place", function()
  after_each(function()
    while #marks > 0 do
      for _, pid in ipairs(sys.marked(table.remove(marks))) do sys.kill(pid, "KILL") end
    end
    harness.cleanup()
  end)

  it("keeps everything when a script hangs in a C function past its deadline", function()
    local _ <const>, _ <const>, out <const>, exe <const> = take_over("hang", "deadline")
    assert.equal("", out)
    assert.equal("/ward (deleted)", exe)
  end)

  it("keeps everything when it is wished for, and runs the new file in an upgrade", function()
    local _ <const>, _ <const>, out <const>, exe <const> = take_over("upgrade", "upgrade")
    assert.equal("", out)
    assert.equal("/ward", exe)
  end)

  it("can be repeated, also before everything is taken over", function()
    local dir <const>, pid <const> = begin("", CHAIN)
    local result <const> = cjson.decode(until_file(dir, pid, "result"))
    local threes <const> = {}
    for i = 1, #result.procs do threes[i] = 3 end
    assert.same(threes, result.exits)
    assert.equal(result.descriptors, result.now)
    assert.same({ code = 0 }, sys.wait(pid, 60))
    for i = 1, #result.procs do
      assert.is_true(check_lines(harness.read(("%s/disk/%d"):format(dir, i)), 1))
    end
    sys.kill(tonumber(harness.read(dir .. "/before")), "KILL")
    assert.equal("", harness.read(dir .. "/out"))
  end)

  it("keeps what a full log file has not taken", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending("needs root") end
    take_over("full", "deadline", function(dir, pid, log_now)
      until_file(dir, pid, "adopted")
      assert.equal(16384, #log_now())
      local options <const> = "remount,size=64m"
      assert.equal(0, (harness.run { "nsenter", "-t", tostring(pid), "-m", "mount", "-o", options, dir .. "/disk" }))
    end)
  end)

  it("is tried again, without hurry, when it fails", function()
    local line <const> = "ward: cannot execute itself again: Argument list too long\n"
    local _ <const>, _ <const>, out <const> = take_over("unable", "deadline", function(dir, pid)
      harness.until_(function() return harness.read(dir .. "/out") == line:rep(2) end, nil, "two attempts")
      assert.equal(0, (harness.run { "prlimit", "--pid", tostring(pid), "--stack=8388608:" }))
    end)
    assert.equal(line:rep(2), out)
  end)

  it("does not interrupt what runs on behalf of a script", function()
    local dir <const> = take_over("request", "deadline")
    assert.is_truthy(harness.read(dir .. "/served"))
  end)
end)
