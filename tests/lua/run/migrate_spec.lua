-- A migration that goes wrong fails the reload that it belongs to, and nothing else.

local harness <const> = require "helpers.harness"

local HEAD <const> = [[
local ward = require "ward"
local kept kept = ward.keep("box", { n = 0 }, { migrate = function(old)
]]

local TAIL <const> = [[

end })
local function hook() kept.n = kept.n + 1 print("hook", kept.n) end
ward.service { name = "a", cmd = { "sleep", "1000" }, on_start = hook }
ward.on("reload", function() print "another one" end)
]]

-- What stands in line 3, and what is said of it. Whether time or memory is used up first depends on the machine.
local KINDS <const> = {
  { 'string.find(("a"):rep(200), ("a*"):rep(40) .. "b")', "a call does not return in migrate" },
  { "while true do end", "used its CPU budget" },
  { "while true do pcall(function() while true do end end) end", "used its CPU budget" },
  { "error({})", "an error that is a table without __tostring" },
  { "error(setmetatable({}, { __tostring = function() error 'again' end }))", "an error whose __tostring fails" },
  { "error()", "an error without a message" },
  { "local function f() return 1 + f() end f()", "" },
  { "local t = {} while true do t[#t + 1] = ('x'):rep(15 << 20) end", "" },
  { "ward.sleep(1)", "" },
  { "coroutine.yield()", "" },
  { "kept.n = 5", "written by tasks" },
}

describe("a migration that fails", function()
  after_each(harness.cleanup)

  it("leaves the version that runs as it is, and is told with file and line", function()
    local w <const> = harness.start(HEAD .. "do return old end" .. TAIL)
    w:until_says "hook    1"
    local pid <const> = w:until_ready "a"
    for _, kind in ipairs(KINDS) do
      harness.write(w.script, HEAD .. kind[1] .. TAIL)
      local opts <const> = { env = w.env, seconds = 90 }
      local code <const>, out <const>, err <const> = harness.run({ harness.ward, "reload" }, opts)
      assert.equal(1, code, kind[1] .. out .. err)
      assert(err:find(w.script .. ":3: ", 1, true) and err:find(kind[2], 1, true), kind[1] .. " gives " .. err)
      local status <const> = w:rpc "status"
      assert.is_nil(status.quarantine, kind[1])
      assert.equal(1, status.generation)
      assert.equal(pid, w:status("a").pid)
    end
    assert.equal(0, (w:cli("restart", "a")))
    w:until_says "hook    2"
    assert.is_nil(w:output():find("another one", 1, true))
    w:stop()
  end)

  it("is tried again while what it migrates is written", function()
    local script <const> = HEAD .. "do return old end" .. TAIL
    local w <const> = harness.start(script .. "ward.every(0.001, function() kept.n = kept.n + 1 end)\n")
    w:until_ready "a"
    harness.write(w.script, script .. "ward.after(0, function() print(kept.n > 1 and 'on' or 'anew') end)\n")
    assert.equal(0, (w:cli "reload"))
    w:until_says "script %* on"
    w:stop()
  end)
end)
