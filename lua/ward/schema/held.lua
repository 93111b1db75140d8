-- The capabilities that a program can have once it runs (capabilities(7), "Transformation of capabilities during
-- execve()"), by what its spec says and what ward has. Never fewer than it has, and
-- never more of them because a set is smaller.

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
local function is_root(spec, uid)
  local map <const> = spec.sandbox and spec.sandbox.uid_map
  if spec.ids and spec.ids.uid then
    return spec.ids.uid == 0
  elseif map then
    return uid == 0 or map[1].inside == 0
  end
  return uid == 0
end

-- Is it in a user namespace of its own, where everything can be had, but only once more?
local function has_user(box)
  for _, name in ipairs(box.namespaces or {}) do
    if name == "user" then
      return true
    end
  end
  return box.uid_map ~= nil
end

--- number -> true
---@param spec { ids?: table, sandbox?: table } canonical
---@param uid integer? ward's
---@param machine { caps: integer[]?, ambient: integer[] } ward's bounding set, if it is to count, and ambient set
---@return table<integer, boolean>
function M.of(spec, uid, machine)
  local box <const> = spec.sandbox or {}
  local caps <const> = box.caps or {}
  local own <const> = has_user(box)
  local bounding <const>, inheritable <const> = set_of(caps.bounding, true), set_of(caps.inheritable, false)
  local limit <const> = set_of(not own and machine.caps or nil, true)
  local permitted <const>, effective <const> = set_of(caps.permitted, true), set_of(caps.effective, true)
  -- What ward has there is for its programs, too, unless it is root, which loses it with the user.
  local ambient <const> = set_of(caps.ambient or uid ~= 0 and not own and machine.ambient or nil, false)
  local root <const> = is_root(spec, uid) and (box.securebits or 0) & NOROOT == 0
  -- With sets, and no securebits of its own, it gains nothing by exec that the sets leave out.
  local all <const> = box.no_new_privs ~= true and (box.caps == nil or box.securebits ~= nil)
  local held = {}
  for number = 0, M.LAST do
    local gains <const> = root and (inheritable(number) or bounding(number) and limit(number))
      and (all or permitted(number) and (box.securebits ~= nil or effective(number)))
    if gains or ambient(number) then
      held[number] = true
    end
  end
  return held
end

return M
