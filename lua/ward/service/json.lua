-- JSON in both directions: lua-cjson reads, this file writes.
-- cjson cannot write an empty list ({} is always an object), puts keys in hash order and shortens integers to 14
-- digits, so ids would come back changed and `--json` output would differ from run to run.

local cjson <const> = require("cjson")

local M <const> = {}

local codec <const> = cjson.new()
codec.decode_max_depth(16)
codec.decode_invalid_numbers(false)

-- The writer has a limit of its own: what it is given is ours, but a cycle must not take the supervisor down.
local MAX_DEPTH <const> = 32

-- JSON null, in what decode returns and in what encode takes.
M.null = cjson.null

local LIST <const> = {}

--- Marks a table as a list, so that it is written as [] when it is empty.
---@generic T : table
---@param items T
---@return T
function M.list(items)
  return setmetatable(items, LIST)
end

local RAW <const> = {}

--- JSON text that stands as it is.
---@param text string one value, on one line
---@return table
function M.raw(text)
  return setmetatable({ text = text }, RAW)
end

local ESCAPES <const> = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function escape(char)
  return ESCAPES[char] or ("\\u%04x"):format(char:byte())
end

local function quote(text)
  if not utf8.len(text) then
    -- Messages may carry bytes of a path: JSON has no place for what is not UTF-8.
    text = text:gsub("[\x80-\xff]", "?")
  end
  return '"' .. text:gsub('[%c"\\]', escape) .. '"'
end

local function number(n)
  if n ~= n or n == math.huge or n == -math.huge then
    return "null"
  end
  local whole = math.tointeger(n)
  return whole and ("%d"):format(whole) or ("%.14g"):format(n)
end

-- Has it the keys 1 to n, and no others?
local function is_list(items)
  local count = 0
  for _ in pairs(items) do
    count = count + 1
  end
  return count > 0 and count == #items
end

local write

local function write_list(items, depth)
  local parts = {}
  for i = 1, #items do
    parts[i] = write(items[i], depth)
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function write_object(fields, depth)
  local keys, items, parts = {}, {}, {}
  for key, item in pairs(fields) do
    local name = tostring(key) -- what scripts send may have numbers as keys
    keys[#keys + 1], items[name] = name, item
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = quote(key) .. ":" .. write(items[key], depth)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

function write(value, depth)
  local kind = type(value)
  if kind == "table" then
    assert(depth < MAX_DEPTH, "value is nested too deeply for JSON")
    local kind_of = getmetatable(value)
    if kind_of == RAW then
      return value.text
    end
    local list = kind_of == LIST or is_list(value)
    return (list and write_list or write_object)(value, depth + 1)
  elseif kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return number(value)
  elseif kind == "boolean" then
    return tostring(value)
  end
  assert(value == nil or value == M.null, "a value of this type has no JSON form")
  return "null"
end

--- Writes a value as one line of JSON: keys sorted, NaN and infinities as null.
---@param value any plain data; string keys in objects
---@return string
function M.encode(value)
  return write(value, 0)
end

--- Reads JSON text of any origin.
---@param text string
---@return any value nil when the text is not JSON, or is nested more than 16 deep
---@return string? message
function M.decode(text)
  local ok, value = pcall(codec.decode, text)
  if not ok then
    return nil, tostring(value)
  end
  return value
end

return M
