-- The options of `ward exec` that say how a command runs, and the declaration that they stand for: the same table
-- that a script would give to ward.spawn.

local profile <const> = require("ward.schema.profile")
local syscalls <const> = require("ward.schema.syscalls")
local value <const> = require("ward.schema.value")

local M <const> = {}

-- How a profile is called that says nothing.
local NONE <const> = "none"

-- name, argument, help; all may be given several times.
local REPEATED <const> = {
  { "--ro", "PATH", "Show it this file or directory, read-only; SOURCE:TARGET shows it elsewhere." },
  { "--rw", "PATH", "The same, and let it write there." },
  { "--tmpfs", "PATH", "An empty directory there, gone with the command." },
  { "--cap", "NAME", "Keep this capability, and others only if named, too." },
  { "--listen", "PORT", "Listen on this TCP port, and others only if named, too." },
  { "--connect", "PORT", "Connect to this TCP port, and others only if named, too." },
  { "--env", "NAME=VALUE", "Set this variable." },
  { "--limit", "NAME=VALUE", "A resource limit such as nproc=64 or as=2G." },
  { "--fd", "NUMBER", "Leave this descriptor open, too." },
}

local FLAGS <const> = {
  { "--empty", "Show it nothing of the host but what --ro and --rw name." },
  { "--no-net", "No network but a loopback device of its own." },
  { "--net", "The host's network." },
  { "--proc", "Its own /proc, and no process but its own." },
  { "--dev", "A /dev without hardware." },
  { "--clear-env", "Begin with an empty environment." },
}

local SINGLE <const> = {
  { "--rootfs", "DIR", "Its root directory." },
  { "--seccomp", "NAME", "The system calls that it may make: a preset such as @system-service; none: no filter." },
  { "--user", "NAME", "Run as this user (root in a profile: nobody)." },
  { "--cwd", "DIR", "Its working directory, as it sees it (this one, or / where it is out of sight)." },
  { "--hostname", "NAME", "Its host name." },
}

--- Declares them.
---@param command table an argparse command
function M.configure(command)
  command:option("--profile", ("What it begins with: %s or %s."):format(table.concat(profile.NAMES, ", "), NONE))
    :argname("NAME"):default("strict")
  for _, row in ipairs(REPEATED) do command:option(row[1], row[3]):argname(row[2]):count("*") end
  for _, row in ipairs(FLAGS) do command:flag(row[1], row[2]) end
  for _, row in ipairs(SINGLE) do command:option(row[1], row[3]):argname(row[2]) end
end

-- An absolute path without "." and empty parts; ".." is the file system's to say.
local function absolute(path, host)
  if path:sub(1, 1) ~= "/" then path = host.dir .. "/" .. path end
  local parts <const> = {}
  for part in path:gmatch("[^/]+") do
    if part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

-- What a shell makes of a variable that is not set would be the working directory.
local function check_paths(args)
  for _, option in ipairs { "ro", "rw", "tmpfs", "rootfs", "cwd" } do
    local given <const> = args[option]
    for _, path in ipairs(type(given) == "table" and given or { given }) do
      if path == "" then return ("--%s: the path is empty"):format(option) end
    end
  end
end

-- "SOURCE:TARGET", or a path that is both.
local function split(text, host)
  local source <const>, target <const> = text:match("^(.+):(/[^:]*)$")
  if source then return absolute(source, host), absolute(target, host) end
  return absolute(text, host), absolute(text, host)
end

