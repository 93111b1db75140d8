-- Functions that a script puts into its declarations: hooks of services, and restart rules. Over on the trusted side
-- they are numbers.

local value <const> = require "ward.schema.value"

local M <const> = {}

local VERDICTS <const> = 'a delay, "stop", "escalate" or nothing'

-- Who has a say after an exit, in this order.
local SAYS <const> = { "on_exit", "restart" }

local function verdict_of(returned)
  if returned == nil or returned == "stop" or returned == "escalate" then return returned end
  if type(returned) ~= "number" and type(returned) ~= "string" then
    value.fail("", ("must return %s, got %s"):format(VERDICTS, value.describe(returned)))
  end
  return value.duration("the delay", returned)
end

--- The functions of one generation.
---@param scheduler ward.script.Scheduler
---@param host table request; node: fn(name) -> { value, title, source } of a service
---@return table hooks add: fn(fn) -> number; call: fn(number, name, ...) runs one as a task; ask: fn(id, name, calls,
---  exit, history) runs those that have a say, and answers with request("answer", id, verdict, fault)
function M.new(scheduler, host)
  local functions <const> = {}
  local hooks <const> = {}

  function hooks.add(fn)
    functions[#functions + 1] = fn
    return #functions
  end

  function hooks.any() return #functions > 0 end

  function hooks.call(number, name, ...)
    return scheduler:start(functions[number], nil, host.node(name).value, ...)
  end

  -- The first verdict that is not nil. Nonsense is the declaration's fault, and named as that.
  local function consult(node, calls, exit, history)
    for _, key in ipairs(SAYS) do
      local fn <const> = functions[calls[key]]
      local returned
      if fn and key == "on_exit" then returned = fn(node.value, exit) end
      if fn and key == "restart" then returned = fn(exit, history) end
      local verdict <const>, message <const> = value.try(verdict_of, returned)
      if message then error(("%s: %s: %s: %s"):format(node.source, node.title, key, message), 0) end
      if verdict ~= nil then return verdict end
    end
  end

  function hooks.ask(id, name, calls, exit, history)
    local task <const> = scheduler:start(consult, nil, host.node(name), calls, exit, history)
    task.ended = function(how, result)
      if how == "returned" then
        host.request("answer", id, result[1])
      else
        host.request("answer", id, nil, how == "failed" and result[1] or "it was cancelled")
      end
    end
  end

  return hooks
end

return M
