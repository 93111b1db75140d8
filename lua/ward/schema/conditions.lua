-- Conditions on the arguments of a system call: { "ioctl", args = { { 1, "==", 0x5412 } } } applies when all of them
-- hold. Arguments are numbered from 0, as in the kernel and in profiles of containers.

local syscall_args <const> = require "ward.schema.syscall_args"
local value <const> = require "ward.schema.value"

local M <const> = {}

local ARGUMENTS <const> = 6
local LOW_HALF <const> = 0xffffffff
local OPS <const> = { "==", "!=", "<", "<=", ">", ">=", "&" }
local FORM <const> = '{ 1, "==", 0x5412 } or { 0, "&", 0x7e020000, "==", 0 }'

-- Does a comparison of 64 bits accept less than one of the low half? For an argument of unknown width the side is taken
-- on which no value slips through.
local WIDE_IS_LESS <const> = { ["=="] = true, ["<"] = true, ["<="] = true, ["&"] = true }

local function fits(number)
  return number >= 0 and number <= LOW_HALF
end

local function is_narrow(name, index, op, number, denies)
  if syscall_args.narrow(name, index) then return true end
  if not fits(number) then return false end
  return WIDE_IS_LESS[op] == denies or not WIDE_IS_LESS[op] and not denies
end

local function check_bits(at, given, name, index, op, number, denies)
  if given.bits == nil then return is_narrow(name, index, op, number, denies) end
  if given.bits ~= 32 and given.bits ~= 64 then value.must(at .. ".bits", "32 or 64", given.bits) end
  return given.bits == 32
end

-- A number that the low half can hold; -1 is meant as 0xffffffff there.
local function check_value(at, number, narrow)
  if type(number) ~= "number" or not math.tointeger(number) then value.must(at, "a whole number", number) end
  number = math.tointeger(number)
  if not narrow then return number end
  if number < 0 and number >= -0x80000000 then number = number & LOW_HALF end
  if not fits(number) then
    value.fail(at, "does not fit in the 32 bits that the kernel looks at; bits = 64 compares all")
  end
  return number
end

local function condition(at, given, name, denies)
  value.table(at, given, "a condition such as " .. FORM)
  local count = 0
  for key in next, given do
    if key ~= "bits" and not (math.type(key) == "integer" and key >= 1 and key <= 5) then
      value.fail(at, ("must be %s, got the key %s"):format(FORM, value.describe(key)))
    end
    count = count + (key == "bits" and 0 or 1)
  end
  local index <const> = value.integer(at .. "[1]", given[1], 0, ARGUMENTS - 1)
  local op <const> = value.choice(at .. "[2]", given[2], OPS)
  local masked <const> = op == "&"
  if count ~= (masked and 5 or 3) or masked and given[4] ~= "==" then value.fail(at, "must be " .. FORM) end
  local last <const> = masked and 5 or 3
  local number <const> = math.tointeger(type(given[3]) == "number" and given[3] or nil) or 0
  local narrow <const> = check_bits(at, given, name, index, op, number, denies)
  local result <const> = {
    index = index, op = op, value = check_value(("%s[%d]"):format(at, last), given[last], narrow),
    mask = masked and check_value(at .. "[3]", given[3], narrow) or nil, narrow = narrow or nil,
  }
  if masked and result.mask == 0 then value.fail(at .. "[3]", "a mask of 0 compares nothing") end
  if masked and result.value & ~result.mask ~= 0 then
    value.fail(at .. "[5]", "has bits outside of the mask, so it is never met")
  end
  return result
end

local function once(at, list, new)
  for _, other in ipairs(list) do
    if other.index == new.index then
      value.fail(at, ("is a second condition on argument %d"):format(new.index))
    end
  end
end

--- The conditions of an entry { name, args = { ... } } of a list.
---@param path string of the entry
---@param entry table
---@param name string of the call
---@param denies boolean whether the list denies
---@return table[] args
function M.declared(path, entry, name, denies)
  for key in next, entry do
    if key ~= 1 and key ~= "args" then
      value.fail(path, ('must be { "ioctl", args = { { 1, "==", 0x5412 } } }, got the key %s'):format(
        value.describe(key)))
    end
  end
  local args <const>, at <const> = {}, path .. ".args"
  local what <const> = "a list of conditions such as { " .. FORM:match("^{.-}") .. " }"
  for i = 1, value.list(at, entry.args, what, ARGUMENTS) do
    local here <const> = ("%s[%d]"):format(at, i)
    local new <const> = condition(here, entry.args[i], name, denies)
    once(here, args, new)
    args[i] = new
  end
  if #args == 0 then value.fail(at, "must not be empty") end
  return args
end

local KEYS <const> = { index = true, op = true, value = true, mask = true, narrow = true }

--- Conditions in the canonical form; nil when there are none.
function M.canonical(path, given)
  if given == nil then return nil end
  local args <const> = {}
  for i = 1, value.list(path, given, "a list", ARGUMENTS) do
    local at <const>, row <const> = ("%s[%d]"):format(path, i), given[i]
    for _, key in ipairs(value.keys(at, row)) do
      if not KEYS[key] then value.fail(at, "unknown key " .. value.quote(key)) end
    end
    local op <const> = value.choice(at .. ".op", row.op, OPS)
    args[i] = {
      index = value.integer(at .. ".index", row.index, 0, ARGUMENTS - 1), op = op,
      value = value.integer(at .. ".value", row.value, math.mininteger, math.maxinteger),
      mask = op == "&" and value.integer(at .. ".mask", row.mask, math.mininteger, math.maxinteger) or nil,
      narrow = row.narrow ~= nil and value.boolean(at .. ".narrow", row.narrow) or nil,
    }
  end
  return #args > 0 and args or nil
end

return M
