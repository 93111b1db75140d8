-- The command line against a scripted supervisor: what is asked, printed and returned.

local fake <const> = require("lua.fake_core")

local VERBS <const> = {
  "run", "check", "explain", "exec", "status", "start", "stop", "restart", "signal", "logs", "events", "wait", "do",
  "eval", "repl", "shutdown", "version",
}

describe("ward.cli", function()
  local core, json, asked, answers, main

  -- Answers requests from `answers[method]`: a result, { error = ... }, or a function(params) of these.
  local function supervisor(path)
    asked.path = path
    local conn, lines = {}, {}
    function conn.send(_, text)
      local request = json.decode(text)
      table.insert(asked, request)
      local answer = answers[request.method]
      if type(answer) == "function" then answer = answer(request.params) end
      if answer then
        local response = { jsonrpc = "2.0", id = request.id, error = answer.error }
        if not answer.error then response.result = answer end
        table.insert(lines, json.encode(response))
      end
      return true
    end
    function conn.recv(_, deadline)
      if #lines > 0 then return table.remove(lines, 1) end
      local err = fake.failure(0, "no line")
      err.code = deadline and answers.hang and "timeout" or "closed"
      return nil, err
    end
    function conn.close() asked.closed = true end
    return conn
  end

  before_each(function()
    for name in pairs(package.loaded) do
      if name:find("^ward%.cli") or name:find("^ward%.service") then package.loaded[name] = nil end
    end
    core, asked, answers = fake.new({ WARD_RUNTIME_DIR = "/run/w", WARD_LOG_DIR = "/log/w" }), {}, {}
    package.loaded["ward.core"] = core
    json = require("ward.service.json")
    core.answer = supervisor
    main = require("ward.cli")
  end)

  teardown(function()
    for name in pairs(package.loaded) do
      if name:find("^ward%.") then package.loaded[name] = nil end
    end
  end)

  local function ward(...)
    core.written = { [1] = "", [2] = "" }
    return main({ ... })
  end

  it("prints its help", function()
    answers.commands = { commands = {} }
    assert.equal(2, ward())
    assert.matches("^Usage: ward", core.written[2])
    assert.equal("", core.written[1])
    assert.equal(0, ward("--help"))
    assert.matches("^Usage: ward", core.written[1])
    for _, verb in ipairs(VERBS) do
      assert.matches("\n   " .. verb, core.written[1])
    end
    for _, verb in ipairs(VERBS) do
      assert.equal(0, ward(verb, "--help"))
      assert.matches("^Usage: ward " .. verb, core.written[1])
      assert.equal("", core.written[2])
    end
  end)

  it("prints its version", function()
    assert.equal(0, ward("version"))
    assert.equal("ward 0.1.0\n", core.written[1])
    assert.equal(0, ward("--version"))
    assert.equal("ward 0.1.0\n", core.written[1])
  end)

  it("calls wrong usage by its name", function()
    local cases = {
      { "stat" }, { "run" }, { "run", "a", "b" }, { "start" }, { "status", "--nope" }, { "wait", "db" },
      { "wait", "db", "--for", "x" }, { "start", "db", "--timeout", "soon" }, { "start", "db", "--wait", "--no-wait" },
      { "signal", "db", "NOPE" }, { "signal", "db" }, { "logs", "-n", "x", "db" }, { "logs", "-n", "-1", "db" },
      { "-i", "../x", "status" }, { "status", "-i", "a/b" },
    }
    for _, case in ipairs(cases) do
      assert.equal(2, ward(table.unpack(case)), table.concat(case, " "))
      assert.matches("^ward: [^\n]+\n$", core.written[2])
      assert.equal("", core.written[1])
    end
    assert.same({}, asked)
  end)

  it("says when nobody answers", function()
    core.answer = nil
    local cases = { { "status" }, { "stop", "x" }, { "shutdown" }, { "signal", "x", "HUP" }, { "logs", "x" } }
    for _, case in ipairs(cases) do
      assert.equal(5, ward(table.unpack(case)))
      assert.equal('ward: no supervisor answers on instance "default" (/run/w/default/control.sock)\n',
        core.written[2])
    end
  end)

  it("finds the instance before and after the verb, and in the environment", function()
    answers.start = { results = {} }
    for _, case in ipairs({ { "-i", "a", "start", "x" }, { "start", "x", "-i", "a" }, { "start", "-i", "a", "x" } }) do
      assert.equal(0, ward(table.unpack(case)))
      assert.equal("/run/w/a/control.sock", asked.path)
    end
    core.env.WARD_INSTANCE = "b"
    ward("start", "x")
    assert.equal("/run/w/b/control.sock", asked.path)
    ward("-i", "c", "start", "x")
    assert.equal("/run/w/c/control.sock", asked.path)
    core.env.WARD_INSTANCE = "../b"
    assert.equal(2, ward("start", "x"))
  end)

  for _, verb in ipairs({ "start", "stop", "restart" }) do
    describe(verb, function()
      it("asks, waits and is silent", function()
        answers[verb] = { results = {} }
        assert.equal(0, ward(verb, "db", "web-*"))
        assert.same({ names = { "db", "web-*" }, wait = true }, asked[1].params)
        assert.equal("", core.written[1] .. core.written[2])
        assert.is_true(asked.closed)
        assert.equal(0, ward(verb, "db", "--no-wait"))
        assert.is_false(asked[2].params.wait)
      end)

      it("returns what the answer means", function()
        answers[verb] = { error = { code = -32004, message = "no such service: \"x\"" } }
        assert.equal(4, ward(verb, "x"))
        assert.equal('ward: no such service: "x"\n', core.written[2])
        answers[verb] = { error = { code = -32000, message = 'service "x": failed' } }
        assert.equal(1, ward(verb, "x"))
        answers[verb] = nil
        assert.equal(1, ward(verb, "x"))
        answers.hang = true
        assert.equal(99, ward(verb, "x", "--timeout", "250ms"))
        assert.equal("ward: timed out\n", core.written[2])
      end)
    end)
  end

  describe("status", function()
    local function services(...)
      return { instance = "default", pid = 77, uptime = 5, services = { ... } }
    end
    local db <const> = { name = "db", state = "ready", ready = true, pid = 4711, uptime = 4, restarts = 0,
      waits_for = {} }
    local web <const> = { name = "web-1", state = "backoff", ready = false, restarts = 3, next_in = 0.2,
      waits_for = {}, last_exit = { kind = "signaled", signal = "SEGV", core = true } }
    local job <const> = { name = "job", state = "waiting", ready = false, restarts = 0, waits_for = { "web-1" },
      last_exit = { kind = "exited", code = 1 } }

    it("prints a table", function()
      answers.status = services(db, web, job)
      assert.equal(0, ward("status"))
      assert.same({}, asked[1].params)
      assert.equal(
        "NAME   STATE    READY  PID   UPTIME  RESTARTS  LAST-EXIT       NEXT\n" ..
        "db     ready    yes    4711  4.0s    0         -               -\n" ..
        "web-1  backoff  no     -     -       3         SIGSEGV (core)  start in 200ms\n" ..
        "job    waiting  no     -     -       0         code 1          after web-1\n", core.written[1])
    end)

    it("colours states on a terminal, but not with NO_COLOR", function()
      answers.status = services(db)
      function core.isatty() return true end
      ward("status")
      assert.truthy(core.written[1]:find("\27[32mready\27[0m", 1, true))
      core.env.NO_COLOR = "1"
      ward("status")
      assert.is_nil(core.written[1]:find("\27", 1, true))
    end)

    it("returns 3 when no named service runs", function()
      answers.status = services(web, job)
      assert.equal(3, ward("status", "web-1", "job"))
      assert.equal(0, ward("status"))
      answers.status = services(web, db)
      assert.equal(0, ward("status", "web-1", "db"))
    end)

    it("prints JSON in which empty lists are lists", function()
      answers.status = services(db)
      assert.equal(0, ward("status", "--json"))
      assert.matches('"waits_for":%[%]', core.written[1])
      assert.equal("db", json.decode(core.written[1]).services[1].name)
      answers.status = services()
      ward("status", "--json")
      assert.matches('"services":%[%]', core.written[1])
    end)
  end)

  it("signal takes names and numbers", function()
    answers.signal = { results = {} }
    for word, name in pairs({ HUP = "HUP", sighup = "HUP", ["1"] = "HUP", SIGTERM = "TERM", ["6"] = "ABRT" }) do
      assert.equal(0, ward("signal", "db", word))
      assert.equal(name, asked[#asked].params.signal)
    end
  end)

  it("wait asks for a state", function()
    answers.wait = { results = {} }
    assert.equal(0, ward("wait", "db", "--for", "ready", "--timeout", "2"))
    assert.same({ names = { "db" }, ["for"] = "ready" }, asked[1].params)
    answers.wait, answers.hang = nil, true
    assert.equal(99, ward("wait", "db", "--for", "stopped", "--timeout", "2"))
  end)

  describe("shutdown", function()
    it("waits until the supervisor is gone", function()
      answers.version, answers.shutdown = { pid = 5 }, { results = {} }
      core.files["/proc/5"] = { type = "dir" }
      function core.on_sleep() core.files["/proc/5"] = nil end
      assert.equal(0, ward("shutdown"))
      assert.is_nil(core.files["/proc/5"])
    end)

    it("does not wait for a zombie for ever", function()
      answers.version, answers.shutdown = { pid = 5 }, { results = {} }
      core.files["/proc/5"] = { type = "dir" }
      assert.equal(0, ward("shutdown"))
    end)

    it("times out", function()
      answers.version, answers.hang = { pid = 5 }, true
      assert.equal(99, ward("shutdown", "--timeout", "1"))
    end)
  end)

  describe("logs", function()
    it("asks the supervisor for the path", function()
      answers.status = { services = { { name = "db", log = "/elsewhere/db.log" } } }
      core.files["/elsewhere/db.log"] = { text = "a\nb\nc\n" }
      assert.equal(0, ward("logs", "-n", "2", "db"))
      assert.equal("b\nc\n", core.written[1])
    end)

    it("finds the file without a supervisor", function()
      core.answer = nil
      core.files["/log/w/default/db.log"] = { text = "a\n" }
      assert.equal(0, ward("logs", "db"))
      assert.equal("a\n", core.written[1])
      assert.equal(5, ward("logs", "../default/db"))
    end)

    it("says what it cannot print", function()
      answers.status = { services = { { name = "db" } } }
      assert.equal(1, ward("logs", "db"))
      assert.matches("has no log", core.written[2])
      answers.status = { services = { { name = "a", log = "/a" }, { name = "b", log = "/b" } } }
      assert.equal(2, ward("logs", "*"))
      answers.status = { error = { code = -32004, message = "no such service" } }
      assert.equal(4, ward("logs", "x"))
      answers.status = { services = { { name = "db", log = "/gone.log" } } }
      assert.equal(1, ward("logs", "db"))
      assert.equal("ward: cannot read /gone.log: No such file or directory\n", core.written[2])
    end)
  end)

  describe("check", function()
    local function bundle(...)
      return { path = "x.lua", name = "x", services = { ... }, tree = { children = { { service = (...).name } } } }
    end

    it("counts services and warns of missing executables", function()
      function core.script() return bundle({ name = "web", source = "x.lua:14", cmd = { "foo" }, cwd = "/" }) end
      core.env.PATH = "/bin"
      assert.equal(0, ward("check", "x.lua"))
      assert.equal("x.lua: ok, 1 service\n", core.written[1])
      assert.equal('x.lua:14: service "web": warning: executable "foo" not found in PATH "/bin"\n', core.written[2])
    end)

    it("prints errors with their place", function()
      function core.script() return nil, fake.failure(0, "x.lua:3: '=' expected near 'b'") end
      assert.equal(1, ward("check", "x.lua"))
      assert.equal("x.lua:3: '=' expected near 'b'\n", core.written[2])
      function core.script() return nil, fake.failure(2, "cannot read x.lua: No such file or directory") end
      assert.equal(1, ward("check", "x.lua"))
      assert.equal("ward: cannot read x.lua: No such file or directory\n", core.written[2])
    end)
  end)

  describe("explain", function()
    before_each(function()
      function core.script()
        local function spec(name, line) return { name = name, source = "x.lua:" .. line, cmd = { "x" }, cwd = "/" } end
        return {
          path = "x.lua", name = "x", services = { spec("db", 2), spec("web-1", 3), spec("web-2", 4) },
          tree = { children = { { service = "db" }, { service = "web-1" }, { service = "web-2" } } },
        }
      end
      function core.plan(spec)
        local steps = {}
        for i = 1, spec.name == "db" and 10 or 1 do steps[i] = { stage = "umask", text = "umask 022" } end
        steps[#steps + 1] = { stage = "exec", text = spec.name == "web-2" and "" or "/bin/\27x" }
        return {
          explain = function() return steps end,
          lacks = function() return {} end,
          landlock = function() return nil end,
          syscalls = function() return { allowed = 150, known = 300, open = {} } end,
        }
      end
    end)

    it("prints the steps of each service", function()
      assert.equal(0, ward("explain", "x.lua"))
      assert.equal("", core.written[2])
      assert.truthy(core.written[1]:find("^db %(x.lua:2%): 11 steps\n   1  umask  umask 022\n"))
      assert.truthy(core.written[1]:find("\n  10  umask  umask 022\n  11  exec   /bin/?x\n"
        .. "left open, from 0 (closed) to 100:\n", 1, true))
      assert.truthy(core.written[1]:find("\n  system calls +50  150 of 300\n.*\n  mean +%d+\n\nweb%-1 %(x.lua:3%)"))
      assert.truthy(core.written[1]:find("\n\nweb%-2 %(x.lua:4%): 2 steps\n  1  umask  umask 022\n"
        .. "  2  exec\nleft open"))
    end)

    it("prints those asked for", function()
      assert.equal(0, ward("explain", "x.lua", "web-*"))
      assert.truthy(core.written[1]:find("^web%-1 .*\nweb%-2 "))
      assert.equal(4, ward("explain", "x.lua", "db", "wbe"))
      assert.equal("", core.written[1])
      assert.equal('ward: no such service: "wbe"\n', core.written[2])
    end)

    it("prints JSON", function()
      assert.equal(0, ward("explain", "x.lua", "web-1", "--json"))
      assert.truthy(core.written[1]:find('"name":"web-1","source":"x.lua:3","steps":['
        .. '{"stage":"umask","text":"umask 022"},'
        .. '{"stage":"exec","text":"/bin/\\u001bx"}]', 1, true))
      assert.truthy(core.written[1]:find('"system_calls":{"open":["150 of 300"],"score":50}', 1, true))
    end)

    it("prints errors with their place", function()
      function core.plan() return nil, fake.failure(7, "too long") end
      assert.equal(1, ward("explain", "x.lua", "db"))
      assert.equal('x.lua:2: service "db": too long\n', core.written[2])
      function core.script() return nil, fake.failure(0, "x.lua:3: '=' expected near 'b'") end
      assert.equal(1, ward("explain", "x.lua"))
      assert.equal("x.lua:3: '=' expected near 'b'\n", core.written[2])
      assert.equal("", core.written[1])
    end)
  end)

  it("run hands over to the supervisor", function()
    local given
    package.loaded["ward.service"] = { run = function(options) given = options return 7 end }
    assert.equal(7, ward("run", "x.lua", "-q", "-i", "a"))
    assert.same({ "x.lua", "a", true }, { given.script, given.instance, given.quiet })
  end)
end)