local function without(list, item)
  local rest <const> = {}
  for _, other in ipairs(list or {}) do
    if other ~= item then rest[#rest + 1] = other end
  end
  return rest
end

local function with(list, item)
  local more <const> = without(list, item)
  more[#more + 1] = item
  return more
end

-- What stands at @target in the profile gives way to what the command line says.
local function place(box, target)
  box.tmpfs = without(box.tmpfs, target)
  for i = #box.mounts, 1, -1 do
    if box.mounts[i].target == target then table.remove(box.mounts, i) end
  end
  if target == "/proc" then box.proc = nil end
  if target == "/dev" then box.dev = nil end
end

local function bind(box, source, target, readonly)
  if target == "/" and source == "/" then
    box.readonly = readonly
    return
  end
  place(box, target)
  box.mounts[#box.mounts + 1] = { type = "bind", source = source, target = target, readonly = readonly }
end

-- In an empty root what lies in /usr has to be found by its old names, too, which are links into it on most systems.
local OLD_NAMES <const> = { "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin" }

local function add_old_names(box, host)
  for _, name in ipairs(OLD_NAMES) do
    if host.same(name, "/usr" .. name) then bind(box, "/usr" .. name, name, true) end
  end
end

local function add_files(box, args, host)
  box.mounts = table.move(box.mounts or {}, 1, #(box.mounts or {}), 1, {})
  for _, path in ipairs(args.tmpfs) do
    local target <const> = absolute(path, host)
    place(box, target)
    box.tmpfs = with(box.tmpfs, target)
  end
  if args.empty then box.tmpfs = with(box.tmpfs, "/") end
  for _, list in ipairs { "ro", "rw" } do
    for _, text in ipairs(args[list]) do
      local source <const>, target <const> = split(text, host)
      bind(box, source, target, list == "ro")
      if args.empty and target == "/usr" then add_old_names(box, host) end
    end
  end
  if args.rootfs then box.rootfs = args.rootfs end
  if args.proc then box.proc = true end
  if args.dev then box.dev = "minimal" end
end

local function numbers(list)
  local result <const> = {}
  for i, text in ipairs(list) do result[i] = math.tointeger(tonumber(text)) or text end
  return result
end

local function add_network(box, args)
  if args.no_net then box.namespaces = with(box.namespaces, "net") end
  if args.net then box.namespaces = without(box.namespaces, "net") end
  for option, key in pairs { listen = "bind", connect = "connect" } do
    if #args[option] > 0 then
      box.landlock = box.landlock or {}
      box.landlock.net = box.landlock.net or {}
      box.landlock.net[key] = numbers(args[option])
    end
  end
end

-- What makes namespaces needs a privilege, which a user namespace gives to everybody.
local function add_user_namespace(box, host)
  local needs <const> = #(box.namespaces or {}) > 0 or #box.mounts > 0 or #(box.tmpfs or {}) > 0 or box.rootfs
    or box.readonly or box.dev or box.hostname
  if needs and host.uid ~= 0 then box.namespaces = with(box.namespaces, "user") end
  if box.proc then box.namespaces = with(box.namespaces, "pid") end
end

-- The command shares ward's terminal: without a list of its own it may do all but type there, unless that is asked for.
local function filter(profiles, given)
  if given then return given ~= NONE and given or nil end
  if profiles then return profiles end
  local deny <const> = {}
  for i, guard in ipairs(syscalls.guards) do
    deny[i] = { guard.call, args = { { guard.argument, "==", guard.equals } } }
  end
  return { deny = deny }
end

local function sandbox(args, host)
  local box <const> = args.profile == NONE and {} or profile.apply("--profile", args.profile)
  add_files(box, args, host)
  add_network(box, args)
  if #args.cap > 0 then box.caps = #args.cap == 1 and args.cap[1] == "all" and "all" or args.cap end
  box.seccomp = filter(box.seccomp, args.seccomp)
  box.hostname = args.hostname
  add_user_namespace(box, host)
  return box
end

-- { "A=1" } -> { A = 1 }, or nil and a message
local function pairs_of(option, list)
  local result <const> = {}
  for _, text in ipairs(list) do
    local name <const>, content <const> = text:match("^([^=]+)=(.*)$")
    if not name then return nil, ("%s: must be NAME=VALUE, got %s"):format(option, value.quote(text)) end
    result[name] = content
  end
  return result
end

--- The declaration of a child.
---@param args table as argparse has it
---@param host { dir: string, uid: integer, same: fun(path: string, other: string): boolean } dir: where relative
---  paths begin; same: are these the same file?
---@return table? declaration for schema.child
---@return string? message
function M.declaration(args, host)
  local env <const>, env_message <const> = pairs_of("--env", args.env)
  if not env then return nil, env_message end
  local limits <const>, limits_message <const> = pairs_of("--limit", args.limit)
  if not limits then return nil, limits_message end
  for name, text in pairs(limits) do limits[name] = math.tointeger(tonumber(text)) or text end
  local fault <const> = check_paths(args)
  if fault then return nil, fault end
  if args.net and args.no_net then return nil, "--net and --no-net contradict each other" end
  if args.empty and args.rootfs then return nil, "--empty and --rootfs contradict each other" end
  local box <const>, box_message <const> = value.try(sandbox, args, host)
  if not box then return nil, box_message end
  local fds <const> = {}
  for _, number in ipairs(numbers(args.fd)) do fds[number] = number end
  return {
    cmd = args.command, cwd = args.cwd or host.dir, env = env, env_clear = args.clear_env or nil, user = args.user,
    stdin = "inherit", stdout = "inherit", stderr = "inherit", fds = fds, limits = next(limits) and limits or nil,
    session = false, parent_death = "KILL", sandbox = box,
  }
end

return M
