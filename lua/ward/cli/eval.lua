-- ward eval CODE

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Run Lua in the script that is supervised, and print what it gives." }

function M.configure(command)
  command:argument("code", "An expression such as 'ward.now()', or statements."):argname("CODE")
end

function M.run(args)
  local caller, code = client.connect(args.instance)
  if not caller then
    return code
  end
  local result
  result, code = caller:call("eval", { code = args.code, raw = true }, nil, function(method, params)
    if method == "output" then
      output.out(tostring(params.text))
    end
  end)
  caller:close()
  if type(result and result.value) == "table" and #result.value > 0 then
    output.out(table.concat(result.value, "\t") .. "\n")
  end
  return result and exit.OK or code
end

return M
