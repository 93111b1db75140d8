-- The logs of services: which are open, and where.

local console <const> = require("ward.service.console")
local core <const> = require("ward.core")
local paths <const> = require("ward.service.paths")

local M <const> = {}

--- What the children of the script's tasks say goes to this one; no service can have its name.
M.SCRIPT = "@script"

local function wants_log(spec)
  return spec.stdout.kind == "log" or spec.stderr.kind == "log" or spec.tty ~= false -- what a terminal shows is logged
end

-- One that came through a re-exec goes on with its pipe. Where that fails, its service writes to nobody, but ward goes
-- on.
local function open(options, kept)
  if kept then
    options.adopt = kept.facts
    local ok, log, err = pcall(core.log, options)
    if ok then
      return log, err
    end
    options.adopt = nil
  end
  return core.log(options)
end

--- A function that opens the log of a name, and gives it and its path, or nil and a message; the directory is made only
--- when there is a log.
---@param instance string
---@param look table how the terminal is used
---@param journal ward.service.Journal told of each log
---@param kept table<string, table>? by name: what a supervisor before this one has left; each is taken once
---@return fun(name: string): userdata?, string
function M.opener(instance, look, journal, kept)
  local place
  kept = kept or {}
  return function(name)
    if not place then
      local found, message = paths.logs(instance)
      local ok = found ~= nil
      if found then
        ok, message = paths.claim(found, "log directory")
      end
      if not ok then
        return nil, message
      end
      place = found
    end
    local file <const>, from <const> = paths.log_file(place.dir, name), kept[name]
    kept[name] = nil
    local log, err = open({
      path = file, echo = look.echo, label = console.label(name, look.width), escape = look.tty_out,
    }, from)
    if not log then
      return nil, err.message
    end
    journal:log(name, file, log)
    return log, file
  end
end

--- One log per service that asks for it and has none yet.
---@param specs table[]
---@param opener fun(name: string): userdata?, string
---@param have table<string, userdata>?
---@return table<string, userdata>? logs
---@return table<string, string>|string files their paths; or a message
function M.open(specs, opener, have)
  local logs, files = {}, {}
  for _, spec in ipairs(specs) do
    if wants_log(spec) and not (have and have[spec.name]) then
      local log, file = opener(spec.name)
      if not log then
        for _, each in pairs(logs) do
          each:close()
        end
        return nil, file
      end
      logs[spec.name], files[spec.name] = log, file
    end
  end
  return logs, files
end

return M
