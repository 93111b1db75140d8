-- ward explain SCRIPT [NAME...]

local applied <const> = require("ward.service.applied")
local cgroups <const> = require("ward.service.cgroups")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local held <const> = require("ward.schema.held")
local json <const> = require("ward.service.json")
local output <const> = require("ward.cli.output")
local remount <const> = require("ward.service.remount")

local M <const> = { summary = "Show the steps of each child before exec; nothing is started." }

function M.configure(command)
  command:argument("script", "The supervision script."):argname("SCRIPT")
  command:argument("names", "Services, or patterns such as 'web-*'; all when none is given."):args("*"):argname("NAME")
  command:flag("--json", "Print JSON.")
end

-- The services that the names choose, in the order asked for; all without names.
local function choose(services, names)
  if #names == 0 then
    return services
  end
  local by_name, known = {}, {}
  for i, spec in ipairs(services) do
    by_name[spec.name], known[i] = spec, spec.name
  end
  local wanted, missing = require("ward.glob").expand(names, known)
  if not wanted then
    return nil, missing
  end
  local chosen = {}
  for i, name in ipairs(wanted) do
    chosen[i] = by_name[name]
  end
  return chosen
end

-- A path can hold any byte; a terminal must not see it.
local function printable(text)
  return (text:gsub("[%c\127]", "?"))
end

local function block(service)
  local count, rows = #service.steps, {}
  local number = ("  %%%dd"):format(#tostring(count))
  for i, step in ipairs(service.steps) do
    rows[i] = { number:format(i), step.stage, step.text ~= "" and printable(step.text) or nil }
  end
  return ("%s (%s): %d %s\n%s"):format(service.name, printable(service.source), count,
    count == 1 and "step" or "steps", output.table(rows))
end

-- What a ruleset allows, from the rules that it was made of.
local function landlock_text(rules)
  local parts = {}
  for _, rule in ipairs(rules.fs or {}) do
    parts[#parts + 1] = rule.path .. ": " .. table.concat(rule.rights, " ")
  end
  for _, side in ipairs({ "bind", "connect" }) do
    local ports <const> = rules.net and rules.net[side]
    if ports then
      parts[#parts + 1] = ("TCP %s: %s"):format(side, #ports > 0 and table.concat(ports, " ") or "none")
    end
  end
  if rules.scope and #rules.scope > 0 then
    parts[#parts + 1] = "within it only: " .. table.concat(rules.scope, " ")
  end
  return table.concat(parts, "; ")
end

-- The steps, and the values of those that are kernel objects by the time that a plan holds them.
local function steps_of(spec, plan)
  local steps <const> = json.list(plan:explain())
  for _, step in ipairs(steps) do
    if step.stage == "landlock" and spec.sandbox then
      step.text = ("%s, ABI %d: %s"):format(step.text, plan:landlock(), landlock_text(spec.sandbox.landlock))
    elseif step.stage == "guard" and spec.sandbox and spec.sandbox.guard then
      step.text = step.text .. ": " .. table.concat(spec.sandbox.guard.words, "; ")
    elseif step.stage == "seccomp" and spec.sandbox then
      local calls <const> = plan:syscalls({})
      step.text = ("%s: %d of %d system calls are allowed, by default %s"):format(step.text, calls.allowed, calls.known,
        spec.sandbox.seccomp.default)
    end
  end
  return steps
end

local function exposure_of(spec, plan)
  local exposure <const> = require("ward.service.exposure")
  -- Whatever ward is kept from: the score is for the spec.
  local caps <const> = held.of(spec, core.uid, { ambient = core.machine().ambient })
  return exposure.of(applied.spec(spec, plan), plan:syscalls(exposure.DEEP), caps, remount.possible(spec, plan))
end

-- The same areas in the same order for every service, so that two can be laid side by side.
local function exposure_block(result)
  local rows = {}
  for i, row in ipairs(result.areas) do
    rows[i] = { "  " .. row.area, ("%3d"):format(row.score), #row.open > 0 and printable(table.concat(row.open, "; "))
      or "nothing" }
  end
  rows[#rows + 1] = { "  mean", ("%3d"):format(result.total) }
  return "left open, from 0 (closed) to 100:\n" .. output.table(rows)
end

local function exposure_json(result)
  local areas <const> = {}
  for _, row in ipairs(result.areas) do
    areas[row.area:gsub(" ", "_")] = { score = row.score, open = json.list(row.open) }
  end
  return { mean = result.total, areas = areas }
end

-- What was asked for and this machine does not have.
local function lacks_block(lacks)
  local lines <const> = {}
  for i, lack in ipairs(lacks) do
    lines[i] = "  " .. printable(lack.message) .. "\n"
  end
  return #lines > 0 and "not to be had here:\n" .. table.concat(lines) or ""
end

local function warnings_block(warnings)
  return #warnings > 0 and "warning: " .. printable(table.concat(warnings, "\nwarning: ")) .. "\n" or ""
end

local function complain(errors)
  for _, line in ipairs(errors) do
    output.complain(line)
  end
  return exit.FAILED
end

function M.run(args)
  local load <const> = require("ward.service.load")
  local bundle, errors = load.bundle(args.script)
  if not bundle then
    return complain(errors)
  end
  local chosen, missing = choose(bundle.services, args.names)
  if not chosen then
    output.complain("no such service: " .. json.encode(missing))
    return exit.NO_SERVICE
  end
  local plans
  plans, errors = load.plans(chosen)
  if not plans then
    return complain(errors)
  end

  local services, blocks = json.list({}), {}
  for i, spec in ipairs(chosen) do
    local steps = steps_of(spec, plans[spec.name])
    local group = cgroups.explain(spec.name, spec)
    if group then
      table.insert(steps, 1, { stage = "cgroup", text = group })
    end
    local left <const> = exposure_of(spec, plans[spec.name])
    local lacks <const> = json.list(applied.lacks(spec, plans[spec.name]))
    local warnings <const> = json.list({ remount.warning(spec, plans[spec.name]) })
    services[i] = {
      name = spec.name, source = spec.source, steps = steps, lacks = lacks, warnings = warnings,
      landlock_abi = plans[spec.name]:landlock(), exposure = exposure_json(left),
    }
    blocks[i] = block(services[i]) .. lacks_block(lacks) .. warnings_block(warnings) .. exposure_block(left)
  end
  output.out(args.json and json.encode({ services = services }) .. "\n" or table.concat(blocks, "\n"))
  return exit.OK
end

return M
