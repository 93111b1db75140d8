-- "did you mean": the word of a list that a mistyped word most likely was.

local M <const> = {}

-- Longer words are no slips of the finger, and the distance costs length * length.
local MAX_LENGTH <const> = 64
-- A hint is not worth a second of anybody's time.
local MAX_WORDS <const> = 1000

-- Edit distance where a swap of two neighbours counts as one (optimal string alignment).
local function distance(a, b)
  local before, previous, current = {}, {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    current[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local cost = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      current[j] = cost
    end
    before, previous, current = previous, current, before
  end
  return previous[#b]
end

--- The word of `list` nearest to `word`, when one is near enough to be meant: at most a third of its
--- letters differ, or else one is the other's first part ("stop_timout": "stop"). The first of the
--- nearest wins, so the answer depends on nothing but the order of `list`.
---@param word string
---@param list string[]
---@return string|nil
function M.nearest(word, list)
  if type(word) ~= "string" or word == "" or #word > MAX_LENGTH then return nil end
  local lower <const> = word:lower()
  local best, best_distance = nil, math.max(1, #word // 3) + 1
  for i = 1, math.min(#list, MAX_WORDS) do
    local candidate <const> = list[i]
    if math.abs(#candidate - #word) < best_distance and #candidate <= MAX_LENGTH then
      local d = distance(lower, candidate:lower())
      -- A word that shares no letter is no slip: "x" is not "y".
      if d < best_distance and d < math.max(#word, #candidate) then best, best_distance = candidate, d end
    end
  end
  if best then return best end
  for _, candidate in ipairs(list) do
    local short, long = candidate:lower(), lower
    if #short > #long then short, long = long, short end
    if #short >= 3 and long:sub(1, #short + 1) == short .. "_" then return candidate end
  end
  return nil
end

--- ` (did you mean "stop"?)`, or an empty string when nothing is near.
---@param word any
---@param list string[]
---@return string
function M.hint(word, list)
  local nearest = M.nearest(word, list)
  return nearest and (' (did you mean "%s"?)'):format(nearest) or ""
end

return M
