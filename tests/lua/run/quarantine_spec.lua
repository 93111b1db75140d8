-- A script that hangs where no hook reaches it: ward executes itself again, in place, and goes on without the script.

local harness <const> = require "helpers.harness"
local standing <const> = require "helpers.standing"

local by_name <const>, lasting <const> = standing.by_name, standing.lasting

-- `go` hangs in one call of the pattern matcher.
local SCRIPT <const> = [==[
local ward = require "ward"
local kept = ward.keep("kept", { list = { 1 } })
ward.service { name = "counter", restart = "never", tty = TTY,
  cmd = { "sh", "-c", [=[
    i=0; while [ ! -e enough ]; do echo line $i; i=$((i+1)); sleep 0.01; done; echo end $i; exit 7
  ]=] } }
ward.service { name = "hooked", cmd = { "sleep", "1000" }, restart = "always", needs = { "ground" },
  on_exit = function() return "stop" end }
ward.service { name = "ground", cmd = { "sleep", "1001" } }
ward.service { name = "waits", cmd = { "false" }, restart = { on = "always", backoff = { from = "1h", max = "1h" } } }
ward.service { name = "tree", cmd = { "sh", "-c", "sleep 1002 & setsid sleep 1003 & wait" } }
ward.service { name = "slow", stop = { "TERM", "1h", "KILL" }, restart = "always",
  cmd = { "sh", "-c", [=[
    trap 'while [ ! -e enough ]; do sleep 0.01; done; exit 9' TERM; touch trapped; sleep 1004 & wait
  ]=] } }
ward.pool { name = "pool", size = 2, max = 4, cmd = { "sleep", "1005" } }
ward.command("go", function()
  kept.list[2] = "two"
  kept.more = true
  ward.spawn { cmd = { "sleep", "1006" } }
  string.find(("a"):rep(200), ("a*"):rep(40) .. "b")
end)
]==]

local function go(w, more)
  harness.write(w.dir .. "/go", "")
  local code <const>, _, err <const> = w:cli("do", "go")
  assert.equal(1, code, w:err())
  assert(err:find("the supervisor closed the connection", 1, true), err .. w:err())
  local status
  w:until_(function()
    status = w:rpc "status"
    return status.quarantine
  end, 60, "the quarantine" .. (more or ""))
  return status
end

-- Every line of the counter, once and in order.
local function lines_of(log)
  local count = 0
  for number in log:gmatch "line (%d+)\r?\n" do
    assert(tonumber(number) == count, ("line %s came as number %d"):format(number, count))
    count = count + 1
  end
  assert.equal(count, tonumber(log:match "end (%d+)\r?\n"))
  return count
end

local function start(tty)
  local w <const> = harness.start((SCRIPT:gsub("TTY", tty)))
  for _, name in ipairs { "counter", "hooked", "tree", "slow", "pool-1", "pool-2" } do w:until_ready(name) end
  w:until_state("waits", "backoff")
  w:until_(function() return harness.read(w.dir .. "/trapped") end, nil, "the trap")
  return w
end

