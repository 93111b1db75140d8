-- What is asked of a running script from outside: ward do, ward eval, ward repl.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"
local task <const> = require "helpers.task"

-- A ward whose script runs `before` while it loads.
local function start(before)
  local w <const> = task.start("", before)
  w:until_says("the end")
  return w
end

-- Starts a verb without waiting for its end. Its output is in the files that are returned.
local function spawn(w, ...)
  local dir <const> = harness.directory()
  local out <const>, err <const> = dir .. "/out", dir .. "/err"
  local pid <const> = assert(sys.spawn({ harness.ward, ... }, { env = w.env, stdout = out, stderr = err }))
  return pid, out, err
end

local GREET <const> = [[
  ward.command("greet", { help = "says hello\nto somebody", args = { "who", "how-much?", "more..." } },
    function(who, much, ...)
      print("hello " .. who, much, select("#", ...))
      ward.log("warn", "careful", { a = 1 })
      ward.sleep "10ms"
      ward.task(function() print "from a task of it" end):wait()
      return { who, n = 1 }
    end)
]]

describe("ward do", function()
  after_each(harness.cleanup)

  it("calls a command of the script; what its tasks say goes to the caller", function()
    local w <const> = start(GREET)
    assert.same({ 0, 'hello you\tnil\t0\nwarning: careful a=1\nfrom a task of it\n{ "you", n = 1 }\n', "" },
      { w:cli("do", "greet", "you") })
    local _, out <const> = w:cli("do", "greet", "--help", "-x", "a", "b")
    assert.matches("^hello %-%-help\t%-x\t2\n", out)
    w:stop()
    assert.is_nil(w:err():find "hello")
  end)

  it("lists them", function()
    local w <const> = start(GREET .. 'ward.command("bare", function() end)')
    local code <const>, out <const> = w:cli("do", "--help")
    assert.equal(0, code)
    assert.matches("^Usage: ward do ", out)
    assert.matches("\nCommands:\n   bare %[ARGS...%]\n   greet WHO %[HOW%-MUCH%] %[MORE...%]   says hello\n" ..
      " +to somebody\n$", out)
    w:stop()
    local none <const> = start()
    assert.matches("\nThe script has no commands.\n$", (select(2, none:cli("do", "-h"))))
    none:stop()
    local status <const>, text <const> = none:cli("do", "-h")
    assert.equal(0, status)
    assert.matches('\nNo script is supervised on instance "default"', text)
  end)

  it("fails with what the command says or raises", function()
    local w <const> = start [[
      ward.command("raises", function() error "broken" end)
      ward.command("returns", function() return nil, "went wrong" end)
      ward.command("spins", function() while true do end end)
      ward.command("fine", function() return nil end)
      ward.command("tells", function() return nil, { message = "as an error does" } end)
    ]]
    local _, _, err <const> = w:cli("do", "raises")
    assert.matches("^%S+script.lua:2: broken\n$", err)
    assert.same({ 1, "", "ward: went wrong\n" }, { w:cli("do", "returns") })
    local code <const>, _, spins <const> = w:cli("do", "spins")
    assert.equal(1, code)
    assert.matches("script.lua:4: used its CPU budget of 0.1s", spins)
    assert.same({ 0, "", "" }, { w:cli("do", "fine") })
    assert.same({ 1, "", "ward: as an error does\n" }, { w:cli("do", "tells") })
    w:stop()
    assert.is_nil(w:err():find("broken")) -- the caller was told
  end)

  it("says what is wrong with a call", function()
    local w <const> = start(GREET)
    assert.same({ 2, "", "ward: usage: ward do greet WHO [HOW-MUCH] [MORE...]\n" }, { w:cli("do", "greet") })
    assert.same({ 2, "", 'ward: no such command: "gret" (did you mean "greet"?)\n' }, { w:cli("do", "gret") })
    assert.same({ 2, "", "ward: which command? (see ward do --help)\n" }, { w:cli("do") })
    assert.same({ 2, "", "ward: bad option '-x' (see ward do --help)\n" }, { w:cli("do", "-x", "greet") })
    assert.equal(5, (w:cli("do", "-i", "nobody", "greet", "you")))
    assert.equal(0, (w:cli("do", "-i", "default", "greet", "you")))
    w:stop()
    assert.equal(5, (w:cli("do", "greet", "you")))
  end)

  it("streams what is said while it is said, and ends the task with its caller", function()
    local w <const> = start [[
      ward.command("slow", function()
        local _ <close> = setmetatable({}, { __close = function() ward.emit "closed" end })
        ward.spawn { cmd = { "sleep", "1001" } }
        print "begun"
        ward.sleep "1h"
      end)
      ward.on("closed", function() print "it was closed" end)
    ]]
    local pid <const>, out <const> = spawn(w, "do", "slow")
    w:until_(function() return harness.read(out) == "begun\n" end, nil, "the first line")
    assert.equal(3, #w:left()) -- the service, the child and the client
    sys.kill(pid, "INT")
    sys.wait(pid, 20)
    w:until_says("it was closed")
    w:until_(function() return #w:left() == 1 end, nil, "the child of the command has ended")
    w:stop()
  end)

  it("makes a command wait for a caller that does not read, and nobody else", function()
    local w <const> = start [[
      local printed = 0
      ward.command("flood", function()
        for i = 1, 20000 do
          print(("x"):rep(100))
          printed = i
        end
      end)
      ward.command("printed", function() return printed end)
    ]]
    local connection <close> = w:connect()
    connection:send('{"jsonrpc":"2.0","id":7,"method":"do","params":{"name":"flood"}}\n')
    local last = -1
    w:until_(function() -- it comes to rest
      local _, out <const> = w:cli("do", "printed")
      local before <const> = last
      last = tonumber(out)
      return last == before and last > 0
    end, nil, "the command waits")
    assert.is_true(last < 20000)
    local lines, line, rest = 0
    repeat
      line, rest = harness.read_line(connection, nil, rest)
      lines = lines + 1
    until line:find '"result"'
    assert.equal(20001, lines)
    assert.equal(7, cjson.decode(line).id)
    w:stop()
  end)

  it("brings all that is said, however much and in however long pieces", function()
    local w <const> = start [[
      ward.command("long", function() print(("x"):rep(6 << 20)) end)
      ward.command("letters", function() print("a" .. ("\u{e9}"):rep(100000)) end)
      ward.command("much", function()
        local text <const> = ("x"):rep(65535)
        for _ = 1, 320 do print(text) end
      end)
    ]]
    for name, want in pairs { long = (6 << 20) + 1, much = 20 << 20, letters = 200002 } do
      local code <const>, out <const>, err <const> = w:cli("do", name)
      assert.same({ 0, "", want }, { code, err, #out })
      assert.is_nil(out:find("?", 1, true))
    end
    w:stop()
  end)

  it("answers at the end of ward, and of the script", function()
    local w <const> = start 'ward.command("slow", function() print "begun" ward.sleep "1h" end)'
    local pid <const>, out <const>, err <const> = spawn(w, "do", "slow")
    w:until_(function() return harness.read(out) == "begun\n" end, nil, "it runs")
    sys.kill(w.pid, "TERM")
    assert.equal(1, sys.wait(pid, 20).code)
    assert.equal("ward: cancelled\n", harness.read(err))
    assert.equal(0, w:wait())
  end)
end)

describe("ward.command", function()
  after_each(harness.cleanup)

  it("says what is wrong with its arguments at the caller's line", function()
    local lines <const> = task.run([[
      for _, line in ipairs(LINES) do print(line) end
      print(select(2, pcall(ward.command, "x", print)))
    ]], [[
      local LINES = {}
      local function bad(...) LINES[#LINES + 1] = select(2, pcall(ward.command, ...)) end
      ward.command("taken", print)
      bad()
      bad("no spaces", print)
      bad("x", { hlep = "" }, print)
      bad("x", { help = 5 }, print)
      bad("x", { args = "a" }, print)
      bad("x", { args = { "1a" } }, print)
      bad("x", { args = { "a?", "b" } }, print)
      bad("x", { args = { "a...", "b" } }, print)
      bad("x", "not a function")
      bad("taken", print)
    ]])
    for i, pattern in ipairs {
      "ward.command: the name: must be a string, got nothing", "ward.command: the name: has other characters than",
      'ward.command: the options: unknown key "hlep" %(did you mean "help"%?%)',
      "ward.command: help: must be a string, got number 5", "ward.command: args: must be a list of names",
      'ward.command: args%[1%]: must be a name, "name%?" or "name..."',
      "ward.command: args%[2%]: is required, but stands behind one that is not",
      "ward.command: args%[2%]: stands behind", "ward.command: the last argument: must be a function",
      'command "taken": this name is taken by the command at .*script.lua:%d+$',
      "ward.command: declarations are only allowed while a script loads",
    } do
      assert.matches("^%S*script.lua:%d+: " .. pattern, lines[i])
    end
  end)
end)

describe("ward eval", function()
  after_each(harness.cleanup)

  it("runs in the script's world, as a task", function()
    local w <const> = start 'local state = ward.keep("n", { n = 1 }) ward.command("n", function() return state.n end)'
    assert.same({ 0, '2\tx\t{ a = { 1 } }\tnil\n', "" }, { w:cli("eval", '1 + 1, "x", { a = { 1 } }, nil') })
    assert.same({ 0, "said\n", "" }, { w:cli("eval", 'print "said"') })
    assert.same({ 0, "true\tout\n\n", "" }, { w:cli("eval",
      'local r = ward.run { cmd = { "echo", "out" } } ward.sleep(0) return r.ok, r.stdout') })
    assert.same({ 0, "", "" }, { w:cli("eval", "local x = 1") })
    w:stop()
  end)

  it("reaches services and pools by their names, since a script keeps them in local variables", function()
    local w <const> = start 'local _ <const> = ward.pool { name = "w", size = 0, max = 1, cmd = { "sleep", "1000" } }'
    assert.same({ 0, 'service "a"\ta\n', "" }, { w:cli("eval", "services.a, services.a:status().name") })
    assert.same({ 0, '{ w = pool "w" }\n', "" }, { w:cli("eval", "pools") })
    assert.equal(0, (w:cli("eval", 'pools.w:resize(1) services["w-1"]:stop() services.x = 1 services = nil')))
    assert.same({ 0, '{ a = service "a", ["w-1"] = service "w-1", ["w-2"] = service "w-2" }\n', "" },
      { w:cli("eval", "services") })
    assert.same({ 1, "", 'eval:1: no service is called "w-11" (did you mean "w-1"?)\n' },
      { w:cli("eval", 'services["w-11"]:stop()') })
    assert.same({ 1, "", 'eval:1: no pool is called "a"\n' }, { w:cli("eval", "pools.a") })
    w:stop()
  end)

  it("fails with a position", function()
    local w <const> = start()
    assert.same({ 1, "", 'eval:1: undefined global "nope"\n' }, { w:cli("eval", "nope") })
    assert.same({ 1, "", "eval:1: unexpected symbol near <eof>\n" }, { w:cli("eval", "x =") })
    assert.same({ 1, "", "eval:2: ward.sleep: the time: must be a duration from 0 to 365 days, such as \"10s\" or a "
      .. "number of seconds, got nothing\n" }, { w:cli("eval", "\nward.sleep()") })
    assert.same({ 1, "", "eval:1: used its CPU budget of 0.1s\n" }, { w:cli("eval", "while true do end") })
    w:stop()
    assert.equal(5, (w:cli("eval", "1")))
  end)

  it("works where the script has declared nothing that runs", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      return ward.service { name = "a", cmd = { "sleep", "1000" } }
    ]]
    assert.same({ 0, "table\n", "" }, { w:cli("eval", "type(ward)") })
    w:stop()
  end)
end)

describe("ward repl", function()
  after_each(harness.cleanup)

  local function repl(w, text)
    return harness.run({ harness.ward, "repl" }, { env = w.env, stdin = harness.write(w.dir .. "/stdin", text) })
  end

  it("reads lines from a pipe: what one sets, the next one sees", function()
    local w <const> = start()
    assert.same({ 0, '6\n"text"\n1\n2\n', "" },
      { repl(w, 'x = 5\nx + 1\n\n"text"\nfor i = 1, 2 do\n  print(i)\nend\n') })
    assert.same({ 1, "1\n", 'eval:1: undefined global "x"\n' }, { repl(w, "1\nx\n") })
    assert.same({ 1, "2\n", "eval:1: unexpected symbol near <eof>\n" }, { repl(w, "2\n3 +") })
    w:stop()
  end)

  -- What opens a session on a terminal of its own, and what waits for a text there.
  local function on_terminal(w)
    w.env.XDG_STATE_HOME = w.dir .. "/state"
    w.env.TERM = "dumb"
    w.env.ASAN_OPTIONS = "detect_leaks=0" -- what GNU Readline keeps to its end is no leak of ours
    local seen
    local function open()
      local pid <const>, terminal <const> = assert(sys.spawn({ harness.ward, "repl" }, { env = w.env, pty = true }))
      seen = ""
      return pid, terminal
    end
    local function until_seen(terminal, text)
      harness.until_(function()
        seen = seen .. (terminal:recv(0.05) or "")
        return seen:find(text, 1, true)
      end, nil, function() return ("%q on the terminal, not %q"):format(text, seen) end)
      seen = seen:sub(select(2, seen:find(text, 1, true)) + 1)
    end
    return open, until_seen
  end

  it("completes the names that are there", function()
    local w <const> = start()
    local open <const>, until_seen <const> = on_terminal(w)
    local pid <const>, terminal <const> = open()
    until_seen(terminal, "ward> ")
    terminal:send "services.a:sta\t\t" -- several: they are listed
    until_seen(terminal, "services.a:start")
    until_seen(terminal, "services.a:status")
    terminal:send "tu\t().name .. 20 + 3\n"
    until_seen(terminal, '"a23"')
    until_seen(terminal, "ward> ")
    terminal:send "answers = 42\n"
    until_seen(terminal, "ward> ")
    terminal:send "nope.a\t\21answ\t + 1\n" -- nothing; ^U takes the line back
    until_seen(terminal, "43")
    terminal:send "\4"
    assert.equal(0, sys.wait(pid, 20).code)
    w:stop()
  end)

  it("goes on when what runs is interrupted", function()
    local w <const> = start()
    local open <const>, until_seen <const> = on_terminal(w)
    local pid <const>, terminal <const> = open()
    until_seen(terminal, "ward> ")
    terminal:send "x = 20\n"
    until_seen(terminal, "ward> ")
    terminal:send 'print("be" .. "gun") ward.sleep(1000)\n'
    until_seen(terminal, "begun")
    terminal:send "\3"
    until_seen(terminal, "ward: cancelled")
    until_seen(terminal, "ward> ")
    terminal:send "x + 1\n"
    until_seen(terminal, "21")
    until_seen(terminal, "ward> ")
    terminal:send "\3"
    assert.equal("INT", sys.wait(pid, 20).signal)
    w:stop()
  end)

  it("has line editing and a history on a terminal", function()
    local w <const> = start()
    local open <const>, until_seen <const> = on_terminal(w)
    local pid, terminal = open()
    until_seen(terminal, "ward> ")
    terminal:send "40 + 3\b2\n" -- a correction
    until_seen(terminal, "42")
    terminal:send "function twice(n)\n"
    until_seen(terminal, "   .. ")
    terminal:send "return 2 * n end\n"
    until_seen(terminal, "ward> ")
    terminal:send "twice(21.5)\n"
    until_seen(terminal, "43.0")
    terminal:send "\4"
    assert.equal(0, sys.wait(pid, 20).code)
    local history <const> = w.dir .. "/state/ward/repl_history"
    assert.equal("40 + 2\nfunction twice(n)\nreturn 2 * n end\ntwice(21.5)\n", harness.read(history))
    local pipe <close> = io.popen(("stat -c %%a '%s' '%s'"):format(history, history:match "^(.*)/"))
    assert.equal("600\n700\n", pipe:read "a")
    pid, terminal = open()
    until_seen(terminal, "ward> ")
    terminal:send "\16\16\16\16\n" -- up four times: the first line
    until_seen(terminal, "42")
    terminal:send "\4"
    assert.equal(0, sys.wait(pid, 20).code)
    w:stop()
  end)
end)

describe("the control protocol", function()
  after_each(harness.cleanup)

  it("cancels a call that is not answered yet", function()
    local w <const> = start 'ward.command("slow", function() print "begun" ward.sleep "1h" end)'
    local connection <close> = w:connect()
    connection:send('{"jsonrpc":"2.0","id":"a","method":"do","params":{"name":"slow"}}\n')
    local line, rest = harness.read_line(connection)
    assert.same({ jsonrpc = "2.0", method = "output", params = { id = "a", text = "begun\n" } }, cjson.decode(line))
    connection:send('{"jsonrpc":"2.0","id":2,"method":"cancel","params":{"id":"other"}}\n')
    line, rest = harness.read_line(connection, nil, rest)
    assert.is_false(cjson.decode(line).result.cancelled)
    connection:send('{"jsonrpc":"2.0","id":3,"method":"cancel","params":{"id":"a"}}\n')
    local answers <const> = {}
    for _ = 1, 2 do
      line, rest = harness.read_line(connection, nil, rest)
      answers[cjson.decode(line).id] = cjson.decode(line)
    end
    assert.is_true(answers[3].result.cancelled)
    assert.same({ code = -32000, message = "cancelled" }, answers.a.error)
    w:stop()
  end)
end)
