-- Control groups of services: where they lie, what they need, and their end.
--
-- Ward's own group is the root of everything here; it must be writable (the system's manager delegates it, as
-- systemd does with Delegate=yes). Below it:
--
--     ward-INSTANCE/NAME      one a service, with its limits
--     ward-INSTANCE/NAME/N    one a start: on some kernels (6.18) whatever is cloned into a group that was ever
--                             killed by cgroup.kill is killed, too
--     ward-INSTANCE/.ward     ward itself, as soon as a limit is asked for: a group that hands its controllers
--                             on may hold no process
--
-- Another ward of the same name (with other directories) may have the same group of its own. Who has ward-INSTANCE
-- locks it, and the next one takes ward-INSTANCE.2; without an owner it is what a dead ward left, and taken over. A
-- group of a start is always new: what runs in one that exists is not ours to kill.
--
-- Nothing is made before the first service that asks for a group starts.

local core <const> = require("ward.core")

local M <const> = {}

local EEXIST <const>, EBUSY <const> = 17, 16

local MODE <const> = tonumber("755", 8)
local MOST_WARDS <const> = 100 -- of one name in one group

---@class ward.service.Cgroups
---@field base string? ward's own group
---@field groups table<string, userdata> by service name
---@field leaves table<string, userdata> by path: of starts that may still have processes
local Cgroups <const> = {}
Cgroups.__index = Cgroups

local function failure(err, fmt, ...)
  return nil, { stage = "cgroup", errno = err.errno, message = fmt:format(...) .. " (stage cgroup)" }
end

-- The controllers that limits need, sorted.
local function controllers_of(files)
  local list, seen = {}, {}
  for file in pairs(files) do
    local name = file:match("^%w+")
    if not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

local function has_word(text, word)
  return (" " .. text:gsub("%s", " ") .. " "):find(" " .. word .. " ", 1, true) ~= nil
end

-- The first controller that this group does not have.
local function lacks(group, files)
  local given, err = group:read("cgroup.controllers")
  if not given then
    return nil, err
  end
  for _, name in ipairs(controllers_of(files)) do
    if not has_word(given, name) then
      return name
    end
  end
end

--- What would keep a spec's group from being made, as far as can be seen without making it.
---@param spec table canonical
---@return string? message
function M.fault(spec)
  if not spec.cgroup or spec.cgroup.optional then
    return nil
  end
  local base, err = core.cgroup_own()
  if not base then
    return ("cgroup: %s (optional = true starts without)"):format(err.message)
  end
  local group
  group, err = core.cgroup(base)
  if not group then
    return "cgroup: " .. err.message
  end
  local missing
  missing, err = lacks(group, spec.cgroup.files)
  group:close()
  if missing then
    return ("cgroup: %s has no %s controller (optional = true starts without)"):format(base, missing)
  end
  return err and "cgroup: " .. err.message
end

local function open(path)
  local group, err = core.cgroup(path)
  if not group then
    return failure(err, "%s", err.message)
  end
  return group
end

local function make(path)
  local ok, err = core.mkdir(path, MODE)
  if not ok and err.errno ~= EEXIST then
    return failure(err, "cannot make control group %s: %s", path, core.strerror(err.errno))
  end
  return open(path)
end

-- The group of that name, or the first numbered one that no other ward has.
local function take_tree(self, path)
  for i = 1, MOST_WARDS do
    local base = i == 1 and path or path .. "." .. i
    local tree, err = make(base)
    if not tree then
      return nil, err
    end
    local ours
    ours, err = tree:take()
    -- Between its making and its taking, its last owner may have removed it.
    if ours and tree:event("populated") then
      self.base, self.tree = base, tree
      return true
    end
    tree:close()
    if err then
      return failure(err, "%s", err.message)
    end
  end
  return failure({ errno = EBUSY }, "%d wards have %s and those numbered after it", MOST_WARDS, path)
end

-- Ward's own group, ours below it, and their descriptors.
local function settle(self)
  if self.own then
    return true
  end
  local base, err = core.cgroup_own()
  if not base then
    return failure(err, "%s", err.message)
  end
  base = base:match("^(.*)/ward%-[^/]+/%.ward$") or base -- moved aside before it executed itself again
  local own
  own, err = core.cgroup(base)
  if not own then
    return failure(err, "%s", err.message)
  end
  err = select(2, take_tree(self, base .. "/ward-" .. self.instance))
  if not self.tree then
    own:close()
    return nil, err
  end
  self.own = own
  return true
end

-- Moves ward out of the way: a group with processes of its own cannot hand controllers on.
local function move_aside(self)
  local group, err = make(self.base .. "/.ward")
  if not group then
    return nil, err
  end
  local ok
  ok, err = group:write("cgroup.procs", "0")
  self.aside = group
  if not ok then
    return failure(err, "cannot move ward into %s/.ward: %s", self.base, core.strerror(err.errno))
  end
  return true
end

local function enable(self, controller)
  if self.enabled[controller] then
    return true
  end
  local ok, err = self.own:write("cgroup.subtree_control", "+" .. controller)
  if not ok and err.errno == EBUSY then
    ok, err = move_aside(self)
    if not ok then
      return nil, err
    end
    ok, err = self.own:write("cgroup.subtree_control", "+" .. controller)
  end
  if ok then
    ok, err = self.tree:write("cgroup.subtree_control", "+" .. controller)
  end
  if not ok then
    return failure(err, "cannot hand on the %s controller: %s", controller, core.strerror(err.errno))
  end
  self.enabled[controller] = true
  return true
