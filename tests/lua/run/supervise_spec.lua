-- `ward run` end to end, on real processes: start, crash, restart, order, stop, signals.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local FOREVER <const> = '{ "sleep", "1000" }'

local function service(name, rest)
  return ("ward.service { name = %q, %s }"):format(name, rest)
end

local function script(...)
  return 'local ward = require "ward"\nreturn {\n' .. table.concat({ ... }, ",\n") .. "\n}\n"
end

-- Position of a line of text, for order.
local function at(text, pattern)
  return text:find(pattern) or error(("no %q in:\n%s"):format(pattern, text), 2)
end

describe("ward run", function()
  after_each(harness.cleanup)

  it("brings a crashed service back, and only it", function()
    local w = harness.start(script(
      service("a", "cmd = " .. FOREVER .. ', restart = { backoff = { from = "10ms" } }'),
      service("b", "cmd = " .. FOREVER)))
    local a, b = w:until_ready("a"), w:until_ready("b")
    sys.kill(a, "KILL")
    local next_a = w:until_ready("a", a)
    assert.not_equal(a, next_a)
    assert.equal(b, w:status("b").pid)
    local status = w:status("a")
    assert.equal(1, status.restarts)
    assert.equal("KILL", status.last_exit.signal)
    w:stop()
  end)

  it("restarts by the rule: always, failure, never", function()
    local w = harness.start(script(
      service("always", 'cmd = { "true" }, restart = { on = "always", backoff = { from = "1h", max = "1h" } }'),
      service("failure", 'cmd = { "true" }, restart = "failure"'),
      service("broken", 'cmd = { "sh", "-c", "exit 7" }, restart = "never"'),
      service("failing", 'cmd = { "false" }, restart = { on = "failure", backoff = { from = "1h", max = "1h" } }')))
    assert.equal(0, w:until_state("always", "backoff").last_exit.code)
    w:until_state("failure", "done")
    assert.equal(7, w:until_state("broken", "failed").last_exit.code)
    local failing = w:until_state("failing", "backoff")
    assert.is_true(failing.next_in > 3000 and failing.next_in <= 3960)
    w:stop()
  end)

  it("starts needs first and stops them last", function()
    local w = harness.start(script(
      service("web", "cmd = " .. FOREVER .. ', needs = { "app" }'),
      service("app", "cmd = " .. FOREVER .. ', needs = { "db" }'),
      service("db", "cmd = " .. FOREVER)))
    w:until_ready("web")
    w:stop()
    local err = w:err()
    assert.is_true(at(err, "db   %* ready") < at(err, "app  %* ready"))
    assert.is_true(at(err, "app  %* ready") < at(err, "web  %* ready"))
    assert.is_true(at(err, "web  %* stopped") < at(err, "app  %* stopped"))
    assert.is_true(at(err, "app  %* stopped") < at(err, "db   %* stopped"))
  end)

  it("goes down the ladder, and a second signal shortens it", function()
    local w = harness.start(script(service("deaf",
      [[cmd = { "sh", "-c", "trap '' TERM INT; echo armed; while :; do sleep 0.1; done" },
        stop = { "TERM", "1h", "INT", "1h", "KILL" }]])))
    w:until_says "armed"
    sys.kill(w.pid, "TERM")
    w:until_says "stopping 1 service %(SIGTERM; again to hurry%)"
    sys.kill(w.pid, "INT")
    w:until_says "still running: SIGINT"
    sys.kill(w.pid, "INT")
    assert.equal(0, w:wait())
    assert.is_truthy(w:err():find("killed by SIGKILL"))
    assert.same({}, w:left())
  end)

  it("survives SIGHUP, SIGPIPE and a storm of SIGCHLD", function()
    local w = harness.start(script(service("a", "cmd = " .. FOREVER)))
    local pid = w:until_ready("a")
    for _ = 1, 50 do
      sys.kill(w.pid, "HUP")
      sys.kill(w.pid, "PIPE")
      sys.kill(w.pid, "CHLD")
    end
    assert.equal(pid, w:status("a").pid)
    w:stop(0, "INT")
  end)

  it("reaps orphans without taking the status of its own children", function()
    local w = harness.start(script(
      service("parent", [[restart = "never",
        cmd = { "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.0$i &) ; done; sleep 0.05; exit 42" }]]),
      service("a", "cmd = " .. FOREVER)))
    assert.equal(42, w:until_state("parent", "failed").last_exit.code)
    harness.until_(function() return #w:left() == 1 end, nil, "the orphans to be gone")
    -- children() leaves zombies out, left() reads environments: a zombie would show in neither.
    harness.until_(function()
      local f <close> = io.open(("/proc/%d/task/%d/children"):format(w.pid, w.pid))
      return select(2, f:read("a"):gsub("%d+", "")) == 1
    end, nil, "the zombies to be reaped")
    w:stop()
  end)

  it("kills what a service leaves in other sessions when ward ends", function()
    local w = harness.start(script(service("daemonizer",
      'cmd = { "sh", "-c", "setsid sleep 1000 & setsid setsid sleep 1001 & sleep 1002" }')))
    harness.until_(function() return #w:left() >= 4 end, nil, "the daemons")
    w:stop()
  end)

  it("reports a program that is missing, and tries again by the rule", function()
    local w = harness.start(script(service("gone",
      'cmd = { "/nonexistent/program" }, restart = { backoff = { from = "10ms", max = "10ms" } }')))
    local status = harness.until_(function()
      local s = w:status("gone")
      return s.restarts and s.restarts >= 3 and s
    end, nil, "three tries")
    assert.equal("spawn_failed", status.last_exit.kind)
    assert.equal("exec", status.last_exit.stage)
    assert.equal(2, status.last_exit.errno)
    assert.is_truthy(w:err():find("cannot exec /nonexistent/program: No such file or directory (stage exec)", 1, true))
    w:stop()
  end)

  it("goes on when nobody reads its output", function()
    local dir = harness.directory()
    sys.mkfifo(dir .. "/out", 384)
    local unread <close> = assert(io.open(dir .. "/out", "r+"))
    local path = harness.write(dir .. "/s.lua", script(service("noisy",
      [[cmd = { "sh", "-c", "yes 012345678 | head -c 8000000; echo finished; sleep 1000" }]])))
    local pid = assert(sys.spawn({ harness.ward, "run", path }, {
      env = { WARD_RUNTIME_DIR = dir .. "/run", WARD_LOG_DIR = dir .. "/log" },
      stdout = dir .. "/out", stderr = dir .. "/err",
    }))
    local log = dir .. "/log/default/noisy.log"
    harness.until_(function()
      return (harness.read(log) or ""):sub(-9) == "finished\n"
    end, nil, "the whole log")
    assert.equal(8000000 + 9, #harness.read(log))
    sys.kill(pid, "TERM")
    assert.equal(0, sys.wait(pid, 20).code)
    assert.is_truthy(unread)
  end)

  it("ends in order with nothing to do", function()
    local w = harness.start(script(service("done", 'cmd = { "true" }')))
    w:until_state("done", "done")
    w:stop()
  end)
end)
