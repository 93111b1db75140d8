local backoff <const> = require "ward.engine.backoff"

describe("backoff", function()
  local policy <const> = { from = 0.1, factor = 2, max = 30, jitter = 0, reset = 10 }

  it("grows to its maximum and stays there", function()
    assert.near(0.1, backoff.delay(policy, 1, 0.5), 1e-12)
    assert.near(0.2, backoff.delay(policy, 2, 0.5), 1e-12)
    assert.near(25.6, backoff.delay(policy, 9, 0.5), 1e-9)
    assert.equal(30, backoff.delay(policy, 10, 0.5))
    assert.equal(30, backoff.delay(policy, 1000000, 0.5))
  end)

  it("stays zero when it begins at zero", function()
    assert.equal(0, backoff.delay({ from = 0, factor = 2, max = 30, jitter = 0.1 }, 1000000, 0.9))
  end)

  it("spreads by the jitter, to both sides", function()
    local spread = { from = 10, factor = 1, max = 30, jitter = 0.1 }
    assert.near(9, backoff.delay(spread, 3, 0), 1e-9)
    assert.near(11, backoff.delay(spread, 3, 1), 1e-9)
    local capped <const> = { from = 10, factor = 2, max = 10, jitter = 1 }
    assert.equal(10, backoff.delay(capped, 5, 0.999))
    assert.equal(0, backoff.delay(capped, 5, 0))
  end)

  it("has a generator that is even, stays in [0, 1) and repeats itself for a seed", function()
    for seed = -3, 3 do
      local one, two = { word = seed }, { word = seed }
      local sum = 0
      for _ = 1, 2000 do
        local unit = backoff.random(one)
        assert.equal(unit, backoff.random(two))
        assert.is_true(unit >= 0 and unit < 1)
        sum = sum + unit
      end
      assert.near(0.5, sum / 2000, 0.03)
    end
  end)
end)
