-- ward do COMMAND [ARGS]

local client <const> = require("ward.cli.client")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")
local paths <const> = require("ward.service.paths")

local M <const> = { summary = "Call a command of the script (ward.command)." }

local USAGE <const> = [[
Usage: ward do [-h] [-i NAME] COMMAND [ARGS...]

Calls a command of the script that is supervised, and prints what it prints.
Ctrl-C ends it. Its failure is exit status 1.
]]

-- Everything behind the command is the command's, also what looks like an option.
function M.configure(command)
  command:handle_options(false)
  command:argument("words", "The command and its arguments."):args("*"):argname("COMMAND")
end

-- Our own options, which stand before the command: the instance, and whether help is asked for.
local function options_of(args)
  local words, instance, help = table.move(args.words, 1, #args.words, 1, {}), args.instance, false
  while words[1] and words[1]:find("^%-") do
    local word = table.remove(words, 1)
    if word == "-h" or word == "--help" then
      help = true
    elseif word == "-i" or word == "--instance" then
      instance = table.remove(words, 1)
    elseif word == "--" then
      break
    else
      instance = word:match("^%-i(.+)$") or word:match("^%-%-instance=(.*)$")
    end
    if not instance or not paths.is_instance(instance) then
      output.complain(("bad option '%s' (see ward do --help)"):format(word))
      return nil
    end
  end
  return words, instance, help
end

local function show_commands(instance)
  local place = paths.runtime(instance)
  local conn = place and core.connect(place.socket)
  if not conn then
    output.out(('\nNo script is supervised on instance "%s": its commands would be listed here.\n'):format(instance))
    return exit.OK
  end
  conn:close()
  local result, code = client.ask(instance, "commands", {})
  if not result then
    return code
  elseif #result.commands == 0 then
    output.out("\nThe script has no commands.\n")
    return exit.OK
  end
  local rows, width = {}, 0
  for i, command in ipairs(result.commands) do
    rows[i] = { (command.name .. " " .. command.usage):gsub(" $", ""), command.help or "" }
    width = math.max(width, #rows[i][1])
  end
  output.out("\nCommands:\n")
  for _, row in ipairs(rows) do
    local help = row[2]:gsub("\n", "\n" .. (" "):rep(width + 6))
    output.out((("   %-" .. width .. "s   %s"):format(row[1], help):gsub(" +$", "")) .. "\n")
  end
  return exit.OK
end

function M.run(args)
  local words, instance, help = options_of(args)
  if not words then
    return exit.USAGE
  elseif help then
    output.out(USAGE)
    return show_commands(instance)
  elseif #words == 0 then
    output.complain("which command? (see ward do --help)")
    return exit.USAGE
  end
  local caller, code = client.connect(instance)
  if not caller then
    return code
  end
  local result
  result, code = caller:call("do", { name = table.remove(words, 1), args = words }, nil, function(method, params)
    if method == "output" then
      output.out(tostring(params.text))
    end
  end)
  caller:close()
  if result and result.value ~= nil then
    output.out(tostring(result.value) .. "\n")
  end
  return result and exit.OK or code
end

return M
