-- What start, stop and restart have in common.

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")
local options <const> = require("ward.cli.options")

local M <const> = {}

--- A verb that changes services.
---@param op "start"|"stop"|"restart" the control method
---@param summary string
---@param wait_text string help of --wait
---@return ward.cli.Verb
function M.verb(op, summary, wait_text)
  return {
    summary = summary,
    configure = function(command)
      command:argument("names", "Services, or patterns such as 'web-*'."):args("+"):argname("NAME")
      command:mutex(
        command:flag("--wait", wait_text .. " (the default)."),
        command:flag("--no-wait", "Return as soon as the supervisor has taken the order."))
      options.timeout(command)
    end,
    run = function(args)
      local params = { names = args.names, wait = not args.no_wait }
      local result, code = client.ask(args.instance, op, params, args.timeout)
      return result and exit.OK or code
    end,
  }
end

return M
