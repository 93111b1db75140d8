-- The key `cgroup`.

local kit <const> = require "lua.schema.kit"
local function good(cgroup) return kit.good({ cgroup = cgroup }).cgroup end
local function bad(cgroup, message) kit.bad({ cgroup = cgroup }, "cgroup" .. message) end

describe("cgroup", function()
  it("becomes the files of the kernel", function()
    assert.is_nil(good(nil))
    assert.same({ files = {}, optional = false }, good(true))
    assert.same({ files = {}, optional = true }, good { optional = true })
    assert.same({ ["memory.max"] = "268435456", ["pids.max"] = "100", ["cpu.max"] = "50000 100000" },
      good({ memory = "256M", pids = 100, cpu = 0.5 }).files)
    assert.same({
      ["memory.max"] = "1048576", ["memory.high"] = "524288", ["memory.swap.max"] = "0", ["cpu.max"] = "150000 100000",
      ["cpu.weight"] = "50",
    }, good({ memory = { max = "1M", high = "512K", swap_max = 0 }, cpu = { max = 1.5, weight = 50 } }).files)
  end)

  it("refuses the rest", function()
    bad(false, ': must be true, or a table such as { memory = "256M", pids = 100 }, got boolean false')
    bad("x", ': must be true, or a table such as { memory = "256M", pids = 100 }, got string "x"')
    bad({ memoy = 1 }, ': unknown key "memoy" (did you mean "memory"?)')
    bad({ memory = "lots" }, '.memory.max: bad size "lots": a size looks like "64K", "256M" or "1G"')
    bad({ memory = { low = 1 } }, '.memory: unknown key "low"')
    bad({ memory = { max = -1 } }, ".memory.max: must be a whole number from 0 to 1152921504606846976, got number -1")
    bad({ pids = 0 }, ".pids: must be a whole number from 1 to 4194304, got number 0")
    bad({ cpu = 0 }, ".cpu.max: must be a number from 0.01 to 8192, got number 0")
    bad({ cpu = { weight = 0 } }, ".cpu.weight: must be a whole number from 1 to 10000, got number 0")
    bad({ optional = 1 }, ".optional: must be true or false, got number 1")
  end)
end)
