-- ward events: the stream that ward.on sees, from outside.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"
local task <const> = require "helpers.task"

describe("ward events", function()
  after_each(harness.cleanup)

  it("prints what happened", function()
    local w <const> = task.start [[
      ward.emit("mine", { name = "x", list = { 1, { a = 2 } }, text = "two words" })
      error "oops"
    ]]
    w:until_says "oops"
    w:until_ready "a"
    local code <const>, out <const> = w:cli("events")
    assert.equal(0, code)
    for _, pattern in ipairs {
      "start    a\n", "ready    a pid=%d+\n", 'mine     x list=%[1,{"a":2}%] text="two words"\n',
      "script_error %- %S+script.lua:%d+: oops\n",
    } do
      assert.matches("%f[%d]20%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d " .. pattern, out)
    end
    local _, json <const> = w:cli("events", "--json", "-n", "1")
    local last <const> = cjson.decode(json)
    assert.same({ "number", "number", "string" }, { type(last.seq), type(last.at), type(last.event) })
    assert.same({ 2, "", "ward: bad number of events 'x' (see ward --help)\n" }, { w:cli("events", "-n", "x") })
    w:stop()
    assert.equal(5, (w:cli("events")))
  end)

  it("follows until ward ends, from exits to the signal that stopped it", function()
    local w <const> = task.start "ward.sleep '1h'"
    w:until_ready "a"
    local dir <const> = harness.directory()
    local out <const> = dir .. "/out"
    local pid <const> = assert(sys.spawn({ harness.ward, "events", "-f", "--json" }, { env = w.env, stdout = out }))
    w:until_(function() return harness.read(out):find '"event":"ready"' end, nil, "the past")
    sys.kill(w:status("a").pid, "KILL")
    w:until_(function() return select(2, harness.read(out):gsub('"event":"ready"', "")) == 2 end, nil, "what follows")
    w:cli("eval", 'ward.emit("mine")')
    w:stop()
    assert.equal(0, sys.wait(pid, 20).code)
    local names, seq = {}, 0
    for line in harness.read(out):gmatch "[^\n]+" do
      local event <const> = cjson.decode(line)
      assert.equal(seq + 1, event.seq)
      seq = event.seq
      names[#names + 1] = event.event
      if event.event == "exit" and event.exit.signal == "KILL" then names.killed = true end
    end
    assert.is_true(names.killed)
    assert.matches("start ready exit start ready mine signal ", table.concat(names, " "))
  end)

  it("tells a reader that is too slow how many it has lost, and never waits for it", function()
    local w <const> = task.start('ward.on("fill", function() print "heard" end)', [[
      ward.command("burst", function()
        for i = 1, 100 do
          for _ = 1, 50 do ward.emit("burst", { text = ("x"):rep(1000) }) end
          ward.sleep(0)
        end
      end)
    ]])
    local connection <close> = w:connect()
    connection:send('{"jsonrpc":"2.0","id":1,"method":"events","params":{"follow":true,"last":0}}\n')
    local line, rest = harness.read_line(connection)
    assert.same({}, cjson.decode(line).result.events)
    assert.equal(0, (w:cli("do", "burst"))) -- 5,000 events of 1 KiB that are not read meanwhile
    assert.equal(0, (w:cli("eval", 'ward.emit "last"')))
    local told, lost = 0, 0
    repeat
      line, rest = harness.read_line(connection, nil, rest)
      local message <const> = cjson.decode(line)
      if message.method == "lost" then
        lost = lost + message.params.count
      elseif message.params.event == "burst" then
        told = told + 1
      end
    until told + lost >= 5000
    assert.is_true(told > 100 and lost > 1000)
    -- It is told of all again once it has caught up.
    assert.equal(0, (w:cli("eval", 'ward.emit "again"')))
    repeat
      line, rest = harness.read_line(connection, nil, rest)
    until cjson.decode(line).params.event == "again"
    w:stop()
  end)

  it("ends where nobody reads any more", function()
    local w <const> = task.start("", 'ward.every("20ms", function() ward.emit "tick" end)')
    local code <const>, out <const> = harness.run({ "sh", "-c", '"$1" events -f | head -n 1', "sh", harness.ward },
      { env = w.env, seconds = 60 })
    assert.same({ 0, 1 }, { code, select(2, out:gsub("\n", "")) })
    w:stop()
  end)
end)

describe("ward.emit", function()
  after_each(harness.cleanup)

  it("takes plain data, for everybody", function()
    local lines <const> = task.run([[
      print(select(2, pcall(ward.emit, "mine", { fn = print })))
      print(select(2, pcall(ward.emit, "mine", 5)))
      print(select(2, pcall(ward.emit, "ready")))
      ward.emit("mine", { n = 1 })
      ward.emit "mine"
      ward.sleep "10ms"
    ]], 'ward.on("mine", function(event) print("heard", event.event, event.n) end)')
    for _, pattern in ipairs {
      "ward.emit: the data.fn: must be plain data", "ward.emit: the data: must be a table, got number 5",
      'ward.emit: "ready" is an event of ward\'s own',
    } do
      assert.matches("^%S*script.lua:%d+: " .. pattern, table.remove(lines, 1))
    end
    assert.same({ "heard    mine    1", "heard    mine    nil" }, lines)
  end)
end)
