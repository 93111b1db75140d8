-- The last events, and what they may cost.

local fake <const> = require("lua.fake_core")

describe("ward.service.history", function()
  local history, json, core

  before_each(function()
    core = fake.new()
    package.loaded["ward.core"] = core
    package.loaded["ward.service.history"] = nil
    history, json = require("ward.service.history").new(), require("ward.service.json")
  end)
  teardown(function()
    package.loaded["ward.core"], package.loaded["ward.service.history"] = nil, nil
  end)

  local function latest(count)
    local events = {}
    for i, text in ipairs(history:latest(count)) do events[i] = json.decode(text) end
    return events
  end

  it("numbers what comes, and tells whoever follows", function()
    local told
    history.told = function(text) told = text end
    local event <const> = { event = "start", name = "a" }
    history:add(event)
    assert.same({ event = "start", name = "a" }, event)
    assert.same({ seq = 1, at = 1700000100, event = "start", name = "a" }, json.decode(told))
    history:add({ event = "mine", at = 5, seq = 99 })
    assert.same({ seq = 2, at = 5, event = "mine" }, json.decode(told))
    assert.same({ 1, 2 }, { latest()[1].seq, latest()[2].seq })
    assert.same({ 2 }, { latest(1)[1].seq })
    assert.same({}, latest(0))
    assert.equal(2, #latest(50))
  end)

  it("keeps a thousand, and a mebibyte", function()
    for i = 1, 1500 do history:add({ event = "e", n = i }) end
    assert.equal(1000, #latest())
    assert.same({ 501, 501 }, { latest()[1].seq, latest()[1].n })
    for _ = 1, 100 do history:add({ event = "big", data = ("x"):rep(60000) }) end
    local size = 0
    for _, text in ipairs(history:latest()) do size = size + #text end
    assert.is_true(size <= 1 << 20 and size > 900000)
    assert.equal(1600, latest(1)[1].seq)
  end)

  it("leaves out what is too large or cannot be written", function()
    history:add({ event = "big", data = ("x"):rep(100000) })
    assert.same({ seq = 1, at = 1700000100, event = "big", left_out = "is larger than 64 KiB" }, latest()[1])
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    history:add({ event = "deep", data = deep })
    assert.equal("has no JSON form", latest()[2].left_out)
  end)
end)
