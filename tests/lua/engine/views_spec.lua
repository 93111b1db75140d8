-- What others see: the fields of events, of results and of views.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

local function of_kind(effects, kind)
  local found = {}
  for _, effect in ipairs(effects) do
    if effect.kind == kind then
      found[#found + 1] = effect
    end
  end
  return found
end

describe("engine: what is seen", function()
  local st

  local function step(event, now)
    local effects
    st, effects = engine.step(st, event, now)
    return effects
  end

  local function events(event, now)
    return of_kind(step(event, now), "event")
  end

  before_each(function()
    st = engine.new { kit.spec("web", { needs = { "db" } }), kit.spec "db" }
  end)

  local function run()
    step(kit.boot, 0)
    step(kit.started("db", 41), 1)
    step(kit.started("web", 42), 2)
  end

  it("events tell the state that was entered, and why", function()
    assert.same({
      { kind = "event", type = "waiting", name = "web", from = "stopped", waits_for = { "db" } },
      { kind = "event", type = "starting", name = "db", from = "stopped" },
    }, events(kit.boot, 0))
    assert.same({
      { kind = "event", type = "ready", name = "db", from = "starting", pid = 41 },
      { kind = "event", type = "starting", name = "web", from = "waiting" },
    }, events(kit.started("db", 41), 1))
    step(kit.started("web", 42), 2)
    assert.same({
      { kind = "event", type = "stopping", name = "db", from = "ready", pid = 41, reason = "restart" },
      { kind = "event", type = "stopping", name = "web", from = "ready", pid = 42, reason = "restart", need = "db" },
      { kind = "event", type = "signal", name = "web", pid = 42, signal = "TERM", rung = 1, wait = 10 },
    }, events(kit.command "restart db", 3))
    local exit = { kind = "signaled", signal = "TERM", pid = 1, uptime = 0, ok = true, cause = "clean" }
    assert.same({
      { kind = "event", type = "waiting", name = "web", from = "stopping", exit = exit, waits_for = { "db" } },
      { kind = "event", type = "signal", name = "db", pid = 41, signal = "TERM", rung = 1, wait = 10 },
    }, events(kit.exit("web", "TERM"), 4))
    assert.same({
      { kind = "event", type = "shutdown", level = 1, live = 1 },
      { kind = "event", type = "stopped", name = "web", from = "waiting", reason = "shutdown" },
    }, events(kit.shutdown, 5))
  end)

  it("a retry tells when and which", function()
    run()
    local exit = { kind = "exited", code = 1, pid = 1, uptime = 0, ok = false, cause = "code" }
    assert.same({ {
      kind = "event", type = "backoff", name = "web", from = "ready", exit = exit,
      delay = 1, attempt = 1, restarts = 1, next_at = 4,
    } }, events(kit.exit("web", 1), 3))
  end)

  it("a start by hand forgets the restarts before it", function()
    run()
    step(kit.exit("web", 1), 3)
    assert.equal(1, engine.service(st, "web").restarts)
    step(kit.command "start web", 3.5)
    assert.equal(0, engine.service(st, "web").restarts)
  end)

  it("a rule is told of the last ten exits, the newest last", function()
    st = engine.new { kit.spec("web", { asks = true }) }
    step(kit.boot, 0)
    local ask
    for code = 1, 12 do
      step(kit.started "web", code)
      ask = of_kind(step(kit.exit("web", code), code), "ask")[1]
      step({ kind = "verdict", name = "web", verdict = 0 }, code)
    end
    assert.equal(11, ask.history.restarts)
    assert.equal(11, ask.history.streak)
    assert.same({ 10, 3, 12 }, { #ask.history.exits, ask.history.exits[1].code, ask.history.exits[10].code })
  end)

  it("the exit that came in is not written to", function()
    run()
    local event = kit.exit("web", 0)
    step(event, 3)
    assert.is_nil(event.exit.ok)
    assert.is_true(engine.service(st, "web").last_exit.ok)
  end)

  it("the death that a ladder ends in is not a success", function()
    run()
    step(kit.command "stop web", 3)
    step(kit.timer "web", 13)
    step(kit.exit("web", "KILL"), 14)
    local view = engine.service(st, "web")
    assert.equal("stopped", view.state)
    assert.is_false(view.last_exit.ok)
  end)

  it("what a stop may end in is a success then, and only then", function()
    for signal, ok in pairs { HUP = true, INT = true, TERM = true, PIPE = true, USR1 = false, KILL = false } do
      st = engine.new { kit.spec("web", { on = "never" }) }
      step(kit.boot, 0)
      step(kit.started "web", 0)
      step(kit.command "stop web", 1)
      step(kit.exit("web", signal), 2)
      assert.equal(ok, engine.service(st, "web").last_exit.ok, signal)
      step(kit.command "start web", 3)
      step(kit.exit("web", signal), 4)
      assert.is_false(engine.service(st, "web").last_exit.ok, signal)
    end
  end)

  it("a process that is told of after its stop has a pid", function()
    step(kit.boot, 0)
    step(kit.command "stop db", 1)
    assert.is_nil(engine.service(st, "db").pid)
    step(kit.started("db", 41), 2)
    assert.equal(41, engine.service(st, "db").pid)
  end)

  it("how near a limit is: only what is no older than its time counts", function()
    st = engine.new { kit.spec("web", { give_up = { n = 3, within = 10 }, backoff = { from = 0 } }) }
    step(kit.boot, 0)
    step(kit.exit("web", 1), 1)
    step(kit.exit("web", 1), 5)
    for now, count in pairs { [5] = 2, [11] = 2, [11.5] = 1, [15.5] = 0 } do
      assert.same({ n = 3, within = 10, count = count }, engine.why(st, "web", now).give_up)
    end
  end)

  it("an unknown status is a failure", function()
    run()
    step({ kind = "exit", name = "web", exit = { kind = "unknown" } }, 3)
    assert.equal("backoff", engine.service(st, "web").state)
  end)

  it("views", function()
    run()
    assert.same({ name = "web", state = "ready", ready = true, pid = 42, since = 2, restarts = 0, desired = "up",
      waits_for = {} }, engine.service(st, "web"))
    step(kit.command "stop db", 3)
    assert.same({ name = "db", state = "stopping", ready = false, pid = 41, since = 3, restarts = 0,
      desired = "down", waits_for = { "web" } }, engine.service(st, "db"))
    assert.equal(13, engine.service(st, "web").next_at)
    step(kit.exit("web", 0), 4)
    assert.same({ "db" }, engine.service(st, "web").waits_for)
    assert.is_nil(engine.service(st, "nobody"))
    local names = {}
    for _, view in ipairs(engine.list(st)) do
      names[#names + 1] = view.name
    end
    assert.same({ "web", "db" }, names)
  end)

  it("whether the script will be asked about an exit, before that is an event", function()
    local web <const> = kit.spec("web", { asks = true, restart_prevent = { codes = { 78 }, signals = {} } })
    for code, cause in pairs { [0] = "clean", [1] = "code" } do
      st = engine.new { web, kit.spec "db" }
      run()
      local event <const> = kit.exit("web", code)
      local ok <const>, why <const> = engine.foresee(st, "web", event.exit)
      assert.same({ code == 0, cause }, { ok, why })
      local ask <const> = of_kind(step(event, 3), "ask")[1]
      assert.same({ ok, why }, { ask.exit.ok, ask.exit.cause })
    end
    st = engine.new { web, kit.spec "db" }
    run()
    local function seen(name, code) return engine.foresee(st, name, kit.exit(name, code).exit) end
    assert.is_nil(seen("web", 78))
    assert.is_nil(seen("db", 1))
    assert.is_nil(seen("nobody", 1))
    step(kit.command "pause web", 3)
    assert.is_nil(seen("web", 1))
    step(kit.command "resume web", 4)
    assert.is_false(seen("web", 1))
    step(kit.command "stop web", 5)
    assert.is_nil(seen("web", 1))
  end)

  it("a decision is that about the last exit, and is forgotten with a start by hand", function()
    local plays <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", "SEGV") } }
    local function decision(...)
      local steps <const> = table.move({ ... }, 1, select("#", ...), #plays + 1, table.move(plays, 1, #plays, 1, {}))
      local _, other = kit.last({ kit.spec "a" }, steps)
      return engine.why(other, "a", 9).decision
    end
    assert.equal("restart", decision().outcome)
    assert.is_nil(decision({ 1.5, kit.command "start a" }))
    assert.is_nil(decision({ 2, kit.timer "a" }, { 2, kit.started "a" }, { 3, kit.command "stop a" },
      { 3, kit.exit("a", "TERM") }))
  end)

  it("a restart that is one too many for the supervisor is none, and that is what decided", function()
    local specs <const>, root = kit.tree "app=one 1/5 stay (a)"
    local plays <const> = { { 0, kit.boot }, { 0, kit.started "a" }, { 1, kit.exit("a", 1) },
      { 1, kit.started "a" }, { 2, kit.exit("a", 1) } }
    local _, other = kit.last(specs, plays, { tree = root })
    local why <const> = engine.why(other, "a", 9)
    assert.same({ 1, "failed", "give_up", 'intensity of supervisor "app": more than 1 restarts within 5s' },
      { why.restarts, why.state, why.decision.outcome, why.decision.rule })
    assert.equal(1, engine.service(other, "a").restarts)
  end)

  it("results", function()
    run()
    assert.same({ { kind = "reply", token = "T", ok = false, results = {
      { name = "db", state = "ready", ok = true },
      { name = "nope", ok = false, message = "no such service", code = "unknown" },
    } } }, step(kit.command("ready db nope", "T"), 3))
  end)
end)
