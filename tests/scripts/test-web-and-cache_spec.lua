-- scripts/test-web-and-cache.lua is a spec itself: its tests run here.
assert(loadfile("scripts/test-web-and-cache.lua", "t", _ENV))()

local harness <const> = require "helpers.harness"

describe("scripts/test-web-and-cache.lua", function()
  after_each(harness.cleanup)

  it("runs as the README says where it is installed, from any directory", function()
    local dir <const> = harness.directory()
    local code <const>, out <const>, err <const> = harness.run({ "sh", "-ec", [[
      mkdir -p "$1/share/ward" && cp -r lua scripts "$1/share/ward" && cd "$1"
      export LUA_PATH="$1/share/ward/lua/?.lua;$1/share/ward/lua/?/init.lua;;"
      lua5.4 "$(command -v busted)" --ignore-lua share/ward/scripts/test-web-and-cache.lua
    ]], "sh", dir })
    assert.equal(0, code, out .. err)
    assert.matches("[1-9]%d* successes / 0 failures / 0 errors", out)
  end)
end)
