-- Where a program can stand: directories that its sandbox shows, and that it may enter.

local M <const> = {}

local DAC_OVERRIDE <const>, DAC_READ_SEARCH <const> = 1, 2

--- The bits of a mode that are for somebody, from 0 to 7.
---@param stat { mode: integer, uid: integer, gid: integer }
---@param ids { uid: integer, gid: integer, groups: integer[] }
---@return integer
function M.rights(stat, ids)
  local groups <const> = { [ids.gid] = true }
  for _, gid in ipairs(ids.groups) do groups[gid] = true end
  return stat.mode >> (stat.uid == ids.uid and 6 or groups[stat.gid] and 3 or 0) & 7
end

--- May somebody enter this directory, as far as its modes and those above it say?
---@param path string absolute
---@param ids table as for M.rights
---@param stat fun(path: string): table?
---@return boolean
function M.enters(path, ids, stat)
  local at = ""
  for part in path:gmatch("[^/]*") do
    at = part == "" and "/" or (at == "/" and "" or at) .. "/" .. part
    local found <const> = stat(at)
    if found and M.rights(found, ids) & 1 == 0 then return false end
  end
  return true
end

--- Will the child see this directory? And does it come from a mount?
---@param path string absolute
---@param tree table|nil of the canonical sandbox
---@param stat fun(path: string): table? of the host
---@return boolean seen
---@return boolean? mounted
function M.in_sight(path, tree, stat)
  local cover, skip
  for _, row in ipairs(tree and tree.mounts or {}) do
    local below <const> = row.target == "/" and "/" or row.target .. "/"
    if path == row.target then return true, true end
    if path:sub(1, #below) == below then cover, skip = row, #below end
  end
  if not cover then return true end
  local rest <const> = path:sub(skip + 1)
  for _, fill in ipairs(cover.fills or {}) do
    if fill.path == rest then return true, true end
  end
  return cover.type == nil and stat(cover.source .. "/" .. rest) ~= nil, true
end

-- Has it a capability for which modes do not count?
local function overrides(caps)
  for _, number in ipairs(caps and (caps.effective or caps.permitted) or {}) do
    if number == DAC_OVERRIDE or number == DAC_READ_SEARCH then return true end
  end
  return false
end

--- Why a program cannot stand in this directory, as far as can be told from here; nil when it can.
---@param path string absolute
---@param spec { ids?: table, user?: string, sandbox: table } canonical
---@param stat fun(path: string): table?
---@return string?
function M.fault(path, spec, stat)
  local ids <const>, box <const> = spec.ids, spec.sandbox
  local seen <const>, mounted <const> = M.in_sight(path, box.tree, stat)
  if not seen then return "is out of sight in the sandbox" end
  if ids and ids.uid and ids.uid ~= 0 and ids.gid and not mounted and not box.uid_map and not overrides(box.caps)
    and not M.enters(path, ids, stat) then
    return ("may not be entered by %s"):format(spec.user or "user " .. ids.uid)
  end
end

return M
