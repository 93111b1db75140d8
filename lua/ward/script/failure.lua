-- What goes wrong in the world, as scripts get it: `nil, err`, where err has code, stage, errno and message,
-- and reads as its message.

local M <const> = {}

local Failure <const> = { __name = "ward.error", __metatable = false }
function Failure.__tostring(self) return self.message end

--- nil and an error, for `return failure.of("timeout", "not done within 5s")`.
---@param code string a short word, or the name of an errno
---@param message string
---@return nil
---@return table err
function M.of(code, message)
  return nil, setmetatable({ code = code, message = message }, Failure)
end

--- nil and the error that the supervisor's side has sent as plain data.
---@param fields table code, stage, errno, message
---@return nil
---@return table err
function M.from(fields)
  return nil, setmetatable(fields, Failure)
end

return M
