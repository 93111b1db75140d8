local kit <const> = require "lua.schema.kit"
local schema <const> = require "ward.schema"

local CONDITIONS <const> = 'one of "always", "success", "failure", "abnormal", "abort", "watchdog", "never"'

local files <const>, host <const>, good <const>, bad <const> = kit.files, kit.host, kit.good, kit.bad

describe("schema.normalise", function()
  before_each(kit.reset)

  it("fills in every default", function()
    assert.same({
      name = "web", source = "scripts/x.lua:14", cmd = { "/srv/web" }, arg0 = "/srv/web", cwd = "/srv/app", umask = 18,
      env = {}, env_clear = false, stdin = { kind = "null" }, stdout = { kind = "log" }, stderr = { kind = "log" },
      session = true, fds = {}, tty = false, limits = {}, clone = "shared",
      restart = { on = "failure", backoff = { from = 0.1, factor = 2, max = 30, jitter = 0.1, reset = 10 } },
      success = { codes = { 0 }, signals = {} },
      stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
      needs = {}, wants = {}, after = {}, type = "simple", on_restart = "keep", significant = false,
    }, good())
  end)

  it("keeps nothing of the user's tables", function()
    local cmd = { "a" }
    local spec = good { cmd = cmd }
    cmd[1] = "b"
    assert.same({ "a" }, spec.cmd)
  end)

  describe("keys", function()
    it("suggests", function()
      bad({ stop_timout = 1 }, 'unknown key "stop_timout" (did you mean "stop"?)')
      bad({ working_dir = "/" }, 'unknown key "working_dir" (did you mean "cwd"?)')
      bad({ depends_on = {} }, 'unknown key "depends_on" (did you mean "needs"?)')
      bad({ frobnicate = 1 }, 'unknown key "frobnicate"')
      bad({ ["a\nb"] = 1 }, 'unknown key "a\\nb"')
      bad({ "sleep" }, 'a value without a name, at [1]; the command goes into cmd = { "program", "argument" }')
    end)

    it("knows every key of later releases and refuses it", function()
      local later = 0
      for _, row in ipairs(schema.keys.service) do
        assert.is_string(row.doc)
        assert.is_string(row.type)
        if not row.since then
          later = later + 1
          bad({ [row.key] = {} }, row.key .. ": not yet supported")
        end
      end
      assert.equal(5, later)
    end)

    it("refuses what only a canonical spec has", function()
      bad({ ids = { uid = 0, groups = {} } }, 'unknown key "ids" (did you mean "fds"?)')
    end)

    it("wants a table with a name and a command", function()
      local cases = {
        { nil, 'service: must be a table such as { name = "web", cmd = { "/srv/web" } }, got nothing' },
        { "web", 'service: must be a table such as { name = "web", cmd = { "/srv/web" } }, got string "web"' },
        { {}, "service: name: is required" },
        { { name = "web" }, 'service "web": cmd: is required' },
        { { nmae = "web", cmd = { "x" } }, 'service: unknown key "nmae" (did you mean "name"?)' },
        { setmetatable({}, {}), "service: must be a plain table, got one with a metatable" },
        { setmetatable({}, { __metatable = "x" }), "service: must be a plain table, got one with a metatable" },
      }
      for i = 1, #cases do
        local spec, why = schema.normalise(cases[i][1], host, "x:1")
        assert.is_nil(spec)
        assert.equal(cases[i][2], why)
      end
    end)

    it("checks names", function()
      for _, name in ipairs { "a", "0", "web-8001", "a_b.c@d:e", ("x"):rep(128) } do
        assert.equal(name, schema.name(name))
      end
      for name, message in pairs {
        [""] = "name: must not be empty",
        ["-a"] = 'name: must begin with a letter or a digit, got string "-a"',
        ["a b"] = 'name: "a b" contains " "; letters, digits and _ . @ : - are allowed',
        ["a/b"] = 'name: "a/b" contains "/"; letters, digits and _ . @ : - are allowed',
        ["a\0"] = "name: contains a NUL byte",
        [("x"):rep(129)] = "name: is too long: 129 bytes, at most 128",
        [12] = "name: must be a string, got number 12",
      } do
        local ok, why = schema.name(name)
        assert.is_nil(ok)
        assert.equal(message, why)
      end
      local _, why = schema.normalise({ name = "a b", cmd = { "x" } }, host, "x:1")
      assert.equal('service: name: "a b" contains " "; letters, digits and _ . @ : - are allowed', why)
    end)
  end)

  describe("cmd, arg0, cwd, umask, session", function()
    it("writes numbers as people do", function()
      assert.same({ "x", "8001", "4000", "0.5", "-1", "" }, good { cmd = { "x", 8001, 8000 / 2, 0.5, -1, "" } }.cmd)
    end)

    it("refuses what is no command", function()
      bad({ cmd = "sleep 10" }, 'cmd: must be a list such as { "sleep", "10" }, got string "sleep 10"')
      bad({ cmd = {} }, "cmd: must not be empty")
      bad({ cmd = { "" } }, "cmd[1]: must not be empty")
      bad({ cmd = { "a", nil, "c" } }, "cmd: has a hole: [2] is nil")
      bad({ cmd = { "a", x = 1 } }, 'cmd: must be a list, got the key string "x"')
      bad({ cmd = { [1] = "a", [2 ^ 53 | 0] = "b" } }, "cmd: has a hole: [2] is nil")
      bad({ cmd = { "a", true } }, "cmd[2]: must be a string or a number, got boolean true")
      bad({ cmd = { "a", { "b" } } }, "cmd[2]: must be a string or a number, got a table")
      bad({ cmd = { "a\0b" } }, "cmd[1]: contains a NUL byte")
      bad({ cmd = { "a", 0 / 0 } }, "cmd[2]: must be a finite number, got number " .. tostring(0 / 0))
      bad({ cmd = 1 }, 'cmd: must be a list of strings such as { "sleep", "10" }, got number 1')
      bad({ cmd = setmetatable({ "a" }, {}) }, "cmd: must be a plain table, got one with a metatable")
      bad({ cmd = { "a", ("x"):rep(131072) } }, "cmd[2]: is too long: 131072 bytes, at most 131071")
      local long = {}
      for i = 1, 65537 do long[i] = "x" end
      bad({ cmd = long }, "cmd: is too long: at most 65536 values")
    end)

    it("takes argv[0] and the session", function()
      assert.equal("-sh", good { arg0 = "-sh" }.arg0)
      assert.is_false(good { session = false }.session)
      bad({ arg0 = "a\0" }, "arg0: contains a NUL byte")
      bad({ session = "yes" }, 'session: must be true or false, got string "yes"')
    end)

    it("resolves cwd against the script", function()
      assert.equal("/srv/app/sub", good { cwd = "sub" }.cwd)
      assert.equal("/srv/app/sub", good { cwd = "./sub" }.cwd)
      assert.equal("/srv/app", good { cwd = "." }.cwd)
      assert.equal("/srv/app/../x", good { cwd = "../x" }.cwd)
      assert.equal("/tmp", good { cwd = "/tmp" }.cwd)
      bad({ cwd = "" }, "cwd: must not be empty")
      bad({ cwd = "a\0b" }, "cwd: contains a NUL byte")
      bad({ cwd = 1 }, "cwd: must be a string, got number 1")
      bad({ cwd = ("x"):rep(4095) }, "cwd: is too long: 4104 bytes, at most 4095")
    end)

    it("reads umask as octal text or a number as it is", function()
      assert.equal(18, good { umask = "022" }.umask)
      assert.equal(63, good { umask = "77" }.umask)
      assert.equal(511, good { umask = "0777" }.umask)
      assert.equal(0, good { umask = 0 }.umask)
      assert.equal(22, good { umask = 22 }.umask)
      for value, shown in pairs {
        ["088"] = 'string "088"', ["1777"] = 'string "1777"', [512] = "number 512", [-1] = "number -1",
        [0.5] = "number 0.5",
      } do
        bad({ umask = value }, 'umask: must be an octal string such as "022", or a number from 0 to 511, got ' .. shown)
      end
    end)
  end)

  describe("env and env_file", function()
    it("takes strings, numbers and false", function()
      assert.same({ A = "x", PORT = "8080", GONE = false, EMPTY = "" },
        good { env = { A = "x", PORT = 8080, GONE = false, EMPTY = "" } }.env)
      assert.is_true(good { env_clear = true }.env_clear)
    end)

    it("refuses what is no environment", function()
      bad({ env = { ["A=B"] = "x" } }, 'env: "A=B": the name of a variable cannot contain "="')
      bad({ env = { [""] = "x" } }, "env: a variable needs a name")
      bad({ env = { ["A\0"] = "x" } }, "env: the name of a variable contains a NUL byte")
      bad({ env = { A = "x\0" } }, "env.A: contains a NUL byte")
      bad({ env = { A = true } }, "env.A: must be a string, a number or false, got boolean true")
      bad({ env = { "A=B" } }, 'env: a value without a name, at [1]; write env = { NAME = "value" }')
      bad({ env = "A=B" }, 'env: must be a table, got string "A=B"')
      bad({ env_clear = 1 }, "env_clear: must be true or false, got number 1")
    end)

    it("merges files in order below env", function()
      files["/srv/app/a.env"] = "A=1\nB=1\nC=1\n"
      files["/etc/b.env"] = "B=2\nC=2\n"
      assert.same({ A = "1", B = "2", C = false },
        good { env_file = { "a.env", "/etc/b.env" }, env = { C = false } }.env)
      assert.same({ A = "1", B = "1", C = "1" }, good { env_file = "a.env" }.env)
    end)

    it("wants the file, unless a dash makes it optional", function()
      bad({ env_file = "no.env" }, "env_file: cannot read /srv/app/no.env: No such file or directory")
      assert.same({}, good { env_file = "-no.env" }.env)
      files["/srv/app/bad.env"] = "A=1\nwhat\n"
      bad({ env_file = "-bad.env" }, "env_file: /srv/app/bad.env:2: expected KEY=value")
      bad({ env_file = "-" }, "env_file: must not be empty")
      bad({ env_file = { 1 } }, "env_file[1]: must be a string, got number 1")
      bad({ env_file = true }, "env_file: must be a path or a list of paths, got boolean true")
    end)
  end)

  describe("user, group, groups", function()
    it("resolves a user with the primary and supplementary groups", function()
      local spec = good { user = "postgres" }
      assert.equal("postgres", spec.user)
      assert.same({ uid = 999, gid = 998, groups = { 998, 29 } }, spec.ids)
      assert.same(spec, good { user = 999 })
      assert.same(spec, good { user = "999" })
    end)

    it("lets group and groups win", function()
      assert.same({ uid = 999, gid = 29, groups = { 29 } }, good { user = "postgres", group = "audio" }.ids)
      assert.same({ uid = 999, gid = 998, groups = {} }, good { user = "postgres", groups = {} }.ids)
      assert.same({ uid = 999, gid = 998, groups = { 29, 7 } },
        good { user = "postgres", groups = { "audio", 7, 29 } }.ids)
    end)

    it("drops the caller's groups with a group alone", function()
      assert.same({ gid = 29, groups = { 29 } }, good { group = "audio" }.ids)
      assert.same({ groups = { 29 } }, good { groups = { "audio" } }.ids)
      assert.is_nil(good().ids)
    end)

    it("takes a number that nobody has only with a group", function()
      bad({ user = 12345 }, "user: no user has the number 12345, so its group is unknown: give group too")
      local spec = good { user = 12345, group = 5 }
      assert.same({ uid = 12345, gid = 5, groups = { 5 } }, spec.ids)
      assert.equal("12345", spec.user)
    end)

    it("refuses who does not exist", function()
      bad({ user = "nobdy" }, 'user: no user is named "nobdy"')
      bad({ group = "nogrp" }, 'group: no group is named "nogrp"')
      bad({ groups = { "audio", "x" } }, 'groups[2]: no group is named "x"')
      bad({ user = true }, "user: must be a user name or a number, got boolean true")
      bad({ user = -1 }, "user: must be a whole number from 0 to 4294967294, got number -1")
      bad({ group = 2 ^ 32 - 1 }, "group: must be a whole number from 0 to 4294967294, got number 4294967295.0")
      bad({ groups = "audio" }, 'groups: must be a list of groups such as { "audio", 27 }, got string "audio"')
    end)
  end)

  describe("stdin, stdout, stderr", function()
    it("knows its forms", function()
      assert.same({ kind = "inherit" }, good { stdin = "inherit" }.stdin)
      assert.same({ kind = "fd", fd = 7 }, good { stdin = 7 }.stdin)
      assert.same({ kind = "path", path = "/dev/zero" }, good { stdin = "/dev/zero" }.stdin)
      assert.same({ kind = "path", path = "/srv/app/in" }, good { stdin = "./in" }.stdin)
      assert.same({ kind = "null" }, good { stdout = "null" }.stdout)
      assert.same({ kind = "stdout" }, good { stderr = "stdout" }.stderr)
    end)

    it("refuses the rest", function()
      bad({ stdin = "pipe" }, 'stdin: "pipe" is for ward.spawn: who would hold the other end?')
      bad({ stdout = "pipe" }, 'stdout: "pipe" is for ward.spawn: who would hold the other end?')
      bad({ stdin = "nul" }, 'stdin: must be "null", "inherit", "tty", a descriptor number or a path with a "/", '
        .. 'got string "nul" (did you mean "null"?)')
      bad({ stdout = "stdout" }, 'stdout: must be "log", "inherit", "null", "tty", a descriptor number or a path '
        .. 'with a "/", got string "stdout"')
      local table_given <const> = 'stdin: must be "null", "inherit", "tty", a descriptor number or a path, got a table'
      bad({ stdin = {} }, table_given)
      bad({ stdin = { kind = "null" } }, table_given)
      bad({ stdin = -1 }, "stdin: must be a whole number from 0 to 1048575, got number -1")
      bad({ stdin = "/a\0" }, "stdin: contains a NUL byte")
    end)
  end)

  describe("restart", function()
    it("takes words and tables", function()
      assert.equal("always", good { restart = "always" }.restart.on)
      assert.same({ on = "failure", backoff = { from = 60, factor = 2, max = 60, jitter = 0.1, reset = 10 } },
        good { restart = { backoff = { from = "1m" } } }.restart)
      assert.same({ on = "never", backoff = { from = 0, factor = 1, max = 0, jitter = 1, reset = 0 } },
        good { restart = { on = "never", backoff = { from = 0, factor = 1, max = 0, jitter = 1, reset = 0 } } }.restart)
    end)

    it("names the key that is wrong", function()
      bad({ restart = { backoff = { factor = "x" } } },
        'restart.backoff.factor: must be a number from 1 to 1000, got string "x"')
      bad({ restart = { backoff = { factor = 0.5 } } },
        "restart.backoff.factor: must be a number from 1 to 1000, got number 0.5")
      bad({ restart = { backoff = { jitter = 0 / 0 } } },
        "restart.backoff.jitter: must be a number from 0 to 1, got number " .. tostring(0 / 0))
      bad({ restart = { backoff = { from = "10s", max = "1s" } } },
        "restart.backoff.max: must not be less than from: 1 is less than 10 seconds")
      bad({ restart = { backoff = { from = "10 parsecs" } } }, 'restart.backoff.from: bad duration "10 parsecs": '
        .. 'unknown unit "parsecs"; units are ms, s, m, h and d')
      bad({ restart = { backoff = { from = "2d" } } }, "restart.backoff.from: must be a duration from 0 to 1 days, "
        .. 'such as "10s" or a number of seconds, got string "2d"')
      bad({ restart = { backoff = { form = 1 } } }, 'restart.backoff: unknown key "form" (did you mean "from"?)')
      bad({ restart = { backoff = "1s" } },
        'restart.backoff: must be a table such as { from = "100ms", factor = 2, max = "30s" }, got string "1s"')
      bad({ restart = "allways" },
        ("restart: must be %s, got string \"allways\" (did you mean \"always\"?)"):format(CONDITIONS))
      bad({ restart = { on = 1 } }, ("restart.on: must be %s, got number 1"):format(CONDITIONS))
      bad({ restart = true }, 'restart: must be "always", "failure", "never" (or another condition), a table or a '
        .. "function, got boolean true")
      bad({ restart = { give_up = {} } }, "restart.give_up[1]: is required: how many are not too many")
      bad({ restart = { give_up = { 3 } } }, "restart.give_up.within: is required")
      bad({ restart = { give_up = { 3, within = "1m", 4 } } },
        'restart.give_up: must be like { 5, within = "1m" }, got the key number 2')
      bad({ restart = { give_up = { -1, within = 1 } } },
        "restart.give_up[1]: must be a whole number from 0 to 10000, got number -1")
      bad({ restart = { give_up = { 1, within = 0 } } },
        "restart.give_up.within: must be more than no time, got number 0")
      bad({ restart = { give_up = { 1, within = "soon" } } },
        'restart.give_up.within: bad duration "soon": a duration looks like "250ms", "10s" or "5m"')
      bad({ restart = print }, "restart: must not be a function here")
    end)

    it("has limits, and exits that forbid it", function()
      assert.same({ n = 3, within = 60 }, good({ restart = { give_up = { 3, within = "1m" } } }).restart.give_up)
      assert.same({ codes = { 78 }, signals = { "KILL" } },
        good({ restart_prevent = { 78, "sigkill" } }).restart_prevent)
      assert.is_nil(good({}).restart_prevent)
      bad({ restart_prevent = 3 },
        'restart_prevent: must be a list of exit codes and signals such as { 0, 3, "TERM" }, got number 3')
      bad({ restart_prevent = { 256 } }, "restart_prevent[1]: must be a whole number from 0 to 255, got number 256")
    end)

    it("and success are what a type allows", function()
      assert.same({ codes = { 0, 3 }, signals = { "TERM" } }, good({ success = { 0, 3, "TERM" } }).success)
      bad({ success = { "TREM" } }, 'success[1]: unknown signal "TREM" (did you mean "TERM"?)')
      assert.equal("oneshot", good({ type = "oneshot" }).type)
      bad({ type = "onshot" },
        'type: must be one of "simple", "oneshot", got string "onshot" (did you mean "oneshot"?)')
      bad({ type = "notify" }, 'type: "notify": not yet supported')
      bad({ type = "oneshot", restart = "always" },
        'restart.on: must not be "always" for a oneshot: its success is its end')
      assert.is_true(good({ significant = true }).significant)
      bad({ significant = true, restart = "always" },
        'significant: must not be true with restart.on = "always": such a service never ends by itself')
      assert.equal(5, good({ start_timeout = "5s" }).start_timeout)
      assert.equal("restart", good({ on_restart = "restart" }).on_restart)
      bad({ on_restart = 1 }, 'on_restart: must be one of "keep", "restart", got number 1')
    end)
  end)

  describe("stop", function()
    it("is a ladder that ends in KILL", function()
      local kill = { signal = "KILL" }
      assert.same({ { signal = "INT", wait = 20 }, { signal = "QUIT", wait = 5 }, kill },
        good { stop = { "INT", "20s", "QUIT", "5s", "KILL" } }.stop)
      assert.same({ { signal = "INT", wait = 20 }, kill }, good { stop = { "sigint", "20s" } }.stop)
      assert.same({ { signal = "TERM", wait = 10 }, kill }, good { stop = { "TERM" } }.stop)
      assert.same({ { signal = "TERM", wait = 0.5 }, kill }, good { stop = { 15, 0.5, 9 } }.stop)
      assert.same({ kill }, good { stop = { "KILL" } }.stop)
      assert.same({ { cmd = { "x", "1" }, wait = 10 }, { signal = "TERM", wait = 10 }, kill },
        good { stop = { cmd = { "x", 1 } } }.stop)
      assert.same({ { cmd = { "x" }, wait = 2 }, { signal = "INT", wait = 3 }, kill },
        good { stop = { cmd = { "x" }, timeout = "2s", "INT", "3s", "KILL" } }.stop)
    end)

    it("refuses other orders", function()
      bad({ stop = {} }, "stop: must not be empty")
      bad({ stop = { "TERM", "KILL" } }, 'stop[2]: a wait such as "10s" is missing between TERM and KILL')
      bad({ stop = { "TERM", "10s", "KILL", "5s" } },
        "stop[4]: nothing can follow KILL: it ends every process of the service")
      bad({ stop = { "TREM" } }, 'stop[1]: unknown signal "TREM" (did you mean "TERM"?)')
      bad({ stop = { 99 } }, 'stop[1]: no signal has number 99; signals are 1 to 31, or names such as "TERM"')
      bad({ stop = { "RTMIN+1" } }, "stop[1]: real-time signals: not yet supported")
      bad({ stop = { true } }, 'stop[1]: must be a signal such as "TERM", got boolean true')
      bad({ stop = { "TERM", "soon" } },
        'stop[2]: bad duration "soon": a duration looks like "250ms", "10s" or "5m"')
      local range = 'stop[2]: must be a duration from 0 to 365 days, such as "10s" or a number of seconds, got number '
      bad({ stop = { "TERM", -1 } }, range .. "-1")
      bad({ stop = { "TERM", 1 / 0 } }, range .. "inf")
      bad({ stop = "TERM" },
        'stop: must be a list of signals and waits such as { "TERM", "10s", "KILL" }, or { cmd = { ... } }, got string '
          .. '"TERM"')
      bad({ stop = { cmd = "x y" } }, 'stop.cmd: must be a list such as { "x", "y" }, got string "x y"')
      bad({ stop = { cmd = { "x" }, timout = 1 } }, 'stop: unknown key string "timout"')
      bad({ stop = { { signal = "TERM", wait = 1 }, { signal = "KILL" } } },
        'stop[1]: must be a signal such as "TERM", got a table')
    end)
  end)

  describe("needs", function()
    it("takes names and services, each once", function()
      local db = setmetatable({}, {})
      local with = setmetatable({ service_name = function(v) return v == db and "db" or nil end }, { __index = host })
      local spec = schema.normalise({ name = "web", cmd = { "x" }, needs = { db, "cache", "db" } }, with, "x:1")
      assert.same({ "db", "cache" }, spec.needs)
    end)

    it("refuses the rest", function()
      bad({ needs = { "web" } }, "needs[1]: a service cannot need itself")
      bad({ needs = { {} } }, "needs[1]: must be a service or a service's name, got a table")
      bad({ needs = "db" }, 'needs: must be a list of services such as { db, "cache" }, got string "db"')
      bad({ needs = { "a b" } }, 'needs[1]: "a b" contains " "; letters, digits and _ . @ : - are allowed')
    end)
  end)
end)

