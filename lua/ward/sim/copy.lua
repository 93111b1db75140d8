-- What passes between ward and a script: copies of plain data, as the C core makes them.

local M <const> = {}

local MAX_DEPTH <const> = 64

local function copy(item, depth)
  local kind <const> = type(item)
  if kind == "table" then
    if depth == MAX_DEPTH then error("the value: is nested too deeply", 0) end
    local result <const> = {}
    for key, each in next, item do result[copy(key, depth + 1)] = copy(each, depth + 1) end
    return result
  elseif kind == "nil" or kind == "boolean" or kind == "number" or kind == "string" then
    return item
  end
  error(("the value: a %s cannot leave the script (plain data only)"):format(kind), 0)
end

--- A copy that nobody else holds. Raises for what is not plain data.
---@param item any
---@return any
function M.plain(item)
  return copy(item, 0)
end

--- Copies of all that is given.
function M.all(...)
  local items <const> = table.pack(...)
  for i = 1, items.n do items[i] = copy(items[i], 0) end
  return table.unpack(items, 1, items.n)
end

return M
