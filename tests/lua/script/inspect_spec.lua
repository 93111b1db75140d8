-- Values as text for people.

local inspect <const> = require("ward.script.inspect").inspect

describe("ward.script.inspect", function()
  it("writes what is short on one line, lists first, keys in order", function()
    assert.equal('{ 1, "b", { true }, name = "x", other = 1.5, ["two words"] = {}, [true] = 0 }',
      inspect { 1, "b", { true }, other = 1.5, name = "x", ["two words"] = {}, [true] = 0 })
    assert.equal("{ 1, [3] = 3 }", inspect { 1, nil, 3 })
    assert.equal("nil", inspect(nil))
  end)

  it("writes what is long on several, indented", function()
    local long <const> = ("x"):rep(60)
    assert.equal(('{\n  a = {\n    "%s",\n    "%s"\n  },\n  b = 1\n}'):format(long, long),
      inspect { a = { long, long }, b = 1 })
  end)

  it("quotes strings inside, and those on top unless they are wanted raw", function()
    assert.equal([["a\"b\\\n\t\001"]], inspect("a\"b\\\n\t\1"))
    assert.equal("a\nb", inspect("a\nb", true))
    assert.equal('{ "a\\nb" }', inspect({ "a\nb" }, true))
    assert.equal('"' .. ("x"):rep(2000) .. '"... (3000 bytes)', inspect(("x"):rep(3000)))
  end)

  it("ends", function()
    local loop <const> = {}
    loop.loop = loop
    assert.equal("{ loop = { it contains itself } }", inspect(loop))
    local deep = {}
    for _ = 1, 20 do deep = { deep } end
    assert.equal("{ { { { { { {...} } } } } } }", inspect(deep))
    local shared <const> = { 1 }
    assert.equal("{ { 1 }, { 1 } }", inspect { shared, shared })
    local many <const> = {}
    for i = 1, 1000 do many[i] = i end
    assert.matches(",\n  200,\n  %.%.%. 800 more\n}$", inspect(many))
  end)

  it("lets a table with __tostring speak for itself, and does not look behind a view", function()
    assert.equal("me", inspect(setmetatable({}, { __tostring = function() return "me" end })))
    local view <const> = require("ward.script.view").readonly({ a = 1 }, "ward.env")
    assert.equal("ward.env", inspect(view))
    local handle <const> = setmetatable({}, { __metatable = "task", __name = "task" })
    assert.matches("^task: 0x%x+$", inspect(handle))
  end)
end)
