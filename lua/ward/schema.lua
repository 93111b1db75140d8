-- From what a user wrote to the canonical spec: plain data that engine and core take as it is.
--
-- It runs twice: in the script state, where errors become the user's file:line, and again in the
-- trusted state on what came over. The second run trusts nothing: wrong types, metatables, holes and
-- sizes past the limits are refused with a sentence, and no walk is longer than a limit.

local bundles <const> = require "ward.schema.bundle"
local cgroup <const> = require "ward.schema.cgroup"
local dotenv <const> = require "ward.dotenv"
local identity <const> = require "ward.schema.identity"
local keys <const> = require "ward.schema.keys"
local place <const> = require "ward.schema.place"
local process <const> = require "ward.schema.process"
local restart <const> = require "ward.schema.restart"
local sandbox <const> = require "ward.schema.sandbox"
local stdio <const> = require "ward.schema.stdio"
local value <const> = require "ward.schema.value"

local M <const> = {}

--- Every key with type, default, doc and `since`: rows of service, restart, backoff, supervisor.
M.keys = keys

local MAX_SERVICES <const> = 10000
local MAX_CALLS <const> = 1 << 31
local MAX_ENV <const> = 10000
local MAX_ENV_FILES <const> = 64
-- A path and a line number.
local MAX_SOURCE <const> = value.MAX_PATH + 16

-- Keys whose values may be functions of the script.
local HOOKS <const> = {
  restart = true, on_start = true, on_ready = true, on_exit = true, on_stop = true, on_fail = true,
}

local TYPES <const>, ON_RESTART <const> = { "simple", "oneshot" }, { "keep", "restart" }

local POSITIONAL <const> = '; the command goes into cmd = { "program", "argument" }'

