-- ward version

local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Print the version." }

function M.configure() end

function M.run()
  output.out(("ward %s\n"):format(core.version))
  return exit.OK
end

return M
