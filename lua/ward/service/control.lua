-- The control protocol: JSON-RPC 2.0, one value a line. Whatever a line holds, the answer is a line, never an error
-- in the supervisor. Answers that take time are kept by token until the engine replies or the peer goes away.

local core <const> = require("ward.core")
local glob <const> = require("ward.glob")
local json <const> = require("ward.service.json")

local M <const> = {}

--- The longest request in bytes; the core closes a connection that sends more.
M.MAX_LINE = 64 * 1024

-- One line must not keep the loop for long.
local MAX_BATCH <const> = 64
local MAX_NAMES <const> = 1024

--- Error codes: those of JSON-RPC, and two of ours.
M.codes = {
  parse = -32700, invalid = -32600, no_method = -32601, params = -32602, internal = -32603,
  failed = -32000, unknown_service = -32004,
}

---@class ward.service.Control
local Control <const> = {}
Control.__index = Control

-- Returned by a method whose answer comes later.
local LATER <const> = {}

local function fail(code, message, data)
  return nil, { code = M.codes[code], message = message, data = data }
end

-- Parameters --------------------------------------------------------------------------------------------

local function is_names(value)
  if type(value) ~= "table" or #value == 0 or #value > MAX_NAMES then
    return false
  end
  local count = 0
  for key, name in pairs(value) do
    count = count + 1
    if math.type(key) ~= "integer" or type(name) ~= "string" or #name > 256 then
      return false
    end
  end
  return count == #value
end

local NAMES <const> = { test = is_names, is = "a list of service names" }
local FLAG <const> = {
  is = "true or false",
  test = function(value)
    return type(value) == "boolean"
  end,
}
local GOAL <const> = {
  is = '"ready" or "stopped"',
  test = function(value)
    return value == "ready" or value == "stopped"
  end,
}
local SIGNAL <const> = {
  is = "a signal name",
  test = function(value)
    return type(value) == "string" and core.signals[value] ~= nil
  end,
}

local function required(kind)
  return { test = kind.test, is = kind.is, required = true }
end

-- The first fault of params against a method's description, as a sentence.
local function params_fault(params, allowed)
  local names = {}
  for name in pairs(params) do
    if type(name) ~= "string" then
      return "params must be an object"
    elseif not allowed[name] then
      return ("unknown parameter %s"):format(json.encode(name))
    end
  end
  for name in pairs(allowed) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local rule, value = allowed[name], params[name]
    if value == nil and rule.required or value ~= nil and not rule.test(value) then
      return ('"%s" must be %s'):format(name, rule.is)
    end
  end
end

-- Methods -----------------------------------------------------------------------------------------------

local function unknown_service(word)
  if glob.is_pattern(word) then
    return fail("unknown_service", ("no service matches %s"):format(json.encode(word)), { name = word })
  end
  return fail("unknown_service", ("no such service: %s"):format(json.encode(word)), { name = word })
end

-- Members of a pool that are not wanted answer to their names only.
local function expand(control, words)
  return glob.expand(words, control.driver:names(), control.driver:shown())
end

