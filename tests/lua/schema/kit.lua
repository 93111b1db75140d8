-- What the schema's specs share: a host, a spec with some keys, and values that no script should send.

local assert <const> = require "luassert"
local schema <const> = require "ward.schema"

local M <const> = {}

--- What host.read finds, by path; emptied by M.reset.
M.files = {}

function M.reset()
  for path in pairs(M.files) do M.files[path] = nil end
end

M.host = {
  dir = "/srv/app",
  user = function(key)
    if key == "postgres" or key == 999 then return { name = "postgres", uid = 999, gid = 998 } end
    return nil
  end,
  group = function(key)
    local gids = { postgres = 998, audio = 29 }
    return gids[key] and { name = key, gid = gids[key] } or nil
  end,
  groups = function(name, gid)
    assert.equal("postgres", name)
    return { gid, 29, gid }
  end,
  read = function(path)
    if M.files[path] then return M.files[path] end
    return nil, "No such file or directory"
  end,
}

local function declaration(keys)
  local spec = { name = "web", cmd = { "/srv/web" } }
  for key, value in pairs(keys or {}) do spec[key] = value end
  return spec
end

--- Normalises a service "web" with these keys.
function M.normalise(keys)
  return schema.normalise(declaration(keys), M.host, "scripts/x.lua:14")
end

--- The canonical spec of these keys, which comes out of a second run as it went in, and of what a script hands over.
function M.good(keys)
  local spec, message = M.normalise(keys)
  assert.is_nil(message)
  assert.same(spec, schema.normalise(schema.declare(declaration(keys), M.host, "scripts/x.lua:14"), {}))
  assert.same(spec, schema.normalise(spec, {}))
  assert.same(spec, schema.normalise(spec, M.host, spec.source))
  return spec
end

--- These keys are refused with this message.
function M.bad(keys, message)
  local spec, why = M.normalise(keys)
  assert.is_nil(spec)
  assert.equal('service "web": ' .. message, why)
  assert.equal(why, select(2, schema.declare(declaration(keys), M.host, "scripts/x.lua:14")))
end

local function deep(n)
  local t = {}
  for _ = 1, n do t = { t } end
  return t
end

--- Values of every wrong kind, as a script state that was taken over could send them.
function M.hostile()
  local cycle = {}
  for _, key in ipairs { 1, "cmd", "backoff", "signal", "kind", "fs", "rights", "rules", "names", "bounding" } do
    cycle[key] = cycle
  end
  local trap = setmetatable({}, {
    __index = function() error("trap") end, __len = function() error("trap") end,
    __pairs = function() error("trap") end, __tostring = function() error("trap") end,
    __eq = function() error("trap") end, __lt = function() error("trap") end, __name = "trap",
  })
  return {
    cycle, trap, deep(1000), {}, { cycle }, { [0] = 1 }, { [-1] = 1 }, { [0.5] = 1 }, { [{}] = 1 }, { [true] = 1 },
    { [math.maxinteger] = 1 }, 0, -1, 1.5, 1 / 0, -1 / 0, 0 / 0, math.mininteger, "", "\0", "x", ("x"):rep(200000),
    true, false, print, coroutine.create(print), io.stdout, { trap }, { x = trap }, { kind = "fd" },
    { kind = "path", path = "x" }, { { signal = "KILL" }, { signal = "TERM", wait = 1 } }, { { wait = 1 } },
    { uid = -1, groups = {} }, { uid = 0 }, { uid = 0, groups = { "root" } }, { codes = { 0 } }, { kind = "tty" },
    { { target = 3, kind = "fd" } }, { { target = 3, kind = "fd", fd = "x" } }, { { name = "core", soft = -2 } },
    { { path = "x", rights = {} } }, { { names = trap, action = "allow" } }, { ["\27[2J"] = 1 }, { "\27[2J" },
    { bounding = trap }, { rights = trap, optional = true }, { default = trap, rules = {} }, { caps = trap },
  }
end

--- Asserts that a spec is normalised or refused with one short, printable sentence; returns that.
function M.survives(spec, host)
  local out <const>, why <const> = schema.normalise(spec, host)
  assert.is_true(out ~= nil or type(why) == "string")
  if out == nil then
    assert.is_nil(why:find("[%c\127]"), why)
    assert.is_true(#why < 400, why)
  end
  return why
end

return M
