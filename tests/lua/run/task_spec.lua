-- What a script does while it runs: tasks in a real ward, with real children.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"
local task <const> = require "helpers.task"

local start <const>, said <const>, run <const> = task.start, task.said, task.run

describe("ward.spawn", function()
  after_each(harness.cleanup)

  it("returns a child that runs, and its exit", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "sh", "-c", "exit 3" } }
      print(math.type(p.pid), tostring(p))
      local exit = p:wait()
      print(exit.kind, exit.code, exit.ok, exit.pid == p.pid, exit.uptime > 0, exit.rusage.maxrss > 0)
      print(p:wait() == exit)
      print(ward.spawn { cmd = { "true" } }:wait().ok)
      local killed = ward.spawn { cmd = { "sleep", "1000" } }
      print(killed:kill(), killed:wait().signal)
      local int = ward.spawn { cmd = { "sleep", "1000" } }
      print(int:kill "SIGINT", int:wait().signal)
    ]]
    assert.matches("^integer    child: 0x%x+$", table.remove(lines, 1))
    assert.same({ "exited    3    false    true    true    true", "true", "true", "true    TERM", "true    INT" },
      lines)
  end)

  it("fails with the step that failed", function()
    local closed <const> = harness.directory()
    assert(sys.chmod(closed, 448)) -- 0700
    local lines <const> = run([[
      local function fails(spec)
        local p, err = ward.spawn(spec)
        print(p, err.code, err.stage, err.errno, err)
      end
      fails { cmd = { "/nope" } }
      fails { cmd = { "true" }, cwd = "/nope" }
      fails { cmd = { "true" }, stdin = "/nope/nope" }
      fails { cmd = { "true" }, user = 1234, group = 1235, cwd = CLOSED, stdout = "null", stderr = "null" }
    ]], ("local CLOSED = %q"):format(closed))
    assert.same({
      "nil    spawn_failed    exec    2    cannot exec /nope: No such file or directory (stage exec)",
      "nil    spawn_failed    cwd    2    cannot change to directory /nope: No such file or directory (stage cwd)",
      "nil    spawn_failed    fd_open    2    cannot open /nope/nope: No such file or directory (stage fd_open)",
    }, { lines[1], lines[2], lines[3] })
    assert.matches("^nil    spawn_failed    cwd    13    ", lines[4])
  end)

  it("fails in the same way where it is ward that has failed", function()
    local lines <const> = run [[
      local function try(keys)
        keys.cmd = { "true" }
        local p, err = ward.spawn(keys)
        print(p, err.code, err.stage, err.errno, err)
      end
      try { sandbox = { landlock = { fs = { ["/"] = "rx", ["/no/such/place"] = "r" } } } }
      try { fds = { [3] = 5000 } }
      try { sandbox = { caps = { permitted = {} } } }
    ]]
    assert.same({
      "nil    spawn_failed    prepare    2    sandbox.landlock.fs[\"/no/such/place\"]: No such file or "
        .. "directory (stage prepare)",
      "nil    spawn_failed    prepare    nil    fds: descriptor 5000: only those below 1024 can be handed on "
        .. "(stage prepare)",
      "nil    spawn_failed    prepare    22    sandbox.caps.effective: holds chown, as ward has it, which permitted "
        .. "does not: name it, too (stage prepare)",
    }, lines)
  end)

  it("searches on behind what cannot be a program, and says what is wrong with the only one", function()
    local loop <const> = harness.directory()
    assert(os.execute(("ln -s true %s/true"):format(loop)))
    local lines <const> = run([[
      local env = { PATH = ("%s:/%s:/etc/passwd:/nope:/usr/bin:/bin"):format(LOOP, ("x"):rep(300)) }
      print(ward.spawn { cmd = { "true" }, env = env }:wait().ok)
      print(ward.spawn { cmd = { "/etc/passwd/true" } })
      print(ward.spawn { cmd = { LOOP .. "/true" } })
    ]], ("local LOOP = %q"):format(loop))
    assert.same({
      "true", "nil    cannot exec /etc/passwd/true: Not a directory (stage exec)",
      ("nil    cannot exec %s/true: Too many levels of symbolic links (stage exec)"):format(loop),
    }, lines)
  end)

  it("hands over what the child says, line by line, and what it is told", function()
    local lines <const> = run [[
      local p = ward.spawn {
        cmd = { "sh", "-c", "echo one; echo; printf 'no end' >&2; cat; printf unended" },
        stdin = "pipe", stdout = "pipe", stderr = "pipe",
      }
      print(p.stdin:write "from ", p.stdin:write(5), p.stdin:write "\n")
      p.stdin:close()
      for line in p.stdout:lines() do print(("%q"):format(line)) end
      print(p.stderr:read "l", p.stderr:read "l")
      print(p:wait().code, p.stdout:read())
      print(p.stdin:write "more")
      local q = ward.spawn { cmd = { "sh", "-c", "printf abcdef; sleep 0.05; printf ghi" }, stdout = "pipe" }
      print(q.stdout:read(4), q.stdout:read(4), q.stdout:read(4), q.stdout:read(4))
      print(#ward.spawn { cmd = { "head", "-c", "300000", "/dev/zero" }, stdout = "pipe" }.stdout:read "a")
      print(q.stdin, q.stderr)
    ]]
    assert.same({
      "true    true    true", '"one"', '""', '"from 5"', '"unended"', "no end    nil", "0    nil",
      "nil    the stream is closed", "abcd    efgh    i    nil", "300000", "nil    nil",
    }, lines)
  end)

  it("gives each child a terminal of its own, until that child ends", function()
    local w <const> = task.start([[
      local a = ward.spawn { tty = true,
        cmd = { "sh", "-c", "trap 'echo $(tty) to the end; exit' USR1; echo ready; while :; do sleep 0.01; done" } }
      local b = ward.spawn { cmd = { "sleep", "1000" }, tty = true }
      print(ward.spawn { cmd = { "true" } }:wait().ok, ward.spawn { cmd = { "/nope" }, tty = true } == nil)
      print(b:kill(), b:wait().signal)
      repeat ward.sleep "5ms" until ward.fs.read(LOG):find "ready"
      print(a:kill "USR1", a:wait().code)
      ward.sleep "1h"
    ]], 'local LOG = ward.env.WARD_LOG_DIR .. "/default/@script.log"')
    w:until_says "true    0"
    assert.same({ "true    true", "true    TERM", "true    0" }, said(w))
    w:until_(function() return w:log("@script"):find "ready\r\n.*/dev/pts/%d+ to the end\r\n" end)
    w:stop()
  end)

  it("says what a child runs without when it is asked to warn", function()
    local w <const> = task.start([[
      for _, what in ipairs { "silent", "warn" } do
        print(ward.spawn { cmd = { "true" }, sandbox = { on_failure = what, caps = { "net_raw" } } }:wait().ok)
      end
    ]], nil, { under = { "setpriv", "--bounding-set", "-net_raw" } })
    w:until_says("the end")
    w:stop()
    local lines <const> = said(w)
    assert.equal("true", lines[1])
    assert.matches("^true runs without a part of its sandbox: cannot .*: Operation not permitted %(stage %w+%)$",
      lines[2])
  end)

  it("leaves nothing to the collector that is scarcer than memory", function()
    local lines <const> = run [[
      local function open() return #ward.fs.list "/proc/self/fd" end
      local function once(cmd)
        local p = ward.spawn { cmd = { cmd }, stdout = "null", stderr = "null",
          sandbox = { landlock = { fs = { ["/"] = "rwx" } } } }
        if p then p:wait() end
      end
      once "true"
      local base, most = open(), 0
      for i = 1, 100 do
        once(i % 2 == 0 and "true" or "/nope")
        most = math.max(most, open())
      end
      print(most - base < 3, most - base)
    ]]
    assert.matches("^true", lines[1])
  end)

  it("tells of a reader that is gone, and outlasts a child that does not read", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "sh", "-c", "exec <&-; sleep 1000" }, stdin = "pipe" }
      local ok, err
      repeat ok, err = p.stdin:write(("x"):rep(100000)) until not ok
      print(err.code, err)
      p:kill()
      local q = ward.spawn { cmd = { "sleep", "1000" }, stdin = "pipe" }
      print(ward.timeout("50ms", function() return q.stdin:write(("x"):rep(200000)) end))
      print(q:kill(), q:wait().signal)
    ]]
    assert.same({ "EPIPE    cannot write to the child: Broken pipe", "nil    not done within 50ms", "true    TERM" },
      lines)
  end)

  it("shows what is to be seen, and says how its methods are called", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "cat" }, stdin = "pipe", stdout = "pipe" }
      print(math.type(p.pid), p.id, p.hold, p.exit, next(p))
      for _, wrong in ipairs {
        function() p.wait() end, function() p.wait({}) end, function() p.kill "TERM" end,
        function() p.stdout.read() end, function() p.stdin.write "x" end, function() p.stdout.close() end,
        function() p.stdout.lines() end, function() p:wait({}) end, function() p.pid = 3 end,
      } do
        print(select(2, pcall(wrong)))
      end
      print(p:kill(), p:wait().signal)
    ]]
    assert.equal("integer    nil    nil    nil    nil", table.remove(lines, 1))
    assert.equal("true    TERM", table.remove(lines))
    local wanted <const> = {
      'child:wait: call it with ":", as in p:wait()', 'child:wait: call it with ":", as in p:wait()',
      'child:kill: call it with ":", as in p:kill()', 'stream:read: call it with ":", as in p.stdout:read()',
      'stream:write: call it with ":", as in p.stdin:write()',
      'stream:close: call it with ":", as in p.stdout:close()',
      'stream:lines: call it with ":", as in p.stdout:lines()', "child:wait: timeout: must be",
      'a child is not written to: "pid"',
    }
    assert.equal(#wanted, #lines)
    for i, line in ipairs(lines) do
      local text <const> = line:match("script%.lua:%d+: (.*)$")
      assert.equal(wanted[i], text and text:sub(1, #wanted[i]), line)
    end
  end)

  it("hands over what there was when a child has said too much", function()
    local lines <const> = run [[
      local most <close> = ward.spawn { cmd = { "head", "-c", "16777216", "/dev/zero" }, stdout = "pipe" }.stdout
      print(#most:read "a")
      local p = ward.spawn { cmd = { "head", "-c", "18000000", "/dev/zero" }, stdout = "pipe" }
      local text, err = p.stdout:read "a"
      print(text, err.code, #err.data > 16777216)
      local rest = p.stdout:read "a"
      print(#err.data + #rest)
    ]]
    assert.same({ "16777216", "nil    too_large    true", "18000000" }, lines)
  end)

  it("a read that nobody waits for any more loses nothing", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "sh", "-c", "for i in 1 2; do read x; echo $x; done" },
        stdin = "pipe", stdout = "pipe" }
      print(ward.timeout("20ms", function() return p.stdout:read "l" end))
      p.stdin:write "first\n"
      ward.sleep "50ms"
      print(p.stdout:read "l")
      local reader = ward.task(function() return p.stdout:read "l" end)
      ward.sleep(0)
      print(pcall(p.stdout.read, p.stdout))
      p.stdin:write "second\n"
      print(reader:wait())
    ]]
    assert.same({ "nil    not done within 20ms", "first" }, { lines[1], lines[2] })
    assert.matches("^false    .*script.lua:%d+: stream:read: another task is using this stream$", lines[3])
    assert.equal("second", lines[4])
  end)

  it("waits no longer than it says", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "sleep", "1000" } }
      print(p:wait "20ms")
      print(p:wait(0))
      p:kill "KILL"
      print(p:wait("10s").signal, p:kill())
      local several = {}
      local q = ward.spawn { cmd = { "sleep", "1000" } }
      for i = 1, 3 do several[i] = function() return q:wait().signal end end
      ward.after("10ms", function() q:kill() end)
      print(table.concat(ward.all(several), " "))
    ]]
    assert.same({
      "nil    the child has not ended in time", "nil    the child has not ended in time",
      "KILL    nil    the child has ended", "TERM TERM TERM",
    }, lines)
  end)

  it("ends its children with the task, and theirs with them", function()
    local w <const> = start [[
      local task = ward.task(function()
        ward.spawn { cmd = { "sh", "-c", "sleep 1001 & sleep 1002" } }
        ward.spawn { cmd = { "sleep", "1003" }, stdout = "pipe" }
        ward.sleep "1h"
      end)
      ward.spawn { cmd = { "sleep", "1004" } }
      ward.sleep "100ms"
      task:cancel()
      print "cancelled"
      ward.sleep "1h"
    ]]
    w:until_says("cancelled")
    w:until_(function() return #w:left() == 2 end, nil, "only the service and the child of the task that runs are left")
    w:stop()
  end)

  it("ends them with ward, and with a task that returns, fails or uses up its budget", function()
    local w <const> = start([[
      for _, ending in ipairs { function() end, function() error "no" end, function() while true do end end } do
        ward.task(function()
          ward.spawn { cmd = { "sleep", "1001" } }
          ending()
        end)
      end
      ward.sleep "1s"
    ]])
    w:until_says("the end")
    w:until_(function() return #w:left() == 1 end, nil, "only the service is left")
    w:stop()
  end)

  it("says what is wrong with its keys at the caller's line", function()
    local lines <const> = run [[
      local function bad(...) print(select(2, pcall(ward.spawn, ...))) end
      bad { cmd = { "true" }, restart = "always" }
      bad { cmd = { "true" }, stdotu = "pipe" }
      bad {}
      bad()
      bad { cmd = { "true" }, user = "no-such-user" }
      bad { cmd = { "true" }, stdin = "log" }
    ]]
    for i, pattern in ipairs {
      "restart: is for services; ward.spawn runs one child, once", 'unknown key "stdotu" %(did you mean "stdout"%?%)',
      "cmd: is required", "must be a table such as .*, got nothing", "no%-such%-user", "stdin: must be",
    } do
      assert.matches("script.lua:%d+: ward.spawn: .*" .. pattern, lines[i])
    end
  end)

  it("logs what goes nowhere else, with a name that no service can have", function()
    local w <const> = start [[
      ward.spawn { cmd = { "sh", "-c", "echo logged; echo too >&2" } }:wait()
    ]]
    w:until_says("the end")
    w:until_(function() return w:log("@script") == "logged\ntoo\n" end, nil, "the log")
    w:stop()
  end)

  it("passes ids, limits and a sandbox as a service does", function()
    local lines <const> = run([[
      local p = ward.spawn {
        cmd = { "sh", "-c", "id -u; id -g; id -G; umask; ulimit -n;"
          .. "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status" },
        user = 1234, group = 1235, groups = { 1236 }, umask = "077", limits = { nofile = 99 }, sandbox = { caps = {} },
        cwd = "/", stdout = "pipe",
      }
      for line in p.stdout:lines() do print(line) end
    ]])
    assert.same({
      "1234", "1235", "1235 1236", "0077", "99", "CapEff:    0000000000000000", "CapBnd:    0000000000000000",
      "NoNewPrivs:    1",
    }, lines)
  end)
end)

describe("ward.run", function()
  after_each(harness.cleanup)

  it("brings back all of it", function()
    local lines <const> = run [[
      local r = ward.run { cmd = { "sh", "-c", "cat; echo err >&2; exit 2" }, input = "given" }
      print(r.ok, r.kind, r.code, r.signal, r.stdout, r.stderr == "err\n", r.truncated)
      local big = ward.run { cmd = { "head", "-c", "3000000", "/dev/zero" }, max_output = "2M" }
      print(big.ok, #big.stdout, big.truncated)
      print(ward.run { cmd = { "sh", "-c", "kill -9 $$" } }.signal)
      print(ward.run { cmd = { "sh", "-c", "echo lost" }, stdout = "null" }.stdout)
      print(#ward.run { cmd = { "cat" }, input = ("x"):rep(1000000) }.stdout)
    ]]
    assert.same({
      "false    exited    2    nil    given    true    false", "true    2097152    true", "KILL", "nil", "1000000",
    }, lines)
  end)

  it("ends what takes too long, with what it had said", function()
    local w <const> = start [[
      local r, err = ward.run { cmd = { "sh", "-c", "echo begun; sleep 1000" }, timeout = "300ms" }
      print(r, err.code, err, err.stdout)
    ]]
    w:until_says("the end")
    w:until_(function() return #w:left() == 1 end, nil, "only the service is left")
    assert.same({ "nil    timeout    not done within 300ms    begun", "", "the end" }, said(w))
    w:stop()
  end)

  it("fails as ward.spawn does, and says what is wrong with its keys", function()
    local lines <const> = run [[
      local r, err = ward.run { cmd = { "/nope" } }
      print(r, err.stage, err)
      for _, spec in ipairs {
        { timeout = "10" }, { input = 5 }, { input = "x", stdin = "null" }, { max_output = "1T" },
      } do
        spec.cmd = { "true" }
        print(select(2, pcall(ward.run, spec)))
      end
    ]]
    assert.equal("nil    exec    cannot exec /nope: No such file or directory (stage exec)", lines[1])
    for i, pattern in ipairs {
      'timeout: bad duration "10"', "input: must be a string", 'input: needs stdin = "pipe"',
      "max_output: must be a whole number from 0 to 16777216",
    } do
      assert.matches("script.lua:%d+: ward.run: " .. pattern, lines[i + 1])
    end
  end)
end)

describe("a running script", function()
  after_each(harness.cleanup)

  it("hears of its services", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      local a = ward.service { name = "a", cmd = { "sh", "-c", "exit 7" }, restart = "never" }
      ward.service { name = "b", cmd = { "sleep", "1000" } }
      ward.on("exit", a, function(e) print(e.event, e.name, e.exit.code) end)
      ward.on("ready", { name = "[bc]" }, function(e) print(e.event, e.name, math.type(e.pid)) end)
      ward.on("fail", "b*", function(e) print("not reached", e.name) end)
      local once
      once = ward.on("start", function(e) print("start", e.name) once:cancel() end)
      ward.on("mine", function(e) print("mine", e.name, e.n) end)
      ward.after(0, function() ward.emit("mine", { name = "x", n = 1 }) end)
    ]]
    w:until_says("exit    a    7")
    w:until_says("ready    b    integer")
    w:until_says("mine    x    1")
    w:stop()
    assert.is_nil(w:err():find("not reached"))
  end)

  it("hears of a supervisor that gives up", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      local a = ward.service { name = "a", cmd = { "false" }, restart = { on = "always", backoff = { from = 0 } } }
      ward.on("give_up", "inn*", function(e) print(e.event, e.name) end)
      ward.on("exit", "inner", function() print "a supervisor has no exit" end)
      return ward.supervisor { name = "outer", stay = true, children = {
        ward.supervisor { name = "inner", intensity = { 2, within = "1m" }, restart = "never", children = { a } },
      } }
    ]]
    w:until_says("give_up    inner")
    w:stop()
    assert.is_nil(w:err():find("no exit", 1, true))
  end)

  it("answers for handles whose thing is over, and never crashes", function()
    local lines <const> = run [[
      local p = ward.spawn { cmd = { "cat" }, stdin = "pipe", stdout = "pipe" }
      p.stdin:close()
      p.stdin:close()
      p.stdout:close()
      print(p.stdin:write "x")
      print(p.stdout:read())
      print(p.stdout:read "a")
      print(p.stdout:lines()())
      print(p:wait().ok, p:wait(0).ok, p:kill())
      local task = ward.task(function() return 7 end)
      print(task:wait(), task:wait(), task:cancel(), task:done())
      local gone = ward.task(function() ward.sleep "1h" end)
      print(gone:cancel(), gone:cancel(), gone:wait())
      for _, handle in ipairs { ward.after("1h", print), ward.every("1h", print), ward.on("mine", print),
        ward.watch("/", print), ward.on_signal("USR2", print) } do
        handle:cancel()
        handle:cancel()
      end
      local semaphore = ward.semaphore(1)
      local permit = semaphore:acquire()
      permit:release()
      permit:release()
      local one, two = semaphore:acquire(), semaphore:acquire(0)
      print(one ~= nil, two)
      local timer
      timer = ward.every("1ms", function() timer:cancel() print "once" end)
      ward.sleep "30ms"
    ]]
    assert.same({
      "nil    the stream is closed", "nil    the stream is closed", "nil    the stream is closed",
      "nil    the stream is closed", "true    true    nil    the child has ended",
      "7    7    false    true", "true    false    nil    the task was cancelled", "true    nil", "once",
    }, lines)
  end)

  it("wakes up for nothing when there is nothing to do", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      ward.on("exit", function() end)
      ward.every("1h", function() end)
      ward.after(0, function() ward.http.get("http://127.0.0.1:1/") print "idle" ward.sleep "1h" end)
      ward.service { name = "a", cmd = { "sleep", "1000" } }
    ]]
    w:until_says("idle")
    w:until_ready("a")
    -- Voluntary switches count each sleep of ward's thread: one that is not woken has no more of them.
    local function switches()
      return tonumber(harness.read(("/proc/%d/status"):format(w.pid)):match("\nvoluntary_ctxt_switches:%s+(%d+)"))
    end
    local seen, since = switches(), sys.now()
    w:until_(function()
      local now <const> = switches()
      if now ~= seen then seen, since = now, sys.now() end
      return sys.now() - since >= 3
    end, nil, "three seconds without a wake-up")
    w:stop()
  end)

  it("reports what fails in it, at its line, and goes on", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      ward.service { name = "a", cmd = { "sleep", "1000" } }
      ward.on("script_error", function(e)
        print("heard: " .. e.message)
        error "in the handler"
      end)
      ward.every("20ms", function() local x = nil; x() end)
      ward.after("10ms", function()
        while true do pcall(function() while true do end end) end
      end)
      ward.after("300ms", function() print "still there" end)
    ]]
    w:until_says("still there")
    w:stop()
    local text <const> = w:err()
    assert.matches("script %* %S+script.lua:7: attempt to call a nil value", text)
    assert.matches("heard: %S+script.lua:7: attempt to call a nil value", text)
    assert.matches("script %* %S+script.lua:5: in the handler", text)
    assert.matches("script %* %S+script.lua:9: used its CPU budget of 0.1s", text)
    assert.is_nil(text:find("heard: %S+script.lua:5"))
    assert.is_nil(text:find("internal error"))
  end)

  it("waits in coroutines of its own, and says where it cannot", function()
    local lines <const> = run [[
      local function squares()
        for i = 1, 3 do
          ward.sleep "1ms"
          coroutine.yield(i * i)
        end
      end
      for n in coroutine.wrap(squares) do print(n) end
      local outer = coroutine.wrap(function()
        local inner = coroutine.create(function(a) ward.sleep "1ms" return coroutine.yield(a + 1) end)
        coroutine.yield(select(2, coroutine.resume(inner, 1)))
        coroutine.yield(select(2, coroutine.resume(inner, "last")))
        print(coroutine.status(inner))
      end)
      print(outer(), outer())
      outer()
      print(select(2, pcall(function() table.sort({ 2, 1 }, function() ward.sleep(1) end) end)))
      print(select(2, pcall(function() return (("x"):gsub("x", function() ward.sleep(1) end)) end)))
      print(select(2, pcall(coroutine.yield)))
      print(select(2, pcall(setmetatable({}, { __index = function() ward.sleep(0) return 5 end }).x)))
    ]]
    assert.same({ "1", "4", "9", "2    last", "dead" }, { table.unpack(lines, 1, 5) })
    assert.matches("script.lua:%d+: ward.sleep: cannot wait inside sort%(%), which Lua calls without a way back",
      lines[6])
    assert.matches("ward.sleep: cannot wait inside gsub%(%)", lines[7])
    assert.matches("coroutine.yield: outside of a coroutine of your own", lines[8])
    assert.matches("attempt to call a number value", lines[9])
  end)

  it("ends with all it has when cancelling another one uses up its budget, and so does that one", function()
    local lines <const> = task.run([[
      local pids = {}
      local function sleep() pids[#pids + 1] = ward.spawn { cmd = { "sleep", "1000" } }.pid end
      local function stubborn()
        local mark <close> = setmetatable({}, { __close = function() while true do end end })
        sleep()
        ward.sleep(1000)
      end
      local function family()
        sleep()
        ward.task(stubborn)
        ward.sleep(1000)
      end
      for _, case in ipairs { { stubborn, 2 }, { family, 5 } } do
        local victim
        local canceller <const> = ward.task(function()
          sleep()
          victim = ward.task(case[1])
          while #pids < case[2] do ward.sleep "5ms" end
          print(victim:cancel())
        end)
        print(pcall(canceller.wait, canceller))
        print(canceller:done(), victim:done(), victim:wait())
      end
      print(#pids)
      for _, pid in ipairs(pids) do
        while ward.fs.exists("/proc/" .. pid) do ward.sleep "5ms" end
      end
    ]])
    for _, i in ipairs { 1, 3 } do assert.matches("^false    .*used its CPU budget", lines[i]) end
    local both <const> = "true    true    nil    the task was cancelled"
    assert.same({ both, both, "5" }, { lines[2], lines[4], lines[5] })
  end)

  it("starts nothing where it cannot wait, and is not woken out of its next wait for it", function()
    local lines <const> = run([[
      local child <const> = ward.spawn { cmd = { "sh", "-c", "sleep 0.2" }, stdout = "pipe", stdin = "pipe" }
      local function in_sort(fn)
        local _, message <const> = pcall(function() table.sort({ 2, 1 }, fn) end)
        print((message:gsub("^.-:%d+: ", ""):gsub("%(%).*", "")))
      end
      in_sort(function() child:wait() end)
      in_sort(function() child.stdout:read("l") end)
      in_sort(function() child.stdin:write("x") end)
      in_sort(function() ward.spawn { cmd = { "touch", MARK } } end)
      in_sort(function() ward.run { cmd = { "touch", MARK } } end)
      in_sort(function() ward.http.get("http://127.0.0.1:9/") end)
      in_sort(function() other:stop() end)
      local from <const> = ward.now()
      ward.sleep(0.5)
      print(ward.now() - from >= 0.5, ward.fs.exists(MARK), other:status().state, child:wait().code)
    ]], ([[local MARK <const>, other <const> = %q, ward.service { name = "other", cmd = { "sleep", "1000" } }]]):format(
      harness.directory() .. "/mark"))
    local where <const> = ": cannot wait inside sort"
    assert.same({
      "child:wait" .. where, "stream:read" .. where, "stream:write" .. where, "ward.spawn" .. where,
      "ward.run" .. where, "ward.http.get" .. where, "service:stop" .. where, "true    false    ready    0",
    }, lines)
  end)

  it("has its coroutine to itself", function()
    local lines <const> = run [[
      local saved, kept
      local task = ward.task(function() saved = coroutine.running() ward.sleep(0.1) return "slept" end)
      local timer = ward.every(0.01, function() kept = kept or coroutine.running() end)
      while not kept do ward.sleep(0.01) end
      for _, co in ipairs { saved, kept } do
        print(select(2, pcall(function() coroutine.resume(co) return 0 end)))
        print(select(2, pcall(function() coroutine.close(co) return 0 end)))
      end
      print(task:wait(), coroutine.resume(saved))
      timer:cancel()
    ]]
    local refusal <const> = "^%%S+script.lua:%%d+: coroutine.%s: this is the coroutine of a task, %s$"
    for i = 1, 3, 2 do
      assert.matches(refusal:format("resume", "which goes on by itself"), lines[i])
      assert.matches(refusal:format("close", "which task:cancel%(%) ends"), lines[i + 1])
    end
    assert.equal("slept    false    cannot resume dead coroutine", lines[5])
  end)

  it("closes the coroutines of a task that is cancelled, from the inside out", function()
    local lines <const> = run [[
      local function closing(name)
        return setmetatable({}, { __close = function() print("closed", name) end })
      end
      local task = ward.task(function()
        local _ <close> = closing "task"
        coroutine.wrap(function()
          local _ <close> = closing "coroutine"
          pcall(ward.sleep, "1h")
        end)()
      end)
      ward.sleep "10ms"
      task:cancel()
    ]]
    assert.same({ "closed    coroutine", "closed    task" }, lines)
  end)

  it("may have no service at all", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      ward.every("20ms", function() print "tick" end)
    ]]
    w:until_says("tick")
    w:stop()
  end)

  it("declares nothing", function()
    local lines <const> = run [[
      print(select(2, pcall(ward.service, { name = "x", cmd = { "true" } })))
    ]]
    assert.matches("script.lua:%d+: ward.service: declarations are only allowed while a script loads", lines[1])
  end)

  it("leaves nothing behind in memory and descriptors", function()
    local w <const> = start([[
      local function round(n)
        for _ = 1, n do
          ward.spawn { cmd = { TRUE }, stdout = "null", stderr = "null" }:wait()
          ward.spawn { cmd = { TRUE }, stdin = "pipe", stdout = "pipe", stderr = "null" } -- unread, and not waited for
          ward.run { cmd = { TRUE } }
        end
      end
      ward.task(round, 200):wait()
      print "warm"
      ward.sleep "300ms"
      ward.task(round, 1000):wait()
    ]], ("local TRUE = %q"):format(harness.tiny))
    local function descriptors()
      local count = 0
      for _ in lfs.dir(("/proc/%d/fd"):format(w.pid)) do count = count + 1 end
      return count
    end
    w:until_says("warm")
    local before <const> = descriptors()
    w:until_(function() return w:err():find("the end") end, 60, "the end of 3,000 children")
    w:until_(function() return descriptors() <= before end, nil, "as few descriptors as before")
    w:stop()
  end)
end)
