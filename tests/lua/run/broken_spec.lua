-- Scripts that are broken in every way, at load and at a reload. The children that run go on, and what is said names
-- the file and the line. Those that use up the time of a load are broken_slow_spec.lua's.

local harness <const> = require "helpers.harness"

local broken <const> = require "lua.run.broken_cases"
local HEAD <const>, assert_names <const> = broken.HEAD, broken.assert_names

describe("a broken script", function()
  after_each(harness.cleanup)

  it("is told by ward check", function()
    local script <const> = harness.directory() .. "/script.lua"
    for _, kind in ipairs(broken.fast()) do
      harness.write(script, kind[2]:find "^\27" and kind[2] or HEAD .. kind[2])
      local code <const>, out <const>, err <const> = harness.run({ harness.ward, "check", script }, { seconds = 90 })
      assert.equal(1, code, kind[1] .. out .. err)
      assert_names(kind, script, 3, err)
    end
  end)

  it("does not replace the one that runs", function() broken.reloads(broken.fast()) end)
end)
