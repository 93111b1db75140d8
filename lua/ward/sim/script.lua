-- The state of a script, as core.script makes it in ward: the script's world, the script in it, and the way in and
-- out for plain data. Here it is no Lua state of its own but a copy of ward's library with globals of its own, and
-- there is no limit of time or memory: a loop that never ends does not.

local backoff <const> = require "ward.engine.backoff"
local copy <const> = require "ward.sim.copy"
local library <const> = require "ward.sim.library"
local lines <const> = require "ward.sim.lines"

local M <const> = {}

local SHARE <const> = library.ROOT

-- What scripts see as ward.version. A test holds it to the Makefile's.
M.VERSION = "0.1.0"

local Script <const> = {}
Script.__index = Script

-- math with numbers that follow from the seed.
local function seeded_math(seed)
  local own <const>, rng <const> = {}, { word = seed }
  for name, item in next, math do own[name] = item end
  function own.random(m, n)
    local unit <const> = backoff.random(rng)
    if m == nil then return unit end
    if n == nil then m, n = 1, m end
    if m > n then error("bad argument to 'random' (interval is empty)", 2) end
    return m + math.floor(unit * (n - m + 1))
  end
  function own.randomseed(given) rng.word = math.tointeger(given) or 0 end
  return own
end

-- os with the virtual clock.
local function virtual_os(core, environ)
  local own <const> = { difftime = os.difftime }
  function own.time(t) return t and os.time(t) or math.floor(core.wall()) end
  function own.date(format, t) return os.date(format, t or math.floor(core.wall())) end
  own.clock = core.now
  function own.getenv(name) return environ and environ[name] or not environ and os.getenv(name) or nil end
  return own
end

-- coroutine, whose coroutines are followed; the script's own code is to take `main` for Lua's main thread.
local function own_coroutine(create, is_main)
  local own <const> = {}
  for name, item in next, coroutine do own[name] = item end
  own.create = create
  function own.isyieldable(...) return not is_main() and coroutine.isyieldable(...) end
  function own.running()
    local co <const>, main <const> = coroutine.running()
    return co, main or is_main()
  end
  function own.yield(...)
    if is_main() then error("attempt to yield from outside a coroutine", 0) end
    return coroutine.yield(...)
  end
  return own
end

-- The globals that ward's library finds in a state of its own.
local function globals(core, options, create, is_main)
  local own <const> = {}
  for name, item in next, _G do own[name] = item end
  for _, name in ipairs { "io", "debug", "package", "require", "dofile", "loadfile", "arg" } do own[name] = nil end
  own._G = own
  own.math, own.os = seeded_math(options.seed), virtual_os(core, options.env)
  own.coroutine = own_coroutine(create, is_main)
  function own.getmetatable(object)
    if type(object) == "string" then return false end
    return getmetatable(object)
  end
  if type(assert) ~= "function" then -- test frameworks put a table there
    function own.assert(ok, ...)
      if ok then return ok, ... end
      error(select("#", ...) > 0 and (...) or "assertion failed!", 0)
    end
  end
  function own.print(...)
    local words <const> = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    core.printed[#core.printed + 1] = table.concat(words, "\t")
  end
  return own
end

-- What boot.lua wants of its host.
local function host_of(core, machine, tracked, self)
  return {
    share = SHARE, version = M.VERSION, shared = true, now = core.now,
    read = function(path)
      local own <const> = path == SHARE .. "/ward.lua" or path:sub(1, #SHARE + 6) == SHARE .. "/ward/"
      return (own and machine.read_file or machine.read)(path)
    end,
    list = machine.list, kind = machine.kind, realpath = machine.realpath, environ = machine.environ,
    user = machine.user, group = machine.group, groups = machine.groups,
    located = tracked.located, blocker = lines.blocker, where = lines.where,
    request = function(...)
      if not self.server then error("the script is not running", 0) end
      return copy.all(self.server(copy.all(...)))
    end,
  }
end

--- Loads a script, as core.script does.
---@param core ward.sim.Core
---@param path string
---@param options table machine, seed, env
---@return table|nil bundle
---@return table script serve, enter, close; or an error
function M.load(core, path, options)
  local self <const> = setmetatable({}, Script)
  local tracked <const> = lines.new()
  local main
  local env <const> = globals(core, options, tracked.create, function() return coroutine.running() == main end)
  local host <const> = host_of(core, options.machine, tracked, self)
  local file <const> = SHARE .. "/ward/script/boot.lua"
  local boot <const> = assert(load(assert(options.machine.read_file(file)), "=[ward.script.boot]", "t", env))
  main = tracked.create(function() return boot()(host, path) end)
  local ok <const>, entry <const>, bundle <const> = coroutine.resume(main)
  main = nil
  if not ok then return nil, { message = tostring(entry) } end
  local fine <const>, raw <const> = pcall(copy.plain, bundle)
  if not fine then return nil, { message = ("%s: %s"):format(path, raw) } end
  self.entry = entry
  return raw, self
end

--- script:serve(fn): fn(...) answers what the script asks for.
function Script:serve(fn) self.server = fn end

--- script:enter(cpu, ...) -> true, results | nil, err
function Script:enter(_, ...)
  local results <const> = table.pack(pcall(self.entry, copy.all(...)))
  if not results[1] then return nil, { message = tostring(results[2]) } end
  return copy.all(table.unpack(results, 1, results.n))
end

function Script:close() self.server = nil end

return M
