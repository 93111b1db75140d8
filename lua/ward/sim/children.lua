-- Children of tasks (ward.spawn, ward.run) and stop commands: a function of the test says what they do.

local copy <const> = require "ward.sim.copy"
local signals <const> = require "ward.schema.signals"
local value <const> = require "ward.schema.value"

local M <const> = {}

local KEYS <const> = {}
for _, key in ipairs { "code", "signal", "stdout", "stderr", "after", "forever", "fail" } do
  KEYS[#KEYS + 1] = { key = key, since = "0.1.0" }
end

-- What the test's function returned, checked.
local function plan_of(given)
  if given == nil then given = {} end
  value.table("", given, 'a table such as { code = 0, stdout = "text" }')
  value.known("", given, KEYS)
  local plan <const> = { stdout = "", stderr = "", fail = given.fail }
  for _, side in ipairs { "stdout", "stderr" } do
    if given[side] ~= nil then plan[side] = value.string(side, given[side], { min = 0, max = 1 << 24 }) end
  end
  plan.after = given.after ~= nil and value.duration("after", given.after) or 0
  plan.forever = given.forever ~= nil and value.boolean("forever", given.forever)
  if given.fail ~= nil then value.string("fail", given.fail) end
  if given.signal ~= nil then
    plan.exit = { kind = "signaled", signal = signals.check("signal", given.signal) }
  else
    plan.exit = { kind = "exited", code = given.code == nil and 0 or value.integer("code", given.code, 0, 255) }
  end
  return plan
end

-- An error there is the test's: it must not become one of the script.
local function ask(core, spec, run)
  local ok <const>, given <const> = pcall(run, copy.plain(spec))
  if not ok then
    core.faults[#core.faults + 1] = given
    return plan_of()
  end
  local plan <const>, message <const> = value.try(plan_of, given)
  if not plan then core.faults[#core.faults + 1] = "ward.sim: what the function `on_spawn` returned: " .. message end
  return plan or plan_of()
end

-- What the child writes is there at once; the end of the stream comes with its own.
local function output(core, proc, text)
  local stream <const> = {}
  local wants

  local function answer()
    if not wants or (text == "" and not proc.over) then return end
    local bytes, fn <const> = text, wants
    text, wants = "", nil
    core:soon(function()
      if not stream.closed then fn(bytes) end
    end)
  end

  function stream.read(_, fn)
    wants = fn
    answer()
    return true
  end
  function stream.close() stream.closed = true end
  stream.answer = answer
  return stream
end

local function input(core, record)
  return {
    write = function(_, bytes, fn)
      record.stdin = record.stdin .. bytes
      core:soon(function() fn(true) end)
      return true
    end,
    close = function() end,
  }
end

--- Launches a child. Returns its pipes.
---@param core ward.sim.Core
---@param proc ward.sim.Process
---@param spec table canonical
---@param run fun(spec: table): table|nil
---@return table|nil stdin
---@return table|nil stdout
---@return table|nil stderr
function M.launch(core, proc, spec, run)
  local plan <const> = ask(core, spec, run)
  local record <const> = { spec = spec, at = core.clock, stdin = "", signals = proc.signals }
  core.records[#core.records + 1] = record
  local pipes <const> = {}
  for _, side in ipairs { "stdout", "stderr" } do
    if spec[side].kind == "pipe" then pipes[side] = output(core, proc, plan[side]) end
  end
  function proc.ended(exit)
    record.exit = exit
    for _, side in ipairs { "stdout", "stderr" } do
      if pipes[side] then pipes[side].answer() end
    end
  end
  if plan.fail then
    proc:fail(plan.fail)
  else
    proc:run()
    if not plan.forever then core:later(plan.after, function() proc:finish(plan.exit) end) end
  end
  return spec.stdin.kind == "pipe" and input(core, record) or nil, pipes.stdout, pipes.stderr
end

return M