describe("schema.normalise on what a taken-over script state sends", function()
  before_each(kit.reset)

  it("never raises and never loops", function()
    local hostile = kit.hostile()
    local seen = {}
    local without_dir = { user = host.user, group = host.group, groups = host.groups, read = host.read }
    for _, rows in ipairs { schema.keys.service, schema.keys.canonical } do
      for _, row in ipairs(rows) do
        for i = 1, #hostile do
          for _, source in ipairs { "x:1", false } do
            local spec = { name = "web", cmd = { "x" }, cwd = "/", source = source or nil }
            spec[row.key] = hostile[i]
            seen[row.key] = kit.survives(spec, without_dir) or seen[row.key]
          end
        end
      end
    end
    assert.is_truthy(seen.cmd and seen.stop and seen.ids and seen.success and seen.fds and seen.sandbox)
  end)

  it("never asks the host about a canonical spec", function()
    local spec, why = schema.normalise({ name = "web", cmd = { "x" }, cwd = "/", source = "x:1", env_file = "x" }, {})
    assert.is_nil(spec)
    assert.equal('service "web": env_file: is part of env here', why)
    spec, why = schema.normalise({ name = "web", cmd = { "x" }, cwd = "/", source = "x:1", groups = { "x" } }, {})
    assert.is_nil(spec)
    assert.equal('service "web": group: is part of ids here', why)
    spec, why = schema.normalise({ name = "web", cmd = { "x" }, cwd = "sub", source = "x:1" }, {})
    assert.is_nil(spec)
    assert.equal('service "web": cwd: must be absolute, got string "sub"', why)
  end)
end)

