-- ward.fs and ward.env: a script looks at files and at ward's environment; it changes neither.

local failure <const> = require "ward.script.failure"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"
local view <const> = require "ward.script.view"

local M <const> = {}

-- The host's nil, message, errno, name of it as a script gets them.
local function failed(message, errno, code)
  local _, err <const> = failure.of(code or "EINVAL", message)
  err.errno = errno
  return nil, err
end

--- The functions of ward.fs, as name -> fn(at, ...).
---@param host table read, list, kind: fn(path) -> result | nil, message, errno, code; dir: what paths are relative to
---@return table<string, function>
function M.functions(host)
  local function path_of(at, what, given)
    local path <const> = tasks.argument(at, what, value.string, "the path", given, { max = value.MAX_PATH })
    return path:sub(1, 1) == "/" and path or host.dir .. "/" .. path
  end
  local functions <const> = {}

  function functions.read(at, path)
    local text <const>, message <const>, errno <const>, code <const> = host.read(path_of(at, "ward.fs.read", path))
    if not text then return failed(message, errno, code) end
    return text
  end

  function functions.list(at, path)
    local names <const>, message <const>, errno <const>, code <const> = host.list(path_of(at, "ward.fs.list", path))
    if not names then return failed(message, errno, code) end
    table.sort(names)
    return names
  end

  function functions.exists(at, path)
    local kind <const> = host.kind(path_of(at, "ward.fs.exists", path))
    return kind ~= nil, kind
  end

  return functions
end

--- A view of the environment that ward was started with.
---@param environ table<string, string>
function M.env(environ)
  return view.readonly(environ, "ward.env", nil, function(key)
    return ("ward.env is read-only: cannot set %s; a child gets variables with env = { ... }"):format(view.key(key))
  end)
end

return M
