local suggest = require "ward.suggest"

describe("suggest.nearest", function()
  local keys = { "name", "cmd", "cwd", "stop", "start_timeout", "restart", "needs", "env", "env_file" }

  local cases = {
    { "nmae", "name" }, { "restrat", "restart" }, { "need", "needs" }, { "NEEDS", "needs" }, { "envfile", "env_file" },
    { "stop_timout", "stop" }, { "start_timout", "start_timeout" }, { "cdm", "cmd" },
  }
  for _, case in ipairs(cases) do
    it(("takes %s for %s"):format(case[1], case[2]), function()
      assert.equal(case[2], suggest.nearest(case[1], keys))
    end)
  end

  it("suggests nothing when nothing is near", function()
    assert.is_nil(suggest.nearest("frobnicate", keys))
    assert.is_nil(suggest.nearest("", keys))
    assert.is_nil(suggest.nearest(("x"):rep(100000), keys))
    assert.is_nil(suggest.nearest(12, keys))
    assert.is_nil(suggest.nearest("x", { "y", "z" }))
  end)

  it("counts a swap of neighbours as one slip, and prefers the nearer word", function()
    assert.equal("abdc", suggest.nearest("abcd", { "axxd", "abdc" }))
  end)

  it("takes the first of equals", function()
    assert.equal("cat", suggest.nearest("bat", { "cat", "hat" }))
    assert.equal("hat", suggest.nearest("bat", { "hat", "cat" }))
  end)

  it("writes a hint", function()
    assert.equal(' (did you mean "stop"?)', suggest.hint("sotp", keys))
    assert.equal("", suggest.hint("frobnicate", keys))
  end)
end)
