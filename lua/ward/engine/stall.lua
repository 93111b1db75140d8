-- Starts that come to a halt on their way: what is to become ready waits for something that will not come by itself, or
-- only after another try. Whoever gave the command is told what, and all goes on as it would.

local exits <const> = require "ward.engine.exit"
local order <const> = require "ward.engine.order"
local reply <const> = require "ward.engine.reply"

local M <const> = {}

local GOES_ON <const> = { starting = true, ready = true, stopping = true }

--- A service has entered a state: starts that wait for it may have come to a halt.
---@param st table
---@param to string
function M.entered(st, to)
  if not GOES_ON[to] and next(st.commands) then
    st.tried = st.tried or {}
  end
end

--- A try of a service or a supervisor has failed, though the next one may have begun in the same step.
---@param st table
---@param node table
function M.tried(st, node)
  if next(st.commands) then
    st.tried = st.tried or {}
    st.tried[node] = true
  end
end

-- What is said of a service that holds up what waits for it, or nil.
local function holds_up(st, svc)
  if svc.state == "backoff" and svc.paused then
    return ", whose restarting is paused", "paused"
  elseif svc.state == "backoff" and not svc.asking or st.tried[svc] and not svc.up and not order.down(svc) then
    local due <const> = svc.deadline and svc.state == "backoff" and (" in %.3gs"):format(svc.deadline - st.now) or ""
    return (": %s; it is tried again%s"):format(exits.describe(svc.last_exit), due), "backoff"
  elseif order.down(svc) and not svc.expected then
    return ", which is " .. svc.state, svc.state
  end
end

local function say(st, node, how)
  if node.kind == "supervisor" then
    if node.state == "backoff" then
      return ('supervisor "%s" is restarted later'):format(node.name or ""), "backoff"
    end
    return nil
  end
  local text <const>, code <const> = holds_up(st, node)
  return text and ('%s "%s"%s'):format(how, node.name, text), code
end

-- Shows what a service that waits is waiting for, with how.
local function each_awaited(svc, visit)
  for _, need in ipairs(svc.needs) do
    if not need.up then
      visit(need, "needs")
    end
  end
  for _, first in ipairs(svc.firsts) do
    if first.coming then
      visit(first, "starts after")
    end
  end
  local by <const> = svc.hold
  if by then
    visit(by.trigger or by.sup, "restarts with")
  end
end

-- Why the start of a service that waits has come to a halt: text and code, or nil. `clear` are those of which is known
-- that they go on.
local function reason(st, svc, clear)
  local list <const>, seen <const>, at = { svc }, { [svc] = true }, 1
  local text, code
  local function visit(node, how)
    if not text and not seen[node] and not clear[node] then
      seen[node] = true
      text, code = say(st, node, how)
      list[#list + 1] = node.state == "waiting" and node or nil
    end
  end
  while list[at] and not text do
    each_awaited(list[at], visit)
    at = at + 1
  end
  for node in pairs(text and {} or seen) do
    clear[node] = node ~= svc or not st.tried[node]
  end
  return text, code
end

local function earlier(a, b)
  return a.serial < b.serial
end

-- Commands that start something and are not answered yet, the earliest first.
local function starts(st)
  local list <const> = {}
  for _, command in pairs(st.commands) do
    if command.op == "start" or command.op == "restart" then
      list[#list + 1] = command
    end
  end
  table.sort(list, earlier)
  return list
end

local function of_start(waiter)
  return waiter.goal == "ready" and waiter.op ~= "wait"
end

--- Answers the starts that have come to a halt in this step.
---@param st table
function M.answer(st)
  if not st.tried then
    return
  end
  local clear <const> = {}
  for _, command in ipairs(starts(st)) do
    for _, name in ipairs(command.names) do
      local svc <const> = st.by_name[name]
      local text, code
      if svc and #svc.waiters > 0 and svc.state == "waiting" then
        text, code = reason(st, svc, clear)
      elseif svc and #svc.waiters > 0 and svc.state == "backoff" and svc.paused then
        text, code = "restarting is paused", "paused"
      end
      if text then
        reply.sweep(st, svc, function(waiter)
          if of_start(waiter) then
            return false, text, code
          end
        end)
      end
    end
  end
  st.tried = nil
end

return M
