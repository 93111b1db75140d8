-- What random histories have found: each case failed once. See tests/sim.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

local last <const>, by_script <const>, kinds <const> = kit.last, kit.by_script, kit.kinds

local COMMAND_FIRST <const> = { { cmd = { "down" }, wait = 1 }, { signal = "TERM", wait = 1 }, { signal = "KILL" } }

describe("engine: mended", function()
  it("nobody is signalled when only the command that stops it is left: that is killed", function()
    local effects <const> = last({ kit.spec("a", { stop = COMMAND_FIRST }) }, {
      { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.command "stop a" }, { 1.5, kit.exit("a", 0) },
      { 2, kit.timer "a" } })
    assert.are.equal(0, kinds(effects, "signal"))
    assert.are.equal(1, kinds(effects, "kill"))
  end)

  it("a start that takes too long ends with no disarm of the timer that has fired", function()
    local spec <const> = kit.spec "a"
    spec.start_timeout, spec.ready = 2, true
    local effects <const> = last({ spec }, { { 0, kit.boot }, { 0, kit.started "a" }, { 2, kit.timer "a" } })
    assert.are.equal(0, kinds(effects, "disarm"))
    assert.are.equal(1, kinds(effects, "signal"))
  end)

  it("a fault stays a fault when the service is started by hand before its end", function()
    local _, st = last({ kit.spec "a" }, { { 0, kit.boot }, { 0, kit.started "a" },
      { 1, { kind = "fault", name = "a", cause = "watchdog" } }, { 1, kit.command "start a" },
      { 2, kit.exit("a", 0) } })
    local view <const> = engine.service(st, "a")
    assert.are.equal("watchdog", view.last_exit.cause)
    assert.is_false(view.last_exit.ok)
    assert.are.equal("starting", view.state)
  end)

  it("a rule that a reload brings is told of the exit before it, which a pause kept undecided", function()
    local effects <const> = last({ kit.spec "a" }, { { 0, kit.boot }, { 0, kit.started "a" },
      { 1, kit.command "pause a" }, { 2, kit.exit("a", 1) },
      { 3, { kind = "reload", specs = { kit.spec("a", { asks = true }) }, stale = {} } },
      { 4, kit.command "resume a" } })
    assert.are.equal(1, kinds(effects, "ask"))
    for _, effect in ipairs(effects) do
      assert.is_true(effect.kind ~= "ask" or effect.history.exits[1].code == 1)
    end
  end)

  it("an exit is told once, though its rule is asked again after a pause", function()
    local spec <const> = kit.spec "a"
    spec.asks = true
    local effects <const> = last({ spec }, { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", 1) },
      { 1, kit.command "pause a" }, { 2, kit.command "resume a" } })
    assert.are.equal(1, kinds(effects, "ask"))
    for _, effect in ipairs(effects) do
      assert.is_true(effect.exit == nil or effect.kind == "ask" or effect.told)
    end
  end)

  it("nobody is killed when a hurried shutdown skips the command of a oneshot that is done", function()
    local effects <const>, st = last({ kit.spec("a", { type = "oneshot", stop = COMMAND_FIRST }),
      kit.spec("b", { needs = { "a" } }) }, {
      { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.exit("a", 0) }, { 0, kit.started "b" },
      { 1, kit.shutdown }, { 1, kit.shutdown }, { 1, kit.shutdown }, { 2, kit.exit("b", "KILL") } })
    assert.are.equal(0, kinds(effects, "kill"))
    assert.are.equal(1, kinds(effects, "quit"))
    assert.are.equal("stopped", engine.service(st, "a").state)
  end)

  it("what waited for a first try does not start when that takes down what it needs", function()
    local specs <const>, root = kit.tree("app=one (group=all (a c) b)", {
      a = { backoff = { from = 1 } }, b = { needs = { "c" }, after = { "a" } } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "c" }, { 1, kit.exit("a", "spawn") } },
      { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal("stopping", engine.service(st, "c").state)
    assert.are.equal("waiting", engine.service(st, "b").state)
  end)

  it("nothing starts in the step that ends ward", function()
    local specs <const>, root = kit.tree("app=one 0/5 (a b)", { b = { after = { "a" } } })
    local effects <const> = last(specs, { { 0, kit.boot }, { 1, kit.exit("a", "spawn") } }, { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal(1, kinds(effects, "quit"))
  end)

  it("nothing starts below a supervisor that is laid down when its last service is stuck", function()
    local specs <const>, root = kit.tree("app=one 0/20 stay (x a b c)", { b = { needs = { "a" } },
      c = { after = { "b" } } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "x" }, { 0, kit.started "a" },
      { 0, kit.started "b" }, { 0, kit.started "c" }, { 1, kit.exit("x", 1) }, { 1, kit.exit("c", "TERM") },
      { 1, kit.exit("b", "TERM") }, { 11, kit.timer "a" }, { 21, kit.timer "a" } }, { tree = root })
    assert.are.equal("stuck", engine.service(st, "a").state)
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal("failed", engine.service(st, "c").state)
  end)

  it("a oneshot that a group cuts short is not up: nothing starts on it while its needs go down", function()
    local specs <const>, root = kit.tree("app=rest (b a db once:never)", {
      once = { type = "oneshot", needs = { "db" } }, b = { needs = { "once" } } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "db" },
      { 0, kit.started "once" }, { 1, kit.exit("a", 1) }, { 2, kit.exit("once", "TERM") } }, { tree = root })
    assert.are.equal("failed", engine.service(st, "once").state)
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal(1, kinds(effects, "signal"))
  end)

  it("a retry that is resumed does not start what a supervisor stops in the same step", function()
    local specs <const>, root = kit.tree "app=rest 0/20 stay (a inner=one (b))"
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 1, kit.command "pause a b" }, { 2, kit.exit("a", 1) }, { 2, kit.exit("b", 1) },
      { 3, kit.command "resume a b" } }, { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal("failed", engine.service(st, "b").state)
  end)

  it("a child whose need comes back early does not start before its group is down", function()
    local specs <const>, root = kit.tree("app=all (a b db)", { a = { needs = { "db" }, backoff = { from = 1 } } })
    local steps <const> = { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "b" }, { 0, kit.started "a" },
      { 1, kit.exit("a", 1) }, { 1, kit.exit("db", "TERM") }, { 1, kit.command "start db" },
      { 2, kit.started("db", 2) }, { 2, kit.timer "a" } }
    local effects = last(specs, steps, { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    steps[#steps + 1] = { 3, kit.exit("b", "TERM") }
    effects = last(specs, steps, { tree = root })
    assert.are.equal(2, kinds(effects, "spawn"))
  end)

  -- b has failed, and its group has taken fleet down; a, in it, was started by hand meanwhile.
  local DONE <const> = { kind = "ran", name = "a", exit = { ok = true } }
  local function revived(tree, more, steps)
    local specs <const>, root = kit.tree(tree, more)
    local all <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" }, { 0, kit.started "c" },
      { 1, kit.exit("b", 1) }, { 1, kit.exit("c", "TERM") }, { 1, kit.exit("a", "TERM") }, { 1, DONE },
      { 1, kit.command "start a" }, { 1, kit.started("a", 2) } }
    return last(specs, table.move(steps, 1, #steps, #all + 1, all), { tree = root })
  end

  it("a supervisor that is never restarted stays up for a service started by hand before its group is back", function()
    local effects <const>, st = revived("app=rest (b fleet:never=rest (a c))", { b = { backoff = { from = 1 } } },
      { { 2, kit.timer "b" }, { 2, kit.started("b", 2) }, { 3, kit.exit("a", 1) } })
    assert.are.equal(2, kinds(effects, "spawn"))
    assert.are.equal("starting", engine.service(st, "a").state)
    assert.are.equal("starting", engine.service(st, "c").state)
    assert.are.equal("up", engine.why(st, "a", 3).supervisors[1].state)
  end)

  it("such a supervisor that shuts itself down is not laid down before its services are", function()
    local effects <const>, st = revived("app=rest (b fleet:never=one any (a:abort* c))", {
      b = { backoff = { from = 1 } },
      a = { type = "oneshot", stop = { { cmd = { "down" }, wait = 5 }, { signal = "KILL" } } } },
      { { 1.5, kit.exit("a", 0) }, { 2, kit.timer "b" }, { 2, DONE } })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal("stopped", engine.service(st, "a").state)
  end)

  it("how long a service takes to stop is no part of how long it was ready", function()
    local _, st = last({ kit.spec "a" }, { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", 1) },
      { 2, kit.timer "a" }, { 2, kit.started("a", 2) },
      { 3, { kind = "fault", name = "a", cause = "watchdog" } }, { 13, kit.timer "a" }, { 14, kit.exit("a", "KILL") } })
    assert.are.equal(16, engine.service(st, "a").next_at)
  end)

  it("nor is that of a supervisor", function()
    local specs <const>, root = kit.tree "app=one (inner=one 0/1 delay:1 (a b))"
    local effects <const> = last(specs, { { 20, kit.boot }, { 20, kit.started "a" }, { 20, kit.started "b" },
      { 21, kit.exit("a", 1) }, { 21, kit.exit("b", "TERM") }, { 22, kit.timer "inner" }, { 22, kit.started("a", 2) },
      { 22, kit.started("b", 2) }, { 23, kit.exit("a", 1) }, { 33, kit.timer "b" }, { 34, kit.exit("b", "KILL") } },
      { tree = root })
    assert.are.same({ kind = "arm", name = "inner", at = 36 }, effects[#effects])
  end)

  it("what is to start after a child waits for it when both are restarted together", function()
    local specs <const>, root = kit.tree("app=all (a b)", { a = { after = { "b" } }, b = { backoff = { from = 1 } } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "b" }, { 0, kit.started "a" },
      { 1, kit.exit("b", 1) }, { 1, kit.exit("a", "TERM") }, { 2, kit.timer "b" } }, { tree = root })
    assert.are.equal(1, kinds(effects, "spawn"))
    assert.are.equal("waiting", engine.service(st, "a").state)
  end)

  it("who waits for what needs a service that a group ends for good is told", function()
    local specs <const>, root = kit.tree("app=rest (a b:never c)", { a = { backoff = { from = 1 } },
      c = { needs = { "b" } } })
    local effects <const> = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 0, kit.started "c" }, { 1, kit.exit("a", 1) }, { 1, kit.command("restart c", "T") },
      { 1, kit.exit("c", "TERM") }, { 1, kit.exit("b", "TERM") } }, { tree = root })
    assert.is_true(table.concat(kit.lines(effects), "\n"):find("reply T no", 1, true) ~= nil)
  end)

  it("all that stop in the step that ends ward do so in one order", function()
    local specs <const>, root = kit.tree("app=one any (a:never* b c)", { b = { needs = { "a" } },
      c = { wants = { "b" } } })
    local effects <const> = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 0, kit.started "c" }, { 1, kit.exit("a", 0) } }, { tree = root })
    assert.are.equal(1, kinds(effects, "signal"))
    assert.are.same({ "a is done", "app is auto_shutdown", "b is stopping", "c is stopping", "signal c TERM",
      "arm c 11" }, kit.lines(effects))
  end)

  it("a group waits for its oneshots to go down, though they do not live", function()
    local specs <const>, root = kit.tree("app=all (a b)", {
      b = { on = "failure", type = "oneshot", stop = COMMAND_FIRST } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 0, kit.exit("b", 0) }, { 1, kit.exit("a", 1) } }, { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal(1, kinds(effects, "run"))
    assert.are.equal("backoff", engine.service(st, "a").state)
  end)

  it("a supervisor that was restarted with its own has not been up before", function()
    local specs <const>, root = kit.tree "app=one (outer=one 0/1 (inner=one 0/1 delay:1 (a)))"
    local effects <const> = last(specs, { { 0, kit.boot }, { 1, kit.exit("a", 1) }, { 2, kit.timer "inner" },
      { 30, kit.exit("a", 1) }, { 31, kit.timer "inner" }, { 31.5, kit.exit("a", 1) } }, { tree = root })
    assert.are.same({ kind = "arm", name = "inner", at = 33.5 }, effects[#effects])
  end)

  it("a start by hand is not undone by the restart that it brings about", function()
    local specs <const>, root = kit.tree("app=rest (a:failure fleet:never=one (b c))", {
      a = { backoff = { from = 1 } }, c = { after = { "a" } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" }, { 0, kit.started "c" },
      { 1, kit.exit("a", 1) }, { 1, kit.exit("c", "TERM") }, { 1, kit.command "start a c" } }, { tree = root })
    assert.are.equal("waiting", engine.service(st, "c").state)
  end)

  it("what ends in the step that stops it again does not start in between", function()
    local specs <const>, root = kit.tree("app=rest (once:failure x db)", {
      once = { type = "oneshot", needs = { "db" } }, x = { needs = { "once" } } })
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "once" },
      { 0, kit.exit("once", 0) }, { 0, kit.started "x" }, { 1, { kind = "fault", name = "x", cause = "check" } },
      { 1, kit.command "restart once" }, { 2, kit.exit("x", "TERM") } }, { tree = root })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal("waiting", engine.service(st, "once").state)
    assert.are.equal("stopping", engine.service(st, "db").state)
  end)

  -- The event of a type among effects.
  local function told(effects, type)
    for _, effect in ipairs(effects) do
      if effect.type == type then
        return effect
      end
    end
  end

  it("an exit whose rule escalates is told, and so is one whose rule has not answered before a stop", function()
    local spec <const> = kit.spec("a", { asks = true })
    local steps <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", 3) } }
    local more = { 2, { kind = "verdict", name = "a", id = 1, verdict = "escalate" } }
    assert.are.equal(3, told(last({ spec }, { steps[1], steps[2], steps[3], more }), "escalate").exit.code)
    more = { 2, kit.command "stop a" }
    assert.are.equal(3, told(last({ spec }, { steps[1], steps[2], steps[3], more }), "stopped").exit.code)
    more = { 2, kit.command "pause a" }
    assert.are.equal(3, told(last({ spec }, { steps[1], steps[2], steps[3], more }), "backoff").exit.code)
  end)

  it("a service that is stopped before its program runs has not failed to start", function()
    local never_ran <const> = { kind = "spawn_failed", stage = "exec", signal = "TERM", message = "it was ended" }
    local _, st = last({ kit.spec "a" }, { { 0, kit.boot }, { 1, kit.command "stop a" },
      { 1, { kind = "exit", name = "a", exit = never_ran } } })
    local exit <const> = engine.service(st, "a").last_exit
    assert.are.same({ "signaled", "TERM", true, "clean" }, { exit.kind, exit.signal, exit.ok, exit.cause })
  end)

  it("a stop command that fails is told, and why says so", function()
    local effects <const>, st = last({ kit.spec("a", { type = "oneshot", stop = COMMAND_FIRST }) }, {
      { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.exit("a", 0) }, { 1, kit.command "stop a" },
      { 2, { kind = "ran", name = "a", exit = { kind = "exited", code = 32, ok = false } } } })
    assert.are.equal("the stop command failed: exited with code 32", told(effects, "stop_failed").message)
    assert.are.equal("the stop command failed: exited with code 32", engine.why(st, "a", 2).because)
  end)

  it("why says whose end the restart of a group waits for", function()
    local specs <const>, root = kit.tree "app=all (a inner=one 0/1 (x) b)"
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "x" }, { 0, kit.started "b" },
      { 1, kit.exit("a", 1) } }, { tree = root })
    assert.are.same({ "x", "b" }, engine.why(st, "a", 1).waits_for)
    _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "x" }, { 0, kit.started "b" },
      { 1, kit.exit("x", 1) } }, { tree = root })
    assert.are.same({ "a", "b" }, engine.why(st, "x", 1).supervisors[1].waits_for)
  end)

  it("why says for whose restart a child that is never restarted was ended", function()
    local specs <const>, root = kit.tree "app=all (a b:never)"
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 1, kit.exit("a", 1) }, { 1, kit.exit("b", "TERM") } }, { tree = root })
    local why <const> = engine.why(st, "b", 1)
    assert.are.equal("done", why.state)
    assert.are.equal('stopped for the restart of "a"', why.because)
    assert.matches("restart of \"a\"", why.decision.rule)
  end)

  it("services that are restarted together start in order, though the later one is down first", function()
    local effects <const>, st = last({ kit.spec "b", kit.spec("a", { after = { "b" } }) }, { { 0, kit.boot },
      { 0, kit.started "b" }, { 0, kit.started "a" }, { 1, kit.command "restart a b" }, { 2, kit.exit("a", "TERM") } })
    assert.are.equal(0, kinds(effects, "spawn"))
    assert.are.equal(1, kinds(effects, "signal"))
    assert.are.equal("waiting", engine.service(st, "a").state)
    st = engine.step(st, kit.exit("b", "TERM"), 3)
    assert.are.equal("starting", engine.service(st, "b").state)
    assert.are.equal("waiting", engine.service(st, "a").state)
    st = engine.step(st, kit.started("b", 2), 4)
    assert.are.equal("starting", engine.service(st, "a").state)
  end)

  it("what starts after a service that is stopped for good meanwhile does not wait for it", function()
    local _, st = last({ kit.spec "b", kit.spec("a", { after = { "b" } }) }, { { 0, kit.boot },
      { 0, kit.started "b" }, { 0, kit.started "a" }, { 1, kit.command "restart a b" }, { 2, kit.exit("a", "TERM") },
      { 2, kit.command "stop b" } })
    assert.are.equal("starting", engine.service(st, "a").state)
  end)

  it("a child that is never restarted is not, though a second group takes it on its way down", function()
    local specs <const>, root = kit.tree("app=rest (a b c:never)", { a = { backoff = { from = 1 } },
      b = { backoff = { from = 1 } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" }, { 0, kit.started "c" },
      { 1, kit.exit("b", 1) }, { 1, kit.exit("a", 1) }, { 2, kit.exit("c", "TERM") }, { 3, kit.timer "a" } },
      { tree = root })
    assert.are.equal("done", engine.service(st, "c").state)
  end)

  -- The message that the command T is answered with in the last step.
  local function answer(specs, steps, options)
    for _, effect in ipairs((last(specs, steps, options))) do
      if effect.kind == "reply" and effect.token == "T" then
        return effect.ok or effect.results[1].message
      end
    end
  end

  it("a start is answered when what it needs is tried again, paused, or fails its try", function()
    local specs <const> = { kit.spec("db", { backoff = { from = 20 } }), kit.spec("web", { needs = { "db" } }) }
    local crash <const>, start <const> = { 1, kit.exit("db", 1) }, { 2, kit.command("start web", "T") }
    local boot <const> = { 0, kit.boot }
    assert.are.equal('needs "db": exited with code 1; it is tried again in 19s', answer(specs, { boot, crash, start }))
    assert.are.equal('needs "db": exited with code 1; it is tried again in 20s',
      answer(specs, { boot, { 1, kit.command("start web", "T") }, crash }))
    assert.are.equal('needs "db", whose restarting is paused',
      answer(specs, { boot, { 1, kit.command "pause db" }, crash, start }))
    assert.are.equal('needs "db", whose restarting is paused', answer(specs, { boot, crash, start,
      { 2, kit.command "pause db" }, { 3, kit.command("restart web", "T") } }))
  end)

  it("a start of what waits for what waits is, too, though the next try begins at once", function()
    local specs <const> = { kit.spec("db", { backoff = { from = 0 } }), kit.spec("web", { needs = { "db" } }),
      kit.spec("top", { after = { "web" } }) }
    assert.are.equal('needs "db": exited with code 1; it is tried again',
      answer(specs, { { 0, kit.boot }, { 1, kit.command("start top", "T") }, { 2, kit.exit("db", 1) } }))
  end)

  it("a start that is paused on its way is answered", function()
    assert.are.equal("restarting is paused", answer({ kit.spec "db", kit.spec("web", { needs = { "db" } }) },
      { { 0, kit.boot }, { 1, kit.command("start web", "T") }, { 2, kit.command "pause web" } }))
  end)

  it("a start of what waits for the restart of a supervisor is answered, a wait is not", function()
    local specs <const>, root = kit.tree("app=one (inner=one 0/1 delay:20 (a) b)", { b = { needs = { "a" } } })
    local steps <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" }, { 1, kit.exit("a", 1) },
      { 1, kit.exit("b", "TERM") }, { 2, kit.command("start b", "T") } }
    assert.are.equal('supervisor "inner" is restarted later', answer(specs, steps, { tree = root }))
    steps[#steps] = { 2, kit.command("ready b", "T") }
    assert.is_nil(answer(specs, steps, { tree = root }))
  end)

  -- What the script asks for.
  it("a hook that restarts its service at each exit does not do so without a delay", function()
    local st, now, delays = engine.new { kit.spec("a", { on = "never", asks = true }) }, 0, {}
    st = engine.step(st, kit.boot, now)
    for try = 1, 4 do
      st = engine.step(st, kit.started("a", try), now)
      st = engine.step(st, kit.exit("a", 1), now)
      local effects
      st, effects = engine.step(st, by_script("restart a", try), now)
      assert.is_nil(told(effects, "starting"))
      delays[try] = told(effects, "backoff").delay
      st = engine.step(st, { kind = "verdict", name = "a", id = try }, now) -- what the hook returns comes too late
      now = now + delays[try]
      st = engine.step(st, kit.timer "a", now)
      assert.are.equal("starting", engine.service(st, "a").state)
    end
    assert.are.same({ 1, 2, 4, 8 }, delays)
  end)

  it("nor does one that restarts it when it is ready or has failed, nor beyond its limit", function()
    local specs <const> = { kit.spec("a", { on = "never", give_up = { n = 1, within = 60 } }) }
    local up <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 0, by_script "restart a" },
      { 0, kit.exit("a", "TERM") } }
    local _, st = last(specs, up)
    assert.are.same({ "backoff", 1 }, { st.by_name.a.state, st.by_name.a.deadline })
    table.move({ { 1, kit.timer "a" }, { 1, kit.exit("a", 1) }, { 1, by_script("start a", "T") } }, 1, 3, 5, up)
    local effects
    effects, st = last(specs, up)
    assert.are.equal("failed", st.by_name.a.state)
    assert.are.equal("reply T no (a failed: failed: too many restarts; the last time it exited with code 1)",
      kit.line(effects[#effects]))
  end)

  it("what a script restarts after it has been well for long starts at once, and is not taken for a crash", function()
    local specs <const>, root = kit.tree "app=all 0/60 (a b)"
    local effects <const>, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 20, by_script "restart a" }, { 21, kit.exit("a", "TERM") } }, { tree = root })
    assert.are.equal(1, kinds(effects, "spawn"))
    assert.are.equal("ready", st.by_name.b.state)
  end)

  it("a script does not undo a pause", function()
    local effects <const>, st = last({ kit.spec "a" }, { { 0, kit.boot }, { 0, kit.started "a" },
      { 1, kit.command "pause a" }, { 2, kit.exit("a", 1) }, { 2, by_script("start a", "T") } })
    assert.are.equal("backoff", st.by_name.a.state)
    assert.are.equal("reply T no (a backoff: restarting is paused)", kit.line(effects[#effects]))
  end)

  it("nobody is signalled before all that stop in a step are told, however many supervisors end in it", function()
    local specs <const>, root = kit.tree("app=one any (late dep fleet:never*=one any (a:never*))", {
      dep = { needs = { "a" } }, late = { wants = { "dep" } } })
    local effects <const> = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "dep" },
      { 0, kit.started "late" }, { 1, kit.exit("a", 0) } }, { tree = root })
    assert.are.equal(1, kinds(effects, "signal"))
    assert.are.equal("late", told(effects, "signal").name)
  end)

  it("a start brings up what it wants, though its group would lay that down", function()
    local specs <const>, root = kit.tree("app=rest (s fleet:never=one (w))", {
      s = { wants = { "w" }, backoff = { from = 9 } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "w" }, { 0, kit.started "s" },
      { 1, kit.exit("s", 1) },
      { 1, kit.exit("w", "TERM") }, { 2, kit.command "start s" } }, { tree = root })
    assert.are.equal("starting", st.by_name.w.state)
    assert.are.equal("waiting", st.by_name.s.state)
  end)

  it("a restart by hand is not lost when its stop is the end of its supervisor", function()
    local specs <const>, root = kit.tree("app=rest 0/9 stay (db web)", {
      web = { needs = { "db" }, backoff = { from = 9 } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "web" },
      { 1, kit.exit("web", 1) }, { 2, kit.command "restart db" }, { 3, kit.exit("db", "TERM") } }, { tree = root })
    assert.are.equal("starting", st.by_name.db.state)
  end)

  it("a supervisor that went down in its backoff with the one above has not been up all that time", function()
    local specs <const>, root = kit.tree "app=one 0/5 stay (inner=one 0/5 delay:1 (a))"
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", 1) },
      { 2, kit.timer "inner" } }, { tree = root })
    assert.are.equal("failed", st.root.state)
    assert.are.equal(2, st.sup_by_name.inner.up_since)
  end)

  it("a pause over a question to the rule of a oneshot that is done can be resumed", function()
    local _, st = last({ kit.spec("a", { type = "oneshot", asks = true }) }, { { 0, kit.boot }, { 0, kit.started "a" },
      { 0, kit.command "pause a" }, { 1, kit.exit("a", 0) }, { 1, kit.command "resume a" } })
    assert.are.equal("backoff", st.by_name.a.state)
    assert.are.equal(1, st.by_name.a.asking)
  end)

  it("a start of a chain of services by all their names looks at each need once", function()
    local specs <const>, names <const> = {}, {}
    for at = 1, 2000 do
      names[at] = "s" .. at
      specs[at] = kit.spec(names[at], { needs = { names[at - 1] } })
    end
    local start <const> = { kind = "command", op = "start", names = names, token = "T" }
    local began <const> = os.clock()
    last(specs, { { 0, kit.boot }, { 1, start } })
    assert.is_true(os.clock() - began < 1)
  end)
end)
