-- How long to wait before the next try.

local M <const> = {}

--- The next number of the engine's own generator (splitmix64: any seed will do, none is weak).
--- math.random is shared by the whole state and would make a run impossible to repeat.
---@param rng { word: integer } advanced in place
---@return number unit in [0, 1)
function M.random(rng)
  rng.word = rng.word + 0x9E3779B97F4A7C15
  local z = rng.word
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  z = z ~ (z >> 31)
  return (z >> 11) * 0x1p-53
end

--- The delay before try `n` of a streak: from * factor^(n - 1), spread by +- jitter so that services that died
--- together do not come back together, and never more than max.
---@param policy { from: number, factor: number, max: number, jitter: number }
---@param n integer 1 for the first retry
---@param unit number in [0, 1)
---@return number seconds
function M.delay(policy, n, unit)
  if policy.from <= 0 then
    return 0 -- factor^(n - 1) grows to inf, and 0 * inf is no delay
  end
  local base = math.min(policy.max, policy.from * policy.factor ^ (n - 1))
  return math.min(policy.max, base * (1 + policy.jitter * (2 * unit - 1)))
end

return M
