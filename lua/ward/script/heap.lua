-- A binary heap of things that are due: the earliest first, and of equal times the one that came first.
--
-- What it holds are tables; it keeps `at`, `seq` and `index` in them, so that taking one out of the middle
-- is as cheap as adding it.

local Heap <const> = {}
Heap.__index = Heap

local M <const> = {}

---@return table heap
function M.new()
  return setmetatable({ n = 0, seq = 0 }, Heap)
end

local function before(a, b)
  return a.at < b.at or (a.at == b.at and a.seq < b.seq)
end

local function rise(heap, i, item)
  while i > 1 do
    local up <const> = i // 2
    local parent <const> = heap[up]
    if not before(item, parent) then break end
    heap[i], parent.index = parent, i
    i = up
  end
  heap[i], item.index = item, i
end

local function sink(heap, i, item)
  local n <const> = heap.n
  while 2 * i <= n do
    local down = 2 * i
    if down < n and before(heap[down + 1], heap[down]) then down = down + 1 end
    local child <const> = heap[down]
    if not before(child, item) then break end
    heap[i], child.index = child, i
    i = down
  end
  heap[i], item.index = item, i
end

--- Adds an item that is in no heap.
---@param item table
---@param at number when it is due
function Heap:push(item, at)
  self.n, self.seq = self.n + 1, self.seq + 1
  item.at, item.seq = at, self.seq
  rise(self, self.n, item)
end

--- Takes an item out; nothing happens when it is not in.
---@param item table
function Heap:remove(item)
  local i <const> = item.index
  if not i then return end
  item.index = nil
  local last <const> = self[self.n]
  self[self.n] = nil
  self.n = self.n - 1
  if last == item then return end
  if i > 1 and before(last, self[i // 2]) then rise(self, i, last) else sink(self, i, last) end
end

--- Lets an item that is in be due later than it was.
---@param item table
---@param at number
function Heap:put_off(item, at)
  self.seq = self.seq + 1
  item.at, item.seq = at, self.seq
  sink(self, item.index, item)
end

--- When the first item is due; nil when there is none.
---@return number?
function Heap:next()
  local first <const> = self[1]
  return first and first.at
end

--- Takes out and returns the first item if it is due.
---@param now number
---@return table?
function Heap:due(now)
  local first <const> = self[1]
  if not first or first.at > now then return nil end
  self:remove(first)
  return first
end

return M
