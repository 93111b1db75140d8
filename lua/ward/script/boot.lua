-- The first code in a script state: makes the script's world, loads the script and returns the function through
-- which what it declared is run later, and its bundle.
--
-- C opens base, coroutine, table, string, math, utf8 and os, runs this file and calls what it returns
-- with the host and the script's path. Everything the script could touch is set up before its first
-- line runs. An error leaves as one string, "file:line: text".
--
-- host: user, group, groups, read as for schema.normalise; share: directory of ward/init.lua;
-- sources: as for ward.script.modules; realpath: fn(path) -> absolute path | nil, message; version: string;
-- list, kind: as for ward.script.fs;
-- shared: nil, or true when the Lua state has other users, too (ward.sim), and is to stay as it is;
-- environ: fn() -> name -> value;
-- compiled: nil, or fn(name) -> a module of ward's as a function, or nil, and fn(name, function), which keeps it;
-- request, now, blocker: as for ward.script.runtime; where: fn(co) -> "file:line: " of the innermost line of a file
-- on a coroutine's stack, or nil;
-- located: fn(fn) -> a C function that calls fn(at, ...), where `at` is "file:line" of the innermost Lua
-- function that called it, or "" when there is none. It has to be C's: a Lua function that is called as
-- `return ward.service { ... }` never sees the frame with its caller's line.

-- How Lua names this file in positions; the loader below names the rest of the library "[ward...]".
local SELF <const> = select(2, pcall(error, "", 2)):match("^(.*):%d+: $") or "boot"

local function compile(host, name)
  local base <const> = host.share .. "/" .. name:gsub("%.", "/")
  local text = host.read(base .. ".lua")
  if not text then text = assert(host.read(base .. "/init.lua")) end
  local chunk <const> = assert(load(text, "=[" .. name .. "]", "t", _ENV))
  if host.compiled then host.compiled(name, chunk) end
  return chunk
end

-- The library's own require: ward's modules only, source text only, each once a state.
local function library_require(host)
  local loaded <const> = {}
  return function(name)
    if loaded[name] ~= nil then return loaded[name] end
    local chunk <const> = host.compiled and host.compiled(name) or compile(host, name)
    loaded[name] = chunk(name)
    return loaded[name]
  end
end

local function inside_library(position)
  return position:find("^%[ward[%w_.]*%]:%d+: ") or position:sub(1, #SELF + 1) == SELF .. ":"
end

-- "file:line: " when the text begins with a position in one of the script's files.
local function own_position(loader, text)
  for name in next, loader.names do
    if text:sub(1, #name + 1) == name .. ":" then
      local position <const> = text:match("^:%d+: ", #name + 1)
      if position then return name .. position end
    end
  end
  return nil
end

-- What `raised` says, on one line.
local function text_of(raised)
  if raised == nil then return "an error without a message (nil)" end
  if type(raised) == "table" then
    local metatable <const> = getmetatable(raised)
    if type(metatable) == "table" and metatable.__tostring then
      local ok <const>, text <const> = pcall(tostring, raised)
      raised = ok and text or "an error whose __tostring fails"
    elseif type(rawget(raised, "message")) == "string" then
      raised = rawget(raised, "message")
    else
      raised = "an error that is a table without __tostring"
    end
  elseif type(raised) ~= "string" then
    raised = "an error that is not a string: " .. tostring(raised)
  end
  return (raised:gsub("%s*\n%s*", " "):gsub("[%c\127]", "?"))
end

-- The innermost position in one of the script's files on the current stack. error() writes the position
-- of a stack level in front of an empty message; a level without one gives an empty string.
local function position_on_stack(loader)
  for level = 2, 200 do
    local _, position <const> = pcall(error, "", level)
    local own <const> = type(position) == "string" and own_position(loader, position)
    if own then return own end
  end
  return nil
end

-- "file:line: text" of what was raised; position: fn() -> "file:line: " of where, or nil.
local function message_of(loader, path, raised, position)
  local text = text_of(raised)
  local own = own_position(loader, text)
  if own then
    -- Raised again with a second position in front: the last one is where it happened.
    local inner = own_position(loader, text:sub(#own + 1))
    while inner do
      text, own = text:sub(#own + 1), inner
      inner = own_position(loader, text:sub(#own + 1))
    end
    return loader.full(text)
  end
  if inside_library(text) then text = text:gsub("^.-:%d+: ", "", 1) end
  return loader.full((position() or path .. ": ") .. text)
end

local function absolute_directory(host, directory, path)
  local dir <const>, message <const> = host.realpath(directory == "" and "." or directory)
  if not dir then
    error(("cannot read %s: %s"):format(path, type(message) == "string" and message or "no such directory"), 0)
  end
  return dir
end

return function(host, path)
  local require <const> = library_require(host)
  -- The library's modules call the global; scripts have globals of their own.
  _G.require = require
  local env <const> = require "ward.script.env"
  local eval <const> = require "ward.script.eval"
  local modules <const> = require "ward.script.modules"
  local tree <const> = require "ward.script.tree"

  -- A call without a line (the first thing of a coroutine) is at least in this script.
  local function located(fn)
    return host.located(function(at, ...) return fn(at ~= "" and at or path, ...) end)
  end
  local script_host <const> = {
    user = host.user, group = host.group, groups = host.groups, read = host.read, version = host.version,
    located = located, request = host.request, now = host.now, blocker = host.blocker,
    list = host.list, kind = host.kind, stat = host.stat, environ = host.environ,
    machine = host.machine, caps = host.caps, syscall = host.syscall, uid = host.uid,
  }
  local loader
  local function guard(raised, co)
    return message_of(loader, path, raised, function() return host.where(co) end)
  end
  local ward <const>, generation <const> = require("ward").open(script_host, guard)
  local runtime <const> = generation.runtime
  loader = modules.new(host, ward, path)
  loader.globals = env.new {
    require = located(function(at, name) return modules.require(loader, at, name) end),
    coroutine = runtime.coroutine, print = runtime.print, shared = host.shared,
  }
  runtime.scope(function()
    local own <const> = tree.declared(generation)
    own.ward = ward
    return own, loader.globals
  end)
  loader.names[eval.NAME] = eval.NAME -- what it raises has a position, too
  local chunk <const> = modules.script(loader, path)
  script_host.dir = absolute_directory(host, loader.root, path)

  local placed
  local ok <const>, returned <const> = xpcall(chunk, function(raised)
    placed = message_of(loader, path, raised, function() return position_on_stack(loader) end)
  end)
  -- Out of memory, and errors in the handler itself, come without a call of the handler that ends.
  if not ok then error(placed or path .. ": " .. text_of(returned), 0) end
  local bundle <const> = tree.finish(generation, path, returned)
  bundle.sources = loader.sources
  return runtime.entry, bundle
end
