-- Plays a seed, and makes one that fails smaller.

local World <const> = require "sim.world"

local M <const> = {}

--- How often the model was there to the end, and how often not, among what was seen.
M.STAYED, M.LEFT = "model stayed", "model left"

local AUDIT_EACH <const> = 8 -- one seed in so many is played with an audit of the counters
local MODEL_EACH <const> = 8 -- one in so many with the model, which has to agree,
local TWICE_EACH <const> = 16 -- and one in so many twice, to the same effects

-- How long what is under way may take when nothing fails any more: all ladders, delays and starts one after the other.
local function bound(world)
  local sum = 60
  for _, book in ipairs(world.books.list) do
    for _, step in ipairs(book.spec.stop or {}) do
      sum = sum + (step.wait or 11)
    end
    local restart <const> = book.spec.restart
    sum = sum + 1 + 2 * restart.backoff.max * (1 + restart.backoff.jitter) + (book.spec.asks and 11 or 0)
  end
  return sum
end

local function rest(world)
  local from <const> = world.now
  world:run(math.huge)
  assert(world.now - from <= bound(world), "it took too long to come to rest")
end

local function names_of(world)
  local names = {}
  for at, book in ipairs(world.books.services) do
    names[at] = book.name
  end
  return names
end

local REST <const> = { ready = true, stopped = true, failed = true, done = true, waiting = true }

-- Nothing moves any more: is each service where it should be?
local function inspect(world)
  local books <const> = world.books
  for _, book in ipairs(books.services) do
    local state <const> = book.state
    assert(REST[state], book.name .. " is left " .. state)
    assert(books.level == 0 or not book.proc, "shutdown did not end")
    assert(book.desired == "up" or state ~= "ready" and state ~= "waiting", "up, though not wanted")
    local met = true
    for _, need in ipairs(book.needs) do
      met = met and books.is_up(need)
    end
    assert(state ~= "waiting" or not met, book.name .. " is left waiting")
    assert(not book.deadline or state == "ready" and not books.is_up(book), book.name .. " is left with a timer")
  end
  assert(books.level == 0 or books.quit, "ward did not quit")
end

-- Faults and commands, then rest, then everything is asked up, then everything down.
local function history(world)
  if not world.early then
    world:step { kind = "boot" }
  end
  for number, it in ipairs(world.actions) do
    world:act(it)
    if world.early and number == 1 then
      world:step { kind = "boot" }
    end
  end
  local names <const> = names_of(world)
  world:settle_down()
  world:command("resume", names)
  rest(world)
  inspect(world)
  if world.books.level == 0 then
    for _, book in ipairs(world.books.services) do
      book.excused = nil
    end
    world:command("start", names)
    rest(world)
    inspect(world)
    for _, book in ipairs(world.books.services) do
      assert(world.books.level > 0 or book.excused or world.books.is_up(book), book.name .. " did not come up")
    end
  end
  world:shutdown()
  rest(world)
  inspect(world)
  for token in pairs(world.books.commands) do
    error(("command %d was never answered"):format(token))
  end
end

local function once(seed, options)
  local world <const> = World.new(seed, { without = options.without, log = options.log, seen = options.seen,
    model = options.model or seed % MODEL_EACH == 1, audit = seed % AUDIT_EACH == 0 })
  local ok <const>, message <const> = xpcall(history, function(text)
    return type(text) == "string" and debug.traceback(text, 2) or text
  end, world)
  if options.seen and (world.model or world.left) then
    local how <const> = world.left and M.LEFT or M.STAYED
    options.seen[how] = (options.seen[how] or 0) + 1
  end
  return ok, not ok and message or nil, world
end

--- Plays a seed.
---@param seed integer
---@param options? { without: table|nil, log: boolean|nil, seen: table<string, integer>|nil, model: boolean|nil } seen:
--- what happened is counted there; model: it is played with the model, whatever the seed
---@return boolean ok, string|nil message, table world
function M.play(seed, options)
  options = options or {}
  if seed % TWICE_EACH ~= 0 then
    return once(seed, options)
  end
  local ok, message, world = once(seed, { without = options.without, log = true, seen = options.seen,
    model = options.model })
  local _, _, again = once(seed, { without = options.without, log = true })
  if ok and table.concat(world.log, "\n") ~= table.concat(again.log, "\n") then
    ok, message = false, "the same seed has other effects the second time"
  end
  return ok, message, world
end

-- The first line, without what differs from one log to another.
local function kind_of(message)
  return message:match("^[^\n]*"):gsub("%d+", "#"):gsub("s#[^:]*", "")
end

-- What can be left out of a world that has been played: its services, what was done to it, how things misbehaved.
local function parts(world)
  local list = {}
  for _, book in ipairs(world.books.services) do
    list[#list + 1] = book.name
  end
  for _, it in ipairs(world.actions) do
    if it.kind ~= "nothing" then
      list[#list + 1] = "action " .. it.number
    end
  end
  table.move(world.quirks, 1, #world.quirks, #list + 1, list)
  return list
end

--- Leaves out all that the failure does not need (Zeller's ddmin).
---@param seed integer
---@return table<string, boolean> without
function M.shrink(seed)
  local without = {}
  local ok, message, world = M.play(seed, { model = true })
  assert(not ok, "this seed does not fail")
  local kind <const> = kind_of(message)
  local left = parts(world)
  local size = math.max(1, #left // 2)
  while size >= 1 do
    local at, smaller = 1, false
    while at <= #left do
      local try = {}
      for key in pairs(without) do
        try[key] = true
      end
      for index = at, math.min(at + size - 1, #left) do
        try[left[index]] = true
      end
      ok, message, world = M.play(seed, { without = try, model = true })
      if not ok and kind_of(message) == kind then
        without, smaller = try, true
        local kept = {}
        for _, part in ipairs(parts(world)) do
          kept[#kept + 1] = part
        end
        left = kept
      else
        at = at + size
      end
    end
    if size == 1 and not smaller then
      break
    end
    size = size > 1 and size // 2 or 1
  end
  return without
end

return M
