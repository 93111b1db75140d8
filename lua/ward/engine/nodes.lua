-- What a node of the tree is to the others; nothing here changes any.

local M <const> = {}

--- Is a node in the tree still?
---@param st table
---@param node table
---@return boolean
function M.is_there(st, node)
  return (node.kind == "service" and st.by_name or st.sup_by_name)[node.name or ""] == node
end

--- The services from index `first` to `last`, later ones first.
---@param st table
---@param first integer
---@param last integer
---@return table[] services
function M.backwards(st, first, last)
  local list = {}
  for index = last, first, -1 do
    list[#list + 1] = st.services[index]
  end
  return list
end

--- Shows the supervisors of a branch, from the top down.
---@param node table
---@param visit fun(sup: table)
function M.each_supervisor(node, visit)
  if node.kind == "supervisor" then
    visit(node)
    for _, child in ipairs(node.children) do
      M.each_supervisor(child, visit)
    end
  end
end

--- Is the child one that a restart of its siblings takes along, but does not bring back?
---@param child table
---@return boolean
function M.is_fleeting(child)
  return child.kind == "supervisor" and child.spec.restart.on == "never"
end

--- Is the child one that a restart of its siblings does not concern: it is over, and is not to come back?
---@param child table
---@return boolean
function M.is_out(child)
  return M.is_fleeting(child) and child.state ~= "up"
    or child.spec.type == "oneshot" and child.spec.restart.on == "never" and child.state == "done"
end

--- Will its own supervisor start it again, when it is down?
---@param sup table
---@return boolean
function M.comes_back(sup)
  local on <const> = sup.spec.restart.on
  return sup.parent and (on == "always" or on == "failure" and sup.outcome == "failed")
end

return M
