-- What a program must see of files in its sandbox: README.md, mount_namespaces(7), landlock(7), open(2).

local specs <const> = require "helpers.model.specs"

local M <const> = {}

local ENOENT <const>, EACCES <const>, EROFS <const> = 2, 13, 30

--- Has it a root of its own?
function M.own_root(box)
  if not box then return false end
  for _, path in ipairs(box.tmpfs or {}) do
    if path == "/" then return true end
  end
  return box.rootfs ~= nil
end

local function mount_on(box, target)
  for _, row in ipairs(box and box.mounts or {}) do
    if row.target == target and not row.optional then return row end
  end
end

--- Does /proc say anything there?
function M.sees_proc(box)
  return not M.own_root(box) or box.proc or mount_on(box, "/proc") ~= nil
end

--- The id outside of one inside; nil when there is none. Without a map ids are the same on both sides.
function M.outside(map, id)
  if not map then return id end
  for _, line in ipairs(map) do
    if id >= line.inside and id < line.inside + (line.count or 1) then return line.outside + id - line.inside end
  end
end

-- Does a capability of the program count for files of the host's root? Only where both ids of theirs are known.
local function knows_root(user)
  local function known(map)
    if not map then return false end
    for _, line in ipairs(map) do
      if line.outside == 0 then return true end
    end
    return false
  end
  return not user or known(user.uid_map) and known(user.gid_map)
end

--- [read, write] errnos by path.
---@param spec table
---@param world table
---@param want table what else is expected: uid, caps, user (the maps of a user namespace of its own), fds
function M.tries(spec, world, want)
  local box <const> = spec.sandbox
  local rules <const> = box and box.landlock
  -- Root is the owner, whatever it may do.
  local may <const> = M.outside(want.user and want.user.uid_map, want.uid) == 0
    or want.caps.effective & 1 << specs.CAPS.dac_override ~= 0 and knows_root(want.user)
  local a <const>, b <const> = world.dir .. "/a/file", world.dir .. "/b/file"
  local shut <const> = world.dir .. "/a/shut" -- 0600, root's
  local list <const> = { [a] = { 0, 0 }, [b] = { 0, 0 }, [shut] = { 0, 0 } }
  -- In the order in which the kernel asks: modes, the mount, Landlock.
  if rules then
    list[b][2] = EACCES
    if rules.fs[world.dir .. "/a"] == "r" then list[a][2], list[shut][2] = EACCES, EACCES end
  end
  if mount_on(box, world.dir .. "/a") then list[a][2], list[shut][2] = EROFS, EROFS end
  if not may then list[shut] = { EACCES, EACCES } end
  -- Pipes of ward's making can be opened anew by whoever was given them (as /dev/stdout).
  if M.sees_proc(box) then
    for number = 0, 2 do
      if want.fds[number][1]:find("^^pipe") then list["/proc/self/fd/" .. number] = { 0, 0 } end
    end
  end
  return list
end

local DEV <const> = { "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
  "urandom", "zero" }
local DEV_MOUNTS <const> = { "full", "null", "pts", "random", "shm", "tty", "urandom", "zero" }

--- Names of directories by path, or an errno.
function M.lists(spec, world)
  local box <const> = spec.sandbox
  local top <const> = world.dir:match("^/([^/]+)")
  local list <const> = { [world.dir .. "/empty"] = { "x" } }
  if not box then return list end
  for _, path in ipairs(box.tmpfs or {}) do
    if path == world.dir .. "/empty" then list[path] = {} end
  end
  if mount_on(box, world.dir .. "/empty") then list[world.dir .. "/empty"] = {} end
  local own <const> = M.own_root(box)
  -- A directory below another root stands under the rules of the host's paths only.
  local shut <const> = own and box.landlock and EACCES
  if box.dev then list["/dev"] = shut or DEV end
  if own then
    local names <const> = { [top] = true }
    if box.rootfs then
      names.dev, names.mark, names.proc = true, true, true
    else
      names.dev, names.proc = box.dev ~= nil or nil, M.sees_proc(box) or nil
    end
    local sorted = {}
    for name in pairs(names) do sorted[#sorted + 1] = name end
    table.sort(sorted)
    list["/"] = shut or sorted
    list["/usr"] = ENOENT
  end
  return list
end

--- Of a root of its own that /proc shows: target -> whether it is read-only. nil where that cannot be told.
function M.mounts(spec, world)
  local box <const> = spec.sandbox
  if not M.own_root(box) or not M.sees_proc(box) then return nil end
  local list <const> = { ["/"] = box.readonly or false }
  for _, path in ipairs(box.tmpfs or {}) do list[path] = path == "/" and (box.readonly or false) end
  for _, row in ipairs(box.mounts) do
    if not row.optional then list[row.target] = row.readonly or false end
  end
  if box.proc then list["/proc"] = true end
  if box.dev then
    list["/dev"] = true
    for _, name in ipairs(DEV_MOUNTS) do list["/dev/" .. name] = false end
  end
  assert(list[world.dir] == false)
  return list
end

return M
