-- The protocol over a real engine and a fake core; whatever a client sends, the answer is a line.

local fake <const> = require("lua.fake_core")

local NAMES <const> = { "db", "web-1", "web-2" }

local function spec(name, needs)
  return {
    name = name, source = "x.lua:1", cmd = { "true" }, needs = needs or {},
    restart = { on = "failure", backoff = { from = 0.1, factor = 2, max = 30, jitter = 0, reset = 10 } },
    success = { codes = { 0 }, signals = {} },
    stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
  }
end

describe("ward.service.control", function()
  local core, control, driver, json, errors, conn, next_id, quarantine

  before_each(function()
    core, errors, conn, next_id, quarantine = fake.new(), {}, fake.conn(), 0, nil
    package.loaded["ward.core"] = core
    for name in pairs(package.loaded) do
      if name:find "^ward%.service" then package.loaded[name] = nil end
    end
    json = require("ward.service.json")
    local plans = {}
    for _, name in ipairs(NAMES) do plans[name] = { name = name } end
    local hooks = {
      event = function() end, note = function() end, quit = function() end,
      reply = function(token, reply) control:reply(token, reply) end,
      internal_error = function(what, trace) table.insert(errors, what .. trace) end,
    }
    driver = require("ward.service.driver").new({ spec("db"), spec("web-1", { "db" }), spec("web-2") },
      { plans = plans, logs = {}, seed = 1 }, hooks)
    control = require("ward.service.control").new({
      driver = driver, internal_error = hooks.internal_error,
      reloader = { number = 1, request = function(_, _, answer) answer(nil, { "x.lua:1: bad", "x.lua:2: worse" }) end },
      info = { instance = "default", script = "x.lua", since = core.now(), log_files = { db = "/log/db.log" } },
      agent = function() end, quarantined = function() return quarantine end,
      history = require("ward.service.history").new(),
      shutting_down = function(by) errors.by = by end,
    })
    driver:post({ kind = "boot" })
    core.proc("db"):up()
    core.proc("web-1"):up()
  end)

  teardown(function()
    for _, name in ipairs({ "ward.core", "ward.service.driver", "ward.service.steps", "ward.service.control" }) do
      package.loaded[name] = nil
    end
  end)

  local function raw(line)
    conn.sent = {}
    control:line(conn, line)
    assert.is_true(#conn.sent <= 1)
    if conn.sent[1] then
      assert.matches("^[^\n]+\n$", conn.sent[1])
      return (json.decode(conn.sent[1]))
    end
  end

  local function call(method, params)
    next_id = next_id + 1
    local answer = raw(json.encode({ jsonrpc = "2.0", id = next_id, method = method, params = params }))
    if answer then assert.equal(next_id, answer.id) end
    return answer
  end

  local function code_of(answer)
    return answer.error and answer.error.code
  end

  it("answers version and status", function()
    local version = call("version").result
    assert.same({ "0.1.0", 77, "default" }, { version.version, version.pid, version.instance })
    core.clock = core.clock + 3
    local status = call("status", {}).result
    assert.equal(3, #status.services)
    local db, web2 = status.services[1], status.services[3]
    assert.same({ "db", "ready", true, 1001, 3, 0, "/log/db.log" },
      { db.name, db.state, db.ready, db.pid, db.uptime, db.restarts, db.log })
    assert.equal("starting", web2.state)
    assert.equal(1, #call("status", { names = { "web-[1]" } }).result.services)
    assert.is_nil(status.quarantine)
    quarantine = { at = 1, because = "x.lua:3: hangs" }
    assert.same(quarantine, call("status").result.quarantine)
  end)

  it("answers a start that has nothing to do at once", function()
    local results = call("start", { names = { "db" } }).result.results
    assert.same({ "db", "ready", true }, { results[1].name, results[1].state, results[1].ok })
  end)

  it("answers a stop when the service is down, dependents first", function()
    assert.is_nil(call("stop", { names = { "db" } }))
    assert.same({ "TERM" }, core.proc("web-1").signals)
    core.proc("web-1"):exit({ kind = "signaled", signal = "TERM" })
    assert.same({ "TERM" }, core.proc("db").signals)
    assert.same({}, conn.sent)
    core.proc("db"):exit({ kind = "signaled", signal = "TERM" })
    assert.equal("stopped", json.decode(conn.sent[1]).result.results[1].state)
    assert.same({}, control.pending)
  end)

  it("answers at once when the client does not wait", function()
    local answer = call("restart", { names = { "web-*" }, wait = false })
    assert.same({ "web-1", "web-2" }, { answer.result.results[1].name, answer.result.results[2].name })
    assert.same({}, control.pending)
  end)

  it("tells a failed start", function()
    assert.is_nil(call("start", { names = { "web-2" } }))
    core.proc("web-2"):exit({ kind = "exited", code = 9 })
    local answer = json.decode(conn.sent[1])
    assert.equal(-32000, code_of(answer))
    assert.matches('service "web%-2": exited with code 9', answer.error.message)
    assert.is_false(answer.error.data.results[1].ok)
  end)

  it("waits for ready and for stopped", function()
    assert.is_nil(call("wait", { names = { "web-2" }, ["for"] = "ready" }))
    core.proc("web-2"):up()
    assert.is_true(json.decode(conn.sent[1]).result.results[1].ok)
    assert.is_nil(call("wait", { names = { "web-2" }, ["for"] = "stopped" }))
    assert.equal(-32602, code_of(call("wait", { names = { "web-2" } })))
    assert.equal(-32602, code_of(call("wait", { names = { "web-2" }, ["for"] = "gone" })))
  end)

  it("sends signals", function()
    assert.truthy(call("signal", { names = { "db" }, signal = "USR1" }).result)
    assert.same({ "USR1" }, core.proc("db").signals)
    assert.equal(-32602, code_of(call("signal", { names = { "db" }, signal = "NOPE" })))
    core.proc("web-2"):exit({ kind = "exited", code = 1 })
    local answer = call("signal", { names = { "web-2", "db" }, signal = "HUP" })
    assert.equal(-32000, code_of(answer))
    assert.matches("web%-2.*is not running", answer.error.message)
    assert.same({ "USR1", "HUP" }, core.proc("db").signals)
  end)

  it("names unknown services and patterns that match nothing", function()
    for _, method in ipairs({ "start", "stop", "restart", "status" }) do
      local answer = call(method, { names = { "db", "dbb" } })
      assert.equal(-32004, code_of(answer))
      assert.equal('no such service: "dbb"', answer.error.message)
    end
    assert.equal('no service matches "x*"', call("stop", { names = { "x*" } }).error.message)
    assert.same({}, core.proc("db").signals)
  end)

  it("answers shutdown when all is down, and says who asked", function()
    assert.is_nil(call("shutdown"))
    assert.equal("ward shutdown", errors.by)
    core.proc("web-2"):exit({ kind = "signaled", signal = "TERM" })
    core.proc("web-1"):exit({ kind = "signaled", signal = "TERM" })
    core.proc("db"):exit({ kind = "signaled", signal = "TERM" })
    assert.truthy(json.decode(conn.sent[1]).result)
  end)

  it("forgets what a client that went away was waiting for, and nothing else", function()
    local other = fake.conn()
    assert.is_nil(call("stop", { names = { "web-1" } }))
    control:line(other, '{"jsonrpc":"2.0","id":1,"method":"wait","params":{"names":["web-1"],"for":"stopped"}}')
    control:closed(conn)
    core.proc("web-1"):exit({ kind = "signaled", signal = "TERM" })
    assert.same({}, conn.sent)
    assert.equal(1, #other.sent)
    assert.same({}, control.pending)
    control:closed(fake.conn())
  end)

  it("does not answer notifications, but carries them out", function()
    assert.is_nil(raw('{"jsonrpc":"2.0","method":"stop","params":{"names":["web-2"]}}'))
    assert.same({ "TERM" }, core.proc("web-2").signals)
    assert.is_nil(raw('{"jsonrpc":"2.0","method":"nope"}'))
    assert.is_nil(raw('{"jsonrpc":"2.0","method":"stop","params":{"names":3}}'))
  end)

  it("gives ids back as they came", function()
    for _, id in ipairs({ "0", "-1", "9007199254740991", "1.5", '"x"', '""', "null" }) do
      raw('{"jsonrpc":"2.0","id":' .. id .. ',"method":"version"}')
      assert.truthy(conn.sent[1]:find('"id":' .. id .. ",", 1, true), conn.sent[1])
    end
  end)

  describe("batches", function()
    it("are answered as one list, also when an answer takes time", function()
      local batch = '[{"jsonrpc":"2.0","id":1,"method":"version"},{"jsonrpc":"2.0","method":"version"},7,'
        .. '{"jsonrpc":"2.0","id":2,"method":"stop","params":{"names":["web-2"]}}]'
      assert.is_nil(raw(batch))
      core.proc("web-2"):exit({ kind = "signaled", signal = "TERM" })
      local answers = json.decode(conn.sent[1])
      assert.equal(3, #answers)
      assert.same({ 1, -32600, 2 }, { answers[1].id, code_of(answers[2]), answers[3].id })
    end)

    it("of notifications are not answered", function()
      assert.is_nil(raw('[{"jsonrpc":"2.0","method":"version"}]'))
    end)

    it("must be neither empty nor endless", function()
      assert.equal(-32600, code_of(raw("[]")))
      assert.equal(-32600, code_of(raw("[" .. ("1,"):rep(64) .. "1]")))
    end)
  end)

  it("answers every malformed request with the right error", function()
    local deep = ("["):rep(1000) .. ("]"):rep(1000)
    local cases = {
      { -32700, "" }, { -32700, "{" }, { -32700, "\0\1\2" }, { -32700, deep }, { -32700, '{"a":NaN}' },
      { -32700, '{"jsonrpc":"2.0"' }, { -32600, "1" }, { -32600, "null" }, { -32600, '"x"' }, { -32600, "{}" },
      { -32600, '{"jsonrpc":"1.0","id":1,"method":"version"}' }, { -32600, '{"jsonrpc":"2.0","id":1}' },
      { -32600, '{"jsonrpc":"2.0","id":1,"method":7}' }, { -32600, '{"jsonrpc":"2.0","id":{},"method":"version"}' },
      { -32600, '{"jsonrpc":"2.0","id":1e999,"method":"version"}' },
      { -32600, '{"jsonrpc":"2.0","id":true,"method":"version"}' },
      { -32601, '{"jsonrpc":"2.0","id":1,"method":"__index"}' }, { -32601, '{"jsonrpc":"2.0","id":1,"method":""}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"version","params":7}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"version","params":null}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"version","params":[1]}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"version","params":{"x\\u0000\\u001b":1}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start"}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":[]}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":"db"}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":["db",null]}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":[1e308]}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":{"1":"db"}}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":["db"],"wait":1}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":["' .. ("a"):rep(300) .. '"]}}' },
      { -32602, '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":[' .. ('"db",'):rep(1024) .. '"db"]}}' },
    }
    for _, case in ipairs(cases) do
      local answer = raw(case[2])
      assert.equal(case[1], code_of(answer), case[2]:sub(1, 100) .. " -> " .. tostring(conn.sent[1]))
      assert.equal("2.0", answer.jsonrpc)
      assert.not_nil(answer.id)
    end
    assert.same({}, errors)
    assert.equal(77, call("version").result.pid)
  end)

  it("survives random bytes and mutated requests", function()
    math.randomseed(42)
    local good = '{"jsonrpc":"2.0","id":1,"method":"status","params":{"names":["db","web-*"]}}'
    for _ = 1, 5000 do
      local line = good
      for _ = 1, math.random(1, 4) do
        local at = math.random(1, #line)
        line = line:sub(1, at - 1) .. string.char(math.random(0, 255)) .. line:sub(at + math.random(0, 2))
      end
      raw((line:gsub("\n", "")))
    end
    assert.same({}, errors)
  end)

  it("refuses an oversized request and closes", function()
    control:oversize(conn)
    local answer = json.decode(conn.sent[1])
    assert.same({ -32600, "request too large" }, { answer.error.code, answer.error.message })
    assert.is_true(conn.closed)
  end)

  it("answers an internal error instead of raising it", function()
    function driver.shown() error("broken") end
    assert.equal(-32603, code_of(call("status")))
    assert.equal(1, #errors)
  end)
end)
