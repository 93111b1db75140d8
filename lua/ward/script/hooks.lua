-- Functions that a script puts into its declarations: hooks of services, and restart rules. Over on the trusted side
-- they are numbers.

local value <const> = require "ward.schema.value"

local M <const> = {}

local VERDICTS <const> = 'a delay, "stop", "escalate" or nothing'

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
---@return table hooks add: fn(fn) -> number; call: fn(number, name, ...) runs one as a task; ask: fn(id, name, exit,
---  on_exit, restart, history) runs those of the two that there are, and answers with request("answer", id, verdict,
---  fault)
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

  -- What a function that has a say says. Nonsense is the declaration's fault, and named as that.
  local function say(node, key, returned)
    if returned == nil then return nil end
    local verdict <const>, message <const> = value.try(verdict_of, returned)
    if message then error(("%s: %s: %s: %s"):format(node.source, node.title, key, message), 0) end
    return verdict
  end

  -- The first verdict that is not nil.
  local function consult(node, exit, on_exit, restart, history)
    local verdict = on_exit and say(node, "on_exit", functions[on_exit](node.value, exit))
    if verdict == nil and restart then verdict = say(node, "restart", functions[restart](exit, history)) end
    return verdict
  end

  -- What asks in a task: the one whose task has returned is there for the next question, too.
  local idle

  local function new_asker()
    local asker <const> = {}
    function asker.run()
      local node <const>, exit <const>, history <const> = asker.node, asker.exit, asker.history
      asker.exit, asker.history, asker.verdict = nil, nil, nil
      asker.verdict = consult(node, exit, asker.on_exit, asker.restart, history)
    end
    function asker.ended(how, result)
      if how == "returned" then
        idle = asker
        host.request("answer", asker.id, asker.verdict)
      else
        host.request("answer", asker.id, nil, how == "failed" and result[1] or "it was cancelled")
      end
    end
    return asker
  end

  function hooks.ask(id, name, exit, on_exit, restart, history)
    local asker <const> = idle or new_asker()
    idle = nil
    asker.id, asker.node, asker.exit, asker.history = id, host.node(name), exit, history
    asker.on_exit, asker.restart = on_exit, restart
    asker.task = scheduler:rerun(asker.run, nil, asker.task)
    asker.task.ended = asker.ended
  end

  return hooks
end

return M
