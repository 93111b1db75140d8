-- ward shutdown

local client <const> = require("ward.cli.client")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local options <const> = require("ward.cli.options")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Stop all services in order, then the supervisor. Again: hurry." }

-- Between the end of the connection and the end of the process. It may stay a zombie for as long as its parent
-- likes, so this is not waited for without an end.
local GONE_SECONDS <const> = 1

function M.configure(command)
  options.timeout(command)
end

local function wait_gone(pid)
  local deadline = core.now() + GONE_SECONDS
  while core.stat(("/proc/%d"):format(pid)) and core.now() < deadline do
    core.sleep(0.01)
  end
end

function M.run(args)
  local caller, code = client.connect(args.instance)
  if not caller then
    return code
  end
  local deadline = args.timeout and core.now() + args.timeout
  local who
  who, code = caller:call("version", {}, deadline)
  if not who then
    return code
  end
  local done
  done, code = caller:call("shutdown", {}, deadline)
  if code == exit.TIMEOUT then
    return code
  elseif not caller:wait_closed(deadline) then
    output.complain("timed out")
    return exit.TIMEOUT
  end
  caller:close()
  wait_gone(who.pid)
  return done and exit.OK or code
end

return M
