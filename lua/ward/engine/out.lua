-- What a step says: effects, and inputs for others within the same step. No function of the engine calls into the
-- life of another node: it queues an input for it, so that a step is a flat sequence and its order is the same each
-- time.

local M <const> = {}

--- Adds an effect.
---@param st table
---@param effect table
function M.emit(st, effect)
  st.effects[#st.effects + 1] = effect
end

--- Queues an input for a service or a supervisor; it is dispatched within the same step.
---@param st table
---@param node table
---@param input string a column of the table
---@param arg any
function M.push(st, node, input, arg)
  local queue <const> = (input == "free" or input == "needs") and st.frees or st.queue
  queue[#queue + 1] = { node = node, input = input, arg = arg }
end

--- Sets the one timer of a node.
---@param st table
---@param node table
---@param at number
function M.arm(st, node, at)
  node.deadline = at
  M.emit(st, { kind = "arm", name = node.name, at = at })
end

--- Takes it back.
---@param st table
---@param node table
function M.disarm(st, node)
  if node.deadline then
    node.deadline = nil
    M.emit(st, { kind = "disarm", name = node.name })
  end
end

return M
