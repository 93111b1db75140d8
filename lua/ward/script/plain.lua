-- Plain data of a script: what may leave its state, as a copy that nobody else holds.

local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_DEPTH <const>, MAX_VALUES <const> = 32, 100000

local WHAT <const> = "nil, a boolean, a number, a string or a table of these"

--- The path of a key in a table.
---@param path string of the table; "" for the whole
---@param key any
---@return string
function M.below(path, key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return path == "" and key or path .. "." .. key end
  return ("%s[%s]"):format(path, type(key) == "string" and value.quote(key) or tostring(key))
end

--- Refuses a key that plain data cannot have.
---@param path string of the table
---@param key any
function M.key(path, key)
  if type(key) ~= "string" and (type(key) ~= "number" or key ~= key) then
    value.fail(path, "a key must be a string or a number, got " .. value.describe(key))
  end
  return key
end

local function copy(path, given, state, depth)
  local kind <const> = type(given)
  state.count = state.count + 1
  if state.count > MAX_VALUES then value.fail(path, ("is too large: more than %d values"):format(MAX_VALUES)) end
  if kind == "string" or kind == "number" or kind == "boolean" or given == nil then return given end
  if kind ~= "table" then value.must(path, "plain data (" .. WHAT .. ")", given) end
  if depth > MAX_DEPTH then value.fail(path, ("is nested more than %d deep, or contains itself"):format(MAX_DEPTH)) end
  local inner <const> = state.unwrap and state.unwrap(given) or given
  value.table(path, inner)
  local result = {}
  for key, item in next, inner do
    M.key(path, key)
    result[key] = copy(M.below(path, key), item, state, depth + 1)
  end
  return result
end

--- A deep copy of plain data; refuses everything else, so call it through value.try.
---@param path string
---@param given any
---@param unwrap nil|fun(given: table): table|nil the data behind a view
function M.copy(path, given, unwrap)
  return copy(path, given, { count = 0, unwrap = unwrap }, 1)
end

return M
