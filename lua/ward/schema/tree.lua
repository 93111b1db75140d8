-- From the keys about files to the list of mounts that the core makes: in the order in which they are placed, with
-- what each new file system has to hold before.
--
--   { mounts = { { type = nil | "tmpfs" ..., source =, target =, readonly =, nosuid =, nodev =, noexec =, optional =,
--     options = { key, value, ... }, fills = { { kind = "dir", path =, mode = }, { kind = "link", path =, to = },
--     { kind = "like", path =, like = index of a mount } } }, ... }, host = nil | { readonly =, nodev = } }

local M <const> = {}

local DEVICES <const> = { "full", "null", "random", "tty", "urandom", "zero" }
local LINKS <const> = {
  { "fd", "/proc/self/fd" }, { "ptmx", "pts/ptmx" }, { "stderr", "/proc/self/fd/2" }, { "stdin", "/proc/self/fd/0" },
  { "stdout", "/proc/self/fd/1" },
}

-- A tmpfs that the program may fill; what it makes there is its own.
local function tmpfs(target, row)
  local options = { "mode", ("%04o"):format(row.mode or 1023) } -- 1777, as /tmp has it
  if row.size then table.move({ "size", ("%d"):format(row.size) }, 1, 2, 3, options) end
  return { type = "tmpfs", target = target, readonly = row.readonly, nosuid = true, nodev = true, options = options,
    fills = {} }
end

-- What programs expect of /dev, and nothing that leads to hardware.
local function add_dev(add)
  local dev = tmpfs("/dev", { mode = 493, size = 65536, readonly = true }) -- 0755
  dev.noexec = true
  for _, link in ipairs(LINKS) do
    dev.fills[#dev.fills + 1] = { kind = "link", path = link[1], to = link[2] }
  end
  add(dev)
  for _, name in ipairs(DEVICES) do
    add { source = "/dev/" .. name, target = "/dev/" .. name }
  end
  add { type = "devpts", target = "/dev/pts", nosuid = true, noexec = true,
    options = { "ptmxmode", "0666", "mode", "0620" }, fills = {} }
  local shm = tmpfs("/dev/shm", {})
  shm.noexec = true
  add(shm)
end

local function add_mount(add, row)
  if row.type == "bind" then
    add { source = row.source, target = row.target, readonly = row.readonly, optional = row.optional, nosuid = true,
      nodev = not row.dev or nil }
  elseif row.type == "tmpfs" then
    add(tmpfs(row.target, row))
  else
    add { type = row.type, target = row.target, readonly = row.readonly, nosuid = true, nodev = true, noexec = true,
      options = {}, fills = {} }
  end
end

-- Parents before what lies below them; what the user says wins over what "minimal" brings along.
local function collect(sandbox)
  local list, seen = {}, {}
  local function add(row)
    if not seen[row.target] then
      list[#list + 1], seen[row.target] = row, true
    end
  end
  local nodev <const> = sandbox.dev ~= nil or nil
  if sandbox.rootfs then
    add { source = sandbox.rootfs, target = "/", readonly = sandbox.readonly, nodev = nodev }
  end
  for _, row in ipairs(sandbox.mounts or {}) do add_mount(add, row) end
  for _, path in ipairs(sandbox.tmpfs or {}) do
    add(tmpfs(path, path == "/" and { mode = 493, readonly = sandbox.readonly } or {}))
  end
  -- Read-only: /proc/sys and its like would be the host's.
  if sandbox.proc then add_mount(add, { type = "proc", target = "/proc", readonly = true }) end
  if sandbox.dev then add_dev(add) end
  table.sort(list, function(a, b)
    return (a.target .. "/"):gsub("^//", "/") < (b.target .. "/"):gsub("^//", "/")
  end)
  return list
end

-- What lies under `path` of the mounts before it: the deepest.
local function cover_of(list, i)
  for k = i - 1, 1, -1 do
    local above <const> = list[k].target == "/" and "/" or list[k].target .. "/"
    if list[i].target:sub(1, #above) == above then return list[k], #above end
  end
end

-- A new file system is empty: it gets the places of what is mounted in it. Nothing is made in a directory of the host.
local function add_places(list)
  for i, row in ipairs(list) do
    local cover <const>, skip <const> = cover_of(list, i)
    if cover and cover.type == "tmpfs" then
      cover.made = cover.made or {}
      local path <const> = row.target:sub(skip + 1)
      for at in path:gmatch("()/") do
        local dir <const> = path:sub(1, at - 1)
        if not cover.made[dir] then
          cover.made[dir] = true
          cover.fills[#cover.fills + 1] = { kind = "dir", path = dir, mode = 493 }
        end
      end
      if not cover.made[path] then
        cover.made[path] = true
        cover.fills[#cover.fills + 1] = row.type and { kind = "dir", path = path, mode = 493 }
          or { kind = "like", path = path, like = i }
      end
    end
  end
  for _, row in ipairs(list) do row.made = nil end
end

--- The tree of a canonical sandbox, or nil when it leaves files alone.
---@param sandbox table
---@return table|nil
function M.build(sandbox)
  local list <const> = collect(sandbox)
  add_places(list)
  local host
  if list[1] == nil or list[1].target ~= "/" then
    host = (sandbox.readonly or sandbox.dev) and { readonly = sandbox.readonly, nodev = sandbox.dev ~= nil or nil }
  end
  if #list == 0 and not host then return nil end
  return { mounts = list, host = host or nil }
end

--- Has the program a root of its own?
function M.has_root(sandbox)
  return sandbox ~= nil and sandbox.tree ~= nil and sandbox.tree.mounts[1] ~= nil
    and sandbox.tree.mounts[1].target == "/"
end

return M
