-- ward why NAME...

local client <const> = require("ward.cli.client")
local console <const> = require("ward.service.console")
local core <const> = require("ward.core")
local duration <const> = require("ward.duration")
local exit <const> = require("ward.cli.exit")
local json <const> = require("ward.service.json")
local output <const> = require("ward.cli.output")
local tail <const> = require("ward.cli.tail")

local M <const> = { summary = "Say why a service is in its state." }

local LOG_LINES <const> = 5

function M.configure(command)
  command:argument("names", "Services, or patterns such as 'web-*'."):args("+"):argname("NAME")
  command:flag("--json", "Print the supervisor's answer as JSON.")
end

local function ago(seconds)
  return duration.format(math.max(0, seconds)) .. " ago"
end

local function times(n, what)
  return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

local function limit(text, of)
  return ("%s: %d of %d restarts within %s"):format(text, of.count, of.n, duration.format(of.within))
end

-- What it waits for, or what will happen to it.
local function prospects(add, service, now)
  if service.asking then
    add("next", "the script's rule is being asked")
  elseif service.paused and service.state == "backoff" then
    add("next", "nothing: restarting is paused (ward resume " .. service.name .. ")")
  elseif service.state == "stuck" then
    add("next", "nothing before its process is gone, which has outlived SIGKILL")
  elseif service.next_at and service.state == "backoff" then
    add("next", "starts in " .. duration.format(service.next_at - now))
  elseif service.next_at and service.state == "stopping" then
    add("next", ("next step of the stop ladder in %s"):format(duration.format(service.next_at - now)))
  end
  if #service.waits_for > 0 then
    add("waits for", table.concat(service.waits_for, ", "))
  end
  for _, need in ipairs(service.dead_needs) do
    add("in vain", ('"%s" is %s, and does not start by itself'):format(need.name, need.state))
  end
  local held = service.held
  if held and held.kind == "group" then
    add("held", ('starts together with "%s" (supervisor "%s")'):format(held.trigger, held.by or ""))
  elseif held then
    add("held", ('its supervisor "%s" is down'):format(held.by or ""))
  end
end

local function history(add, service)
  if service.last_exit then
    local at = service.last_exit.at and ", " .. ago(core.time() - service.last_exit.at) or ""
    add("last exit", console.exit(service.last_exit) .. at)
  end
  if service.decision then
    add("decision", ("%s (%s)"):format(service.decision.outcome:gsub("_", " "), service.decision.rule))
  end
  if service.restarts > 0 then
    add("restarts", ("%d, the last %s in a row"):format(service.restarts, times(service.streak, "failure")))
  end
  if service.give_up then
    add("limit", limit("restart.give_up", service.give_up))
  end
end

local function above(add, service, now)
  for _, sup in ipairs(service.supervisors) do
    local parts = { ("%s, %s"):format(sup.strategy, sup.state) }
    if sup.intensity then
      parts[#parts + 1] = limit("intensity", sup.intensity)
    end
    if sup.next_at then
      parts[#parts + 1] = "starts in " .. duration.format(sup.next_at - now)
    end
    if sup.waits_for and #sup.waits_for > 0 then
      parts[#parts + 1] = "waits for " .. table.concat(sup.waits_for, ", ")
    end
    if sup.name then
      add("under", ('"%s" (%s)'):format(sup.name, table.concat(parts, "; ")))
    end
  end
end

--- The answer of the supervisor about one service, as rows of two columns.
---@param service table see ward.engine.why
---@param now number
---@return string[][]
function M.rows(service, now)
  local rows = {}
  local function add(what, text)
    rows[#rows + 1] = { "  " .. what, (text:gsub("[%c\127]", "?")) }
  end
  local since = service.since and " since " .. duration.format(now - service.since) or ""
  local because = service.because and ": " .. service.because or ""
  local pid = service.pid and (", pid %d"):format(service.pid) or ""
  add("state", service.state .. since .. pid .. because)
  if service.desired == "down" then
    add("desired", "down, by command (ward start " .. service.name .. ")")
  end
  history(add, service)
  prospects(add, service, now)
  above(add, service, now)
  return rows
end

local function print_log(service)
  if service.log and core.stat(service.log) then
    output.out(("  last lines of %s\n"):format((service.log:gsub("[%c\127]", "?"))))
    tail.print(service.log, LOG_LINES, false, function(text)
      return output.out((text:gsub("[^\n]+", "    %0")))
    end)
  end
end

-- JSON has one empty table; say again which ones are lists.
local function restore_lists(result)
  json.list(result.services)
  for _, service in ipairs(result.services) do
    for _, key in ipairs({ "waits_for", "dead_needs", "supervisors" }) do
      json.list(service[key])
    end
    for _, sup in ipairs(service.supervisors) do
      json.list(sup.waits_for)
    end
  end
  return result
end

function M.run(args)
  local result, code = client.ask(args.instance, "why", { names = args.names })
  if not result then
    return code
  elseif args.json then
    output.out(json.encode(restore_lists(result)) .. "\n")
    return exit.OK
  end
  for i, service in ipairs(result.services) do
    output.out((i > 1 and "\n" or "") .. service.name .. "\n")
    output.out(output.table(M.rows(service, result.now)))
    print_log(service)
  end
  return exit.OK
end

return M
