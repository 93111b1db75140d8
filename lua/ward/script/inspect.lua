-- Values as text for people: what `ward eval` and `ward repl` print.

local M <const> = {}

local MAX_DEPTH <const>, MAX_ITEMS <const>, MAX_STRING <const>, WIDTH <const> = 6, 200, 2000, 80

local ESCAPES <const> = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quote(text)
  local cut <const> = #text > MAX_STRING and text:sub(1, MAX_STRING) or text
  local quoted <const> = '"' .. cut:gsub('[%c"\\\127]', function(c)
    return ESCAPES[c] or ("\\%03d"):format(c:byte())
  end) .. '"'
  return cut == text and quoted or ("%s... (%d bytes)"):format(quoted, #text)
end

local KINDS <const> = { number = 1, string = 2, boolean = 3 }

-- Keys in the order of people: 1 2 3, then names, then the rest as it comes.
local function before(a, b)
  local kind_a <const>, kind_b <const> = KINDS[type(a)] or 4, KINDS[type(b)] or 4
  if kind_a ~= kind_b then return kind_a < kind_b end
  if kind_a <= 2 then return a < b end
  return tostring(a) < tostring(b)
end

local function key_text(key, write)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return key end
  return "[" .. write(key) .. "]"
end

local function write_table(given, depth, open, write)
  local metatable <const> = getmetatable(given)
  if type(metatable) == "table" and metatable.__tostring then return tostring(given) end
  -- A view of ward's, or a handle of its: its name.
  if metatable == false or type(metatable) == "string" then return tostring(given) end
  if open[given] then return "{ it contains itself }" end
  if depth > MAX_DEPTH then return "{...}" end
  open[given] = true
  local keys, parts, length, list = {}, {}, 0, 0
  for key in pairs(given) do keys[#keys + 1] = key end
  table.sort(keys, before)
  for i, key in ipairs(keys) do
    if i > MAX_ITEMS then
      parts[i] = ("... %d more"):format(#keys - MAX_ITEMS)
      break
    end
    local text = write(given[key], depth + 1)
    if key == list + 1 then list = key else text = key_text(key, write) .. " = " .. text end
    parts[i], length = text, length + #text + 2
  end
  open[given] = nil
  if #parts == 0 then return "{}" end
  if length + 2 * depth < WIDTH and not table.concat(parts):find("\n", 1, true) then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  local indent <const> = ("  "):rep(depth)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. indent:sub(3) .. "}"
end

--- One value as text; tables with what is in them.
---@param given any
---@param raw boolean? a string as it is, without quotes
---@return string
function M.inspect(given, raw)
  local open <const> = {}
  local function write(item, depth)
    if type(item) == "string" then return quote(item) end
    if type(item) == "table" then return write_table(item, depth or 1, open, write) end
    return tostring(item)
  end
  if raw and type(given) == "string" then return given end
  return write(given, 1)
end

return M
