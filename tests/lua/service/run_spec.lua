-- A whole supervisor over the real schema and engine; only the core is a fake.

local fake <const> = require("lua.fake_core")

describe("ward.service.run", function()
  local core, service, complaints, bundle

  local function spec(name, needs)
    return {
      name = name, source = "x.lua:" .. #name, cmd = { "/bin/" .. name }, cwd = "/srv", needs = needs,
      restart = { on = "failure", backoff = { from = 0.1, factor = 2, max = 30, jitter = 0, reset = 10 } },
    }
  end

  before_each(function()
    core, complaints = fake.new({ WARD_RUNTIME_DIR = "/run/w", WARD_LOG_DIR = "/log/w" }), {}
    for name in pairs(package.loaded) do
      if name:find "^ward%.service" then package.loaded[name] = nil end
    end
    package.loaded["ward.core"] = core
    core.files["/run"], core.files["/log"] = { type = "dir", mode = 493, uid = 0 }, { type = "dir", mode = 493 }
    bundle = { path = "x.lua", name = "x", services = { spec("db"), spec("web", { "db" }) }, tree = {
      children = { { service = "db" }, { service = "web" } },
    } }
    function core.script() return bundle, fake.script() end
    service = require("ward.service")
  end)

  teardown(function()
    for name in pairs(package.loaded) do
      if name:find "^ward%.service" then package.loaded[name] = nil end
    end
  end)

  local function run(options)
    options = options or {}
    return service.run({ script = "x.lua", instance = "default", quiet = options.quiet,
      complain = function(line) table.insert(complaints, line) end })
  end

  local function stop_all()
    for _, name in ipairs({ "web", "db" }) do
      core.proc(name):exit({ kind = "signaled", signal = "TERM", uptime = 4 })
    end
    core.advance(1)
  end

  it("starts in order, shows states and stops in reverse order", function()
    function core.play()
      assert.equal(1, #core.launched)
      core.proc("db"):up()
      core.proc("web"):up()
      core.on_signal.INT()
      assert.same({}, core.proc("db").signals)
      core.on_signal.TERM()
      stop_all()
      assert.is_true(core.stopped)
    end
    assert.equal(0, run())
    assert.same({}, complaints)
    local lines = {}
    for line in core.written[2]:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.same({
      "12:00:00 web  * waiting for db",
      "12:00:00 db   * ready, pid 1001",
      "12:00:00 web  * ready, pid 1002",
      "12:00:00 ward * stopping 2 services (SIGINT; again to hurry)",
      "12:00:00 web  * stopping",
      "12:00:00 db   * stopping",
      "12:00:00 ward * hurrying 2 services (SIGTERM; again to kill)",
      "12:00:00 web  * still running: SIGKILL",
      "12:00:00 web  * stopped (killed by SIGTERM after 4.0s)",
      "12:00:00 db   * stopped (killed by SIGTERM after 4.0s)",
    }, lines)
    assert.equal("/run/w/default/control.sock", core.server.path)
    assert.is_true(core.server.closed)
    assert.equal("/log/w/default/db.log", core.logs.db.path)
    assert.equal("db   | ", core.logs.db.label)
    assert.is_true(core.logs.db.closed)
    assert.is_nil(core.files["/run/w/default/lock"].locked)
  end)

  it("brings a crashed service back, and one that cannot be executed is tried again too", function()
    bundle.services, bundle.tree = { spec("db") }, { children = { { service = "db" } } }
    core.refuse.db = fake.failure(2, "cannot exec /bin/db: No such file or directory (stage exec)")
    function core.play()
      assert.equal(0, #core.launched)
      core.refuse.db = nil
      core.advance(0.5)
      core.proc("db"):up()
      core.proc("db"):exit({ kind = "signaled", signal = "KILL" })
      core.advance(5)
      assert.equal(2, #core.launched)
      core.on_signal.TERM()
      core.proc("db"):exit({ kind = "exited", code = 0 })
      core.advance(1)
    end
    assert.equal(0, run())
    assert.matches("cannot exec /bin/db.-; next try in 100ms %(restart 1%)", core.written[2])
    assert.matches("killed by SIGKILL after 1.0s; next try in 200ms %(restart 2%)", core.written[2])
  end)

  it("sweeps what the services left behind, and gives up on what cannot die", function()
    bundle.services, bundle.tree = { spec("db") }, { children = { { service = "db" } } }
    core.orphan_count = 2
    function core.play()
      core.on_signal.TERM()
      core.proc("db"):exit({ kind = "exited", code = 0 })
      core.advance(1)
      assert.is_true(core.stopped)
    end
    assert.equal(0, run())
    assert.equal(1, core.orphan_kills)
    function core.kill_orphans() core.orphan_count = 1 end
    core.orphan_count, core.stopped = 1, false
    core.files["/run/w/default/last-good"] = nil -- this core has no threads for a load beside it
    function core.play()
      core.on_signal.TERM()
      core.proc("db"):exit({ kind = "exited", code = 0 })
      core.advance(4)
      assert.is_false(core.stopped)
      core.advance(2)
      assert.is_true(core.stopped)
    end
    run()
    assert.matches("1 orphaned process could not be killed", core.written[2])
  end)

  it("refuses a second supervisor with one line", function()
    core.files["/run/w"] = { type = "dir", mode = 448 }
    core.files["/run/w/default"] = { type = "dir", mode = 448 }
    core.files["/run/w/default/lock"] = { locked = true, text = "4711\n" }
    core.files["/proc/4711"] = { type = "dir" }
    assert.equal(1, run())
    assert.same({ 'instance "default" is already supervised by pid 4711' }, complaints)
    assert.same({}, core.launched)
  end)

  it("refuses a runtime directory that others can write", function()
    core.files["/run/w"] = { type = "dir", mode = tonumber("770", 8) }
    assert.equal(1, run())
    assert.same({ "runtime directory /run/w is group-writable (mode 0770); make it 0700" }, complaints)
  end)

  it("touches nothing when the script is bad", function()
    local good = core.script
    local cases = {
      { 'x.lua:3: unexpected symbol near "<eof>"', function(text)
        function core.script() return nil, fake.failure(0, text) end
      end },
      { 'x.lua:2: service "db": too long', function()
        core.script = good
        function core.plan(s)
          if s.name ~= "db" then return {} end
          return nil, fake.failure(7, "too long")
        end
      end },
    }
    for _, case in ipairs(cases) do
      complaints = {}
      case[2](case[1])
      assert.equal(1, run())
      assert.equal(case[1], complaints[1])
    end
    bundle.services[2].needs = { "nothing" }
    complaints = {}
    assert.equal(1, run())
    assert.matches('^x.lua:3: service "web": ', complaints[1])
    assert.is_nil(core.files["/run/w"])
    assert.same({}, core.launched)
  end)

  it("reports what it cannot open", function()
    function core.listen() return nil, fake.failure(98, "cannot listen on /run/w: in use") end
    assert.equal(1, run())
    assert.same({ "cannot listen on /run/w: in use" }, complaints)
    complaints = {}
    core.files["/run/w/default/lock"] = nil
    function core.log() return nil, fake.failure(13, "cannot open the log x: Permission denied") end
    assert.equal(1, run())
    assert.same({ "cannot open the log x: Permission denied" }, complaints)
    assert.same({}, core.launched)
  end)

  it("quiet copies no log lines", function()
    function core.play()
      assert.is_nil(core.logs.db.echo)
      core.on_signal.TERM()
      core.proc("db"):exit({ kind = "exited", code = 0 })
      core.advance(1)
    end
    assert.equal(0, run({ quiet = true }))
  end)
end)
