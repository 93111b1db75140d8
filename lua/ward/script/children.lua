-- Children of tasks: ward.spawn and what it returns.
--
-- The processes and pipes themselves are on the supervisor's side, under a number each; this side asks for
-- things with host.request and is told the rest through M.told. A child ends with the task that started it.

local failure <const> = require "ward.script.failure"
local handles <const> = require "ward.script.handle"
local scheduler <const> = require "ward.script.scheduler"
local schema <const> = require "ward.schema"
local signals <const> = require "ward.schema.signals"
local streams <const> = require "ward.script.streams"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local TIMEOUT <const> = scheduler.TIMEOUT

-- How many ended children may have unread pipes before the collector is asked whether anybody still wants them.
local MANY <const> = 64

local Children <const> = {}
Children.__index = Children

local M <const> = {}

local SIDES <const> = { "stdin", "stdout", "stderr" }

-- What a task owns of a child is its hold, not the handle: that can be collected while the task goes on.
local function forget(self, hold)
  self.unread[hold.id] = nil
  self.scheduler:disown(hold.owner, hold)
  self.request("forget", hold.id)
end

-- Ended children whose handle nobody has any more: their pipes are closed.
local function sweep(self)
  local count = 0
  for id, hold in next, self.unread do
    if self.ended[id] then count = count + 1 else forget(self, hold) end
  end
  if count > self.most then
    collectgarbage()
    self.most = math.max(MANY, 2 * count)
  end
end

local function has_open_stream(child)
  for _, side in ipairs(SIDES) do
    if child[side] and not child[side].closed then return true end
  end
  return false
end

-- A child that has ended and whose pipes are all closed needs nothing of the other side.
local function settle(self, child)
  if not child.exit then return end
  if has_open_stream(child) then
    self.unread[child.id], self.ended[child.id] = child.hold, child
  else
    forget(self, child.hold)
  end
end

local function launch(self, at, what, spec)
  local current <const> = self.scheduler:need(at, what)
  local canonical <const>, message <const> = schema.child(spec, self.host, at)
  if not canonical then error(("%s: %s: %s"):format(at, what, message), 0) end
  self.scheduler:may_wait(at, what)
  self.serial = self.serial + 1
  if self.serial % MANY == 0 then sweep(self) end
  local id <const> = self.serial
  local ok <const>, err <const> = self.request("spawn", id, canonical)
  if not ok then return failure.from(err) end
  local hold <const> = { id = id, owner = current }
  local child <const> = { id = id, starting = current, hold = hold }
  local handle <const> = setmetatable({}, self.class)
  self.of[handle] = child
  for _, side in ipairs(SIDES) do
    if canonical[side].kind == "pipe" then child[side] = streams.new(self.streams, child, side) end
  end
  self.live[id] = child
  self.scheduler:own(current, hold, function() forget(self, hold) end)
  -- Soon: the program runs, or a step before it has failed.
  self.scheduler:park(at, what)
  child.starting = nil
  if child.failed then return failure.from(child.failed) end
  return handle
end

local function spawn_failure(exit)
  return { code = "spawn_failed", stage = exit.stage, errno = exit.errno, message = exit.message }
end

local TOLD <const> = {}

function TOLD.started(self, child, pid)
  child.pid = pid
  if child.starting then self.scheduler:wake(child.starting) end
end

function TOLD.exit(self, child, exit)
  self.live[child.id] = nil
  if not child.pid then
    child.failed = spawn_failure(exit)
    for _, side in ipairs(SIDES) do
      if child[side] then child[side].closed = true end
    end
  end
  child.exit = exit
  if child.starting then self.scheduler:wake(child.starting) end
  self.scheduler:wake_all(child.waiters or {})
  child.waiters = nil
  settle(self, child)
end

function TOLD.read(_, child, side, bytes, err) streams.read(child[side], bytes, err) end
function TOLD.wrote(_, child, _, ok, err) streams.wrote(child.stdin, ok, err) end

--- What the other side has to say about a child.
---@param self table as of M.new
---@param id integer
---@param what "started"|"exit"|"read"|"wrote"
function M.told(self, id, what, ...)
  local child <const> = self.live[id] or self.ended[id]
  if child then TOLD[what](self, child, ...) end
end

-- What stands behind a handle. Whoever writes p.wait() where p:wait() is meant hears of it at his line.
local function behind(self, at, what, handle)
  local child <const> = self.of[handle]
  if not child then error(handles.misuse(at, what, "p"), 0) end
  return child
end

local function methods(self, located)
  local list <const> = {}

  list.wait = located(function(at, handle, timeout)
    local what <const> = "child:wait"
    local child <const> = behind(self, at, what, handle)
    local current <const> = self.scheduler:need(at, what)
    local deadline <const> = tasks.deadline(self.scheduler, at, what, timeout)
    while not child.exit do
      self.scheduler:may_wait(at, what)
      child.waiters = child.waiters or {}
      child.waiters[current] = true
      local woken <const> = self.scheduler:park(at, what, deadline)
      if child.waiters then child.waiters[current] = nil end
      if woken == TIMEOUT then return failure.of("timeout", "the child has not ended in time") end
    end
    return child.exit
  end)

  list.kill = located(function(at, handle, signal)
    local child <const> = behind(self, at, "child:kill", handle)
    if child.exit then return failure.of("ESRCH", "the child has ended") end
    local ok <const>, err <const> = self.request("kill", child.id,
      tasks.argument(at, "child:kill", signals.check, "the signal", signal or "TERM"))
    if not ok then return failure.from(err) end
    return true
  end)

  return list
end

-- What a script sees of a child besides its methods.
local SHOWN <const> = { pid = true, stdin = true, stdout = true, stderr = true }

local function class_of(self, located)
  local list <const> = methods(self, located)
  return {
    __metatable = "child", __name = "child",
    __index = function(handle, key)
      if SHOWN[key] then return self.of[handle][key] end
      return list[key]
    end,
    __newindex = located(function(at, _, key)
      error(("%s: a child is not written to: %s"):format(at, value.quote(tostring(key))), 0)
    end),
  }
end

--- The children of one generation.
---@param parts table scheduler; host: as for schema.child; request: fn(op, ...); located
---@return table children
---@return fun(at: string, what: string, spec: table): table|nil, table|nil launch
function M.new(parts)
  local self <const> = setmetatable({
    scheduler = parts.scheduler, host = parts.host, request = parts.request, serial = 0, live = {}, unread = {},
    ended = setmetatable({}, { __mode = "v" }), most = MANY,
    of = setmetatable({}, { __mode = "k" }), -- handle -> what it is about
  }, Children)
  self.class = class_of(self, parts.located)
  self.streams = streams.class {
    scheduler = parts.scheduler, request = parts.request, located = parts.located,
    closed = function(child) settle(self, child) end,
  }
  return self, function(at, what, spec) return launch(self, at, what, spec) end
end

return M
