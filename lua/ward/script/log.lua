-- ward.log: a line in what ward itself says, with a level and fields.

local plain <const> = require "ward.script.plain"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WHAT <const> = "ward.log"
local LEVELS <const> = { "debug", "info", "warn", "error" }
local PREFIX <const> = { debug = "debug: ", info = "", warn = "warning: ", error = "error: " }
local MAX <const> = 64 * 1024

local function word(item)
  local text <const> = tostring(item)
  if text:find("^[%w_.,/:@+%%-]+$") then return text end
  return '"' .. text:gsub("[%c\"\\]", function(c)
    return c == "\n" and "\\n" or (c == '"' or c == "\\") and "\\" .. c or ("\\%d"):format(c:byte())
  end) .. '"'
end

-- " key=value ..." of the fields, sorted by key.
local function fields_text(path, fields)
  local words, keys = {}, value.keys(path, fields)
  for i, key in ipairs(keys) do
    local item <const> = fields[key]
    local kind <const> = type(item)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      value.must(path .. "." .. key, "a string, a number or a boolean", item)
    end
    words[i] = (" %s=%s"):format(key, word(item))
  end
  return table.concat(words)
end

--- ward.log for one generation.
---@param scheduler ward.script.Scheduler
---@param say fun(at: string, text: string, level: string)
---@return fun(at: string, level: string, message: string, fields: table|nil)
function M.new(scheduler, say)
  return function(at, level, message, fields)
    scheduler:need(at, WHAT)
    tasks.argument(at, WHAT, value.choice, "the level", level, LEVELS)
    tasks.argument(at, WHAT, value.text, "the message", message, { min = 0, max = MAX })
    local more = ""
    if fields ~= nil then
      tasks.argument(at, WHAT, plain.copy, "the fields", fields)
      more = tasks.argument(at, WHAT, fields_text, "the fields", fields)
    end
    say(at, PREFIX[level] .. tostring(message) .. more, level)
  end
end

return M
