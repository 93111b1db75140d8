-- Scripts that use up the time of a load, at a reload: see broken_spec.lua.

local broken <const> = require "lua.run.broken_cases"
local harness <const> = require "helpers.harness"

describe("a script that does not end to load", function()
  after_each(harness.cleanup)

  it("does not replace the one that runs", function() broken.reloads(broken.slow()) end)
end)
