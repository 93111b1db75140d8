-- ward.http: a script asks web servers, over loopback, a Unix socket and TLS.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local task <const> = require "helpers.task"

local start <const>, said <const>, run <const> = task.start, task.said, task.run

local SERVER <const> = lfs.currentdir() .. "/tests/helpers/web.pl"

-- What scripts below begin with: a server at WEB, and URL(path).
local function server()
  local port <const> = harness.free_port()
  return ([[
    ward.service { name = "web", cmd = { "perl", %q, %q }, restart = "always" }
    local function URL(path) return "http://127.0.0.1:%s" .. path end
    local function listening() while not ward.http.get(URL "/") do ward.sleep "10ms" end end
  ]]):format(SERVER, port, port), port
end

describe("ward.http", function()
  after_each(harness.cleanup)

  it("gets what there is: status, headers, body", function()
    local lines <const> = run([[
      listening()
      local answer = ward.http.get(URL "/text")
      print(answer.ok, answer.status, answer.body, answer.headers["x-twice"], answer.headers["content-length"])
      local missing = ward.http.get(URL "/missing")
      print(missing.ok, missing.status, missing.body)
      print(ward.http.get(URL "/away").body)
      print(ward.http.get(URL "/away", { redirects = 0 }).status)
      print(ward.http.get(URL "/echo", { headers = { ["X-Mine"] = "a b", Accept = "text/x", ["X-Empty"] = "" } }).body)
      print(#ward.http.get(URL "/big/3000000", { max_size = "3M" }).body)
    ]], (server()))
    lines[5] = lines[5]:gsub("host=[%d.:]+", "host=H"):gsub("ward/[%d.]+", "ward/V")
    assert.same({
      "true    200    no json    one, two    7", "false    404    no such page",
      '{"n":1,"list":[1,2.5,null],"none":null,"ok":true}', "302",
      "GET|accept=text/x|host=H|user-agent=ward/V|x-empty=|x-mine=a b|", "3000000",
    }, lines)
  end)

  it("reads JSON, and posts text and JSON", function()
    local lines <const> = run([[
      listening()
      local data, answer = ward.http.json(URL "/json")
      print(data.n, math.type(data.n), data.list[2], #data.list, data.none, data.ok, answer.status)
      print(ward.http.json(URL "/text"))
      local none, err = ward.http.json(URL "/status/503")
      print(none, err, err.code, err.status)
      print((ward.http.post(URL "/echo", "a=b").body:gsub(".*|", "")))
      local posted = ward.http.post(URL "/echo", { text = "it \"is\"", list = { 1, 2 } }).body
      print(posted:match "content%-type=[%w/]+", posted:match "[^|]*$")
    ]], (server()))
    assert.equal("1    integer    2.5    2    nil    true    200", lines[1])
    assert.matches("^nil    GET http://127.0.0.1:%d+/text: no JSON: ", lines[2])
    assert.matches("^nil    GET http://127.0.0.1:%d+/status/503: status 503    status    503$", lines[3])
    assert.equal("a=b", lines[4])
    assert.equal('content-type=application/json    {"list":[1,2],"text":"it \\"is\\""}', lines[5])
  end)

  it("fails with a code and a sentence", function()
    local before <const>, port <const> = server()
    local lines <const> = run([[
      listening()
      local function fails(...)
        local answer, err = ward.http.get(...)
        print(answer, err.code, err.errno, err)
      end
      fails(URL "/never", { timeout = "50ms" })
      fails("http://me:secret@127.0.0.1:1/")
      fails(URL "/big/2000", { max_size = 1000 })
      fails(URL "/stream/200000", { max_size = "100K" })
      fails(URL "/head")
      fails(URL "/round")
      fails(URL "/file")
      fails(URL "/nothing")
      fails(URL "/half")
      fails("http://no-such-name.invalid/")
      fails(URL "/", { unix = "/nope" })
      fails("https://127.0.0.1:]] .. port .. [[/", { timeout = "1s" })
    ]], before)
    for i, pattern in ipairs {
      "timeout    nil    GET http://[%d.:]+/never: not done within 50ms$",
      "connect    111    GET http://127.0.0.1:1/: .*connect",
      "too_large    nil    .*/big/2000: the answer is too large$",
      "too_large    nil", "too_large    nil", "redirects    nil    .*[Mm]aximum %(5%) redirects followed",
      "url    nil    .*[Pp]rotocol .*file", "http    nil    .*[Ee]mpty reply", "http    nil    ",
      "resolve    nil    .*resolve host: no%-such%-name.invalid", "connect    %d*    ",
      "timeout    nil    .*not done within 1.0s$",
    } do
      assert.matches("^nil    " .. pattern, lines[i])
    end
  end)

  it("says what is wrong with its arguments at the caller's line", function()
    local lines <const> = run [[
      local function bad(name, ...) print(select(2, pcall(ward.http[name], ...))) end
      bad("get")
      bad("get", "127.0.0.1:80")
      bad("get", "file:///etc/passwd")
      bad("get", "http://a/ b")
      bad("get", "http://a/", { timeuot = 1 })
      bad("get", "http://a/", { timeout = "x" })
      bad("get", "http://a/", { max_size = "1G" })
      bad("get", "http://a/", { headers = { "Accept: x" } })
      bad("get", "http://a/", { headers = { A = "b\r\nC: d" } })
      bad("get", "http://a/", { headers = { ["A:"] = "b" } })
      bad("get", "http://a/", { redirects = 100 })
      bad("json", "http://a/", { max_size = "2M" })
      bad("json", 5)
      bad("post", "http://a/")
      bad("post", "http://a/", { f = print })
      print((select(2, pcall(function() return ward.http.gte end))))
    ]]
    for i, pattern in ipairs {
      "get: the URL: must be a URL such as .*, got nothing",
      "get: the URL: must be a URL .*127.0.0.1:80", "get: the URL: ",
      "get: the URL: contains a space",
      'get: .*unknown key "timeuot" %(did you mean "timeout"%?%)', "get: timeout: bad",
      "get: max_size: must be a whole number from 0 to 16777216", "get: headers: .*headers are written as",
      'get: headers%["A"%]: contains a line break', 'get: headers%["A:"%]: is not the name of a header',
      "get: redirects: must be a whole number from 0 to 20", "json: max_size: .* to 1048576", "json: the URL: ",
      "post: the body: must be a string, or a table", "post: the body.f: must be plain data",
    } do
      assert.matches("script.lua:%d+: ward.http." .. pattern, lines[i])
    end
    assert.matches('script.lua:%d+: ward.http has no field "gte" %(did you mean "get"%?%)', lines[16])
  end)

  it("is only for tasks", function()
    local dir <const> = harness.directory()
    local script <const> = harness.write(dir .. "/s.lua", 'local ward = require "ward"\nward.http.get "http://a/"\n')
    local code <const>, _, err <const> = harness.run({ harness.ward, "check", script })
    assert.equal(1, code)
    assert.matches("s.lua:2: ward.http.get: only declarations are allowed while a script loads", err)
  end)

  it("ends with its task, and with ward", function()
    local w <const> = start([[
      listening()
      local asking = ward.task(function() ward.http.get(URL "/never", { timeout = "1h" }) end)
      ward.sleep "50ms"
      print(asking:cancel(), asking:wait())
      print(ward.timeout("50ms", function() return ward.http.get(URL "/never") end))
      ward.task(function() ward.http.get(URL "/never") end)
      ward.sleep "1h"
    ]], (server()))
    w:until_says("not done within 50ms")
    -- The server sees that nobody waits any more.
    w:until_(function() return select(2, w:log("web"):gsub("gone\n", "")) == 2 end, nil, "two closed connections")
    w:until_(function() return select(2, w:log("web"):gsub("/never\n", "")) == 3 end, nil, "the third request")
    w:stop()
    assert.same({ "true    nil    the task was cancelled", "nil    not done within 50ms" },
      { table.unpack(said(w), 1, 2) })
  end)

  it("asks many at once, fails what dies under it, and leaves no descriptor", function()
    local w <const> = start([[
      listening()
      local function many(n)
        local asks = {}
        for i = 1, n do asks[i] = function() return ward.http.get(URL "/text", { max_size = "16K" }).status end end
        return #ward.all(asks)
      end
      print(many(60))
      local _, err = ward.http.get(URL "/text", { max_size = "16M" })
      local before = #ward.fs.list "/proc/self/fd"
      for _ = 1, 5 do many(20) end
      print("kept", #ward.fs.list "/proc/self/fd" <= before, err)
      local many_bytes = {}
      for i = 1, 5 do
        many_bytes[i] = function()
          return select(2, ward.http.get(URL "/never", { max_size = "16M", timeout = "1s" }))
        end
      end
      print(ward.all(many_bytes)[5])
      local asking = ward.task(function() return ward.http.get(URL "/never") end)
      ward.sleep "20ms"
      ward.run { cmd = { "pkill", "-9", "-f", "web.pl " .. URL "":match "%d+$" } }
      print(select(2, asking:wait()))
    ]], (server()))
    w:until_says("the end")
    w:stop()
    local lines <const> = said(w)
    assert.same({ "60", "kept    true    nil" }, { lines[1], lines[2] })
    assert.matches("the answers to all requests of a script may be 64 MiB large", lines[3])
    assert.matches("^GET http://[%d.:]+/never: ", lines[4])
  end)

  it("speaks over a Unix socket", function()
    local dir <const> = harness.directory()
    local lines <const> = run([[
      local answer
      repeat
        answer = ward.http.get("http://name/echo", { unix = SOCKET })
        ward.sleep "10ms"
      until answer
      print(answer.body)
    ]], ("local SOCKET = %q ward.service { name = 'web', cmd = { 'perl', %q, SOCKET } }"):format(dir .. "/s", SERVER))
    assert.matches("host=name", lines[1])
  end)

  it("speaks TLS, and checks the certificate", function()
    local dir <const>, port <const> = harness.directory(), harness.free_port()
    local code <const>, _, message <const> = harness.run { "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
      "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
      "-keyout", dir .. "/key", "-out", dir .. "/cert" }
    assert.equal(0, code, message)
    local lines <const> = run([[
      local answer, err
      repeat
        answer, err = ward.http.get(URL, { ca = CERT })
        ward.sleep "20ms"
      until answer or err.code ~= "connect"
      print(answer and answer.status, err)
      err = select(2, ward.http.get(URL))
      print(err.code, err)
    ]], ([[
      local CERT, URL = %q, "https://localhost:%s/"
      ward.service { name = "tls", cmd = {
        "openssl", "s_server", "-accept", "127.0.0.1:%s", "-cert", CERT, "-key", %q, "-www", "-quiet",
      } }]]):format(dir .. "/cert", port, port, dir .. "/key"))
    assert.equal("200    nil", lines[1])
    assert.matches("^tls    GET https://localhost:%d+/: .*certificate", lines[2])
  end)

  it("loads its library only when it is used", function()
    local before <const>, _ = server()
    local w <const> = start([[
      ward.on("go", function()
        listening()
        print "asked"
      end)
      print "idle"
      ward.sleep "1h"
    ]], before)
    local function loaded() return harness.read(("/proc/%d/maps"):format(w.pid)):find("libcurl", 1, true) ~= nil end
    w:until_says("idle")
    assert.is_false(loaded())
    assert.equal(0, (w:cli("eval", "ward.emit 'go'")))
    w:until_says("asked")
    assert.is_true(loaded())
    w:stop()
  end)
end)
