-- The command line: parses it, runs one verb, returns the exit status. main.c calls the function this returns.

local argparse <const> = require("argparse")

local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")
local paths <const> = require("ward.service.paths")

---@class ward.cli.Verb
---@field summary string
---@field configure fun(command: table) declares arguments and options
---@field run fun(args: table): integer returns the exit status
---@field usage integer? exit status for a line that cannot be understood, when it is not the usual one

-- In the order of the help. Each is a file of this directory.
local VERBS <const> = {
  "run", "check", "explain", "exec", "status", "why", "graph", "start", "stop", "restart", "pause", "resume", "reload",
  "signal", "logs", "events", "wait", "do", "eval", "repl", "shutdown", "version",
}

local INSTANCE_HELP <const> = "Which supervisor, when there are several (WARD_INSTANCE; \"default\")."

local function to_instance(name)
  if paths.is_instance(name) then
    return name
  end
  return nil, ("bad instance name '%s'"):format(name)
end

-- argparse's own help flag ends the process; the trusted state must close in order, so ours only takes a note.
local function add_common(parser, asked)
  parser:flag("-h --help", "Show this help."):action(function()
    asked.help = asked.help or parser
  end)
  parser:option("-i --instance", INSTANCE_HELP):argname("NAME"):convert(to_instance):action(function(_, _, name)
    asked.instance = name -- not in the result, where the verb's own option would begin at nil again
  end)
end

local function build(asked)
  local parser = argparse("ward", "A process supervisor whose policy language is Lua.",
    "Exit status: 0 done, 1 failed, 2 usage, 3 not running, 4 no such service, 5 no supervisor, 99 timed out.")
  parser:add_help(false):require_command(true):command_target("verb")
  parser:help_max_width(math.min(core.columns() or 80, 100))
  add_common(parser, asked)
  parser:flag("--version", "Print the version."):action(function()
    asked.version = true
  end)
  local verbs = {}
  for _, name in ipairs(VERBS) do
    local verb = require("ward.cli." .. name)
    local command = parser:command(name, verb.summary):add_help(false)
    add_common(command, asked)
    verb.configure(command)
    verbs[name] = verb
  end
  return parser, verbs
end

-- WARD_INSTANCE counts when no option does.
local function choose_instance(given)
  if given then
    return given
  end
  local name = core.getenv("WARD_INSTANCE")
  if name == nil or name == "" then
    return "default"
  end
  local instance, message = to_instance(name)
  return instance, message and message .. " in WARD_INSTANCE"
end

-- What a supervisor asks before it executes itself again (core/loop/handover.c): is all there that a successor loads?
local function rehearse(verbs)
  require("ward.service")
  return verbs.run and exit.OK
end

--- Runs one command line.
---@param argv string[] without the program's name
---@return integer code exit status
return function(argv)
  local asked = {}
  local parser, verbs = build(asked)
  if #argv == 0 then
    core.write(2, parser:get_help() .. "\n")
    return exit.USAGE
  end
  if argv[1] == "rehearse" and #argv == 1 then
    return rehearse(verbs)
  end
  local ok, result = parser:pparse(argv)
  if asked.help then
    output.out(asked.help:get_help() .. "\n")
    return exit.OK
  elseif asked.version then
    local code = verbs.version.run()
    return output.failed and exit.FAILED or code
  elseif not ok then
    output.complain(result:gsub("\n", "; ") .. " (see ward --help)")
    return verbs[argv[1]] and verbs[argv[1]].usage or exit.USAGE
  end
  local instance, message = choose_instance(asked.instance)
  if not instance then
    output.complain(message)
    return exit.USAGE
  end
  result.instance = instance
  local code = verbs[result.verb].run(result)
  return code == exit.OK and output.failed and exit.FAILED or code
end
