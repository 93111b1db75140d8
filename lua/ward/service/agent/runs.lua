-- Tasks of the script that a client waits for: `ward do`, `ward eval`, `ward repl`.

local M <const> = { ops = {} }

local MAX_RUNS <const> = 256

---@class ward.service.Run
---@field output fun(text: string): boolean takes what it prints; false: no more for now
---@field done fun(answer: table) { ok =, value =, message =, usage =, incomplete = }; comes once

--- Starts something in the script.
---@param self ward.service.Agent
---@param run ward.service.Run
---@param op "command"|"eval"
---@return integer id
function M.start(self, run, op, ...)
  local id = self.next_run
  self.next_run = id + 1
  local count = 0
  for _ in pairs(self.runs) do
    count = count + 1
  end
  if not self.script or count >= MAX_RUNS then
    run.done({ ok = false, message = self.script and "the script is busy" or "the script is in quarantine" })
    return id
  end
  self.runs[id] = run
  self:post(op, id, ...)
  return id
end

function M.ops.output(self, id, text)
  local run = self.runs[id]
  return run ~= nil and run.output(text)
end

function M.ops.run_done(self, id, answer)
  local run = self.runs[id]
  self.runs[id] = nil
  if run then
    run.done(answer)
  end
end

function M.ops.commands(self, list)
  self.verbs = list
end

--- Answers what nobody will answer any more.
---@param self ward.service.Agent
function M.close(self)
  local runs = self.runs
  self.runs = {}
  for _, run in pairs(runs) do
    run.done({ ok = false, message = "the script has ended" })
  end
end

return M
