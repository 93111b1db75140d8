-- Restarts that wait: a delay holds whatever else happens meanwhile, and so does what waits with it.
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"

local last <const>, by_script <const> = kit.last, kit.by_script

local function states(st)
  local list <const> = {}
  for _, svc in ipairs(engine.list(st)) do
    list[#list + 1] = svc.name .. " " .. svc.state
  end
  return table.concat(list, ", ")
end

describe("engine: a restart that waits", function()
  it("waits for its time when its own group lays down what it needs", function()
    local specs <const>, root = kit.tree("app=all (db mid web)", {
      mid = { needs = { "db" } }, web = { needs = { "mid" }, backoff = { from = 5 } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "mid" },
      { 0, kit.started "web" }, { 1, kit.exit("web", 1) }, { 1, kit.exit("mid", "TERM") },
      { 1, kit.exit("db", "TERM") } }, { tree = root })
    assert.are.equal("db waiting, mid waiting, web backoff", states(st))
    assert.are.equal(6, engine.service(st, "web").next_at)
    st = engine.step(st, kit.timer "web", 6)
    assert.are.equal("db starting, mid waiting, web waiting", states(st))
  end)

  it("does so for the time that a rule of the script's has said", function()
    local specs <const>, root = kit.tree("app=all (db web)", { web = { needs = { "db" }, asks = true } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "db" }, { 0, kit.started "web" },
      { 1, kit.exit("web", 1) }, { 1, { kind = "verdict", name = "web", id = 1, verdict = 7 } },
      { 2, kit.exit("db", "TERM") } }, { tree = root })
    assert.are.equal("db waiting, web backoff", states(st))
    st = engine.step(st, kit.timer "web", 8)
    assert.are.equal("db starting, web waiting", states(st))
  end)

  it("keeps those that wait with it when the script restarts another child", function()
    local specs <const>, root = kit.tree("app=rest (c a b)", { a = { backoff = { from = 3 } } })
    local steps <const> = { { 0, kit.boot }, { 0, kit.started "c" }, { 0, kit.started "a" }, { 0, kit.started "b" },
      { 1, kit.exit("a", 1) }, { 1, kit.exit("b", "TERM") },
      { 1, by_script "restart c" }, { 1, kit.exit("c", "TERM") } }
    local _, st = last(specs, steps, { tree = root })
    assert.are.equal("c starting, a backoff, b waiting", states(st))
    st = engine.step(st, kit.timer "a", 4)
    assert.are.equal("c starting, a starting, b starting", states(st))
  end)

  it("keeps them when a child that was over is started by the script", function()
    local specs <const>, root = kit.tree("app=all (a b c:failure)", { a = { backoff = { from = 3 } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "b" }, { 0, kit.started "c" },
      { 1, kit.exit("c", 0) }, { 1, kit.exit("a", 1) }, { 1, kit.exit("b", "TERM") },
      { 2, by_script "start c" } }, { tree = root })
    assert.are.equal("a backoff, b waiting, c starting", states(st))
    st = engine.step(st, kit.timer "a", 4)
    assert.are.equal("a starting, b starting, c starting", states(st))
  end)
end)

describe("engine: the script starts a service that never ran", function()
  it("when its supervisor has given up", function()
    local specs <const>, root = kit.tree("top=one (inner:never=one 0/60 (slow b a) z)", {
      slow = { type = "oneshot" }, b = { needs = { "slow" } } })
    local _, st = last(specs, { { 0, kit.boot }, { 0, kit.started "a" }, { 0, kit.started "z" },
      { 1, kit.exit("a", 1) }, { 1, kit.exit("slow", "TERM") } }, { tree = root })
    assert.are.equal("failed", engine.service(st, "b").state)
    st = engine.step(st, by_script "start b", 1)
    assert.are.equal("slow starting, b waiting, a failed, z ready", states(st))
  end)
end)

describe("engine: a try that a limit refuses", function()
  it("is no restart", function()
    local specs <const> = { kit.spec("a", { give_up = { n = 1, within = 60 }, backoff = { from = 0 } }) }
    local _, st <const> = last(specs, { { 0, kit.boot }, { 1, kit.exit("a", 1) }, { 2, kit.exit("a", 1) } })
    assert.are.equal("a failed", states(st))
    assert.are.same({ n = 1, within = 60, count = 1 }, engine.why(st, "a", 3).give_up)
  end)
end)
