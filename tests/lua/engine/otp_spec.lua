-- What OTP's supervisors promise, as far as ward has it: children are declared, none is added or deleted later, and all
-- stop at once, in reverse order, where OTP waits for one after the other. restart.on "always", "failure" and "never"
-- are its permanent, transient and temporary.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local play <const> = require "lua.engine.play"

for _, file in ipairs { "otp_cases_children", "otp_cases_limits", "otp_cases_ends", "otp_cases_by_hand" } do
  for _, group in ipairs(require("lua.engine." .. file)) do
    describe("engine: supervisors: " .. group[1], function()
      for _, case in ipairs(group[2]) do
        it(case[1], function()
          play.play(case)
        end)
      end
    end)
  end
end

describe("engine: supervisors: without a tree", function()
  it("there is one over all, one_for_one, that takes any number of restarts", function()
    local st = engine.new { kit.spec("a", { backoff = { from = 0 } }), kit.spec "b" }
    st = engine.step(st, kit.boot, 0)
    for _ = 1, 100 do
      local effects
      st, effects = engine.step(st, kit.exit("a", "spawn"), 0)
      assert.same({ "a is backoff", "a is starting", "spawn a" }, kit.lines(effects))
    end
    assert.equal("one_for_one", engine.graph(st).strategy)
  end)
end)
