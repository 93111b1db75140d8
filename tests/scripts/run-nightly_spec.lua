-- scripts/run-nightly.lua: the job ends well, fails, or takes too long, and nothing of it stays.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

describe("scripts/run-nightly.lua", function()
  after_each(harness.cleanup)

  local function start(job, limit)
    local dir <const> = harness.directory() .. "/work"
    return dir, harness.start("scripts/run-nightly.lua",
      { env = { JOB = job, JOB_DIR = dir, JOB_LIMIT = limit or "500ms" } })
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
    assert.same({ 1, "", "ward: failed with 4 no disk\n" }, { w:cli("do", "nightly") })
    assert.is_nil(lfs.attributes(dir))
    w:stop()
    local second <const>, slow <const> = start("touch a; sleep 1000")
    assert.same({ 1, "", "ward: not done within 500ms\n" }, { slow:cli("do", "nightly") })
    assert.is_nil(lfs.attributes(second))
    slow:until_(function() return #slow:left() == 0 end, nil, "nothing of the job is left")
    slow:stop()
  end)

  it("goes on when who asked is gone, and cleans up all the same", function()
    local dir <const>, w <const> = start("touch a; until [ -e ../go ]; do sleep 0.01; done; echo a word", "1m")
    local pid <const> = assert(sys.spawn({ harness.ward, "do", "nightly" }, { env = w.env }))
    w:until_(function() return lfs.attributes(dir .. "/a") end, nil, "the job runs")
    sys.kill(pid, "KILL")
    sys.wait(pid, 60)
    harness.write(dir .. "/../go", "")
    w:until_(function() return select(2, w:cli("do", "nightly-last")):find " done\n$" end, nil, "the job is done")
    assert.is_nil(lfs.attributes(dir))
    assert.matches("a word\n", w:log "@script")
    w:stop()
  end)

  it("is refused with an hour or a limit that makes no sense, before the night", function()
    for name, value in pairs { JOB_AT = "25:00", JOB_LIMIT = "soon" } do
      local code <const>, _, err <const> = harness.run({ harness.ward, "check", "scripts/run-nightly.lua" },
        { env = { [name] = value } })
      assert.equal(1, code)
      assert.matches(name .. " must be such as", err)
    end
  end)
end)
