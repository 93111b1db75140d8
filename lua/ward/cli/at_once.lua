-- What pause and resume have in common.

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")

local M <const> = {}

--- A verb that is done at once.
---@param op "pause"|"resume" the control method
---@param summary string
---@return ward.cli.Verb
function M.verb(op, summary)
  return {
    summary = summary,
    configure = function(command)
      command:argument("names", "Services, or patterns such as 'web-*'."):args("+"):argname("NAME")
    end,
    run = function(args)
      local result, code = client.ask(args.instance, op, { names = args.names })
      return result and exit.OK or code
    end,
  }
end

return M
