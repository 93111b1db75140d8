-- What a seed means: services in a tree, and a list of things that happen to them from outside. Every part follows
-- from the seed and its own name alone, so that parts can be left out (`without`) and the rest stays as it was.

local backoff <const> = require "ward.engine.backoff"

local M <const> = {}

local Dice <const> = {}
Dice.__index = Dice

--- A generator of its own for a part: the same numbers whatever else is drawn.
---@param seed integer
---@param part integer
function M.dice(seed, part)
  return setmetatable({ word = seed * 0x2545F4914F6CDD1D + part * 0x632BE59BD9B4E019 }, Dice)
end

function Dice:unit()
  return backoff.random(self)
end

function Dice:chance(p)
  return backoff.random(self) < p
end

function Dice:below(n) -- 1 .. n
  return math.floor(backoff.random(self) * n) + 1
end

function Dice:pick(list)
  return list[math.floor(backoff.random(self) * #list) + 1]
end

local LADDERS <const> = {
  { { signal = "KILL" } },
  { { signal = "TERM", wait = 2 }, { signal = "KILL" } },
  { { signal = "TERM", wait = 2 }, { signal = "KILL" } },
  { { signal = "INT", wait = 1 }, { signal = "TERM", wait = 0 }, { signal = "KILL" } },
  { { signal = "INT", wait = 3 }, { signal = "QUIT", wait = 1 }, { signal = "TERM", wait = 1 }, { signal = "KILL" } },
  { { cmd = { "down" }, wait = 2 }, { signal = "KILL" } },
  { { cmd = { "down" }, wait = 1 }, { signal = "TERM", wait = 1 }, { signal = "KILL" } },
  { { signal = "TERM", wait = 1 }, { cmd = { "down" }, wait = 1 }, { signal = "KILL" } },
}

local ON <const> = { "always", "always", "failure", "failure", "failure", "failure", "never", "success", "abnormal",
  "abort", "watchdog" }
-- A oneshot that is done is up: there is nothing to restart after a success.
local ON_ONESHOT <const> = { "failure", "failure", "never", "abnormal", "abort" }

local function policy(dice)
  return { from = dice:pick { 0, 0.1, 1, 4 }, factor = dice:pick { 1, 2, 3 }, max = 5, jitter = dice:pick { 0, 0, 0.1 },
    reset = dice:pick { 0, 1, 3 } }
end

local function limit(dice, often)
  if dice:chance(often) then
    return { n = dice:below(4) - 1, within = dice:pick { 1, 4, 20 } }
  end
end

-- Names of earlier ranks, so that all edges together have no cycle.
local function earlier(dice, rank, density)
  local names = {}
  for other = 1, rank - 1 do
    if dice:chance(density) then
      names[#names + 1] = "s" .. other
    end
  end
  return names
end

local function service(dice, rank, density)
  local oneshot <const> = dice:chance(0.15)
  local spec <const> = {
    name = "s" .. rank, cmd = { "s" }, type = oneshot and "oneshot" or "simple",
    needs = earlier(dice, rank, density),
    restart = { on = dice:pick(oneshot and ON_ONESHOT or ON), backoff = policy(dice), give_up = limit(dice, 0.2) },
    success = { codes = { 0 }, signals = {} },
    stop = dice:pick(LADDERS),
  }
  if dice:chance(0.3) then
    spec.wants = earlier(dice, rank, 0.3)
    spec.after = earlier(dice, rank, 0.3)
  end
  if not oneshot and dice:chance(0.2) then
    spec.ready = true
  end
  if dice:chance(0.25) then
    spec.start_timeout = dice:pick { 0.05, 0.5, 2 }
  end
  if dice:chance(0.15) then
    spec.restart_prevent = { codes = { 1 }, signals = { "SEGV" } }
  end
  if dice:chance(0.2) then
    spec.on_restart = "restart"
  end
  if dice:chance(0.12) then
    spec.asks = true
  end
  return spec
end

local function supervisor(dice, names)
  names.count = names.count + 1
  return {
    name = "sup" .. names.count, children = {},
    strategy = dice:pick { "one_for_one", "one_for_one", "one_for_all", "rest_for_one", "rest_for_one" },
    intensity = limit(dice, 0.7), auto_shutdown = dice:pick { "never", "never", "any_significant", "all_significant" },
    restart = { on = dice:pick { "always", "always", "failure", "never" }, backoff = policy(dice) },
    shutdown = dice:chance(0.2) and dice:pick { 0, 0.5, 3, 8 } or nil,
  }
end

-- Significant is legal below an auto_shutdown, for children that can end for good.
local function mark(dice, sup, child)
  if sup.auto_shutdown ~= "never" and child.restart.on ~= "always" and dice:chance(0.7) then
    child.significant = true
  end
end

-- Hangs services below a supervisor, some of them below supervisors of their own.
local function grow(dice, sup, specs, depth, names)
  local at = 1
  while specs[at] do
    local run <const> = dice:below(math.min(4, #specs - at + 1))
    if depth < 4 and dice:chance(0.35) then
      local child <const> = supervisor(dice, names)
      grow(dice, child, table.move(specs, at, at + run - 1, 1, {}), depth + 1, names)
      mark(dice, sup, child)
      sup.children[#sup.children + 1] = child
      at = at + run
    else
      mark(dice, sup, specs[at])
      sup.children[#sup.children + 1] = { service = specs[at].name }
      at = at + 1
    end
  end
end

-- A significant oneshot that ends its supervisor, and a supervisor that always comes back, never come to rest.
local function tire(sup, specs)
  local ends = false
  for _, child in ipairs(sup.children) do
    local each <const> = child.children and child or specs[child.service]
    ends = child.children and tire(child, specs) or ends or each.significant and each.type == "oneshot"
  end
  if ends and sup.auto_shutdown ~= "never" and sup.restart.on == "always" then
    sup.restart.on = "failure"
  end
  return ends
end

local function size(dice)
  local roll <const> = dice:unit()
  return roll < 0.75 and dice:below(5) or roll < 0.97 and 4 + dice:below(5) or 8 + dice:below(8)
end

local WORDS <const> = { "start", "start", "stop", "stop", "restart", "restart", "ready", "stopped", "pause", "resume",
  "resume" }

-- Something from outside: what, to whom, and how long after the one before.
local function action(dice, number, count, sups)
  local roll <const> = dice:unit()
  local it <const> = { number = number, after = dice:unit() ^ 3 * 6, name = "s" .. dice:below(count) }
  if roll < 0.03 then
    it.kind, it.token = "cancel", dice:below(number)
  elseif roll < 0.06 then
    it.kind = "shutdown"
  elseif roll < 0.16 then
    it.kind, it.cause = "fault", dice:pick { "watchdog", "check" }
  elseif roll < 0.20 then
    it.kind = "timer"
    it.name = dice:chance(0.3) and "sup" .. dice:below(sups) or it.name
  elseif roll < 0.22 then
    it.kind, it.by = "jump", dice:unit() ^ 2 * 20
  elseif roll < 0.24 then
    it.kind = "stray"
  else
    it.kind, it.names, it.op = "command", {}, dice:pick(WORDS)
    repeat
      table.insert(it.names, dice:chance(0.02) and "nobody" or "s" .. dice:below(count))
    until dice:chance(0.6)
    it.silent, it.wait = dice:chance(0.1), not dice:chance(0.05)
  end
  return it
end

local function without_names(list, without)
  local kept = {}
  for _, name in ipairs(list or {}) do
    if not without[name] then
      kept[#kept + 1] = name
    end
  end
  return kept
end

-- A tree without those services, and without supervisors that have nothing left.
local function prune(sup, without)
  local kept = {}
  for _, child in ipairs(sup.children) do
    if child.children then
      prune(child, without)
    end
    if child.children and #child.children > 0 or child.service and not without[child.service] then
      kept[#kept + 1] = child
    end
  end
  sup.children = kept
end

local function leave_out(it, without)
  local specs, actions = {}, {}
  for _, spec in ipairs(it.specs) do
    if not without[spec.name] then
      for _, field in ipairs { "needs", "wants", "after" } do
        spec[field] = without_names(spec[field], without)
      end
      specs[#specs + 1] = spec
    end
  end
  for _, each in ipairs(it.actions) do
    local names <const> = each.names and without_names(each.names, without)
    local gone <const> = without["action " .. each.number] or names and #names == 0
      or each.name and not names and without[each.name]
    if gone then
      each = { number = each.number, kind = "nothing", after = each.after }
    end
    each.names = names
    actions[#actions + 1] = each
  end
  prune(it.tree, without)
  it.specs, it.actions = specs, actions
end

--- What the seed says, without the services ("s3") and actions ("action 7") that are left out.
---@param seed integer
---@param without? table<string, boolean>
---@return { specs: table[], tree: table, actions: table[], early: boolean }
function M.new(seed, without)
  local dice <const> = M.dice(seed, 0)
  local count <const>, density <const> = size(dice), dice:unit() * 0.6
  local specs, names = {}, { count = 0 }
  for rank = 1, count do
    table.insert(specs, dice:below(rank), service(dice, rank, density))
  end
  local tree <const> = supervisor(dice, names)
  tree.stay = dice:chance(0.4) or nil
  grow(dice, tree, specs, 1, names)
  local named <const> = {}
  for _, spec in ipairs(specs) do
    named[spec.name] = spec
  end
  tire(tree, named)
  local actions = {}
  for number = 1, dice:below(8) + dice:below(8) - 1 do
    actions[number] = action(dice, number, count, names.count)
  end
  local it <const> = { specs = specs, tree = tree, actions = actions, early = dice:chance(0.05) }
  if without and next(without) then
    leave_out(it, without)
  end
  return it
end

return M
