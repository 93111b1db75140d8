-- The client's end of the control socket.

local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local json <const> = require("ward.service.json")
local output <const> = require("ward.cli.output")
local paths <const> = require("ward.service.paths")

local M <const> = {}

---@class ward.cli.Client
---@field conn userdata
local Client <const> = {}
Client.__index = Client

local NO_SERVICE <const>, BAD_PARAMS <const> = -32004, -32602

--- Connects to an instance's supervisor. Says so on stderr when there is none.
---@param instance string
---@return ward.cli.Client?
---@return integer? code exit status when there is no connection
function M.connect(instance)
  local place, message = paths.runtime(instance)
  if not place then
    output.complain(message)
    return nil, exit.FAILED
  end
  local conn, err = core.connect(place.socket)
  if not conn then
    output.complain(('no supervisor answers on instance "%s" (%s)'):format(instance, place.socket))
    -- Nothing there and nobody listening are what the line says; other reasons need to be named.
    if err.errno ~= 2 and err.errno ~= 111 then
      output.complain(err.message)
    end
    return nil, exit.NO_SUPERVISOR
  end
  return setmetatable({ conn = conn, next_id = 1 }, Client)
end

local function code_of(err)
  if err.code == NO_SERVICE then
    return exit.NO_SERVICE
  end
  return err.code == BAD_PARAMS and exit.USAGE or exit.FAILED
end

-- Who is not heard is told nothing, so that it may be either.
local GONE <const> = "the supervisor closed the connection: it ended, or it hears nobody in a sandbox, as this may be"

-- One answer; nil and an exit code when none came. Notifications on the way go to note(method, params); a batch or a
-- stray line is not ours and is passed over.
local function receive(client, id, deadline, note, interrupts)
  local cancelled
  while true do
    local line, err = client.conn:recv(deadline, interrupts)
    if not line and err.code == "timeout" then
      return nil, exit.TIMEOUT, "timed out"
    elseif not line and err.code == "interrupted" and not cancelled then
      cancelled = client:ask("cancel", { id = id }, deadline)
    elseif not line then
      return nil, exit.FAILED, err.code == "closed" and GONE or err.message
    end
    local answer = json.decode(line)
    if type(answer) == "table" and (answer.id == id or answer.id == json.null) then
      return answer
    elseif type(answer) == "table" and note and type(answer.method) == "string" and type(answer.params) == "table" then
      note(answer.method, answer.params)
    end
  end
end

--- Sends a request, whose answer is not waited for.
---@return integer? id
---@return table? err
function Client:ask(method, params, deadline)
  local id = self.next_id
  self.next_id = id + 1
  local request = { jsonrpc = "2.0", id = id, method = method, params = params }
  local sent, err = self.conn:send(json.encode(request) .. "\n", deadline)
  return sent and id, err
end

--- Calls a method and waits for its answer. Failures are told on stderr.
---@param method string
---@param params table
---@param deadline? number by core.now
---@param note? fun(method: string, params: table) told of notifications that come before the answer
---@param quiet? boolean the error that the supervisor answers with is told by the caller
---@param interrupts? userdata of core.interrupts: the first SIGINT cancels the call, another one gives it up
---@return table? result
---@return integer? code exit status when there is no result
---@return table? err the error that the supervisor answered with
function Client:call(method, params, deadline, note, quiet, interrupts)
  local id, err = self:ask(method, params, deadline)
  if not id then
    output.complain(err.code == "timeout" and "cannot ask the supervisor: " .. err.message or GONE)
    return nil, err.code == "timeout" and exit.TIMEOUT or exit.FAILED
  end
  local answer, code, message = receive(self, id, deadline, note, interrupts)
  if not answer then
    output.complain(message)
    return nil, code
  elseif type(answer.error) == "table" then
    if not quiet then
      output.complain(tostring(answer.error.message))
    end
    return nil, code_of(answer.error), answer.error
  elseif type(answer.result) ~= "table" then
    output.complain("the supervisor sent an answer that makes no sense")
    return nil, exit.FAILED
  end
  return answer.result
end

--- Hands notifications to note(method, params) until it returns false or the supervisor closes the connection.
---@param note fun(method: string, params: table): boolean
function Client:follow(note)
  while true do
    local line = self.conn:recv()
    local message = line and json.decode(line)
    if not line then
      return
    elseif type(message) == "table" and type(message.params) == "table"
      and not note(tostring(message.method), message.params) then
      return
    end
  end
end

--- Waits until the supervisor closes the connection.
---@param deadline? number
---@return boolean closed false: the time was over first
function Client:wait_closed(deadline)
  while true do
    local line, err = self.conn:recv(deadline)
    if not line then
      return err.code ~= "timeout"
    end
  end
end

function Client:close()
  self.conn:close()
end

--- One call on a connection of its own.
---@param instance string
---@param method string
---@param params table
---@param timeout? number seconds
---@return table? result
---@return integer? code
function M.ask(instance, method, params, timeout)
  local client, code = M.connect(instance)
  if not client then
    return nil, code
  end
  local result
  result, code = client:call(method, params, timeout and core.now() + timeout)
  client:close()
  return result, code
end

return M
