-- The capabilities that a program can have once it runs (capabilities(7), "Transformation of capabilities during
-- execve()"), by what its spec says. Never fewer than it has, and never more of them because a set is smaller.

local core <const> = require("ward.core")

local M <const> = {}

local NOROOT <const> = 1

--- The last one that there is.
M.LAST = 40

-- A set as a predicate; without a list it holds all, or nothing.
local function set_of(list, otherwise)
  if list == nil then
    return function() return otherwise end
  end
  local held <const> = {}
  for _, number in ipairs(list) do
    held[number] = true
  end
  return function(number) return held[number] == true end
end

-- Is the program uid 0 where it runs?
local function is_root(spec)
  local map <const> = spec.sandbox and spec.sandbox.uid_map
  if spec.ids and spec.ids.uid then
    return spec.ids.uid == 0
  elseif map then
    return core.uid == 0 or map[1].inside == 0
  end
  return core.uid == 0
end

--- number -> true
---@param spec table canonical
---@return table<integer, boolean>
function M.of(spec)
  local box <const> = spec.sandbox or {}
  local caps <const> = box.caps or {}
  local bounding <const>, inheritable <const> = set_of(caps.bounding, true), set_of(caps.inheritable, false)
  local permitted <const>, effective <const> = set_of(caps.permitted, true), set_of(caps.effective, true)
  local ambient <const> = set_of(caps.ambient, false)
  local root <const> = is_root(spec) and (box.securebits or 0) & NOROOT == 0
  -- With sets, and no securebits of its own, it gains nothing by exec that the sets leave out.
  local all <const> = box.no_new_privs ~= true and (box.caps == nil or box.securebits ~= nil)
  local held = {}
  for number = 0, M.LAST do
    local gains <const> = root and (inheritable(number) or bounding(number))
      and (all or permitted(number) and (box.securebits ~= nil or effective(number)))
    if gains or ambient(number) then
      held[number] = true
    end
  end
  return held
end

return M
