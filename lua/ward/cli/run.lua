-- ward run SCRIPT

local output <const> = require("ward.cli.output")

local M <const> = { summary = "Supervise what a script declares, in the foreground." }

function M.configure(command)
  command:argument("script", "The supervision script."):argname("SCRIPT")
  command:flag("--watch", "Reload when a source of the script changes.")
  command:flag("--last-good", "Start from the sources that worked last when those on disk do not load.")
  command:flag("-q --quiet", "Do not copy the services' log lines to stdout.")
end

function M.run(args)
  -- Required here: other verbs need neither the engine nor the schema.
  local service <const> = require("ward.service")
  return service.run({
    script = args.script, instance = args.instance, quiet = args.quiet, watch = args.watch,
    last_good = args.last_good, complain = output.complain,
  })
end

return M
