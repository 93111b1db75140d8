local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local transitions <const> = require "ward.engine.transitions"

local started <const>, exit <const>, timer <const>, command <const> = kit.started, kit.exit, kit.timer, kit.command

-- The events that lead a service "a", which needs "n", into each state. All at time 0, retries and waits are 0.
local READY <const> = { kit.boot, started "n", started "a" }
local WAYS <const> = {
  stopped = {},
  waiting = { kit.boot },
  starting = { kit.boot, started "n" },
  ready = READY,
  stopping = { READY, command "stop a" },
  backoff = { READY, exit("a", 1) },
  failed = { READY, exit("a", 9) },
  done = { READY, exit("a", 0) },
  stuck = { READY, command "stop a", { kind = "timer", name = "a", at = 100 } },
}

local function lead(way)
  local st = engine.new {
    kit.spec("n", { on = "always" }),
    kit.spec("a", { needs = { "n" }, stop = { { signal = "KILL" } } }),
  }
  local function go(events)
    for _, event in ipairs(events) do
      if event.kind then
        st = engine.step(st, event, event.at or 0)
      else
        go(event)
      end
    end
  end
  -- An exit with code 9 is for good: that is "failed".
  if way == WAYS.failed then
    st.by_name.a.spec.restart.on = "never"
  end
  go(way)
  return st
end

describe("engine: the table", function()
  local inputs <const> = { started = started "a", exit = exit("a", 1), timer = timer "a" }

  for state, way in pairs(WAYS) do
    it("is kept in state " .. state, function()
      assert.equal(state, engine.service(lead(way), "a").state)
      for input, event in pairs(inputs) do
        local st = lead(way)
        local cell = transitions.CELLS[state][input]
        local ok, message = pcall(engine.step, st, event, 0)
        if cell == "!" then
          assert.equal(('engine: "%s" cannot happen to service "a" in state "%s"'):format(input, state), message)
          assert.equal(state, engine.service(st, "a").state)
        elseif cell ~= "late" then -- that is "started twice" here, below
          assert.is_true(ok, message)
        end
        if cell == "-" then
          assert.same({}, st.effects)
        end
      end
    end)
  end

  it("has a way to each of its states", function()
    for state in pairs(transitions.CELLS) do
      assert.is_table(WAYS[state], state)
    end
  end)

  it("refuses what makes no sense", function()
    local refused <const> = {
      { { kind = "nonsense" }, "unknown event" },
      { started "nobody", "unknown service" },
      { command("explode a"), "unknown command" },
      { { kind = "command", op = "wait", names = { "a" }, for_ = "lunch", token = 1 }, "ready or for stopped" },
    }
    for _, case in ipairs(refused) do
      assert.error_matches(function()
        engine.step(lead(READY), case[1], 0)
      end, case[2])
    end
    assert.error_matches(function()
      engine.step(lead(WAYS.stopping), started "a", 0)
    end, "started twice")
    local st = engine.step(lead(WAYS.stopped), command("ready a", "T"), 0)
    assert.error_matches(function()
      engine.step(st, command("ready a", "T"), 0)
    end, "still open")
  end)
end)
