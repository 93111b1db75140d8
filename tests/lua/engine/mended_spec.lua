-- What random histories have found: each case failed once. See tests/sim.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

-- Plays { time, event } pairs and returns the effects of the last one.
local function last(specs, steps, options)
  local st = engine.new(specs, options)
  local effects
  for _, step in ipairs(steps) do
    st, effects = engine.step(st, step[2], step[1])
  end
  return effects, st
end

local function kinds(effects, kind)
  local count = 0
  for _, effect in ipairs(effects) do
    count = count + (effect.kind == kind and 1 or 0)
  end
  return count
end

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
end)
