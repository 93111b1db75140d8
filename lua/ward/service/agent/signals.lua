-- Signals that come to ward and that a script asked for (ward.on_signal).

local core <const> = require("ward.core")
local signals <const> = require("ward.schema.signals")

local M <const> = { ops = {} }

function M.ops.signal(self, name, wanted)
  if not signals.free[name] then
    return nil, { code = "EINVAL", message = "is not a signal that a script may have" }
  end
  local handle = self.signals[name]
  if not wanted and handle then
    handle:close()
    self.signals[name] = nil
  elseif wanted and not handle then
    local made, err = core.signal(name, function()
      self:signalled(name)
    end)
    self.signals[name] = made
    return made ~= nil, err and { code = err.code, errno = err.errno, message = err.message }
  end
  return true
end

--- Gives back what the script had.
---@param self ward.service.Agent
function M.close(self)
  for _, handle in pairs(self.signals) do
    handle:close()
  end
  self.signals = {}
end

return M
