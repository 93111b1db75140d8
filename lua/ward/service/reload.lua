-- Hot reload: another version of the script takes over under the children of the one before.
--
-- It is a transaction. The sources are read once, the script loads on a thread of its own, and what it declares is
-- checked, planned and compared in slices between turns of the loop. Until the commit nothing that supervises is
-- touched; the commit is one turn. Whatever fails before it leaves everything as it was.

local core <const> = require("ward.core")
local differ <const> = require("ward.service.differ")
local duration <const> = require("ward.duration")
local engine <const> = require("ward.engine")
local json <const> = require("ward.service.json")
local last_good <const> = require("ward.service.last_good")
local load <const> = require("ward.service.load")
local roll <const> = require("ward.service.roll")
local schema <const> = require("ward.schema")
local value <const> = require("ward.schema.value")

local M <const> = {}

-- Seconds between two looks at a load.
local WATCH <const> = 1

-- CPU seconds that migrations have, and how often they are tried while what they migrate is written.
local CARRY_BUDGET <const>, CARRIES <const> = 0.1, 5

-- Seconds that a reload works before the loop has a turn.
local BREATH <const> = 0.004

-- A new version is on probation: so many entries that go over budget or memory, within so many seconds of its start,
-- and the version before it is back.
local PROBATION <const>, OFFENCES <const> = 60, 3

---@class ward.service.Reloader
---@field parts ward.service.ReloadParts
---@field queue table[] requests: { how =, answers = }
---@field running thread? the transaction
---@field sources table<string, string> of the version that runs
---@field traces ward.schema.Traces of its bundle
---@field away table? what a script does on a thread of its own: { script =, doing =, done = }
---@field took_over fun()? called when another version has taken over
---@field former table<string, string>? of the one before, while this one is on probation
---@field since number when this version took over
---@field offences integer
local Reloader <const> = {}
Reloader.__index = Reloader

-- The transaction ----------------------------------------------------------------------------------------

-- Waits for what a script does on a thread of its own, which calls what begin(done) is given. A call that hangs where
-- nothing can end it is left behind. Yields. Returns what done is given.
local function apart(self, doing, begin)
  local me = coroutine.running()
  local function done(...)
    self.watch:disarm()
    self.away = nil
    self:continue(me, ...)
  end
  local script <const>, err <const> = begin(done)
  if not script then
    return nil, err
  end
  self.away = { script = script, doing = doing, done = done }
  self.watch:arm(core.now() + WATCH)
  return coroutine.yield()
end

local function load_script(self, path, sources)
  return apart(self, "while loading", function(done)
    return core.script(path, { sources = sources, apart = true, done = done })
  end)
end

-- Is that a call that never ends?
local function look_at_what_is_apart(self)
  local away <const> = self.away
  local where <const> = away.script:overdue()
  if not where then
    return self.watch:arm(core.now() + WATCH)
  end
  away.script:close()
  away.done(nil, { message = ("%s: a call does not return %s; it is left alone"):format(
    where ~= "" and where or self.parts.path, away.doing) })
end

-- Lets the new version migrate what is kept, which nobody has changed meanwhile. Yields. Returns what becomes of it by
-- name, or nil and error lines.
local function carry(self, script)
  local keep <const> = self.parts.keep
  if next(keep.data) == nil then
    return {}
  end
  for try = 1, CARRIES do
    local changes <const> = keep.changes
    local ok, carried, places
    if try < CARRIES then
      ok, carried, places = apart(self, "in migrate", function(done)
        local begun <const>, err <const> = script:enter_apart(CARRY_BUDGET, done, "carry", keep.data)
        return begun and script, err
      end)
    else -- it always returns, and what is kept changes all the time
      ok, carried, places = script:enter(CARRY_BUDGET, "carry", keep.data)
    end
    if not ok then
      return nil, { carried.message }
    elseif keep.changes == changes then
      for name, given in pairs(carried) do
        local fits <const>, message <const> = keep:fits(name, given)
        if not fits then
          return nil, { ('%s: keep "%s": %s'):format(places[name], name, message) }
        end
      end
      return carried
    end
  end
