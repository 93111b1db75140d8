-- scripts/watch-tree.lua: each verdict of its rule, on real exits.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

describe("scripts/watch-tree.lua", function()
  after_each(harness.cleanup)

  it("restarts what is after a child with it, and leaves the rest alone", function()
    local w <const> = harness.start("scripts/watch-tree.lua")
    local db <const>, api <const>, jobs <const> = w:until_ready("db"), w:until_ready("api"), w:until_ready("jobs")
    sys.kill(api, "KILL")
    w:until_ready("api", api)
    w:until_ready("jobs", jobs)
    assert.equal(db, w:until_ready("db"))
    assert.matches("api has ended %S*.*signal=KILL", w:err())
    w:stop()
  end)

  it("does not try again what is configured wrong", function()
    local w <const> = harness.start("scripts/watch-tree.lua", { env = { JOBS = "exit 78" } })
    w:until_(function() return w:status("jobs").desired == "down" or w:status("jobs").state == "failed" end, nil,
      "jobs stays down")
    assert.equal(0, w:status("jobs").restarts)
    w:stop()
  end)

  it("asks the supervisor when it only fails", function()
    local w <const> = harness.start("scripts/watch-tree.lua", { env = { JOBS = "exit 1" } })
    w:until_says("front %* jobs escalates")
    w:until_says("front %* starts its children again")
    w:stop()
    assert.is_nil(w:err():find("internal error", 1, true))
  end)
end)
