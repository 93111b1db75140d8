-- What the methods of the control protocol are made of: errors, kinds of parameters, and the check of these.

local core <const> = require("ward.core")
local json <const> = require("ward.service.json")

local M <const> = {}

local MAX_NAMES <const> = 1024

--- Error codes: those of JSON-RPC, and two of ours.
M.codes = {
  parse = -32700, invalid = -32600, no_method = -32601, params = -32602, internal = -32603,
  failed = -32000, unknown_service = -32004,
}

--- Returned by a method whose answer comes later.
M.LATER = {}

--- nil and an error, for `return method.fail("params", "...")`.
---@param code string of M.codes
---@param message string
---@param data any
---@return nil
---@return table err
function M.fail(code, message, data)
  return nil, { code = M.codes[code], message = message, data = data }
end

--- Answers a call, once; a notification is not answered.
---@param call table { id =, deliver = fn(response), answered = }
---@param result any
---@param err table?
function M.respond(call, result, err)
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

local function failure_text(results)
  local texts = {}
  for _, result in ipairs(results) do
    if not result.ok then
      texts[#texts + 1] = ('service "%s": %s'):format(result.name, result.message or "failed")
    end
  end
  return #texts > 0 and table.concat(texts, "; ") or "failed"
end

--- What a command did to each of its services, as a result or an error.
---@param ok boolean of all
---@param results table[]
function M.outcome(ok, results)
  json.list(results)
  if ok then
    return { results = results }
  end
  return M.fail("failed", failure_text(results), { results = results })
end

-- Parameters --------------------------------------------------------------------------------------------

local function is_strings(value, most, length)
  if type(value) ~= "table" or #value > most then
    return false
  end
  local count = 0
  for key, item in pairs(value) do
    count = count + 1
    if math.type(key) ~= "integer" or type(item) ~= "string" or #item > length then
      return false
    end
  end
  return count == #value
end

--- Kinds of parameters: what they are, and fn(value) -> whether this is one.
M.NAMES = {
  is = "a list of service names",
  test = function(value)
    return is_strings(value, MAX_NAMES, 256) and #value > 0
  end,
}
M.STRINGS = {
  is = "a list of strings",
  test = function(value)
    return is_strings(value, 64, 65536)
  end,
}
M.STRING = {
  is = "a string",
  test = function(value)
    return type(value) == "string"
  end,
}
M.ID = {
  is = "the id of a request",
  test = function(value)
    return type(value) == "string" or type(value) == "number"
  end,
}
M.COUNT = {
  is = "a whole number that is not negative",
  test = function(value)
    return type(value) == "number" and math.tointeger(value) ~= nil and value >= 0
  end,
}
M.FLAG = {
  is = "true or false",
  test = function(value)
    return type(value) == "boolean"
  end,
}
M.GOAL = {
  is = '"ready" or "stopped"',
  test = function(value)
    return value == "ready" or value == "stopped"
  end,
}
M.SIGNAL = {
  is = "a signal name",
  test = function(value)
    return type(value) == "string" and core.signals[value] ~= nil
  end,
}

--- The same kind, as a parameter that has to be there.
function M.required(kind)
  return { test = kind.test, is = kind.is, required = true }
end

--- The first fault of params against a method's description, as a sentence.
---@param params table
---@param allowed table<string, table> name -> kind
---@return string?
function M.fault(params, allowed)
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

return M
