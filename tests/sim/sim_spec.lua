-- 100,000 random histories of the engine. A failure names its seed: `make sim SEED=n` plays that one, made small.

describe("simulation", function()
  it("100,000 schedules keep every promise, and see every kind of event", function()
    local pipe <const> = assert(io.popen("lua5.4 tests/sim/run.lua 100000 2>&1"))
    local text <const> = pipe:read("a")
    assert.is_true(pipe:close(), text)
    assert.matches("100000 schedules, all as promised", text)
  end)
end)
