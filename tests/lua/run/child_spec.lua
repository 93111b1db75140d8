-- What a service's program sees, through tests/helpers/probe, against what the script says.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local PROBE <const> = harness.probe

-- Runs probe as a service with these keys (Lua source); returns what it saw. From a copy: the tree may lie in a
-- directory that is closed to the user whom the service runs as.
local function probe(keys, opts)
  local program = harness.directory() .. "/probe"
  harness.write(program, harness.read(PROBE))
  assert(sys.chmod(program, 493)) -- 0755
  local text <const> = ([[
local ward = require "ward"
return ward.service { name = "probe", cmd = { %q, "--hold" }, restart = "never", %s }
]]):format(program, keys)
  local w = harness.start(text, opts)
  local seen = harness.until_(function()
    local ok, json = pcall(cjson.decode, w:log "probe")
    return ok and json
  end, nil, "probe's report")
  w:stop()
  return seen, w
end

local function environ(seen)
  local env = {}
  for _, pair in ipairs(seen.environ) do
    local key, value = pair:match("^([^=]*)=(.*)$")
    env[key] = value
  end
  return env
end

local function numbers(fds)
  local list = {}
  for i, fd in ipairs(fds) do
    list[i] = fd.fd
  end
  table.sort(list)
  return list
end

describe("the child", function()
  after_each(harness.cleanup)

  it("has the defaults", function()
    local seen, w = probe("")
    assert.same({ 0, 1, 2 }, numbers(seen.fds))
    assert.equal("/dev/null", seen.fds[1].link)
    assert.is_truthy(seen.fds[2].link:find("^pipe:"))
    assert.equal(seen.fds[2].link, seen.fds[3].link)
    assert.is_false(seen.fds[2].nonblock)
    assert.equal(w.dir, seen.cwd)
    assert.equal(seen.pid, seen.sid)
    assert.equal(seen.pid, seen.pgid)
    assert.equal(w.pid, seen.ppid)
    assert.equal(18, seen.umask)
  end)

  it("has the argv, arg0, cwd, umask and session of its keys", function()
    local seen = probe('arg0 = "-other", cwd = "/usr", umask = "077", session = false')
    assert.same({ "-other", "--hold" }, seen.argv)
    assert.equal("/usr", seen.cwd)
    assert.equal(63, seen.umask)
    assert.not_equal(seen.pid, seen.sid)
    assert.equal(seen.pid, seen.pgid)
  end)

  it("has the environment of its keys", function()
    local env = environ((probe('env = { ADDED = "x=y", REMOVED = false, CHANGED = 7 }',
      { env = { REMOVED = "a", CHANGED = "b", KEPT = "c" } })))
    assert.equal("x=y", env.ADDED)
    assert.is_nil(env.REMOVED)
    assert.equal("7", env.CHANGED)
    assert.equal("c", env.KEPT)
  end)

  it("has only its own environment with env_clear, and env_file below env", function()
    local dir = harness.directory()
    harness.write(dir .. "/one.env", "# comment\nA=1\nB='two words'\nexport C=3\n")
    local seen = probe(('env_clear = true, env_file = %q, env = { A = "env wins" }'):format(dir .. "/one.env"))
    assert.same({ A = "env wins", B = "two words", C = "3" }, environ(seen))
  end)

  it("has its descriptors where the keys say", function()
    local dir = harness.directory()
    local text <const> = ([[
local ward = require "ward"
return ward.service { name = "p", cmd = { %q, "--to", %q }, restart = "never",
  stdin = %q, stdout = %q, stderr = "stdout" }
]]):format(PROBE, dir .. "/report", dir .. "/in", dir .. "/out")
    harness.write(dir .. "/in", "input")
    local w = harness.start(text)
    w:until_state("p", "done")
    w:stop()
    local seen = cjson.decode(harness.read(dir .. "/report"))
    assert.same({ 0, 1, 2 }, numbers(seen.fds))
    assert.equal(dir .. "/in", seen.fds[1].link)
    assert.equal("r", seen.fds[1].mode)
    assert.equal(dir .. "/out", seen.fds[2].link)
    assert.is_true(seen.fds[2].append)
    assert.equal(dir .. "/out", seen.fds[3].link)
  end)

  it("has descriptors up to the limit, less the room that placing them takes", function()
    local low <const> = { "sh", "-c", 'ulimit -n 64; exec "$@"', "sh" }
    local seen = probe("fds = { [58] = 0 }", { under = low })
    assert.same({ 0, 1, 2, 58 }, numbers(seen.fds))
    local script = harness.write(harness.directory() .. "/x.lua",
      'require("ward").service { name = "x", cmd = { "true" }, fds = { [59] = 0 } }\n')
    local argv = table.move({ harness.ward, "check", script }, 1, 3, #low + 1, { table.unpack(low) })
    local code, _, err = harness.run(argv)
    assert.equal(1, code)
    assert.equal(script .. ':1: service "x": descriptor 59 leaves too little room below ward\'s own limit of 64 '
      .. "descriptors: 5 more are needed above it until exec\n", err)
  end)

  it("has no other descriptor on a kernel without close_range, at the price of a few calls", function()
    if os.execute("strace -qq -e trace=none true 2>/dev/null") ~= true then
      return pending("no strace that may trace")
    end
    local trace <const> = harness.directory() .. "/trace"
    local seen = probe("fds = { [7] = 0 }", { under = { "sh", "-c", 'exec 8</dev/null 9</dev/null; exec "$@"', "sh",
      table.unpack(harness.strace { "-D", "-f", "-o", trace, "-e", "trace=close,close_range", "-e",
        "inject=close_range:error=ENOSYS" }) } })
    assert.same({ 0, 1, 2, 7 }, numbers(seen.fds))
    local calls <const> = harness.read(trace)
    assert.matches("close_range%(.*INJECTED", calls)
    assert.is_true(select(2, calls:gsub("close%(", "")) < 1000)
  end)

  it("is signalled through its pidfd, never by its number", function()
    if os.execute("command -v strace >/dev/null && strace -qq -e trace=none true 2>/dev/null") ~= true then
      return pending("strace is missing, or may not trace here")
    end
    local trace <const> = harness.directory() .. "/trace"
    local w <const> = harness.start([[
      local ward = require "ward"
      local stop = { "INT", "10s", "KILL" }
      return ward.service { name = "x", cmd = { "sh", "-c", "trap : USR1; while :; do sleep 0.01; done" }, stop = stop }
    ]])
    w:until_ready "x"
    local argv <const> = { "strace", "-qq", "-o", trace, "-e", "trace=kill,tkill,tgkill,pidfd_send_signal", "-p",
      tostring(w.pid) }
    local strace <const> = assert(sys.spawn(argv, { stdout = "/dev/null", stderr = "/dev/null" }))
    harness.until_(function()
      return not harness.read(("/proc/%d/status"):format(w.pid)):find "TracerPid:%s*0\n"
    end, nil, "strace to attach")
    assert.equal(0, (w:cli("signal", "x", "USR1")))
    assert.equal(0, (w:cli("restart", "x")))
    assert.equal(0, (w:cli("stop", "x")))
    sys.kill(strace, "INT")
    sys.wait(strace, 20)
    w:stop()
    local calls, names <const> = harness.read(trace), {}
    for name, signal in calls:gmatch("([%w_]+)%([^\n]-(SIG%u+%d?)") do names[signal] = name end
    for _, signal in ipairs { "SIGUSR1", "SIGINT" } do assert.equal("pidfd_send_signal", names[signal], calls) end
    assert.is_nil(calls:find("%f[%w_]t?g?kill%("), calls)
  end)

  it("begins with default signals, whatever ward was started with", function()
    local seen = probe("")
    assert.same({ blocked = {}, ignored = {}, caught = {} }, seen.signals)
  end)

  it("has the ids and exactly the groups of its keys", function()
    if os.execute("test $(id -u) = 0") ~= true then
      pending("changing ids needs root")
      return
    end
    -- The script's own directory is closed to others, and cwd is entered as the user.
    local seen = probe('cwd = "/", user = "nobody", group = 4711, groups = { 12, 34 }')
    assert.same({ 65534, 65534, 65534 }, { seen.uid.real, seen.uid.effective, seen.uid.saved })
    assert.same({ 4711, 4711, 4711 }, { seen.gid.real, seen.gid.effective, seen.gid.saved })
    assert.same({ 12, 34 }, seen.groups)
    seen = probe('cwd = "/", user = "nobody"')
    assert.equal(65534, seen.gid.real)
    assert.same({ 65534 }, seen.groups)
  end)

  it("may open its output anew, whoever else shares it", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending("needs root") end
    local w <const> = harness.start [[
      local ward = require "ward"
      ward.service { name = "x", cmd = { "sleep", "1000" } }
      ward.after(0, function()
        for _, keys in ipairs { { user = "nobody" }, { sandbox = { caps = {} } }, { user = 4711, group = 4712 } } do
          keys.cwd, keys.cmd = "/", { "sh", "-c", "echo it is $(id -u) >/dev/stderr" }
          print("ended with " .. ward.spawn(keys):wait().code)
        end
        print "the end"
      end)
    ]]
    w:until_says "the end"
    assert.equal(3, select(2, w:err():gsub("ended with 0\n", "")))
    for _, uid in ipairs { 65534, 0, 4711 } do w:until_says("it is " .. uid .. "\n") end
    w:stop()
  end)

  it("may be asked to be who ward is, also without privilege", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending("needs root") end
    for _, keys in ipairs { "user = 4711, group = 4711", "groups = {}", "group = 4711" } do
      local seen = probe(keys, { under = harness.UNPRIVILEGED })
      assert.same({ 4711, {} }, { seen.uid.effective, seen.groups }, keys)
    end
  end)

  it("is refused other ids before anything starts, where ward may not give them", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending("needs root") end
    local dir <const> = harness.directory()
    local function fault(without, keys)
      local script <const> = harness.write(dir .. "/s.lua", ([[
        return require "ward".service { name = "x", cmd = { "true" }, %s }
      ]]):format(keys))
      local options <const> = without == "root" and "--reuid=4711 --regid=4712 --clear-groups" or without
        and "--bounding-set=-" .. without or "--groups=27"
      local argv <const> = { "sh", "-c", 'exec setpriv $1 "$2" check "$3"', "sh", options, harness.ward, script }
      local _, _, err <const> = harness.run(argv)
      return (err:gsub("^.*service \"x\": ", ""):gsub(", which ward does not have", ""):gsub("\n$", ""))
    end
    for _, case in ipairs {
      { "root", 'user = "nobody"', "user: needs CAP_SETUID to become user 65534" },
      { "root", "user = 4711, group = 4713", "group: needs CAP_SETGID to have group 4713" },
      { "root", "user = 4711, group = 4712, groups = { 4 }", "groups: needs CAP_SETGID to be other than ward's own" },
      { "root", "user = 4711, group = 4712, groups = {}", "" },
      { "setuid", 'user = "nobody"', "user: needs CAP_SETUID to become user 65534" },
      { "setuid", "user = 0, group = 4711, groups = {}", "" },
      { "setgid", "group = 4711", "group: needs CAP_SETGID to have group 4711" },
      { "setuid", "sandbox = { uid_map = { { inside = 0, outside = 4711 } } }",
        "sandbox.namespaces: user needs CAP_SETUID for its maps of users and groups" },
      { "setgid", 'sandbox = { namespaces = { "user" } }',
        "sandbox.namespaces: user needs CAP_SETGID for its maps of users and groups" },
      { nil, 'user = "nobody", groups = { 4 }', "" },
    } do assert.equal(case[3], fault(case[1], case[2])) end
  end)

  it("has the limits, niceness and CPUs of its keys", function()
    local seen = probe 'limits = { nofile = { 100, 200 }, core = 0, fsize = "1M" }, nice = 5, affinity = { 0 }'
    assert.same({ 100, 200 }, seen.limits.nofile)
    assert.same({ 0, 0 }, seen.limits.core)
    assert.same({ 1048576, 1048576 }, seen.limits.fsize)
    assert.equal(5, seen.nice)
  end)

  it("is the same in every clone mode", function()
    for _, mode in ipairs { "shared", "vfork", "copy" } do
      local seen = probe(('clone = %q, umask = "027", cwd = "/usr"'):format(mode))
      assert.same({ 0, 1, 2 }, numbers(seen.fds), mode)
      assert.same({ 23, "/usr" }, { seen.umask, seen.cwd }, mode)
      assert.same({ blocked = {}, ignored = {}, caught = {} }, seen.signals, mode)
    end
  end)

  it("may have a terminal and no descriptor of it", function()
    local seen, w = probe 'tty = true, stdin = "null", stdout = "log", stderr = "log"'
    assert.not_equal(0, seen.tty)
    assert.is_nil(w:err():find("HUP"))
  end)

  it("may open its terminal by name, whoever it is", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending "changing the user needs root" end
    local w <const> = harness.start [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "sh", "-c", "echo by name > $(tty)" }, user = "nobody", cwd = "/",
        tty = true, restart = "never" }
    ]]
    w:until_state("x", "done")
    w:until_(function() return w:log("x") == "by name\r\n" end, nil, "the line")
    w:stop()
  end)

  it("has a terminal of its own, whose output is logged", function()
    local seen = probe "tty = { rows = 11, cols = 22 }"
    for i = 1, 3 do
      assert.is_truthy(seen.fds[i].link:find("^/dev/pts/"), seen.fds[i].link)
    end
    assert.not_equal(0, seen.tty)
  end)
