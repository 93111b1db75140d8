-- Read-only views of tables, for what a script is given: the table behind a view cannot be reached.

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

-- Views that are read-only as they are.
local readonly <const> = setmetatable({}, { __mode = "k" })

-- What views of a family are views of, for each.
local families <const> = setmetatable({}, { __mode = "k" })

--- Is it a view of M.readonly or of a family?
---@return boolean
function M.is_readonly(object)
  if readonly[object] then return true end
  for behind in next, families do
    if behind[object] then return true end
  end
  return false
end

--- A key as it looks in a message.
function M.key(key)
  return type(key) == "string" and value.quote(key) or "[" .. value.describe(key) .. "]"
end

-- The string keys of `values`, sorted.
local function names_of(values)
  local names = {}
  for key in next, values do
    if type(key) == "string" then names[#names + 1] = key end
  end
  table.sort(names)
  return names
end

--- A view of `values` that reads through, refuses writes, and walks with pairs.
---@param values table
---@param name string what messages and tostring call it
---@param absent nil|fun(key: any, names: string[]): string|nil message for a missing key; nil: it reads as nil
---@param refuse nil|fun(key: any, written: any): string message for a write
---@return table
function M.readonly(values, name, absent, refuse)
  local index = values
  if absent then
    -- A table first: what is there costs no call.
    index = setmetatable(values, {
      __index = function(_, key)
        local message <const> = absent(key, names_of(values))
        if message then error(message, 2) end
        return nil
      end,
    })
  end
  local made <const> = setmetatable({}, {
    __index = index,
    __newindex = function(_, key, written)
      error(refuse and refuse(key, written) or ("%s is read-only: cannot set %s"):format(name, M.key(key)), 2)
    end,
    -- Never `next, values`: pairs would hand out the table behind the view.
    __pairs = function()
      local key
      return function()
        local item
        key, item = next(values, key)
        return key, item
      end
    end,
    __metatable = false,
    __name = name,
    __tostring = function() return name end,
  })
  readonly[made] = true
  return made
end

--- The metatable of many views alike, of which each is little more than a table: they read a name and methods.
---@param behind table<table, { name: string, title: string, methods: table|nil }> by view
---@return table metatable
function M.family(behind)
  families[behind] = true
  local function all(view)
    local object <const>, fields = behind[view], {}
    for key, method in next, object.methods or {} do fields[key] = method end
    fields.name = object.name
    return fields
  end
  return {
    __index = function(view, key)
      local object <const> = behind[view]
      if key == "name" then return object.name end
      local method <const> = object.methods and object.methods[key]
      if method then return method end
      error(("%s has no field %s%s"):format(object.title, M.key(key), suggest.hint(key, names_of(all(view)))), 2)
    end,
    __newindex = function(view, key)
      error(("%s is read-only: cannot set %s"):format(behind[view].title, M.key(key)), 2)
    end,
    __pairs = function(view) return next, all(view) end, -- of a copy
    __metatable = false,
    __name = "service",
    __tostring = function(view) return behind[view].title end,
  }
end

return M
