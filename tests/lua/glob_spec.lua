local glob <const> = require("ward.glob")

describe("ward.glob", function()
  local cases <const> = {
    { "*", "web", true }, { "*", "", true }, { "", "", true }, { "", "a", false },
    { "web-*", "web-8001", true }, { "web-*", "web", false }, { "*-80?1", "web-8001", true },
    { "w?b", "web", true }, { "w?b", "wb", false }, { "*b*b", "abab", true }, { "*b*c", "abab", false },
    { "web-[12]", "web-2", true }, { "web-[12]", "web-3", false }, { "web-[!12]", "web-3", true },
    { "[a-c]x", "bx", true }, { "[a-c]x", "dx", false }, { "[]]", "]", true }, { "[!]]", "a", true },
    { "a-[", "a-[", true }, { "[ab", "a", false }, { "a.c", "abc", false }, { "%a", "b", false }, { "a**", "a", true },
  }
  for _, case in ipairs(cases) do
    it(("%q %s %q"):format(case[1], case[3] and "matches" or "does not match", case[2]), function()
      assert.equal(case[3], glob.match(case[1], case[2]))
    end)
  end

  it("does not backtrack itself to death", function()
    local started = os.clock()
    assert.is_false(glob.match(("a*"):rep(120) .. "b", ("a"):rep(128)))
    assert.is_true(os.clock() - started < 0.5)
  end)

  it("expands in the order asked for, each name once", function()
    local known = { "db", "web-1", "web-2" }
    assert.same({ "web-1", "web-2", "db" }, glob.expand({ "web-*", "db", "web-1" }, known))
  end)

  it("names the first word that matches nothing", function()
    local names, missing = glob.expand({ "db", "x-*", "y" }, { "db" })
    assert.is_nil(names)
    assert.equal("x-*", missing)
    assert.equal("y", select(2, glob.expand({ "y" }, { "db" })))
  end)
end)
