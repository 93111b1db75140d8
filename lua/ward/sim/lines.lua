-- Which line of a script called a function.
--
-- Lua's debug library knows, but for one case: in `return ward.service { ... }` the caller's place on the stack has
-- been taken over by what it called. There the line that was executed last is the answer, and so a hook follows the
-- lines of scripts. A hook that is there already (coverage, a debugger) goes on working.

local library <const> = require "ward.sim.library"

local M <const> = {}

local getinfo <const>, gethook <const>, sethook <const> = debug.getinfo, debug.gethook, debug.sethook
local create <const> = coroutine.create

-- What ward's own files are called, and no script is.
local OWN <const> = "@" .. library.ROOT .. "/ward/"

--- Whether a chunk, as Lua names it, is a file of ward's library.
---@param source string
---@return boolean
function M.is_own(source) return source:sub(1, #OWN) == OWN end

local function is_script(source)
  return source:sub(1, 1) == "@" and not M.is_own(source)
end

-- "file:line" of the function at this level, seen from the caller; nil when it has no line or is not a script's.
local function line_at(level)
  local info <const> = getinfo(level + 1, "Sl")
  if info and info.currentline > 0 and is_script(info.source) then
    return ("%s:%d"):format(info.source:sub(2), info.currentline)
  end
  return nil
end

local function innermost(level)
  while true do
    local info <const> = getinfo(level + 1, "Sl")
    if not info then return "" end
    if info.currentline >= 0 then
      local named <const> = info.source:find("^[@=]")
      return ("%s:%d"):format(named and info.source:sub(2) or info.short_src, info.currentline)
    end
    level = level + 1
  end
end

--- What follows the lines of one script.
---@return table create: coroutine.create for all that may run the script; located: as in the host of a script
function M.new()
  local lines <const>, last = {}, ""

  function lines.create(fn)
    local co <const> = create(fn)
    local other <const> = gethook(co)
    sethook(co, function(event, line)
      if event == "line" then
        last = line_at(2) or last
        if other then other(event, line, 3) end -- the level from where it sees what runs
      else
        last = line_at(3) or last -- what goes on when this one has returned
      end
    end, "lr")
    return co
  end

  function lines.located(fn)
    return function(...)
      return fn(getinfo(1, "t").istailcall and last or innermost(2), ...)
    end
  end

  return lines
end

--- The name of the innermost C function on the stack in which a script cannot wait; nil where there is none.
---@return string|nil
function M.blocker()
  local level = 2
  while true do
    local info <const> = getinfo(level, "Sn")
    if not info then return nil end
    if info.what == "C" and info.name and info.name ~= "pcall" and info.name ~= "xpcall" then return info.name end
    level = level + 1
  end
end

--- "file:line: " of the innermost line of a file on the stack of a coroutine, or nil.
---@param co thread
---@return string|nil
function M.where(co)
  local level = 0
  while true do
    local info <const> = getinfo(co, level, "Sl")
    if not info then return nil end
    if info.currentline > 0 and is_script(info.source) then
      return ("%s:%d: "):format(info.source:sub(2), info.currentline)
    end
    level = level + 1
  end
end

return M
