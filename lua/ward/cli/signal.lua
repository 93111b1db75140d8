-- ward signal NAME SIG

local client <const> = require("ward.cli.client")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")

local M <const> = { summary = "Send a signal to the process of a service." }

-- "HUP", "sighup" and "1" all mean HUP.
local function to_signal(text)
  local name = text:upper():gsub("^SIG", "")
  if core.signals[name] then
    return name
  end
  local number = math.tointeger(tonumber(text))
  local found
  for each, value in pairs(core.signals) do
    if value == number and (not found or each < found) then
      found = each -- some numbers have two names: always the same one
    end
  end
  if found then
    return found
  end
  return nil, ("unknown signal '%s'"):format(text)
end

function M.configure(command)
  command:argument("name", "A service, or a pattern such as 'web-*'."):argname("NAME")
  command:argument("signal", "A signal: HUP, SIGHUP or 1."):argname("SIG"):convert(to_signal)
end

function M.run(args)
  local result, code = client.ask(args.instance, "signal", { names = { args.name }, signal = args.signal })
  return result and exit.OK or code
end

return M
