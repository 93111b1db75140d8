-- Usage: lua5.4 tests/bench/engine_bench.lua
--
-- What a step of the engine costs (the best of some rounds) with 10 to 10,000 services: one that causes nothing (a
-- program says again that it is ready), which has a limit, and one with its work (a third of a crash with its restart:
-- exit, timer, started). And what one service costs in memory.
--
-- The step that causes nothing visits one service after the other, so that with 10,000 each step finds its tables out
-- of the processor's caches: of about 2 us, half is gone when it visits one service only. The collector has no part
-- in it.
package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local engine <const> = require "ward.engine"

local STEP_GOAL <const>, MEMORY_GOAL <const> = 5, 4096 -- microseconds, bytes
local ROUNDS <const>, RESTARTS <const>, ALONE <const> = 7, 10000, 200
local GROWTH_GOAL <const> = 2 -- times, from the smallest size to the largest, where the work is the same
local SIZES <const> = { 10, 100, 1000, 10000 }

-- What the schema makes of a small declaration; each service has tables of its own.
local function specs_of(count)
  local specs = {}
  for at = 1, count do
    specs[at] = {
      name = "s" .. at, cmd = { "/bin/true" }, type = "simple", needs = {},
      restart = { on = "always", backoff = { from = 1, factor = 2, max = 60, jitter = 0.1, reset = 10 } },
      success = { codes = { 0 }, signals = {} },
      stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
    }
  end
  return specs
end

local function boot(specs)
  local st = engine.new(specs, { seed = 1 })
  st = engine.step(st, { kind = "boot" }, 0)
  for at, spec in ipairs(specs) do
    st = engine.step(st, { kind = "started", name = spec.name, pid = at }, 0)
  end
  return st
end

local function crash_all(st, specs, now)
  local began <const> = os.clock()
  for at = 1, RESTARTS do
    local name <const> = specs[(at - 1) % #specs + 1].name
    engine.step(st, { kind = "exit", name = name, exit = { kind = "exited", code = 1 } }, now)
    engine.step(st, { kind = "timer", name = name }, now + 100)
    engine.step(st, { kind = "started", name = name, pid = at }, now + 100)
    now = now + 200
  end
  return (os.clock() - began) / RESTARTS / 3 * 1e6, now
end

local function bare(st, specs, now)
  local event <const> = { kind = "ready" }
  local began <const> = os.clock()
  for at = 1, RESTARTS do
    event.name = specs[(at - 1) % #specs + 1].name
    engine.step(st, event, now)
  end
  return (os.clock() - began) / RESTARTS * 1e6
end

-- Cases in which one thing happens among many that it does not concern: name, supervisor, how the specs differ, and
-- what happens to the last service or the first.
local function crash(st, name, now)
  engine.step(st, { kind = "exit", name = name, exit = { kind = "exited", code = 1 } }, now)
  engine.step(st, { kind = "timer", name = name }, now + 100)
  engine.step(st, { kind = "started", name = name, pid = 1 }, now + 100)
end

local function need_first(specs, count)
  for at = 2, count do
    specs[at].needs = { specs[1].name }
  end
  return specs[1].name
end

local FLAT <const> = {
  { "the last child of rest_for_one crashes", { strategy = "rest_for_one" },
    function(specs, count) return specs[count].name end, crash },
  { "a significant child ends, and not the last", { strategy = "one_for_one", auto_shutdown = "all_significant" },
    function(specs, count)
      for at = count - 1, count do
        specs[at].significant, specs[at].restart.on = true, "never"
      end
      return specs[count - 1].name
    end, function(st, name, now)
      engine.step(st, { kind = "exit", name = name, exit = { kind = "exited", code = 0 } }, now)
      engine.step(st, { kind = "command", op = "start", names = { name } }, now)
      engine.step(st, { kind = "started", name = name, pid = 1 }, now)
    end },
  { "what all others need crashes", { strategy = "one_for_one" }, need_first, crash },
  { "what all others needed is stopped and started", { strategy = "one_for_one" },
    function(specs, count)
      local name <const> = need_first(specs, count)
      for at = 2, count do
        specs[at].dormant = true
      end
      return name
    end, function(st, name, now)
      engine.step(st, { kind = "command", op = "stop", names = { name } }, now)
      engine.step(st, { kind = "exit", name = name, exit = { kind = "signaled", signal = "TERM" } }, now)
      engine.step(st, { kind = "command", op = "start", names = { name } }, now)
      engine.step(st, { kind = "started", name = name, pid = 1 }, now)
    end },
}

-- Microseconds for what happens in a case, the best of some rounds.
local function flat(case, count)
  local specs <const>, children = specs_of(count), {}
  local name <const> = case[3](specs, count)
  for at, spec in ipairs(specs) do
    children[at] = { service = spec.name }
  end
  local tree <const> = { name = "app", children = children, auto_shutdown = "never" }
  for key, item in pairs(case[2]) do
    tree[key] = item
  end
  local st = engine.step(engine.new(specs, { seed = 1, tree = tree }), { kind = "boot" }, 0)
  for at, spec in ipairs(specs) do
    if not spec.dormant then
      st = engine.step(st, { kind = "started", name = spec.name, pid = at }, 0)
    end
  end
  local best, now = math.huge, 1000
  for _ = 1, ROUNDS do
    local began <const> = os.clock()
    for _ = 1, ALONE do
      case[4](st, name, now)
      now = now + 200
    end
    best = math.min(best, (os.clock() - began) / ALONE * 1e6)
  end
  return best
end

local function memory(count)
  local specs <const> = specs_of(count)
  collectgarbage()
  collectgarbage()
  local before <const> = collectgarbage "count"
  local st <const> = boot(specs)
  collectgarbage()
  collectgarbage()
  return (collectgarbage "count" - before) * 1024 / count, st
end

local function judged(text, figure, goal)
  print(("engine: %s, goal %d: %s"):format(text, goal, figure <= goal and "met" or "missed"))
end

for _, size in ipairs(SIZES) do
  local specs <const> = specs_of(size)
  local st <const> = boot(specs)
  local best, least, now = math.huge, math.huge, 1000
  for _ = 1, ROUNDS do
    local took
    least = math.min(least, bare(st, specs, now))
    took, now = crash_all(st, specs, now)
    best = math.min(best, took)
  end
  judged(("%6d services %6.2f us with the work of a restart, %6.2f us a step"):format(size, best, least), least,
    STEP_GOAL)
end
for _, case in ipairs(FLAT) do
  local small <const>, large <const> = flat(case, SIZES[1]), flat(case, SIZES[#SIZES])
  judged(("%s: %.1f us of %d services, %.1f us of %d: %.1f times"):format(case[1], small, SIZES[1], large,
    SIZES[#SIZES], large / small), large / small, GROWTH_GOAL)
end
local each <const> = memory(SIZES[#SIZES])
judged(("%6d services %6d bytes a service"):format(SIZES[#SIZES], each // 1), each, MEMORY_GOAL)
