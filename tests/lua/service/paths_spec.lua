local fake <const> = require("lua.fake_core")

local function octal(text)
  return tonumber(text, 8)
end

describe("ward.service.paths", function()
  local core, paths

  local function setup(env, uid)
    core = fake.new(env)
    core.uid = uid or 1000
    package.loaded["ward.core"] = core
    package.loaded["ward.service.paths"] = nil
    paths = require("ward.service.paths")
  end

  it("takes the runtime directory from the environment", function()
    setup({ WARD_RUNTIME_DIR = "/x/y/", XDG_RUNTIME_DIR = "/run/user/1000" })
    assert.same({ base = "/x/y", dir = "/x/y/default", socket = "/x/y/default/control.sock",
      lock = "/x/y/default/lock",
      journal = "/x/y/default/journal" }, paths.runtime("default"))
    setup({ WARD_RUNTIME_DIR = "", XDG_RUNTIME_DIR = "/run/user/1000" })
    assert.equal("/run/user/1000/ward/a", paths.runtime("a").dir)
    setup({ XDG_RUNTIME_DIR = "/run/user/0" }, 0)
    assert.equal("/run/ward/a", paths.runtime("a").dir)
    setup({ HOME = "/home/me" })
    assert.equal("/home/me/.local/state/ward/run/a", paths.runtime("a").dir)
  end)

  it("takes the log directory from the environment", function()
    setup({ WARD_LOG_DIR = "/logs" })
    assert.equal("/logs/a", paths.logs("a").dir)
    setup({}, 0)
    assert.equal("/var/log/ward/a", paths.logs("a").dir)
    setup({ HOME = "/home/me", XDG_STATE_HOME = "relative" })
    assert.equal("/home/me/.local/state/ward/log/a", paths.logs("a").dir)
    setup({ XDG_STATE_HOME = "/state" })
    assert.equal("/state/ward/log/a/db.log", paths.log_file(paths.logs("a").dir, "db"))
  end)

  it("says what is missing or wrong in the environment", function()
    setup({})
    assert.matches("set WARD_RUNTIME_DIR", select(2, paths.runtime("a")))
    assert.matches("set WARD_LOG_DIR", select(2, paths.logs("a")))
    setup({ WARD_RUNTIME_DIR = "x" })
    assert.matches("must be an absolute path", select(2, paths.runtime("a")))
    setup({ WARD_RUNTIME_DIR = "/" .. ("x"):rep(100) })
    assert.matches("too long", select(2, paths.runtime("a")))
  end)

  it("knows instance names", function()
    setup({})
    for _, name in ipairs({ "default", "a", "web@1:2.x-y_z", ("a"):rep(128) }) do
      assert.is_true(paths.is_instance(name))
    end
    for _, name in ipairs({ "", ".", "..", "-a", "a/b", "a b", "a\n", ("a"):rep(129), "../x" }) do
      assert.is_false(paths.is_instance(name))
    end
  end)

  describe("claim", function()
    local place <const> = { base = "/r/ward", dir = "/r/ward/default" }

    before_each(function()
      setup({})
      core.files["/r"] = { type = "dir", mode = octal("755"), uid = 0 }
    end)

    it("creates what is missing, for the owner only", function()
      assert.is_true(paths.claim(place, "runtime directory"))
      assert.equal(octal("700"), core.files["/r/ward"].mode)
      assert.equal(octal("700"), core.files["/r/ward/default"].mode)
      assert.is_true(paths.claim(place, "runtime directory"))
    end)

    local refused <const> = {
      { "is not a directory", { type = "file" } },
      { "belongs to uid 33, not to uid 1000", { type = "dir", mode = octal("700"), uid = 33 } },
      { "is world%-writable %(mode 1777%)", { type = "dir", mode = octal("1777") } },
      { "is group%-writable %(mode 0770%)", { type = "dir", mode = octal("770") } },
      { "is not open to its owner %(mode 0000%)", { type = "dir", mode = 0 } },
    }
    for _, case in ipairs(refused) do
      it("refuses one that " .. case[1]:gsub("%%", ""), function()
        for _, path in ipairs({ place.base, place.dir }) do
          core.files[place.base] = { type = "dir", mode = octal("700") }
          core.files[path] = case[2]
          local ok, message = paths.claim(place, "runtime directory")
          assert.falsy(ok)
          assert.matches("^runtime directory " .. path:gsub("%W", "%%%0") .. " " .. case[1], message)
        end
      end)
    end

    it("lets the parent be root's, but not the directory itself", function()
      core.files[place.base] = { type = "dir", mode = octal("755"), uid = 0 }
      core.files[place.dir] = { type = "dir", mode = octal("700") }
      assert.is_true(paths.claim(place, "runtime directory"))
      core.files[place.dir].uid = 0
      assert.falsy((paths.claim(place, "runtime directory")))
    end)

    it("says why it cannot create one", function()
      function core.mkdir() return nil, fake.failure(13, "mkdir") end
      local ok, message = paths.claim(place, "log directory")
      assert.falsy(ok)
      assert.equal("cannot create log directory /r/ward: Permission denied", message)
    end)
  end)
end)
