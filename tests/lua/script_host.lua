-- Runs lua/ward/script/boot.lua as C would: in a Lua state of its own, without io, debug and package, with a
-- host. Prints "ok" and the bundle as a Lua table, or "error" and the message.
--
--   lua5.4 tests/lua/script_host.lua SHARE SCRIPT

local self <const>, share <const>, path <const> = arg[0], arg[1], arg[2]
local io <const>, debug <const>, load <const>, next <const> = io, debug, load, next

local function read(name)
  local file <const>, message <const> = io.open(name, "rb")
  if not file then return nil, (message:gsub("^.*: ", "")) end
  local text <const>, failure <const> = file:read("a")
  file:close()
  return text, failure
end

local function realpath(name)
  local pipe <const> = io.popen(("realpath -e '%s' 2>/dev/null"):format(name))
  local found <const> = pipe:read("l")
  pipe:close()
  return found, not found and "No such file or directory" or nil
end

-- What the C function has from the caller's frame, a line hook sees pass.
local last = ""
local function watch()
  local source <const> = debug.getinfo(2, "S").source
  if source:sub(1, 1) == "@" and source ~= "@" .. self and not source:find("/ward/script/", 1, true) then
    last = ("%s:%d"):format(source:sub(2), debug.getinfo(2, "l").currentline)
  end
end

local host <const> = {
  share = share, version = "0.1.0", read = read, realpath = realpath,
  list = function() return {} end, kind = function() return nil end, environ = function() return { LANG = "C" } end,
  user = function(key)
    return (key == "www" or key == 33) and { name = "www", uid = 33, gid = 33 } or nil
  end,
  group = function(key) return key == "www" and { name = "www", gid = 33 } or nil end,
  groups = function(_, gid) return { gid, 44 } end,
  request = function() return nil, { code = "test", message = "nobody serves here" } end,
  now = os.clock, blocker = function() return nil end, where = function() return nil end,
  located = function(fn) return function(...) return fn(last, ...) end end,
}

local boot <const> = load(read(share .. "/ward/script/boot.lua"), "@" .. share .. "/ward/script/boot.lua", "t")()
local out <const>, write <const>, format <const> = io.stdout, io.stdout.write, string.format
local pcall <const>, type <const>, tostring <const> = pcall, type, tostring
_G.io, _G.debug, _G.package, _G.require, _G.dofile, _G.loadfile, _G.arg = nil, nil, nil, nil, nil, nil, nil

local function dump(value)
  if type(value) ~= "table" then
    write(out, type(value) == "string" and format("%q", value) or tostring(value))
    return
  end
  write(out, "{")
  for key, item in next, value do
    write(out, "[")
    dump(key)
    write(out, "]=")
    dump(item)
    write(out, ",")
  end
  write(out, "}")
end

debug.sethook(watch, "l")
local ok <const>, entry <const>, result <const> = pcall(boot, host, path)
debug.sethook()
write(out, ok and "ok\n" or "error\n")
if ok then dump(result) else write(out, tostring(entry)) end
