-- Reads lua/ward/meta: files of `---@meta` in the notation of LuaCATS, which lua-language-server reads, too. What
-- this reader does not know is an error, so that a slip of the pen cannot become a silent hole in the reference.
--
-- A file:
--   ---@meta _                 or the name of the module that it describes
--   -- TITLE                   the section of the reference
--   --                         and paragraphs that begin it
--   ---@class ward.X           with ---@field lines; ---@alias with ---| lines
--   local X = {}               binds the class to a name that the functions below use
--   function X:method(a) end
--
-- The last line of a comment above a field may be `(type; default: value)` or `(type; required)`: the words of
-- lua/ward/schema/keys.lua, which a test compares.

local types <const> = require "man.types"

local M <const> = {}

---@class man.Entry a class, an alias or a function
---@field kind "class"|"alias"|"function"
---@field name string "ward.sleep", "ward.Child:wait"
---@field at string file:line
---@field text string[] lines of Markdown
---@field type man.Type? of an alias
---@field choices { type: man.Type, text: string }[] of an alias
---@field parent string? of a class
---@field fields man.Field[] of a class
---@field params man.Param[] of a function
---@field returns { type: man.Type, name: string, text: string }[]
---@field overloads man.Type[]
---@field extends boolean? a class that was begun before

---@class man.Param
---@field name string
---@field optional boolean
---@field type man.Type
---@field text string

---@class man.Field: man.Param
---@field lines string[] the comment above it
---@field words string? of the type, as the schema has it
---@field default string? as the schema has it; nil: required

local BUILTIN <const> = {}
for name in ("any nil boolean string number integer table function thread true false self"):gmatch("%a+") do
  BUILTIN[name] = true
end

local function fail(self, text)
  error(("%s:%d: %s"):format(self.path, self.number, text), 0)
end

local function at_of(self) return ("%s:%d"):format(self.path, self.number) end

