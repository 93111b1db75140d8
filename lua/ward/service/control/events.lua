-- The method of the control protocol that tells what happens: the history, and what follows it.
--
-- A peer that does not keep up loses events and is told how many; it never makes ward wait, or hold what it does not
-- take.

local json <const> = require("ward.service.json")
local method <const> = require("ward.service.control.method")

local M <const> = { methods = {} }

-- Bytes that wait for a peer, above which it gets no more events.
local HIGH <const> = 256 * 1024

local function note(conn, name, text)
  conn:tell(('{"jsonrpc":"2.0","method":"%s","params":%s}\n'):format(name, text))
end

local function tell_lost(follower, conn)
  if follower.lost > 0 then
    note(conn, "lost", json.encode({ count = follower.lost }))
    follower.lost = 0
  end
end

M.methods.events = {
  params = { follow = method.FLAG, last = method.COUNT },
  run = function(control, params, call)
    local events = json.list({})
    for i, text in ipairs(control.history:latest(params.last and math.tointeger(params.last))) do
      events[i] = json.raw(text)
    end
    if params.follow then
      control.followers[call.conn] = control.followers[call.conn] or { lost = 0 }
    end
    return { events = events }
  end,
}

--- Something has happened.
---@param control ward.service.Control
---@param text string JSON
function M.told(control, text)
  for conn, follower in pairs(control.followers) do
    if conn:queued() > HIGH then
      follower.lost = follower.lost + 1
    else
      tell_lost(follower, conn)
      note(conn, "event", text)
    end
  end
end

--- The peer has taken all that waited for it.
---@param control ward.service.Control
---@param conn userdata
function M.drained(control, conn)
  local follower = control.followers[conn]
  if follower then
    tell_lost(follower, conn)
  end
end

--- The peer has gone.
---@param control ward.service.Control
---@param conn userdata
function M.closed(control, conn)
  control.followers[conn] = nil
end

return M
