#!/usr/bin/env lua5.4
-- Usage: core/man/reference.lua DIRECTORY     (`make man` calls it with lua/ward/meta)
--
-- Writes ward-lua.7, the reference of what a script can use, from the definitions that editors read, too.

package.path = arg[0]:gsub("[^/]*$", "") .. "../?.lua;" .. package.path

local definitions <const> = require "man.definitions"
local mdoc <const> = require "man.mdoc"

-- The sections in the order of the page: a file of definitions each.
local ORDER <const> = {
  "ward", "service", "process", "sandbox", "supervisor", "pool", "task", "time", "events", "child", "world",
  "http", "command", "duration", "dotenv",
}

local DATE <const> = "November 25, 2026"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Every file of the directory has a place in the order, and the other way round.
local function files_of(directory)
  local found, files = {}, {}
  local pipe <close> = assert(io.popen(("ls '%s'"):format(directory)))
  for name in pipe:lines() do found[name] = true end
  for i, name in ipairs(ORDER) do
    local path <const> = ("%s/%s.lua"):format(directory, name)
    files[i] = { path = path, text = read(path) }
    found[name .. ".lua"] = nil
  end
  local left <const> = next(found)
  if left then error(("%s/%s: has no place in the order of core/man/reference.lua"):format(directory, left), 0) end
  return files
end

-- Names as scripts write them: task:wait of ward.Task:wait.
local function shown(name)
  local class <const>, method <const> = name:match("%.(%u%a*):(.*)$")
  return class and class:lower() .. ":" .. method or name
end

local function signature(entry, params)
  local words <const> = {}
  for i, param in ipairs(params) do words[i] = param.optional and ("[%s]"):format(param.name) or param.name end
  return ("%s(%s)"):format(shown(entry.name), table.concat(words, ", "))
end

-- `T?` of LuaCATS reads better as `T or nil` where no editor explains it.
local function type_text(made)
  return (made.text:gsub("ward%.(%u)", "%1"):gsub("%?$", " or nil"))
end

-- A list of things with a name, a type and a text.
local function write_list(page, list, macro)
  if #list == 0 then return end
  page:put(".Bl -tag -width Ds")
  for _, item in ipairs(list) do
    page:put(".It Xo")
    page:macro(macro, item.name)
    page:macro("Pq", item.words)
    page:put(".Xc")
    page:text(item.lines, true)
  end
  page:put(".El")
end

local function write_fields(page, fields, prefix)
  local list <const> = {}
  for i, field in ipairs(fields) do
    local words = type_text(field.type) .. (field.optional and "; optional" or "")
    if field.words then
      words = ("%s; %s"):format(field.words, field.default and "default: " .. field.default or "required")
    end
    local lines <const> = field.text == "" and field.lines or { field.text }
    list[i] = { name = prefix .. field.name, words = words, lines = lines }
  end
  write_list(page, list, "Ic")
end

local function choices_text(choices)
  local words <const> = {}
  for i, choice in ipairs(choices) do words[i] = ("`%s`"):format(choice.type.text) end
  return "One of " .. table.concat(words, ", ", 1, #words - 1) .. " or " .. words[#words] .. "."
end

local WRITE <const> = {}

function WRITE.alias(page, entry)
  page:macro("Ss", (entry.name:gsub("^ward%.", "")))
  page:text(entry.text, true)
  if entry.type then
    page:put(".Pp")
    page:sentences(("In Lua: `%s`."):format(type_text(entry.type)))
  elseif entry.choices[1].text == "" then
    page:put(".Pp")
    page:sentences(choices_text(entry.choices))
  else
    page:put(".Bl -tag -width Ds -compact")
    for _, choice in ipairs(entry.choices) do
      page:macro("It Ic", choice.type.text)
      page:sentences(choice.text .. ".")
    end
    page:put(".El")
  end
end

function WRITE.class(page, entry)
  if entry.extends or entry.name == "ward" then
    write_fields(page, entry.fields, "ward.")
    return
  end
  page:macro("Ss", (entry.name:gsub("^ward%.(%u)", "%1")))
  page:text(entry.text, true)
  write_fields(page, entry.fields, "")
end

WRITE["function"] = function(page, entry)
  page:macro("Ss", signature(entry, entry.params))
  page:text(entry.text, true)
  for _, overload in ipairs(entry.overloads) do
    page:put(".Pp")
    page:sentences(("Also: `%s`."):format(signature(entry, overload.params)))
  end
  local list <const> = {}
  for i, param in ipairs(entry.params) do
    list[i] = { name = param.name, words = type_text(param.type), lines = { param.text .. "." } }
  end
  write_list(page, list, "Ar")
  if #entry.returns == 0 then return end
  page:put(".Pp")
  page:put("Returns:")
  for i, result in ipairs(entry.returns) do
    local lines <const> = result.text ~= "" and { (result.text:gsub("%.$", "")) .. "." } or {}
    list[i] = { name = result.name, words = type_text(result.type), lines = lines }
  end
  for i = #entry.returns + 1, #list do list[i] = nil end
  write_list(page, list, "Ar")
end

local function write_page(defined)
  local page <const> = mdoc.page("ward-lua", "7", DATE, "what a supervision script can use")
  page:put(".Sh DESCRIPTION")
  for i, section in ipairs(defined.sections) do
    if i > 1 then page:macro("Sh", section.title:upper()) end
    page:text(section.text, true)
    for _, entry in ipairs(section.entries) do WRITE[entry.kind](page, entry) end
  end
  page:put(".Sh SEE ALSO")
  page:put(".Xr ward 1")
  return page:tostring()
end

local ok <const>, result <const> = pcall(function()
  return write_page(definitions.read(files_of(arg[1] or error("usage: core/man/reference.lua DIRECTORY", 0))))
end)
if not ok then
  io.stderr:write("core/man/reference.lua: ", tostring(result), "\n")
  os.exit(1)
end
io.stdout:write(result)
