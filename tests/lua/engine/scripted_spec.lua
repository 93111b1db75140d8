-- Starts that the script gives.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local play <const> = require "lua.engine.play"

local last <const>, by_script <const>, kinds <const> = kit.last, kit.by_script, kit.kinds

describe("engine: starts by the script:", function()
  it("a start that the limit refuses changes nothing, and is told to nobody but the one who gave it", function()
    local specs <const> = { kit.spec("a", { on = "never", needs = { "db" }, give_up = { n = 1, within = 60 } }),
      kit.spec "db" }
    local steps <const> = { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "a" }, { 0, kit.exit("a", 1) },
      { 0, by_script "start a" }, { 1, kit.timer "a" }, { 1, kit.started "a" }, { 2, kit.exit("a", 1) },
      { 2, kit.command "stop a db" }, { 2, kit.exit("db", 0) } }
    for _, op in ipairs { "start a", "restart a", "start a a" } do
      steps[11] = { 3, by_script(op, "T") }
      local effects <const>, st = last(specs, steps)
      local answer <const> = effects[1].results[1]
      assert.are.same({ 1, "reply", "failed: too many restarts; the last time it exited with code 1" },
        { #effects, effects[1].kind, answer.message })
      assert.are.same({ "failed", "stopped", "down" },
        { st.by_name.a.state, st.by_name.db.state, st.by_name.a.desired })
      assert.are.equal("failed", st.by_name.a.decision.outcome)
    end
    steps[11] = { 63, by_script("start a", "T") }
    local _, st = last(specs, steps)
    assert.are.equal("waiting", st.by_name.a.state)
  end)

  it("a start below a supervisor that is being stopped waits until that is back, as one by hand does", function()
    local ladder <const> = { { signal = "INT", wait = 3 }, { signal = "KILL" } }
    for from = 0, 4 do
      play.play { "", "app=one (sub:failure=rest any (a:failure* b:failure*) other)", slow = "b",
        specs = { a = { backoff = { from = from } }, b = { stop = ladder } },
        { 20, kit.exit("a", 0), "a is done", "sub shuts down: a any_significant", "INT b" },
        { 21, by_script "start a", from > 0 and ("a in %d"):format(from) or nil },
        { 22.5, play.is, from < 2 and "a waiting" or "a backoff", "sub stopping" },
        { 23, play.pass, "KILL b", "sub is back", "start a", "start b" },
        { 30, play.is, "a ready", "b ready" } }
    end
  end)

  it("an exit is told once, whoever starts it while restarting is paused, and its rule is asked once", function()
    local function outcome(spec, steps)
      local st, told_of, asked = engine.new { spec }, 0, 0
      for _, step in ipairs(steps) do
        local effects
        st, effects = engine.step(st, step[2], step[1])
        asked = asked + kinds(effects, "ask")
        for _, effect in ipairs(effects) do
          told_of = told_of + (effect.kind == "event" and effect.exit and not effect.told and 1 or 0)
        end
      end
      return { told_of, asked, st.by_name.a.state }
    end
    local up <const>, pause <const>, resume <const> = { 0, kit.started "a" }, { 0, kit.command "pause a" },
      { 3, kit.command "resume a" }
    assert.are.same({ 1, 0, "starting" }, outcome(kit.spec "a", { { 0, kit.boot }, up, { 1, kit.exit("a", 0) },
      pause, { 2, by_script "restart a" }, { 2, by_script "start a" }, resume }))
    local once <const> = kit.spec("a", { type = "oneshot" })
    assert.are.same({ 1, 0, "starting" }, outcome(once, { { 0, kit.boot }, up, { 1, kit.exit("a", 0) }, pause,
      { 2, by_script "restart a" }, resume }))
    local asks <const> = kit.spec("a", { type = "oneshot", asks = true })
    assert.are.same({ 1, 1, "starting" }, outcome(asks, { { 0, kit.boot }, up, pause, { 1, kit.exit("a", 0) },
      { 2, by_script "restart a" }, resume }))
  end)
end)
