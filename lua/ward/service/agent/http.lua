-- Requests of a script to web servers (ward.http).

local core <const> = require("ward.core")
local duration <const> = require("ward.duration")
local json <const> = require("ward.service.json")

local M <const> = { ops = {} }

-- At once: requests, and bytes that their answers may have.
local MAX_REQUESTS <const>, MAX_BYTES <const> = 256, 64 << 20

-- A URL as messages show it: without the password.
local function shown(url)
  return (url:gsub("^(%w+://)[^/?#]*@", "%1"))
end

-- "HTTP/1.1 200 OK\r\nA: b\r\n" -> { a = "b" }; the values of a name that comes twice are joined.
local function headers_of(head)
  local headers = {}
  for name, text in head:gmatch("\n([^:\r\n]+):[ \t]*([^\r\n]*)") do
    name, text = name:lower(), text:gsub("[ \t]+$", "")
    headers[name] = headers[name] and headers[name] .. ", " .. text or text
  end
  return headers
end

-- JSON's null is Lua's nil, and its whole numbers are integers.
local function as_lua(value)
  if value == json.null then
    return nil
  elseif type(value) == "number" then
    return math.tointeger(value) or value
  elseif type(value) == "table" then
    for key, item in pairs(value) do
      value[key] = as_lua(item)
    end
  end
  return value
end

-- The value of an answer that is JSON, or an error.
local function read_json(answer, what)
  if not answer.ok then
    return nil, { code = "status", status = answer.status, message = ("%s: status %d"):format(what, answer.status) }
  end
  local value, message = json.decode(answer.body)
  if message then
    return nil, { code = "json", message = ("%s: no JSON: %s"):format(what, message) }
  end
  answer.value = as_lua(value)
  return answer
end

local function answer_of(request, what, result, err)
  if not result then
    local message = err.code == "timeout" and "not done within " .. duration.format(request.seconds) or err.message
    return nil, { code = err.code, errno = err.errno, message = ("%s: %s"):format(what, message) }
  end
  local answer = {
    ok = result.status >= 200 and result.status < 300, status = result.status,
    headers = headers_of(result.head), body = result.body,
  }
  if request.json then
    return read_json(answer, what)
  end
  return answer
end

local function too_many(self, request)
  local count, bytes = 0, request.max_size
  for _, other in pairs(self.requests) do
    count, bytes = count + 1, bytes + other.max_size
  end
  if count >= MAX_REQUESTS then
    return ("a script can have %d requests at once"):format(MAX_REQUESTS)
  elseif bytes > MAX_BYTES then
    return ("the answers to all requests of a script may be %d MiB large"):format(MAX_BYTES >> 20)
  end
end

function M.ops.http(self, id, request)
  local what = (request.body or request.json_body) and "POST " or "GET "
  what = what .. shown(request.url)
  local message = too_many(self, request)
  if message then
    return nil, { code = "EMFILE", message = ("%s: %s"):format(what, message) }
  end
  if request.json_body then
    local ok, text = pcall(json.encode, request.json_body)
    if not ok then
      return nil, { code = "json", message = ("%s: the body has no JSON form"):format(what) }
    end
    request.body = text
    table.insert(request.headers, 1, "Content-Type: application/json")
  end
  local handle, err = core.http({
    url = request.url, headers = request.headers, body = request.body, unix = request.unix, ca = request.ca,
    timeout = math.max(1, request.seconds * 1000 // 1 | 0), max_size = request.max_size,
    redirects = request.redirects,
  }, function(result, failed)
    self.requests[id] = nil
    self:post("http", id, answer_of(request, what, result, failed))
  end)
  if not handle then
    return nil, { code = err.code, errno = err.errno, message = ("%s: %s"):format(what, err.message) }
  end
  self.requests[id] = { handle = handle, max_size = request.max_size }
  return true
end

function M.ops.http_cancel(self, id)
  if self.requests[id] then
    self.requests[id].handle:close()
    self.requests[id] = nil
  end
end

--- Ends what the script had.
---@param self ward.service.Agent
function M.close(self)
  for _, request in pairs(self.requests) do
    request.handle:close()
  end
  self.requests = {}
end

return M
