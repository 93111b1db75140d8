-- ward repl: lines of Lua for the script that is supervised. On a terminal they can be edited and come back from the
-- history, where lua-readline is installed; without it, and from a pipe, they are read as they come.

local client <const> = require("ward.cli.client")
local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")
local paths <const> = require("ward.service.paths")

local M <const> = { summary = "Speak Lua with the script that is supervised." }

local PROMPT <const>, MORE <const> = "ward> ", "   .. "
local KEPT <const> = 1000 -- lines of history
local PATIENCE <const> = 1 -- seconds that Tab may take

function M.configure() end

-- History -------------------------------------------------------------------------------------------------

-- The last lines of the history. A file that has grown is cut to them.
local function read_history(path)
  local file <close> = path and io.open(path, "r")
  local lines = {}
  for line in file and file:lines() or function() end do
    lines[#lines + 1] = line
  end
  if #lines <= 2 * KEPT then
    return lines
  end
  lines = table.move(lines, #lines - KEPT + 1, #lines, 1, {})
  local out <close> = io.open(path, "w")
  if out then
    out:write(table.concat(lines, "\n"), "\n")
  end
  return lines
end

-- What was typed may hold secrets: only its user may read it.
local function open_history(path)
  if not path then
    return nil
  end
  local dir = path:match("^(.*)/")
  for at in dir:gmatch("()/") do
    core.mkdir(dir:sub(1, at - 1), 448) -- 0700
  end
  core.mkdir(dir, 448)
  local file = io.open(path, "a")
  if file then
    core.chmod(path, 384) -- 0600
    file:setvbuf("line")
  end
  return file
end

-- Reading -------------------------------------------------------------------------------------------------

local function plain_reader(shown)
  return function(prompt)
    if shown then
      output.out(prompt)
    end
    return io.read("l")
  end
end

-- The string keys of a table of the session, or of its globals, as one string of words.
local NAMES <const> = [[
local names = {}
for _, from in ipairs { %s } do
  for key in pairs(from) do
    if type(key) == "string" and key:find "^[%%a_][%%w_]*$" then names[#names + 1] = key end
  end
end
table.sort(names)
return table.concat(names, " ")]]

-- What Tab offers: globals, and behind `ward.fs.` or `services.web:` the names that are there.
local function completer(caller, readline)
  return function(text, from, to)
    readline.set_completion_append_character("") -- it is a space again each time
    to = to > #text and #text or to - 1 -- lua-readline counts one too many
    local whole = text:sub(1, to):match "[%w_.:]*$"
    local path, name = whole:match "^(.-)[.:]?([%w_]*)$"
    if path == "" and name ~= whole or path ~= "" and not path:find "^[%a_][%w_.]*$" then
      return {}
    end
    local result = caller:call("eval", { code = NAMES:format(path == "" and "_ENV, _G" or path), raw = true },
      core.now() + PATIENCE, nil, true)
    local kept, found = text:sub(from, to - #name), {} -- of the word that is replaced
    for each in tostring(result and result.value[1] or ""):gmatch "%S+" do
      if each:sub(1, #name) == name then
        found[#found + 1] = kept .. each
      end
    end
    return found
  end
end

-- fn(prompt) -> line, nil at the end.
local function reader(caller)
  if not (core.isatty(0) and core.isatty(1)) then
    return plain_reader(false)
  end
  local there, readline = pcall(require, "readline")
  if not there then
    return plain_reader(true)
  end
  readline.set_options({ histfile = "", auto_add = false })
  readline.set_complete_function(completer(caller, readline))
  local path = paths.state("repl_history")
  local last
  for _, line in ipairs(read_history(path)) do
    readline.add_history(line)
    last = line
  end
  local file = open_history(path)
  return function(prompt)
    local line = readline.readline(prompt)
    if line and line:find("%S") and line ~= last then
      readline.add_history(line)
      last = line
      if file then
        file:write(line, "\n")
      end
    end
    return line
  end
end

-- Sends code and waits for what it gives. On a terminal Ctrl-C ends that, and not the session.
local function eval(caller, code)
  local interrupts <close> = core.isatty(0) and core.interrupts() or nil
  return caller:call("eval", { code = code }, nil, function(method, params)
    if method == "output" then
      output.out(tostring(params.text))
    end
  end, true, interrupts)
end

-- One piece of code, which may be several lines: sent each time one is added, until it is whole.
local function converse(caller, code, read)
  while true do
    local result, status, err = eval(caller, code)
    local more = type(err) == "table" and type(err.data) == "table" and err.data.incomplete and read(MORE)
    if more then
      code = code .. "\n" .. more
    elseif type(err) == "table" then
      output.complain(tostring(err.message))
      return exit.FAILED
    elseif not result then
      return status, true
    else
      if type(result.value) == "table" and #result.value > 0 then
        output.out(table.concat(result.value, "\t") .. "\n")
      end
      return exit.OK
    end
  end
end

function M.run(args)
  local caller, code = client.connect(args.instance)
  if not caller then
    return code
  end
  local read, gone = reader(caller), false
  code = exit.OK
  while not gone do
    local line = read(PROMPT)
    if not line then
      break
    elseif line:find("%S") then
      code, gone = converse(caller, line, read)
    end
  end
  if core.isatty(0) and core.isatty(1) then
    output.out("\n")
    code = gone and code or exit.OK
  end
  caller:close()
  return code
end

return M
