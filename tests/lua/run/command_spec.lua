-- The client verbs against a real supervisor: what they do, print and exit with.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local SCRIPT <const> = [[
local ward = require "ward"
local function sh(text) return { "sh", "-c", text .. "; while :; do sleep 0.05; done" } end
local db = ward.service { name = "db", cmd = { "sleep", "1000" } }
return {
  db,
  ward.service { name = "web-1", cmd = sh "trap 'echo got usr1' USR1; echo hello", needs = { db } },
  ward.service { name = "web-2", cmd = { "sleep", "1000" }, needs = { db } },
  ward.service { name = "once", cmd = { "true" }, restart = "never" },
  ward.service { name = "slow", cmd = sh "trap '' TERM; echo deaf", stop = { "TERM", "1h", "KILL" } },
}
]]

describe("client verbs", function()
  local w

  setup(function()
    w = harness.start(SCRIPT)
    w:until_ready("web-1")
    w:until_state("once", "done")
    w:until_says "deaf"
    w:until_says "hello"
  end)

  teardown(harness.cleanup)

  local function run(...)
    local code, out, err = w:cli(...)
    return code, out, err
  end

  it("status prints a table", function()
    local code, out = run("status")
    assert.equal(0, code)
    local head = out:match("^[^\n]*")
    assert.equal("NAME STATE READY PID UPTIME RESTARTS LAST-EXIT NEXT", (head:gsub("%s+", " ")))
    assert.is_truthy(out:find("\ndb +ready +yes +%d+ "))
    assert.is_truthy(out:find("\nonce +done +no +%- +%- +0 +code 0 +%-"))
  end)

  it("status --json prints JSON", function()
    local code, out = run("status", "--json")
    local answer = cjson.decode(out)
    assert.equal(0, code)
    assert.equal(w.pid, answer.pid)
    assert.equal("db", answer.services[1].name)
    assert.is_true(answer.services[1].ready)
  end)

  it("status of what does not run exits with 3, of what does not exist with 4", function()
    assert.equal(3, (run("status", "once")))
    local code, out, err = run("status", "wbe-1")
    assert.equal(4, code)
    assert.equal("", out)
    assert.is_truthy(err:find('no such service: "wbe-1"', 1, true))
    assert.equal(4, (run("stop", "nothing-*")))
  end)

  it("stop and start move a service and those that need it", function()
    assert.equal(0, (run("stop", "db")))
    assert.equal("stopped", w:status("db").state)
    assert.equal("waiting", w:status("web-1").state)
    assert.equal(0, (run("start", "db")))
    w:until_ready("web-1")
    w:until_ready("web-2")
  end)

  it("restart gives a new pid, also by pattern", function()
    local one, two = w:until_ready("web-1"), w:until_ready("web-2")
    assert.equal(0, (run("restart", "web-*")))
    assert.not_equal(one, w:status("web-1").pid)
    assert.not_equal(two, w:status("web-2").pid)
  end)

  it("stop times out with 99, and --no-wait returns at once", function()
    local code, _, err = run("stop", "slow", "--timeout", "100ms")
    assert.equal(99, code)
    assert.is_truthy(err:find("timed out"))
    assert.equal(0, (run("stop", "slow", "--no-wait")))
    assert.equal("stopping", w:status("slow").state)
    sys.kill(w:status("slow").pid, "KILL")
    assert.equal(0, (run("wait", "slow", "--for", "stopped")))
    assert.equal(0, (run("start", "slow")))
  end)

  it("signal reaches the process", function()
    w:until_ready("web-1")
    assert.equal(0, (run("signal", "web-1", "USR1")))
    w:until_says "got usr1"
    assert.equal(1, (run("signal", "once", "USR1")))
    assert.equal(2, (run("signal", "web-1", "NOSUCH")))
  end)

  it("wait tells when a service is ready", function()
    assert.equal(0, (run("wait", "web-1", "--for", "ready")))
    assert.equal(1, (run("wait", "once", "--for", "ready")))
    assert.equal(99, (run("wait", "web-1", "--for", "stopped", "--timeout", "50ms")))
  end)

  it("logs prints the end of a log, and -f goes on", function()
    local code, out = run("logs", "-n", "1", "slow")
    assert.equal(0, code)
    assert.equal("deaf\n", out)
    local path = w.dir .. "/follow"
    local pid = sys.spawn({ harness.ward, "logs", "-f", "-n", "0", "web-1" }, { env = w.env, stdout = path })
    -- It may still be starting: send until it has seen one.
    harness.until_(function()
      run("signal", "web-1", "USR1")
      return harness.read(path):find("got usr1")
    end, nil, "logs -f")
    sys.kill(pid, "TERM")
    assert.equal("TERM", sys.wait(pid, 20).signal)
  end)

  it("version, help and usage", function()
    local code, out = run("version")
    assert.equal(0, code)
    assert.is_truthy(out:find("^ward %d+%.%d+%.%d+\n$"))
    for _, verb in ipairs { "run", "check", "explain", "status", "start", "stop", "restart", "signal", "logs",
      "wait", "shutdown", "version" } do
      code, out = run(verb, "--help")
      assert.equal(0, code)
      assert.is_truthy(out:find("Usage: ward " .. verb, 1, true), verb)
    end
    for _, argv in ipairs { {}, { "nosuch" }, { "status", "--nosuch" }, { "stop" }, { "-i", "../x", "status" },
      { "wait", "web-1", "--for", "rain" }, { "stop", "db", "--timeout", "soon" } } do
      local err
      code, out, err = run(table.unpack(argv))
      assert.equal(2, code, table.concat(argv, " "))
      assert.equal("", out)
      assert.is_truthy(#err > 0)
    end
  end)

  it("a second ward on the instance is refused", function()
    local code, _, err = harness.run({ harness.ward, "run", w.script }, { env = w.env })
    assert.equal(1, code)
    assert.equal(('ward: instance "default" is already supervised by pid %d\n'):format(w.pid), err)
    w:until_ready("db")
  end)

  it("no ward on the instance is 5", function()
    local code, _, err = run("-i", "other", "status")
    assert.equal(5, code)
    assert.is_truthy(err:find('no supervisor answers on instance "other"', 1, true))
  end)

  it("shutdown stops all and waits for it", function()
    sys.kill(w:status("slow").pid, "KILL") -- it would take an hour
    local other = harness.start [[
      return require("ward").service { name = "x", cmd = { "sleep", "1000" } }
    ]]
    other:until_ready("x")
    assert.equal(0, (other:cli("shutdown")))
    assert.equal(0, other:wait())
    assert.same({}, other:left())
  end)
end)
