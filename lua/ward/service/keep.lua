-- What scripts keep (ward.keep): plain data by name. It belongs to the supervisor, so that the next generation of
-- the script finds it, whatever became of the one before.

local M <const> = {}

-- Bytes of one keep, counted as below; and how many there may be.
local MAX_BYTES <const>, MAX_KEEPS <const> = 1 << 20, 256
local EACH <const> = 16
local TOO_LARGE <const> = ("would be larger than %d bytes"):format(MAX_BYTES)

---@class ward.service.Keep
---@field data table<string, table>
---@field changes integer how many there were
---@field told fun(name: string?, path: table?, value: any) of each change; without a name, of the end of all
local Keep <const> = {}
Keep.__index = Keep

local function size(value)
  if type(value) == "string" then
    return EACH + #value
  elseif type(value) ~= "table" then
    return value == nil and 0 or EACH
  end
  local sum = EACH
  for key, item in next, value do
    sum = sum + size(key) + size(item)
  end
  return sum
end

--- May a keep be that as a whole?
---@param name string
---@param value table
---@return boolean? ok
---@return string? message
function Keep:fits(name, value)
  if not self.data[name] and self.count == MAX_KEEPS then
    return nil, ("there are %d keeps already"):format(MAX_KEEPS)
  elseif size(value) > MAX_BYTES then
    return nil, TOO_LARGE
  end
  return true
end

--- Writes a value. A path of no keys is the whole of it.
---@param name string
---@param path (string|number)[]
---@param value any plain data; moved
---@return boolean? ok
---@return string? message
function Keep:set(name, path, value)
  local count, at = #path, self.data[name]
  for i = 1, count - 1 do
    at = type(at) == "table" and at[path[i]] or nil
  end
  if count == 0 and type(value) ~= "table" or count > 0 and type(at) ~= "table" then
    return nil, "has no such place"
  end
  local old = self.data[name]
  if count > 0 then
    old = at[path[count]]
  elseif old == nil and self.count == MAX_KEEPS then
    return nil, ("there are %d keeps already"):format(MAX_KEEPS)
  end
  local bytes = (self.sizes[name] or 0) - size(old) + size(value)
  if bytes > MAX_BYTES then
    return nil, TOO_LARGE
  end
  if count > 0 then
    at[path[count]] = value
  else
    self.count = old == nil and self.count + 1 or self.count
    self.data[name] = value
  end
  self.sizes[name] = bytes
  self.changes = self.changes + 1
  self.told(name, path, value)
  return true
end

--- Forgets everything.
function Keep:clear()
  for name in pairs(self.data) do
    self.data[name] = nil
  end
  self.sizes, self.count, self.changes = {}, 0, self.changes + 1
  self.told()
end

--- A store.
---@param data table<string, table>? of one before; moved
---@param told fun(name: string?, path: table?, value: any)?
---@return ward.service.Keep
function M.new(data, told)
  local self <const> = setmetatable({
    data = data or {}, sizes = {}, count = 0, changes = 0, told = told or function() end,
  }, Keep)
  for name, value in pairs(self.data) do
    self.sizes[name], self.count = size(value), self.count + 1
  end
  return self
end

return M
