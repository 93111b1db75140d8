-- What a child is left to reach: five areas, each from 0 (closed) to 100 (as open as for any process of the user), so
-- that two sandboxes can be compared. Taking something away never raises a number. It is a measure of what was
-- asked for, not a proof: what the host itself forbids is not known here.

local M <const> = {}

--- System calls that reach deep into the kernel, or out of a sandbox; plan:syscalls takes the list.
M.DEEP = { "bpf", "io_uring_setup", "keyctl", "mount", "perf_event_open", "ptrace", "unshare", "userfaultfd" }

-- Capabilities by number (capabilities(7)) that are as good as root.
local STRONG <const> = {
  [0] = true, [1] = true, [2] = true, [6] = true, [7] = true, [8] = true, [16] = true, [17] = true, [19] = true,
  [21] = true, [27] = true, [39] = true,
}
local LAST <const>, STRONG_WEIGHT <const> = require("ward.schema.held").LAST, 4

local function set_of(list)
  local set <const> = {}
  for _, item in ipairs(list or {}) do set[item] = true end
  return set
end

-- An area while it is built.
local function area(name)
  return { area = name, score = 0, open = {} }
end

local function add(to, points, text)
  to.score = to.score + points
  to.open[#to.open + 1] = text
end

local function ports(to, list, verb)
  if list == nil then return add(to, 35, verb .. " any TCP port") end
  if #list > 0 then
    add(to, math.min(30, 5 + #list), ("%s %d TCP %s"):format(verb, #list, #list == 1 and "port" or "ports"))
  end
end

local function forbids(guard, call)
  for _, rule in ipairs(guard and guard.rules or {}) do
    if rule.args == nil and rule.names[1] == call then return true end
  end
  return false
end

local function network(box, namespaces, scope)
  local to <const> = area "network"
  if namespaces.net then return to end
  local net <const> = box.landlock and box.landlock.net or {}
  ports(to, net.bind, "listens on")
  if net.bind and not forbids(box.guard, "listen") then add(to, 5, "listens on a TCP port that the kernel chooses") end
  ports(to, net.connect, "connects to")
  add(to, 20, "UDP and other protocols")
  if not scope.abstract_unix_socket then add(to, 10, "abstract sockets of the host") end
  return to
end

-- Rights of Landlock that change nothing by themselves.
local HARMLESS <const> = set_of { "execute", "read_file", "read_dir", "ioctl_dev", "refer" }

-- Does Landlock let anything be changed there?
local function writes(rule)
  for _, right in ipairs(rule.rights) do
    if not HARMLESS[right] then return true end
  end
  return false
end

-- Is `path` at or below `above`?
local function within(path, above)
  return path == above or above == "/" or path:sub(1, #above + 1) == above .. "/"
end

local function has_root(tree)
  return tree ~= nil and tree.mounts[1] ~= nil and tree.mounts[1].target == "/"
end

-- What of the host can be written where it is mounted: { source =, target = }; @loose: read-only is not for good.
local function writable_mounts(box, loose)
  local list <const>, tree <const> = {}, box.tree
  if not has_root(tree) and not (tree and tree.host and tree.host.readonly and not loose) then
    list[1] = { source = "/", target = "/" }
  end
  for _, row in ipairs(tree and tree.mounts or {}) do
    if row.source and (loose or not row.readonly) and not row.target:find("^/dev/") then list[#list + 1] = row end
  end
  return list
end

-- Paths of the host that may be written, each once, without those below another.
local function writable(box, loose)
  local rules <const> = {}
  for _, rule in ipairs(box.landlock and box.landlock.fs or {}) do
    if writes(rule) then rules[#rules + 1] = rule.path end
  end
  if #(box.landlock and box.landlock.fs or {}) == 0 then rules[1] = "/" end
  local found <const> = {}
  for _, mount in ipairs(writable_mounts(box, loose)) do
    for _, path in ipairs(rules) do
      if within(mount.source, path) or path ~= mount.target and within(mount.target, path) then
        found[#found + 1] = mount.source
      elseif within(path, mount.source) then
        found[#found + 1] = path
      end
    end
  end
  table.sort(found)
  local list <const> = {}
  for _, path in ipairs(found) do
    -- What is above a path does not always come just before it: "/a", "/a-b", "/a/c".
    local covered = false
    for _, above in ipairs(list) do covered = covered or within(path, above) end
    if not covered then list[#list + 1] = path end
  end
  return list
end

-- Is the host's /proc in sight, by itself or with all that it lies in?
local function sees_proc(box)
  local hidden = has_root(box.tree)
  for _, row in ipairs(box.tree and box.tree.mounts or {}) do
    hidden = hidden or row.target == "/proc"
    if row.source and (within("/proc", row.source) or within(row.source, "/proc")) then return true end
  end
  return not hidden
end

-- Can it come by /proc/PID/root to what another process of its user sees? Neither out of a user namespace nor out of
-- Landlock's domain (ptrace(2), "Ptrace access mode checking").
local function leaves(box, namespaces)
  return sees_proc(box) and not namespaces.user and box.landlock == nil
end

local function write_access(box, namespaces, loose)
  local to <const> = area "write access"
  local list <const>, tops <const> = writable(box, loose), {}
  local count = 0
  for _, path in ipairs(list) do
    -- By the directory of the host's root that holds it: two places instead of one that holds both are not more.
    local top <const> = path:match("^/[^/]*")
    count = count + (tops[top] and 0 or 1)
    tops[top] = true
  end
  if tops["/"] then
    add(to, 100, "all that its user may write")
  elseif leaves(box, namespaces) then
    add(to, 100, "all that its user may write, by /proc/PID/root of another process of that user")
  elseif #list > 0 then
    add(to, math.min(90, 10 + 10 * count), table.concat(list, ", "))
  end
  return to
end

local function capabilities(box, namespaces, held)
  local to <const> = area "capabilities"
  local points, most, strong, count = 0, 0, 0, 0
  for number = 0, LAST do
    local weight <const> = STRONG[number] and STRONG_WEIGHT or 1
    most = most + weight
    if held[number] then
      points, count = points + weight, count + 1
      strong = strong + (STRONG[number] and 1 or 0)
    end
  end
  -- In a user namespace of its own they count for what belongs to that alone.
  local share <const> = namespaces.user and 0.25 or 1
  if count > 0 then
    add(to, math.ceil(points * 80 * share / most), ("%d, %d of them as good as root%s"):format(count, strong,
      namespaces.user and ", within its user namespace" or ""))
  end
  if box.no_new_privs ~= true then add(to, 20, "set-user-ID programs") end
  return to
end

local function syscalls(box, calls)
  local to <const> = area "system calls"
  local points <const> = math.max(1, calls.allowed * 100 // calls.known)
  add(to, points, ("%d of %d"):format(calls.allowed, calls.known))
  local others <const> = box.seccomp and box.seccomp.architectures or {}
  if #others > 0 then
    add(to, math.min(100 - points, 5 * #others), "the same of " .. table.concat(others, ", "))
  end
  return to
end

local function kernel(box, namespaces, scope, calls)
  local to <const> = area "kernel interfaces"
  local tree <const> = box.tree
  local own_root <const> = has_root(tree)
  local targets <const> = {}
  for _, row in ipairs(tree and tree.mounts or {}) do targets[row.target] = row.type or "bind" end
  -- A directory of the host's is out of sight behind another file system.
  local function hides(path)
    local kind <const> = targets[path]
    if kind == nil then return own_root end
    return kind ~= "bind" and kind ~= "sysfs"
  end
  local function unless(closed, points, text)
    if not closed then add(to, points, text) end
  end
  unless(namespaces.pid or scope.signal, 12, "signals to the host's processes")
  unless(namespaces.pid, 8, "the host's list of processes")
  unless(namespaces.ipc, 6, "System V and POSIX queues of the host")
  unless(not sees_proc(box), 10, "the host's /proc")
  unless(hides("/sys"), 4, "the host's /sys")
  unless(hides("/dev"), 12, "devices of the host")
  unless(namespaces.user and not box.nested or not set_of(calls.open).unshare, 8, "user namespaces of its own")
  if #calls.open > 0 then add(to, 5 * #calls.open, table.concat(calls.open, ", ")) end
  return to
end

--- The areas of a spec, and their mean.
---@param spec table canonical
---@param calls { allowed: integer, known: integer, open: string[] } of its plan, about M.DEEP
---@param held table<integer, boolean> its capabilities
---@param loose boolean whether it can make writable what is read-only
---@return { total: integer, areas: { area: string, score: integer, open: string[] }[] }
function M.of(spec, calls, held, loose)
  local box <const> = spec.sandbox or {}
  local namespaces <const> = set_of(box.namespaces)
  local scope <const> = set_of(box.landlock and box.landlock.scope)
  local areas <const> = {
    network(box, namespaces, scope), write_access(box, namespaces, loose), capabilities(box, namespaces, held),
    syscalls(box, calls), kernel(box, namespaces, scope, calls),
  }
  local sum = 0
  for _, row in ipairs(areas) do sum = sum + row.score end
  return { total = math.floor(sum / #areas + 0.5), areas = areas }
end

return M
