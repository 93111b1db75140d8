-- The keys `stdin`, `stdout` and `stderr`.

local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WORDS <const> = {
  stdin = { "null", "inherit", "tty" },
  stdout = { "log", "inherit", "null", "tty" },
  stderr = { "log", "inherit", "null", "tty", "stdout" },
}
-- The kernel's default fs.nr_open: no descriptor is above it.
local MAX_FD <const> = 1048575

local function is_word(key, word)
  for _, known in ipairs(WORDS[key]) do
    if word == known then return true end
  end
  return false
end

local function what(key)
  return ('"%s", a descriptor number or a path'):format(table.concat(WORDS[key], '", "'))
end

-- Streams of the words; shared by all specs.
local OF_WORD <const> = {}
for _, words in next, WORDS do
  for _, word in ipairs(words) do OF_WORD[word] = OF_WORD[word] or { kind = word } end
end

-- The stream of one of the words.
local function word_kind(key, word, tty)
  if word == "tty" and not tty then value.fail(key, '"tty" needs tty = true') end
  return OF_WORD[word]
end

local function canonical(key, given, tty, spawned)
  for _, field in ipairs(value.keys(key, given)) do
    if field ~= "kind" and field ~= "fd" and field ~= "path" then
      value.fail(key, "unknown key " .. value.quote(field))
    end
  end
  if given.kind == "fd" then return { kind = "fd", fd = value.integer(key .. ".fd", given.fd, 0, MAX_FD) } end
  if given.kind == "path" then
    value.string(key .. ".path", given.path, { max = value.MAX_PATH })
    if given.path:sub(1, 1) ~= "/" then value.must(key .. ".path", "absolute", given.path) end
    return { kind = "path", path = given.path }
  end
  if given.kind == "pipe" and spawned then return { kind = "pipe" } end
  if not is_word(key, given.kind) then value.must(key .. ".kind", "a known kind", given.kind) end
  return word_kind(key, given.kind, tty)
end

--- A stream of a spec as { kind = "null" | "inherit" | "log" | "tty" | "pipe" | "stdout" | "fd" | "path", fd=,
--- path= }. A path needs a "/": "nul" is a slip, not a file.
---@param key string "stdin", "stdout" or "stderr"
---@param given any
---@param absolute fun(path: string, relative: string): string
---@param again boolean whether the canonical form is taken too
---@param tty boolean whether the child has a terminal, which is then the default
---@param spawned boolean? whether a task holds the other end of a "pipe"
function M.normalise(key, given, absolute, again, tty, spawned)
  if given == nil then return OF_WORD[tty and "tty" or WORDS[key][1]] end
  if type(given) == "number" then return { kind = "fd", fd = value.integer(key, given, 0, MAX_FD) } end
  if again and type(given) == "table" then return canonical(key, given, tty, spawned) end
  value.string(key, given, { max = value.MAX_PATH, what = what(key) })
  if is_word(key, given) then return word_kind(key, given, tty) end
  if given == "pipe" and spawned then return { kind = "pipe" } end
  if given == "pipe" then value.fail(key, '"pipe" is for ward.spawn: who would hold the other end?') end
  if not given:find("/", 1, true) then
    value.fail(key, ('must be %s with a "/", got %s%s'):format(what(key), value.describe(given),
      suggest.hint(given, WORDS[key])))
  end
  return { kind = "path", path = absolute(key, given) }
end

return M
