-- What a supervisor meets in bad company: shortages, strange inheritances, its own death. Each was a defect once.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local function one(keys)
  return ('local ward = require "ward"\nreturn ward.service { name = "x", %s }\n'):format(keys)
end

-- Starts ward through another program that changes what it inherits.
local function start_through(prefix, text)
  local dir = harness.directory()
  local path = harness.write(dir .. "/script.lua", text)
  local w = { dir = dir, env = { WARD_RUNTIME_DIR = dir .. "/run", WARD_LOG_DIR = dir .. "/log" } }
  local argv = table.move({ harness.ward, "run", path }, 1, 3, #prefix + 1, table.move(prefix, 1, #prefix, 1, {}))
  w.pid = assert(sys.spawn(argv, { env = w.env, stdout = dir .. "/out", stderr = dir .. "/err" }))
  function w.status()
    local code, out = harness.run({ harness.ward, "status", "--json" }, { env = w.env })
    return code == 0 and require("cjson").decode(out).services[1] or nil
  end
  function w.stop()
    sys.kill(w.pid, "TERM")
    return sys.wait(w.pid, 20)
  end
  return w
end

describe("ward run in hardship", function()
  after_each(harness.cleanup)

  it("does not hang on launches that fail at once, with a backoff of 0", function()
    -- 26 descriptors are enough to start, and not for a report pipe and what else a launch takes.
    local w = start_through({ "sh", "-c", 'ulimit -n 26; exec "$@"', "sh" }, [[
local ward = require "ward"
local list = {}
for i = 1, 3 do
  list[i] = ward.service { name = "s" .. i, cmd = { "true" }, stdout = "null", stderr = "null",
    restart = { on = "always", backoff = { from = 0, jitter = 0 } } }
end
return list
]])
    harness.until_(w.status, nil, "an answer")
    assert.same({ code = 0 }, w.stop())
  end)

  it("starts many services within few descriptors", function()
    local w = start_through({ "sh", "-c", 'ulimit -n 256; exec "$@"', "sh" }, [[
local ward = require "ward"
local list = {}
for i = 1, 600 do
  list[i] = ward.service { name = "s" .. i, cmd = { "true" }, stdout = "null", stderr = "null", restart = "never" }
end
return list
]])
    harness.until_(function()
      return select(2, (harness.read(w.dir .. "/err") or ""):gsub("exited with code 0", "")) == 600
    end, nil, "600 exits")
    local code, out = harness.run({ harness.ward, "status" }, { env = w.env })
    assert.equal(0, code)
    assert.equal(601, select(2, out:gsub("\n", "")))
    assert.same({ code = 0 }, w.stop())
  end)

  it("says what is missing where it cannot even begin", function()
    local script <const> = harness.write(harness.directory() .. "/x.lua", one [[cmd = { "true" }]])
    local function run(prefix)
      return harness.run(table.move({ harness.ward, "run", script }, 1, 3, #prefix + 1, prefix))
    end
    for n = 7, 14 do
      local code, out, err = run { "sh", "-c", ('ulimit -n %d; exec "$@"'):format(n), "sh" }
      assert.equal(1, code)
      assert.equal("", out)
      assert.matches("^[^\n]*\n$", err)
      assert.is_nil(err:find "internal error" or err:find "traceback", err)
    end
    local code, _, err = run { "unshare", "--pid", "--fork" }
    if not err:find "^unshare" then
      assert.equal(1, code)
      assert.equal("ward: /proc is not mounted, or not for this pid namespace: Operation not supported\n", err)
    end
  end)

  it("keeps exit statuses when SIGCHLD was ignored by whoever started it", function()
    local w = start_through({ "perl", "-e", '$SIG{CHLD} = "IGNORE"; exec @ARGV' },
      one [[cmd = { "sh", "-c", "exit 7" }, restart = "never"]])
    local status = harness.until_(function()
      local s = w.status()
      return s and s.state == "failed" and s
    end, nil, "the exit")
    assert.equal(7, status.last_exit.code)
    assert.same({ code = 0 }, w.stop())
  end)

  it("lives through signals that are noise", function()
    local w = harness.start(one [[cmd = { "sleep", "1000" }]])
    local pid = w:until_ready("x")
    -- USR1 USR2 PIPE ALRM STKFLT CHLD CONT TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR, HUP, real-time ones
    for _, signal in ipairs { 10, 12, 13, 14, 16, 17, 18, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 1, 34, 40, 64 } do
      sys.kill(w.pid, signal)
    end
    assert.equal(pid, w:status("x").pid)
    w:stop(0, "QUIT")
  end)

  it("waits with the log when a file may grow no further", function()
    local w = start_through({ "sh", "-c", 'ulimit -f 8; exec "$@"', "sh" },
      one [[cmd = { "sh", "-c", "yes | head -c 100000; sleep 1000" }]])
    harness.until_(function()
      return (harness.read(w.dir .. "/err") or ""):find("File too large")
    end, nil, "the complaint")
    assert.is_truthy(w.status())
    assert.same({ code = 0 }, w.stop())
  end)

  it("takes a child that has not exec'd with it into death", function()
    local dir = harness.directory()
    sys.mkfifo(dir .. "/fifo", 384)
    local text = one(('cmd = { "sleep", "1000" }, stdout = %q'):format(dir .. "/fifo"))
    local w = harness.start(text)
    harness.until_(function() return #w:processes() == 2 end, nil, "the pending child")
    sys.kill(w.pid, "KILL")
    assert.equal("KILL", w:wait())
    harness.until_(function() return #w:processes() == 0 end, nil, "its end")
    -- Its socket closes with the last of its memory.
    harness.until_(function()
      return harness.run({ harness.ward, "status" }, { env = w.env }) == 5
    end, nil, "nobody who answers")
    local again = sys.spawn({ harness.ward, "run", w.script },
      { env = w.env, stdout = dir .. "/o", stderr = dir .. "/e" })
    harness.until_(function() return sys.connect(w.socket) end, nil, "the next ward")
    sys.kill(again, "TERM")
    assert.same({ code = 0 }, sys.wait(again, 20))
  end)

  it("takes one with it that is in a pid namespace, at every moment before exec", function()
    if os.execute("test $(id -u) = 0 && strace -qq -e trace=none true 2>/dev/null") ~= true then
      return pending("needs root, and a strace that may trace")
    end
    local dir <const> = harness.directory()
    sys.chmod(dir, 511) -- 0777
    local keys <const> = ([[cmd = { "/bin/sh", "-c", "echo ran >>%s/mark; exec sleep 1000" }, cwd = "/",
      user = "nobody", parent_death = "KILL", stdout = "null", stderr = "null",
      sandbox = { namespaces = { "pid" } }]]):format(dir)
    -- Held up before it ties its life to ward's: at first, and again after the uid change, which has cut that tie.
    for _, when in ipairs { 1, 2 } do
      local w = harness.start(([[
        local ward = require "ward"
        ward.command("go", function() ward.spawn { %s } ward.sleep "1h" end)
        return ward.service { name = "a", cmd = { "sleep", "1000" }, parent_death = "KILL" }
      ]]):format(keys))
      w:until_ready("a")
      local strace = assert(sys.spawn({ "strace", "-f", "-qq", "-o", dir .. "/trace", "-e", "trace=prctl", "-e",
        "inject=prctl:delay_enter=500000:when=" .. when, "-p", tostring(w.pid) }, { stderr = "/dev/null" }))
      harness.until_(function()
        return harness.read(("/proc/%d/status"):format(w.pid)):match("TracerPid:%s*(%d+)") ~= "0"
      end, nil, "strace to attach")
      local client = assert(sys.spawn({ harness.ward, "do", "go" }, { env = w.env, stderr = "/dev/null" }))
      harness.until_(function() return #w:left() >= 2 end, nil, "the child")
      harness.until_(function()
        return select(2, (harness.read(dir .. "/trace") or ""):gsub("PDEATHSIG", "")) >= when
      end, nil, "its call")
      sys.kill(w.pid, "KILL")
      w:wait()
      sys.wait(client, 20)
      sys.wait(strace, 20)
      harness.until_(function() return #w:processes() == 0 end, nil, "its end")
      assert.is_nil(harness.read(dir .. "/mark"))
    end
  end)

  it("lets its children live when it is killed", function()
    local w = harness.start(one [[cmd = { "sleep", "1000" }]])
    local pid = w:until_ready("x")
    sys.kill(w.pid, "KILL")
    w:wait()
    assert.is_true(sys.alive(pid))
    sys.kill(pid, "KILL")
  end)

  it("stops the whole tree of a service, other sessions too", function()
    local w = harness.start(one [[cmd = { "sh", "-c", "setsid sleep 1000 & echo up; wait" }]])
    w:until_says "up"
    harness.until_(function() return #w:left() == 2 end, nil, "both processes")
    for _ = 1, 3 do
      assert.equal(0, (w:cli("restart", "x")))
    end
    harness.until_(function() return #w:left() == 2 end, nil, "one tree only")
    assert.equal(0, (w:cli("stop", "x")))
    harness.until_(function() return #w:left() == 0 end, nil, "no tree")
    w:stop()
  end)

  it("ends a service that was stopped with SIGSTOP by its first signal", function()
    local w = harness.start(one [[cmd = { "sleep", "1000" }, stop = { "TERM", "1h", "KILL" }]])
    sys.kill(w:until_ready("x"), "STOP")
    assert.equal(0, (w:cli("stop", "x", "--timeout", "10s")))
    w:stop()
  end)

  it("leaves alone what was its process's child before it began", function()
    local w = start_through({ "sh", "-c", 'sleep 1000 & echo $! >"$0"; exec "$@"', harness.directory() .. "/pid" },
      one [[cmd = { "true" }, restart = "never"]])
    harness.until_(w.status, nil, "an answer")
    harness.until_(function() return #sys.children(w.pid) == 1 end, nil, "the service's end")
    local before = sys.children(w.pid)
    assert.same({ code = 0 }, w.stop())
    assert.is_true(sys.alive(before[1]))
    sys.kill(before[1], "KILL")
  end)
end)