end)

-- A set of capabilities as /proc shows it.
local function caps(...)
  local bits = 0
  for _, number in ipairs { ... } do
    bits = bits | 1 << number
  end
  return ("%016x"):format(bits)
end

describe("the sandboxed child", function()
  after_each(harness.cleanup)

  local function as_root()
    if os.execute("test $(id -u) = 0") ~= true then
      pending("needs root")
      return false
    end
    return true
  end

  it("keeps exactly the named capabilities over the uid change and exec", function()
    if not as_root() then return end
    local seen = probe 'cwd = "/", user = "nobody", sandbox = { caps = { "net_bind_service", "chown" } }'
    local both = caps(10, 0)
    assert.same({ bounding = both, permitted = both, inheritable = both, effective = both, ambient = both }, seen.caps)
    assert.is_true(seen.no_new_privs)
  end)

  it("has none as root with an empty list, and exec does not bring them back", function()
    if not as_root() then return end
    local seen = probe "sandbox = { caps = {} }"
    local none = caps()
    assert.equal(0, seen.uid.effective)
    assert.same({ bounding = none, permitted = none, inheritable = none, effective = none, ambient = none },
      seen.caps)
  end)

  it("keeps them where securebits have done so for good", function()
    if not as_root() then return end
    local keys <const> = 'cwd = "/", user = "nobody", sandbox = { caps = { "chown" }, securebits = { %s } }'
    for _, bits in ipairs { '"keep_caps"', '"keep_caps", "keep_caps_locked"' } do
      assert.equal(caps(0), probe(keys:format(bits)).caps.effective)
    end
  end)

  it("keeps all that ward has, and no more is asked for", function()
    if not as_root() then return end
    local text <const> = 'cwd = "/", user = "nobody", sandbox = { caps = %s }'
    local less <const> = { under = { "setpriv", "--bounding-set", "-net_raw,-sys_time" } }
    local every = {}
    for _, set in ipairs { "bounding", "permitted", "inheritable", "effective", "ambient" } do
      every[#every + 1] = set .. ' = "all"'
    end
    for _, given in ipairs { '"all"', "{ " .. table.concat(every, ", ") .. " }" } do
      local seen = probe(text:format(given), less).caps
      local held = tonumber(seen.permitted, 16)
      assert.same({ 0, 0, 1, 1 }, { held >> 13 & 1, held >> 25 & 1, held & 1, held >> 21 & 1 })
      assert.same({ seen.permitted, seen.permitted }, { seen.bounding, seen.ambient })
    end
    local _, out = harness.run { "setpriv", "--bounding-set", "-net_raw", harness.ward, "exec", "--profile=none",
      "--cap=all", "--", "grep", "CapEff", "/proc/self/status" }
    assert.equal(0, tonumber(out:match("%x+%s*$"), 16) >> 13 & 1)
  end)

  it("is refused where the sets that it is to have contradict each other", function()
    if not as_root() then return end
    local dir <const> = harness.directory()
    for keys, why in pairs {
      ['caps = { "chown" }, securebits = { "no_cap_ambient_raise" }'] =
        "ambient: holds chown, which the securebit no_cap_ambient_raise forbids",
      ["caps = { permitted = {} }"] = "effective: holds chown, as ward has it, which permitted does not: name it, too",
      ['caps = { permitted = { "chown" }, ambient = { "chown" } }'] =
        "ambient: holds chown, which inheritable, left as ward has it, does not",
      ['caps = { bounding = {}, inheritable = { "chown" } }'] = "inheritable: holds chown, which bounding does not",
    } do
      local script = harness.write(dir .. "/x.lua",
        ('require("ward").service { name = "x", cmd = { "true" }, sandbox = { %s } }\n'):format(keys))
      local code, _, err = harness.run { harness.ward, "check", script }
      assert.equal(1, code)
      assert.equal(('%s:1: service "x": sandbox.caps.%s\n'):format(script, why), err)
    end
    -- A uid change empties the effective set.
    assert.same(caps(), probe('cwd = "/", user = "nobody", sandbox = { caps = { permitted = {} } }').caps.effective)
  end)

  it("is refused a filter and rules without no_new_privs where they need a capability that it does not have", function()
    if not as_root() then return end
    local dir <const> = harness.directory()
    local function check(keys)
      local script <const> = harness.write(dir .. "/s.lua", ([[
        return require "ward".service { name = "x", cmd = { "true" }, %s }
      ]]):format(keys))
      local _, _, err <const> = harness.run { harness.ward, "check", script }
      return (err:gsub("^.*service \"x\": ", ""))
    end
    local text <const> = "sandbox.no_new_privs: false needs CAP_SYS_ADMIN for %s, which the program is not to have\n"
    local seccomp <const> = 'no_new_privs = false, seccomp = { default = "allow", deny = { "ptrace" } }'
    local landlock <const> = 'no_new_privs = false, landlock = { fs = { ["/"] = "rx" } }'
    assert.equal(text:format "seccomp", check(('user = "nobody", sandbox = { %s }'):format(seccomp)))
    assert.equal(text:format "Landlock", check(('user = "nobody", sandbox = { %s }'):format(landlock)))
    assert.equal(text:format "seccomp", check(('sandbox = { caps = { "chown" }, %s }'):format(seccomp)))
    assert.equal(text:format "no_setuid_files",
      check 'user = "nobody", sandbox = { no_new_privs = false, no_setuid_files = true }')
    for _, keys in ipairs { "sandbox = { %s }", 'user = "nobody", sandbox = { caps = { "sys_admin" }, %s }',
      'user = "nobody", sandbox = { on_failure = "warn", %s }', 'sandbox = { namespaces = { "user" }, %s }' } do
      assert.equal("", check(keys:format(seccomp)))
    end
    local seen <const> = probe(('cwd = "/", user = "nobody", sandbox = { caps = { "sys_admin" }, %s }'):format(seccomp))
    assert.same({ 2, false }, { seen.seccomp, seen.no_new_privs })
  end)

  it("gains nothing by exec as root that a table of sets leaves out", function()
    if not as_root() then return end
    local none <const>, chown <const> = caps(), caps(0)
    local empty <const> = "permitted = {}, effective = {}, inheritable = {}, ambient = {}"
    for _, keys in ipairs {
      "no_new_privs = false, caps = { " .. empty .. " }",
      "no_new_privs = false, caps = { bounding = { 'chown' }, " .. empty .. " }",
      "caps = { effective = {} }",
      "caps = { permitted = { 'chown' }, effective = {} }",
    } do
      local seen = probe(("sandbox = { %s }"):format(keys)).caps
      assert.same({ none, none }, { seen.permitted, seen.effective }, keys)
    end
    local one <const> = "{ 'chown' }"
    local seen = probe(("sandbox = { caps = { permitted = %s, effective = %s } }"):format(one, one)).caps
    assert.same({ chown, chown }, { seen.permitted, seen.effective })
    seen = probe("sandbox = { securebits = {}, caps = { effective = {} } }").caps
    assert.not_equal(none, seen.effective)
  end)

  it("runs under its seccomp filter, in every clone mode", function()
    for _, mode in ipairs { "shared", "vfork", "copy" } do
      local keys = 'clone = %q, sandbox = { seccomp = { default = "allow", deny = { "ptrace" } } }'
      local seen = probe(keys:format(mode))
      assert.equal(2, seen.seccomp, mode)
    end
  end)

  it("cannot open what its Landlock rules leave out", function()
    local dir = harness.directory()
    harness.write(dir .. "/secret", "x")
    local w = harness.start(([[
local ward = require "ward"
local function service(name, fs)
  return ward.service { name = name, cmd = { "cat", %q }, cwd = "/", restart = "never",
    sandbox = { landlock = { fs = fs } } }
end
return { service("blind", { ["/usr"] = "rx", ["/lib"] = "rx", ["/lib64"] = "rx", ["/etc"] = "r" }),
         service("sees", { ["/"] = "rx" }) }
]]):format(dir .. "/secret"))
    assert.equal(1, w:until_state("blind", "failed").last_exit.code)
    w:until_state("sees", "done")
    assert.is_truthy(w:log("blind"):find("Permission denied"))
    w:stop()
  end)

  it("is alone in its namespaces", function()
    if not as_root() then return end
    local w = harness.start [[
return require("ward").service { name = "ns", restart = "never",
  cmd = { "sh", "-c", "echo $$; cat /proc/net/dev | wc -l; readlink /proc/self/ns/uts" },
  sandbox = { namespaces = { "pid", "net", "uts" }, pid1 = true } }
]]
    w:until_state("ns", "done")
    local pid, devices, uts = w:log("ns"):match("(%d+)\n(%d+)\n(%S+)")
    assert.equal("1", pid)
    assert.equal("3", devices) -- two lines of heading, and lo
    local _, own = harness.run { "readlink", "/proc/self/ns/uts" }
    assert.not_equal(own, uts .. "\n")
    w:stop()
  end)
end)
