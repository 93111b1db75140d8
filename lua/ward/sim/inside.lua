-- What the methods of a world have in common: how they find a service, and what makes things happen.

local lines <const> = require "ward.sim.lines"
local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

--- Raises an error with the line of whoever called the library, also where that call was a tail call.
---@param message string
function M.blame(message)
  local level = 2
  while true do
    local info <const> = debug.getinfo(level, "Sl")
    if not info then error(message, 0) end
    if info.currentline > 0 and not lines.is_own(info.source) then error(message, level) end
    level = level + 1
  end
end

-- Does all that is due until then, and raises what belongs to the test.
function M.run(self, target)
  local core <const> = self.core
  core:run_until(target or core.clock)
  self.now = core.clock
  if self.quitting and not self.code then
    self.code = self.quitting
    self.agent:close()
    self.driver:close()
  end
  local fault <const> = table.remove(core.faults, 1)
  if fault ~= nil then error(fault, 0) end
end

function M.book_of(self, name)
  local book <const> = self.core.books[name]
  if book then return book end
  if type(name) ~= "string" then value.must("the service", "the name of one", name) end
  value.fail("", ("no service is called %s%s"):format(value.quote(name), suggest.hint(name, self.driver:names())))
end

function M.state_of(self, name) return self.driver:view(name).state end

-- The process of a service that runs.
function M.running(self, name)
  local proc <const> = M.book_of(self, name).proc
  if proc and proc.pid then return proc end
  value.fail("", proc and ('service "%s" is still being launched: w:started("%s") comes first'):format(name, name)
    or ('service "%s" does not run: it is %s'):format(name, M.state_of(self, name)))
end

function M.alive(self)
  if self.code then value.fail("", ("ward has ended with status %d"):format(self.code)) end
end

function M.post(self, event)
  M.alive(self)
  self.driver:post(event)
  M.run(self)
end

return M
