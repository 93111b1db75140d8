-- The keys that shape the process itself: fds, tty, parent_death, limits, nice, ioprio, sched, affinity,
-- oom_score_adj and clone.

local duration <const> = require "ward.duration"
local keys <const> = require "ward.schema.keys"
local signals <const> = require "ward.schema.signals"
local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

-- The kernel's default fs.nr_open: no descriptor is above it.
local MAX_FD <const> = 1048575
local MAX_FDS <const> = 1024
local MAX_CPU <const> = 4095
local STANDARD <const> = { [0] = "stdin", "stdout", "stderr" }
local MAX_WINDOW <const> = 65535

local function source_fd(path, given)
  local kind <const> = type(given)
  if kind == "table" or kind == "userdata" then value.fail(path, "a handle: not yet supported") end
  if kind ~= "number" then value.must(path, "a number of ward's own descriptors, or false", given) end
  return value.integer(path, given, 0, MAX_FD)
end

-- The descriptors of a declaration, { [target] = source }: a list of the targets, sorted, and the table.
local function fds_declared(path, given)
  local targets = {}
  for target in next, value.table(path, given, "a table such as { [3] = 5, [4] = false }") do
    if math.type(target) ~= "integer" then
      value.fail(path, "a key must be a descriptor number, got " .. value.describe(target))
    end
    targets[#targets + 1] = target
    if #targets > MAX_FDS then value.fail(path, ("is too large: at most %d descriptors"):format(MAX_FDS)) end
  end
  table.sort(targets)
  return targets, given
end

-- The same of the rows that M.fds made before.
local function fds_again(path, given)
  local targets, sources = {}, {}
  for i = 1, value.list(path, given, "a list", MAX_FDS) do
    local at <const>, row <const> = ("%s[%d]"):format(path, i), given[i]
    for _, key in ipairs(value.keys(at, row)) do
      if key ~= "target" and key ~= "kind" and key ~= "fd" then
        value.fail(at, "unknown key " .. value.quote(key))
      end
    end
    value.choice(at .. ".kind", row.kind, { "fd" })
    targets[i] = value.integer(at .. ".target", row.target, 0, MAX_FD)
    if i > 1 and targets[i] <= targets[i - 1] then value.fail(at, "must be sorted by target, each once") end
    sources[targets[i]] = value.integer(at .. ".fd", row.fd, 0, MAX_FD)
  end
  return targets, sources
end

--- fds -> { { target=, kind = "fd", fd= }, ... } sorted by target. What is false needs no row: a descriptor
--- that nobody declares is closed.
---@param path string
---@param given any { [target] = one of ward's own descriptors, or false }
---@param again boolean whether it is the canonical form
function M.fds(path, given, again)
  if given == nil then return {} end
  local targets <const>, sources <const> = (again and fds_again or fds_declared)(path, given)
  local rows = {}
  for _, target in ipairs(targets) do
    local at <const> = ("%s[%d]"):format(path, target)
    if STANDARD[target] then
      value.fail(at, ("descriptor %d is set by %s"):format(target, STANDARD[target]))
    end
    value.integer(path .. ": a key", target, 3, MAX_FD)
    if sources[target] ~= false then
      rows[#rows + 1] = { target = target, kind = "fd", fd = source_fd(at, sources[target]) }
    end
  end
  return rows
end

--- tty -> false, or the size of the terminal's window.
function M.tty(path, given)
  if given == nil or given == false then return false end
  if given == true then given = {} end
  value.table(path, given, "true, false or a table such as { rows = 24, cols = 80 }")
  value.known(path, given, keys.tty)
  local function size(key, default)
    if given[key] == nil then return default end
    return value.integer(path .. "." .. key, given[key], 1, MAX_WINDOW)
  end
  return { rows = size("rows", 24), cols = size("cols", 80) }
end

--- session -> whether the child has one of its own, which a terminal needs.
function M.session(path, given, tty)
  if given == nil then return true end
  value.boolean(path, given)
  if tty and not given then
    value.fail(path, "must be true with a tty: only the leader of a session can have one")
  end
  return given
end

--- parent_death -> the name of a signal, or nil for none.
function M.parent_death(path, given)
  if given == nil or given == false then return nil end
  if type(given) == "boolean" then value.must(path, 'a signal such as "TERM", or false', given) end
  return signals.check(path, given)
end

-- limits ----------------------------------------------------------------------------------------------------

-- Those of bytes take a size.
local BYTES <const> = {
  as = true, core = true, data = true, fsize = true, memlock = true, msgqueue = true, rss = true, stack = true,
}
local LIMITS <const> = {
  "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
  "rttime", "sigpending", "stack",
}
local is_limit <const> = {}
for _, name in ipairs(LIMITS) do is_limit[name] = true end

local UNLIMITED <const> = -1

local function limit_value(path, name, given, again)
  if given == "unlimited" or again and given == UNLIMITED then return UNLIMITED end
  if type(given) == "string" and BYTES[name] then
    local bytes <const>, message <const> = duration.size(given)
    if not bytes then value.fail(path, ("bad size %s: %s"):format(value.quote(given), message)) end
    return bytes
  end
  local whole <const> = type(given) == "number" and math.tointeger(given)
  if not whole or whole < 0 then
    value.must(path, ('a whole number%s, "unlimited" or { soft, hard }'):format(
      BYTES[name] and ' of bytes, a size such as "64K"' or ""), given)
  end
  return whole
end

local function limit(path, name, soft, hard, again)
  local row <const> = {
    name = name, soft = limit_value(path, name, soft, again), hard = limit_value(path, name, hard, again),
  }
  if row.hard ~= UNLIMITED and (row.soft == UNLIMITED or row.soft > row.hard) then
    value.fail(path, "the soft limit is above the hard one")
  end
  return row
end

local function limits_again(path, given)
  local rows = {}
  for i = 1, value.list(path, given, "a list", #LIMITS) do
    local at <const>, row <const> = ("%s[%d]"):format(path, i), given[i]
    for _, key in ipairs(value.keys(at, row)) do
      if key ~= "name" and key ~= "soft" and key ~= "hard" then
        value.fail(at, "unknown key " .. value.quote(key))
      end
    end
    local name <const> = value.choice(at .. ".name", row.name, LIMITS)
    if i > 1 and rows[i - 1].name >= name then value.fail(at, "must be sorted by name, each once") end
    rows[i] = limit(at, name, row.soft, row.hard, true)
  end
  return rows
end

-- "RLIMIT_NOFILE" of getrlimit(2) and "LimitNOFILE" of systemd mean "nofile".
local function limit_hint(key)
  local bare <const> = key:lower():gsub("^rlimit_", ""):gsub("^limit_?", "")
  return is_limit[bare] and (' (did you mean "%s"?)'):format(bare) or suggest.hint(key, LIMITS)
end

--- limits -> { { name=, soft=, hard= }, ... } sorted by name; -1 is unlimited. One value is both limits.
---@param path string
---@param given any
---@param again boolean whether it is the canonical form
function M.limits(path, given, again)
  if given == nil then return {} end
  if again then return limits_again(path, given) end
  local rows = {}
  for _, name in ipairs(value.keys(path, given, '; write limits = { nofile = 1024 }')) do
    if not is_limit[name] then
      value.fail(path, ("unknown key %s%s"):format(value.quote(name), limit_hint(name)))
    end
    local at <const>, pair <const> = path .. "." .. name, given[name]
    if type(pair) == "table" then
      value.table(at, pair)
      if pair[1] == nil or value.list(at, pair, nil, 2) ~= 2 then value.fail(at, "must be { soft, hard }") end
      rows[#rows + 1] = limit(at, name, pair[1], pair[2])
    else
      rows[#rows + 1] = limit(at, name, pair, pair)
    end
  end
  return rows
end

-- Priorities ------------------------------------------------------------------------------------------------

function M.nice(path, given)
  if given == nil then return nil end
  return value.integer(path, given, -20, 19)
end

function M.oom_score_adj(path, given)
  if given == nil then return nil end
  return value.integer(path, given, -1000, 1000)
end

local CLASSES <const> = { "realtime", "best-effort", "idle" }
-- The kernel's own default (IOPRIO_NORM).
local DEFAULT_LEVEL <const> = 4

--- ioprio -> { class=, level= }; a class alone has the middle level.
function M.ioprio(path, given)
  if given == nil then return nil end
  local class_path <const> = type(given) == "table" and path .. ".class" or path
  if type(given) == "string" then given = { class = given } end
  value.table(path, given, 'a class such as "idle", or a table such as { class = "best-effort", level = 6 }')
  value.known(path, given, keys.ioprio)
  local class <const> = value.choice(class_path, given.class, CLASSES)
  if class == "idle" then
    if given.level ~= nil and given.level ~= 0 then value.fail(path .. ".level", 'class "idle" has no levels') end
    return { class = class, level = 0 }
  end
  return { class = class,
    level = given.level == nil and DEFAULT_LEVEL or value.integer(path .. ".level", given.level, 0, 7) }
end

local POLICIES <const> = { "other", "batch", "idle", "fifo", "rr" }

--- sched -> { policy=, priority= }; fifo and rr need a priority, the others have none.
function M.sched(path, given)
  if given == nil then return nil end
  local policy_path <const> = type(given) == "table" and path .. ".policy" or path
  if type(given) == "string" then given = { policy = given } end
  value.table(path, given, 'a policy such as "batch", or a table such as { policy = "fifo", priority = 10 }')
  value.known(path, given, keys.sched)
  local policy <const> = value.choice(policy_path, given.policy, POLICIES)
  if policy == "fifo" or policy == "rr" then
    return { policy = policy, priority = value.integer(path .. ".priority", given.priority, 1, 99) }
  end
  if given.priority ~= nil and given.priority ~= 0 then
    value.fail(path .. ".priority", ('policy "%s" has no priorities; see nice'):format(policy))
  end
  return { policy = policy, priority = 0 }
end

--- affinity -> the CPUs, sorted.
function M.affinity(path, given)
  if given == nil then return nil end
  local cpus <const> = value.set(path, given, "a list of CPUs such as { 0, 2 }", MAX_CPU + 1, function(at, cpu)
    return value.integer(at, cpu, 0, MAX_CPU)
  end)
  if #cpus == 0 then value.fail(path, "must not be empty") end
  return cpus
end

local CLONES <const> = { "shared", "vfork", "copy" }

function M.clone(path, given)
  return given == nil and "shared" or value.choice(path, given, CLONES)
end

return M
