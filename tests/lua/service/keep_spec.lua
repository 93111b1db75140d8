-- What scripts keep: the store on the supervisor's side, and how a generation takes over what the one before has left.

local script <const> = require "ward.script.keep"
local store <const> = require "ward.service.keep"

describe("ward.service.keep", function()
  it("writes at a path, and refuses what has no place", function()
    local keep <const> = store.new()
    assert.is_true(keep:set("a", {}, { list = { 1 } }))
    assert.is_true(keep:set("a", { "list", 2 }, { x = true }))
    assert.is_true(keep:set("a", { "list", 2, "x" }, nil))
    assert.same({ a = { list = { 1, {} } } }, keep.data)
    for _, path in ipairs { { "none", "x" }, { "list", 1, "x" }, {} } do
      assert.same({ nil, "has no such place" }, { keep:set("a", path, 5) })
    end
    assert.same({ nil, "has no such place" }, { keep:set("b", { "x" }, 5) })
  end)

  it("counts bytes as they come and go", function()
    local keep <const> = store.new()
    local half <const> = ("x"):rep(600000)
    assert.is_true(keep:set("a", {}, { one = half }))
    assert.same({ nil, "would be larger than 1048576 bytes" }, { keep:set("a", { "two" }, half) })
    assert.is_true(keep:set("a", { "one" }, half))
    assert.is_true(keep:set("a", { "one" }, nil))
    assert.is_true(keep:set("a", { "two" }, half))
    assert.is_true(keep:set("b", {}, { half }))
    for i = 1, 254 do assert.is_true(keep:set("n" .. i, {}, {})) end
    assert.same({ nil, "there are 256 keeps already" }, { keep:set("one too many", {}, {}) })
    assert.is_true(keep:set("n1", {}, { 1 }))
  end)
end)

describe("the next generation", function()
  local keep

  -- A generation with one keep, "state".
  local function generation(defaults)
    local declare <const>, start <const> = script.new {
      located = function(fn) return function(...) return fn("x.lua:1", ...) end end,
      request = function(_, ...) return keep:set(...) end,
      report = error,
    }
    local state <const> = declare("x.lua:1", "state", defaults)
    start(keep.data)
    return state
  end

  before_each(function() keep = store.new() end)

  it("finds what was kept", function()
    local state <const> = generation { count = 0, list = {} }
    state.count = 5
    table.insert(state.list, "one")
    state.more = { deep = { 1 } }
    local again <const> = generation { count = 0, list = {} }
    assert.same({ 5, "one", 1 }, { again.count, again.list[1], again.more.deep[1] })
    again.more.deep[1] = 2
    assert.same({ count = 5, list = { "one" }, more = { deep = { 2 } } }, keep.data.state)
  end)

  it("gets defaults for what is new or of another kind by now", function()
    local state <const> = generation { count = 0, list = 1 }
    state.count, state.list = 5, 2
    local again <const> = generation { count = 0, list = {}, fresh = true }
    assert.same({ 5, 0, true }, { again.count, #again.list, again.fresh })
    assert.same({ count = 5, list = {}, fresh = true }, keep.data.state)
  end)
end)