describe("a script that hangs in a C function", function()
  after_each(harness.cleanup)

  it("leaves services, counters, waiting times and logs as they are, and what is said of them", function()
    local w <const> = start "false"
    assert.equal(0, (w:cli("stop", "--no-wait", "slow")))
    local before <const> = by_name(w:rpc "status")
    local status <const> = go(w)
    assert.matches("script%.lua:%d+: a call did not return within 5.0s of CPU time", status.quarantine.because)
    assert.equal(1, status.generation)
    assert.is_true(status.uptime > 5)
    local after <const> = by_name(status)
    for name, view in pairs(before) do
      assert.same(lasting(view), lasting(after[name]))
      assert.is_true(not view.uptime or after[name].uptime > view.uptime, name)
    end
    assert.is_true(after.waits.next_in < before.waits.next_in and after.waits.next_in > 3000)
    assert.equal("stopping", after.slow.state)

    -- Its children go with the script, the services' do not.
    w:until_(function()
      local found = ""
      for _, pid in ipairs(w:processes()) do
        found = ("%s\n%s"):format(found, harness.read(("/proc/%d/cmdline"):format(pid)) or "")
      end
      return not found:find("1006", 1, true) and found:find("1003", 1, true) and found:find("1002", 1, true)
    end, nil, "the end of the task's child")
    assert.matches("the script is quarantined, its services go on without it", w:output())
    local _, events <const> = w:cli "events"
    assert.matches("quarantine", events)
    local code <const>, out <const>, err <const> = w:cli "status"
    assert.equal(0, code)
    assert.matches("hooked +ready", out)
    assert.matches("^ward: the script is quarantined: ", err)
    local failed <const>, _, why <const> = w:cli("eval", "1")
    assert.equal(1, failed)
    assert.matches("in quarantine", why)

    -- Its hook would say "stop".
    assert.equal(0, (w:cli("signal", "hooked", "KILL")))
    assert.is_truthy(w:until_ready("hooked", after.hooked.pid))
    harness.write(w.dir .. "/enough", "")
    w:until_state("counter", "failed")
    assert.equal(7, w:status("counter").last_exit.code)
    w:until_state("slow", "stopped")
    assert.equal(9, w:status("slow").last_exit.code)
    assert.is_true(lines_of(w:log "counter") > 100)
    w:stop()
    assert.same({}, w:left())
  end)

  it("is brought back by a reload, with what it kept; and may hang again", function()
    local w <const> = start "true"
    local before <const> = by_name(w:rpc "status")
    go(w)
    local more <const> = SCRIPT:gsub("TTY", "true") ..
      'ward.command("kept", function() print(#kept.list, kept.list[2], kept.more) end)\n'
    harness.write(w.script, more)
    local code <const>, _, err <const> = w:cli "reload"
    assert.equal(0, code, err)
    local status <const> = w:rpc "status"
    assert.is_nil(status.quarantine)
    assert.equal(2, status.generation)
    assert.equal(before.hooked.pid, by_name(status).hooked.pid)
    local _, out <const> = w:cli("do", "kept")
    assert.equal("2\ttwo\ttrue\n", out)

    local again <const> = go(w, ", again")
    assert.equal(2, again.generation)
    for name, view in pairs(by_name(again)) do assert.same(lasting(before[name]), lasting(view)) end
    harness.write(w.script, (more:gsub("string.find%b()", "")))
    assert.equal(0, (w:cli "reload"))
    assert.equal(0, (w:cli("do", "go")))
    -- The hook is asked again.
    assert.equal(0, (w:cli("signal", "hooked", "KILL")))
    w:until_state("hooked", "failed")
    harness.write(w.dir .. "/enough", "")
    w:until_state("counter", "failed")
    lines_of(w:log "counter")
    w:stop()
    assert.same({}, w:left())
  end)
end)

describe("a service whose calls are learned", function()
  after_each(harness.cleanup)

  it("goes on to be, in a successor, which knows what was called before", function()
    local list <const> = harness.directory() .. "/list.lua"
    local w <const> = harness.start((([==[
local ward = require "ward"
ward.service { name = "learned", restart = "never", sandbox = { seccomp = { learn = "LIST" } },
  cmd = { "sh", "-c", "mkdir made; until [ -e enough ]; do sleep 0.01; done; rmdir made; exit 9" } }
ward.command("go", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)
]==]):gsub("LIST", list)))
    local pid <const> = w:until_ready "learned"
    w:until_(function() return require("lfs").attributes(w.dir .. "/made") end, nil, "the directory")
    go(w)
    assert.equal(pid, w:status("learned").pid)
    harness.write(w.dir .. "/enough", "")
    w:until_state("learned", "failed")
    assert.equal(9, w:status("learned").last_exit.code)
    local has <const> = {}
    for _, name in ipairs(dofile(list)) do has[name] = true end
    assert.is_true(has.mkdir and has.rmdir)
    w:stop()
    assert.same({}, w:left())
  end)
end)
