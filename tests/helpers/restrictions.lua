-- Random sandboxes, and what can be taken away from each of them: for what must hold whatever is asked for.
--
--     local box, keys = restrictions.random()
--     local less, name = restrictions.restrict(box)

local M <const> = {}

local CAPS <const> = { "chown", "kill", "net_raw", "net_admin", "sys_admin", "sys_ptrace", "sys_time" }
local PATHS <const> = { "/usr", "/usr/bin", "/usr/lib", "/etc", "/var", "/var/lib", "/proc", "/" }
local RIGHTS <const> = { "r", "w", "rw", "x", "rwx", "truncate", "make_sock", "remove_dir" }
local NAMESPACES <const> = { "cgroup", "ipc", "net", "pid", "user", "uts" }
local CALLS <const> = { "bpf", "keyctl", "mount", "@mount", "@network-io", "ptrace", "unshare", "io_uring_setup" }

local function chance(percent) return math.random(100) <= percent end

local function one_of(list) return list[math.random(#list)] end

local function some_of(list, percent)
  local some <const> = {}
  for _, item in ipairs(list) do
    if chance(percent) then some[#some + 1] = item end
  end
  return some
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local new <const> = {}
  for key, item in pairs(value) do new[key] = copy(item) end
  return new
end

local function has(list, item)
  for _, each in ipairs(list or {}) do
    if each == item then return true end
  end
  return false
end

local function rules()
  local fs <const> = { ["/bin"] = "rx" }
  for _, path in ipairs(some_of(PATHS, 40)) do fs[path] = one_of(RIGHTS) end
  return fs
end

local function mount(path)
  return { type = "bind", source = path, target = "/srv", readonly = chance(40) or nil }
end

--- A sandbox, and the keys of its service.
function M.random()
  local box <const> = { namespaces = some_of(NAMESPACES, 25) }
  if chance(30) then box.readonly = true end
  if chance(20) then box.tmpfs = { "/", "/bin" } end
  if chance(30) and has(box.namespaces, "pid") then box.proc = true end
  if chance(20) then box.dev = "minimal" end
  if chance(40) then box.mounts = { mount(one_of(PATHS)) } end
  if chance(50) then box.caps = { bounding = some_of(CAPS, 60) } end
  if chance(20) then box.nested = has(box.namespaces, "user") or nil end
  if chance(40) then
    box.landlock = { scope = some_of({ "signal", "abstract_unix_socket" }, 50), fs = chance(60) and rules() or nil,
      net = { bind = chance(50) and { 80, 81, 82 } or nil, connect = { 443 } } }
  end
  if chance(40) then box.seccomp = { default = "allow", deny = { one_of(CALLS), "swapon" } } end
  return box, { user = chance(50) and "root" or "nobody" }
end

-- Each takes something away from a sandbox, or returns false when it is not there.
local WAYS <const> = {
  namespace = function(box)
    local name <const> = one_of(NAMESPACES)
    if has(box.namespaces, name) then return false end
    table.insert(box.namespaces, name)
  end,
  readonly = function(box) box.readonly = true end,
  mounts_readonly = function(box)
    if not box.mounts then return false end
    box.mounts[1].readonly = true
  end,
  mount = function(box)
    if not box.mounts then return false end
    box.mounts = nil
  end,
  proc = function(box)
    if not has(box.namespaces, "pid") then return false end
    box.proc = true
  end,
  dev = function(box) box.dev = "minimal" end,
  root = function(box) box.tmpfs = { "/", "/bin" } end,
  tmpfs = function(box)
    if box.proc then return false end
    box.tmpfs = box.tmpfs or {}
    for _, path in ipairs { "/sys", "/proc" } do table.insert(box.tmpfs, path) end
  end,
  bounding = function(box) box.caps = { bounding = some_of(box.caps and box.caps.bounding or CAPS, 50) } end,
  noroot = function(box) box.securebits = { "noroot", "noroot_locked" } end,
  permitted = function(box)
    box.caps = box.caps or {}
    box.caps.permitted = some_of(CAPS, 50)
    box.caps.effective = {}
    box.caps.inheritable = {}
  end,
  nested = function(box)
    if not box.nested then return false end
    box.nested = nil
  end,
  fs = function(box)
    box.landlock = box.landlock or {}
    if not box.landlock.fs then
      box.landlock.fs = rules()
      return
    end
    for path in pairs(box.landlock.fs) do
      if path ~= "/bin" then
        box.landlock.fs[path] = nil
        return
      end
    end
    return false
  end,
  deeper = function(box)
    -- Two places in one instead of all of it.
    local fs <const> = box.landlock and box.landlock.fs
    if not fs or not fs["/usr"] then return false end
    local rights <const> = fs["/usr"]
    fs["/usr"] = nil
    fs["/usr/share"], fs["/usr/include"] = rights, rights
  end,
  port = function(box)
    local bind <const> = box.landlock and box.landlock.net and box.landlock.net.bind
    if not bind or #bind == 0 then return false end
    table.remove(bind)
  end,
  scope = function(box)
    box.landlock = box.landlock or {}
    box.landlock.scope = { "signal", "abstract_unix_socket" }
  end,
  ports = function(box)
    box.landlock = box.landlock or {}
    if box.landlock.net then return false end
    box.landlock.net = { bind = {}, connect = {} }
  end,
  deny = function(box)
    box.seccomp = box.seccomp or { default = "allow", deny = {} }
    table.insert(box.seccomp.deny, one_of(CALLS))
  end,
  setuid = function(box) box.no_setuid_files = true end,
}

local ORDER <const> = {}
for name in pairs(WAYS) do ORDER[#ORDER + 1] = name end
table.sort(ORDER)

--- A copy with something taken away, and the name of what that was.
function M.restrict(box)
  while true do
    local name <const>, less <const> = one_of(ORDER), copy(box)
    if WAYS[name](less) ~= false then return less, name end
  end
end

return M
