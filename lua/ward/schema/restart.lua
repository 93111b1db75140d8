-- The keys `restart`, `stop` and `success`: what happens after an exit, and how an exit is brought about.

local keys <const> = require "ward.schema.keys"
local signals <const> = require "ward.schema.signals"
local value <const> = require "ward.schema.value"

local M <const> = {}

local CONDITIONS <const> = { "always", "failure", "never" }
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

--- restart -> { on=, backoff= }.
function M.restart(path, given)
  local kind <const> = type(given)
  if kind == "function" then value.fail(path, "a function: not yet supported") end
  if kind == "nil" then given = {} end
  if kind == "string" then given = { on = given } end
  if type(given) ~= "table" then value.must(path, '"always", "failure", "never" or a table', given) end
  value.known(path, given, keys.restart)
  local on_path <const> = kind == "string" and path or path .. ".on"
  local delays = given.backoff
  if delays == nil then delays = {} end
  if type(delays) ~= "table" then
    value.must(path .. ".backoff", 'a table such as { from = "100ms", factor = 2, max = "30s" }', delays)
  end
  return {
    on = given.on == nil and "failure" or value.choice(on_path, given.on, CONDITIONS),
    backoff = backoff(path .. ".backoff", delays),
  }
end

-- { { signal=, wait= }, ..., { signal = "KILL" } } as it came out of M.stop before.
local function canonical_stop(path, given, count)
  local flat = {}
  for i = 1, count do
    local at <const> = ("%s[%d]"):format(path, i)
    for _, key in ipairs(value.keys(at, given[i])) do
      if key ~= "signal" and key ~= "wait" then value.fail(at, "unknown key " .. value.quote(key)) end
    end
    flat[#flat + 1] = given[i].signal
    if #flat ~= 2 * i - 1 then value.fail(at, "has no signal") end
    if (given[i].wait == nil) ~= (i == count) then value.fail(at, "a wait is missing, or one too many") end
    if given[i].wait ~= nil then flat[#flat + 1] = given[i].wait end
  end
  return flat, #flat
end

local LADDER <const> = 'a list of signals and waits such as { "TERM", "10s", "KILL" }'

--- stop -> { { signal=, wait= }, ..., { signal = "KILL" } }. The list alternates signal and wait, so that
--- a number is a signal in an odd place and seconds in an even one.
function M.stop(path, given, canonical)
  if given == nil then given = { "TERM", DEFAULT_WAIT, "KILL" } end
  if type(given) == "function" or type(given) == "table" and getmetatable(given) == nil and given.cmd ~= nil then
    value.fail(path, "a command: not yet supported")
  end
  local count = value.list(path, given, LADDER, 2 * MAX_RUNGS)
  if count == 0 then value.fail(path, "must not be empty") end
  if canonical and type(given[1]) == "table" then given, count = canonical_stop(path, given, count) end

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

--- success -> { codes = {...}, signals = {...} }; so far it has no form but this one.
function M.success(path, given)
  if given == nil then return { codes = { 0 }, signals = {} } end
  for _, key in ipairs(value.keys(path, given)) do
    if key ~= "codes" and key ~= "signals" then value.fail(path, "unknown key " .. value.quote(key)) end
  end
  local result = { codes = {}, signals = {} }
  for i = 1, value.list(path .. ".codes", given.codes, "a list of exit codes", 256) do
    result.codes[i] = value.integer(("%s.codes[%d]"):format(path, i), given.codes[i], 0, 255)
  end
  for i = 1, value.list(path .. ".signals", given.signals, "a list of signals", 64) do
    result.signals[i] = signals.check(("%s.signals[%d]"):format(path, i), given.signals[i])
  end
  return result
end

return M
