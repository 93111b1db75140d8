-- What an operator asks for. Commands only set what is desired and queue inputs; the table decides.

local graph <const> = require "ward.engine.graph"
local life <const> = require "ward.engine.life"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local reply <const> = require "ward.engine.reply"
local scripted <const> = require "ward.engine.scripted"
local stall <const> = require "ward.engine.stall"
local state <const> = require "ward.engine.state"
local tree <const> = require "ward.engine.tree"

local M <const> = {}

local SHUTTING_DOWN <const> = "shutting down"

-- The services that are named, each once, in declaration order.
local function targets(st, names)
  local list, seen = {}, {}
  for _, name in ipairs(names) do
    local svc = st.by_name[name]
    if svc and not seen[svc] then
      seen[svc] = true
      list[#list + 1] = svc
    end
  end
  table.sort(list, function(a, b)
    return a.index < b.index
  end)
  return list, seen
end

-- Answers the commands that wait for the opposite of what is now asked.
local function supersede(st, svc, goal, by)
  reply.sweep(st, svc, function(waiter)
    if waiter.op ~= "wait" and waiter.goal ~= goal then
      return false, "superseded by " .. by, "superseded"
    end
  end)
end

local function want(st, svc, desired)
  if desired == "up" and svc.desired == "down" then
    st.raised = st.raised or {}
    table.insert(st.raised, svc)
  end
  svc.desired = desired
  order.expected_anew(st, svc)
end

-- Sets the targets and all that they need desired up; returns what was not named.
local function raise(st, list, named, op, by_script)
  local wanted, seen = {}, {}
  for _, svc in ipairs(list) do
    svc.paused = by_script and svc.paused or nil
    want(st, svc, "up")
    supersede(st, svc, "ready", op)
    for _, need in ipairs(graph.reach(svc, "pulls", seen)) do
      if not named[need] and not wanted[need] then
        wanted[need] = true
        wanted[#wanted + 1] = need
        want(st, need, "up")
        supersede(st, need, "ready", ('%s of "%s"'):format(op, svc.spec.name))
      end
    end
  end
  table.sort(wanted, function(a, b)
    return a.index < b.index
  end)
  return wanted
end

local OPS <const> = {}

--- Queues starts; what starts after them waits.
---@param st table
---@param list table[]
---@param input "want"|"start"|"auto"
function M.begin(st, list, input)
  for _, svc in ipairs(list) do
    order.expect(st, svc, true)
    out.push(st, svc, input)
  end
end

-- Those that may be started; a start that is refused changes nothing.
local function allowed(st, list, by_script)
  local kept = {}
  st.refused = {}
  for _, svc in ipairs(list) do
    local why <const> = by_script and scripted.refusal(st, svc)
    st.refused[svc] = why or nil
    kept[#kept + 1] = not why and svc or nil
  end
  return kept
end

function OPS.start(st, names, by_script)
  local list, named = targets(st, names)
  list = allowed(st, list, by_script)
  local wanted = raise(st, list, named, "start", by_script)
  M.begin(st, list, by_script and "auto" or "start")
  M.begin(st, wanted, "want") -- also those that the former lay down
end

--- What has to be done to restart services: what lives stops, and comes back because it is desired up.
---@param st table
---@param list table[]
---@param by_script boolean|nil
---@return table[] stops
---@return table[] starts
function M.restarts(st, list, by_script)
  local stops, starts = {}, {}
  local again <const> = by_script and life.again_by_script or life.again
  for _, svc in ipairs(list) do
    if order.live(svc) or svc.up then
      again(st, svc)
      stops[#stops + 1] = svc
    else
      starts[#starts + 1] = svc
    end
  end
  return stops, starts
end

-- Stops go dependents first.
function OPS.restart(st, names, by_script)
  local list, named = targets(st, names)
  list = allowed(st, list, by_script)
  local wanted = raise(st, list, named, "restart", by_script)
  local stops, starts = M.restarts(st, list, by_script)
  state.halt_all(st, stops, { reason = "restart" })
  M.begin(st, stops, by_script and "auto" or "start") -- also when their stop is the end of a supervisor
  M.begin(st, starts, by_script and "auto" or "start")
  M.begin(st, wanted, "want")
end

function OPS.stop(st, names)
  local list = {}
  for at, svc in ipairs((targets(st, names))) do
    list[at] = svc
  end
  table.sort(list, function(a, b)
    return a.index > b.index
  end)
  for _, svc in ipairs(list) do
    want(st, svc, "down")
    supersede(st, svc, "stopped", "stop")
  end
  state.halt_all(st, list, { reason = "stop" }, true)
end

--- What is down, or ends from now on, stays down until restarting is resumed or a start names it.
function OPS.pause(st, names)
  for _, svc in ipairs((targets(st, names))) do
    life.pause(st, svc)
  end
end

function OPS.resume(st, names)
  for _, svc in ipairs((targets(st, names))) do
    if svc.paused then
      svc.paused = nil
      order.expected_anew(st, svc)
      out.push(st, svc, "resume")
    end
  end
end

function OPS.wait()
end

--- First half of a command: what it changes.
---@param st table
---@param event { op: "start"|"stop"|"restart"|"pause"|"resume"|"wait", names: string[], by: "script"|nil }
function M.apply(st, event)
  local op = OPS[event.op]
  if not op then
    error(('engine: unknown command "%s"'):format(event.op), 0)
  elseif event.op == "wait" and event.for_ ~= "ready" and event.for_ ~= "stopped" then
    error("engine: a wait is for ready or for stopped", 0)
  elseif event.token ~= nil and st.commands[event.token] then
    error("engine: a command with this token is still open", 0)
  end
  if st.level == 0 or event.op == "stop" then
    op(st, event.names, event.by == "script")
  end
end

-- true or false settles a name at once; nil: it has to wait.
local function verdict(st, svc, goal, event, clear)
  if not svc then
    return false, "no such service", "unknown"
  elseif event.op == "pause" or event.op == "resume" then
    return true
  elseif st.level > 0 and goal == "ready" then
    return false, SHUTTING_DOWN, "shutdown"
  elseif st.refused and st.refused[svc] then
    return false, st.refused[svc], svc.state
  end
  local ok, message, code = state.reached(svc, goal)
  if ok == nil and goal == "ready" then
    message, code = state.hopeless(svc, clear)
    ok = message and false
  end
  if ok == nil and event.wait == false then
    return true
  end
  return ok, message, code
end

-- Who waited for one that was stopped by hand, or for what needs it, had nothing against him; now what that needs may
-- be over.
local function answer_raised(st)
  local clear <const>, seen <const> = {}, {}
  for _, raised in ipairs(st.raised or {}) do
    local list <const> = graph.reach(raised, "users", seen)
    list[#list + 1] = raised
    for _, svc in ipairs(list) do
      local message, code
      if #svc.waiters > 0 and svc.desired == "up" then
        message, code = state.hopeless(svc, clear)
      end
      if message then
        state.answer_ready(st, svc, message, code)
      end
    end
  end
  st.raised = nil
end

--- Second half, when all that follows at once has happened: answers now, or waits.
---@param st table
---@param event { op: string, names: string[], for_: string|nil, token: any, wait: boolean|nil }
function M.register(st, event)
  answer_raised(st)
  if event.token == nil then
    st.refused = nil
    return
  end
  local goal = event.op == "stop" and "stopped" or event.op == "wait" and event.for_ or "ready"
  local clear <const> = {}
  local command = reply.open(st, event.token, event.names, event.op)
  for slot, name in ipairs(event.names) do
    local svc = st.by_name[name]
    local ok, message, code = verdict(st, svc, goal, event, clear)
    if ok == nil then
      stall.entered(st, svc.state)
      table.insert(svc.waiters, { command = command, slot = slot, goal = goal, op = event.op })
    else
      reply.settle(st, command, slot,
        { name = name, state = svc and svc.state, ok = ok, message = message, code = code })
    end
  end
  st.refused = nil
end

--- Shutdown: once to begin, again to hurry.
---@param st table
---@param event { token: any, code: integer|nil, reason: string|nil } code: of the exit, when all is well
function M.shutdown(st, event)
  st.level = st.level + 1
  st.code = event.code or st.code
  if event.token ~= nil then
    table.insert(st.shutdown_tokens, event.token)
  end
  out.emit(st, { kind = "event", type = "shutdown", level = st.level, live = st.live, reason = event.reason })
  if st.level == 1 then
    tree.shut(st)
  end
  local why <const> = { reason = "shutdown" }
  for at = #st.services, 1, -1 do
    local svc = st.services[at]
    if st.level > 1 then
      out.push(st, svc, "hurry")
    else
      out.push(st, svc, "halt", why)
      reply.sweep(st, svc, function(waiter)
        if waiter.goal == "ready" then
          return false, SHUTTING_DOWN, "shutdown"
        end
      end)
    end
  end
end

-- What shutdown could not bring down, or not undo.
local function survivors(st)
  local results = {}
  for _, svc in ipairs(st.services) do
    local ok, message, code = state.reached(svc, "stopped")
    if not ok then
      results[#results + 1] = { name = svc.spec.name, state = svc.state, ok = false, message = message, code = code }
    end
  end
  return results
end

--- Ends the shutdown when nothing lives that could still be waited for.
---@param st table
function M.finish(st)
  if st.level == 0 or st.live > 0 or st.quit and #st.shutdown_tokens == 0 then
    return
  end
  local results = survivors(st)
  for _, token in ipairs(st.shutdown_tokens) do
    out.emit(st, { kind = "reply", token = token, ok = #results == 0, results = results })
  end
  st.shutdown_tokens = {}
  if not st.quit then
    st.quit = true
    out.emit(st, { kind = "quit", code = #results == 0 and st.code or 1 })
  end
end

return M
