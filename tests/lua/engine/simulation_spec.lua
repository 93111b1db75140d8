-- Thousands of random histories. A failure prints its seed; WARD_SEED=n plays that one and prints its log.
local World <const> = require "lua.engine.world"

local SCHEDULES <const> = 3000

-- Faults and commands, then rest, then everything is asked up, then everything down.
local function history(world)
  world:step { kind = "boot" }
  for _ = 1, world:below(15) do
    world:run(world.now + world:random() ^ 2 * 6)
    world:meddle()
  end
  world:settle_down()
  world:run(math.huge)
  world:inspect()
  if world.level == 0 then
    world:command("start " .. table.concat(world.names, " "))
    world:run(math.huge)
    world:inspect()
    for name, book in pairs(world.books) do
      assert(book.proc and book.proc.is_up, name .. " did not come up")
    end
  end
  world:shutdown()
  world:run(math.huge)
  world:inspect()
  for token in pairs(world.open) do
    error(("command %d was never answered"):format(token))
  end
end

local function play(seed)
  local world = World.new(seed)
  local ok, message = xpcall(history, debug.traceback, world)
  return ok, message, table.concat(world.log, "\n")
end

describe("engine: any history", function()
  local only = math.tointeger(os.getenv "WARD_SEED")

  it("keeps every promise", function()
    for seed = only or 1, only or SCHEDULES do
      local ok, message, log = play(seed)
      if not ok then
        error(("WARD_SEED=%d: %s%s"):format(seed, message, only and "\n" .. log or ""), 0)
      end
    end
  end)

  it("is the same for the same seed", function()
    for seed = 1, 50 do
      local _, _, one = play(seed)
      local _, _, two = play(seed)
      assert.equal(one, two)
    end
  end)
end)