describe("schema.bundle", function()
  before_each(kit.reset)

  local function spec(name, needs)
    return schema.normalise({ name = name, cmd = { "x" }, needs = needs }, host, "scripts/x.lua:" .. name:byte())
  end

  local function bundle(services)
    local children = {}
    for i, each in ipairs(services) do children[i] = { service = each.name } end
    local tree = {
      strategy = "one_for_one", auto_shutdown = "never", significant = false, stay = false, children = children,
      restart = { on = "always", backoff = { from = 0.1, factor = 2, max = 30, jitter = 0.1, reset = 10 } },
    }
    local sources = { ["scripts/x.lua"] = "return" }
    return {
      path = "scripts/x.lua", name = "app", services = services, tree = tree, reacts = false, sources = sources,
      settings = { prune = false },
    }
  end

  local function with_tree(change)
    return function()
      local given = bundle { spec "a", spec "b" }
      given.tree = change(given.tree) or given.tree
      return given
    end
  end

  it("returns an equal, new bundle", function()
    local given = bundle { spec "a", spec("b", { "a" }) }
    local out = assert(schema.bundle(given, {}))
    assert.same(given, out)
    assert.are_not.equal(given.services[1], out.services[1])
  end)

  it("makes the very same of the declarations that it has seen before, and tells what is fresh", function()
    local first = bundle { spec "a", spec("b", { "a" }), spec "c" }
    local out, traces = schema.bundle(first, {})
    local known = { a = out.services[1], b = out.services[2], c = out.services[3] }
    assert.same(out.services, traces.fresh)
    local function again(changed)
      local services = { first.services[1], changed, first.services[3] }
      local next_one = bundle(services)
      next_one.tree = first.tree
      return assert(schema.bundle(next_one, { known = known, former = traces })), select(2, schema.bundle(next_one,
        { known = known, former = traces }))
    end
    local same, found = again(first.services[2])
    for i = 1, 3 do assert.equal(out.services[i], same.services[i]) end
    assert.equal(out.tree, same.tree)
    assert.same({}, found.fresh)
    local other, others = again(spec("b", { "c" }))
    assert.equal(known.a, other.services[1])
    assert.same({ other.services[2] }, others.fresh)
    assert.same({ "c" }, other.services[2].needs)
    -- What looks the same is the same, too; and what was checked before is checked again with its neighbours.
    local equal, none = again(spec("b", { "a" }))
    assert.equal(known.b, equal.services[2])
    assert.same({}, none.fresh)
    -- What has only moved is told of it when the bundle takes over.
    local given = bundle { first.services[1], first.services[2], first.services[3] }
    given.tree = first.tree
    local moved, to = schema.bundle(given, { known = known, former = traces, moved = { [3] = "scripts/x.lua:7" } })
    assert.equal(known.c, moved.services[3])
    assert.equal("scripts/x.lua:99", known.c.source)
    assert.same({}, to.fresh)
    schema.move(to, known)
    assert.equal("scripts/x.lua:7", known.c.source)
    assert.equal("scripts/x.lua:7", first.services[3].source)
    local _, refused = schema.bundle(given, { known = known, former = traces, moved = { [3] = "x\27:1" } })
    assert.equal("c.source: contains a control character", refused)

    local shorter = bundle { first.services[1], first.services[2] }
    shorter.tree = first.tree
    local _, why = schema.bundle(shorter, { known = known, former = traces })
    assert.equal('bundle.tree.children[3].service: is no service of the bundle: "c"', why)
    -- As many, all known, but others: one that goes on though it was declared no longer is declared again.
    local d = spec "d"
    local swapped = bundle { first.services[2], first.services[3], d }
    known.d = assert(schema.normalise(d, {}))
    _, why = schema.bundle(swapped, { known = known, former = traces })
    assert.matches('service "b": needs unknown service "a"', why, 1, true)
    local twice = bundle { first.services[1], first.services[1], first.services[3] }
    _, why = schema.bundle(twice, { known = known, former = traces })
    assert.equal('scripts/x.lua:97: service "a": this name is taken by the service at scripts/x.lua:97', why)
  end)

  for title, case in pairs {
    ["no table"] = { function() return 3 end, "bundle: must be a table, got number 3" },
    ["metatable"] = { function() return setmetatable(bundle {}, {}) end,
      "bundle: must be a plain table, got one with a metatable" },
    ["unknown key"] = { function() return { path = "x", name = "a", services = {}, x = 1 } end,
      'bundle: unknown key "x"' },
    ["settings"] = { function()
      local given = bundle { spec "a" }
      given.settings = { prune = 1 }
      return given
    end, "bundle.settings.prune: must be true or false, got number 1" },
    ["no services"] = { function() return { path = "x", name = "a" } end,
      "bundle.services: must be a list of services, got nothing" },
    ["bad name"] = { function() return { path = "x", name = "/", services = {} } end,
      'bundle: name: must begin with a letter or a digit, got string "/"' },
    ["no source"] = { function() return bundle { { name = "a", cmd = { "x" } } } end,
      "bundle.services[1].source: must be a string, got nothing" },
    ["control character"] = { function() return bundle { { name = "a", cmd = { "x" }, source = "\27[2J" } } end,
      "bundle.services[1].source: contains a control character" },
    ["bad spec"] = { function() return bundle { { name = "a", cmd = {}, source = "x:1" } } end,
      'x:1: service "a": cmd: must not be empty' },
    ["duplicate"] = { function() return bundle { spec "a", spec "a" } end,
      'scripts/x.lua:97: service "a": this name is taken by the service at scripts/x.lua:97' },
    ["unknown need"] = { function() return bundle { spec("cache"), spec("web", { "cahce" }) } end,
      'scripts/x.lua:119: service "web": needs unknown service "cahce" (did you mean "cache"?)' },
    ["no tree"] = { with_tree(function() return 3 end), "bundle.tree: must be a table, got number 3" },
    ["a service that is missing in the tree"] = { with_tree(function(t) t.children[2] = nil end),
      "bundle.tree: does not hold every service" },
    ["a service twice in the tree"] = { with_tree(function(t) t.children[3] = { service = "a" } end),
      'bundle.tree.children[3].service: "a" is there twice' },
    ["an unknown service in the tree"] = { with_tree(function(t) t.children[3] = { service = "c" } end),
      'bundle.tree.children[3].service: is no service of the bundle: "c"' },
    ["a supervisor without a name"] = { with_tree(function(t) t.children[3] = { children = {} } end),
      "bundle.tree.children[3].name: is required" },
    ["a supervisor in itself"] = { with_tree(function(t) t.name = "t"; t.children[3] = t end),
      'bundle.tree.children[3].name: "t" is there twice' },
    ["a supervisor with a service's name"] = {
      with_tree(function(t) t.children[3] = { name = "a", children = {} } end),
      'bundle.tree.children[3].name: "a" is there twice' },
    ["cycle"] = {
      function()
        return bundle { spec("x", { "a" }), spec("a", { "b" }), spec("b", { "c" }), spec("c", { "a" }) }
      end,
      'scripts/x.lua:97: service "a": dependency cycle: a -> b -> c -> a' },
  } do
    it("refuses " .. title, function()
      local out, why = schema.bundle(case[1](), {})
      assert.is_nil(out)
      assert.equal(case[2], why)
    end)
  end

  it("walks a long chain of needs", function()
    local services = {}
    for i = 1, 5000 do services[i] = spec("s" .. i, i < 5000 and { "s" .. (i + 1) } or nil) end
    assert(schema.bundle(bundle(services), {}))
    services[5000] = spec("s5000", { "s1" })
    local _, why = schema.bundle(bundle(services), {})
    assert.equal('scripts/x.lua:115: service "s1": dependency cycle: s1 -> s2 -> s3 -> s4 -> s5 -> s6 -> ... '
      .. "(4993 more) -> s5000 -> s1", why)
  end)
end)
