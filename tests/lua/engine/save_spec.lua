-- The engine's state as plain data: a twin that is made of it decides as the original does.
local assert <const> = require "luassert"
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local save <const> = require "ward.engine.save"
local twin <const> = require "sim.twin"

local SEEDS <const> = 2000

local function is_plain(value)
  local type_of <const> = type(value)
  if type_of ~= "table" then
    return type_of ~= "function" and type_of ~= "userdata" and type_of ~= "thread"
  end
  for key, each in pairs(value) do
    if type(key) == "table" or not is_plain(each) then
      return false
    end
  end
  return getmetatable(value) == nil
end

describe("a saved engine", function()
  it("goes on as if nothing had happened, in thousands of histories with reloads and pools", function()
    local twins, rested = 0, 0
    for seed = 1, SEEDS do
      local ok <const>, made <const>, rests <const> = xpcall(twin.play, debug.traceback, seed)
      assert.is_true(ok, not ok and ("seed %d: %s"):format(seed, made) or nil)
      twins, rested = twins + made, rested + (rests and 1 or 0)
    end
    assert.is_true(twins > SEEDS)
    assert.is_true(rested > 0.9 * SEEDS)
  end)

  it("is plain data, with open commands, groups and timers", function()
    local specs <const>, tree <const> = kit.tree("app=all 1/10 (a b c)", { a = { backoff = { from = 5 } } })
    local st = engine.new(specs, { seed = 7, tree = tree })
    for _, event in ipairs { kit.boot, kit.started "a", kit.started "b", kit.started "c", kit.exit("a", 1),
      kit.command("restart b", "T") } do
      st = engine.step(st, event, 1)
    end
    local plain <const> = save.save(st)
    assert.is_true(is_plain(plain))
    assert.same({ "T" }, { next(plain.commands) and next(plain.commands) })
    assert.is_true(#plain.holds > 0)
    local again <const> = save.restore(twin.copy(plain), specs, tree)
    assert.same(plain, save.save(again))
    assert.equal(again.by_name.b.waiters[1].command, again.commands.T)
    assert.same(engine.list(st), engine.list(again))
  end)

  it("belongs to its services", function()
    local plain <const> = save.save(engine.new({ kit.spec "a", kit.spec "b" }))
    assert.has_error(function()
      save.restore(plain, { kit.spec "a" })
    end, "engine: a saved state of other services")
  end)
end)
