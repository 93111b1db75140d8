-- ward wait NAME --for ready|stopped

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")
local options <const> = require("ward.cli.options")

local M <const> = { summary = "Wait until services are ready, or are stopped." }

function M.configure(command)
  command:argument("names", "Services, or patterns such as 'web-*'."):args("+"):argname("NAME")
  command:option("--for", "What to wait for."):argname("STATE"):choices({ "ready", "stopped" }):count(1)
  options.timeout(command)
end

function M.run(args)
  local params = { names = args.names, ["for"] = args["for"] }
  local result, code = client.ask(args.instance, "wait", params, args.timeout)
  return result and exit.OK or code
end

return M
