-- Durations and sizes, as people write and read them.

local suggest <const> = require "ward.suggest"

local M <const> = {}

local UNITS <const> = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }
local LONG_UNITS <const> = {
  sec = "s", secs = "s", second = "s", seconds = "s", min = "m", mins = "m", minute = "m", minutes = "m",
  hr = "h", hour = "h", hours = "h", day = "d", days = "d", msec = "ms", millis = "ms",
}
local SIZES <const> = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30, T = 2 ^ 40 }

local function finite(n)
  return n == n and n ~= math.huge and n ~= -math.huge
end

local function unknown_unit(unit)
  local meant = LONG_UNITS[unit:lower()] or (UNITS[unit:lower()] and unit:lower())
  local hint = meant and (' (did you mean "%s"?)'):format(meant) or suggest.hint(unit, { "ms" })
  return ('unknown unit "%s"%s; units are ms, s, m, h and d'):format(unit, hint)
end

--- Seconds of a duration: a number is seconds; a string is "250ms", "10s", "5m", "2h", "1d" or several
--- of these, each with its unit ("1h30m"). No limit but non-negative and finite.
---@param value any
---@return number|nil seconds
---@return string|nil message what is wrong, without the value
function M.parse(value)
  if type(value) == "number" then
    if not finite(value) or value < 0 then return nil, "a duration cannot be negative, infinite or NaN" end
    return value
  elseif type(value) ~= "string" then
    return nil, 'a duration is a number of seconds or a string such as "250ms" or "10s"'
  end
  if #value > 64 or value == "" then return nil, 'a duration looks like "250ms", "10s" or "5m"' end
  local seconds, at = 0, 1
  while at <= #value do
    local digits, unit, after = value:match("^(%d+%.?%d*)%s*(%a*)()", at)
    if not digits then return nil, 'a duration looks like "250ms", "10s" or "5m"' end
    if unit == "" then return nil, ('a unit is missing (did you mean "%ss"?)'):format(digits) end
    if not UNITS[unit] then return nil, unknown_unit(unit) end
    -- Milliseconds are divided, not multiplied by 0.001: "250ms" is exactly 0.25.
    seconds = seconds + (unit == "ms" and tonumber(digits) / 1000 or tonumber(digits) * UNITS[unit])
    at = after
  end
  if not finite(seconds) then return nil, "a duration must be finite" end
  return seconds
end

--- Bytes of a size: a whole number, or "64K", "256M", "1G", "2T" (powers of 1024; "1.5G" is fine).
---@param value any
---@return integer|nil bytes
---@return string|nil message
function M.size(value)
  local bytes
  if type(value) == "number" then
    bytes = value
  elseif type(value) == "string" and #value <= 64 then
    local digits, unit = value:match("^(%d+%.?%d*)%s*(%a?)$")
    local scale = unit and SIZES[unit:upper()]
    if not scale then return nil, 'a size looks like "64K", "256M" or "1G"' end
    bytes = tonumber(digits) * scale
  else
    return nil, 'a size is a number of bytes or a string such as "64K"'
  end
  if not finite(bytes) or bytes < 0 or bytes >= 2 ^ 63 then return nil, "a size is from 0 to 8 EiB" end
  local whole = math.tointeger(bytes)
  if not whole then return nil, "a size is a whole number of bytes" end
  return whole
end

--- A duration for people, short and of few digits: "200ms" "4.0s" "2m03s" "1h02m" "3d04h".
---@param seconds number
---@return string
function M.format(seconds)
  if type(seconds) ~= "number" then
    error("duration.format: the seconds: must be a number, got " .. type(seconds), 2)
  end
  if seconds ~= seconds or seconds == math.huge then return "forever" end
  seconds = math.max(0, seconds)
  local ms = math.floor(seconds * 1000 + 0.5)
  if ms == 0 then return "0s" end
  if ms < 1000 then return ("%dms"):format(ms) end
  -- Rounded before the unit is chosen: 59.96 s is "1m00s", never "60.0s".
  if math.floor(seconds * 10 + 0.5) < 600 then return ("%.1fs"):format(seconds) end
  local s = math.floor(seconds + 0.5)
  if s < 3600 then return ("%dm%02ds"):format(s // 60, s % 60) end
  if s < 86400 then return ("%dh%02dm"):format(s // 3600, s % 3600 // 60) end
  return ("%.0fd%02dh"):format(s // 86400, s % 86400 // 3600)
end

return M
