-- ward check SCRIPT

local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Load and validate a script; nothing is started." }

function M.configure(command)
  command:argument("script", "The supervision script."):argname("SCRIPT")
end

function M.run(args)
  local load <const> = require("ward.service.load")
  local bundle, errors = load.bundle(args.script)
  local plans
  if bundle then
    plans, errors = load.plans(bundle.services)
  end
  if not plans then
    for _, line in ipairs(errors) do
      output.complain(line)
    end
    return exit.FAILED
  end
  for _, line in ipairs(load.warnings(bundle, plans)) do
    output.complain(line)
  end
  local count = #bundle.services
  output.out(("%s: ok, %d %s\n"):format(bundle.path, count, count == 1 and "service" or "services"))
  return exit.OK
end

return M
