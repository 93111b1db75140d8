-- Mounts that are read-only for a program that could make them writable again.

local core <const> = require("ward.core")
local held <const> = require("ward.schema.held")

local M <const> = {}

local SYS_ADMIN <const> = 21

--- What it takes to do so: plan:syscalls takes the list.
M.CALLS = { "mount", "mount_setattr" }

-- Does one of the sets of `caps` name it?
local function names(caps, number)
  for _, set in pairs(caps or {}) do
    for _, each in ipairs(set) do
      if each == number then
        return true
      end
    end
  end
  return false
end

-- Has the program CAP_SYS_ADMIN where its mounts belong to? As root, ward enters a user namespace last, and the mounts
-- belong to the one above; without privilege first, and then the program keeps the capability only if it is named.
local function is_admin(spec)
  local box <const> = spec.sandbox
  for _, name in ipairs(box.namespaces or {}) do
    if name == "user" and (core.uid == 0 or not names(box.caps, SYS_ADMIN)) then
      return false
    end
  end
  return held.of(spec, core.uid, core.machine())[SYS_ADMIN] == true
end

--- Can the program write to what is read-only in its sandbox?
---@param spec table canonical
---@param plan userdata? its plan; without one no filter is counted on
---@return boolean
function M.possible(spec, plan)
  return spec.sandbox ~= nil and is_admin(spec) and not (plan and #plan:syscalls(M.CALLS).open == 0)
end

--- The first key whose promise such a program need not keep, in a sentence; nil when there is none.
---@param spec table
---@param plan userdata?
---@return string?
function M.warning(spec, plan)
  local box <const> = spec.sandbox
  local key = box and box.readonly and "readonly"
  for i, row in ipairs(box and box.mounts or {}) do
    key = key or row.readonly and row.type == "bind" and ("mounts[%d].readonly"):format(i)
  end
  if key and M.possible(spec, plan) then
    return ("sandbox.%s: the program keeps sys_admin, with which it can make this writable again: caps without it, or "
      .. 'a "user" namespace, prevent that'):format(key)
  end
end

return M
