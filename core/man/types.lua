-- Types in the notation of LuaCATS: string, "keep", number[], boolean?, A|B, table<K, V>, { name: T, [K]: V },
-- fun(a: T, b?: T, ...: T): R1, R2.

local M <const> = {}

---@class man.Type
---@field kind "name"|"literal"|"union"|"array"|"map"|"record"|"function"
---@field text string as it was written, on one line
---@field name string? of a name; a literal without its quotes
---@field [integer] man.Type the parts of a union, the element of an array, key and value of a map
---@field params { name: string, optional: boolean, type: man.Type }[]? of a function; a record's fields
---@field returns man.Type[]? of a function

local TOKENS <const> = { "^[%a_][%w_.]*", '^"[^"]*"', "^%-?%d+", "^%[%]", "^%.%.%.", "^[%[%]|?(){}<>,:]" }

-- Where the token that begins at `at` ends, or nil.
local function token_end(text, at)
  for _, pattern in ipairs(TOKENS) do
    local _, last <const> = text:find(pattern, at)
    if last then return last end
  end
end

local Reader <const> = {}
Reader.__index = Reader

function Reader:peek()
  local at <const> = self.text:find("%S", self.at)
  local last <const> = at and token_end(self.text, at)
  return last and self.text:sub(at, last), at, last
end

function Reader:take(wanted)
  local token <const>, _, last <const> = self:peek()
  if not token or wanted and token ~= wanted then return nil end
  self.at = last + 1
  return token
end

function Reader:need(wanted)
  local token <const> = self:take(wanted)
  if not token then error(("%s expected in the type %q"):format(wanted or "a type", self.text), 0) end
  return token
end

-- name: T, name?: T ... up to the closing bracket.
function Reader:members(closing)
  local list <const> = {}
  while not self:take(closing) do
    if #list > 0 then self:need(",") end
    local member <const> = {}
    if self:take("[") then
      member.key = self:union()
      self:need("]")
    else
      member.name = self:need()
    end
    member.optional = self:take("?") ~= nil
    -- A parameter may go without a type.
    if self:take(":") then member.type = self:union() end
    list[#list + 1] = member
  end
  return list
end

function Reader:func()
  self:need("(")
  local made <const> = { kind = "function", params = self:members(")"), returns = {} }
  if self:take(":") then
    repeat made.returns[#made.returns + 1] = self:union() until not self:take(",")
  end
  return made
end

function Reader:primary()
  if self:take("(") then
    local inner <const> = self:union()
    self:need(")")
    return inner
  elseif self:take("{") then
    return { kind = "record", params = self:members("}") }
  end
  local token <const> = self:need()
  if token == "fun" then return self:func() end
  if token:find('^["%-%d]') then return { kind = "literal", name = (token:gsub('"', "")) } end
  if not token:find("^[%a_]") then error(("%s is no type, in %q"):format(token, self.text), 0) end
  if token ~= "table" or not self:take("<") then return { kind = "name", name = token } end
  local map <const> = { kind = "map", self:union() }
  self:need(",")
  map[2] = self:union()
  self:need(">")
  return map
end

function Reader:suffixed()
  local from <const> = select(2, self:peek()) or self.at
  local made = self:primary()
  made.text = self.text:sub(from, self.at - 1)
  while true do
    if self:take("[]") then
      made = { kind = "array", made }
    elseif self:take("?") then
      made = { kind = "union", made, { kind = "name", name = "nil", text = "nil" } }
    else
      return made
    end
    made.text = self.text:sub(from, self.at - 1)
  end
end

function Reader:union()
  local from <const> = select(2, self:peek()) or self.at
  local first <const> = self:suffixed()
  if not self:take("|") then return first end
  local union <const> = { kind = "union", first }
  repeat union[#union + 1] = self:suffixed() until not self:take("|")
  union.text = self.text:sub(from, self.at - 1)
  return union
end

--- Reads the type that a text begins with. Raises what is wrong, without a position.
---@param text string
---@return man.Type
---@return string rest what follows it
function M.read(text)
  local reader <const> = setmetatable({ text = text, at = 1 }, Reader)
  local made <const> = reader:union()
  return made, (text:sub(reader.at):gsub("^%s+", ""))
end

--- Calls fn for every name in a type.
---@param made man.Type
---@param fn fun(name: string)
function M.names(made, fn)
  if made.kind == "name" then fn(made.name) end
  for _, part in ipairs(made) do M.names(part, fn) end
  for _, param in ipairs(made.params or {}) do
    if param.key then M.names(param.key, fn) end
    if param.type then M.names(param.type, fn) end
  end
  for _, part in ipairs(made.returns or {}) do M.names(part, fn) end
end

return M