end

-- Sets one limit. What is missing is an error, or a note where the spec is content without.
local function limit(self, group, file, text)
  local controller = file:match("^%w+")
  local missing, err = lacks(self.own, { [file] = text })
  if missing then
    return failure({ errno = 2 }, "there is no %s controller for %s", controller, file)
  elseif err then
    return failure(err, "%s", err.message)
  end
  local ok
  ok, err = enable(self, controller)
  if not ok then
    return nil, err
  end
  ok, err = group:write(file, text)
  if not ok then
    return failure(err, "cannot set %s to %s: %s", file, text, core.strerror(err.errno))
  end
  return true
end

local function sorted(files)
  local list = {}
  for file in pairs(files) do
    list[#list + 1] = file
  end
  table.sort(list)
  return list
end

-- Makes the group of a service with its limits; `notes` collects what it goes without.
local function prepare(self, name, spec, notes)
  local ok, err = settle(self)
  if not ok then
    return nil, err
  end
  local group
  group, err = make(self.base .. "/" .. name)
  if not group then
    return nil, err
  end
  for _, file in ipairs(sorted(spec.cgroup.files)) do
    ok, err = limit(self, group, file, spec.cgroup.files[file])
    if not ok and not spec.cgroup.optional then
      group:close()
      core.rmdir(self.base .. "/" .. name)
      return nil, err
    elseif not ok then
      notes[#notes + 1] = err
    end
  end
  return group
end

-- Leaves without processes go.
local function prune(self)
  local left = 0
  for path, leaf in pairs(self.leaves) do
    if leaf:event("populated") == 0 and core.rmdir(path) then
      leaf:close()
      self.leaves[path] = nil
    else
      left = left + 1
    end
  end
  for name in pairs(self.dropped) do
    if core.rmdir(self.base .. "/" .. name) then
      self.groups[name]:close()
      self.groups[name], self.dropped[name] = nil, nil
    end
  end
  return left
end

-- The leaf of the next start.
local function new_leaf(self, name, group)
  if group:event("frozen") == 1 then
    return failure({ errno = EBUSY }, "control group %s/%s is frozen", self.base, name)
  end
  prune(self)
  local path, ok, err
  repeat
    self.serial = self.serial + 1
    path = ("%s/%s/%d"):format(self.base, name, self.serial)
    ok, err = core.mkdir(path, MODE)
  until ok or err.errno ~= EEXIST
  if not ok then
    return failure(err, "cannot make control group %s: %s", path, core.strerror(err.errno))
  end
  self.leaves[path], err = open(path)
  return self.leaves[path], err
end

--- The group for the next child of a service.
---@param name string
---@param spec table canonical
---@return userdata? group nil without err: it goes without one
---@return table? err stage, errno, message
---@return table[]? notes what it goes without, as errors
---@return string? path of the group, for adopt
function Cgroups:group(name, spec)
  if not spec.cgroup then
    return nil
  end
  local leaf, err
  if not self.groups[name] then
    local notes = {}
    self.groups[name], err = prepare(self, name, spec, notes)
    self.notes[name] = #notes > 0 and notes or nil
  end
  if self.groups[name] then
    leaf, err = new_leaf(self, name, self.groups[name])
  end
  if not leaf and not spec.cgroup.optional then
    return nil, err
  end
  local path <const> = leaf and ("%s/%s/%d"):format(self.base, name, self.serial)
  return leaf, nil, leaf and self.notes[name] or err and { err }, path
end

--- Takes over the group of a process that a supervisor before this one, of the same pid, has started.
---@param name string
---@param path string of the group
---@return userdata? group nil: it has gone
function Cgroups:adopt(name, path)
  if not settle(self) then
    return nil
  end
  self.groups[name] = self.groups[name] or open(self.base .. "/" .. name)
  self.serial = math.max(self.serial, math.tointeger(tonumber(path:match("%d+$"))) or 0)
  self.leaves[path] = open(path)
  return self.leaves[path]
end

--- The group of a name that will not start again goes when it is empty.
---@param name string
function Cgroups:drop(name)
  if self.groups[name] then
    self.dropped[name] = true
    prune(self)
  end
end

--- Kills what is left of every start.
---@return integer how many of them still have processes
function Cgroups:sweep()
  for _, leaf in pairs(self.leaves) do
    leaf:kill()
  end
  return prune(self)
end

--- Removes the groups that are empty; ward's own goes with ward.
function Cgroups:close()
  for name, group in pairs(self.groups) do
    group:close()
    core.rmdir(self.base .. "/" .. name)
  end
  if self.tree and not self.aside then
    self.tree:close()
    core.rmdir(self.base)
  end
  self.groups = {}
end

--- What `ward explain` says of a spec's group; nil when it has none.
---@param name string
---@param spec table
---@return string?
function M.explain(name, spec)
  if not spec.cgroup then
    return nil
  end
  local parts = {}
  for i, file in ipairs(sorted(spec.cgroup.files)) do
    parts[i] = file .. " " .. spec.cgroup.files[file]
  end
  local limits = #parts > 0 and ": " .. table.concat(parts, ", ") or ""
  return ("born in control group ward-INSTANCE/%s%s%s"):format(name, limits, spec.cgroup.optional and ", if it can be"
    or "")
end

--- The groups of an instance.
---@param instance string
---@return ward.service.Cgroups
function M.new(instance)
  return setmetatable({
    instance = instance, groups = {}, leaves = {}, notes = {}, enabled = {}, dropped = {}, serial = 0,
  }, Cgroups)
end

return M
