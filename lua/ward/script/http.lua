-- ward.http: a script asks web servers. The requests themselves are on the supervisor's side, under a number each.

local failure <const> = require "ward.script.failure"
local plain <const> = require "ward.script.plain"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local TIMEOUT <const>, MAX_TIMEOUT <const> = 10, 86400
local MAX_SIZE <const>, MOST_SIZE <const> = 1 << 20, 16 << 20
local REDIRECTS <const>, MOST_REDIRECTS <const> = 5, 20
local MAX_URL <const>, MAX_HEADERS <const>, MAX_HEADER <const> = 8192, 100, 8192

local KEYS <const> = {}
for _, key in ipairs { "timeout", "max_size", "headers", "redirects", "unix", "ca" } do
  KEYS[#KEYS + 1] = { key = key, since = "0.1.0" }
end

local URL <const> = 'a URL such as "http://127.0.0.1:8080/"'

local function url_of(path, given)
  value.string(path, given, { max = MAX_URL, what = URL })
  if not given:find("^https?://[^/%s]") then
    value.must(path, URL, given)
  end
  if given:find("[%c ]") then value.fail(path, "contains a space or a control character") end
  return given
end

-- { Accept = "text/plain" } -> { "Accept: text/plain" }
local function headers_of(path, given)
  local lines = {}
  for i, name in ipairs(value.keys(path, given, '; headers are written as { Accept = "text/plain" }')) do
    local at <const> = ("%s[%s]"):format(path, value.quote(name))
    if i > MAX_HEADERS then value.fail(path, ("has more than %d headers"):format(MAX_HEADERS)) end
    if not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then value.fail(at, "is not the name of a header") end
    local text <const> = value.text(at, given[name], { min = 0, max = MAX_HEADER })
    if text:find("[\r\n]") then value.fail(at, "contains a line break") end
    lines[i] = text == "" and name .. ";" or name .. ": " .. text -- as libcurl has those that are empty
  end
  return lines
end

local function options_of(given, dir, most)
  value.known("the options", given, KEYS)
  local function path(key)
    local text <const> = given[key] ~= nil and value.string(key, given[key], { max = value.MAX_PATH }) or nil
    return text and text:sub(1, 1) ~= "/" and dir .. "/" .. text or text
  end
  local seconds <const> = given.timeout == nil and TIMEOUT or value.duration("timeout", given.timeout, MAX_TIMEOUT)
  if seconds < 0.001 then value.fail("timeout", "must be at least 1ms") end
  return {
    seconds = seconds,
    max_size = given.max_size == nil and math.min(MAX_SIZE, most) or value.size("max_size", given.max_size, most),
    headers = given.headers ~= nil and headers_of("headers", given.headers) or {},
    redirects = given.redirects == nil and REDIRECTS
      or value.integer("redirects", given.redirects, 0, MOST_REDIRECTS),
    unix = path "unix", ca = path "ca",
  }
end

-- The body of a POST: text as it is, a table as JSON.
local function body_of(path, given)
  if type(given) == "table" then return nil, plain.copy(path, given) end
  if type(given) ~= "string" then value.must(path, "a string, or a table that is sent as JSON", given) end
  if #given > MOST_SIZE then value.fail(path, "is larger than 16 MiB") end
  return given
end

--- The functions of ward.http, as name -> fn(at, ...), and what is told of an answer.
---@param scheduler ward.script.Scheduler
---@param host table request; dir: what paths are relative to
---@return table<string, function>
---@return fun(id: integer, answer: table|nil, err: table|nil) tell
function M.new(scheduler, host)
  local waiting <const>, functions <const> = {}, {}
  local serial = 0

  -- Asks, and waits for the answer. The end of the task ends the request.
  local function ask(at, what, request)
    local current <const> = scheduler:need(at, what)
    scheduler:may_wait(at, what)
    serial = serial + 1
    local id <const> = serial
    local entry <const> = { task = current }
    local ok <const>, err <const> = host.request("http", id, request)
    if not ok then return failure.from(err) end
    waiting[id] = entry
    scheduler:own(current, entry, function()
      waiting[id] = nil
      host.request("http_cancel", id)
    end)
    scheduler:park(at, what)
    scheduler:disown(current, entry)
    if not entry.answer then return failure.from(entry.err) end
    return entry.answer
  end

  local function request_of(at, what, url, opts, most)
    local request <const> = tasks.argument(at, what, options_of, opts == nil and {} or opts, host.dir, most)
    request.url = tasks.argument(at, what, url_of, "the URL", url)
    return request
  end

  function functions.get(at, url, opts)
    return ask(at, "ward.http.get", request_of(at, "ward.http.get", url, opts, MOST_SIZE))
  end

  function functions.post(at, url, body, opts)
    local what <const> = "ward.http.post"
    local request <const> = request_of(at, what, url, opts, MOST_SIZE)
    local ok <const>, message <const> = value.try(function()
      request.body, request.json_body = body_of("the body", body)
      return true
    end)
    if not ok then error(("%s: %s: %s"):format(at, what, message), 0) end
    return ask(at, what, request)
  end

  function functions.json(at, url, opts)
    -- All of it is read at once, by the supervisor's side: no more than takes a few milliseconds.
    local request <const> = request_of(at, "ward.http.json", url, opts, MAX_SIZE)
    request.json = true
    local answer <const>, err <const> = ask(at, "ward.http.json", request)
    if not answer then return nil, err end
    local data <const> = answer.value
    answer.value = nil
    return data, answer
  end

  return functions, function(id, answer, err)
    local entry <const> = waiting[id]
    waiting[id] = nil
    if not entry then return end
    entry.answer, entry.err = answer, err
    scheduler:wake(entry.task)
  end
end

return M
