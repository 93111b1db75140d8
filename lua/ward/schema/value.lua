-- The small checks that schema is made of. Each takes the path of the key ("restart.backoff.factor")
-- and the value, and returns the canonical value or refuses with a sentence through M.fail.
--
-- Values may come from a script state that was taken over: nothing here calls a metamethod, recurses
-- into data or walks past a limit.

local duration <const> = require "ward.duration"
local suggest <const> = require "ward.suggest"

local M <const> = {}

-- MAX_ARG_STRLEN of the kernel is 128 KiB with the terminating NUL.
M.MAX_STRING = 131071
M.MAX_PATH = 4095
M.MAX_LIST = 65536
M.MAX_SECONDS = 365 * 86400

local Invalid <const> = {}

--- Refuses a value; only inside a function that runs under M.try.
---@param path string of the key, or "" for the whole
---@param text string
function M.fail(path, text)
  error(setmetatable({ text = path == "" and text or path .. ": " .. text }, Invalid), 0)
end

--- Calls fn(...): its result; or nil and the sentence it was refused with. Other errors go on.
function M.try(fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then return result end
  if type(result) == "table" and getmetatable(result) == Invalid then return nil, result.text end
  error(result, 0)
end

--- Are two plain values equal, tables by what is in them? Only for data that has been checked before, or against such.
function M.same(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for key, item in next, a do
    if not M.same(item, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

--- A string in double quotes on one line, cut when it is long.
---@param text string
function M.quote(text)
  local cut <const> = #text > 60 and text:sub(1, 57) .. "..." or text
  return '"' .. cut:gsub("[%c\"\\\127]", function(c)
    if c == '"' or c == "\\" then return "\\" .. c end
    if c == "\n" then return "\\n" end
    return ("\\%d"):format(c:byte())
  end) .. '"'
end

--- What the user wrote, for "got ...".
function M.describe(value)
  local kind <const> = type(value)
  if value == nil then return "nothing" end
  if kind == "string" then return "string " .. M.quote(value) end
  if kind == "number" or kind == "boolean" then return kind .. " " .. tostring(value) end
  return "a " .. kind
end

--- Refuses with `must be <what>, got <value>`.
function M.must(path, what, value)
  M.fail(path, ("must be %s, got %s"):format(what, M.describe(value)))
end

local function no_nul(path, text)
  if text:find("\0", 1, true) then M.fail(path, "contains a NUL byte") end
end

--- A string without NUL of 1 (or `opts.min`) to `opts.max` bytes.
function M.string(path, value, opts)
  local min <const>, max <const> = opts and opts.min or 1, opts and opts.max or M.MAX_STRING
  if type(value) ~= "string" then M.must(path, opts and opts.what or "a string", value) end
  if #value < min then M.fail(path, "must not be empty") end
  if #value > max then M.fail(path, ("is too long: %d bytes, at most %d"):format(#value, max)) end
  no_nul(path, value)
  return value
end

--- A string, or a number written as people would: 8080, not 8080.0.
function M.text(path, value, opts)
  if type(value) ~= "number" then
    return M.string(path, value, { min = opts and opts.min, max = opts and opts.max, what = opts and opts.what
      or "a string or a number" })
  end
  if value ~= value or value == math.huge or value == -math.huge then
    M.must(path, "a finite number", value)
  end
  local whole <const> = math.tointeger(value)
  return whole and ("%d"):format(whole) or ("%.14g"):format(value)
end

function M.boolean(path, value)
  if type(value) ~= "boolean" then M.must(path, "true or false", value) end
  return value
end

function M.number(path, value, min, max)
  if type(value) ~= "number" or not (value >= min and value <= max) then
    M.must(path, ("a number from %s to %s"):format(min, max), value)
  end
  return value
end

function M.integer(path, value, min, max)
  local whole <const> = type(value) == "number" and math.tointeger(value)
  if not whole or whole < min or whole > max then
    M.must(path, ("a whole number from %d to %d"):format(min, max), value)
  end
  return whole
end

--- Bytes, from 0 to `max`: a number, or a size such as "64K".
function M.size(path, value, max)
  if type(value) ~= "string" then return M.integer(path, value, 0, max) end
  local bytes <const>, message <const> = duration.size(value)
  if not bytes then M.fail(path, ("bad size %s: %s"):format(M.quote(value), message)) end
  return M.integer(path, bytes, 0, max)
end

local function limit_text(max)
  return max % 86400 == 0 and ("%d days"):format(max // 86400) or duration.format(max)
end

--- Seconds, from 0 to `max` (default a year).
function M.duration(path, value, max)
  max = max or M.MAX_SECONDS
  local what <const> = ('a duration from 0 to %s, such as "10s" or a number of seconds'):format(limit_text(max))
  if type(value) ~= "number" and type(value) ~= "string" then M.must(path, what, value) end
  local seconds, message = duration.parse(value)
  if not seconds and type(value) == "string" then
    M.fail(path, ("bad duration %s: %s"):format(M.quote(value), message))
  end
  if not seconds or seconds > max then M.must(path, what, value) end
  return math.tointeger(seconds) or seconds
end

--- Refuses what is not a plain table.
function M.table(path, value, what)
  if type(value) ~= "table" then M.must(path, what or "a table", value) end
  if getmetatable(value) ~= nil then M.fail(path, "must be a plain table, got one with a metatable") end
  return value
end

--- The length of a plain list without holes and other keys, at most `max` long.
function M.list(path, value, what, max)
  max = max or M.MAX_LIST
  M.table(path, value, what)
  local count, highest = 0, 0
  for key in next, value do
    count = count + 1
    if count > max then M.fail(path, ("is too long: at most %d values"):format(max)) end
    if math.type(key) ~= "integer" or key < 1 then
      M.fail(path, ("must be a list, got the key %s"):format(M.describe(key)))
    end
    if key > highest then highest = key end
  end
  if highest ~= count then
    for i = 1, count + 1 do
      if value[i] == nil then M.fail(path, ("has a hole: [%d] is nil"):format(i)) end
    end
  end
  return count
end

--- A program and its arguments: a list of strings and numbers, the first not empty.
function M.words(path, given)
  if type(given) == "string" and not given:find("\0", 1, true) then
    local words = {}
    for word in given:sub(1, 60):gmatch("%S+") do words[#words + 1] = M.quote(word) end
    M.fail(path, ("must be a list such as { %s }, got %s"):format(table.concat(words, ", "), M.describe(given)))
  end
  local count <const> = M.list(path, given, 'a list of strings such as { "sleep", "10" }')
  if count == 0 then M.fail(path, "must not be empty") end
  local words = {}
  for i = 1, count do
    local word <const> = given[i]
    words[i] = word
    if type(word) ~= "string" or word == "" or #word > M.MAX_STRING or word:find("\0", 1, true) then
      words[i] = M.text(("%s[%d]"):format(path, i), word, { min = i == 1 and 1 or 0 })
    end
  end
  return words
end

--- The values of a plain list, each once and sorted.
---@param path string
---@param value any
---@param what string
---@param max integer|nil most values
---@param check fun(path: string, item: any): integer|string the canonical value
function M.set(path, value, what, max, check)
  local set, seen = {}, {}
  for i = 1, M.list(path, value, what, max) do
    local item <const> = check(("%s[%d]"):format(path, i), value[i])
    if not seen[item] then set[#set + 1], seen[item] = item, true end
  end
  table.sort(set)
  return set
end

--- The string keys of a plain table, sorted; other keys are refused with `positional`.
function M.keys(path, value, positional)
  M.table(path, value)
  local keys, count = {}, 0
  for key in next, value do
    count = count + 1
    if count > M.MAX_LIST then M.fail(path, ("is too large: at most %d keys"):format(M.MAX_LIST)) end
    if type(key) ~= "string" then
      M.fail(path, ("a value without a name, at [%s]%s"):format(
        type(key) == "number" and tostring(key) or M.describe(key), positional or ""))
    end
    keys[count] = key
  end
  table.sort(keys)
  return keys
end

-- rows -> { by_name =, names = }: there are few, and each is asked for again and again.
local indexed <const> = setmetatable({}, { __mode = "k" })

local function index_of(rows)
  local index = indexed[rows]
  if not index then
    index = { by_name = {}, names = {} }
    for i, row in ipairs(rows) do
      index.by_name[row.key], index.names[i] = row, row.key
    end
    indexed[rows] = index
  end
  return index.by_name, index.names
end

--- Refuses unknown keys (with a suggestion) and those of `rows` that have no `since`.
---@param path string
---@param value table
---@param rows table[] rows of ward.schema.keys
---@param aliases table<string, string>|nil words of other tools -> key
---@param positional string|nil added when a key is not a string
function M.known(path, value, rows, aliases, positional)
  local by_name <const>, names <const> = index_of(rows)
  local keys <const> = M.keys(path, value, positional)
  for _, key in ipairs(keys) do
    if not by_name[key] then
      local alias <const> = aliases and aliases[key]
      local hint <const> = alias and (' (did you mean "%s"?)'):format(alias) or suggest.hint(key, names)
      M.fail(path, ("unknown key %s%s"):format(M.quote(key), hint))
    end
  end
  local prefix <const> = path == "" and "" or path .. "."
  for _, key in ipairs(keys) do
    if not by_name[key].since then M.fail(prefix .. key, "not yet supported") end
  end
end

--- One of the words of `options`; those that `later` holds are known, but not yet supported.
function M.choice(path, value, options, later)
  for _, option in ipairs(options) do
    if value == option then return value end
  end
  local quoted = {}
  for i, option in ipairs(options) do quoted[i] = '"' .. option .. '"' end
  if type(value) == "string" and later and later[value] then
    M.fail(path, M.quote(value) .. ": not yet supported")
  end
  local hint <const> = type(value) == "string" and suggest.hint(value, options) or ""
  local list <const> = #options == 1 and quoted[1] or ("one of %s"):format(table.concat(quoted, ", "))
  M.fail(path, ("must be %s, got %s%s"):format(list, M.describe(value), hint))
end

--- host.read's message with the path in it, once.
function M.unreadable(path, message)
  message = type(message) == "string" and message or "unreadable"
  if message:find(path, 1, true) then return message end
  return ("cannot read %s: %s"):format(path, message)
end

return M
