-- The key `sandbox.landlock`: which files, TCP ports and processes the child may reach (landlock(7)).

local keys <const> = require "ward.schema.keys"
local suggest <const> = require "ward.suggest"
local value <const> = require "ward.schema.value"

local M <const> = {}

local MAX_RULES <const> = 1024
local MAX_PORTS <const> = 1024

-- In the order of the kernel's bits, which is the canonical order.
local RIGHTS <const> = {
  "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir", "make_reg",
  "make_sock", "make_fifo", "make_block", "make_sym", "refer", "truncate", "ioctl_dev",
}
-- What a letter stands for. Device nodes and their ioctls are no part of writing: they have to be named.
local LETTERS <const> = {
  r = { "read_file", "read_dir" },
  w = { "write_file", "truncate", "make_dir", "make_reg", "make_sock", "make_fifo", "make_sym", "remove_dir",
    "remove_file", "refer" },
  x = { "execute" },
}
local is_right <const> = {}
for _, right in ipairs(RIGHTS) do is_right[right] = true end

local function add_right(path, word, set)
  value.string(path, word, { max = 64, what = 'letters such as "rx", or rights such as "read_file"' })
  if is_right[word] then
    set[word] = true
  elseif word:find("^[rwx]+$") then
    for letter in word:gmatch(".") do
      for _, right in ipairs(LETTERS[letter]) do set[right] = true end
    end
  else
    value.fail(path, ("unknown right %s%s; rights are letters of \"rwx\" or names such as \"read_file\""):format(
      value.quote(word), suggest.hint(word, RIGHTS)))
  end
end

-- "rx" or a list of letters and names, as names in the order of RIGHTS.
local function rights(path, given)
  local set, list = {}, {}
  if type(given) == "string" then
    add_right(path, given, set)
  else
    local what <const> = 'letters such as "rx", a list of rights, or { rights =, optional = true }'
    for i = 1, value.list(path, given, what, #RIGHTS) do add_right(("%s[%d]"):format(path, i), given[i], set) end
  end
  for _, right in ipairs(RIGHTS) do
    if set[right] then list[#list + 1] = right end
  end
  if #list == 0 then value.fail(path, "must not be empty") end
  return list
end

local function rule(at, path, given)
  if type(given) ~= "table" or getmetatable(given) ~= nil or given.rights == nil and given.optional == nil then
    return { path = path, rights = rights(at, given), optional = false }
  end
  value.known(at, given, keys.landlock_rule)
  return {
    path = path,
    rights = rights(at .. ".rights", given.rights),
    optional = given.optional ~= nil and value.boolean(at .. ".optional", given.optional),
  }
end

-- { [path] = rights } as { { path=, rights=, optional= }, ... } sorted by path.
local function declared_rules(path, given, absolute)
  local names <const> = value.keys(path, given, '; write fs = { ["/usr"] = "rx" }')
  if #names > MAX_RULES then value.fail(path, ("is too large: at most %d paths"):format(MAX_RULES)) end
  local rules, seen = {}, {}
  for i, name in ipairs(names) do
    local at <const> = ("%s[%s]"):format(path, value.quote(name))
    value.string(at, name, { max = value.MAX_PATH })
    local whole <const> = absolute(at, name):gsub("(.)/+$", "%1")
    if seen[whole] then value.fail(at, "is the same path as " .. value.quote(seen[whole])) end
    rules[i], seen[whole] = rule(at, whole, given[name]), name
  end
  table.sort(rules, function(a, b) return a.path < b.path end)
  return rules
end

local function canonical_rules(path, given, absolute)
  local rules = {}
  for i = 1, value.list(path, given, "a list", MAX_RULES) do
    local at <const> = ("%s[%d]"):format(path, i)
    local row <const> = value.table(at, given[i])
    for _, key in ipairs(value.keys(at, row)) do
      if key ~= "path" and key ~= "rights" and key ~= "optional" then
        value.fail(at, "unknown key " .. value.quote(key))
      end
    end
    value.string(at .. ".path", row.path, { max = value.MAX_PATH })
    rules[i] = rule(at, absolute(at .. ".path", row.path), { rights = row.rights, optional = row.optional == true })
    if i > 1 and rules[i].path <= rules[i - 1].path then value.fail(at, "must be sorted by path, each once") end
  end
  return rules
end

-- Landlock asks for the right to execute the program itself.
local function check_execute(path, rules)
  for _, row in ipairs(rules) do
    if row.rights[1] == "execute" then return end
  end
  value.fail(path, 'gives no path the right to execute ("x"), so the program could not be started')
end

local function ports(path, given)
  if given == nil then return nil end
  return value.set(path, given, "a list of ports such as { 80, 443 }", MAX_PORTS, function(at, port)
    return value.integer(at, port, 0, 65535)
  end)
end

-- A list that is missing leaves that direction alone; an empty one allows no port.
local function net(path, given)
  if given == nil then return nil end
  value.known(path, value.table(path, given, "a table such as { bind = { 80 }, connect = {} }"), keys.landlock_net)
  if given.bind == nil and given.connect == nil then
    value.fail(path, "must have bind or connect; bind = {} and connect = {} allow no port")
  end
  return { bind = ports(path .. ".bind", given.bind), connect = ports(path .. ".connect", given.connect) }
end

local SCOPES <const> = { "abstract_unix_socket", "signal" }
local COMPATS <const> = { "best_effort", "strict" }

local function scope(path, given)
  if given == nil then return {} end
  return value.set(path, given, 'a list such as { "signal" }', #SCOPES, function(at, word)
    return value.choice(at, word, SCOPES)
  end)
end

--- landlock -> { fs = { { path=, rights=, optional= }, ... }, net = nil | { bind=, connect= }, scope = {...},
--- compat= }. An empty fs leaves files alone: one that allows nothing is refused.
---@param path string
---@param given any
---@param absolute fun(path: string, relative: string): string
---@param again boolean whether it is the canonical form
function M.normalise(path, given, absolute, again)
  if given == nil then return nil end
  value.known(path, value.table(path, given, 'a table such as { fs = { ["/usr"] = "rx" } }'), keys.landlock)
  local fs = {}
  if again then
    fs = canonical_rules(path .. ".fs", given.fs, absolute)
  elseif given.fs ~= nil then
    fs = declared_rules(path .. ".fs", given.fs, absolute)
  end
  if #fs > 0 or given.fs ~= nil and not again then check_execute(path .. ".fs", fs) end
  local result <const> = {
    fs = fs,
    net = net(path .. ".net", given.net),
    scope = scope(path .. ".scope", given.scope),
    compat = given.compat == nil and "best_effort" or value.choice(path .. ".compat", given.compat, COMPATS),
  }
  if #fs == 0 and not result.net and #result.scope == 0 then
    value.fail(path, "restricts nothing: give fs, net or scope")
  end
  return result
end

return M
