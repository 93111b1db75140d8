-- ward.sim: scripts under a virtual clock. The same engine, driver and script library as in ward run over a core that
-- is not C's.
local script <const> = require "ward.sim.script"
local sim <const> = require "ward.sim"

local HERE <const> = "tests/lua/sim_spec.lua"

-- A world of the script in `text`.
local function load_text(text, options)
  options = options or {}
  function options.read(path)
    if path == "app.lua" then return "local ward = require 'ward'\n" .. text end
    return nil, "No such file or directory"
  end
  options.env = options.env or {}
  return sim.load("app.lua", options)
end

local ONE <const> = 'ward.service { name = "web", cmd = { "web" }, %s }'

local function one(keys, options) return load_text(ONE:format(keys or ""), options) end

-- The message of what fn raises, which has to begin with the line of this file that called.
local function raised(fn, ...)
  local ok <const>, message <const> = pcall(fn, ...)
  assert.is_false(ok)
  local place <const>, text <const> = tostring(message):match("^(.-:%d+): (.*)$")
  return text, place
end

local function types(w, ...)
  local list <const> = {}
  for i, event in ipairs(w:events(...)) do list[i] = event.type end
  return list
end

describe("ward.sim.load", function()
  it("tells the version that the Makefile has", function()
    local file <close> = assert(io.open("Makefile"))
    assert.equal(file:read("a"):match("\nVERSION%s*:?=%s*(%S+)"), script.VERSION)
  end)

  it("refuses what it does not know, and names the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local text, place = raised(function() sim.load("app.lua", { sed = 1 }) end)
    assert.equal(("%s:%d"):format(HERE, line), place)
    assert.equal('sim.load: unknown key "sed" (did you mean "seed"?)', text)
    for _, case in ipairs {
      { 1, nil, "sim.load: the path of the script: must be a string, got number 1" },
      { "a", { on_spawn = 1 }, "sim.load: on_spawn: must be a function, got number 1" },
      { "a", { read = "a" }, 'sim.load: read: must be a function, got string "a"' },
      { "a", { seed = 1.5 }, "sim.load: seed: must be a whole number from -9223372036854775808 to 9223372036854775807, "
        .. "got number 1.5" },
      { "a", { time = -1 }, "sim.load: time: must be a number from 0 to 1099511627776, got number -1" },
      { "a", { env = { A = 1 } }, "sim.load: env.A: must be a string, got number 1" },
      { "a", { groups = { a = "b" } }, 'sim.load: groups.a: must be the number of the group, got string "b"' },
    } do
      assert.equal(case[3], (raised(function() sim.load(case[1], case[2]) end)))
    end
  end)

  it("tells mistakes of a script with its file and line, as ward check does", function()
    local function message(text) return select(2, pcall(load_text, text)) end
    assert.equal('app.lua:2: service "web": unknown key "stop_timout" (did you mean "stop"?)',
      message 'ward.service { name = "web", cmd = { "a" }, stop_timout = 1 }')
    assert.equal("app.lua:3: no", message '\nerror "no"')
    assert.matches('^app.lua:2: undefined global "prin"', message 'prin "a"')
    assert.matches("^app.lua:2: unexpected symbol", message "x = = 1")
    assert.equal("cannot read gone.lua: No such file or directory", select(2, pcall(sim.load, "gone.lua")))
  end)

  it("gives a script the environment, users, files and time of the test", function()
    local w = load_text([[
      local home = os.getenv "HOME"
      print(home, ward.env.HOME, os.getenv "PATH", os.time())
      ward.service { name = "web", cmd = { "web" }, user = "www", group = "logs", env = { HOME = home } }
    ]], { env = { HOME = "/h" }, users = { www = { uid = 33, gid = 34, groups = { 35 } } }, groups = { logs = 7 },
      time = 1000 })
    assert.same({ "/h\t/h\tnil\t1000" }, w:log())
    assert.is_true(w:ready "web")
  end)

  it("takes ward's own files from where they are, whatever `read` says", function()
    local text <const> = 'local ward = require "ward"; ward.service { name = "web", cmd = { "web" } }'
    assert.is_true(sim.load("app.lua", { read = function() return text end }):ready "web")
  end)

  it("leaves this Lua state as it was", function()
    local before <const> = {}
    for key, item in next, _G do before[key] = item end
    one()
    for key, item in next, _G do assert.equal(before[key], item) end
    assert.equal(string, getmetatable("").__index)
    assert.equal(nil, debug.gethook(coroutine.create(function() end)))
  end)
end)

