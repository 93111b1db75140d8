-- What a script sees of the world around it: files, environment, signals; what it says (ward.log) and keeps.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"
local task <const> = require "helpers.task"

local run <const> = task.run

-- Lines that are each the error of a call, at the script's line.
local function assert_errors(lines, patterns)
  for i, pattern in ipairs(patterns) do
    assert.matches("^%S*script.lua:%d+: " .. pattern, lines[i])
  end
  assert.equal(#patterns, #lines)
end

describe("ward.fs", function()
  after_each(harness.cleanup)

  it("reads files and lists directories, from the script's own on", function()
    local dir <const> = harness.directory()
    harness.write(dir .. "/file", "one\ntwo\0three")
    os.execute(("mkdir '%s/sub' && touch '%s/sub/b' '%s/sub/.a' && ln -s file '%s/link' && mkfifo '%s/fifo'"):format(
      dir, dir, dir, dir, dir))
    local lines <const> = run([[
      print(#ward.fs.read(DIR .. "/file"), ward.fs.read(DIR .. "/link") == ward.fs.read(DIR .. "/file"))
      print(table.concat(ward.fs.list(DIR .. "/sub"), " "), #ward.fs.list(DIR))
      for _, name in ipairs { "file", "link", "sub", "fifo", "nope" } do print(ward.fs.exists(DIR .. "/" .. name)) end
      print(ward.fs.exists "script.lua", ward.fs.read "/proc/self/comm")
      print(LOADED)
    ]], ("local DIR = %q\nlocal LOADED = #ward.fs.read(DIR .. '/file')"):format(dir))
    assert.same({
      "13    true", ".a b    4", "true    file", "true    file", "true    directory", "true    other", "false    nil",
      "true    ward", "", "13",
    }, lines)
  end)

  it("fails with what the system says", function()
    local lines <const> = run([[
      local function fails(nothing, err) print(nothing, err.code, err.errno, err) end
      fails(ward.fs.read "/nope")
      fails(ward.fs.read "/")
      fails(ward.fs.read "/dev/zero")
      fails(ward.fs.list "/nope")
      fails(ward.fs.list "/etc/passwd")
    ]])
    assert.same({
      "nil    ENOENT    2    cannot read /nope: No such file or directory",
      "nil    EISDIR    21    cannot read /: Is a directory",
      "nil    EINVAL    22    cannot read /dev/zero: not a regular file",
      "nil    ENOENT    2    cannot list /nope: No such file or directory",
      "nil    ENOTDIR    20    cannot list /etc/passwd: Not a directory",
    }, lines)
  end)

  it("says what is wrong with a path at the caller's line", function()
    assert_errors(run [[
      print(select(2, pcall(ward.fs.read)))
      print(select(2, pcall(ward.fs.list, 5)))
      print(select(2, pcall(ward.fs.exists, "a\0b")))
      print(select(2, pcall(ward.fs.read, ("x"):rep(5000))))
      print(select(2, pcall(function() return ward.fs.raed end)))
      print(select(2, pcall(function() ward.fs.read = 1 end)))
    ]], {
      "ward.fs.read: the path: must be a string, got nothing", "ward.fs.list: the path: must be a string, got number 5",
      "ward.fs.exists: the path: contains a NUL byte", "ward.fs.read: the path: is too long: 5000 bytes, at most 4095",
      'ward.fs has no field "raed" %(did you mean "read"%?%)', 'ward.fs is read%-only: cannot set "read"',
    })
  end)
end)

describe("ward.env", function()
  after_each(harness.cleanup)

  it("is what ward was started with, to look at", function()
    local lines <const> = run([[
      print(ward.env.GIVEN, ward.env.NOT_GIVEN, LOADED)
      local found = {}
      for name, value in pairs(ward.env) do found[name] = value end
      print(found.GIVEN)
      print(select(2, pcall(function() ward.env.GIVEN = "other" end)))
    ]], "local LOADED = ward.env.GIVEN", { env = { GIVEN = "a value" } })
    assert.same({ "a value    nil    a value", "a value" }, { table.unpack(lines, 1, 2) })
    assert.matches('script.lua:%d+: ward.env is read%-only: cannot set "GIVEN"; a child gets variables with env',
      lines[3])
  end)
end)

describe("ward.log", function()
  after_each(harness.cleanup)

  it("says things with a level and fields", function()
    assert.same({
      "debug: details", "plain", "warning: careful count=3 name=web-1 ok=true",
      [[error: bad why="it \"broke\"\nhere"]], "5",
    }, run [[
      ward.log("debug", "details")
      ward.log("info", "plain", {})
      ward.log("warn", "careful", { name = "web-1", count = 3, ok = true })
      ward.log("error", "bad", { why = 'it "broke"\nhere' })
      ward.log("info", 5)
    ]])
  end)

  it("says what is wrong with its arguments, and is for tasks", function()
    assert_errors(run([[
      print(select(2, pcall(ward.log, "wran", "x")))
      print(select(2, pcall(ward.log, "warn")))
      print(select(2, pcall(ward.log, "warn", "x", 5)))
      print(select(2, pcall(ward.log, "warn", "x", { a = {} })))
      print(select(2, pcall(ward.log, "warn", "x", { "a" })))
      print(LOADED)
    ]], 'local LOADED = select(2, pcall(ward.log, "info", "x"))'), {
      'ward.log: the level: must be one of .*did you mean "warn"', "ward.log: the message: must be a string",
      "ward.log: the fields: must be a table, got number 5", "ward.log: the fields.a: must be a string, a number or a",
      "ward.log: the fields: a value without a name, at %[1%]",
      "ward.log: only declarations are allowed while a script loads",
    })
  end)
end)

describe("ward.on_signal", function()
  after_each(harness.cleanup)

  it("calls a function for each signal that comes to ward", function()
    local w <const> = task.start("", [[
      local count = 0
      ward.on_signal("SIGUSR1", function(event)
        count = count + 1
        print(event.event, event.name, math.type(event.at), count)
      end)
      ward.on("signal", "USR*", function(event) print("heard", event.name) end)
    ]])
    w:until_says("the end")
    for i = 1, 3 do
      sys.kill(w.pid, "USR1")
      w:until_says("signal    USR1    float    " .. i)
    end
    sys.kill(w.pid, "USR2") -- nobody asked for it: it means nothing
    w:stop()
    assert.is_truthy(w:err():find("heard    USR1"))
    assert.is_nil(w:err():find("heard    USR2"))
  end)

  it("ends with the task, or when it is cancelled", function()
    local w <const> = task.start [[
      local function say() print "not reached" end
      local task = ward.task(function()
        ward.on_signal("USR1", say)
        ward.sleep "1h"
      end)
      local handle = ward.on_signal("WINCH", say)
      ward.sleep(0)
      task:cancel()
      handle:cancel()
      handle:cancel()
      ward.on_signal("USR2", function() print "still there" end)
    ]]
    w:until_says("the end")
    local function blocked()
      return tonumber(harness.read(("/proc/%d/status"):format(w.pid)):match("SigBlk:%s*(%x+)"), 16)
    end
    assert.equal(0, blocked() & (1 << 9 | 1 << 27)) -- USR1 and WINCH
    for _, signal in ipairs { "USR1", "WINCH" } do sys.kill(w.pid, signal) end
    w:until_(function() return blocked() & 1 << 11 == 0 end, nil, "the task's end has taken USR2 back")
    w:stop()
    assert.is_nil(w:err():find("reached"))
  end)

  it("hears of those that stop ward, in time to say so", function()
    local w <const> = task.start("", 'ward.on("signal", function(event) print("told of " .. event.name) end)')
    w:until_says("the end")
    w:stop(0, "INT")
    assert.is_truthy(w:err():find("told of INT"))
  end)

  it("says which signals it cannot have", function()
    assert_errors(run [[
      for _, name in ipairs { "TERM", "HUP", "CHLD", "KILL", "SEGV", "NOPE", "RTMIN" } do
        print(select(2, pcall(ward.on_signal, name, print)))
      end
      print(select(2, pcall(ward.on_signal, "USR1")))
      print(select(2, pcall(ward.on_signal)))
    ]], {
      "ward.on_signal: the signal: SIGTERM stops ward; a script can have USR1, USR2, ALRM",
      "ward.on_signal: the signal: SIGHUP makes ward reload", "ward.on_signal: the signal: SIGCHLD is ward's own",
      "ward.on_signal: the signal: SIGKILL cannot be a script's", "ward.on_signal: the signal: SIGSEGV cannot be a",
      'ward.on_signal: the signal: unknown signal "NOPE"', "ward.on_signal: the signal: real%-time signals",
      "ward.on_signal: the last argument: must be a function", "ward.on_signal: the signal: must be a signal such as",
    })
  end)
end)

describe("ward.keep", function()
  after_each(harness.cleanup)

  it("holds plain data, at any depth", function()
    assert.same({
      "0    nil    1", "1", "2    x    true", "b c", "3", "a=1 b=2", "0", "keep", "inner    1",
    }, run([[
      print(state.count, state.missing, #state.list)
      state.count = state.count + 1
      print(state.count)
      table.insert(state.list, { name = "x", deep = { true } })
      print(#state.list, state.list[2].name, state.list[2].deep[1])
      state.names = { "c", "b" }
      table.sort(state.names)
      print(table.concat(state.names, " "))
      state.list[1] = 3
      print(state.list[1])
      state.map = { b = 2, a = 1 }
      local words = {}
      for key, item in pairs(state.map) do words[#words + 1] = key .. "=" .. item end
      table.sort(words)
      print(table.concat(words, " "))
      state.names = {}
      print(#state.names)
      print(getmetatable(state))
      local given = { inner = 1 }
      state.given = given
      given.inner = 2 -- what was given stays the script's
      state.again = state.given -- a copy, too
      state.given.inner = 3
      for key, item in pairs(state.again) do print(key, item) end
    ]], 'local state = ward.keep("state", { count = 0, list = { "first" } })'))
  end)

  it("refuses what is not plain data, and what is too much, when it is written", function()
    assert_errors(run([[
      local function bad(fn) print(select(2, pcall(fn))) end
      bad(function() state.f = print end)
      bad(function() state.a = { b = { setmetatable({}, {}) } } end)
      bad(function() state[true] = 1 end)
      bad(function() state[0 / 0] = 1 end)
      local loop = {}
      loop.loop = loop
      bad(function() state.loop = loop end)
      bad(function() state.large = ("x"):rep(2000000) end)
      local old = state.list
      state.list = nil
      bad(function() old[1] = 1 end)
      bad(function() setmetatable(state, {}) end)
      assert(state.f == nil and state.large == nil)
    ]], 'local state = ward.keep("state", { list = {} })'), {
      'keep "state": f: must be plain data %(nil, a boolean, a number, a string or a table of these%), got a function',
      'keep "state": a.b%[1%]: must be a plain table, got one with a metatable',
      'keep "state": a key must be a string or a number, got boolean true', 'keep "state": a key must be',
      'keep "state": loop.loop.*is nested more than 32 deep, or contains itself',
      'keep "state": would be larger than 1048576 bytes', 'keep "state": this table is no longer a part of it',
      "setmetatable: cannot change a protected metatable",
    })
  end)

  it("says what is wrong with its declaration, and is no one's business while the script loads", function()
    assert_errors(run([[
      for _, line in ipairs(LINES) do print(line) end
      print(select(2, pcall(ward.keep, "other")))
    ]], [[
      local LINES = {}
      local function bad(fn, ...) LINES[#LINES + 1] = select(2, pcall(fn, ...)) end
      local state = ward.keep "state"
      bad(ward.keep)
      bad(ward.keep, "no/name")
      bad(ward.keep, "state")
      bad(ward.keep, "x", 5)
      bad(ward.keep, "x", { print })
      bad(function() return state.n end)
      bad(function() state.n = 1 end)
    ]]), {
      "ward.keep: name: must be a string", "ward.keep: name: ",
      'keep "state": this name is taken by the keep at .*:%d+',
      "ward.keep: the defaults: must be a table of defaults, got number 5",
      "ward.keep: the defaults%[1%]: must be plain data", 'keep "state": is read by tasks, not while the script loads',
      'keep "state": is written by tasks, not while', "ward.keep: declarations are only allowed while a script loads",
    })
  end)
end)
