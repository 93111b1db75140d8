-- Methods of a world that tell what is, and what has happened.

local copy <const> = require "ward.sim.copy"
local inside <const> = require "ward.sim.inside"
local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local methods <const> = {}

local book_of <const> = inside.book_of
local state_of <const> = inside.state_of

--- The state of a service: "stopped", "waiting", "starting", "ready", "stopping", "backoff", "failed", "done", "stuck".
---@param name string
---@return string
function methods:state(name)
  book_of(self, name)
  return state_of(self, name)
end

--- Whether a service is up: ready, or a oneshot that is done.
---@param name string
---@return boolean
function methods:ready(name)
  book_of(self, name)
  return self.driver:view(name).ready
end

--- The pid of a service, nil while it does not run.
---@param name string
---@return integer|nil
function methods:pid(name)
  local proc <const> = book_of(self, name).proc
  return proc and proc.pid
end

--- How often a service was launched, failures included.
---@param name string
---@return integer
function methods:starts(name) return book_of(self, name).starts end

--- The signals that the processes of a service have got so far, such as { "TERM", "KILL" }.
---@param name string
---@return string[]
function methods:signals(name) return copy.plain(book_of(self, name).signals) end

--- What `ward status --json` is made of: state, ready, pid, since, restarts, last_exit, next_at, desired, waits_for.
---@param name string
---@return table
function methods:status(name)
  book_of(self, name)
  return copy.plain(self.driver:view(name))
end

--- What `ward why` is made of: decision { rule, outcome }, counters and limits, held, supervisors.
---@param name string
---@return table
function methods:why(name)
  book_of(self, name)
  return copy.plain(self.driver:why(name))
end

--- The tree of supervisors and services, as nested tables with `name`, `state` and `children`.
---@return table
function methods:graph() return copy.plain(self.driver:graph()) end

--- The names of all services, in the order of the tree.
---@return string[]
function methods:names() return copy.plain(self.driver:names()) end

-- What happened ----------------------------------------------------------------------------------------------

local TYPES <const> = {
  "stopped", "waiting", "starting", "ready", "stopping", "backoff", "failed", "done", "stuck", "signal", "rule_failed",
  "shutdown", "give_up", "auto_shutdown", "supervisor_backoff", "supervisor_up", "note",
}

local known_type <const> = {}
for _, name in ipairs(TYPES) do known_type[name] = true end

local function names_in(node, found)
  if node.name then found[#found + 1] = node.name end
  for _, child in ipairs(node.children or {}) do names_in(child, found) end
  return found
end

local function check_filter(self, filter)
  if known_type[filter] then return end
  local names <const> = names_in(self.driver:graph(), {})
  for _, name in ipairs(names) do
    if name == filter then return end
  end
  if type(filter) ~= "string" then value.must("a filter", "a type of events, or a name", filter) end
  value.fail("", ("no event, service or supervisor is called %s%s"):format(value.quote(filter),
    suggest.hint(filter, table.move(TYPES, 1, #TYPES, #names + 1, names))))
end

--- What ward told so far, in order: tables with `type` (the state that a service entered, or "signal", "shutdown",
--- "give_up", "auto_shutdown", "supervisor_backoff", "supervisor_up", "rule_failed", "note"), `name`, `at`, and what
--- belongs to it: `from`, `pid`, `exit`, `delay`, `reason`, `signal`, `message`.
---@param ... string a type, a name or both: only events that have all of them
---@return table[]
function methods:events(...)
  local filters <const> = table.pack(...)
  for i = 1, filters.n do check_filter(self, filters[i]) end
  local list <const> = {}
  for _, event in ipairs(self.told) do
    local fits = true
    for _, filter in ipairs(filters) do fits = fits and (event.type == filter or event.name == filter) end
    if fits then list[#list + 1] = copy.plain(event) end
  end
  return list
end

--- What scripts hear with ward.on, and `ward events` prints: tables with `event` and what belongs to it.
---@param event string|nil only those that are called so
---@return table[]
function methods:heard(event)
  if event ~= nil then value.string("the event", event) end
  local list <const> = {}
  for _, each in ipairs(self.heard_events) do
    if event == nil or each.event == event then list[#list + 1] = copy.plain(each) end
  end
  return list
end

--- The lines that the script has printed or logged so far.
---@return string[]
function methods:log() return copy.plain(self.core.printed) end

--- What went wrong in the script's tasks so far: "file:line: text".
---@return string[]
function methods:errors() return copy.plain(self.problems) end

--- The children of tasks, and stop commands, in the order of their launch: { cmd, spec, at, stdin = what was written
--- to it, signals, exit = nil while it runs }.
---@return table[]
function methods:children()
  local list <const> = {}
  for i, record in ipairs(self.core.records) do
    list[i] = copy.plain(record)
    list[i].cmd = list[i].spec.cmd
  end
  return list
end

return methods
