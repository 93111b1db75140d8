-- The methods of the control protocol that speak to the script while it runs: its commands, and code for it.
--
-- What such a task prints goes to the peer as notifications before the answer. A peer that does not take them in time
-- makes the task wait; one that goes away ends it.

local json <const> = require("ward.service.json")
local method <const> = require("ward.service.control.method")

local LATER <const>, fail <const>, required <const> = method.LATER, method.fail, method.required

local M <const> = { methods = {} }

-- Bytes that wait for a peer, above which a task that prints more has to wait, too.
local HIGH <const> = 64 * 1024

---@class ward.service.Peer
---@field session integer its number in the script
---@field runs table<integer, table> number of a task -> call

local function peer_of(control, conn)
  local peer = control.peers[conn]
  if not peer then
    peer = { session = control.next_session, runs = {} }
    control.next_session = control.next_session + 1
    control.peers[conn] = peer
  end
  return peer
end

local function answer(call, given)
  if given.ok then
    return method.respond(call, { value = given.value })
  end
  return method.respond(call, fail(given.usage and "params" or "failed", given.message,
    given.incomplete and { incomplete = true } or nil))
end

-- Starts a task in the script; the peer is told of its output and its end.
local function run(control, call, op, ...)
  local agent = control.agent()
  if not agent then
    return fail("failed", "no script runs here")
  end
  local conn, peer = call.conn, peer_of(control, call.conn)
  local id, over
  id = agent:run({
    output = function(text)
      local note = { jsonrpc = "2.0", method = "output", params = { id = call.id, text = text } }
      -- To a peer that is gone everything may be said; that it is gone comes soon.
      return not conn:tell(json.encode(note) .. "\n") or conn:queued() < HIGH
    end,
    done = function(given)
      over = true
      if id then
        peer.runs[id] = nil
      end
      answer(call, given)
    end,
  }, op, ...)
  if not over then
    peer.runs[id] = call
  end
  return LATER
end

M.methods["do"] = {
  params = { name = required(method.STRING), args = method.STRINGS },
  run = function(control, params, call)
    return run(control, call, "command", params.name, params.args or {})
  end,
}

M.methods.eval = {
  params = { code = required(method.STRING), raw = method.FLAG },
  run = function(control, params, call)
    return run(control, call, "eval", peer_of(control, call.conn).session, params.code, params.raw or false)
  end,
}

M.methods.commands = {
  params = {},
  run = function(control)
    local agent = control.agent()
    return { commands = json.list(agent and agent.verbs or {}) }
  end,
}

-- Ends a call of the same peer that is not answered yet; that call is answered with an error.
M.methods.cancel = {
  params = { id = required(method.ID) },
  run = function(control, params, call)
    for id, other in pairs(peer_of(control, call.conn).runs) do
      if other.id == params.id then
        control.agent():post("cancel_run", id)
        return { cancelled = true }
      end
    end
    return { cancelled = false }
  end,
}

--- The peer has taken all that waited for it.
---@param control ward.service.Control
---@param conn userdata
function M.drained(control, conn)
  local peer, agent = control.peers[conn], control.agent()
  for id in pairs(peer and agent and peer.runs or {}) do
    agent:post("drained", id)
  end
end

--- The peer has gone: nobody waits for its tasks any more.
---@param control ward.service.Control
---@param conn userdata
function M.closed(control, conn)
  local peer, agent = control.peers[conn], control.agent()
  control.peers[conn] = nil
  if not peer or not agent then
    return
  end
  for id, call in pairs(peer.runs) do
    call.answered = true
    agent:post("cancel_run", id)
  end
  agent:post("eval_end", peer.session)
end

return M
