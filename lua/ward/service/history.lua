-- The stream of events that scripts hear (ward.on), for people: the last of them, and whoever follows.
--
-- Each is kept as the line of JSON that goes out, so that what one event costs is known: a script may say anything.

local core <const> = require("ward.core")
local json <const> = require("ward.service.json")

local M <const> = {}

-- Events, and bytes of all of them.
local MAX_EVENTS <const>, MAX_BYTES <const> = 1000, 1 << 20
local MAX_EVENT <const> = 64 * 1024

---@class ward.service.History
---@field told fun(text: string)? called with each new event as JSON
local History <const> = {}
History.__index = History

local function encode(event)
  local ok, text = pcall(json.encode, event)
  if ok and #text <= MAX_EVENT then
    return text
  end
  local why = ok and "is larger than 64 KiB" or "has no JSON form"
  return json.encode({ seq = event.seq, at = event.at, event = tostring(event.event):sub(1, 128), left_out = why })
end

local function drop(self)
  self.bytes = self.bytes - #self[self.first]
  self[self.first] = nil
  self.first = self.first + 1
end

--- Adds an event: seq is set, and at where it is not there.
---@param event table plain data; it is read before this returns, and not kept
function History:add(event)
  local line = { seq = self.last + 1, at = event.at or core.time() }
  for key, item in pairs(event) do
    if line[key] == nil then
      line[key] = item
    end
  end
  local text = encode(line)
  self.last = self.last + 1
  self[self.last] = text
  self.bytes = self.bytes + #text
  while self.last - self.first >= MAX_EVENTS or self.bytes > MAX_BYTES do
    drop(self)
  end
  if self.told then
    self.told(text)
  end
end

--- The last events, the oldest first, as lines of JSON.
---@param count integer? at most that many
---@return string[]
function History:latest(count)
  local first = math.max(self.first, count and self.last - count + 1 or 1)
  return table.move(self, first, self.last, 1, {})
end

--- An empty history.
---@return ward.service.History
function M.new()
  return setmetatable({ first = 1, last = 0, bytes = 0 }, History)
end

return M
