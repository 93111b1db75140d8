-- ward status [NAME...]

local client <const> = require("ward.cli.client")
local duration <const> = require("ward.duration")
local exit <const> = require("ward.cli.exit")
local json <const> = require("ward.service.json")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Show the state of services." }

local HEAD <const> = { "NAME", "STATE", "READY", "PID", "UPTIME", "RESTARTS", "LAST-EXIT", "NEXT" }

local STATE_MOOD <const> = {
  ready = "good", done = "good", starting = "warn", waiting = "warn", stopping = "warn", backoff = "bad",
  failed = "bad", stuck = "bad",
}

function M.configure(command)
  command:argument("names", "Services, or patterns such as 'web-*'."):args("*"):argname("NAME")
  command:flag("--json", "Print the supervisor's answer as JSON.")
end

local function last_exit(last)
  if type(last) ~= "table" then
    return "-"
  elseif last.kind == "exited" then
    return ("code %d"):format(last.code)
  elseif last.kind == "signaled" then
    return "SIG" .. tostring(last.signal) .. (last.core and " (core)" or "")
  end
  return (tostring(last.kind):gsub("_", " "))
end

-- What will happen to the service by itself.
local function next_step(service)
  if service.paused and service.state == "backoff" then
    return "paused"
  elseif service.waits_for and #service.waits_for > 0 then
    return "after " .. table.concat(service.waits_for, ", ")
  elseif service.next_in and service.state == "backoff" then
    return "start in " .. duration.format(service.next_in)
  elseif service.next_in and service.state == "stopping" then
    return "signal in " .. duration.format(service.next_in)
  end
  return "-"
end

local function row(service)
  return {
    service.name, service.state .. (service.stale and ", stale" or service.removed and ", undeclared" or ""),
    service.ready and "yes" or "no",
    service.pid and ("%d"):format(service.pid) or "-",
    service.uptime and duration.format(service.uptime) or "-",
    ("%d"):format(service.restarts), last_exit(service.last_exit), next_step(service),
  }
end

local function print_table(services)
  local rows, mood = { HEAD }, nil
  for i, service in ipairs(services) do
    rows[i + 1] = row(service)
  end
  if output.coloured(1) then
    mood = function(r, column)
      return r > 1 and column == 2 and STATE_MOOD[services[r - 1].state] or nil
    end
  end
  output.out(output.table(rows, mood))
end

-- JSON has one empty table; say again which ones are lists.
local function restore_lists(result)
  json.list(result.services)
  for _, service in ipairs(result.services) do
    json.list(service.waits_for)
  end
  return result
end

function M.run(args)
  local params = {}
  if #args.names > 0 then
    params.names = args.names
  end
  local result, code = client.ask(args.instance, "status", params)
  if not result then
    return code
  end
  if args.json then
    output.out(json.encode(restore_lists(result)) .. "\n")
  else
    print_table(result.services)
    if result.quarantine then
      output.complain("the script is quarantined: " .. result.quarantine.because)
    end
  end
  if #args.names == 0 then
    return exit.OK
  end
  for _, service in ipairs(result.services) do
    if service.pid then
      return exit.OK
    end
  end
  return exit.NOT_RUNNING
end

return M
