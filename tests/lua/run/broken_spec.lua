-- Scripts that are broken in every way, at load and at a reload. The children that run go on, and what is said names
-- the file and the line.

local harness <const> = require "helpers.harness"

local broken <const> = require "lua.run.broken_cases"
local HEAD <const>, assert_names <const> = broken.HEAD, broken.assert_names

-- At a load those that are slow are tests/core/bind/script_test.c's, with less time.
local function at_load()
  local kinds <const> = {}
  for _, kind in ipairs(broken.KINDS) do kinds[#kinds + 1] = not kind.slow and kind or nil end
  return kinds
end

describe("a broken script", function()
  after_each(harness.cleanup)

  it("is told by ward check", function()
    local script <const> = harness.directory() .. "/script.lua"
    for _, kind in ipairs(at_load()) do
      harness.write(script, kind[2]:find "^\27" and kind[2] or HEAD .. kind[2])
      local code <const>, out <const>, err <const> = harness.run({ harness.ward, "check", script }, { seconds = 90 })
      assert.equal(1, code, kind[1] .. out .. err)
      assert_names(kind, script, 3, err)
    end
  end)

  it("does not replace the one that runs", function()
    local w <const> = harness.start(HEAD .. "ward.on('reload', function() print 'another one' end)")
    local pid <const> = w:until_ready "a"
    for _, kind in ipairs(broken.KINDS) do
      harness.write(w.script, kind[2]:find "^\27" and kind[2] or HEAD .. kind[2])
      local opts <const> = { env = w.env, seconds = 90 }
      local code <const>, out <const>, err <const> = harness.run({ harness.ward, "reload" }, opts)
      assert.equal(1, code, kind[1] .. out .. err)
      assert_names(kind, w.script, 3, err)
      assert.equal(pid, w:status("a").pid)
      assert.equal(1, w:rpc("status").generation)
    end
    assert.is_nil(w:output():find("another one", 1, true))
    w:stop()
  end)
end)
