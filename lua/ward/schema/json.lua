-- JSON with the line of every value, for files that people write: a fault in one is told as file:line.
-- lua-cjson keeps no lines, and reads numbers as doubles, which cut the 64-bit masks of a seccomp profile.

local M <const> = {}

local MAX_DEPTH <const> = 32

local ESCAPES <const> = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

---@class ward.schema.Json a value and where it stands
---@field kind "object"|"array"|"string"|"number"|"boolean"|"null"
---@field line integer
---@field minus true? of a number: it has this sign, which one above 2^63 - 1 has not
---@field value any of a string, number or boolean; of an object its values by key, of an array a list of values

-- A reader of one text. Faults leave by error({ line, message }).
local Reader <const> = {}
Reader.__index = Reader

function Reader:line()
  local _, breaks <const> = self.text:sub(1, self.at - 1):gsub("\n", "")
  return breaks + 1
end

function Reader:fail(message)
  error({ line = self:line(), message = message }, 0)
end

-- The next character that is no space; "" at the end.
function Reader:peek()
  local from <const> = self.at
  self.at = self.text:find("[^ \t\r\n]", from) or #self.text + 1
  if self.at > from then
    local _, breaks <const> = self.text:sub(from, self.at - 1):gsub("\n", "")
    self.row = self.row + breaks
  end
  return self.text:sub(self.at, self.at)
end

function Reader:unexpected(wanted)
  local found <const> = self.text:match("^[%w_]+", self.at) or self.text:sub(self.at, self.at)
  self:fail(("expected %s, found %s"):format(wanted, found == "" and "the end of the file"
    or ('"%s"'):format(found:sub(1, 40):gsub("[%c\127-\255]", "?"))))
end

local function code_point(reader, at)
  local digits <const> = reader.text:match("^%x%x%x%x", at)
  if not digits then reader:fail("a \\u without four hexadecimal digits") end
  return tonumber(digits, 16)
end

-- The character of the \u whose digits begin at `at`, and where it ends.
local function unicode(reader, at)
  local code, last = code_point(reader, at), at + 3
  if code >= 0xD800 and code <= 0xDBFF and reader.text:find("^\\u", at + 4) then
    local low <const> = code_point(reader, at + 6)
    if low >= 0xDC00 and low <= 0xDFFF then
      code, last = 0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00, at + 9
    end
  end
  if code >= 0xD800 and code <= 0xDFFF then reader:fail("half of a surrogate pair") end
  return utf8.char(code), last
end

function Reader:string()
  local parts <const>, text <const> = {}, self.text
  local at = self.at + 1
  while true do
    local stop <const> = text:find('["\\%c]', at)
    if not stop then self:fail("a string without an end") end
    parts[#parts + 1] = text:sub(at, stop - 1)
    local char <const> = text:sub(stop, stop)
    if char == '"' then
      self.at = stop + 1
      return table.concat(parts)
    elseif char ~= "\\" and char ~= "\127" then
      self:fail("a control character in a string")
    end
    local escape <const> = char == "\\" and text:sub(stop + 1, stop + 1) or ""
    if char == "\127" then
      parts[#parts + 1], at = char, stop + 1
    elseif escape == "u" then
      parts[#parts + 1], at = unicode(self, stop + 2)
      at = at + 1
    elseif ESCAPES[escape] then
      parts[#parts + 1], at = ESCAPES[escape], stop + 2
    else
      self:fail("an unknown escape in a string")
    end
  end
end

-- Whole numbers of 64 bits come out exact: those above 2^63 - 1 as the negative number with the same bits.
local function whole(digits)
  if #digits > 20 or #digits == 20 and digits > "18446744073709551615" then return nil end
  local n = 0
  for digit in digits:gmatch("%d") do n = n * 10 + tonumber(digit) end
  return n
end

function Reader:number()
  local token <const> = self.text:match("^-?[%d.eE+-]+", self.at)
  local sign <const>, digits <const> = token:match("^(-?)(%d+)$")
  local plain <const> = digits and (digits == "0" or digits:sub(1, 1) ~= "0")
  local value
  if plain then
    value = whole(digits)
    if value and sign == "-" then value = value >= 0 and -value or nil end
  elseif not digits and not token:find("^-?0%d") and token:find("^-?%d+%.?%d*[eE]?[+-]?%d*$") then
    value = tonumber(token)
  end
  if not value then self:fail(("the number %s cannot be read"):format(token:sub(1, 40))) end
  self.at = self.at + #token
  return value
end

function Reader:object(depth)
  local fields <const> = {}
  self.at = self.at + 1
  if self:peek() == "}" then
    self.at = self.at + 1
    return fields
  end
  while true do
    if self:peek() ~= '"' then self:unexpected("a key in quotes") end
    local key <const> = self:string()
    if fields[key] then self:fail(('the key "%s" is there twice'):format(key:sub(1, 40):gsub("[%c\127-\255]", "?"))) end
    if self:peek() ~= ":" then self:unexpected('":"') end
    self.at = self.at + 1
    fields[key] = self:value(depth)
    local char <const> = self:peek()
    if char ~= "," and char ~= "}" then self:unexpected('"," or "}"') end
    self.at = self.at + 1
    if char == "}" then return fields end
  end
end

function Reader:array(depth)
  local items <const> = {}
  self.at = self.at + 1
  if self:peek() == "]" then
    self.at = self.at + 1
    return items
  end
  while true do
    items[#items + 1] = self:value(depth)
    local char <const> = self:peek()
    if char ~= "," and char ~= "]" then self:unexpected('"," or "]"') end
    self.at = self.at + 1
    if char == "]" then return items end
  end
end

local WORDS <const> = { ["true"] = "boolean", ["false"] = "boolean", null = "null" }

---@return ward.schema.Json
function Reader:value(depth)
  local char <const> = self:peek()
  local line <const> = self.row
  if depth == MAX_DEPTH then self:fail(("nested more than %d deep"):format(MAX_DEPTH)) end
  if char == "{" then
    return { kind = "object", line = line, value = self:object(depth + 1) }
  elseif char == "[" then
    return { kind = "array", line = line, value = self:array(depth + 1) }
  elseif char == '"' then
    return { kind = "string", line = line, value = self:string() }
  elseif char:find("[%d-]") then
    return { kind = "number", line = line, minus = char == "-" or nil, value = self:number() }
  end
  local word <const> = self.text:match("^%l+", self.at)
  if not WORDS[word] then self:unexpected("a value") end
  self.at = self.at + #word
  return { kind = WORDS[word], line = line, value = word == "true" }
end

--- Reads JSON.
---@param text string
---@return ward.schema.Json? value
---@return integer? line where it is wrong
---@return string? message
function M.parse(text)
  local reader <const> = setmetatable({ text = text, at = 1, row = 1 }, Reader)
  local ok <const>, result <const> = pcall(function()
    local value <const> = reader:value(0)
    if reader:peek() ~= "" then reader:unexpected("the end of the file") end
    return value
  end)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result.line, result.message
end

return M
