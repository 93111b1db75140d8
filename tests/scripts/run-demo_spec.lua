-- scripts/run-demo.lua, the main job: services start, one crashes and comes back, Ctrl-C stops everything in order.

local harness <const> = require "helpers.harness"

describe("scripts/run-demo.lua", function()
  after_each(harness.cleanup)

  it("shows supervision", function()
    local w = harness.start("scripts/run-demo.lua")
    w:until_says "ticker  %* ready, pid %d+"
    w:until_says "worker  %* ready, pid %d+"
    w:until_says "ticker  | tick 1 "
    w:until_says "worker  | sorting"
    w:until_says "greeter %* exited with code 0 .*done"
    w:until_says "flaky   %* exited with code 1 after 4%.%ds; next try in %d+ms %(restart 1%)"
    harness.until_(function() return select(2, w:out():gsub("feeling fine", "")) == 2 end, nil, "flaky to come back")
    w:stop(0, "INT")
    local err = w:err()
    local worker, ticker = err:find("worker  %* stopped"), err:find("ticker  %* stopped")
    assert.is_true(worker < ticker)
    assert.is_truthy(w:out():find("putting my tools away"))
  end)
end)