-- A type and what follows it.
local function typed(self, text)
  local ok <const>, made <const>, rest <const> = pcall(types.read, text)
  if not ok then fail(self, made) end
  self.used[#self.used + 1] = { at = at_of(self), type = made }
  return made, rest
end

local function new_block() return { text = {}, params = {}, returns = {}, overloads = {} } end

local function begin(self, kind, name)
  if self.block.entry then fail(self, "a comment describes one thing: an empty line is missing") end
  local entry <const> = {
    kind = kind, name = name, at = at_of(self), text = self.block.text, fields = {}, choices = {}, params = {},
    returns = {}, overloads = {},
  }
  self.block.entry, self.block.text = entry, {}
  self.section.entries[#self.section.entries + 1] = entry
  return entry
end

local TAGS <const> = {}

TAGS["class"] = function(self, rest)
  local name <const>, parent <const> = rest:match("^([%a_][%w_.]*)$"), rest:match("^[%a_][%w_.]*: ([%a_][%w_.]*)$")
  local whole <const> = name or rest:match("^([%a_][%w_.]*): ")
  if not whole or not name and not parent then fail(self, "a class is `---@class NAME` or `---@class NAME: PARENT`") end
  local entry <const> = begin(self, "class", whole)
  entry.parent, entry.extends = parent, self.classes[whole] ~= nil
  if parent then self.used[#self.used + 1] = { at = entry.at, type = { kind = "name", name = parent } } end
  if not entry.extends then
    self.classes[whole] = { entry = entry, fields = {}, order = {} }
  elseif parent then
    fail(self, "a class is given its parent where it begins")
  end
end

-- "(type; default: value)" -> type, value; "(type; required)" -> type.
local function words_of(lines)
  local last <const> = lines[#lines]
  local words <const>, default <const> = (last or ""):match("^%((.*); default: (.*)%)$")
  local required <const> = (last or ""):match("^%((.*); required%)$")
  if words or required then lines[#lines] = nil end
  while lines[#lines] == "" do lines[#lines] = nil end
  return words or required, default
end

TAGS["field"] = function(self, rest)
  local entry <const> = self.block.entry
  if not entry or entry.kind ~= "class" then fail(self, "a field needs a class") end
  local name <const>, mark <const>, tail <const> = rest:match("^([%a_][%w_]*)(%??)%s+(.*)$")
  if not name then fail(self, "a field is `---@field name type text`") end
  local made <const>, text <const> = typed(self, tail)
  local field <const> = {
    name = name, optional = mark ~= "", type = made, text = text, lines = self.block.text, at = at_of(self),
  }
  field.words, field.default = words_of(field.lines)
  if text == "" and #field.lines == 0 then fail(self, ("the field %q is not described"):format(name)) end
  local class <const> = self.classes[entry.name]
  if class.fields[name] then fail(self, ("the field %q is there twice"):format(name)) end
  class.fields[name], class.order[#class.order + 1] = field, field
  entry.fields[#entry.fields + 1], self.block.text = field, {}
end

TAGS["alias"] = function(self, rest)
  local name <const>, tail <const> = rest:match("^([%a_][%w_.]*)%s*(.*)$")
  if not name then fail(self, "an alias is `---@alias NAME type`") end
  if self.aliases[name] then fail(self, ("the alias %q is there twice"):format(name)) end
  local entry <const> = begin(self, "alias", name)
  self.aliases[name] = entry
  if tail ~= "" then
    local left
    entry.type, left = typed(self, tail)
    if left ~= "" then fail(self, "the description of an alias stands above it") end
  end
end

TAGS["param"] = function(self, rest)
  local name <const>, mark <const>, tail <const> = rest:match("^([%a_.][%w_.]*)(%??)%s+(.*)$")
  if not name then fail(self, "a parameter is `---@param name type text`") end
  local made <const>, text <const> = typed(self, tail)
  if text == "" then fail(self, ("the parameter %q is not described"):format(name)) end
  table.insert(self.block.params, { name = name, optional = mark ~= "", type = made, text = text })
end

TAGS["return"] = function(self, rest)
  local made <const>, tail <const> = typed(self, rest)
  local name <const>, text <const> = tail:match("^([%a_.][%w_.]*)%s*(.*)$")
  if not name then fail(self, "a result is `---@return type name text`") end
  table.insert(self.block.returns, { type = made, name = name, text = text })
end

TAGS["overload"] = function(self, rest)
  local made <const>, tail <const> = typed(self, rest)
  if made.kind ~= "function" or tail ~= "" then fail(self, "an overload is `---@overload fun(...)`") end
  table.insert(self.block.overloads, made)
end

local function choice(self, rest)
  local entry <const> = self.block.entry
  if not entry or entry.kind ~= "alias" then fail(self, "a choice needs an alias") end
  local made <const>, text <const> = typed(self, rest)
  table.insert(entry.choices, { type = made, text = (text:gsub("^# ?", "")) })
end

local function comment(self, line)
  local tag <const>, rest <const> = line:match("^%-%-%-@(%a+)%s*(.-)%s*$")
  if tag then
    if not TAGS[tag] then fail(self, ("the annotation @%s is not known here"):format(tag)) end
    return TAGS[tag](self, rest)
  end
  local option <const> = line:match("^%-%-%-|%s*(.*)$")
  if option then return choice(self, option) end
  table.insert(self.block.text, line:sub(4))
end

-- The class behind the local name that a function is defined on.
local function owner_of(self, name, separator)
  local first <const>, rest <const> = name:match("^([%a_][%w_]*)(.*)$")
  local class <const> = self.locals[first]
  if not class then fail(self, ("%q is no class of this file"):format(first)) end
  return class .. rest:gsub(":", separator)
end

local function same_parameters(self, block, list)
  local names <const> = {}
  for name in list:gmatch("[%a_.][%w_.]*") do names[#names + 1] = name end
  for i = 1, math.max(#names, #block.params) do
    local param <const> = block.params[i]
    if not param or param.name ~= names[i] then
      fail(self, ("parameter %d is %s in the comment and %s in the function"):format(i,
        param and param.name or "missing", names[i] or "missing"))
    end
  end
end

local function func(self, name, list)
  local block <const> = self.block
  if #block.text == 0 then fail(self, ("the function %q is not described"):format(name)) end
  local entry <const> = begin(self, "function", owner_of(self, name, ":"))
  same_parameters(self, block, list)
  entry.params, entry.returns, entry.overloads = block.params, block.returns, block.overloads
  if self.functions[entry.name] then fail(self, ("the function %q is there twice"):format(entry.name)) end
  self.functions[entry.name] = entry
end

local function code(self, line)
  local bound <const> = line:match("^local ([%a_][%w_]*) = {}$")
  local group <const> = line:match("^([%a_][%w_.]*) = {}$")
  local name <const>, list <const> = line:match("^function ([%a_][%w_.:]*)%((.*)%) end$")
  if bound or group then
    local entry <const> = self.block.entry
    if not entry or entry.kind ~= "class" then fail(self, "a table needs a class") end
    if bound then self.locals[bound] = entry.name end
    if group and owner_of(self, group, ":") ~= entry.name then fail(self, "is not the table of its class") end
  elseif name then
    func(self, name, list)
  elseif not line:find("^return [%a_]+$") then
    fail(self, "is neither a table, nor a function without a body, nor a return")
  end
  self.block = new_block()
end

-- Title and paragraphs of the section: the plain comment below ---@meta.
local function head(self, lines)
  local module <const> = (lines[1] or ""):match("^%-%-%-@meta ([%a_.]+)$")
  self.number = 1
  if not module then fail(self, "the first line must be ---@meta and a name, or _") end
  self.number = 2
  self.section.title = (lines[2] or ""):match("^%-%- (%u.*)$")
  if not self.section.title then fail(self, "the second line must be the title of the section: -- TITLE") end
  local last = 2
  while lines[last + 1] and lines[last + 1]:find("^%-%-") and not lines[last + 1]:find("^%-%-%-") do
    last = last + 1
    table.insert(self.section.text, (lines[last]:gsub("^%-%- ?", "")))
  end
  return last
end

local function read_file(result, path, text)
  local self <const> = setmetatable({
    path = path, locals = {}, block = new_block(), section = { path = path, text = {}, entries = {} },
  }, { __index = result })
  result.sections[#result.sections + 1] = self.section
  local lines <const> = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  for number = head(self, lines) + 1, #lines do
    self.number = number
    local line <const> = lines[number]
    if line:find("^%-%-%-") then
      comment(self, line)
    elseif line == "" then
      if #self.block.text > 0 or #self.block.params > 0 then fail(self, "the comment above describes nothing") end
      self.block = new_block()
    else
      code(self, line)
    end
  end
end

--- Reads files of definitions, in the order of the sections.
---@param files { path: string, text: string }[]
---@return table definitions sections: { path, title, text, entries }[]; classes: name -> { entry, fields, order };
---  aliases and functions: name -> man.Entry. Raises "file:line: text".
function M.read(files)
  local result <const> = { sections = {}, classes = {}, aliases = {}, functions = {}, used = {} }
  for _, file in ipairs(files) do read_file(result, file.path, file.text) end
  for _, use in ipairs(result.used) do
    types.names(use.type, function(name)
      if not BUILTIN[name] and not result.classes[name] and not result.aliases[name] then
        error(("%s: the type %s is not defined"):format(use.at, name), 0)
      end
    end)
  end
  return result
end

return M
