-- Source text of a script and its modules, and the script's `require`.
--
-- Chunks are named after the path as the user gave it, so errors say "scripts/web.lua:14". Lua cuts
-- long names in its messages; `names` remembers what to put back.

local search <const> = require "ward.script.search"
local value <const> = require "ward.schema.value"
local view <const> = require "ward.script.view"

local M <const> = {}

-- Modules of ward that a script may require; "ward" itself is made for each generation.
local PUBLIC <const> = { ["ward.dotenv"] = true, ["ward.duration"] = true }
local PUBLIC_TEXT <const> = '"ward", "ward.dotenv" and "ward.duration"'
local MAX_NAME <const> = 200

-- What Lua writes for the chunk "@" .. path: cut in front when it is long.
local function shown(path)
  local _, message <const> = load("?", "@" .. path, "t")
  return message:match("^(.*):1: ")
end

--- Compiles the file at `path`. Raises "path:line: text", or "cannot read path: reason".
---@param loader table { names=, globals= }
---@param path string
---@param text string
---@return function
local function compile(loader, path, text)
  text = text:gsub("^\239\187\191", "")
  -- "#!/usr/bin/env ward": the line goes, its number stays.
  if text:sub(1, 1) == "#" then text = text:gsub("^[^\n]*", "", 1) end
  loader.names[shown(path)], loader.names[path] = path, path
  if text:find("^\n?\27") then
    error(path .. ":1: is a binary (precompiled) Lua chunk; ward loads source text only", 0)
  end
  -- Apart from who handles errors of the script: what is nested too deeply goes there, and without a place.
  local _ <const>, chunk <const>, message <const> = pcall(load, text, "@" .. path, "t", loader.globals)
  if chunk then return chunk end
  if not message:find("^[^\n]*:%d+: ") then error(("%s: nested too deeply (%s)"):format(path, message), 0) end
  error(loader.full(message), 0)
end

-- How sources are read: from the files, or from `given`, which stands for all there are. What was read is in `sources`.
local function reader(host, given, sources)
  return function(path)
    local text, message
    if given then
      text = given[path]
      message = not text and ("cannot read %s: No such file or directory"):format(path) or nil
    else
      text, message = host.read(path)
    end
    sources[path] = text
    return text, message
  end
end

--- A loader of one generation; its globals are set before anything is loaded.
---@param host table read: fn(path) -> text | nil, message; sources: texts by path that stand for the files, or nil
---@param ward table what `require "ward"` gives
---@param script string path of the script as the user gave it
---@return table loader sources: texts by path of what has been loaded
function M.new(host, ward, script)
  local sources <const> = {}
  local loader <const> = {
    read = reader(host, host.sources, sources), sources = sources,
    names = {}, cache = { ward = ward }, chain = {}, root = search.directory(script),
  }
  --- A message with the whole path where Lua has cut it.
  function loader.full(message)
    for cut, path in next, loader.names do
      if cut ~= path and message:sub(1, #cut + 1) == cut .. ":" then return path .. message:sub(#cut + 1) end
    end
    return message
  end
  return loader
end

--- The script's own chunk.
function M.script(loader, path)
  local text <const>, message <const> = loader.read(path)
  if not text then error(value.unreadable(path, message), 0) end
  return compile(loader, path, text)
end

local function missing(message)
  message = tostring(message)
  return message:find("No such file", 1, true) or message:find("Not a directory", 1, true)
end

-- The first file that can be the module: path and text, or nil and the paths that were tried.
local function find(loader, name, at)
  local tried = {}
  for _, path in ipairs(search.candidates(loader.root, name)) do
    local text <const>, message <const> = loader.read(path)
    if text then return path, text end
    if not missing(message) then error(("%s: %s"):format(at, value.unreadable(path, message)), 0) end
    tried[#tried + 1] = path
  end
  return nil, tried
end

local function library(loader, name, at)
  if not PUBLIC[name] then
    error(("%s: require %s: not open to scripts, which can require %s"):format(at, value.quote(name), PUBLIC_TEXT), 0)
  end
  local module <const> = view.readonly(require(name), name)
  loader.cache[name] = module
  return module
end

local function check_name(name, at)
  if type(name) ~= "string" then
    error(("%s: require: expected a module's name, got %s"):format(at, value.describe(name)), 0)
  end
  local wrong <const> = name == "" and "is empty" or #name > MAX_NAME and "is too long"
    or name:find("\0", 1, true) and "contains a NUL byte"
    or name:find("/", 1, true) and 'contains a "/": write dots, as in "lib.tools"'
    or (name:find("..", 1, true) or name:find("^%.") or name:find("%.$")) and "has an empty part between dots"
  if wrong then error(("%s: require %s: the name %s"):format(at, value.quote(name), wrong), 0) end
end

local function circle(loader, name)
  local names = {}
  for _, open in ipairs(loader.chain) do
    if open == name or #names > 0 then names[#names + 1] = open end
  end
  names[#names + 1] = name
  return table.concat(names, " -> ")
end

--- require for the script: each module once a generation, from ward's library or the script's directory.
---@param loader table
---@param at string file:line of the call
---@param name any
function M.require(loader, at, name)
  check_name(name, at)
  local cached <const> = loader.cache[name]
  if cached ~= nil then return cached end
  if name:find("^ward%.") then return library(loader, name, at) end
  for _, open in ipairs(loader.chain) do
    if open == name then error(("%s: circular require: %s"):format(at, circle(loader, name)), 0) end
  end
  local path <const>, text <const> = find(loader, name, at)
  if not path then
    error(("%s: no module %s: tried %s"):format(at, value.quote(name), table.concat(text, ", ")), 0)
  end
  local chunk <const> = compile(loader, path, text)
  local depth <const> = #loader.chain + 1
  loader.chain[depth] = name
  -- Also when the module raises, the chain is as before.
  local _ <close> = setmetatable({}, { __close = function()
    for i = #loader.chain, depth, -1 do loader.chain[i] = nil end
  end })
  local result <const> = chunk(name, path)
  loader.cache[name] = result == nil or result
  return loader.cache[name]
end

return M
