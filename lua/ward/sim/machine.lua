-- The machine that a script sees while it loads: files, users, groups, the environment. What a test gives stands in
-- for it; the rest is looked up for real, in plain Lua, with the commands that every system has.

local M <const> = {}

-- Names of the errors that a script may be told of, by number.
local CODES <const> = { [2] = "ENOENT", [13] = "EACCES", [20] = "ENOTDIR", [21] = "EISDIR" }
local TEXTS <const> = {
  [2] = "No such file or directory", [13] = "Permission denied", [20] = "Not a directory", [21] = "Is a directory",
}

local function failed(verb, path, errno, text)
  return nil, ("cannot %s %s: %s"):format(verb, path, text or TEXTS[errno]), errno, CODES[errno]
end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- What a command prints; nil when it fails.
local function output(command, ...)
  local words <const> = table.pack(...)
  for i = 1, words.n do words[i] = quoted(words[i]) end
  local pipe <const> = assert(io.popen(command:format(table.unpack(words, 1, words.n)) .. " 2>/dev/null"))
  local text <const> = pipe:read("a")
  return pipe:close() and text or nil
end

local function line(command, ...)
  local text <const> = output(command, ...)
  return text and text:match("^[^\n]+")
end

-- Files --------------------------------------------------------------------------------------------------------

local function read_file(path)
  if path:find("\0", 1, true) then return nil, ("cannot read %s: a NUL in the file name"):format(path) end
  local file <const>, message <const>, errno <const> = io.open(path, "rb")
  if not file then return failed("read", path, errno, message:gsub("^.*: ", "")) end
  local text <const>, why <const>, number <const> = file:read("a")
  file:close()
  if not text then return failed("read", path, number, why) end
  return text
end

local KIND <const> = "p=%s; if [ -f $p ]; then echo file; elif [ -d $p ]; then echo directory; "
  .. "elif [ -e $p ]; then echo other; fi"

local function kind_of(path)
  local kind <const> = line((KIND:gsub("%$p", '"$p"')), path)
  if not kind then return failed("look at", path, 2) end
  return kind
end

local function list(path)
  local kind <const> = kind_of(path)
  if kind ~= "directory" then return failed("list", path, kind and 20 or 2) end
  local names <const> = {}
  local text <const> = output("cd -- %s && find . -mindepth 1 -maxdepth 1 -print0", path)
  if not text then return failed("list", path, 13) end
  for name in text:gmatch("%./([^\0]+)") do names[#names + 1] = name end
  return names
end

local function realpath(path)
  local found <const> = line("cd -- %s && pwd -P", path)
  if found then return found end
  return failed("resolve", path, 2)
end

-- A directory that may be there for the test alone.
local function made_up(path)
  if path:sub(1, 1) == "/" then return (path:gsub("(.)/+$", "%1")) end
  local here <const> = assert(line("pwd"))
  return path == "." and here or here .. "/" .. path:gsub("^%./+", ""):gsub("/+$", "")
end

local function add_files(machine, read)
  machine.read_file, machine.read, machine.list, machine.kind, machine.realpath =
    read_file, read_file, list, kind_of, realpath
  if not read then return end
  function machine.read(path)
    local text <const>, message <const> = read(path)
    if text then return text end
    return failed("read", path, 2, message)
  end
  function machine.kind(path)
    if read(path) then return "file" end
    return kind_of(path)
  end
  function machine.realpath(path) return realpath(path) or made_up(path) end
end

-- Users and groups -----------------------------------------------------------------------------------------------

-- A name of digits is a number to getent, and nobody's name.
local function entry(database, key)
  if type(key) == "string" and not key:find("^[%a_][%w_.-]*%$?$") then return nil end
  local text <const> = line("getent " .. database .. " %s", tostring(key))
  if not text then return nil end
  local fields <const> = {}
  for field in (text .. ":"):gmatch("(.-):") do fields[#fields + 1] = field end
  return fields
end

local function user(key)
  local found <const> = entry("passwd", key)
  return found and { name = found[1], uid = math.tointeger(found[3]), gid = math.tointeger(found[4]) }
end

local function group(key)
  local found <const> = entry("group", key)
  return found and { name = found[1], gid = math.tointeger(found[3]) }
end

local function groups(name, gid)
  local list_, seen <const> = { gid }, { [gid] = true }
  for number in (line("id -G -- %s", name) or ""):gmatch("%d+") do
    local id <const> = math.tointeger(number)
    if not seen[id] then list_[#list_ + 1], seen[id] = id, true end
  end
  return list_
end

-- The one of `known` that has this name or number.
local function find(known, key, number)
  if type(key) == "string" then return known[key] and key end
  for name, item in next, known do
    if number(item) == key then return name end
  end
end

local function add_people(machine, users, known_groups)
  machine.user, machine.group, machine.groups = user, group, groups
  if users then
    function machine.user(key)
      local name <const> = find(users, key, function(item) return item.uid end)
      return name and { name = name, uid = users[name].uid, gid = users[name].gid or users[name].uid } or nil
    end
    function machine.groups(name, gid)
      local list_ = { gid }
      for _, id in ipairs(users[name] and users[name].groups or {}) do list_[#list_ + 1] = id end
      return list_
    end
  end
  if known_groups then
    function machine.group(key)
      local name <const> = find(known_groups, key, function(item) return item end)
      return name and { name = name, gid = known_groups[name] } or nil
    end
  end
end

-- The environment that this process was started with.
local function environ()
  local names <const> = {}
  for name, item in (read_file("/proc/self/environ") or ""):gmatch("([^=\0]+)=([^\0]*)") do
    names[name] = names[name] or item
  end
  return names
end

--- The machine of a test.
---@param given table read, users, groups, env: what the test gives, each or none
---@return table read, read_file, list, kind, realpath, user, group, groups, environ: as in the host of a script;
---  read_file: always a real file
function M.new(given)
  local machine <const> = {}
  add_files(machine, given.read)
  add_people(machine, given.users, given.groups)
  function machine.environ()
    local names <const> = {}
    for name, item in next, given.env or environ() do names[name] = item end
    return names
  end
  return machine
end

return M