describe("a world", function()
  it("begins with everything started", function()
    local w = one()
    assert.equal("ready", w:state "web")
    assert.is_true(w:ready "web")
    assert.equal(1, w:starts "web")
    assert.equal(1001, w:pid "web")
    assert.equal(0, w.now)
    assert.is_nil(w.code)
    assert.same({ "web" }, w:names())
    assert.equal("web", w:graph().children[1].name)
    assert.same({ "starting", "ready" }, types(w, "web"))
  end)

  it("restarts what exits, with growing delays", function()
    local w = one 'restart = { backoff = { from = "1s", factor = 2, max = "4s", jitter = 0 } }'
    local delays <const> = {}
    for i = 1, 4 do
      w:exit("web", { code = 1 })
      assert.equal("backoff", w:state "web")
      assert.is_nil(w:pid "web")
      delays[i] = w:events("backoff")[i].delay
      w:advance(delays[i] - 0.001)
      assert.equal(i, w:starts "web")
      w:advance(0.001)
      assert.equal(i + 1, w:starts "web")
    end
    assert.same({ 1, 2, 4, 4 }, delays)
  end)

  it("knows signals, cores and causes of an exit", function()
    local w = one 'restart = "never"'
    w:exit("web", { signal = "SIGSEGV", core = true })
    local exit = w:status("web").last_exit
    assert.equal("SEGV", exit.signal)
    assert.is_true(exit.core)
    assert.equal("failed", w:state "web")
    assert.equal("signal", exit.cause)
    w:start "web"
    w:exit "web"
    assert.equal("done", w:state "web")
    assert.is_table(w:why("web").decision)
  end)

  it("answers commands when they are done", function()
    local w = one()
    w:ignore("web", "TERM")
    local stop = w:stop "web"
    assert.same({}, stop)
    assert.equal("stopping", w:state "web")
    w:advance "10s"
    assert.is_true(stop.ok)
    assert.equal(10, stop.at)
    assert.same({ "TERM", "KILL" }, w:signals "web")
    local ready = w:wait("web", "ready")
    assert.is_nil(ready.ok)
    assert.is_true(w:start("web").ok)
    assert.is_true(ready.ok)
    assert.is_true(w:restart("web").ok == nil) -- TERM is still ignored
    w:ignore "web"
    w:exit "web"
    assert.equal(3, w:starts "web")
    w:pause "web"
    w:exit("web", { code = 1 })
    w:advance "1h"
    assert.equal(3, w:starts "web")
    w:resume "web"
    assert.equal(4, w:starts "web")
  end)

  it("lets starts fail, and take time", function()
    local w = one 'start_timeout = "5s"'
    w:spawn_fails "web"
    local answer = w:restart "web"
    assert.is_false(answer.ok)
    assert.equal("spawn", w:status("web").last_exit.cause)
    assert.equal("cannot exec web: No such file or directory (stage exec)", w:status("web").last_exit.message)
    w:advance "1s"
    assert.is_true(w:ready "web")
    w:hold "web"
    w:exit("web", { code = 1 })
    w:advance "1s"
    assert.equal("starting", w:state "web")
    w:started "web"
    assert.is_true(w:ready "web")
    w:exit("web", { code = 1 })
    w:advance "1s"
    w:spawn_fails("web", "no luck")
    assert.equal("no luck", w:status("web").last_exit.message)
    w:advance "1s"
    w:release "web"
    assert.is_true(w:ready "web")
    w:hold "web"
    w:exit("web", { code = 1 })
    w:advance "8s"
    assert.equal("timeout", w:status("web").last_exit.cause)
  end)

  it("has services that survive KILL, and does not double them", function()
    local w = one 'stop = { "TERM", "1s", "KILL" }'
    w:stuck "web"
    w:restart "web"
    w:advance "1m"
    assert.equal("stuck", w:state "web")
    assert.equal(1, w:starts "web")
    w:exit "web"
    assert.equal(2, w:starts "web")
    assert.is_true(w:ready "web")
  end)

  it("ends with the status of ward", function()
    local w = load_text [[
      local web = ward.service { name = "web", cmd = { "web" }, restart = { backoff = { from = 1, jitter = 0 } } }
      return ward.supervisor { name = "app", intensity = { 1, within = "1m" }, children = { web } }
    ]]
    for _ = 1, 2 do
      w:exit("web", { code = 1 })
      w:advance "2s"
    end
    assert.equal(1, w.code)
    assert.same({ "give_up" }, types(w, "give_up"))
    assert.equal('w:start: ward has ended with status 1', (raised(function() w:start "web" end)))
    w:advance "1h" -- nothing happens any more
    assert.equal(2, w:starts "web")
  end)

  it("stops in order at a signal", function()
    local w = load_text [[
      local db = ward.service { name = "db", cmd = { "db" } }
      ward.service { name = "web", cmd = { "web" }, needs = { db } }
    ]]
    w:signal "TERM"
    assert.equal(0, w.code)
    local order <const> = {}
    for i, event in ipairs(w:events "stopped") do order[i] = event.name end
    assert.same({ "web", "db" }, order)
  end)
end)

