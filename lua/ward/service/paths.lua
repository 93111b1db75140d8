-- Where an instance keeps its socket, lock and logs, and whether those places can be trusted.
-- The supervisor and the command line both ask here, so that they always mean the same file.

local core <const> = require("ward.core")

local M <const> = {}

-- sockaddr_un.sun_path is 108 bytes and the kernel wants the NUL (unix(7)).
local SUN_PATH_MAX <const> = 107

local ENOENT <const>, EEXIST <const> = 2, 17

--- Is this a legal instance name? The rule is the one for service names.
---@param name string
---@return boolean
function M.is_instance(name)
  return #name <= 128 and name:find("^[A-Za-z0-9][A-Za-z0-9_.@:-]*$") ~= nil
end

-- An empty variable counts as unset, as in the XDG base directory specification.
local function getenv(name)
  local value = core.getenv(name)
  return value ~= "" and value or nil
end

-- $WARD_... as the user gave it: absolute, because ward, its clients and its children may stand in different places.
local function own_variable(name)
  local path = getenv(name)
  if path and path:sub(1, 1) ~= "/" then
    return nil, ("%s must be an absolute path, not %q"):format(name, path)
  end
  return path and (path:gsub("(.)/+$", "%1"))
end

-- $XDG_STATE_HOME, which the specification says to ignore when it is relative.
local function state_home()
  local state, home = getenv("XDG_STATE_HOME"), getenv("HOME")
  if state and state:sub(1, 1) == "/" then
    return state
  end
  return home and home:sub(1, 1) == "/" and home .. "/.local/state" or nil
end

--- Where something is kept for the user from one call to the next; the directory may not be there.
---@param file string
---@return string? path nil: there is no place
function M.state(file)
  local state = state_home()
  return state and ("%s/ward/%s"):format(state, file)
end

local function runtime_base()
  local path, err = own_variable("WARD_RUNTIME_DIR")
  if path or err then
    return path, err
  elseif core.uid == 0 then
    return "/run/ward"
  end
  local xdg = getenv("XDG_RUNTIME_DIR")
  if xdg and xdg:sub(1, 1) == "/" then
    return xdg .. "/ward"
  end
  -- No login session (su, cron, a container). The home directory is private; a name in /tmp could be taken by others.
  local state = state_home()
  if not state then
    return nil, "no place for the control socket: set WARD_RUNTIME_DIR or XDG_RUNTIME_DIR"
  end
  return state .. "/ward/run"
end

local function log_base()
  local path, err = own_variable("WARD_LOG_DIR")
  if path or err then
    return path, err
  elseif core.uid == 0 then
    return "/var/log/ward"
  end
  local state = state_home()
  if not state then
    return nil, "no place for the logs: set WARD_LOG_DIR, XDG_STATE_HOME or HOME"
  end
  return state .. "/ward/log"
end

---@class ward.service.Runtime
---@field base string
---@field dir string base/<instance>
---@field socket string
---@field lock string
---@field journal string

--- The runtime directory of an instance. Nothing is touched.
---@param instance string
---@return ward.service.Runtime?
---@return string? message
function M.runtime(instance)
  local base, err = runtime_base()
  if not base then
    return nil, err
  end
  local dir = base .. "/" .. instance
  local socket = dir .. "/control.sock"
  if #socket > SUN_PATH_MAX then
    return nil, ("control socket path is too long (%d bytes, at most %d): %s"):format(#socket, SUN_PATH_MAX, socket)
  end
  return { base = base, dir = dir, socket = socket, lock = dir .. "/lock", journal = dir .. "/journal" }
end

---@class ward.service.Logs
---@field base string
---@field dir string base/<instance>

--- The log directory of an instance. Nothing is touched.
---@param instance string
---@return ward.service.Logs?
---@return string? message
function M.logs(instance)
  local base, err = log_base()
  if not base then
    return nil, err
  end
  return { base = base, dir = base .. "/" .. instance }
end

--- The log file of a service.
---@param dir string
---@param name string
---@return string
function M.log_file(dir, name)
  return dir .. "/" .. name .. ".log"
end

local function make_directories(path, what)
  for at in path:gmatch("()/") do
    local parent = path:sub(1, at - 1)
    if parent ~= "" and not core.stat(parent) then
      local made, err = core.mkdir(parent, tonumber("700", 8))
      if not made and err.errno ~= EEXIST then
        return nil, ("cannot create %s %s: %s"):format(what, path, core.strerror(err.errno))
      end
    end
  end
  local made, err = core.mkdir(path, tonumber("700", 8))
  if not made and err.errno ~= EEXIST then
    return nil, ("cannot create %s %s: %s"):format(what, path, core.strerror(err.errno))
  end
  return true
end

-- What makes a directory unfit to hold our socket and our files; nil when nothing does.
local function fault(stat, owners)
  local mode = stat.mode & tonumber("7777", 8)
  local shown = ("mode %04o"):format(mode)
  if stat.type ~= "dir" then
    return "is not a directory"
  elseif not owners[stat.uid] then
    return ("belongs to uid %d, not to uid %d"):format(stat.uid, core.uid)
  elseif mode & tonumber("002", 8) ~= 0 then
    return "is world-writable (" .. shown .. "); make it 0700"
  elseif mode & tonumber("020", 8) ~= 0 then
    return "is group-writable (" .. shown .. "); make it 0700"
  elseif stat.uid == core.uid and mode & tonumber("700", 8) ~= tonumber("700", 8) then
    return "is not open to its owner (" .. shown .. "); make it 0700"
  end
  return nil
end

local function inspect(path, what, owners)
  local stat, err = core.stat(path)
  if not stat then
    return nil, ("cannot use %s %s: %s"):format(what, path, core.strerror(err.errno))
  end
  local reason = fault(stat, owners)
  if reason then
    return nil, ("%s %s %s"):format(what, path, reason)
  end
  return true
end

--- Makes a directory and its parent ours: creates what is missing (0700) and refuses what others could change.
--- The parent may also be root's (a system directory in which root made one of ours).
---@param place { base: string, dir: string }
---@param what string how messages call it: "runtime directory"
---@return boolean?
---@return string? message
function M.claim(place, what)
  local known, err = core.stat(place.base)
  if not known and err.errno ~= ENOENT then
    return nil, ("cannot use %s %s: %s"):format(what, place.base, core.strerror(err.errno))
  end
  local ok, message
  if not known then
    ok, message = make_directories(place.base, what)
    if not ok then
      return nil, message
    end
  end
  ok, message = inspect(place.base, what, { [core.uid] = true, [0] = true })
  if ok then
    ok, message = make_directories(place.dir, what)
  end
  if ok then
    ok, message = inspect(place.dir, what, { [core.uid] = true })
  end
  return ok, message
end

return M
