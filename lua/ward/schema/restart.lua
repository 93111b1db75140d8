-- The keys `restart`, `restart_prevent`, `success` and `stop`: what happens after an exit, and how an exit is brought
-- about.

local keys <const> = require "ward.schema.keys"
local signals <const> = require "ward.schema.signals"
local value <const> = require "ward.schema.value"

local M <const> = {}

local CONDITIONS <const> = { "always", "success", "failure", "abnormal", "abort", "watchdog", "never" }
local MAX_COUNT <const> = 10000
local DAY <const> = 86400
local MAX_RUNGS <const> = 16
local DEFAULT_WAIT <const> = 10

local function backoff(path, given)
  value.known(path, given, keys.backoff)
  local function duration(key, max) return value.duration(path .. "." .. key, given[key], max) end
  local from <const> = given.from == nil and 0.1 or duration("from", DAY)
  -- A first delay above the default maximum is meant: the maximum follows it.
  local max <const> = given.max == nil and math.max(30, from) or duration("max", DAY)
  if max < from then
    value.fail(path .. ".max", ("must not be less than from: %s is less than %s seconds"):format(max, from))
  end
  return {
    from = from, max = max,
    factor = given.factor == nil and 2 or value.number(path .. ".factor", given.factor, 1, 1000),
    jitter = given.jitter == nil and 0.1 or value.number(path .. ".jitter", given.jitter, 0, 1),
    reset = given.reset == nil and 10 or duration("reset"),
  }
end

--- A count within a time, { 5, within = "1m" } -> { n = 5, within = 60 }.
function M.limit(path, given, canonical)
  value.table(path, given, 'a table such as { 5, within = "1m" }')
  for key in next, given do
    if key ~= 1 and key ~= "within" and not (canonical and key == "n") then
      value.fail(path, ('must be like { 5, within = "1m" }, got the key %s'):format(value.describe(key)))
    end
  end
  local n = given[1]
  if canonical and n == nil then n = given.n end
  if n == nil then value.fail(path .. "[1]", "is required: how many are not too many") end
  if given.within == nil then value.fail(path .. ".within", "is required") end
  local within <const> = value.duration(path .. ".within", given.within)
  if within == 0 then value.must(path .. ".within", "more than no time", given.within) end
  return { n = value.integer(path .. "[1]", n, 0, MAX_COUNT), within = within }
end

--- restart -> { on=, backoff=, give_up= }. A function is the script's own rule, and stands over the defaults.
---@param default string|nil restart.on
function M.restart(path, given, canonical, default)
  local kind <const> = type(given)
  if kind == "nil" or kind == "function" then given = {} end
  if kind == "string" then given = { on = given } end
  if type(given) ~= "table" then
    value.must(path, '"always", "failure", "never" (or another condition), a table or a function', given)
  end
  value.known(path, given, keys.restart)
  local on_path <const> = kind == "string" and path or path .. ".on"
  local delays = given.backoff
  if delays == nil then delays = {} end
  if type(delays) ~= "table" then
    value.must(path .. ".backoff", 'a table such as { from = "100ms", factor = 2, max = "30s" }', delays)
  end
  return {
    on = given.on == nil and (default or "failure") or value.choice(on_path, given.on, CONDITIONS),
    backoff = backoff(path .. ".backoff", delays),
    give_up = given.give_up ~= nil and M.limit(path .. ".give_up", given.give_up, canonical) or nil,
  }
end

