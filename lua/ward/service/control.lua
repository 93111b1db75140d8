-- The control protocol: JSON-RPC 2.0, one value a line. Whatever a line holds, the answer is a line, never an error
-- in the supervisor. Answers that take time are kept by token until the engine replies or the peer goes away.

local events <const> = require("ward.service.control.events")
local json <const> = require("ward.service.json")
local live <const> = require("ward.service.control.live")
local method <const> = require("ward.service.control.method")

local M <const> = {}

--- The longest request in bytes; the core closes a connection that sends more.
M.MAX_LINE = 64 * 1024

-- One line must not keep the loop for long.
local MAX_BATCH <const> = 64

--- Error codes.
M.codes = method.codes

local METHODS <const> = {}
for _, name in ipairs({ "services", "live", "events" }) do
  for key, known in pairs(require("ward.service.control." .. name).methods) do
    METHODS[key] = known
  end
end

---@class ward.service.Control
local Control <const> = {}
Control.__index = Control

local LATER <const>, fail <const>, respond <const> = method.LATER, method.fail, method.respond

-- Requests ----------------------------------------------------------------------------------------------

local function invalid(call, code, message)
  call.id = call.id or json.null
  respond(call, fail(code, message))
end

local function usable_id(id)
  local kind = type(id)
  return kind == "string" or kind == "number" and id == id and math.abs(id) < math.huge or id == json.null
end

local function handle(control, request, call)
  if type(request) ~= "table" or request[1] ~= nil then
    return invalid(call, "invalid", "a request must be an object")
  elseif request.id ~= nil and not usable_id(request.id) then
    return invalid(call, "invalid", "id must be a string, a number or null")
  end
  call.id = request.id
  if request.jsonrpc ~= "2.0" then
    return invalid(call, "invalid", 'jsonrpc must be "2.0"')
  elseif type(request.method) ~= "string" then
    return invalid(call, "invalid", "method must be a string")
  end
  local known = METHODS[request.method]
  if not known then
    return respond(call, fail("no_method", ("no such method: %s"):format(json.encode(request.method:sub(1, 64)))))
  end
  local params = request.params
  if params == nil then
    params = {}
  end
  local fault = type(params) ~= "table" and "params must be an object" or method.fault(params, known.params)
  if fault then
    return respond(call, fail("params", fault))
  end
  local result, err = known.run(control, params, call)
  if result ~= LATER then
    respond(call, result, err)
  end
end

local function handle_guarded(control, request, call)
  local ok, err = xpcall(handle, debug.traceback, control, request, call)
  if not ok then
    control.internal_error("control request", tostring(err))
    respond(call, fail("internal", "internal error"))
  end
end

-- The answers of a batch go out as one list, when the last of them is there.
local function handle_batch(control, conn, requests)
  local answers, expected, closed = json.list({}), 0, false
  local function flush()
    if closed and expected == 0 and #answers > 0 then
      conn:send(json.encode(answers) .. "\n")
    end
  end
  for _, request in ipairs(requests) do
    local call = { conn = conn }
    call.deliver = function(response)
      answers[#answers + 1] = response
      if call.counted then
        expected = expected - 1
        flush()
      end
    end
    handle_guarded(control, request, call)
    if call.id ~= nil and not call.answered then
      call.counted, expected = true, expected + 1
    end
  end
  closed = true
  flush()
end

--- A line came in.
---@param conn userdata
---@param line string
function Control:line(conn, line)
  local call = {
    conn = conn,
    deliver = function(response)
      conn:send(json.encode(response) .. "\n")
    end,
  }
  local request, message = json.decode(line)
  if message then
    return invalid(call, "parse", "parse error: " .. message:gsub("^.-: ", ""):sub(1, 200))
  elseif not line:find("^%s*%[") then
    return handle_guarded(self, request, call)
  elseif #request == 0 then
    return invalid(call, "invalid", "a batch must not be empty")
  elseif #request > MAX_BATCH then
    return invalid(call, "invalid", ("a batch may hold %d requests"):format(MAX_BATCH))
  end
  handle_batch(self, conn, request)
end

--- A line was longer than MAX_LINE; the core closes the connection after this.
---@param conn userdata
function Control.oversize(_, conn)
  local _, err = fail("invalid", "request too large")
  conn:send(json.encode({ jsonrpc = "2.0", id = json.null, error = err }) .. "\n")
  conn:close()
end

--- The peer has gone: nobody waits for its answers any more. What it asked for goes on.
---@param conn userdata
function Control:closed(conn)
  local tokens = {}
  for token in pairs(self.tokens[conn] or {}) do
    tokens[#tokens + 1] = token
  end
  table.sort(tokens)
  self.tokens[conn] = nil
  live.closed(self, conn)
  events.closed(self, conn)
  for _, token in ipairs(tokens) do
    local call = self.pending[token]
    self.pending[token] = nil
    call.answered = true
    self.driver:post({ kind = "cancel", token = token })
  end
end

--- The peer has taken all that waited for it.
---@param conn userdata
function Control:drained(conn)
  live.drained(self, conn)
  events.drained(self, conn)
end

--- The engine has answered a command.
---@param token integer
---@param reply { ok: boolean, results: table[] }
function Control:reply(token, reply)
  local call = self.pending[token]
  if call then
    self.pending[token] = nil
    self.tokens[call.conn][token] = nil
    respond(call, method.outcome(reply.ok, reply.results))
  end
end

---@class ward.service.Info
---@field instance string
---@field script string
---@field since number when supervision began, by core.now
---@field log_files table<string, string>

---@class ward.service.ControlParts
---@field driver ward.service.Driver
---@field reloader ward.service.Reloader
---@field info ward.service.Info
---@field agent fun(): ward.service.Agent? the script that runs
---@field history ward.service.History
---@field quarantined fun(): { at: number, because: string }? what has ended the script's part
---@field shutting_down fun(by: string) called before a shutdown that a client asked for
---@field internal_error fun(what: string, trace: string)

--- The protocol's side of a supervisor.
---@param parts ward.service.ControlParts
---@return ward.service.Control
function M.new(parts)
  local self = setmetatable({
    driver = parts.driver, reloader = parts.reloader, info = parts.info, agent = parts.agent, history = parts.history,
    quarantined = parts.quarantined,
    shutting_down = parts.shutting_down, internal_error = parts.internal_error,
    pending = {}, tokens = {}, next_token = 1, peers = {}, next_session = 1, followers = {},
  }, Control)
  parts.history.told = function(text)
    events.told(self, text)
  end
  return self
end

return M
