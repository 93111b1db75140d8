-- Children that are significant to their supervisor, and have not ended: supervisors count them, so that the last one
-- to end is known without a look at the others.

local M <const> = {}

-- "up" is a supervisor.
local ACTIVE <const> = {
  waiting = true, starting = true, ready = true, stopping = true, backoff = true, up = true,
}

--- A node goes from one state to another.
---@param node table
---@param from string
---@param to string
function M.moved(node, from, to)
  local sup <const> = node.parent
  if sup and node.spec.significant and ACTIVE[from] ~= ACTIVE[to] then
    sup.vital = sup.vital + (ACTIVE[to] and 1 or -1)
  end
end

--- A supervisor goes to another state.
---@param st table
---@param sup table
---@param to string
function M.enter(st, sup, to)
  M.moved(sup, sup.state, to)
  sup.state, sup.since = to, st.now
end

--- Is a sibling of the node significant, and has not ended?
---@param node table
---@return boolean
function M.others(node)
  local own <const> = node.spec.significant and ACTIVE[node.state] and 1 or 0
  return node.parent.vital > own
end

--- Counts anew, when the tree is another one.
---@param supervisors table[]
function M.count(supervisors)
  for _, sup in ipairs(supervisors) do
    sup.vital = 0
    for _, child in ipairs(sup.children) do
      if child.spec.significant and ACTIVE[child.state] then
        sup.vital = sup.vital + 1
      end
    end
  end
end

return M
