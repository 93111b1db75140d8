-- Reads what journal.lua has written: the engine gives the same effects for the same events, so its state is had by
-- playing them again, from the snapshot on.

local core <const> = require("ward.core")
local engine <const> = require("ward.engine")
local save <const> = require("ward.engine.save")

local M <const> = {}

-- The effects of a step come in turns: first what acts, then answers, then what tells.
local TURN <const> = { ask = 2, reply = 2, quit = 2, event = 3 }
M.TURNS = 3

--- The turn of an effect.
---@param effect table
---@return integer
function M.turn(effect)
  return TURN[effect.kind] or 1
end

-- Done by whoever takes over from what the state says, or not at all: timers and launches follow from the state, and
-- the script that would be asked is not there (the default rule decides in its time).
local FOLLOWS <const> = { spawn = true, run = true, arm = true, disarm = true, ask = true }

--- Would nobody know later whether it was done?
---@param effect table
---@return boolean
function M.is_doubtful(effect)
  return not FOLLOWS[effect.kind]
end

--- What an event says about processes; the writer and the reader both note it.
---@param facts { procs: table<string, table>, helpers: table<string, table> } changed
---@param now number
---@param event table
function M.note(facts, now, event)
  local name <const> = event.name
  if event.kind == "exit" then
    facts.procs[name] = nil
  elseif event.kind == "ran" then
    facts.helpers[name] = nil
  elseif event.kind == "started" and facts.procs[name] then
    facts.procs[name].started = now
  end
end

--- The logs without those of services that are gone, which are closed; "@script" is nobody's.
---@param logs table<string, table>
---@param state table of the engine
---@return table<string, table> open
function M.open_logs(logs, state)
  local open = {}
  for name, log in pairs(logs) do
    if state.by_name[name] or name:sub(1, 1) == "@" then
      open[name] = log
    end
  end
  return open
end

local RECORDS <const> = {}

-- Raised when a step fails: its state is half done, so all is played again without that step.
local AGAIN <const> = {}

local function step(replay, now, event)
  replay.now, replay.done, replay.effects, replay.steps = now, 0, {}, replay.steps + 1
  replay.failed = replay.skip[replay.steps]
  if replay.failed then
    return
  end
  local ok, state, effects = pcall(engine.step, replay.state, event, now)
  if not ok then
    replay.skip[replay.steps] = true
    error(AGAIN, 0)
  end
  replay.state, replay.effects = state, effects
  for _, effect in ipairs(replay.effects) do
    if effect.type == "removed" then
      replay.logs[effect.name] = nil
    end
  end
end

function RECORDS.s(replay, it)
  replay.specs, replay.tree = core.unpack(it.declared)
  replay.state, replay.effects = save.restore(it.state, replay.specs, replay.tree), {}
  for _, key in ipairs({ "procs", "helpers", "tasks", "logs", "rolls", "own", "now", "pid", "boot" }) do
    replay[key] = it[key]
  end
end

function RECORDS.e(replay, now, event)
  M.note(replay, now, event)
  step(replay, now, event)
end

function RECORDS.r(replay, now, it)
  local known <const>, specs <const> = {}, {}
  for _, list in ipairs({ replay.specs, it.specs }) do
    for _, spec in ipairs(list) do
      known[spec.name] = spec
    end
  end
  for at, each in ipairs(it.order or replay.specs) do
    specs[at] = known[it.order and each or each.name]
  end
  replay.own.generation = replay.own.generation + 1
  local tree <const>, accepted <const> = it.tree or replay.tree, replay.state.level == 0
  step(replay, now, { kind = "reload", specs = specs, tree = tree, former = it.former, stale = it.stale,
    restart = it.restart, prune = it.prune, rolls = it.rolls })
  if accepted and not replay.failed then
    replay.specs, replay.tree = specs, tree
  end
end

function RECORDS.b(replay, name, kind, facts)
  replay[kind .. "s"][name] = facts
end

function RECORDS.g(replay, name)
  replay.tasks[name] = nil
end

function RECORDS.p(replay, name, roll)
  replay.rolls[name] = roll
end

function RECORDS.d(replay, turn)
  replay.done = turn
end

function RECORDS.l(replay, name, path, facts)
  replay.logs[name] = { path = path, facts = facts }
