-- How often something has happened lately: the limits `intensity` and `give_up`, { n =, within = }.

local M <const> = {}

--- Forgets what is older than the window. An entry exactly `within` old still counts.
---@param past number[] times, oldest first
---@param limit { n: integer, within: number }
---@param now number
---@return integer count of those left
function M.count(past, limit, now)
  local old = 0
  while past[old + 1] and now - past[old + 1] > limit.within do
    old = old + 1
  end
  if old > 0 then
    local count = #past
    table.move(past, old + 1, count, 1)
    for at = count - old + 1, count do
      past[at] = nil
    end
  end
  return #past
end

--- Notes that it happens now, unless that is once too often: then it does not happen.
---@param past number[]
---@param limit { n: integer, within: number }|nil nil: nothing is ever too much, and nothing is kept
---@param now number
---@return boolean too_often more than n within the window, this one included
function M.add(past, limit, now)
  if not limit then
    return false
  end
  if M.count(past, limit, now) >= limit.n then
    return true
  end
  past[#past + 1] = now
  return false
end

return M
