-- Supervision trees, causes and rules with real processes.

local harness <const> = require "helpers.harness"

-- Each start of a service appends its name to the file "starts".
local HEAD <const> = [[
local ward = require "ward"
local function sleeper(name, keys)
  local spec = { name = name, cmd = { "sh", "-c", "echo " .. name .. " >>starts; exec sleep 1000" } }
  spec.restart = { backoff = { from = 0 } }
  for key, value in pairs(keys or {}) do spec[key] = value end
  return ward.service(spec)
end
]]

local function start(text, opts)
  return harness.start(HEAD .. text, opts)
end

local function starts(w)
  return (harness.read(w.dir .. "/starts") or ""):gsub("\n", " ")
end

local function until_starts(w, expected)
  w:until_(function() return starts(w) == expected end, nil, "starts " .. expected .. ", not " .. starts(w))
end

local function kill(w, name, signal)
  local pid <const> = w:until_ready(name)
  assert.equal(0, (w:cli("signal", name, signal or "KILL")))
  return pid
end

describe("a supervisor", function()
  after_each(harness.cleanup)

  it("restarts one for one, all for one, or the rest", function()
    for strategy, again in pairs { one_for_one = "b ", one_for_all = "a b c ", rest_for_one = "b c " } do
      local w <const> = start(([[return ward.supervisor { name = "app", strategy = %q,
        children = { sleeper "a", sleeper "b", sleeper "c" } }]]):format(strategy))
      w:until_ready "c"
      w:until_(function() return #starts(w) == 6 end, nil, "three starts")
      local b <const> = kill(w, "b")
      w:until_ready("b", b)
      w:until_(function() return #starts(w) == 6 + #again end, nil, "the starts of " .. strategy)
      local names = {}
      for name in starts(w):sub(7):gmatch "%a" do names[#names + 1] = name end
      table.sort(names) -- what starts together may come in any order
      assert.equal(again, table.concat(names, " ") .. " ")
      w:stop()
    end
  end)

  it("gives up after too many restarts, and that is the end of ward: exit status 1", function()
    local w <const> = start [[return ward.supervisor { name = "app", intensity = { 2, within = "1m" },
      children = { sleeper "a", sleeper("b", { cmd = { "sh", "-c",
        "[ -e go ] || { touch go; exec sleep 1000; }; echo b >>starts; exit 1" } }) } }]]
    kill(w, "b")
    assert.equal(1, w:wait())
    assert.equal(2, select(2, starts(w):gsub("b", "")))
    assert.matches("app +%* too many restarts of b: gives up, and stops its children", w:err())
    assert.matches("stopping 1 service %(the supervisor has given up", w:err())
    assert.same({}, w:left())
  end)

  it("that gives up is restarted by its own", function()
    local w <const> = start [[return ward.supervisor { name = "app", children = {
      sleeper "a",
      ward.supervisor { name = "fleet", strategy = "one_for_all", intensity = { 0, within = "1m" },
        restart = { backoff = { from = 0 } }, children = { sleeper "b", sleeper "c" } } } }]]
    w:until_ready "c"
    local a <const>, c <const> = w:until_ready "a", w:until_ready "c"
    kill(w, "b")
    w:until_ready("c", c)
    w:until_ready "b"
    assert.equal(a, w:until_ready "a")
    assert.matches("fleet +%* starts its children again", w:err())
    w:stop()
  end)

  it("that is told to stay leaves ward running, and a start by hand revives it", function()
    local w <const> = start [[return ward.supervisor { name = "app", intensity = { 0, within = "1m" }, stay = true,
      children = { sleeper "a", sleeper "b" } }]]
    w:until_ready "b"
    kill(w, "a")
    local view <const> = w:until_state("b", "failed")
    assert.equal(false, view.ready)
    local code <const>, out <const> = w:cli("why", "b")
    assert.equal(0, code)
    assert.matches('supervisor "app" gave up', out)
    assert.matches('"app" %(one_for_one, failed; intensity: %d of 0 restarts within 1m00s%)', out)
    assert.equal(0, (w:cli("start", "b")))
    assert.is_true(w:status("b").ready)
    w:stop()
  end)

  it("ends with its significant child: exit status 0", function()
    local w <const> = start [[return ward.supervisor { name = "app", auto_shutdown = "any_significant",
      children = { sleeper "a", sleeper("job", { restart = "never", significant = true, needs = { "a" } }) } }]]
    kill(w, "job")
    assert.equal(0, w:wait())
    assert.matches("app +%* job has ended: shuts down", w:err())
  end)
end)

describe("a service", function()
  after_each(harness.cleanup)

  it("of type oneshot is up when it is done; its stop command takes it down", function()
    local w <const> = start [[
      local up = ward.service { name = "up", type = "oneshot", cmd = { "sh", "-c", "echo up >>starts" },
        stop = { cmd = { "sh", "-c", "echo down >>starts; echo bye" } } }
      return ward.supervisor { name = "app", children = { sleeper("a", { needs = { up } }), up } }]]
    w:until_ready "a"
    until_starts(w, "up a ")
    assert.equal("done", w:status("up").state)
    assert.is_true(w:status("up").ready)
    assert.equal(0, (w:cli("restart", "up")))
    until_starts(w, "up a down up a ")
    w:stop()
    assert.equal("up a down up a down ", (starts(w)))
    assert.equal("bye\nbye\n", w:log "up")
  end)

  it("is stopped by a command, or by signals when that fails", function()
    local w <const> = start [[
      local trap = "trap 'rm stopme; exit 0' USR1; trap '' TERM; echo $$ >pid; touch stopme; "
        .. "while :; do sleep 0.01; done"
      local function with(name, command)
        return ward.service { name = name, cmd = { "sh", "-c", trap }, stop = { cmd = { "sh", "-c", command },
          timeout = "60s", "INT", "60s", "KILL" } }
      end
      return with("a", "kill -USR1 $(cat pid)")]]
    w:until_ready "a"
    w:until_(function() return harness.read(w.dir .. "/stopme") end, nil, "the trap")
    assert.equal(0, (w:cli("stop", "a")))
    assert.is_nil(harness.read(w.dir .. "/stopme"))
    w:stop()
    local v <const> = start [[return sleeper("a", { stop = { cmd = { "false" }, timeout = "60s", "INT", "60s" } })]]
    v:until_ready "a"
    assert.equal(0, (v:cli("stop", "a")))
    assert.equal("INT", v:status("a").last_exit.signal)
    assert.matches("the stop command failed: exited with code 1", v:err())
    v:stop()
  end)

  it("gives up after too many restarts, is not restarted after some exits, and can be paused", function()
    local w <const> = start [[
      ward.service { name = "a", cmd = { "false" },
        restart = { backoff = { from = 0 }, give_up = { 2, within = "1m" } } }
      ward.service { name = "b", cmd = { "sh", "-c", "exit 78" }, restart_prevent = { 78 } }
      ward.service { name = "c", cmd = { "sh", "-c", "exit 3" }, success = { 3 } }
      sleeper "d"]]
    assert.equal(2, w:until_state("a", "failed").restarts)
    assert.matches("too many restarts, not tried again", w:err())
    assert.equal(0, w:until_state("b", "failed").restarts)
    w:until_state("c", "done")
    local _, out <const> = w:cli("why", "a", "b")
    assert.matches("decision +give up %(restart.give_up: more than 2 restarts within 60s%)", out)
    assert.matches("decision +failed %(restart_prevent lists this exit%)", out)
    w:until_ready "d"
    assert.equal(0, (w:cli("pause", "d")))
    kill(w, "d")
    w:until_state("d", "backoff")
    assert.matches("paused", (select(2, w:cli("status", "d"))))
    assert.matches("restarting is paused %(ward resume d%)", (select(2, w:cli("why", "d"))))
    assert.equal(0, (w:cli("resume", "d")))
    w:until_ready "d"
    w:stop()
  end)

  it("that takes too long to start is stopped, and has failed for that", function()
    local w <const> = start [[ward.service { name = "a", type = "oneshot", cmd = { "sleep", "1000" },
      start_timeout = "50ms", restart = "never" }]]
    local view <const> = w:until_state("a", "failed")
    assert.same({ "timeout", "TERM", false }, { view.last_exit.cause, view.last_exit.signal, view.last_exit.ok })
    assert.matches("a +%* stopping: not ready in time", w:err())
    w:stop()
  end)
end)

describe("the script's own rule", function()
  after_each(harness.cleanup)

  it("says when to try again, when to stop and when to escalate", function()
    local w <const> = start [[return ward.supervisor { name = "app", stay = true, children = {
      ward.service { name = "a", cmd = { "sh", "-c", "exit 7" }, restart = function(exit, history)
        print("rule", exit.code, history.restarts, #history.exits)
        if history.restarts == 2 then return "stop" end
        return "10ms"
      end },
      ward.service { name = "b", cmd = { "sh", "-c", "exit 8" }, on_exit = function(self, exit)
        print("hook", self.name, exit.code)
        ward.sleep(0.01)
        return "escalate"
      end, restart = function() print "never called" end, needs = { "c" } },
      sleeper "c" } }]]
    w:until_state("c", "failed")
    assert.matches("script +%* rule    7    0    1\n", w:err())
    assert.matches("script +%* hook    b    8\n", w:err())
    assert.not_matches("never called", w:err())
    assert.matches("app +%* b escalates: gives up, and stops its children", w:err())
    w:stop()
    local v <const> = start [[ward.service { name = "a", cmd = { "sh", "-c", "exit 7" },
      restart = function(_, history) return history.restarts == 2 and "stop" or "10ms" end }]]
    assert.equal(2, v:until_state("a", "failed").restarts)
    assert.matches("decision +stop %(the script's rule%)", (select(2, v:cli("why", "a"))))
    v:stop()
  end)

  it("that fails, overruns or makes no sense is told with its line, and the default applies", function()
    local w <const> = start [[
      local function one(name, rule)
        local cmd = ("[ -e %s ] && exec sleep 1000; touch %s; exit 1"):format(name, name)
        return ward.service { name = name, cmd = { "sh", "-c", cmd }, restart = rule }
      end
      one("raises", function() error("no idea") end)
      one("spins", function() while true do end end)
      one("babbles", function() return {} end)
      one("haggles", function() return "soon" end)]]
    for _, name in ipairs { "raises", "spins", "babbles", "haggles" } do
      w:until_says(name .. " +%* the default rule applies: ")
      w:until_says(name .. " +%* exited with code 1 after .*; next try in ")
    end
    assert.matches("script.lua:%d+: no idea", w:err())
    assert.matches("CPU", w:err())
    assert.matches('service "babbles": restart: must return a delay, "stop", "escalate" or nothing, got a table',
      w:err())
    assert.matches('service "haggles": restart: the delay: bad duration "soon"', w:err())
    w:stop()
  end)

  it("hooks are told what happens; one that never returns holds up nothing", function()
    local w <const> = start [[
      local function say(what) return function(self, exit) print(what, self.name, exit and exit.signal or "-") end end
      sleeper("a", { on_start = say "start", on_ready = say "ready", on_exit = say "exit", on_stop = say "stop",
        on_fail = say "fail" })
      sleeper("b", { on_ready = function() ward.sleep "1h" end, on_exit = function() ward.sleep "1h" end })
      ward.service { name = "c", cmd = { "false" }, restart = "never", on_fail = function(self, exit)
        print("fail", self.name, exit.code) end }]]
    local a <const> = w:until_ready "a"
    kill(w, "a")
    w:until_ready("a", a)
    w:until_state("c", "failed")
    assert.equal(0, (w:cli("stop", "a")))
    w:until_says "exit    a    TERM"
    local told = {}
    for what, name, how in w:err():gmatch "script +%* (%a+)    (%a)    (%S+)" do
      if name == "a" then told[#told + 1] = what .. " " .. how end
    end
    assert.same({ "start -", "ready -", "exit KILL", "start -", "ready -", "stop -", "exit TERM" }, told)
    assert.matches("fail    c    1", w:err())
    w:stop()
  end)
end)

describe("ward graph", function()
  after_each(harness.cleanup)

  it("draws the tree as text, dot and mermaid", function()
    local w <const> = start [[return ward.supervisor { name = "app", strategy = "rest_for_one", children = {
      sleeper "db", ward.supervisor { name = "fleet", children = {
        sleeper("web", { needs = { "db" }, after = { "log" } }) } }, sleeper "log" } }]]
    w:until_ready "web"
    local function graph(...) return select(2, w:cli("graph", ...)) end
    assert.equal("app (rest_for_one)\n├─ db  ready\n├─ fleet (one_for_one)\n│  └─ web  ready  needs db  after log\n"
      .. "└─ log  ready\n", graph())
    assert.matches('"web" %-> "db"\n', graph("--format", "dot"))
    assert.matches("n4 %-%-> n2\n", graph("--format", "mermaid"))
    assert.equal(2, (w:cli("graph", "--format", "png")))
    w:stop()
  end)
end)