end

function RECORDS.k(replay, name, path, given)
  local own <const> = replay.own
  if not name then
    own.keep = {}
    return
  end
  local at, key = own.keep, name
  for _, next_key in ipairs(path) do
    at, key = at[key], next_key
  end
  at[key] = given
end

-- What the last step asked for and may not have been done.
local function in_doubt(replay)
  local effects = {}
  for _, effect in ipairs(replay.effects) do
    if M.is_doubtful(effect) and M.turn(effect) > replay.done then
      effects[#effects + 1] = effect
    end
  end
  return effects
end

-- What the state counts on and is not there.
local function add_missing(result, replay)
  for _, svc in ipairs(replay.state.services) do
    local name <const> = svc.name
    if svc.proc and not replay.procs[name] then
      local list <const> = svc.state == "starting" and result.launch or result.lost
      list[#list + 1] = name
    end
    if svc.helper and not replay.helpers[name] then
      result.run[#result.run + 1] = name
    end
    result.timers[name] = svc.deadline
    svc.spec.calls, svc.spec.asks = nil, nil
  end
  for _, sup in ipairs(replay.state.supervisors) do
    result.timers[sup.name or ""] = sup.deadline
  end
end

---@class ward.service.Succession
---@field state table of the engine, after the last event
---@field specs table[] as declared last; without functions, which nobody can call any more
---@field tree table?
---@field procs table<string, table> pid, started, degraded, and what the process's handle handed over
---@field helpers table<string, table> the same of stop commands
---@field tasks table<string, table> the same of children of the script's tasks
---@field logs table<string, { path: string, facts: table? }>
---@field rolls table<string, table> of pools whose members are being replaced
---@field own ward.service.Own
---@field now number when the last event came, on the clock of core.now
---@field effects table[] of the last step, what may not have been done: signals (sent twice rather than not at all),
---  replies, quit, and events
---@field launch string[] services that are to have a process and have none: their launch was waiting, or never came
---@field lost string[] those that are being stopped, whose process nobody knows: to be told as an exit
---@field run string[] services whose stop command has to be run (again)
---@field timers table<string, number> what has to be armed
---@field pid integer of the supervisor
---@field boot string? the id of the boot in which it ran: pids of another one mean nothing
---@field torn string? where the file was cut; what was before it counts

local function play_once(path, skip)
  local replay <const> = { skip = skip, steps = 0 }
  local ok, torn <const> = core.journal_read(path, function(kind, ...)
    assert(kind == "s" or replay.state, "it does not begin with a snapshot")
    RECORDS[kind](replay, ...)
  end)
  if not ok then
    return nil, torn
  end
  assert(replay.state, "it holds no snapshot")
  replay.torn = torn
  skip[replay.steps] = nil
  replay.holes = next(skip) ~= nil
  return replay
end

--- Plays what a journal says. A step that fails has not happened.
---@param path string
---@return table? replay also `failed`: the last step has, and `holes`: others have
---@return table? err
function M.play(path)
  local skip <const> = {}
  while true do
    local fine <const>, replay <const>, err <const> = pcall(play_once, path, skip)
    if fine then
      return replay, err
    elseif replay ~= AGAIN then -- whole records, but not ours
      return nil, { code = "invalid", message = ("%s: %s"):format(path, replay) }
    end
  end
end

local function succession(replay)
  local result <const> = {
    effects = in_doubt(replay), launch = {}, lost = {}, run = {}, timers = {}, torn = replay.torn,
    logs = M.open_logs(replay.logs, replay.state), rolls = replay.rolls,
  }
  for _, key in ipairs({ "state", "specs", "tree", "procs", "helpers", "tasks", "own", "now", "pid", "boot" }) do
    result[key] = replay[key]
  end
  add_missing(result, replay)
  return result
end

--- Reads what a supervisor has left.
---@param path string
---@return ward.service.Succession?
---@return table? err
function M.read(path)
  local replay <const>, err <const> = M.play(path)
  if not replay then
    return nil, err
  end
  local fine <const>, result <const> = pcall(succession, replay)
  if not fine then
    return nil, { code = "invalid", message = ("%s: %s"):format(path, result) }
  end
  return result
end

return M
