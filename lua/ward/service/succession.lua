-- How a supervisor goes on that has executed itself: the same process, whose children it still has, and a program that
-- knows of them what the journal says.
--
-- It takes over everything but the script: that has hung, and stays in quarantine until a reload.

local core <const> = require("ward.core")
local duration <const> = require("ward.duration")
local journal <const> = require("ward.service.journal")
local last_good <const> = require("ward.service.last_good")
local load <const> = require("ward.service.load")

local M <const> = {}

-- The plans of all services that run or may run again. What cannot be planned any more (its user is gone, say) is told
-- and has none: its process goes on.
local function plans_of(specs, complain)
  local plans, stops = {}, {}
  for _, spec in ipairs(specs) do
    local plan <const>, stop <const> = load.plans({ spec })
    if plan then
      plans[spec.name], stops[spec.name] = plan[spec.name], stop[spec.name]
    else
      complain(stop[1])
    end
  end
  return plans, stops
end

--- What the supervisor before this one has left.
---@param handed { reason: string, detail: string, journal: string } of core.handover
---@param dir string runtime directory of the instance
---@param complain fun(line: string)
---@return table? bundle as of load.bundle, without a script; also `plans`, `stops` and `found`, what the journal says
---@return string? message
function M.read(handed, dir, complain)
  local found <const>, err = journal.read(handed.journal)
  if not found then
    return nil, "cannot take over from the supervisor before: " .. err.message
  elseif found.pid ~= core.pid then -- a file that could not be removed, on a file system that is read-only by now
    return nil, ("cannot take over from the supervisor before: %s is that of pid %d"):format(handed.journal, found.pid)
  end
  local all = {}
  for at, svc in ipairs(found.state.services) do
    all[at] = svc.spec
  end
  local plans <const>, stops <const> = plans_of(all, complain)
  return {
    path = found.own.script, services = found.specs, all = all, tree = found.tree,
    sources = last_good.take_back(last_good.file(dir), found.own.script, found.own.generation),
    plans = plans, stops = stops, found = found,
  }
end

--- Why the script is in quarantine, in words.
---@param handed { reason: string, detail: string }
---@return string
function M.because(handed)
  local where <const> = handed.detail ~= "" and handed.detail .. ": " or ""
  return ("%sa call did not return within %s of CPU time; ward has executed itself again to end it"):format(where,
    duration.format(core.deadline()))
end

return M
