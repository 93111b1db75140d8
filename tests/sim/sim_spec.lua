-- 100,000 random histories of the engine. A failure names its seed: `make sim SEED=n` plays that one, made small.

describe("simulation", function()
  it("100,000 schedules keep every promise, and see every kind of event", function()
    local pipe <const> = assert(io.popen("lua5.4 tests/sim/run.lua 100000 2>&1"))
    local text <const> = pipe:read("a")
    assert.is_true(pipe:close(), text)
    assert.matches("100000 schedules, seeds 1 to 100000: all as promised", text)
  end)

  it("plays N schedules from SEED on, or the one of SEED", function()
    local pipe <const> = assert(io.popen("make -s sim N=7 SEED=1000 2>&1 && make -s sim SEED=1000 2>&1"))
    local text <const> = pipe:read("a")
    assert.is_true(pipe:close(), text)
    assert.matches(" 7  > boot\n.*\n7 schedules, seeds 1000 to 1006: all as promised\n"
      .. "1 schedule, seed 1000: as promised\n$", text)
  end)

  it("prints a seed that fails, and makes it small", function()
    local LATE <const> = 16 -- of the mutants: KILL leaves a second less
    local function sim(how)
      local pipe <const> = assert(io.popen(([[MUTANT=%d LUA_INIT='dofile "tests/sim/mutants.lua"' make -s sim %s 2>&1]])
        :format(LATE, how)))
      local text <const> = pipe:read("a")
      assert.is_nil((pipe:close()), text)
      return text
    end
    assert.matches("\nseed 1 failed %(make sim SEED=1 shows it, made small%): .*: failed\n", "\n" .. sim "N=20")
    local small <const> = sim "SEED=3"
    assert.matches("\nseed 3: s3's timer: the engine says 16.28%d*, the model 17.28", small)
    assert.matches("^sup1 [^\n]*\n  s3 [^\n]*\n0.000000 > boot", small)
    assert.is_true(select(2, small:gsub("\n%d", "")) < 8, small) -- events
    assert.equal(small, sim "SEED=3")
  end)

  it("can still be tried with mistakes in the engine", function()
    assert.is_true((os.execute "lua5.4 tests/sim/mutants.lua texts"))
  end)
end)
