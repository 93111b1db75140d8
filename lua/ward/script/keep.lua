-- ward.keep: plain data of a script that outlives it.
--
-- The data itself is the supervisor's: every write goes there at once, so that a generation that ends in whatever
-- way, also by using up its budget, leaves behind what it had written. What a script holds are views, which check
-- what is written; a table that is written is copied, and reading one gives a view of the copy.

local plain <const> = require "ward.script.plain"
local schema <const> = require "ward.schema"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

-- The keys that lead from the root of the keep to a node; nil when it has been replaced or removed meanwhile.
local function path_to(node)
  local path = {}
  while node.parent do
    if node.parent.data[node.key] ~= node.data then return nil end
    table.insert(path, 1, node.key)
    node = node.parent
  end
  return path
end

local function write(self, at, node, key, given)
  local what <const> = ('keep "%s"'):format(node.name)
  if not self.running then error(("%s: %s: is written by tasks, not while the script loads"):format(at, what), 0) end
  tasks.argument(at, what, plain.key, "", key)
  local copy <const> = tasks.argument(at, what, plain.copy, plain.below("", key), given, self.unwrap)
  local path <const> = path_to(node)
  if not path then error(("%s: %s: this table is no longer a part of it"):format(at, what), 0) end
  path[#path + 1] = key
  local ok <const>, err <const> = self.request("keep_set", node.name, path, copy)
  if not ok then error(("%s: %s: %s"):format(at, what, err.message), 0) end
  node.data[key] = copy
end

local view_of

local function read(self, node, key)
  local item <const> = node.data[key]
  if type(item) ~= "table" then return item end
  local known <const> = self.views[item]
  return known or view_of(self, { name = node.name, parent = node, key = key, data = item })
end

function view_of(self, node)
  local made <const> = {}
  local function ready()
    if not node.data then
      error(('keep "%s": is read by tasks, not while the script loads'):format(node.name), 3)
    end
  end
  setmetatable(made, {
    __index = function(_, key)
      ready()
      return read(self, node, key)
    end,
    __newindex = self.located(function(at, _, key, given) return write(self, at, node, key, given) end),
    __len = function()
      ready()
      return #node.data
    end,
    __pairs = function()
      ready()
      local key
      return function()
        key = next(node.data, key)
        if key == nil then return nil end
        return key, read(self, node, key)
      end
    end,
    __metatable = "keep", __name = "keep",
  })
  self.nodes[made] = node
  if node.data then self.views[node.data] = made end
  return made
end

-- What was kept, where it still is of the kind that the script expects; defaults for the rest.
local function merge(kept, defaults)
  local data <const> = kept or {}
  for key, item in next, defaults do
    if type(data[key]) ~= type(item) then data[key] = item end
  end
  return data
end

local OPTIONS <const> = { { key = "migrate", since = "0.1.0" } }

local function migrate_of(at, what, options)
  if options == nil then return nil end
  tasks.argument(at, what, value.known, "the options", value.table("the options", options), OPTIONS)
  if options.migrate ~= nil and type(options.migrate) ~= "function" then
    tasks.argument(at, what, value.must, "migrate", "a function", options.migrate)
  end
  return options.migrate
end

--- ward.keep for one generation.
---@param parts table located, request; report: fn(message); guard: as of the runtime
---@return fun(at: string, name: string, defaults: table|nil, options: table|nil): table keep
---@return fun(kept: table<string, table>) start hands over what an earlier generation has kept
---@return fun(kept: table<string, table>): table<string, table>, table<string, string> carry gives what the script
---  makes of what it would be handed over, and where that is declared; raises when it cannot, and asks for nothing
function M.new(parts)
  local self <const> = {
    located = parts.located, request = parts.request, report = parts.report, running = false,
    nodes = setmetatable({}, { __mode = "k" }), views = setmetatable({}, { __mode = "v" }),
  }
  self.unwrap = function(given) return self.nodes[given] and self.nodes[given].data end
  local declared <const> = {}

  local function keep(at, name, defaults, options)
    local what <const> = "ward.keep"
    if self.running then
      error(("%s: %s: declarations are only allowed while a script loads"):format(at, what), 0)
    end
    local checked <const>, message <const> = schema.name(name)
    if not checked then error(("%s: %s: %s"):format(at, what, message), 0) end
    local taken <const> = declared[name]
    if taken then error(('%s: keep "%s": this name is taken by the keep at %s'):format(at, name, taken.at), 0) end
    local node <const> = { name = name }
    declared[name] = {
      at = at, node = node, migrate = migrate_of(at, what, options),
      defaults = defaults == nil and {} or tasks.argument(at, what, function(path, given)
        return plain.copy(path, value.table(path, given, "a table of defaults"))
      end, "the defaults", defaults),
    }
    return view_of(self, node)
  end

  -- In a coroutine: where it failed is on its stack, also when memory ran out, or what was raised says nothing.
  local function carry(kept)
    local carried <const>, places <const> = {}, {}
    for name, entry in next, declared do
      if entry.migrate and kept[name] then
        local co <const> = coroutine.create(entry.migrate)
        local ok <const>, made <const> = coroutine.resume(co, kept[name])
        local waits <const> = ok and coroutine.status(co) == "suspended"
        if not ok or waits then error(parts.guard(waits and "migrate cannot wait" or made, co), 0) end
        carried[name] = tasks.argument(entry.at, ('keep "%s"'):format(name), function(path, given)
          return plain.copy(path, value.table(path, given, "a table"))
        end, "what migrate returns", made)
        places[name] = entry.at
      end
    end
    return carried, places
  end

  local function start(kept)
    self.running = true
    for name, entry in next, declared do
      entry.node.data = merge(kept[name], entry.defaults)
      local ok <const>, err <const> = self.request("keep_set", name, {}, entry.node.data)
      if not ok then self.report(('%s: keep "%s": %s'):format(entry.at, name, err.message)) end
    end
  end

  return keep, start, carry
end

return M
