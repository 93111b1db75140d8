-- Shell-style patterns over service names: * ? [a-z] [!a-z]. Own code rather than Lua patterns, which can be made to
-- backtrack for minutes; this matcher goes back to the last star only, so its cost is bounded by #pattern * #name.

local M <const> = {}

--- Is this a pattern, rather than a name? (A service name holds none of these characters.)
---@param text string
---@return boolean
function M.is_pattern(text)
  return text:find("[*?%[]") ~= nil
end

-- The set that begins at `at` against one byte: matched?, index after the set. nil when the set is never closed.
local function match_set(pattern, at, byte)
  local i, negated, found = at + 1, false, false
  if pattern:sub(i, i) == "!" or pattern:sub(i, i) == "^" then
    negated, i = true, i + 1
  end
  local first = i
  while true do
    local low = pattern:byte(i)
    if not low then
      return nil
    elseif low == 0x5d and i > first then -- "]" closes, unless it stands first
      return found ~= negated, i + 1
    end
    local high = low
    if pattern:sub(i + 1, i + 1) == "-" and pattern:find("^[^%]]", i + 2) then
      high, i = pattern:byte(i + 2), i + 2
    end
    found = found or (byte >= low and byte <= high)
    i = i + 1
  end
end

-- One element of the pattern (anything but a star) against one byte: matched?, index of the next element.
local function match_one(pattern, at, byte)
  local char = pattern:sub(at, at)
  if char == "[" then
    local matched, next_at = match_set(pattern, at, byte)
    if matched ~= nil then
      return matched, next_at
    end
  end
  return char == "?" or pattern:byte(at) == byte, at + 1
end

--- Does the whole name match the pattern?
---@param pattern string
---@param name string
---@return boolean
function M.match(pattern, name)
  local p, n = 1, 1
  local star, resume -- the last star seen, and the name index its run reaches
  while n <= #name do
    if pattern:sub(p, p) == "*" then
      star, resume, p = p, n, p + 1
    else
      local matched, after = false, p
      if p <= #pattern then
        matched, after = match_one(pattern, p, name:byte(n))
      end
      if matched then
        p, n = after, n + 1
      elseif star then
        resume = resume + 1
        p, n = star + 1, resume
      else
        return false
      end
    end
  end
  return pattern:find("^%**$", p) ~= nil
end

--- Replaces patterns by the names they match; each name once, in the order asked for.
---@param wanted string[] names and patterns
---@param known string[] every service name, in declaration order
---@param offered string[]? those that patterns match; all when it is missing
---@return string[]? names
---@return string? missing the first word that names nothing
function M.expand(wanted, known, offered)
  local exists, seen, names = {}, {}, {}
  for _, name in ipairs(known) do
    exists[name] = true
  end
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, word in ipairs(wanted) do
    if exists[word] then
      add(word)
    elseif not M.is_pattern(word) then
      return nil, word
    else
      local any = false
      for _, name in ipairs(offered or known) do
        if M.match(word, name) then
          any = true
          add(name)
        end
      end
      if not any then
        return nil, word
      end
    end
  end
  return names
end

return M
