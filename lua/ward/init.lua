-- What `require "ward"` gives a script: declarations. Each call is checked when it is made, and its
-- error names the line of the script that made it.
--
-- The library itself is only reached through M.open: one call makes the table for one generation of
-- one script, and the generation that collects what the script declares.

local M <const> = {}

local keys <const> = require "ward.schema.keys"
local pool <const> = require "ward.script.pool"
local runtime <const> = require "ward.script.runtime"
local schema <const> = require "ward.schema"
local suggest <const> = require "ward.suggest"
local supervisors <const> = require "ward.schema.supervisor"
local tree <const> = require "ward.script.tree"
local value <const> = require "ward.schema.value"
local view <const> = require "ward.script.view"

local LATER <const> = { "oneshot", "cron", "listen" }
local PROBES <const> = { "notify", "fd", "exec", "tcp", "unix", "http", "log" }

local function got(given)
  return "got " .. value.describe(given)
end

--- Declares a service. Raises at the caller's line when the declaration is wrong.
---@param generation table
---@param at string file:line of the call
---@param spec table see ward.schema.keys
---@return table service a read-only value: name; usable in needs and children
local function service(generation, at, spec)
  if type(spec) ~= "table" then
    error(('%s: ward.service: expected a table such as { name = "web", cmd = { "/srv/web" } }, %s'):format(
      at, got(spec)), 0)
  end
  -- `source` marks specs that have been normalised before; a script cannot write one.
  if getmetatable(spec) == nil and spec.source ~= nil then
    error(at .. ': service: unknown key "source"', 0)
  end
  local declared <const>, message <const> = schema.declare(spec, generation.host, at)
  if not declared then error(at .. ": " .. message, 0) end
  return tree.add(generation, "service", declared.name, at, declared, nil, generation.runtime.services.service)
end

local function children_of(generation, name, list)
  local children, seen = {}, {}
  for i = 1, value.list("children", list, "a list of services and supervisors", 10000) do
    local node <const> = generation.nodes[list[i]]
    local path <const> = ("children[%d]"):format(i)
    if not node then value.must(path, "a service or a supervisor", list[i]) end
    if node.spec and node.kind == "supervisor" and node.spec.stay then
      value.fail(path, node.title .. " has stay = true, which only the outermost supervisor can have")
    end
    if node.parent then
      value.fail(path, node.parent.name == name and ("%s is there twice"):format(node.title)
        or ("%s is already a child of %s (%s)"):format(node.title, node.parent.title, node.parent.source))
    end
    if seen[node] then value.fail(path, ("%s is there twice"):format(node.title)) end
    children[i], seen[node] = node, true
  end
  return children
end

--- Declares a supervisor: a group of services and supervisors.
---@param generation table
---@param at string file:line of the call
---@param spec table see ward.schema.keys
---@return table supervisor a read-only value: name
local function supervisor(generation, at, spec)
  if type(spec) ~= "table" or getmetatable(spec) ~= nil then
    error(('%s: ward.supervisor: expected a plain table such as { name = "app", children = { db, web } }, %s'):format(
      at, got(spec)), 0)
  end
  local name <const>, bad_name <const> = schema.name(spec.name)
  local children
  local canonical <const>, message <const> = value.try(function()
    value.known("", spec, keys.supervisor, nil, "; services go into children = { ... }")
    if not name then value.fail("", spec.name == nil and "name: is required" or bad_name) end
    local sup <const> = supervisors.normalise("", spec)
    if spec.children == nil then value.fail("children", "is required") end
    children = children_of(generation, name, spec.children)
    for i, node in ipairs(children) do
      local why <const> = supervisors.significance(sup.auto_shutdown, node.spec.significant)
      if why then value.fail("", ("children[%d] %s %s"):format(i, node.title, why)) end
    end
    return sup
  end)
  if not canonical then
    error(('%s: supervisor%s: %s'):format(at, name and (' "%s"'):format(name) or "", message), 0)
  end
  return tree.add(generation, "supervisor", name, at, canonical, children)
end

--- Says how the script as a whole is to be treated.
---@param generation table
---@param at string file:line of the call
---@param given table see ward.schema.keys
local function settings(generation, at, given)
  if generation.settings then
    error(("%s: ward.settings: given before at %s"):format(at, generation.settings_at), 0)
  end
  local canonical <const>, message <const> = schema.settings(given)
  if not canonical then error(("%s: ward.settings: %s"):format(at, message), 0) end
  generation.settings, generation.settings_at = canonical, at
end

--- The `ward` table of one generation of a script, and that generation.
---@param host table as for schema.normalise, plus version: string; located: fn(fn) -> function that calls
---  fn(at, ...) with the file:line of its caller; and what ward.script.runtime needs
---@param guard fun(raised: any, co: thread): string as for ward.script.runtime
---@return table ward read-only
---@return table generation for ward.script.tree
function M.open(host, guard)
  local generation <const> = tree.new(host)
  local api <const> = { version = host.version }
  generation.runtime = runtime.new(generation.host, guard)
  generation.host.callback = generation.runtime.callback

  local function declare(name, fn)
    api[name] = host.located(function(at, ...)
      if generation.finished then
        error(("%s: ward.%s: declarations are only allowed while a script loads"):format(at, name), 0)
      end
      return fn(generation, at, ...)
    end)
  end
  local function refuse(table_, prefix, names, why)
    for _, name in ipairs(names) do
      table_[name] = host.located(function(at) error(("%s: %s%s: %s"):format(at, prefix, name, why), 0) end)
    end
  end

  local function closed(values, name)
    return view.readonly(values, name, function(key, names)
      return ("%s has no field %s%s"):format(name, view.key(key), suggest.hint(key, names))
    end)
  end

  declare("service", service)
  declare("supervisor", supervisor)
  declare("pool", pool.declare)
  declare("settings", settings)
  local runtime_ <const> = generation.runtime
  for name, fn in next, runtime_.functions do api[name] = host.located(fn) end
  for name, functions in next, runtime_.groups do
    local group <const> = {}
    for key, fn in next, functions do group[key] = host.located(fn) end
    api[name] = closed(group, "ward." .. name)
  end
  for name, values in next, runtime_.values do api[name] = values end
  refuse(api, "ward.", LATER, "not yet supported")
  local ready <const> = {}
  refuse(ready, "ward.ready.", PROBES, "not yet supported")
  api.ready = closed(ready, "ward.ready")
  return closed(api, "ward"), generation
end

return M
