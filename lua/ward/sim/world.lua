-- What sim.load returns: the supervisor of one script, as its test sees it. ward's own driver and agent run in it.

local act <const> = require "ward.sim.act"
local copy <const> = require "ward.sim.copy"
local inside <const> = require "ward.sim.inside"
local library <const> = require "ward.sim.library"
local look <const> = require "ward.sim.look"
local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

---@class ward.sim.World
---@field now number seconds since the boot
---@field code integer|nil exit status of ward, once it has ended
local World <const> = {}

---@class ward.sim.Answer what a command is told; empty until it is
---@field ok boolean|nil
---@field message string|nil why not, of the first name that failed
---@field results table[]|nil of each name: { name, state, ok, message, code }
---@field at number|nil when it was told

-- A mistake is the caller's, and has its line.
local function guarded(name, fn)
  return function(self, ...)
    if getmetatable(self) ~= World then
      inside.blame(("ward.sim: a colon is missing: w:%s(...)"):format(name))
    end
    local result <const>, message <const> = value.try(fn, self, ...)
    if message then inside.blame(("w:%s: %s"):format(name, message)) end
    return result
  end
end

for _, methods in ipairs { look, act } do
  for name, fn in next, methods do World[name] = guarded(name, fn) end
end

local NAMES <const> = { "code", "now" }
for name in next, World do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

function World.__index(_, key)
  if key == "code" then return nil end
  return World[key] or type(key) == "string" and not key:find("^__")
    and inside.blame(("ward.sim: a world has no field %s%s"):format(value.quote(key), suggest.hint(key, NAMES))) or nil
end

-- What the driver tells.
local function hooks_of(self)
  local hooks <const> = {}
  local core <const> = self.core

  function hooks.internal_error(what, trace)
    core.faults[#core.faults + 1] = ("ward.sim: internal error in %s: %s"):format(what, trace)
  end
  function hooks.event(event)
    local told <const> = copy.plain(event)
    told.kind, told.at, told.seq = nil, core.clock, #self.told + 1
    self.told[#self.told + 1] = told
    self.agent:tell(event, self.driver.specs[event.name])
  end
  function hooks.ask(...) self.agent:ask(...) end
  function hooks.reply(answer, reply)
    if self.agent:reply(answer, reply) then return end
    answer.ok, answer.results, answer.at = reply.ok, copy.plain(reply.results), core.clock
    for _, result in ipairs(answer.results) do
      if not result.ok then
        answer.message = result.message
        break
      end
    end
  end
  function hooks.quit(code)
    self.agent:stop(function() self.quitting = code end)
  end
  function hooks.note(name, text)
    self.told[#self.told + 1] = { type = "note", name = name, message = text, at = core.clock, seq = #self.told + 1 }
  end
  return hooks
end

local function agent_parts(self, keep)
  local core <const> = self.core
  return {
    cgroups = { group = function() end, drop = function() end }, keep = keep, driver = self.driver,
    journal = { born = function() end, gone = function() end }, -- no successor takes these children over
    log = function() return {} end,
    history = { add = function(_, event) self.heard_events[#self.heard_events + 1] = copy.plain(event) end },
    say = function(text)
      for line in (text .. "\n"):gmatch("(.-)\n") do core.printed[#core.printed + 1] = line end
    end,
    report = function(message) self.problems[#self.problems + 1] = message end,
  }
end

--- Loads the script and boots it.
---@param core ward.sim.Core
---@param path string
---@return ward.sim.World
function M.new(core, path)
  local require_ <const> = library.new(core)
  local load <const> = require_ "ward.service.load"
  local bundle <const>, errors <const> = load.bundle(path)
  if not bundle then error(errors[1], 0) end
  local plans <const>, stops <const> = load.plans(bundle.services)
  local self <const> = {
    core = core, now = 0, told = {}, heard_events = {}, problems = {}, quitting = false,
    dir = core.machine.realpath(path:match("^(.*)/[^/]*$") or "."),
  }
  for name, plan in next, plans do
    local book <const> = { starts = 0, signals = {}, ignores = {} }
    plan.service, core.books[name] = name, book
  end
  self.driver = require_("ward.service.driver").new(bundle.services, {
    plans = plans, stops = stops, logs = {}, seed = core.seed, tree = bundle.tree,
  }, hooks_of(self))
  self.agent = require_("ward.service.agent").new(bundle.script, agent_parts(self, require_("ward.service.keep").new()))
  setmetatable(self, World)
  self.agent:start()
  inside.post(self, { kind = "boot" })
  return self
end

return M
