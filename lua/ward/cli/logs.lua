-- ward logs [-f] [-n N] NAME

local client <const> = require("ward.cli.client")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")
local paths <const> = require("ward.service.paths")
local tail <const> = require("ward.cli.tail")

local M <const> = { summary = "Print the last lines of a service's log." }

local function to_count(text)
  local count = text:find("^%d+$") and math.tointeger(tonumber(text))
  if not count then
    return nil, ("bad number of lines '%s'"):format(text)
  end
  return count
end

function M.configure(command)
  command:argument("name", "The service."):argname("NAME")
  command:flag("-f --follow", "Go on printing what is added, until interrupted.")
  command:option("-n --lines", "How many lines."):argname("N"):default("10"):convert(to_count)
end

-- A log outlives its supervisor: with nobody to ask, it is where it would be for us.
local function path_without_supervisor(instance, name)
  local place = paths.is_instance(name) and paths.logs(instance)
  local path = place and paths.log_file(place.dir, name)
  return path and core.stat(path) and path or nil
end

local function path_of(args)
  local place = paths.runtime(args.instance)
  local conn = place and core.connect(place.socket)
  if not conn then
    local path = path_without_supervisor(args.instance, args.name)
    if path then
      return path
    end
  else
    conn:close()
  end
  local result, code = client.ask(args.instance, "status", { names = { args.name } })
  if not result then
    return nil, code
  end
  local found = result.services
  if #found ~= 1 then
    output.complain(("%d services match '%s'; logs takes one"):format(#found, args.name))
    return nil, exit.USAGE
  elseif not found[1].log then
    output.complain(('service "%s" has no log: its stdout and stderr go elsewhere'):format(found[1].name))
    return nil, exit.FAILED
  end
  return found[1].log
end

function M.run(args)
  local path, code = path_of(args)
  if not path then
    return code
  end
  local ok, err = tail.print(path, args.lines, args.follow, output.out)
  if not ok then
    output.complain(("cannot read %s: %s"):format(path, core.strerror(err.errno)))
    return exit.FAILED
  end
  return exit.OK
end

return M
