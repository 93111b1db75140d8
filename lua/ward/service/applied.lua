-- What of a sandbox this machine applies. Before a launch, as far as that can be told.

local core <const> = require("ward.core")

local M <const> = {}

local ENOENT <const> = 2
local ABI_OF_PORTS <const>, ABI_OF_SCOPES <const> = 4, 6

--- What the machine does not have: { stage =, errno =, message = } each.
---@param spec table canonical
---@param plan userdata its plan
---@return table[]
function M.lacks(spec, plan)
  local lacks <const> = plan:lacks()
  local tree <const> = spec.sandbox and spec.sandbox.tree
  for _, mount in ipairs(tree and tree.mounts or {}) do
    if mount.optional and mount.source and not core.stat(mount.source) then
      lacks[#lacks + 1] = {
        stage = "mount_make", errno = ENOENT, message = "optional mount of what is not there: " .. mount.source,
      }
    end
  end
  return lacks
end

--- The lacks that are of the kernel: what is merely not there, the spec has said may be so.
---@param plan userdata
---@return string[] messages
function M.warnings(plan)
  local messages <const> = {}
  for _, lack in ipairs(plan:lacks()) do
    if lack.errno ~= ENOENT then messages[#messages + 1] = "sandbox.landlock: " .. lack.message end
  end
  return messages
end

--- The spec without those parts of Landlock that the kernel does not have: what is left open is as if they were not
--- asked for.
---@param spec table canonical
---@param plan userdata
---@return table spec
function M.spec(spec, plan)
  local landlock <const> = spec.sandbox and spec.sandbox.landlock
  local abi <const> = plan:landlock()
  if not landlock or abi and abi >= ABI_OF_SCOPES then
    return spec
  end
  local box <const>, copy <const> = {}, {}
  for key, value in pairs(spec.sandbox) do box[key] = value end
  for key, value in pairs(spec) do copy[key] = value end
  copy.sandbox = box
  box.landlock = abi and {
    fs = landlock.fs, net = abi >= ABI_OF_PORTS and landlock.net or nil, scope = {}, compat = landlock.compat,
  }
  return copy
end

return M
