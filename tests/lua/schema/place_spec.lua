-- Where a program can stand, and where it starts when nothing is said.

local kit <const> = require "lua.schema.kit"
local place <const> = require "ward.schema.place"
local schema <const> = require "ward.schema"

local function dir(mode, uid, gid) return { mode = mode, uid = uid or 0, gid = gid or 0 } end

describe("schema: the working directory", function()
  after_each(kit.reset)

  it("is where the script lies, if the program can stand there", function()
    local modes
    local host <const> = setmetatable({
      uid = 0, dir = "/srv/app", stat = function(path) return modes[path] end,
      user = function(key) return { name = key, uid = 65534, gid = 65534 } end, groups = function() return {} end,
    }, { __index = kit.host })
    local function cwd(sandbox, more)
      local spec <const> = { name = "x", cmd = { "/x" }, sandbox = sandbox }
      for key, value in pairs(more or {}) do spec[key] = value end
      local found <const> = assert(schema.normalise(spec, host, "x"))
      assert.same(found, schema.normalise(schema.declare(spec, host, "x"), {}))
      return found.cwd
    end
    local nobody <const> = { drop_root = true }
    modes = { ["/"] = dir(493), ["/srv"] = dir(493), ["/srv/app"] = dir(493) }
    assert.equal("/srv/app", cwd {})
    assert.equal("/srv/app", cwd(nobody))
    assert.equal("/", cwd { tmpfs = { "/srv" } })
    assert.equal("/srv/app", cwd({ tmpfs = { "/srv" } }, { cwd = "/srv/app" }))
    assert.equal("/srv/app", cwd { tmpfs = { "/srv" },
      mounts = { { type = "bind", source = "/srv/app", target = "/srv/app" } } })
    modes["/srv"] = dir(448)
    assert.equal("/", cwd(nobody))
    assert.equal("/", cwd({}, { user = "nobody" }))
    assert.equal("/srv/app", cwd {})
    assert.equal("/srv/app", cwd({}, { user = "nobody", cwd = "." }))
    assert.equal("/srv/app", cwd({ caps = { "dac_read_search" } }, { user = "nobody" }))
    modes["/srv"] = dir(448, 65534)
    assert.equal("/srv/app", cwd(nobody))
    modes["/srv"] = dir(488, 0, 65534) -- 0750
    assert.equal("/srv/app", cwd(nobody))
  end)

  it("is in sight where a mount or the way to one is", function()
    local tree <const> = kit.good({ sandbox = { tmpfs = { "/" }, mounts = {
      { type = "bind", source = "/usr", target = "/usr" }, { type = "bind", source = "/x", target = "/srv/app" },
    } } }).sandbox.tree
    local function stat(path) return path ~= "/usr/none" and {} or nil end
    for path, seen in pairs { ["/"] = true, ["/srv"] = true, ["/srv/app"] = true, ["/usr/lib"] = true,
      ["/usr/none"] = false, ["/etc"] = false } do
      assert.equal(seen, (place.in_sight(path, tree, stat)), path)
    end
  end)
end)