-- { { signal=, wait= }, ..., { signal = "KILL" } } as it came out of M.stop before.
local function canonical_stop(path, given, count)
  local flat, command = {}, nil
  for i = 1, count do
    local at <const> = ("%s[%d]"):format(path, i)
    for _, key in ipairs(value.keys(at, given[i])) do
      if key ~= "signal" and key ~= "wait" and key ~= "cmd" then
        value.fail(at, "unknown key " .. value.quote(key))
      end
    end
    if i == 1 and given[i].cmd ~= nil then
      command = { cmd = given[i].cmd, timeout = given[i].wait }
    else
      flat[#flat + 1] = given[i].signal
      if #flat % 2 == 0 then value.fail(at, "has no signal") end
      if (given[i].wait == nil) ~= (i == count) then value.fail(at, "a wait is missing, or one too many") end
      if given[i].wait ~= nil then flat[#flat + 1] = given[i].wait end
    end
  end
  return flat, #flat, command
end

local LADDER <const> = 'a list of signals and waits such as { "TERM", "10s", "KILL" }, or { cmd = { ... } }'

-- The rungs of signals.
local function signal_rungs(path, given, count)
  local ladder = {}
  for i = 1, count do
    local at <const> = ("%s[%d]"):format(path, i)
    local last <const> = ladder[#ladder]
    if last and last.signal == "KILL" then
      value.fail(at, "nothing can follow KILL: it ends every process of the service")
    elseif i % 2 == 1 then
      ladder[#ladder + 1] = { signal = signals.check(at, given[i]) }
    else
      -- A signal where a wait belongs is the likely slip; "10" and "10x" are bad durations.
      if type(given[i]) == "string" and signals.canonical(given[i]) then
        value.fail(at, ('a wait such as "10s" is missing between %s and %s'):format(
          last.signal, (signals.canonical(given[i]))))
      end
      last.wait = value.duration(at, given[i])
    end
  end
  local last <const> = ladder[#ladder]
  if last.signal ~= "KILL" then
    last.wait = last.wait or DEFAULT_WAIT
    ladder[#ladder + 1] = { signal = "KILL" }
  end
  return ladder
end

-- { cmd =, timeout =, [1] = signal, [2] = wait ... }: the command, then the ladder, TERM, 10s, KILL when there is none.
local function with_command(path, given)
  local list, count = {}, 0
  for key, item in next, given do
    if math.type(key) == "integer" then
      list[key], count = item, count + 1
    elseif key ~= "cmd" and key ~= "timeout" then
      value.fail(path, ("unknown key %s"):format(value.describe(key)))
    end
  end
  if count == 0 then list = { "TERM", DEFAULT_WAIT, "KILL" } end
  local rung <const> = {
    cmd = value.words(path .. ".cmd", given.cmd),
    wait = given.timeout == nil and DEFAULT_WAIT or value.duration(path .. ".timeout", given.timeout),
  }
  return list, rung
end

--- stop -> { { signal=, wait= }, ..., { signal = "KILL" } }. The list alternates signal and wait, so that
--- a number is a signal in an odd place and seconds in an even one. A command is a first rung { cmd=, wait= }.
function M.stop(path, given, canonical)
  if given == nil then given = { "TERM", DEFAULT_WAIT, "KILL" } end
  local count, command
  if type(given) == "table" and getmetatable(given) == nil and given.cmd ~= nil then
    given, command = with_command(path, given)
  end
  count = value.list(path, given, LADDER, 2 * MAX_RUNGS)
  if count == 0 then value.fail(path, "must not be empty") end
  if canonical and type(given[1]) == "table" then
    local again
    given, count, again = canonical_stop(path, given, count)
    if again then
      command = select(2, with_command(path, again))
    end
  end
  local ladder <const> = signal_rungs(path, given, count)
  if command then table.insert(ladder, 1, command) end
  return ladder
end

local EXITS <const> = 'a list of exit codes and signals such as { 0, 3, "TERM" }'

-- Exit codes and signals -> { codes = {...}, signals = {...} }; a number is a code, a name a signal.
local function exits(path, given, canonical)
  local result = { codes = {}, signals = {} }
  value.table(path, given, EXITS)
  if canonical and (given.codes ~= nil or given.signals ~= nil) then
    for _, key in ipairs(value.keys(path, given)) do
      if key ~= "codes" and key ~= "signals" then value.fail(path, "unknown key " .. value.quote(key)) end
    end
    for i = 1, value.list(path .. ".codes", given.codes, "a list of exit codes", 256) do
      result.codes[i] = value.integer(("%s.codes[%d]"):format(path, i), given.codes[i], 0, 255)
    end
    for i = 1, value.list(path .. ".signals", given.signals, "a list of signals", 64) do
      result.signals[i] = signals.check(("%s.signals[%d]"):format(path, i), given.signals[i])
    end
    return result
  end
  for i = 1, value.list(path, given, EXITS, 320) do
    local at <const>, item <const> = ("%s[%d]"):format(path, i), given[i]
    if type(item) == "number" then
      table.insert(result.codes, value.integer(at, item, 0, 255))
    else
      table.insert(result.signals, signals.check(at, item))
    end
  end
  return result
end

--- success -> the exits that count as success; without it, code 0.
function M.success(path, given, canonical)
  if given == nil then return { codes = { 0 }, signals = {} } end
  return exits(path, given, canonical)
end

--- restart_prevent -> the exits that are never followed by a restart, or nil.
function M.prevent(path, given, canonical)
  if given == nil then return nil end
  return exits(path, given, canonical)
end

return M
