-- Every bad input gives one clear line, the right exit status, and nothing started or lost.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local function service(rest)
  return 'local ward = require "ward"\nreturn ward.service { name = "web", ' .. rest .. " }\n"
end

local GOOD <const> = service 'cmd = { "sleep", "1000" }'

local function boxed(sandbox)
  return service('cmd = { "x" }, sandbox = { ' .. sandbox .. " }")
end

-- How the line of such a script begins.
local X <const> = 'SCRIPT:2: service "web": sandbox.'

-- name, script, the line (with SCRIPT for the script's path, and DIR for its directory)
local SCRIPTS <const> = {
  { "syntax error", "local ward =\n= 1", "SCRIPT:2: unexpected symbol near '='" },
  { "runtime error", 'local x\nx.y = 1', "SCRIPT:2: attempt to index a nil value (local 'x')" },
  { "unknown key", service 'cmd = { "x" }, stop_timout = 3',
    'SCRIPT:2: service "web": unknown key "stop_timout" (did you mean "stop"?)' },
  { "wrong type", service 'cmd = { "x" }, cwd = 7', 'SCRIPT:2: service "web": cwd: must be a string, got number 7' },
  { "bad duration", service 'cmd = { "x" }, stop = { "TERM", "10 parsecs", "KILL" }',
    'SCRIPT:2: service "web": stop[2]: bad duration "10 parsecs": unknown unit "parsecs"; '
      .. "units are ms, s, m, h and d" },
  { "duplicate name", [[local ward = require "ward"
ward.service { name = "a", cmd = { "x" } }
ward.service { name = "a", cmd = { "x" } }]],
    'SCRIPT:3: service "a": this name is taken by the service at SCRIPT:2' },
  { "unknown dependency", service 'cmd = { "x" }, needs = { "weeb" }',
    'SCRIPT:2: service "web": needs unknown service "weeb" (did you mean "web"?)' },
  { "dependency cycle", [[local ward = require "ward"
return {
  ward.service { name = "a", cmd = { "x" }, needs = { "b" } },
  ward.service { name = "b", cmd = { "x" }, needs = { "c" } },
  ward.service { name = "c", cmd = { "x" }, needs = { "a" } },
}]], 'SCRIPT:3: service "a": dependency cycle: a -> b -> c -> a' },
  { "empty cmd", service "cmd = {}", 'SCRIPT:2: service "web": cmd: must not be empty' },
  { "NUL in a string", service 'cmd = { "x", "a\\0b" }', 'SCRIPT:2: service "web": cmd[2]: contains a NUL byte' },
  { "unknown user", service 'cmd = { "x" }, user = "no-such-user"',
    'SCRIPT:2: service "web": user: no user is named "no-such-user"' },
  { "an effect at load time", 'local ward = require "ward"\nward.spawn { cmd = { "touch", "/tmp/never" } }',
    "SCRIPT:2: ward.spawn: only declarations are allowed while a script loads; call it in a task" },
  { "os.execute", 'os.execute("touch /tmp/never")',
    "SCRIPT:1: ward scripts have no os.execute: declare a service to run a command" },
  { "an undefined global", 'local ward = require "ward"\nprnt("x")',
    'SCRIPT:2: undefined global "prnt" (did you mean "print"?)' },
  { "an unknown profile", service 'cmd = { "x" }, sandbox = "strickt"',
    'SCRIPT:2: service "web": sandbox: unknown profile "strickt" (did you mean "strict"?); '
      .. "there are strict, web, worker" },
  { "an unknown capability", boxed 'caps = { "net_rwa" }',
    X .. 'caps[1]: unknown capability "net_rwa" (did you mean "net_raw"?)' },
  { "an unknown system call", boxed 'seccomp = { allow = { "@system-service", "opnat" } }',
    X .. 'seccomp.allow[2]: unknown system call "opnat" (did you mean "openat"?)' },
  { "a system call of another architecture only", boxed 'seccomp = { deny = { "s390_runtime_instr" } }',
    X .. 'seccomp.deny[1]: this machine has no system call "s390_runtime_instr", only others have: leave it out, or '
      .. "name its architecture in architectures" },
  { "an unknown group of them", boxed 'seccomp = "@sytem-service"',
    X .. 'seccomp: unknown group "@sytem-service" (did you mean "@system-service"?)' },
  { "an unknown right", boxed 'landlock = { fs = { ["/"] = { "exectue" } } }',
    X .. 'landlock.fs["/"][1]: unknown right "exectue" (did you mean "execute"?); '
      .. 'rights are letters of "rwx" or names such as "read_file"' },
  { "an unknown namespace", boxed 'namespaces = { "nett" }',
    X .. 'namespaces[1]: must be one of "cgroup", "ipc", "mount", "net", "pid", "time", "user", "uts", '
      .. 'got string "nett" (did you mean "net"?)' },
  { "a rule on a missing path", boxed 'landlock = { fs = { ["/usr"] = "rx", ["/nowhere"] = "r" } }',
    X .. 'landlock.fs["/nowhere"]: No such file or directory' },
  { "a mount of what does not exist", boxed 'mounts = { { type = "bind", source = "/nowhere", target = "/mnt" } }',
    X .. "mounts[1].source: /nowhere does not exist (optional = true starts without)" },
  { "a mount where nothing is", boxed 'mounts = { { type = "bind", source = "/usr", target = "/nowhere" } }',
    X .. "mounts[1].target: /nowhere does not exist, and nothing is made there" },
  { "a tmpfs where nothing is", boxed 'tmpfs = { "/tmp", "/nowhere/x" }',
    X .. "tmpfs[2]: /nowhere/x does not exist, and nothing is made there" },
  { "a directory mounted on a file",
    boxed 'mounts = { { type = "bind", source = "/usr", target = "/etc/passwd" } }',
    X .. "mounts[1].target: /etc/passwd is no directory, unlike /usr" },
  { "a file mounted on a directory",
    boxed 'mounts = { { type = "bind", source = "/etc/passwd", target = "/mnt" } }',
    X .. "mounts[1].target: /mnt is a directory, unlike /etc/passwd" },
  { "a tmpfs on a file", boxed 'tmpfs = { "/etc/passwd" }',
    X .. "tmpfs[1]: /etc/passwd is no directory, which it must be" },
  { "a root that is a file", boxed 'rootfs = "/etc/passwd"', X .. "rootfs: /etc/passwd is no directory" },
  { "a root that does not exist", boxed 'rootfs = "/nowhere"', X .. "rootfs: /nowhere does not exist" },
  { "a root without a place for a mount", boxed 'rootfs = "/usr", tmpfs = { "/nowhere" }',
    X .. "tmpfs[1]: /nowhere does not exist in /usr, and nothing is made there" },
  { "a profile that is not there", boxed 'seccomp = { oci = "/nowhere.json" }',
    X .. "seccomp.oci: cannot read /nowhere.json: No such file or directory" },
  { "a profile that is none", boxed 'seccomp = { oci = "profile.json" }',
    X .. "seccomp.oci: DIR/profile.json:2: defaultAction must be a string, not a number" },
  { "a profile that is no JSON", boxed 'seccomp = { oci = "broken.json" }',
    X .. 'seccomp.oci: DIR/broken.json:3: expected a key in quotes, found "oops"' },
  { "an endless loop", "\nwhile true do end", "SCRIPT:2: used its CPU budget of 5s while loading" },
  { "too much memory", "local t = {}\nfor i = 1, math.maxinteger do t[i] = ('x'):rep(1000) .. i end",
    "SCRIPT:2: used its memory limit of 64 MiB while loading" },
  { "a binary chunk", string.dump(function() end),
    "SCRIPT:1: is a binary (precompiled) Lua chunk; ward loads source text only" },
}

describe("bad input", function()
  local dir

  setup(function()
    dir = harness.directory()
    harness.write(dir .. "/profile.json", '{\n  "defaultAction": 3 }')
    harness.write(dir .. "/broken.json", '{\n  "defaultAction": "SCMP_ACT_ALLOW",\n  oops }')
  end)
  teardown(harness.cleanup)

  for i, case in ipairs(SCRIPTS) do
    it(case[1] .. " is refused by check and by run, with the same line", function()
      local path = ("%s/case%d.lua"):format(dir, i)
      harness.write(path, case[2])
      local want = case[3]:gsub("SCRIPT", (path:gsub("%%", "%%%%"))):gsub("DIR", (dir:gsub("%%", "%%%%"))) .. "\n"
      local env = { WARD_RUNTIME_DIR = dir .. "/run", WARD_LOG_DIR = dir .. "/log" }
      for _, verb in ipairs { "check", "run" } do
        local code, out, err = harness.run({ harness.ward, verb, path }, { env = env })
        assert.equal(want, err)
        assert.equal("", out)
        assert.equal(1, code)
      end
      assert.is_nil(io.open(dir .. "/run/default/control.sock"))
    end)
  end

  it("a script that is not there", function()
    local code, _, err = harness.run { harness.ward, "check", dir .. "/none.lua" }
    assert.equal(1, code)
    assert.is_truthy(err:find("cannot read .*/none.lua: No such file or directory\n$"))
  end)

  it("is not a script or a module behind a link that anybody may have laid, from wherever it is named", function()
    local code, _, err = harness.run({ "sh", "-ec", [[
      mkdir -m 777 open open/v1 open/v1/lib open/shared; ln -s v1 open/now; ln -s ../../shared/m.lua open/v1/lib/m.lua
      echo 'return "name"' >open/shared/m.lua
      echo 'require "ward".service { name = require "m", cmd = { "true" } }' >open/v1/app.lua
      "$1" check open/now/app.lua; "$1" check "$PWD/open/now/app.lua"; cd open/now; exec "$1" check app.lua
    ]], "sh", harness.ward }, { cwd = dir })
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("a missing executable is a warning at check", function()
    harness.write(dir .. "/missing.lua", service 'cmd = { "no-such-program" }, env = { PATH = "/bin" }')
    local code, out, err = harness.run { harness.ward, "check", dir .. "/missing.lua" }
    assert.equal(0, code)
    assert.equal(dir .. "/missing.lua: ok, 1 service\n", out)
    assert.equal(dir .. '/missing.lua:2: service "web": warning: '
      .. 'executable "no-such-program" not found in PATH "/bin"\n', err)
  end)

  it("a working directory that the sandbox hides is a warning at check, unless nobody asked for it", function()
    local function check(cwd)
      harness.write(dir .. "/cwd.lua", service('cmd = { "/bin/true" }, sandbox = { tmpfs = { "/tmp" } }' .. cwd))
      local code, _, err = harness.run { harness.ward, "check", dir .. "/cwd.lua" }
      assert.equal(0, code, err)
      return err
    end
    assert.equal("", check "")
    assert.equal(('%s/cwd.lua:2: service "web": warning: cwd: %s is out of sight in the sandbox\n'):format(dir, dir),
      check ', cwd = "."')
  end)

  it("a runtime directory that others can write to, or that is no directory", function()
    local script = dir .. "/good.lua"
    harness.write(script, GOOD)
    local function refused(run, want)
      local code, _, err = harness.run({ harness.ward, "run", script },
        { env = { WARD_RUNTIME_DIR = run, WARD_LOG_DIR = dir .. "/log" } })
      assert.equal(1, code)
      assert.equal("ward: " .. want .. "\n", err)
    end
    local make = "cd '%s' && mkdir -m 0770 group && mkdir -m 0707 world && mkdir -m 0000 closed && "
      .. "mkdir -m 0755 sub && mkdir -m 0775 sub/default"
    assert(os.execute(make:format(dir)))
    refused(dir .. "/group", ("runtime directory %s/group is group-writable (mode 0770); make it 0700"):format(dir))
    refused(dir .. "/world", ("runtime directory %s/world is world-writable (mode 0707); make it 0700"):format(dir))
    refused(dir .. "/sub", ("runtime directory %s/sub/default is group-writable (mode 0775); make it 0700"):format(dir))
    refused(script, ("runtime directory %s is not a directory"):format(script))
    refused("relative", ('WARD_RUNTIME_DIR must be an absolute path, not "relative"'))
    refused(dir .. "/closed",
      ("runtime directory %s/closed is not open to its owner (mode 0000); make it 0700"):format(dir))
  end)
end)

describe("a control request", function()
  local w

  setup(function()
    w = harness.start(GOOD)
    w:until_ready("web")
  end)
  teardown(function()
    w:stop()
    harness.cleanup()
  end)

  -- Sends bytes; returns the decoded answers of n lines.
  local function ask(bytes, n)
    local conn <close> = assert(sys.connect(w.socket))
    assert(conn:send(bytes))
    local got, answers = "", {}
    harness.until_(function()
      local part, why = conn:recv(1)
      got = got .. (part or "")
      return select(2, got:gsub("\n", "")) >= n or part == "" or why == "timeout"
    end)
    for line in got:gmatch("[^\n]+") do
      answers[#answers + 1] = cjson.decode(line)
    end
    return answers
  end

  -- bytes, code of the error
  local REQUESTS <const> = {
    { "garbage", -32700 },
    { "{", -32700 },
    { ("["):rep(5000), -32700 },
    { "42", -32600 },
    { "[]", -32600 },
    { "{}", -32600 },
    { '{"jsonrpc":"1.0","id":1,"method":"version"}', -32600 },
    { '{"jsonrpc":"2.0","id":1,"method":7}', -32600 },
    { '{"jsonrpc":"2.0","id":{},"method":"version"}', -32600 },
    { '{"jsonrpc":"2.0","id":1,"method":"nosuch"}', -32601 },
    { '{"jsonrpc":"2.0","id":1,"method":"status","params":7}', -32602 },
    { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"names":7}}', -32602 },
    { '{"jsonrpc":"2.0","id":1,"method":"start","params":{}}', -32602 },
    { '{"jsonrpc":"2.0","id":1,"method":"signal","params":{"names":["web"],"signal":"NOSUCH"}}', -32602 },
    { '{"jsonrpc":"2.0","id":1,"method":"start","params":{"names":["nosuch"]}}', -32004 },
    { "\0\1\2\255", -32700 },
  }

  it("that is malformed gets its error, and others do not notice", function()
    local other <close> = assert(sys.connect(w.socket))
    other:send('{"jsonrpc":"2.0","id":"o","method":')
    for _, case in ipairs(REQUESTS) do
      local answers = ask(case[1] .. "\n", 1)
      assert.equal(1, #answers, case[1]:sub(1, 60))
      assert.equal(case[2], answers[1].error and answers[1].error.code, case[1]:sub(1, 60))
      assert.equal("2.0", answers[1].jsonrpc)
    end
    other:send('"version"}\n')
    assert.equal("o", cjson.decode(other:recv(5)).id)
    w:until_ready("web")
  end)

  it("that is too large gets an error, and the connection ends", function()
    local conn <close> = assert(sys.connect(w.socket))
    conn:send(("x"):rep(70000))
    local answer = cjson.decode((conn:recv(5)))
    assert.equal(-32600, answer.error.code)
    assert.equal("request too large", answer.error.message)
    harness.until_(function() return conn:recv(1) == "" end, nil, "the end of the connection")
    w:until_ready("web")
  end)

  it("that never ends or is never read does no harm", function()
    local idle = {}
    for i = 1, 40 do
      idle[i] = assert(sys.connect(w.socket))
      idle[i]:send(i % 2 == 0 and "{" or ('{"jsonrpc":"2.0","id":1,"method":"status"}\n'):rep(200))
    end
    w:until_ready("web")
    for i = 1, 40 do
      idle[i]:close()
    end
    w:until_ready("web")
  end)
end)
