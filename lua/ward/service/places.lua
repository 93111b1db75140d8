-- What a sandbox's mounts need on this machine: sources, and places to put them.

local core <const> = require("ward.core")

local M <const> = {}

local ENOENT <const>, ENOTDIR <const>, ELOOP <const> = 2, 20, 40

-- The key of the sandbox that asks for a mount of the tree.
local function key_of(box, row)
  for i, mount in ipairs(box.mounts or {}) do
    if mount.target == row.target then
      return ("mounts[%d]"):format(i), true
    end
  end
  for i, target in ipairs(box.tmpfs or {}) do
    if target == row.target then
      return ("tmpfs[%d]"):format(i)
    end
  end
  return row.target == "/" and "rootfs" or row.target == "/proc" and "proc" or "dev"
end

local function absent(err)
  return err ~= nil and (err.errno == ENOENT or err.errno == ENOTDIR)
end

-- What is at a path below `base`, or nil and an error; neither when it cannot be told: a link on the way leads
-- somewhere else than here when `base` is to be another root.
local function look(base, path)
  if base == "" then
    return core.stat(path)
  end
  local at, stat = base, nil
  for part in path:gmatch("[^/]+") do
    local err
    at = at .. "/" .. part
    stat, err = core.lstat(at)
    if not stat or stat.type == "link" then
      return nil, err
    end
  end
  return stat
end

-- Does a directory stand for a file, or the other way round?
local function differ(is_dir, place)
  return place ~= nil and is_dir ~= (place.type == "dir")
end

-- The mount that another one is placed in, and the rest of the path; nil when that is the host's root.
local function cover_of(mounts, i)
  for k = i - 1, 1, -1 do
    local above <const> = mounts[k].target == "/" and "/" or mounts[k].target .. "/"
    if mounts[i].target:sub(1, #above) == above then
      return mounts[k], mounts[i].target:sub(#above)
    end
  end
  return nil, mounts[i].target
end

-- Does a link on the way lie where others may change it? None such is followed when the service starts.
local function strays(path)
  local ok <const>, err <const> = core.trusted(path)
  return not ok and err.errno == ELOOP
end

local function stray_message(key, path)
  return ("%s: %s: a link on the way lies where others than root and ward's user may change it"):format(key, path)
end

--- What of a spec's mounts cannot be placed here; nil when all can.
---@param spec table canonical
---@return string? message with the path of the key
function M.fault(spec)
  local box <const> = spec.sandbox
  local mounts <const> = box and box.tree and box.tree.mounts or {}
  for i, row in ipairs(mounts) do
    local key <const>, has_source <const> = key_of(box, row)
    local cover <const>, rest <const> = cover_of(mounts, i)
    local source, place, err, no_place
    if row.source then
      source, err = core.stat(row.source)
    end
    if row.target ~= "/" and (not cover or not cover.type) then
      place, no_place = look(cover and cover.source or "", rest)
    end
    if row.source and source and strays(row.source) then
      return stray_message("sandbox." .. key .. (has_source and ".source" or ""), row.source)
    elseif place and not cover and strays(row.target) then
      return stray_message("sandbox." .. key .. (has_source and ".target" or ""), row.target)
    end
    local is_dir <const> = not row.source or source ~= nil and source.type == "dir"
    if row.optional and not source then
      goto continue
    elseif absent(err) then
      return ("sandbox.%s%s: %s does not exist%s"):format(key, has_source and ".source" or "", row.source,
        has_source and " (optional = true starts without)" or "")
    elseif absent(no_place) then
      return ("sandbox.%s%s: %s does not exist%s, and nothing is made there"):format(key,
        has_source and ".target" or "", row.target, cover and " in " .. cover.source or "")
    end
    if row.target == "/" and source and not is_dir then
      return ("sandbox.%s: %s is no directory"):format(key, row.source)
    elseif (source or not row.source) and differ(is_dir, place) then
      return ("sandbox.%s%s: %s is %s directory, %s"):format(key, has_source and ".target" or "", row.target,
        is_dir and "no" or "a", row.source and ("unlike " .. row.source) or "which it must be")
    end
    ::continue::
  end
end

return M
