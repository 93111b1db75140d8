-- Options that several verbs have.

local duration <const> = require("ward.duration")

local M <const> = {}

-- argparse wants nil and a message for what it cannot convert.
local function to_seconds(text)
  local seconds, message = duration.parse(tonumber(text) or text)
  if not seconds then
    return nil, ("bad duration '%s': %s"):format(text, message)
  end
  return seconds
end

--- --timeout DURATION: exit status 99 when it is over.
---@param command table an argparse command
function M.timeout(command)
  command:option("--timeout", "Give up after this time with exit status 99: seconds, or 500ms, 10s, 5m.")
    :argname("DURATION"):convert(to_seconds)
end

return M