-- Keys of a spec that has been normalised before: the declared ones and those normalise adds.
local canonical_rows <const> = {}
for _, row in ipairs(keys.canonical) do canonical_rows[row.key] = row end
local both <const> = {}
for _, row in ipairs(keys.service) do both[#both + 1] = canonical_rows[row.key] or row end
both[#both + 1] = canonical_rows.source
both[#both + 1] = canonical_rows.ids
both[#both + 1] = canonical_rows.calls
both[#both + 1] = canonical_rows.asks
both[#both + 1] = canonical_rows.dormant

--- Whether a name fits a service or a supervisor.
---@param name any
---@return string|nil name
---@return string|nil message
function M.name(name)
  if type(name) == "string" and #name <= 128 and name:find("^[A-Za-z0-9][A-Za-z0-9_.@:-]*$") then return name end
  return value.try(function()
    value.string("name", name, { max = 128 })
    if not name:find("^[A-Za-z0-9]") then
      value.fail("name", "must begin with a letter or a digit, got " .. value.describe(name))
    end
    local bad <const> = name:match("[^A-Za-z0-9_.@:-]")
    if bad then
      value.fail("name", ("%s contains %s; letters, digits and _ . @ : - are allowed"):format(value.quote(name),
        value.quote(bad)))
    end
    return name
  end)
end

local function absolute(host)
  return function(key, path)
    local whole = path
    if path:sub(1, 1) ~= "/" then
      if type(host.dir) ~= "string" then value.must(key, "absolute", path) end
      path = path:gsub("^%./+", "")
      whole = (path == "." or path == "") and host.dir or host.dir:gsub("/$", "") .. "/" .. path
    end
    if #whole > value.MAX_PATH then
      value.fail(key, ("is too long: %d bytes, at most %d"):format(#whole, value.MAX_PATH))
    end
    return whole
  end
end

local function umask(_, given)
  if given == nil then return 18 end
  if type(given) == "string" and given:find("^0?[0-7][0-7]?[0-7]?$") then return tonumber(given, 8) end
  local number <const> = type(given) == "number" and math.tointeger(given)
  if not number or number < 0 or number > 511 then
    value.must("umask", 'an octal string such as "022", or a number from 0 to 511', given)
  end
  return number
end

local function env_key(path, key)
  if key == "" then value.fail(path, "a variable needs a name") end
  if key:find("=", 1, true) then
    value.fail(path, ('%s: the name of a variable cannot contain "="'):format(value.quote(key)))
  end
  if key:find("\0", 1, true) then value.fail(path, "the name of a variable contains a NUL byte") end
end

local function read_env_file(env, name, host, resolve)
  local optional <const> = name:sub(1, 1) == "-"
  if optional then name = name:sub(2) end
  if name == "" then value.fail("env_file", "must not be empty") end
  local path <const> = resolve("env_file", name)
  local text <const>, message = host.read(path, true) -- the program gets what only ward may read
  if not text then
    message = value.unreadable(path, message)
    if optional and message:find("No such file", 1, true) then return end
    value.fail("env_file", message)
  end
  local pairs_read <const>, line <const>, wrong <const> = dotenv.parse(text)
  if not pairs_read then value.fail("env_file", ("%s:%d: %s"):format(path, line, wrong)) end
  for _, pair in ipairs(pairs_read) do env[pair[1]] = pair[2] end
end

-- env over the env_files, in one table.
local function environment(spec, host, resolve, again)
  local env = {}
  if again and spec.env_file ~= nil then value.fail("env_file", "is part of env here") end
  local files = spec.env_file
  if type(files) == "string" then files = { files } end
  for i = 1, files == nil and 0 or value.list("env_file", files, "a path or a list of paths", MAX_ENV_FILES) do
    local path <const> = type(spec.env_file) == "string" and "env_file" or ("env_file[%d]"):format(i)
    value.string(path, files[i], { max = value.MAX_PATH })
    read_env_file(env, files[i], host, resolve)
  end
  if spec.env == nil then return env end
  local names <const> = value.keys("env", spec.env, '; write env = { NAME = "value" }')
  if #names > MAX_ENV then value.fail("env", ("is too large: at most %d variables"):format(MAX_ENV)) end
  for _, name in ipairs(names) do
    env_key("env", name)
    local path <const> = "env." .. (name:find("^[%w_]+$") and name:sub(1, 60) or value.quote(name))
    local given <const> = spec.env[name]
    if given == false then
      env[name] = false
    else
      env[name] = value.text(path, given, { min = 0, max = value.MAX_STRING - #name - 1,
        what = "a string, a number or false" })
    end
  end
  return env
end

local VERBS <const> = { needs = "need", wants = "want", after = "start after" }

-- The names in needs, wants or after.
local function others(key, spec, host)
  local list, seen = {}, {}
  if spec[key] == nil then return list end
  for i = 1, value.list(key, spec[key], 'a list of services such as { db, "cache" }', MAX_SERVICES) do
    local path <const>, given <const> = ("%s[%d]"):format(key, i), spec[key][i]
    local name = host.service_name and host.service_name(given) or given
    if type(name) ~= "string" then value.must(path, "a service or a service's name", given) end
    local _, message <const> = M.name(name)
    if message then value.fail(path, (message:gsub("^name: ", ""))) end
    if name == spec.name then value.fail(path, "a service cannot " .. VERBS[key] .. " itself") end
    if not seen[name] then list[#list + 1], seen[name] = name, true end
  end
  return list
end

-- Functions of the script: over there they have numbers.
local function calls_of(spec, host, again)
  local list = {}
  if again then
    for _, key in ipairs(spec.calls == nil and {} or value.keys("calls", spec.calls)) do
      if not HOOKS[key] then value.fail("calls", "unknown key " .. value.quote(key)) end
      list[key] = value.integer("calls." .. key, spec.calls[key], 1, MAX_CALLS)
    end
    return list
  end
  for key in next, HOOKS do
    local fn <const> = spec[key]
    if key ~= "restart" and fn ~= nil and type(fn) ~= "function" then value.must(key, "a function", fn) end
    if type(fn) == "function" then
      if not host.callback then value.fail(key, "must not be a function here") end
      list[key] = host.callback(fn)
    end
  end
  return list
end

-- What belongs together.
local function consistent(on, type, significant)
  if type == "oneshot" and (on == "always" or on == "success") then
    value.fail("restart.on", ('must not be "%s" for a oneshot: its success is its end'):format(on))
  elseif significant and on == "always" then
    value.fail("significant", 'must not be true with restart.on = "always": such a service never ends by itself')
  end
end

-- What build makes of keys that are not there and depend on no others; shared by all specs. Filled below.
local DEFAULTS <const> = {}

local function flag(key, given) return given ~= nil and value.boolean(key, given) end

-- Keys whose canonical value comes of what is given for them, and of nothing else: read(key, given, again).
local ALONE <const> = {
  umask = umask, env_clear = flag, fds = process.fds, parent_death = process.parent_death, limits = process.limits,
  nice = process.nice, ioprio = process.ioprio, sched = process.sched, affinity = process.affinity,
  oom_score_adj = process.oom_score_adj, cgroup = cgroup.normalise, clone = process.clone,
  restart_prevent = restart.prevent, success = restart.success, stop = restart.stop, significant = flag,
}

function ALONE.type(key, given)
  return given == nil and "simple" or value.choice(key, given, TYPES, { notify = true })
end

function ALONE.start_timeout(key, given)
  if given == nil then return nil end
  return value.duration(key, given)
end

function ALONE.on_restart(key, given) return given == nil and "keep" or value.choice(key, given, ON_RESTART) end

-- A condition by itself says it all, and thousands of services have the same.
local conditions <const> = {}

function ALONE.restart(key, given, again)
  local policy = conditions[given]
  if not policy then
    policy = restart.restart(key, given, again)
    if type(given) == "string" then conditions[given] = policy end
  end
  return policy
end

for key, read in next, ALONE do DEFAULTS[key] = read(key) end

local ALONE_NAMES <const> = {}
for key in next, ALONE do ALONE_NAMES[#ALONE_NAMES + 1] = key end
table.sort(ALONE_NAMES) -- of several mistakes the same one is told each time

-- The spec of `given`, a plain table with known keys and a good name. A spawned child may have pipes.
local function build(given, host, source, spawned)
  local again <const> = given.source ~= nil
  local resolve <const> = absolute(host)
  local cmd <const> = value.words("cmd", given.cmd)
  local user, ids
  if again then user, ids = identity.canonical(given) else user, ids = identity.resolve(given, host) end
  local tty <const> = process.tty("tty", given.tty)
  local function settle(box)
    if box.drop_root and not box.uid_map and not again then user, ids = identity.lower(user, ids, host) end
    return ids
  end
  local box <const> = sandbox.normalise("sandbox", given.sandbox, resolve, again, host, settle)
  -- Where the program cannot stand in the script's directory, it starts in the root, as it does below one of its own.
  local home = sandbox.has_root(box) and "/" or "."
  if box and home == "." and not again and given.cwd == nil and host.stat
    and place.fault(host.dir, { ids = ids, sandbox = box }, host.stat) then
    home = "/"
  end
  local function stream(key) return stdio.normalise(key, given[key], resolve, again, tty ~= false, spawned) end
  local calls <const> = calls_of(given, host, again)
  local spec <const> = {
    name = given.name,
    source = source or (again and value.string("source", given.source, { max = MAX_SOURCE })) or "?",
    cmd = cmd,
    arg0 = given.arg0 == nil and cmd[1] or value.string("arg0", given.arg0),
    cwd = resolve("cwd", given.cwd == nil and home or value.string("cwd", given.cwd, { max = value.MAX_PATH })),
    env = environment(given, host, resolve, again),
    user = user, ids = ids,
    stdin = stream("stdin"), stdout = stream("stdout"), stderr = stream("stderr"),
    session = process.session("session", given.session, tty),
    tty = tty,
    sandbox = box,
    needs = others("needs", given, host), wants = others("wants", given, host), after = others("after", given, host),
    calls = next(calls) and calls or nil,
    dormant = again and flag("dormant", given.dormant) or nil,
    asks = (calls.restart or calls.on_exit) ~= nil or nil,
  }
  for _, key in ipairs(ALONE_NAMES) do
    local item <const> = given[key]
    if item == nil then spec[key] = DEFAULTS[key] else spec[key] = ALONE[key](key, item, again) end
  end
  consistent(spec.restart.on, spec.type, spec.significant)
  return spec
end

--- The canonical spec of a declaration, or of a canonical spec (which comes out equal).
---@param spec any
---@param host table user, group: fn(name_or_id) -> { name, uid, gid } | nil; groups: fn(name, gid) -> gids;
---  read: fn(path) -> text | nil, message; dir: absolute directory of the script;
---  machine: fn() -> { arch, kernel = as of uname(2), caps, permitted, ambient = numbers that ward's bounding,
---  permitted and ambient sets hold }; uid: ward's; stat: fn(path) -> { mode, uid, gid } | nil;
---  caps: fn(text of libcap) -> { permitted, inheritable, effective } | nil, message;
---  syscall: fn(name) -> whether there is such a system call;
---  service_name: fn(value) -> string | nil, the name behind a service value (nil where there are none)
---@param source string|nil file:line of the declaration
---@return table|nil spec
---@return string|nil message `service "web": restart.backoff.factor: must be ...`
function M.normalise(spec, host, source)
  if type(spec) ~= "table" then
    return nil, ('service: must be a table such as { name = "web", cmd = { "/srv/web" } }, got %s'):format(
      value.describe(spec))
  elseif getmetatable(spec) ~= nil then
    return nil, "service: must be a plain table, got one with a metatable"
  end
  local name <const>, bad_name <const> = M.name(spec.name)
  local result <const>, message <const> = value.try(function()
    -- Keys come before the name: { nmae = "web" } should hear of its slip, not of a missing name.
    value.known("", spec, spec.source == nil and keys.service or both, keys.aliases, POSITIONAL)
    if not name then value.fail("", spec.name == nil and "name: is required" or bad_name) end
    if spec.cmd == nil then value.fail("cmd", "is required") end
    return build(spec, host, source)
  end)
  if result then return result end
  return nil, ("service%s: %s"):format(name and (' "%s"'):format(name) or "", message)
end

for key, item in next, build({ name = "x", cmd = { "x" } }, { dir = "/" }, "x") do DEFAULTS[key] = item end
for _, key in ipairs { "name", "cmd", "arg0", "cwd", "source" } do DEFAULTS[key] = nil end

-- A canonical spec without what normalise adds again: thousands of services are mostly defaults.
local function sparse(spec, given)
  local few = { cwd = spec.cwd, env = next(spec.env) and spec.env or nil } -- which can come from files
  for key in next, given do few[key] = spec[key] end
  few.source, few.calls, few.asks = spec.source, spec.calls, spec.asks
  few.user, few.ids = spec.user, spec.ids -- which a sandbox can change, too
  return few
end

local STREAMS <const> = { stdin = true, stdout = true, stderr = true }
local IDENTITY <const> = { user = true, group = true, groups = true }

-- The same at once, without the canonical spec between; nil: some key needs that. Other keys depend on tty and sandbox.
local function brief(given, host, source)
  local resolve <const> = absolute(host)
  local few, hooks, identified = { name = given.name, source = source }, false, false
  for key, item in next, given do
    if key == "cmd" then few.cmd = value.words(key, item)
    elseif STREAMS[key] then few[key] = stdio.normalise(key, item, resolve, false, false)
    elseif ALONE[key] then few[key] = ALONE[key](key, item)
    elseif VERBS[key] then few[key] = others(key, given, host)
    elseif key == "env" then few.env = environment(given, host, resolve, false)
    elseif IDENTITY[key] then identified = true
    elseif key == "cwd" then few.cwd = resolve(key, value.string(key, item, { max = value.MAX_PATH }))
    elseif HOOKS[key] then hooks = true
    elseif key ~= "name" then return nil end
  end
  few.cwd = few.cwd or resolve("cwd", ".")
  if identified then few.user, few.ids = identity.resolve(given, host) end
  consistent((few.restart or DEFAULTS.restart).on, few.type, few.significant)
  if hooks or type(given.restart) == "function" then
    local calls <const> = calls_of(given, host, false)
    few.calls, few.asks = calls, (calls.restart or calls.on_exit) ~= nil or nil
  end
  return few
end

--- What a script state hands over of a declaration: the canonical spec without what normalise adds again.
---@param spec any
---@param host table as for normalise
---@param source string file:line of the declaration
---@return table|nil spec
---@return string|nil message as of normalise
function M.declare(spec, host, source)
  if type(spec) == "table" and getmetatable(spec) == nil and M.name(spec.name) then
    local ok <const>, few <const> = pcall(brief, spec, host, source)
    if ok and few and few.cmd then return few end
  end
  local canonical <const>, message <const> = M.normalise(spec, host, source) -- and says what is wrong
  return canonical and sparse(canonical, spec), message
end

-- Keys of a child: those of a service that are not a declared service's only.
local child_keys, child_both, of_service = {}, {}, {}
for _, row in ipairs(keys.service) do
  if row.service then of_service[row.key] = true else child_keys[#child_keys + 1] = row end
end
for _, row in ipairs(both) do
  if not of_service[row.key] then child_both[#child_both + 1] = row end
end

local function build_child(spec, host, source)
  value.table("", spec, 'a table such as { cmd = { "date" } }')
  local again <const> = spec.source ~= nil
  for _, key in ipairs(value.keys("", spec, POSITIONAL)) do
    if of_service[key] then value.fail(key, "is for services; ward.spawn runs one child, once") end
  end
  value.known("", spec, again and child_both or child_keys, keys.aliases, POSITIONAL)
  if spec.cmd == nil then value.fail("cmd", "is required") end
  local whole <const>, child <const> = build(spec, host, source, true), {}
  for _, row in ipairs(child_both) do child[row.key] = whole[row.key] end
  return child
end

--- The canonical spec of a child of a task (ward.spawn), or of such a canonical spec.
---@param spec any
---@param host table as for normalise
---@param source string|nil file:line of the call
---@return table|nil spec
---@return string|nil message
function M.child(spec, host, source)
  return value.try(build_child, spec, host, source)
end

M.move = bundles.move

--- The settings of a script, complete.
---@param given any
---@return table|nil settings
---@return string|nil message
function M.settings(given) return value.try(bundles.settings, "", given) end

local PARTS <const> = { name = M.name, normalise = M.normalise, calls_of = calls_of, defaults = DEFAULTS }

local function nothing() end

--- Checks what a script state returned, trusting nothing: shape, unique names, each spec normalised
--- again, every need satisfied and no cycle.
---@param bundle any its tables are kept
---@param host table as for normalise; canonical specs need none of its functions. known: canonical specs by name
---  that were there before, and former: the traces of the bundle that they are of, whose tables may be in this one;
---  moved: the sources of those that are such, but were declared elsewhere, by place; breathe: fn() is called now and
---  then and may yield
---@return table|nil bundle { path=, name=, services = { spec, ... }, tree = root supervisor, reacts=,
---  sources = path -> text, settings= }
---@return string|ward.schema.Traces message or traces
function M.bundle(bundle, host)
  local traces
  local given <const> = setmetatable({ breathe = host.breathe or nothing }, { __index = host })
  local whole <const>, message <const> = value.try(function()
    local checked
    checked, traces = bundles.check(bundle, given, PARTS)
    return checked
  end)
  return whole, message or traces
end

return M
