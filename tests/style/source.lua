-- What the house rules share: the files of the tree, and their text without comments.

local M <const> = {}

--- Files under the given directories that end in one of the endings, sorted.
---@param where string directories, separated by spaces
---@param ... string endings
---@return string[]
function M.files(where, ...)
  local tests = {}
  for i, ending in ipairs { ... } do
    tests[i] = ("-name '*%s'"):format(ending)
  end
  local list = {}
  local find = "find %s %s 2>/dev/null | LC_ALL=C sort"
  local pipe <close> = assert(io.popen(find:format(where, table.concat(tests, " -o "))))
  for path in pipe:lines() do
    list[#list + 1] = path
  end
  return list
end

function M.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- All output of a command.
---@param command string
---@return string output
---@return boolean ok
function M.output(command)
  local pipe <const> = assert(io.popen(command))
  local text = pipe:read("a")
  return text, pipe:close() == true
end

-- Line breaks stay, so that line numbers do.
local function blank(text)
  return " " .. text:gsub("[^\n]+", "")
end

-- Splits at comments and strings. `rules` is a list of { opening pattern, function(text, from, open) -> last, keep }.
local function strip(text, rules)
  local out, at = {}, 1
  while true do
    local from, to, found
    for _, rule in ipairs(rules) do
      local s, e = text:find(rule[1], at)
      if s and (not from or s < from) then
        from, to, found = s, e, rule
      end
    end
    if not from then
      out[#out + 1] = text:sub(at)
      return table.concat(out)
    end
    local last = found.close(text, from, to)
    local token = text:sub(from, last)
    out[#out + 1] = text:sub(at, from - 1)
    out[#out + 1] = found.keep and token or blank(token)
    at = last + 1
  end
end

local function to_quote(text, from, _)
  local quote, at = text:sub(from, from), from + 1
  while true do
    local char = text:sub(at, at)
    if char == quote or char == "" or char == "\n" then
      return at
    end
    at = at + (char == "\\" and 2 or 1)
  end
end

local function to_line_end(text, _, open)
  return (text:find("\n", open, true) or #text + 1) - 1
end

local function to_long_bracket(text, from, open)
  local level = text:sub(from, open):match("%[(=*)%[$")
  local _, last = text:find("]" .. level .. "]", open, true)
  return last or #text
end

local C <const> = {
  { "/%*", close = function(text, _, open)
    return select(2, text:find("*/", open + 1, true)) or #text
  end },
  { "//", close = to_line_end },
  { '"', close = to_quote },
  { "'", close = to_quote },
}

local LUA <const> = {
  { "%-%-%[=*%[", close = to_long_bracket },
  { "%-%-", close = to_line_end },
  { "%[=*%[", close = to_long_bracket, keep = true },
  { '"', close = to_quote, keep = true },
  { "'", close = to_quote, keep = true },
}

--- C without comments and without what is in strings.
function M.strip_c(text)
  return strip(text, C)
end

--- Lua without comments.
function M.strip_lua(text)
  return strip(text, LUA)
end

--- Lines with their numbers.
function M.lines(text)
  local number = 0
  local next_line = (text .. "\n"):gmatch("(.-)\n")
  return function()
    number = number + 1
    local line = next_line()
    if line then
      return number, line
    end
  end
end

--- Applies a rule, check(path, text) -> list of complaints, to many files.
---@return string[] complaints of all
function M.complaints(paths, check)
  local all = {}
  for _, path in ipairs(paths) do
    for _, complaint in ipairs(check(path, M.read(path))) do
      all[#all + 1] = complaint
    end
  end
  return all
end

return M
