-- What a new version of a script changes: pure, over canonical specs.

local keys <const> = require("ward.schema.keys")
local value <const> = require("ward.schema.value")

local M <const> = {}

-- Where a declaration stands and how its functions are numbered is no difference.
local APART <const> = { source = true, calls = true, asks = true }

-- What the script calls it.
local WORDS <const> = { ids = "user", dormant = "size" }

-- Keys that only decide about the process; all others are what it is.
local POLICY <const> = { dormant = true }
for _, row in ipairs(keys.service) do
  POLICY[row.key] = row.service
end

-- The keys in which two specs of one service differ, sorted, and whether its process has to be another one.
local function changes(old, new)
  local list, seen, stale = {}, {}, false
  local function compare(spec)
    for key in next, spec do
      if not seen[key] and not APART[key] and old[key] ~= new[key] and not value.same(old[key], new[key]) then
        seen[key] = true
        list[#list + 1] = WORDS[key] or key
        stale = stale or not POLICY[key]
      end
    end
  end
  compare(old)
  compare(new)
  for _, pair in ipairs({ { old.calls or {}, new.calls or {} }, { new.calls or {}, old.calls or {} } }) do
    for key in next, pair[1] do
      if pair[2][key] == nil and not seen[key] then
        seen[key] = true
        list[#list + 1] = key
      end
    end
  end
  table.sort(list)
  return list, stale
end

---@class ward.service.Difference
---@field added string[] names, in the order of the new script
---@field changed string[] their policy is another one; what runs goes on
---@field stale string[] what runs is not what the script declares now
---@field removed string[] in the order of the old script
---@field unchanged integer how many
---@field keys table<string, string[]> what is different in those that are changed or stale

-- What a spec changes of a service whose process is another one than was declared before. `ran`: the spec that this was
-- launched with, or false: unknown, and so no longer the same.
local function changes_of_stale(before, ran, spec)
  local list <const>, same = changes(ran or before, spec)
  same = ran and not same
  if same then
    return changes(before, spec), false
  end
  return list, true
end

--- Compares what runs with what is declared now.
---@param old table<string, table> specs by name
---@param ran table<string, table|false> of those that run otherwise than declared: the specs they were launched with
---@param order string[] their names
---@param new table[] specs
---@param fresh table[] those of them that are not in `old`
---@param breathe fun() called now and then; it may yield
---@return ward.service.Difference
function M.compare(old, ran, order, new, fresh, breathe)
  local diff = { added = {}, changed = {}, stale = {}, removed = {}, unchanged = #new, keys = {} }
  for i, spec in ipairs(next(ran) and new or fresh) do
    local name, before = spec.name, old[spec.name]
    local list, stale
    if before and ran[name] ~= nil then
      list, stale = changes_of_stale(before, ran[name], spec)
    elseif before and before ~= spec then
      list, stale = changes(before, spec)
    end
    if not before then
      table.insert(diff.added, name)
    elseif list and (stale or #list > 0) then
      table.insert(stale and diff.stale or diff.changed, name)
      diff.keys[name] = #list > 0 and list or nil
    end
    if i % 64 == 0 then
      breathe()
    end
  end
  diff.unchanged = #new - #diff.added - #diff.changed - #diff.stale
  if #order + #diff.added == #new then
    return diff -- all that there were are there
  end
  local declared = {}
  for _, spec in ipairs(new) do
    declared[spec.name] = true
  end
  for _, name in ipairs(order) do
    if not declared[name] then
      table.insert(diff.removed, name)
    end
  end
  return diff
end

return M
