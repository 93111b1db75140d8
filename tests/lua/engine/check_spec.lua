local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

local function specs(text)
  local list = {}
  for name, needs in text:gmatch("(%w+):([%w,]*)") do
    local spec = kit.spec(name, { needs = {}, source = ("scripts/x.lua:%d"):format(#list + 1) })
    for need in needs:gmatch("%w+") do
      table.insert(spec.needs, need)
    end
    list[#list + 1] = spec
  end
  return list
end

describe("engine.check", function()
  local cases <const> = {
    { "nothing", "", {} },
    { "later and double names", "web:db,db db:", {} },
    { "a diamond is no cycle", "a:b,c b:d c:d d:", {} },
    { "an unknown need", "web:dbx db:",
      { 'scripts/x.lua:1: service "web": needs unknown service "dbx" (did you mean "db"?)' } },
    { "an unknown need without a guess", "web:zzz",
      { 'scripts/x.lua:1: service "web": needs unknown service "zzz"' } },
    { "itself", "a:a", { 'scripts/x.lua:1: service "a": dependency cycle: a -> a' } },
    { "three", "a:b b:c c:a", { 'scripts/x.lua:1: service "a": dependency cycle: a -> b -> c -> a' } },
    { "only the cycle is printed, not the way to it", "x:y y:b b:c c:b z:x",
      { 'scripts/x.lua:3: service "b": dependency cycle: b -> c -> b' } },
    { "two cycles", "a:b b:a c:d d:c e:a,c", {
      'scripts/x.lua:1: service "a": dependency cycle: a -> b -> a',
      'scripts/x.lua:3: service "c": dependency cycle: c -> d -> c' } },
    { "a cycle behind an unknown need", "a:zzz,b b:a", {
      'scripts/x.lua:1: service "a": needs unknown service "zzz"',
      'scripts/x.lua:1: service "a": dependency cycle: a -> b -> a' } },
    { "a name twice", "a: a:", { 'scripts/x.lua:2: service "a": the name is taken by scripts/x.lua:1' } },
  }
  local function nearest(word, names)
    for _, name in ipairs(names) do
      if word == name .. "x" then
        return name
      end
    end
  end
  for _, case in ipairs(cases) do
    it(case[1], function()
      local ok, errors = engine.check(specs(case[2]), nearest)
      local messages = {}
      for at, each in ipairs(errors or {}) do
        messages[at] = each.message
        assert.equal(each.source, each.message:match("^(.-): "))
      end
      assert.same(case[3], messages)
      assert.equal(#case[3] == 0 or nil, ok)
    end)
  end

  it("needs no guesser and no source", function()
    local _, errors = engine.check { kit.spec("a", { needs = { "b" } }) }
    assert.same({ { message = 'service "a": needs unknown service "b"' } }, errors)
  end)

  it("does not overflow on a long chain", function()
    local list = {}
    for i = 1, 20000 do
      list[i] = kit.spec("s" .. i, { needs = { "s" .. i % 20000 + 1 } })
    end
    local _, errors = engine.check(list)
    assert.equal(1, #errors)
    list[20000].needs = {}
    assert.is_true(engine.check(list))
  end)

  it("guards engine.new", function()
    assert.has_error(function()
      engine.new(specs "a:a")
    end)
    assert.error_matches(function()
      engine.new(specs "a:zzz")
    end, "needs unknown service")
  end)
end)