local function failure_text(results)
  local texts = {}
  for _, result in ipairs(results) do
    if not result.ok then
      texts[#texts + 1] = ('service "%s": %s'):format(result.name, result.message or "failed")
    end
  end
  return #texts > 0 and table.concat(texts, "; ") or "failed"
end

local function outcome(ok, results)
  json.list(results)
  if ok then
    return { results = results }
  end
  return fail("failed", failure_text(results), { results = results })
end

-- Posts an event that the engine answers by token; the answer may come before post returns.
local function ask(control, call, event)
  local token = control.next_token
  control.next_token = token + 1
  event.token = token
  control.pending[token] = call
  control.tokens[call.conn] = control.tokens[call.conn] or {}
  control.tokens[call.conn][token] = true
  control.driver:post(event)
  return LATER
end

-- Methods that change services; answered when the services got there, or at once when the caller does not wait.
local function change(op)
  return {
    params = { names = required(NAMES), wait = FLAG },
    run = function(control, params, call)
      local names, missing = expand(control, params.names)
      if not names then
        return unknown_service(missing)
      end
      return ask(control, call, { kind = "command", op = op, names = names, wait = params.wait })
    end,
  }
end

local METHODS <const> = {}
for _, op in ipairs({ "start", "stop", "restart", "pause", "resume" }) do
  METHODS[op] = change(op)
end

METHODS.version = {
  params = {},
  run = function(control)
    return { version = core.version, pid = core.pid, instance = control.info.instance }
  end,
}

local function describe(control, name, now)
  local view = control.driver:view(name)
  return {
    name = name, state = view.state, ready = view.ready, desired = view.desired, pid = view.pid,
    uptime = view.uptime, restarts = view.restarts, last_exit = view.last_exit,
    next_in = view.next_at and math.max(0, view.next_at - now), in_state = view.since and now - view.since,
    degraded = view.degraded and json.list(view.degraded),
    paused = view.paused, waits_for = json.list(view.waits_for or {}), log = control.info.log_files[name],
  }
end

METHODS.status = {
  params = { names = NAMES },
  run = function(control, params)
    local names = control.driver:shown()
    if params.names then
      local missing
      names, missing = expand(control, params.names)
      if not names then
        return unknown_service(missing)
      end
    end
    local now, services = core.now(), json.list({})
    for i, name in ipairs(names) do
      services[i] = describe(control, name, now)
    end
    return {
      instance = control.info.instance, pid = core.pid, version = core.version, script = control.info.script,
      uptime = now - control.info.since, services = services,
    }
  end,
}

METHODS.why = {
  params = { names = required(NAMES) },
  run = function(control, params)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    local services = json.list({})
    for i, name in ipairs(names) do
      services[i] = control.driver:why(name)
      services[i].log = control.info.log_files[name]
      for _, key in ipairs({ "waits_for", "dead_needs", "supervisors" }) do
        json.list(services[i][key])
      end
    end
    return { now = core.now(), services = services }
  end,
}

local function lists_of(node)
  for _, key in ipairs({ "needs", "wants", "after", "children" }) do
    if node[key] then
      json.list(node[key])
    end
  end
  for _, child in ipairs(node.children or {}) do
    lists_of(child)
  end
  return node
end

METHODS.graph = {
  params = {},
  run = function(control)
    return { root = lists_of(control.driver:graph()) }
  end,
}

METHODS.signal = {
  params = { names = required(NAMES), signal = required(SIGNAL) },
  run = function(control, params)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    local all, results = true, {}
    for i, name in ipairs(names) do
      local proc, ok, err = control.driver.procs[name], false, nil
      if proc then
        ok, err = proc:signal(params.signal)
      end
      all = all and ok
      results[i] = { name = name, ok = ok and true or false, message = err and err.message }
      if not proc then
        results[i].message = "is not running"
      end
    end
    return outcome(all, results)
  end,
}

METHODS.wait = {
  params = { names = required(NAMES), ["for"] = required(GOAL) },
  run = function(control, params, call)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    return ask(control, call, { kind = "command", op = "wait", names = names, for_ = params["for"] })
  end,
}

-- Answered when all is down. The first one begins, later ones hurry, as with signals.
METHODS.shutdown = {
  params = {},
  run = function(control, _, call)
    control.shutting_down("ward shutdown")
    return ask(control, call, { kind = "shutdown" })
  end,
}

-- Requests ----------------------------------------------------------------------------------------------

local function respond(call, result, err)
  if call.id == nil or call.answered then
    return -- a notification; or the peer has gone
  end
  call.answered = true
  local response = { jsonrpc = "2.0", id = call.id }
  if err then
    response.error = err
  else
    response.result = result
  end
  call.deliver(response)
end

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
  local method = METHODS[request.method]
  if not method then
    return respond(call, fail("no_method", ("no such method: %s"):format(json.encode(request.method:sub(1, 64)))))
  end
  local params = request.params
  if params == nil then
    params = {}
  end
  local fault = type(params) ~= "table" and "params must be an object" or params_fault(params, method.params)
  if fault then
    return respond(call, fail("params", fault))
  end
  local result, err = method.run(control, params, call)
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
  for _, token in ipairs(tokens) do
    local call = self.pending[token]
    self.pending[token] = nil
    call.answered = true
    self.driver:post({ kind = "cancel", token = token })
  end
end

--- The engine has answered a command.
---@param token integer
---@param reply { ok: boolean, results: table[] }
function Control:reply(token, reply)
  local call = self.pending[token]
  if call then
    self.pending[token] = nil
    self.tokens[call.conn][token] = nil
    respond(call, outcome(reply.ok, reply.results))
  end
end

---@class ward.service.Info
---@field instance string
---@field script string
---@field since number when supervision began, by core.now
---@field log_files table<string, string>

---@class ward.service.ControlParts
---@field driver ward.service.Driver
---@field info ward.service.Info
---@field shutting_down fun(by: string) called before a shutdown that a client asked for
---@field internal_error fun(what: string, trace: string)

--- The protocol's side of a supervisor.
---@param parts ward.service.ControlParts
---@return ward.service.Control
function M.new(parts)
  return setmetatable({
    driver = parts.driver, info = parts.info, shutting_down = parts.shutting_down,
    internal_error = parts.internal_error, pending = {}, tokens = {}, next_token = 1,
  }, Control)
end

return M
