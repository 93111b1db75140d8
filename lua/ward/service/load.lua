-- From a script's path to specs and plans: the same way for `ward run` and `ward check`.
-- What comes over from the script state is trusted in nothing: the schema reads it again on this side.

local applied <const> = require("ward.service.applied")
local cgroups <const> = require("ward.service.cgroups")
local core <const> = require("ward.core")
local place <const> = require("ward.schema.place")
local places <const> = require("ward.service.places")
local remount <const> = require("ward.service.remount")
local schema <const> = require("ward.schema")

local M <const> = {}

-- What the core searches when the child has no PATH.
local DEFAULT_PATH <const> = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

local SYS_ADMIN <const> = 21

local function message_of(err)
  return type(err) == "table" and err.message or tostring(err)
end

-- Services that come over at once.
local FEW <const> = 64

-- Brings over what a script that was loaded apart has kept; what is as it was before comes as what it was.
local function take(raw, script, host)
  local before <const> = host.former or {}
  local services = {}
  host.moved = {}
  local list, moved, err
  repeat
    host.breathe()
    local count <const> = #services
    list, moved = script:services(count + 1, count + FEW, before.given)
    if not list then
      return nil, moved
    end
    table.move(list, 1, #list, count + 1, services)
    for i, source in pairs(moved) do
      host.moved[count + i] = source
    end
  until #list < FEW
  host.breathe()
  raw.services = services
  raw.tree, err = script:tree(before.given_tree)
  return raw.tree and raw, err
end

--- Validates what a script declared.
---@param raw table? of core.script
---@param script userdata|table the script, or why there is none
---@param host table? known, former, breathe: as for schema.bundle, to which `moved` is added; then the script was
---  loaded apart
---@return table? bundle { path, name, services = canonical specs in declaration order, tree, reacts, sources, settings,
---  script, traces = of schema.bundle }
---@return string[]? errors one line each, with file and line where there is one
function M.check(raw, script, host)
  if not raw then
    return nil, { message_of(script) }
  end
  local bundle, traces
  if host then
    raw, traces = take(raw, script, host)
  end
  if raw then
    -- What needed this machine (users, files) was resolved in the first run.
    bundle, traces = schema.bundle(raw, host or {})
  end
  if not bundle then
    script:close()
    return nil, { message_of(traces) }
  end
  bundle.script, bundle.traces = script, traces
  return bundle
end

--- Loads a script and validates what it declares. Nothing is started.
---@param path string
---@param sources table<string, string>? texts by path that stand for the files
---@return table? bundle as of M.check; the collector closes its script
---@return string[]? errors
function M.bundle(path, sources)
  return M.check(core.script(path, { sources = sources }))
end

-- Seconds between two looks at a load.
local WATCH <const> = 1

--- The same, in a loop that runs for this: one that never returns is left behind on its thread, and is an error, too.
---@param path string
---@return table? bundle
---@return string[]? errors
function M.bundle_apart(path)
  local raw, script
  local loading <const>, err <const> = core.script(path, { done = function(...)
    raw, script = ...
    core.stop()
  end })
  if not loading then
    return M.check(nil, err)
  end
  local watch
  watch = core.timer(function()
    local where <const> = loading:overdue()
    if not where then
      return watch:arm(core.now() + WATCH)
    end
    loading:close()
    script = { message = ("%s: a call does not return while loading"):format(where ~= "" and where or path) }
    core.stop()
  end)
  watch:arm(core.now() + WATCH)
  core.run()
  watch:close()
  return M.check(raw, script)
end

-- The stop command runs as the service does, but for its control group and its terminal.
local function stop_spec(spec)
  local copy = {}
  for key, value in pairs(spec) do
    copy[key] = value
  end
  copy.cmd, copy.arg0, copy.cgroup = spec.stop[1].cmd, spec.stop[1].cmd[1], nil
  copy.tty, copy.fds, copy.stdin = false, {}, { kind = "null" }
  for _, side in ipairs({ "stdout", "stderr" }) do
    if copy[side].kind == "tty" then
      copy[side] = { kind = "log" }
    end
  end
  return copy
end

--- Makes the plan of each spec. A plan owns bytes only; it needs no privilege and touches nothing.
---@param specs table[] canonical
---@param breathe fun()? called now and then
---@return table<string, userdata>? plans by service name
---@return table<string, userdata>|string[] stops plans of the stop commands by service name; or errors
function M.plans(specs, breathe)
  local plans, stops, errors = {}, {}, {}
  for _, spec in ipairs(specs) do
    if breathe then
      breathe()
    end
    local plan, err = core.plan(spec)
    plans[spec.name] = plan
    if plan and spec.stop[1].cmd then
      stops[spec.name], err = core.plan(stop_spec(spec))
      plan = stops[spec.name]
    end
    local fault = not plan and message_of(err) or places.fault(spec) or cgroups.fault(spec)
    if fault then
      errors[#errors + 1] = ('%s: service "%s": %s'):format(spec.source, spec.name, fault)
    end
  end
  if #errors > 0 then
    return nil, errors
  end
  return plans, stops
end

-- PATH as the child will have it.
local function search_path(spec)
  local own = spec.env and spec.env.PATH
  if own == nil and not spec.env_clear then
    own = core.getenv("PATH")
  end
  return own or DEFAULT_PATH
end

-- A path as the child sees it, which stands in cwd. An empty element of PATH is cwd, too (POSIX).
local function from(cwd, path)
  return path:sub(1, 1) == "/" and path or cwd .. "/" .. path
end

--- Where the program of a spec is looked for, in order.
---@param spec table
---@return string[] paths
---@return string? search PATH, unless the program is a path itself
function M.candidates(spec)
  local file <const> = spec.cmd[1]
  if file:find("/", 1, true) then
    return { from(spec.cwd, file) }
  end
  local search <const>, paths <const> = search_path(spec), {}
  for dir in (search .. ":"):gmatch("([^:]*):") do
    paths[#paths + 1] = from(spec.cwd, dir == "" and file or dir .. "/" .. file)
  end
  return paths, search
end

-- Can what the sandbox mounts bring a path in?
local function may_mount(sandbox, path)
  for _, row in ipairs(sandbox and sandbox.tree and sandbox.tree.mounts or {}) do
    local target <const> = row.target
    if target == "/" or path == target or path:sub(1, #target + 1) == target .. "/" then
      return true
    end
  end
  return false
end

-- What is said of a program that is not there; nil where it is, or what will be there is not known yet. `seen`: whether
-- there is a program, by path.
local function missing_executable(spec, seen)
  local paths <const>, search <const> = M.candidates(spec)
  for _, path in ipairs(paths) do
    if may_mount(spec.sandbox, path) then
      return nil
    end
    if seen[path] == nil then
      seen[path] = core.access_x(path)
    end
    if seen[path] then
      return nil
    end
  end
  local where <const> = search and (' in PATH "%s"'):format(search) or ""
  return ('executable "%s" not found%s'):format(spec.cmd[1], where)
end

-- Does it start after something that may bring its program: a oneshot, or what is no service?
local function is_prepared(spec, by_name, asked)
  for _, key in ipairs({ "needs", "wants", "after" }) do
    for _, name in ipairs(spec[key] or {}) do
      local before <const> = by_name[name]
      if not before or before.type == "oneshot" then
        return true
      elseif not asked[name] then
        asked[name] = true
        if is_prepared(before, by_name, asked) then
          return true
        end
      end
    end
  end
  return false
end

-- A sandbox is known by a filter (core/linux/confined.h): a mark, when it has none. Without no_new_privs only who has
-- CAP_SYS_ADMIN can load it.
local function unmarked(spec)
  local box <const> = spec.sandbox
  if not box or box.no_new_privs or box.seccomp or box.guard then
    return nil
  end
  for _, name in ipairs(box.namespaces) do
    if name == "user" then
      return nil
    end
  end
  for _, number in ipairs(core.machine().permitted) do
    if number == SYS_ADMIN then
      return nil
    end
  end
  return "sandbox.no_new_privs: false, and ward has no CAP_SYS_ADMIN: nothing marks the sandbox, and the control "
    .. "socket takes its program for one outside"
end

-- A working directory that the program will not find.
local function astray(spec)
  local fault <const> = spec.sandbox and place.fault(spec.cwd, spec, core.stat)
  return fault and ("cwd: %s %s"):format(spec.cwd, fault)
end

-- One line, or nil as the text.
local function warning(spec, text)
  return text and ('%s: service "%s": warning: %s'):format(spec.source, spec.name, text)
end

--- Services whose program is missing on this machine. It is no fault of a spec that is prepared by what starts before
--- it.
---@param specs table[] canonical
---@param services table[] all that are declared
---@param breathe fun()? called now and then
---@return string[] errors one line each
---@return string[] warnings one line each: of those that are prepared
function M.missing(specs, services, breathe)
  local errors, warnings, seen, by_name = {}, {}, {}, {}
  for _, spec in ipairs(services) do
    by_name[spec.name] = spec
  end
  for _, spec in ipairs(specs) do
    if breathe then
      breathe()
    end
    local text <const> = missing_executable(spec, seen)
    if text and is_prepared(spec, by_name, {}) then
      warnings[#warnings + 1] = warning(spec, text)
    elseif text then
      errors[#errors + 1] = ('%s: service "%s": %s'):format(spec.source, spec.name, text)
    end
  end
  return errors, warnings
end

--- What will probably fail when the services start, and what a sandbox may let the program undo.
---@param bundle table
---@param plans table<string, userdata> by service name
---@return string[] warnings one line each
function M.warnings(bundle, plans)
  local warnings, seen = {}, {}
  for _, spec in ipairs(bundle.services) do
    warnings[#warnings + 1] = warning(spec, missing_executable(spec, seen))
    warnings[#warnings + 1] = warning(spec, remount.warning(spec, plans[spec.name]))
    warnings[#warnings + 1] = warning(spec, unmarked(spec))
    for _, text in ipairs(applied.warnings(plans[spec.name])) do
      warnings[#warnings + 1] = warning(spec, text)
    end
    warnings[#warnings + 1] = warning(spec, astray(spec))
  end
  return warnings
end

return M
