-- The driver against a scripted engine: what is asked for is done, once and in order, whatever fails.

local fake <const> = require("lua.fake_core")

describe("ward.service.driver", function()
  local core, seen, script, told, driver

  -- The engine of these tests notes each event and answers with what `script` says for its kind.
  local engine <const> = {
    new = function() return {} end,
    step = function(state, event)
      table.insert(seen, event)
      local answer = script[event.kind]
      if type(answer) == "function" then answer = answer(event) end
      return state, answer or {}
    end,
    foresee = function() return script.foresees, "code" end,
    service = function(_, name) return { name = name, pid = 1001 } end,
  }

  before_each(function()
    core, seen, script = fake.new(), {}, {}
    told = { events = {}, errors = {}, notes = {}, replies = {} }
    package.loaded["ward.core"], package.loaded["ward.engine"] = core, engine
    for name in pairs(package.loaded) do
      if name:find "^ward%.service" then package.loaded[name] = nil end
    end
    driver = require("ward.service.driver").new({ { name = "a" }, { name = "b" } },
      { plans = { a = core.plan({ name = "a" }), b = core.plan({ name = "b" }) }, logs = {}, seed = 1 }, {
        event = function(event) table.insert(told.events, event) end,
        reply = function(token, reply) table.insert(told.replies, { token, reply.ok }) end,
        quit = function(code) told.quit = code end,
        note = function(name, text) table.insert(told.notes, name .. ": " .. text) end,
        internal_error = function(what, trace) table.insert(told.errors, what .. ": " .. trace) end,
      })
  end)

  teardown(function()
    for _, name in ipairs { "ward.core", "ward.engine", "ward.service.driver", "ward.service.steps" } do
      package.loaded[name] = nil
    end
  end)

  local function kinds()
    local list = {}
    for i, event in ipairs(seen) do list[i] = event.kind end
    return list
  end

  it("launches, and reports started and exit", function()
    script.boot = { { kind = "spawn", name = "a" } }
    driver:post({ kind = "boot" })
    local proc = core.proc("a")
    assert.equal(proc, driver.procs.a)
    proc:up()
    core.clock = core.clock + 5
    assert.equal(5, driver:view("a").uptime)
    assert.equal(1, driver:alive())
    proc:exit({ kind = "exited", code = 3 })
    assert.same({ "boot", "started", "exit" }, kinds())
    assert.equal(1001, seen[2].pid)
    assert.equal(3, seen[3].exit.code)
    assert.is_number(seen[3].exit.at)
    assert.is_nil(driver.procs.a)
    assert.equal(0, driver:alive())
  end)

  it("writes before it steps, tells births and sent signals, and enters the script last", function()
    local written = {}
    local function write(what)
      return function(_, a, b) table.insert(written, what(a, b)) end
    end
    driver.journal = {
      event = write(function(_, event) return "event " .. event.kind end),
      born = write(function(name, kind) return ("born %s %s"):format(name, kind) end),
      done = write(function(turn) return "done " .. turn end),
      runs = write(function(name, list) return ("%s lacks %d"):format(name, #list) end),
    }
    driver.stops.b = core.plan({ name = "down" })
    driver.hooks.ask = function() table.insert(written, "ask") end
    driver.hooks.reply = function() table.insert(written, "reply") end
    driver.hooks.event = function() table.insert(written, "told") end
    function script.boot()
      assert.same({ "event boot" }, written)
      return { { kind = "event", type = "starting", name = "a" }, { kind = "ask", name = "a" },
        { kind = "spawn", name = "a" }, { kind = "reply", token = 1 }, { kind = "signal", name = "a", signal = "TERM" },
        { kind = "run", name = "b" } }
    end
    driver.specs.a.calls = {}
    driver:post({ kind = "boot" })
    assert.same({ "event boot", "born a proc", "born b helper", "done 1", "ask", "reply", "done 2", "told",
      "done 3" }, written)
    core.proc("a").handlers.started(1001, { { stage = "nice" } })
    assert.same({ "a lacks 1", "event started" }, { table.unpack(written, 10) })
    assert.same({}, told.errors)
  end)

  -- One whose on_exit has a say: `hook` is what it does, and gets what answers for it.
  local function with_hook(hook, ending)
    script.boot, script.foresees = { { kind = "spawn", name = "a" } }, false
    script.exit = { { kind = "ask", name = "a", id = 7, exit = { kind = "exited" } } }
    driver.specs.a.calls = { on_exit = 1 }
    function driver.hooks.ask(name, calls, exit, history, answer)
      told.asked = { name, calls.on_exit, exit.ok, exit.cause, history }
      told.before = kinds()
      hook(answer)
    end
    driver:post({ kind = "boot" })
    core.proc("a"):up()
    core.proc("a"):exit(ending or { kind = "exited", code = 3 })
  end

  it("tells a hook of an exit before the engine, and the engine what it said", function()
    with_hook(function(answer)
      core.clock = core.clock + 5
      answer("stop")
    end)
    assert.same({ "a", 1, false, "code" }, told.asked)
    assert.same({ "boot", "started" }, told.before)
    assert.same({ "boot", "started", "exit", "verdict" }, kinds())
    assert.equal(core.clock - 5, seen[3].now) -- of the exit, whatever the hook took
    assert.same({ 7, "stop" }, { seen[4].id, seen[4].verdict })
  end)

  it("takes the answer of a hook that waits when it comes", function()
    local later
    with_hook(function(answer) later = answer end)
    assert.same({ "boot", "started", "exit" }, kinds())
    later(nil, "it failed")
    assert.same({ "boot", "started", "exit", "verdict" }, kinds())
    assert.same({ 7, "it failed" }, { seen[4].id, seen[4].fault })
  end)

  it("shows a hook what comes after the exit, and does after it what it asks for", function()
    with_hook(function(answer)
      driver:post({ kind = "command" })
      assert.same({ "boot", "started" }, kinds())
      driver:view("b")
      assert.same({ "boot", "started", "exit" }, kinds())
      driver:view("b")
      answer()
    end)
    assert.same({}, told.errors)
    assert.same({ "boot", "started", "exit", "command", "verdict" }, kinds())
  end)

  it("tells the engine first of what a successor would not see as it was", function()
    for _, kind in ipairs { "spawn_failed", "unknown" } do
      seen = {}
      with_hook(function(answer) answer("stop") end, { kind = kind, message = "it failed" })
      assert.same({ "boot", "started", "exit" }, told.before, kind)
      assert.same({ "boot", "started", "exit", "verdict" }, kinds())
    end
  end)

  it("writes an exit down when the hook was told, as of the time when it came", function()
    local written = {}
    driver.journal = setmetatable({ event = function(_, now, event)
      if event.kind == "exit" then table.insert(written, now) end
    end }, { __index = function() return function() end end })
    with_hook(function(answer)
      assert.same({}, written)
      core.clock = core.clock + 5
      answer()
    end)
    assert.same({}, told.errors)
    assert.same({ core.clock - 5 }, written)
  end)

  it("survives a hook that cannot be asked", function()
    with_hook(function() error("no script") end)
    assert.matches("^ask: .*no script", told.errors[1])
    assert.same({ "boot", "started", "exit" }, kinds())
  end)

  it("turns a refused launch into an exit, in a later turn", function()
    core.refuse.a = fake.failure(2, "cannot exec /x: No such file or directory (stage exec)")
    core.refuse.a.stage = "exec"
    script.boot = { { kind = "spawn", name = "a" }, { kind = "event", type = "starting", name = "a" } }
    script.exit = function(event)
      assert.equal(1, #told.events) -- the rest of the first step came first
      return event.name == "a" and { { kind = "spawn", name = "b" } } or {}
    end
    driver:post({ kind = "boot" })
    assert.same({ "boot" }, kinds())
    core.advance(1)
    assert.same({ "boot", "exit" }, kinds())
    local exit = seen[2].exit
    assert.same({ "spawn_failed", "exec", 2 }, { exit.kind, exit.stage, exit.errno })
    assert.truthy(driver.procs.b)
    assert.same({}, told.errors)
  end)

  it("answers the engine also when a launch raises", function()
    function core.launch() error("the plan needs a log") end
    script.boot = { { kind = "spawn", name = "a" } }
    driver:post({ kind = "boot" })
    core.advance(1)
    assert.same({ "boot", "exit" }, kinds())
    assert.equal("spawn_failed", seen[2].exit.kind)
    assert.matches("the plan needs a log", told.errors[1])
  end)

  -- Tried again within the same step, as a backoff of 0 asks, it would keep the loop for ever.
  it("gives the loop a turn between launches that are refused for ever", function()
    core.refuse.a = fake.failure(11, "no more")
    local count = 0
    script.boot = { { kind = "spawn", name = "a" } }
    script.exit = function()
      count = count + 1
      return { { kind = "spawn", name = "a" } }
    end
    driver:post({ kind = "boot" })
    assert.equal(0, count)
    for _ = 1, 100 do core.advance(0.05) end
    assert.is_true(count > 20 and count <= 50)
    assert.same({}, told.errors)
  end)

  it("has so many launches under way at once, and calls off what waits", function()
    local names = {}
    script.boot = {}
    for i = 1, 100 do
      names[i] = "s" .. i
      driver.plans[names[i]] = core.plan({ name = names[i] })
      script.boot[i] = { kind = "spawn", name = names[i] }
    end
    driver:post({ kind = "boot" })
    assert.equal(64, #core.launched)
    core.proc("s1"):up()
    core.proc("s2"):exit({ kind = "exited", code = 0 })
    assert.equal(66, #core.launched)
    script.shutdown = { { kind = "signal", name = "s67", signal = "TERM" }, { kind = "kill", name = "s68" } }
    driver:post({ kind = "shutdown" })
    assert.same({ "boot", "started", "exit", "shutdown", "exit", "exit" }, kinds())
    for i = 3, 66 do core.proc("s" .. i):up() end
    assert.equal(98, #core.launched)
    assert.is_nil(core.proc("s67"))
    assert.is_nil(core.proc("s68"))
    core.proc("s3"):exit({ kind = "exited", code = 0 }) -- counted already when it came up
    assert.equal(98 - 66, driver.under_way)
  end)

  it("loses neither effects nor events to an error", function()
    script.boot = { { kind = "no such effect" }, { kind = "spawn", name = "a" } }
    script.timer = function() error("broken policy") end
    driver:post({ kind = "boot" })
    driver:post({ kind = "timer", name = "a" })
    driver:post({ kind = "shutdown" })
    assert.truthy(driver.procs.a)
    assert.same({ "boot", "timer", "shutdown" }, kinds())
    assert.equal(2, #told.errors)
    assert.matches("broken policy", told.errors[2])
  end)

  it("keeps one timer a service, armed again and disarmed", function()
    script.boot = { { kind = "arm", name = "a", at = 110 }, { kind = "arm", name = "a", at = 120 } }
    script.shutdown = { { kind = "disarm", name = "a" }, { kind = "disarm", name = "b" } }
    driver:post({ kind = "boot" })
    assert.equal(1, #core.timers)
    core.advance(15)
    assert.same({ "boot" }, kinds())
    core.advance(10)
    assert.same({ "boot", "timer" }, kinds())
    script.timer = { { kind = "arm", name = "a", at = 200 } }
    driver:post({ kind = "timer", name = "a" })
    driver:post({ kind = "shutdown" })
    core.advance(1000)
    assert.same({ "boot", "timer", "timer", "shutdown" }, kinds())
  end)

  it("signals and kills the process there is, and ignores one that is gone", function()
    script.boot = { { kind = "spawn", name = "a" } }
    script.shutdown = {
      { kind = "signal", name = "a", signal = "TERM" }, { kind = "kill", name = "a" },
      { kind = "signal", name = "b", signal = "TERM" }, { kind = "kill", name = "b" },
    }
    driver:post({ kind = "boot" })
    driver:post({ kind = "shutdown" })
    assert.same({ "TERM", "tree" }, core.proc("a").signals)
    core.proc("a").stop = function() return nil, fake.failure(3, "no such process") end
    driver:post({ kind = "shutdown" })
    assert.same({}, told.notes)
    core.proc("a").stop = function() return nil, fake.failure(1, "not permitted") end
    driver:post({ kind = "shutdown" })
    assert.same({ "a: cannot send SIGTERM: not permitted" }, told.notes)
    assert.same({}, told.errors)
  end)

  it("an exit of an older process does not touch the newer one", function()
    script.boot = { { kind = "spawn", name = "a" } }
    driver:post({ kind = "boot" })
    local first = core.proc("a")
    driver:post({ kind = "boot" })
    first:exit({ kind = "exited", code = 0 })
    assert.equal(core.proc("a"), driver.procs.a)
  end)

  it("lets a successor know of who listens to a child before its program begins", function()
    local notes <const> = {}
    local facts <const> = { born = true, runs = true, event = false, done = false }
    driver.journal = setmetatable({}, { __index = function(_, what)
      return function(_, name, ...) notes[#notes + 1] = facts[what] and { what, name, select("#", ...) } or nil end
    end })
    script.boot = { { kind = "spawn", name = "a" } }
    driver:post({ kind = "boot" })
    core.proc("a").handlers.listening()
    assert.same({ "runs", "a", 2 }, notes[#notes])
    core.proc("a"):up()
    assert.same({ { "born", "a", 4 }, { "runs", "a", 2 }, { "runs", "a", 2 } }, notes)
  end)

  it("answers in a successor what a script that is gone was asked", function()
    local state <const> = { services = { { name = "a", asking = 3 }, { name = "b" } } }
    driver.state = state
    driver:go_on({ state = { commands = {}, shutdown_tokens = {} }, effects = {}, launch = {}, lost = {}, run = {} })
    assert.same({ { kind = "verdict", name = "a", id = 3, fault = "the script does not run" } }, seen)
  end)

  it("passes replies and quit on", function()
    script.shutdown = { { kind = "reply", token = 4, ok = true, results = {} }, { kind = "quit", code = 1 } }
    driver:post({ kind = "shutdown" })
    assert.same({ { 4, true } }, told.replies)
    assert.equal(1, told.quit)
  end)
end)
