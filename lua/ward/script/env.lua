-- The globals of a script: what is safe of Lua's, read-only, and strict.
--
-- The tables that ward's own code works with stay behind: a script gets views of copies, and strings
-- get a copy as their methods, so nothing a script does changes what string.format means to ward.

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"
local view <const> = require "ward.script.view"

local M <const> = {}

local BASE <const> = {
  "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "rawequal",
  "rawget", "rawlen", "select", "tonumber", "tostring", "type", "warn", "xpcall",
}
local WHOLE <const> = { "math", "table", "utf8" }
local OS <const> = { "clock", "date", "difftime", "getenv", "time" }

-- Why something of Lua's is not there.
local ABSENT <const> = {
  io = "ward scripts have no io: a script declares what runs, it does not read or write files",
  debug = "ward scripts have no debug: it reaches past the limits that keep supervision safe",
  package = "ward scripts have no package: require looks in the script's directory, then in its lib/",
  dofile = 'ward scripts have no dofile: use require "name"',
  loadfile = 'ward scripts have no loadfile: use require "name"',
  loadstring = "ward scripts have no loadstring: Lua 5.4 calls it load",
  unpack = "ward scripts have no unpack: Lua 5.4 calls it table.unpack",
  setfenv = "ward scripts have no setfenv: Lua 5.4 has load(text, name, \"t\", env)",
  module = "ward scripts have no module: return a table instead",
}
local ABSENT_FIELDS <const> = {
  os = {
    execute = "declare a service to run a command",
    exit = "raise an error to refuse to load",
    remove = "a script declares what runs, it does not change files",
    rename = "a script declares what runs, it does not change files",
    tmpname = "a script declares what runs, it does not change files",
    setlocale = "the locale is the whole process's",
  },
  string = { dump = "ward loads source text only" },
}

local function copy(from, names)
  local to = {}
  if names then
    for _, name in ipairs(names) do to[name] = from[name] end
  else
    for key, item in next, from do to[key] = item end
  end
  return to
end

local function library(name, values)
  local absent <const> = ABSENT_FIELDS[name] or {}
  return view.readonly(values, name, function(key)
    return absent[key] and ("ward scripts have no %s.%s: %s"):format(name, key, absent[key])
  end)
end

-- load of source text into the script's globals; like Lua's, it returns nil and a message.
local function loader(globals)
  return function(chunk, name, _, ...)
    if type(chunk) ~= "string" and type(chunk) ~= "function" then
      error("load: expected source text or a function, got " .. value.describe(chunk), 2)
    end
    if name ~= nil and type(name) ~= "string" then
      error("load: the chunk's name must be a string, got " .. value.describe(name), 2)
    end
    local env = globals()
    if select("#", ...) > 0 then env = ... end
    return load(chunk, name or (type(chunk) == "string" and chunk or "=(load)"), "t", env)
  end
end

local function safe_setmetatable(object, metatable)
  if type(object) ~= "table" then
    error("setmetatable: expected a table, got " .. value.describe(object), 2)
  elseif type(metatable) ~= "table" and metatable ~= nil then
    error("setmetatable: the metatable must be a table or nil, got " .. value.describe(metatable), 2)
  elseif metatable and rawget(metatable, "__gc") ~= nil then
    error("setmetatable: ward scripts have no __gc: finalizers run outside of every limit", 2)
  end
  local current <const> = getmetatable(object)
  if current ~= nil and (type(current) ~= "table" or rawget(current, "__metatable") ~= nil) then
    error("setmetatable: cannot change a protected metatable", 2)
  end
  return setmetatable(object, metatable)
end

-- Kinds of what ward gives to scripts, as their metatables say.
local KINDS <const> = {
  child = true, keep = true, listener = true, permit = true, semaphore = true, stream = true, task = true, timer = true,
  watch = true,
}

-- A write past the metatable would be a write into a library, or a global that is not strict, or one that ward.keep
-- does not see.
local function safe_rawset(object, key, written)
  local kind <const> = type(object) == "table" and getmetatable(object)
  if type(kind) == "string" and KINDS[kind] then
    error(("rawset: a %s is ward's own: cannot set %s"):format(kind, view.key(key)), 2)
  end
  if view.is_readonly(object) then
    error(("rawset: %s is read-only: cannot set %s"):format(tostring(object), view.key(key)), 2)
  end
  return rawset(object, key, written)
end

local function safe_collectgarbage(option)
  if option ~= "count" then error('collectgarbage: only "count" is allowed in a ward script', 2) end
  return collectgarbage("count")
end

-- Methods of strings are a copy that nothing can reach, without dump.
local function guard_strings()
  local methods <const> = copy(string)
  methods.dump = nil
  local metatable <const> = getmetatable("")
  metatable.__index = methods
  metatable.__metatable = false
end

local function undefined(key, names)
  if type(key) == "string" and ABSENT[key] then return ABSENT[key] end
  return ("undefined global %s%s"):format(view.key(key), suggest.hint(key, names))
end

--- The globals of a script. Changes the string metatable of this Lua state for good, unless it is shared.
---@param own table require, print: the script's; coroutine: its library; shared: true when the state has other users
---@return table globals
function M.new(own)
  if not own.shared then guard_strings() end
  local globals
  local values <const> = copy(_G, BASE)
  for _, name in ipairs(WHOLE) do values[name] = library(name, copy(_G[name])) end
  local strings <const> = copy(string)
  strings.dump = nil
  values.string = library("string", strings)
  values.os = library("os", copy(os, OS))
  values.coroutine = library("coroutine", own.coroutine)
  values.require, values.print = own.require, own.print
  values.load = loader(function() return globals end)
  values.setmetatable, values.rawset = safe_setmetatable, safe_rawset
  values.collectgarbage = safe_collectgarbage

  globals = view.readonly(values, "_G", undefined, function(key, written)
    if type(key) ~= "string" then return "assignment to a global that is not a name" end
    if rawget(values, key) ~= nil then return ('"%s" is part of Lua here and cannot be changed'):format(key) end
    return ('assignment to undeclared global %s: write "local %s%s"'):format(value.quote(key),
      type(written) == "function" and "function " or "", key)
  end)
  values._G = globals
  return globals
end

return M