describe("the script's own code in a world", function()
  it("may ask for no delay at all", function()
    local w = one 'restart = function() return 0 end'
    w:exit("web", { code = 1 })
    assert.is_true(w:ready "web")
    assert.equal(2, w:starts "web")
  end)

  it("sleeps, repeats and waits on the virtual clock", function()
    local w = load_text [[
      ward.after("1h", function() print("after", ward.now and "" or "") end)
      ward.every("10m", function() print "tick" end)
      ward.service { name = "web", cmd = { "web" }, on_ready = function(self)
        ward.sleep "5s"
        print(self.name .. " is five seconds old")
      end }
    ]]
    assert.same({}, w:log())
    w:advance "5s"
    assert.same({ "web is five seconds old" }, w:log())
    w:advance "1h"
    local ticks = 0
    for _, line in ipairs(w:log()) do ticks = ticks + (line == "tick" and 1 or 0) end
    assert.equal(6, ticks)
    assert.same({}, w:errors())
  end)

  it("decides about restarts, and hears of events", function()
    local w = load_text [[
      ward.on("exit", function(event) print("heard", event.name, event.exit.code) end)
      ward.service { name = "web", cmd = { "web" }, restart = function(exit, history)
        ward.sleep "1s"
        if exit.code == 78 then return "stop" end
        return 7
      end }
    ]]
    w:exit("web", { code = 1 })
    w:advance(7.9)
    assert.equal("backoff", w:state "web")
    w:advance(0.1)
    assert.is_true(w:ready "web")
    w:exit("web", { code = 78 })
    w:advance "1s"
    assert.equal("failed", w:state "web")
    assert.same({ "heard\tweb\t1", "heard\tweb\t78" }, w:log())
    assert.equal(2, #w:heard "exit")
    assert.equal(78, w:heard("exit")[2].exit.code)
  end)

  it("starts children, which the test answers", function()
    local w = load_text([[
      ward.service { name = "web", cmd = { "web" }, on_start = function()
        local result = ward.run { cmd = { "date" }, input = "now?" }
        print(result.ok, result.code, result.stdout)
      end }
      ward.on("emitted", function()
        local p, err = ward.spawn { cmd = { "gone" } }
        print(p, err.message)
      end)
      ward.on_signal("USR1", function() ward.emit("emitted", {}) end)
    ]], { on_spawn = function(spec)
      if spec.cmd[1] == "date" then return { stdout = "late\n", code = 3, after = "2s" } end
    end })
    assert.same({}, w:log())
    w:advance "2s"
    assert.same({ "false\t3\tlate\n" }, { table.concat(w:log(), "\n") })
    local child = w:children()[1]
    assert.same({ "date" }, child.cmd)
    assert.equal("now?", child.stdin)
    assert.equal(3, child.exit.code)
    w:on_spawn(function(spec) return { fail = spec.cmd[1] .. " is not there" } end)
    w:signal "USR1"
    assert.matches("gone is not there", w:log()[#w:log()])
  end)

  it("hands the test's own mistakes to the test", function()
    local text = [[
      ward.service { name = "web", cmd = { "web" }, on_start = function() ward.run { cmd = { "date" } } end }
    ]]
    local line = debug.getinfo(1, "l").currentline + 1
    local function fails() error "mine" end
    assert.matches(("%s:%d: mine"):format(HERE, line), select(2, pcall(load_text, text, { on_spawn = fails })), 1, true)
    assert.matches('what the function `on_spawn` returned: unknown key "cod" (did you mean "code"?)',
      select(2, pcall(load_text, text, { on_spawn = function() return { cod = 1 } end })), 1, true)
  end)

  it("may fail, which does not end the test", function()
    local w = one 'on_start = function() error "no" end'
    assert.same({ "app.lua:2: no" }, w:errors())
    assert.is_true(w:ready "web")
  end)

  it("runs commands, stop commands and hears of files", function()
    local w = load_text [[
      ward.command("greet", function(who) print("hello " .. who); ward.sleep(1); return 7 end)
      ward.watch("conf", function() print "changed" end)
      ward.service { name = "web", cmd = { "web" }, stop = { cmd = { "halt" }, "TERM" } }
    ]]
    local answer = w:command("greet", "world")
    assert.same({ output = "hello world\n" }, answer)
    w:advance "1s"
    assert.is_true(answer.ok)
    w:touch "conf"
    w:advance "10s"
    assert.same({ "changed" }, w:log())
    w:stop "web"
    assert.same({ "halt" }, w:children()[1].cmd)
  end)
end)

describe("a mistake in a test", function()
  local CASES <const> = {
    { function(w) w:exit "wep" end, 'w:exit: no service is called "wep" (did you mean "web"?)' },
    { function(w) w:starts(1) end, "w:starts: the service: must be the name of one, got number 1" },
    { function(w) w:exit("web", { code = 256 }) end, "w:exit: code: must be a whole number from 0 to 255, got number "
      .. "256" },
    { function(w) w:exit("web", { cod = 1 }) end, 'w:exit: the exit: unknown key "cod" (did you mean "code"?)' },
    { function(w) w:exit("web", {}) end, "w:exit: the exit: needs code or signal, and not both" },
    { function(w) w:started "web" end, 'w:started: service "web" is not being launched: it is ready' },
    { function(w) w:advance "soon" end },
    { function(w) w:advance(-1) end },
    { function(w) w:events "redy" end, 'w:events: no event, service or supervisor is called "redy" (did you mean '
      .. '"ready"?)' },
    { function(w) w:wait("web", "up") end },
    { function(w) w:signal "USR2" end, "w:signal: nothing in the script waits for SIGUSR2" },
    { function(w) w:signal "NONE" end },
    { function(w) w:ignore("web", "NONE") end },
    { function(w) w:touch(1) end },
    { function(w) w:heard(1) end },
    { function(w) w:on_spawn(1) end, "w:on_spawn: the answer to children: must be a function, got number 1" },
    { function(w) w:command(1) end },
    { function(w) w.exit("web") end, "ward.sim: a colon is missing: w:exit(...)" },
    { function(w) return w.stats, 1 end, 'ward.sim: a world has no field "stats" (did you mean "starts"?)' },
  }

  it("has its line and says what is wrong", function()
    for _, case in ipairs(CASES) do
      local w = one()
      local text, place = raised(case[1], w)
      assert.equal(("%s:%d"):format(HERE, debug.getinfo(case[1], "S").linedefined), place)
      if case[2] then assert.equal(case[2], text) end
    end
  end)

  it("is found where a service is not there", function()
    local w = one 'restart = "never"'
    w:exit "web"
    assert.equal('w:exit: service "web" does not run: it is done', (raised(function() w:exit "web" end)))
    w:hold "web"
    w:start "web"
    assert.equal('w:exit: service "web" is still being launched: w:started("web") comes first',
      (raised(function() w:exit "web" end)))
  end)
end)

describe("a run", function()
  -- Crashes whenever it is up, for this long.
  local function crash_loop(w, seconds)
    while w.now < seconds do
      if w:pid "web" then
        w:exit("web", { code = 1 })
      else
        w:advance(w:status("web").next_at - w.now)
      end
    end
  end

  it("is the same each time, and another with another seed", function()
    local function run(seed)
      local w = one('on_exit = function() ward.sleep(math.random()); print(ward.run { cmd = { "a" } }.ok) end',
        { seed = seed })
      crash_loop(w, 600)
      w:advance "1m"
      return { w:events(), w:log(), w:children(), w:heard() }
    end
    local first <const> = run(5)
    assert.same(first, run(5))
    assert.not_same(first, run(6))
  end)

  it("of a day of crashes takes a second or so", function()
    local w = one()
    local began <const> = os.clock()
    crash_loop(w, 86400)
    assert.is_true(w:starts "web" > 2800)
    assert.is_true(os.clock() - began < 10)
  end)
end)