end

-- A function that gives the loop a turn when it is time.
local function breather(self)
  local since = core.now()
  return function()
    if core.now() - since > BREATH then
      self.timer:arm(core.now())
      coroutine.yield()
      since = core.now()
    end
  end
end

local function set_of(names)
  local set = {}
  for _, name in ipairs(names) do
    set[name] = true
  end
  return set
end

-- What would be in two places: a supervisor cannot have the name of a service that is declared no longer, but runs.
local function clash(node, removed)
  for _, child in ipairs(node.children or {}) do
    if child.name and removed[child.name] then
      return ('supervisor "%s": a service of this name is still there: stop it first'):format(child.name)
    end
    local found = clash(child, removed)
    if found then
      return found
    end
  end
end

-- Programs of what would be started that are missing. What runs is left to itself, and a way back is never barred.
local function missing(self, how, bundle, diff, fresh)
  local started <const>, specs <const> = set_of(diff.added), {}
  for _, name in ipairs(diff.stale) do
    started[name] = true
  end
  for _, spec in ipairs(how.back and {} or fresh) do
    specs[#specs + 1] = started[spec.name] and spec or nil
  end
  local errors <const>, doubtful <const> = load.missing(specs, bundle.services, breather(self))
  for _, line in ipairs(doubtful) do
    self.parts.say(line, "warn")
  end
  return errors
end

-- Everything that can fail. Returns what the commit needs, or nil and error lines.
local function prepare(self, how)
  local parts <const> = self.parts
  local breathe <const> = breather(self)
  local raw, script = load_script(self, parts.path, how.sources)
  local specs <const> = parts.driver.specs
  local bundle, errors = load.check(raw, script, { known = specs, former = self.traces, breathe = breathe })
  if not bundle then
    return nil, errors
  end
  local all_fresh <const> = bundle.traces.fresh
  local diff <const> = differ.compare(specs, parts.driver:outdated(), parts.driver:names(), bundle.services,
    all_fresh, breathe)
  local again <const>, fresh = set_of(diff.added), {}
  for _, spec in ipairs(all_fresh) do
    if again[spec.name] or diff.keys[spec.name] then
      fresh[#fresh + 1] = spec
    end
  end
  local plans, stops = load.plans(fresh, breathe)
  errors = not plans and stops or { clash(bundle.tree, set_of(diff.removed)) }
  if not errors[1] then
    errors = missing(self, how, bundle, diff, fresh)
  end
  local carried = not errors[1] and {} or nil
  if carried and not how.plan and not how.discard then
    carried, errors = carry(self, bundle.script)
  end
  if not carried then
    bundle.script:close()
    return nil, errors
  end
  return {
    bundle = bundle, diff = diff, fresh = fresh, plans = plans, stops = stops, how = how,
    carried = carried, prune = how.prune or bundle.settings.prune,
  }
end

-- The last step that can fail; it leaves something behind only when all is well.
local function admit(self, new)
  local parts <const> = self.parts
  local logs, message = parts.open_logs(new.fresh)
  if not logs then
    new.bundle.script:close()
    return nil, { message }
  end
  new.logs = logs
  new.agent = parts.new_agent(new.bundle.script, new.carried)
  return true
end

-- What the caller is told, before it happens: nothing of members of pools that were not wanted before, and are not now.
-- What is stale and does not run, or is to be left alone (paused), is another one with its next start.
local function report(self, new)
  local driver <const>, diff <const>, how <const> = self.parts.driver, new.diff, new.how
  local unwanted, unchanged, keys = {}, diff.unchanged, {}
  for _, spec in ipairs(new.bundle.services) do
    if spec.dormant and not driver:wants(spec.name) then
      unwanted[spec.name] = true
      unchanged = unchanged - 1
    end
  end
  local function told(names)
    local list = {}
    for _, name in ipairs(names) do
      if unwanted[name] then
        unchanged = unchanged + 1 -- it is none of these
      else
        list[#list + 1] = name
        keys[name] = diff.keys[name] and json.list(diff.keys[name])
      end
    end
    return json.list(list)
  end
  local due, later, removed = {}, {}, {}
  for _, name in ipairs(diff.stale) do
    table.insert(engine.is_due(driver.state, name) and due or later, name)
  end
  for _, name in ipairs(diff.removed) do
    removed[#removed + 1] = driver:wants(name) and name or nil
  end
  return {
    generation = self.number, plan = how.plan, restart = how.restart, prune = new.prune,
    added = told(diff.added), changed = told(diff.changed), stale = told(due), later = told(later),
    removed = json.list(removed), unchanged = unchanged, keys = keys,
  }
end

-- One turn of the loop. Returns what the caller is told. The engine and the journal have it before the script of
-- before is entered once more: that may hang.
local function commit(self, new)
  local parts <const>, how <const> = self.parts, new.how
  if how.back or not value.same(self.sources, new.bundle.sources) then -- the same once more is on the same probation
    self.former, self.since, self.offences = not how.back and self.sources or nil, core.now(), 0
  end
  self.sources = new.bundle.sources
  self.traces = new.bundle.traces
  schema.move(self.traces, parts.driver.specs)
  self.number = self.number + 1
  if how.discard then
    parts.keep:clear()
  end
  local former <const> = parts.swap(new.agent)
  local result <const> = report(self, new)
  parts.say(("reloaded %s (%s): %s"):format(parts.path, how.because or "ward reload", M.describe(result)), "good")
  local pools <const> = how.restart and roll.pools(new.bundle.tree, new.diff.stale) or {}
  parts.driver:reload({
    services = new.bundle.services, fresh = new.bundle.traces.fresh, tree = new.bundle.tree,
    plans = new.plans, stops = new.stops, logs = new.logs,
    stale = set_of(new.diff.stale), restart = how.restart, prune = new.prune, rolls = roll.members(pools),
  })
  former:retire()
  new.agent:announce({ event = "reload", at = core.time(), generation = self.number })
  new.agent:start()
  self.roll:start(pools)
  self:remember()
  if self.took_over then
    self.took_over()
  end
  return result
end

-- What was compared has to be what is there: a service that is declared again may have gone for good meanwhile.
local function prepare_well(self, how)
  local driver <const> = self.parts.driver
  while true do
    local forgotten <const> = driver.forgotten
    local new, errors = prepare(self, how)
    if not new or driver.forgotten == forgotten then
      return new, errors
    end
    new.bundle.script:close()
  end
end

local function transaction(self, how)
  local new, errors = prepare_well(self, how)
  if new and self.parts.shutting_down() then
    new.bundle.script:close()
    return nil, { "shutting down" }
  elseif not new then
    return nil, errors
  elseif how.plan then
    new.bundle.script:close()
    return report(self, new)
  end
  local ok
  ok, errors = admit(self, new)
  if not ok then
    return nil, errors
  end
  return commit(self, new)
end

-- Requests -----------------------------------------------------------------------------------------------

-- Runs what has been asked for, one after the other. Those that want the same share one run, which reads the last
-- source.
local function work(self)
  while self.queue[1] do
    local request = table.remove(self.queue, 1)
    local ok, result, errors = xpcall(transaction, debug.traceback, self, request.how)
    if not ok then
      self.parts.internal_error("reload", tostring(result))
      result, errors = nil, { "internal error" }
    end
    for _, answer in ipairs(request.answers) do
      answer(result, errors)
    end
  end
  self.running = nil
end

--- Goes on with the transaction.
function Reloader:continue(co, ...)
  local ok, message = coroutine.resume(co, ...)
  if not ok then
    self.running = nil
    self.parts.internal_error("reload", tostring(message))
  end
end

local function same_how(a, b)
  for _, key in ipairs({ "plan", "restart", "prune", "discard", "sources", "back" }) do
    if (a[key] or false) ~= (b[key] or false) then
      return false
    end
  end
  return true
end

---@class ward.service.ReloadHow
---@field plan boolean? only compare
---@field restart boolean? restart what is stale
---@field prune boolean? stop what is declared no longer, whatever the script's settings are
---@field discard boolean? start without what the script has kept
---@field sources table<string, string>? texts instead of the files
---@field back boolean? to the version before
---@field because string? for the console

--- Asks for a reload; answer(result, errors) comes once, later.
---@param how ward.service.ReloadHow
---@param answer fun(result: table?, errors: string[]?)
function Reloader:request(how, answer)
  for _, request in ipairs(self.queue) do
    if same_how(request.how, how) then
      table.insert(request.answers, answer)
      return
    end
  end
  table.insert(self.queue, { how = how, answers = { answer } })
  if not self.running then
    self.running = coroutine.create(work)
    self:continue(self.running, self)
  end
end

local function count(list, what)
  return #list > 0 and ("%d %s"):format(#list, what) or nil
end

--- A reload in one line, for the console.
---@param result table
---@return string
function M.describe(result)
  local parts = {}
  local function add(text)
    parts[#parts + 1] = text
  end
  add(count(result.added, "added"))
  add(count(result.changed, "changed"))
  add(count(result.stale, result.restart and "restarted" or "to be restarted"))
  add(count(result.later, "for the next start"))
  add(count(result.removed, result.prune and "removed" or "declared no longer"))
  add(("%d unchanged"):format(result.unchanged))
  return table.concat(parts, ", ")
end

--- A reload that nobody waits for: the console hears of it.
---@param how ward.service.ReloadHow
---@param because string "SIGHUP"
function Reloader:by_itself(how, because)
  how.because = because
  self:request(how, function(_, errors)
    for _, line in ipairs(errors or {}) do
      self.parts.say(line, "bad")
    end
    if errors then
      self.parts.say(("not reloaded (%s); the version before goes on"):format(because), "bad")
    end
  end)
end

--- An entry of the script has failed as a whole. A new version that does so repeatedly gives way to the one before.
---@param err table
---@param over boolean the script runs no more
function Reloader:offence(err, over)
  local in_time = core.now() - self.since <= PROBATION
  local typed <const> = err.message:find("^eval:%d+: ") -- by somebody, and in no version
  if typed or not in_time or not self.former or not over and err.code ~= "budget" and err.code ~= "memory" then
    return
  end
  self.offences = self.offences + 1
  if self.offences < OFFENCES and not over then
    return
  end
  local former = self.former
  self.former = nil
  self.parts.say(("this version fails repeatedly within %s of its start; back to the one before: %s"):format(
    duration.format(PROBATION), err.message), "bad")
  self:by_itself({ restart = true, sources = former, back = true }, "rolled back")
end

--- Keeps the sources that run, for `ward run --last-good`.
function Reloader:remember()
  last_good.write(self.parts.last_good, self.parts.path, self.sources, self.number, self.former)
end

--- Ends what is under way.
function Reloader:close()
  if self.away then
    self.away.script:close()
    self.away = nil
  end
  self.timer:close()
  self.watch:close()
  self.running, self.queue = nil, {}
end

---@class ward.service.ReloadParts
---@field path string of the script
---@field driver ward.service.Driver
---@field keep ward.service.Keep
---@field journal ward.service.Journal
---@field last_good string where the sources are kept that worked last
---@field open_logs fun(specs: table[]): table<string, userdata>?, string? logs of those that have none
---@field new_agent fun(script: userdata, carried: table<string, table>): ward.service.Agent
---@field swap fun(agent: ward.service.Agent): ward.service.Agent makes this one the one; returns the former, to retire
---@field shutting_down fun(): boolean
---@field say fun(text: string, mood: string)
---@field internal_error fun(what: string, trace: string)

--- The reloads of one supervisor.
---@param parts ward.service.ReloadParts
---@param bundle table the version that runs
---@param number integer of that version
---@return ward.service.Reloader
function M.new(parts, bundle, number)
  local self = setmetatable({
    parts = parts, queue = {}, sources = bundle.sources, traces = bundle.traces, since = core.now(),
    offences = 0, number = number,
  }, Reloader)
  self.roll = roll.new(parts)
  self.timer = core.timer(function()
    self:continue(self.running)
  end)
  self.watch = core.timer(function()
    look_at_what_is_apart(self)
  end)
  return self
end

return M
