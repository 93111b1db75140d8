-- `ward eval` and `ward repl`: code that comes while the script runs, each a task of its own.
--
-- A session has globals of its own on top of the script's: what one line sets the next one sees, and the script does
-- not. It begins with ward, and with services and pools, since a script keeps those in local variables.

local inspect <const> = require("ward.script.inspect").inspect

local M <const> = {}

-- How messages call the text: "eval:1: attempt to ...".
M.NAME = "eval"

-- An expression, or statements; nil and the message of what it more probably is, whether it only ends too early.
local function compile(code, env)
  local fn <const>, expression <const> = load("return " .. code, "@" .. M.NAME, "t", env)
  if fn then return fn end
  local chunk <const>, statement <const> = load(code, "@" .. M.NAME, "t", env)
  if chunk then return chunk end
  for _, message in ipairs { statement, expression } do
    if message:find("near <eof>$") then return nil, message, true end
  end
  return nil, statement, false
end

--- What runs such code in one generation.
---@param commands table of ward.script.commands
---@param request fun(op: string, ...): any, any
---@param scope fun(): table, table what a session begins with, and the script's globals
---@return fun(run: integer, session: integer, code: string, raw: boolean) eval
---@return fun(session: integer) forget
function M.new(commands, request, scope)
  local sessions <const> = {}

  local function session_of(session)
    if not sessions[session] then
      local own <const>, globals <const> = scope()
      sessions[session] = setmetatable(own, { __index = globals, __metatable = false })
    end
    return sessions[session]
  end

  local function eval(run, session, code, raw)
    local fn <const>, message <const>, incomplete <const> = compile(code, session_of(session))
    if not fn then return request("run_done", run, { ok = false, message = message, incomplete = incomplete }) end
    commands:run(run, function()
      local results <const> = table.pack(fn())
      for i = 1, results.n do results[i] = inspect(results[i], raw) end
      results.n = nil
      return { ok = true, value = results }
    end)
  end

  return eval, function(session) sessions[session] = nil end
end

return M
