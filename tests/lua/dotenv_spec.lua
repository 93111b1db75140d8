local dotenv = require "ward.dotenv"

local function read(text)
  local pairs_read, line, message = dotenv.parse(text)
  assert(pairs_read, message and ("%d: %s"):format(line, message))
  return pairs_read
end

describe("dotenv.parse", function()
  it("keeps the order and repeated keys", function()
    assert.same({ { "B", "1" }, { "A", "2" }, { "B", "3" } }, read "B=1\nA=2\nB=3\n")
  end)

  for text, expected in pairs {
    [""] = {}, ["\n\n  \n# c\n"] = {}, ["A=1"] = { { "A", "1" } }, ["A="] = { { "A", "" } },
    ["export A=1"] = { { "A", "1" } }, ["export=1"] = { { "export", "1" } }, ["  A = b  \n"] = { { "A", "b" } },
    ["A=b # c"] = { { "A", "b" } }, ["A=b#c"] = { { "A", "b#c" } }, ["A=# c"] = { { "A", "" } },
    ["A=http://x/?a=b"] = { { "A", "http://x/?a=b" } },
    ["A='x # \\n $y'"] = { { "A", "x # \\n $y" } },
    ['A="a\\nb \\"q\\" \\$x \\z" # c'] = { { "A", 'a\nb "q" $x \\z' } },
    ['A="one\ntwo"\nB=2'] = { { "A", "one\ntwo" }, { "B", "2" } },
    ["A=1\r\nB='2'\r\n"] = { { "A", "1" }, { "B", "2" } },
    ["\239\187\191A=1"] = { { "A", "1" } },
    ["A=$HOME/x"] = { { "A", "$HOME/x" } },
    ["a.b-c=1"] = { { "a.b-c", "1" } },
    ["A=it's"] = { { "A", "it's" } },
    ["A=''"] = { { "A", "" } },
  } do
    it(("reads %q"):format(text), function() assert.same(expected, read(text)) end)
  end

  for text, expected in pairs {
    ["A=1\nnonsense"] = { 2, "expected KEY=value" },
    ["1A=x"] = { 1, '"1A" cannot name a variable (letters, digits, "_", "." and "-"; no digit first)' },
    ["=x"] = { 1, '"" cannot name a variable (letters, digits, "_", "." and "-"; no digit first)' },
    ["\nA='x\ny"] = { 2, "A: the quote is never closed" },
    ['A="x\\"'] = { 1, "A: the quote is never closed" },
    ["A='x'y"] = { 1, "A: unexpected text after the closing quote" },
    ["A='x\n\n'\nB"] = { 4, "expected KEY=value" },
    ["A=1\nB=\0"] = { 2, "a NUL byte cannot be part of an environment" },
  } do
    it(("refuses %q"):format(text), function()
      local pairs_read, line, message = dotenv.parse(text)
      assert.is_nil(pairs_read)
      assert.same(expected, { line, message })
    end)
  end

  it("reads a large file in one pass", function()
    assert.equal(50000, #read(("KEY=value\n"):rep(50000)))
  end)
end)
