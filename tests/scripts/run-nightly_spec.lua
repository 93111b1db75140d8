-- scripts/run-nightly.lua: the job ends well, fails, or takes too long, and nothing of it stays.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"

describe("scripts/run-nightly.lua", function()
  after_each(harness.cleanup)

  local function start(job)
    local dir <const> = harness.directory() .. "/work"
    return dir, harness.start("scripts/run-nightly.lua", { env = { JOB = job, JOB_DIR = dir, JOB_LIMIT = "500ms" } })
  end

  it("runs, and tells how it went", function()
    local dir <const>, w <const> = start("pwd >&2; touch a; [ -e a ]")
    local code, out = w:cli("do", "nightly-last")
    assert.same({ 0, "it has not run yet\n" }, { code, out })
    code, out = w:cli("do", "nightly")
    assert.equal(0, code)
    assert.matches("done", out)
    assert.is_nil(lfs.attributes(dir))
    assert.matches("%d%d:%d%d:%d%d done\n$", select(2, w:cli("do", "nightly-last")))
    w:stop()
  end)

  it("cleans up after one that fails, and one that takes too long", function()
    local dir <const>, w <const> = start("touch a; echo no disk >&2; exit 4")
    assert.matches("failed with 4: no disk", select(2, w:cli("do", "nightly")))
    assert.is_nil(lfs.attributes(dir))
    w:stop()
    local second <const>, slow <const> = start("touch a; sleep 1000")
    assert.matches("not done within 500ms", select(2, slow:cli("do", "nightly")))
    assert.is_nil(lfs.attributes(second))
    slow:until_(function() return #slow:left() == 0 end, nil, "nothing of the job is left")
    slow:stop()
  end)
end)
