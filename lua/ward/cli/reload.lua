-- ward reload

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")
local json <const> = require("ward.service.json")
local options <const> = require("ward.cli.options")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Let the script as it is now take over from the one that runs." }

function M.configure(command)
  command:flag("--plan", "Print what would change, and do nothing.")
  command:flag("--prune", "Stop services that are declared no longer, which the script may want, too (ward.settings).")
  command:flag("--no-restart", "Leave what runs otherwise than declared as it is, marked stale.")
  command:flag("--discard-state", "Forget what the script has kept (ward.keep).")
  command:flag("--json", "Print the answer as JSON.")
  options.timeout(command)
end

local function keys_of(result, name)
  local list = result.keys[name]
  return list and " (" .. table.concat(list, ", ") .. ")" or ""
end

-- One line a service that is not as before, then the rest in one.
local function print_result(result)
  local rows = {}
  local function add(mark, list, what)
    for _, name in ipairs(list) do
      rows[#rows + 1] = { mark, name, what .. keys_of(result, name) }
    end
  end
  add("+", result.added, "new")
  add("~", result.changed, "changed while it runs")
  add("!", result.stale, result.restart and not result.plan and "restarted" or "to be restarted")
  add("!", result.later, "another one with its next start")
  add("-", result.removed, not result.prune and "declared no longer: goes on (--prune stops it)"
    or result.plan and "to be stopped" or "stopped")
  if #rows > 0 then
    output.out(output.table(rows, output.coloured(1) and function(row, column)
      local moods = { ["+"] = "good", ["!"] = "warn", ["-"] = "bad" }
      return column == 1 and moods[rows[row][1]] or nil
    end or nil))
  end
  output.out(("%d unchanged%s\n"):format(result.unchanged, result.plan and "; nothing was done" or ""))
end

function M.run(args)
  local result, code = client.ask(args.instance, "reload", {
    plan = args.plan or false, prune = args.prune or false, restart = not args.no_restart,
    discard = args.discard_state or false,
  }, args.timeout)
  if not result then
    return code
  elseif args.json then
    output.out(json.encode(result) .. "\n")
  else
    print_result(result)
  end
  return exit.OK
end

return M
