-- Environment files: KEY=value lines, as docker, systemd and the dotenv libraries read them.
--
--   # a comment                 export KEY=value     (export is allowed and ignored)
--   KEY=plain words # comment   trimmed; a "#" after white space starts a comment
--   KEY='literal $x \n'         nothing is special up to the next '
--   KEY="two\nlines"            \n \r \t \\ \" \$ \` are escapes; another backslash stays
--
-- Quoted values may span lines. Variables are never expanded: a file means the same everywhere.

local M <const> = {}

local ESCAPES <const> = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ['"'] = '"', ["$"] = "$", ["`"] = "`" }

-- The value that begins with the quote at `at`, and the position after its closing quote; nil when
-- there is none.
local function quoted(text, at)
  local quote <const> = text:sub(at, at)
  if quote == "'" then
    local close = text:find("'", at + 1, true)
    return close and text:sub(at + 1, close - 1), close and close + 1
  end
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('["\\]', from)
    if not stop then return nil end
    parts[#parts + 1] = text:sub(from, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(parts), stop + 1 end
    local escaped = text:sub(stop + 1, stop + 1)
    parts[#parts + 1] = ESCAPES[escaped] or ("\\" .. escaped)
    from = stop + 2
  end
end

local function plain(rest)
  if rest:find("^#") then return "" end
  local comment = rest:find("%s#")
  if comment then rest = rest:sub(1, comment - 1) end
  return (rest:gsub("%s+$", ""))
end

-- The assignment of the line `source`, which begins at `at` in `text` and is followed by a line feed
-- at `stop`: key, value and where its (last) line ends; or nil and a message.
local function assignment(text, source, at, stop)
  local start = source:match("^%s*export%s+()") or 1
  local key, begin = source:match("^%s*([%a_][%w_.-]*)%s*=[ \t]*()", start)
  if not key then
    local name = source:match("^%s*([^=]-)%s*=", start)
    if not name then return nil, "expected KEY=value" end
    return nil, ('"%s" cannot name a variable (letters, digits, "_", "." and "-"; no digit first)'):format(
      name:sub(1, 40))
  end
  if not source:find("^[\"']", begin) then return key, plain(source:sub(begin)), stop end
  local value, after = quoted(text, at + begin - 1)
  if not value then return nil, key .. ": the quote is never closed" end
  stop = text:find("\n", after, true) or #text + 1
  local tail <const> = text:sub(after, stop - 1)
  if tail:find("%S") and not tail:find("^%s+#") then
    return nil, key .. ": unexpected text after the closing quote"
  end
  return key, value, stop
end

--- The assignments of a dotenv text in the order of the file; a key may come twice (the last counts).
---@param text string
---@return { [1]: string, [2]: string }[]|nil pairs
---@return integer|nil line where it is wrong
---@return string|nil message
function M.parse(text)
  if type(text) ~= "string" then error("dotenv.parse: the text: must be a string, got " .. type(text), 2) end
  text = text:gsub("^\239\187\191", ""):gsub("\r\n", "\n")
  local nul <const> = text:find("\0", 1, true)
  if nul then
    local _, before = text:sub(1, nul):gsub("\n", "")
    return nil, before + 1, "a NUL byte cannot be part of an environment"
  end
  local found, line, at = {}, 1, 1
  while at <= #text do
    local stop = text:find("\n", at, true) or #text + 1
    local source = text:sub(at, stop - 1)
    if source:find("^%s*[^%s#]") then
      local key, value, last = assignment(text, source, at, stop)
      if not key then return nil, line, value end
      found[#found + 1] = { key, value }
      stop = last
    end
    local _, breaks = text:sub(at, stop):gsub("\n", "")
    line, at = line + breaks, stop + 1
  end
  return found
end

return M
