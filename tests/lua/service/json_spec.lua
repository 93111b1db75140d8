local json <const> = require("ward.service.json")

describe("ward.service.json", function()
  it("writes sorted keys, so that the same value is always the same text", function()
    assert.equal('{"a":1,"b":[true,"x"],"c":{}}', json.encode({ c = {}, b = { true, "x" }, a = 1 }))
  end)

  it("writes an empty list as a list when told that it is one", function()
    assert.equal('{"services":[]}', json.encode({ services = json.list({}) }))
  end)

  it("writes as a list what has the keys 1 to n and no others", function()
    assert.equal('[[1,2],{"1":1,"x":2},{"1.5":true,"3":1}]',
      json.encode({ { 1, 2 }, { 1, x = 2 }, { [3] = 1, [1.5] = true } }))
  end)

  it("lets text through that is JSON already", function()
    assert.equal('{"a":[{"b": 1}]}', json.encode({ a = { json.raw('{"b": 1}') } }))
  end)

  it("keeps integers whole", function()
    assert.equal("9007199254740991", json.encode(9007199254740991.0))
    assert.equal("0.25", json.encode(0.25))
  end)

  it("writes null for what JSON has no number for", function()
    assert.equal("[null,null,null]", json.encode({ 0 / 0, math.huge, -math.huge }))
  end)

  it("escapes control characters and replaces bytes that are not UTF-8", function()
    assert.equal([["a\"\\\n\u0001é"]], json.encode('a"\\\n\1é'))
    assert.equal('"a?b"', json.encode("a\xffb"))
  end)

  it("refuses what has no JSON form, and cycles", function()
    local cycle = {}
    cycle.again = cycle
    assert.has_error(function() json.encode(print) end)
    assert.has_error(function() json.encode(cycle) end)
  end)

  it("reads JSON of any origin and never raises", function()
    assert.same({ a = { 1, 2 } }, json.decode('{"a":[1,2]}'))
    for _, text in ipairs({ "", "{", "nan", "[1,]", "\0", ("["):rep(60000), '{"a":NaN}', "01x", "\xff" }) do
      local value, message = json.decode(text)
      assert.is_nil(value)
      assert.is_string(message)
    end
  end)

  it("reads back what it wrote", function()
    local value = { name = "a\tb", list = { 1, 2.5, false }, deep = { deep = { x = "é" } } }
    assert.same(value, json.decode(json.encode(value)))
  end)
end)
