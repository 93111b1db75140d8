-- Another version of the script takes over under children that run.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

local HEAD <const> = [[
local ward = require "ward"
local function sleeper(name, keys)
  local spec = { name = name, cmd = { "sleep", "1000" }, restart = { backoff = { from = 0 } } }
  for key, value in pairs(keys or {}) do spec[key] = value end
  return ward.service(spec)
end
]]

local function start(text, opts)
  opts = opts or {}
  local w <const> = harness.start(HEAD .. text, opts)
  w.text = text
  return w
end

local function rewrite(w, text)
  harness.write(w.script, HEAD .. text)
end

-- `ward reload` with options; raises unless it ends as expected.
local function reload(w, options, want)
  local words = {}
  for word in (options or ""):gmatch("%S+") do words[#words + 1] = word end
  -- A load may use five seconds of CPU time, which can be many on a busy machine.
  local opts <const> = { env = w.env, seconds = 90 }
  local code <const>, out <const>, err <const> = harness.run({ harness.ward, "reload", table.unpack(words) }, opts)
  assert.equal(want or 0, code, out .. err)
  return out, err
end

local function has(w, name)
  for _, service in ipairs(w:rpc("status").services) do
    if service.name == name then return true end
  end
  return false
end

local function until_new(w, name)
  w:until_(function() return has(w, name) end, nil, "a service " .. name)
  return w:until_ready(name)
end

local function pids(w, names)
  local list = {}
  for name in names:gmatch("%S+") do list[#list + 1] = w:until_ready(name) end
  return list
end

describe("a reload", function()
  after_each(harness.cleanup)

  it("starts what is new, restarts what is stale, changes policy live and leaves the rest alone", function()
    local w <const> = start [[sleeper "same" sleeper "cmd" sleeper "policy" sleeper "gone"]]
    local before <const> = pids(w, "same cmd policy gone")
    rewrite(w, [[sleeper "same" sleeper("cmd", { cmd = { "sleep", "1001" } })
      sleeper("policy", { restart = "never" }) sleeper "new"]])
    local plan <const> = reload(w, "--plan")
    assert.same(before, pids(w, "same cmd policy gone"))
    assert.is_false(has(w, "new"))
    assert.equal([[
+  new     new
~  policy  changed while it runs (restart)
!  cmd     to be restarted (cmd)
-  gone    declared no longer: goes on (--prune stops it)
1 unchanged; nothing was done
]], plan)
    reload(w)
    until_new(w, "new")
    local cmd <const> = w:until_ready("cmd", before[2])
    assert.same({ before[1], cmd, before[3], before[4] }, pids(w, "same cmd policy gone"))
    assert.equal(0, w:status("same").restarts)
    assert.equal(0, (w:cli("signal", "policy", "KILL")))
    w:until_state("policy", "failed")
    local out <const> = reload(w, "--prune")
    assert.equal("-  gone  stopped\n4 unchanged\n", out)
    w:until_(function() return not has(w, "gone") end, nil, "gone is forgotten")
    assert.equal(4, (w:cli("status", "gone")))
    w:stop()
  end)

  it("stops what is declared no longer when the script wants that", function()
    local w <const> = start [[sleeper "kept" sleeper "gone" sleeper "later"]]
    local before <const> = pids(w, "kept gone later")
    rewrite(w, [[sleeper "kept" sleeper "later" ward.settings { prune = true }]])
    assert.equal("-  gone  to be stopped\n2 unchanged; nothing was done\n", reload(w, "--plan"))
    assert.same(before, pids(w, "kept gone later"))
    sys.kill(w.pid, "HUP")
    w:until_(function() return not has(w, "gone") end, nil, "gone is forgotten")
    rewrite(w, [[sleeper "kept" ward.settings { prune = false }]])
    assert.equal("-  later  declared no longer: goes on (--prune stops it)\n1 unchanged\n", reload(w))
    rewrite(w, [[sleeper "kept" ward.settings { prune = true }]])
    assert.equal("-  later  stopped\n1 unchanged\n", reload(w))
    w:until_(function() return not has(w, "later") end, nil, "later is forgotten")
    assert.same({ before[1] }, pids(w, "kept"))
    w:stop()
  end)

  it("tells of a pool's members that are wanted, now or before, and of no other", function()
    local function pool(size)
      return ([[ward.pool { name = "p", size = %d, cmd = { "sleep", "1000" } }]]):format(size)
    end
    local w <const> = start(pool(2))
    pids(w, "p-1 p-2")
    assert.equal("2 unchanged\n", reload(w))
    rewrite(w, pool(3))
    assert.equal("~  p-3  changed while it runs (size)\n2 unchanged; nothing was done\n", reload(w, "--plan"))
    assert.equal("~  p-3  changed while it runs (size)\n2 unchanged\n", reload(w))
    pids(w, "p-3")
    rewrite(w, pool(2))
    assert.equal("~  p-3  changed while it runs (size)\n2 unchanged\n", reload(w))
    w:until_(function() return not has(w, "p-3") end, nil, "p-3 is stopped")
    rewrite(w, pool(0))
    assert.equal("~  p-1  changed while it runs (size)\n~  p-2  changed while it runs (size)\n0 unchanged\n", reload(w))
    w:stop()
  end)

  it("leaves what is stale as it is when told so, and says so", function()
    local w <const> = start [[sleeper "a"]]
    local pid <const> = w:until_ready "a"
    rewrite(w, [[sleeper("a", { env = { X = "1" } })]])
    reload(w, "--no-restart")
    assert.equal(pid, w:until_ready "a")
    assert.is_true(w:status("a").stale)
    assert.matches("ready, stale", select(2, w:cli("status")), 1, true)
    w:cli("restart", "a")
    assert.is_nil(w:status("a").stale)
    w:stop()
  end)

  it("compares with what runs what was left as it is", function()
    local w <const> = start [[sleeper "a" sleeper "b"]]
    local before <const> = pids(w, "a b")
    local function leave()
      rewrite(w, [[sleeper("a", { env = { X = "1" } }) sleeper "b"]])
      reload(w, "--no-restart")
      assert.is_true(w:status("a").stale)
    end
    leave()
    assert.equal("!  a  to be restarted (env)\n1 unchanged; nothing was done\n", reload(w, "--plan"))
    rewrite(w, [[sleeper "a" sleeper "b"]])
    assert.equal("~  a  changed while it runs (env)\n1 unchanged\n", reload(w))
    assert.is_nil(w:status("a").stale)
    assert.equal("2 unchanged\n", reload(w))
    assert.same(before, pids(w, "a b"))
    leave()
    assert.equal("!  a  restarted (env)\n1 unchanged\n", reload(w))
    w:until_ready("a", before[1])
    assert.equal("2 unchanged\n", reload(w))
    assert.equal(before[2], w:until_ready "b")
    w:stop()
  end)

  it("is refused when a program that it would start is missing, but for what may bring it", function()
    local w <const> = start [[sleeper("gone", { cmd = { "./tool" }, restart = "never" }) sleeper "a"]]
    w:until_state("gone", "failed") -- a start with one that is missing starts the others
    local pid <const> = w:until_ready "a"
    local function refused(text, name)
      rewrite(w, text)
      local _, err <const> = reload(w, "", 1)
      assert.equal(('%s:5: service "%s": executable "./tool" not found\n'):format(w.script, name), err)
      assert.equal(pid, w:until_ready "a")
      assert.equal(1, w:rpc("status").generation)
    end
    refused([[sleeper "a" sleeper("new", { cmd = { "./tool" } })]], "new")
    refused([[sleeper("a", { cmd = { "./tool" } })]], "a")
    refused([[sleeper "a" sleeper("gone", { cmd = { "./tool" }, umask = 63 })]], "gone")
    rewrite(w, [[sleeper("gone", { cmd = { "./tool" }, restart = { on = "always", backoff = { from = "1h" } } })
      local made = ward.service { name = "made", type = "oneshot",
        cmd = { "sh", "-c", "ln -s $(command -v sleep) tool" } }
      sleeper "a" sleeper("new", { cmd = { "./tool", "1000" }, needs = { made } })]])
    reload(w)
    until_new(w, "new")
    assert.equal(pid, w:until_ready "a")
    w:stop()
  end)

  it("that fails changes nothing, and names the line", function()
    local w <const> = start [[local n = 0 ward.every("20ms", function() n = n + 1 print("n", n) end) sleeper "a"]]
    local pid <const> = w:until_ready "a"
    w:until_says "n    2"
    local broken <const> = {
      ["sleeper("] = ":7: unexpected symbol near <eof>",
      ["error 'boom'"] = ":7: boom",
      ["sleeper 'a' while true do end"] = ":7: used its CPU budget",
      ["local t = {} while true do t[#t + 1] = ('x'):rep(1e6) end"] = "memory limit",
      ["local function f() return 1 + f() end f()"] = "memory limit",
      ["error(setmetatable({}, { __tostring = error }))"] = ":7: an error whose __tostring fails",
      ["sleeper('a', { stop_timout = 3 })"] = 'unknown key "stop_timout"',
      ["sleeper('a', { needs = { 'b' } })"] = 'needs unknown service "b"',
      ["sleeper('a', { user = 'no such user' })"] = "user",
      ["require 'nothing'"] = ":7: no module",
      ["ward.spawn { cmd = { 'true' } }"] = ":7: ward.spawn: only",
      ["sleeper 'a' return 7"] = "must return a supervisor",
    }
    for text, message in pairs(broken) do
      rewrite(w, text)
      local _, err <const> = reload(w, "", 1)
      assert.matches(message, err, 1, true)
      assert.matches(w.script, err, 1, true)
      assert.equal(pid, w:until_ready "a")
    end
    os.remove(w.script)
    assert.matches("cannot read", select(2, reload(w, "", 1)), 1, true)
    local seen <const> = select(2, w:output():gsub("\tn", ""))
    w:until_says("n    " .. seen + 3)
    assert.equal(1, w:rpc("status").generation)
    w:stop()
  end)

  it("hands over what the script keeps, and lets it migrate that", function()
    local w <const> = start [[
      local k = ward.keep("box", { n = 0 })
      ward.after(0, function() k.n = k.n + 1 k.list = { 1, 2 } print("first", k.n) end)
      sleeper "a"]]
    w:until_says "first    1"
    rewrite(w, [[
      local k = ward.keep("box", { total = 0 }, { migrate = function(old)
        return { total = (old.n or old.total) * 10, list = old.list }
      end })
      ward.after(0, function() print("second", k.total, #k.list) end)
      sleeper "a"]])
    reload(w)
    w:until_says "second    10    2"
    rewrite(w, [[
      ward.keep("box", {}, { migrate = function() error "cannot migrate" end })
      sleeper "a"]])
    assert.matches("cannot migrate", select(2, reload(w, "", 1)), 1, true)
    rewrite(w, [[
      ward.keep("box", {}, { migrate = function() return { ("x"):rep(1 << 20) } end })
      sleeper "a"]])
    assert.matches('keep "box": would be larger than 1048576 bytes', select(2, reload(w, "", 1)),
      1, true)
    assert.equal(2, w:rpc("status").generation)
    rewrite(w, [[
      local k = ward.keep("box", { total = 1 })
      ward.after(0, function() print("third", k.total) end)
      sleeper "a"]])
    reload(w, "--discard-state")
    w:until_says "third    1"
    w:stop()
  end)

  it("ends the tasks of the version before, with their children and their variables", function()
    local w <const> = start [[
      ward.after(0, function()
        local p <close> = setmetatable({}, { __close = function() print "closed" end })
        local child = ward.spawn { cmd = { "sleep", "4321" } }
        print("child", child.pid)
        ward.sleep(1000)
      end)
      ward.every("10ms", function() print "old tick" end)
      sleeper("a", { on_exit = function() print "old hook" end })]]
    w:until_says "child    %d+"
    local child <const> = w:output():match "child%s+(%d+)"
    w:until_ready "a"
    rewrite(w, [[ward.on("reload", function(e) print("reloaded", e.generation) end)
      sleeper("a", { on_exit = function() print "new hook" end })]])
    reload(w)
    w:until_says "closed"
    w:until_says "reloaded    2"
    w:until_(function() return harness.read(("/proc/%s/stat"):format(child)) == nil end, nil, "the child is gone")
    local ticks <const> = select(2, w:output():gsub("old tick", ""))
    w:cli("signal", "a", "KILL")
    w:until_says "new hook"
    assert.equal(ticks, select(2, w:output():gsub("old tick", "")))
    assert.is_nil(w:output():find("old hook", 1, true))
    w:stop()
  end)

  it("rolls a pool: the new member is ready before an old one goes", function()
    local w <const> = start [[ward.pool { name = "p", size = 2, cmd = { "sleep", "1000" } }]]
    pids(w, "p-1 p-2")
    rewrite(w, [[ward.pool { name = "p", size = 2, cmd = { "sleep", "1001" } }]])
    reload(w)
    w:until_(function()
      local count = 0
      local services <const> = w:rpc("status").services
      for _, each in ipairs(services) do count = count + (each.ready and not each.stale and 1 or 0) end
      return count == 2 and #services == 2
    end, nil, "two new members")
    rewrite(w, [[ward.pool { name = "p", size = 2, restart = "never", type = "oneshot", cmd = { "false" } }]])
    reload(w)
    w:until_says "did not become ready: 2 of 2 members stay as they were"
    w:stop()
  end)

  it("rolls a pool on to what is declared while it rolls", function()
    local function pool(version)
      return ([[ward.pool { name = "p", size = 2, max = 3, stop = { "TERM", "1h", "KILL" },
        cmd = { "sh", "-c", "trap 'until [ -e enough ]; do sleep 0.01; done; exit' TERM; sleep 100%d & wait" } }]])
        :format(version)
    end
    local w <const> = start(pool(0))
    pids(w, "p-1 p-2")
    for version = 1, 2 do
      rewrite(w, pool(version))
      reload(w)
      w:until_state("p-1", "stopping")
    end
    harness.write(w.dir .. "/enough", "")
    w:until_(function()
      local fresh = 0
      local services <const> = w:rpc("status").services
      for _, each in ipairs(services) do
        local line <const> = each.pid and harness.read(("/proc/%d/cmdline"):format(each.pid)) or ""
        fresh = fresh + (each.ready and not each.stale and line:find("1002", 1, true) and 1 or 0)
      end
      return fresh == 2 and #services == 2
    end, nil, "two members of the last version")
    w:stop()
  end)

  it("comes with SIGHUP, and with a change on disk", function()
    local w <const> = start([[sleeper "a"]], { args = { "--watch" } })
    local pid <const> = w:until_ready "a"
    rewrite(w, [[sleeper "a" sleeper "b"]])
    until_new(w, "b")
    rewrite(w, [[sleeper "a" sleeper "b" error "half"]])
    w:until_says "half"
    local fresh <const> = w.script .. ".new"
    harness.write(fresh, HEAD .. [[sleeper "a" sleeper "c"]])
    os.rename(fresh, w.script)
    until_new(w, "c")
    assert.equal(0, (harness.run { "kill", "-HUP", tostring(w.pid) }))
    w:until_says "SIGHUP"
    assert.equal(pid, w:until_ready "a")
    w:stop()
  end)

  it("comes with what changes the way to the sources, too", function()
    local dir <const> = harness.directory()
    local function put(path, name) harness.write(dir .. path, HEAD .. "sleeper '" .. name .. "'") end
    local function shell(commands)
      assert.equal(0, (harness.run({ "sh", "-ec", commands }, { cwd = dir })))
    end
    shell "mkdir one two busy; ln -s one current; ln -s ../current/app.lua busy/link.lua"
    put("/one/app.lua", "first")
    put("/two/app.lua", "second")
    local w <const> = harness.start(dir .. "/busy/link.lua", { args = { "--watch" } })
    w:until_ready "first"
    put("/one/app.lua", "edited") -- behind two links
    until_new(w, "edited")
    shell "ln -s two next; mv -T next current"
    until_new(w, "second")
    -- A module in a directory that the version before did not know; what it requires is found beside the script's link.
    shell "mkdir -p busy/lib"
    harness.write(dir .. "/busy/lib/name.lua", "return 'third'")
    harness.write(dir .. "/two/app.lua", HEAD .. "sleeper(require 'name')")
    until_new(w, "third")
    harness.write(dir .. "/busy/lib/name.lua", "return 'fourth'")
    until_new(w, "fourth")
    -- It goes, and comes back later.
    shell "mv busy/lib away"
    w:until_says "not reloaded %(changed on disk%)"
    shell "mkdir busy/lib; echo \"return 'fifth'\" >busy/lib/name.lua"
    until_new(w, "fifth")
    w:stop()
  end)

  it("comes when a module is mended that only the refused version requires", function()
    local w <const> = start([[sleeper "a"]], { args = { "--watch" } })
    w:until_ready "a"
    rewrite(w, [[sleeper "a" sleeper(require "names.late")]])
    w:until_says "no module \"names.late\""
    assert.equal(0, (harness.run({ "mkdir", "-p", "lib/names" }, { cwd = w.dir })))
    harness.write(w.dir .. "/lib/names/late.lua", "return 'b")
    w:until_says "unfinished string"
    harness.write(w.dir .. "/lib/names/late.lua", "return 'b'")
    until_new(w, "b")
    w:stop()
  end)

  it("comes with a change in a directory that is never quiet", function()
    local w <const> = start([[sleeper "a"]], { args = { "--watch" } })
    w:until_ready "a"
    rewrite(w, [[sleeper "a" sleeper "b"]])
    local serial = 0
    w:until_(function()
      serial = serial + 1
      harness.write(w.dir .. "/other", tostring(serial))
      return has(w, "b")
    end, 20, "b, though the directory is busy")
    w:stop()
  end)

  it("of what is declared again and ends meanwhile starts it anew", function()
    -- Members of pools that are not wanted: what makes a reload long, and costs no process.
    local function many(arg)
      return ([[for i = 1, 2 do
        ward.pool { name = "p" .. i, size = 0, max = 999, cmd = { "sleep", "%d" } }
      end
      sleeper "a" ]]):format(arg)
    end
    local w <const> = start(many(1) .. [[sleeper "again"]])
    local connection <close> = assert(w:connect())
    for round = 1, 8 do
      local pid <const> = w:until_ready "again"
      rewrite(w, many(1))
      reload(w)
      rewrite(w, many(1 + round) .. [[sleeper "again"]])
      assert(connection:send '{"jsonrpc":"2.0","id":1,"method":"reload"}\n')
      sys.sleep_ms(round * 40) -- any moment of it will do
      w:cli("stop", "again")
      assert.matches('"result"', harness.read_line(connection), 1, true)
      assert.equal(0, (w:cli("start", "again")))
      assert.not_equal(pid, w:until_ready "again")
    end
    assert.is_nil(w:err():find("internal error", 1, true))
    w:stop()
  end)

  it("of a version that fails on and on is taken back", function()
    local w <const> = start [[sleeper("a", { on_start = function() print "good" end })]]
    local pid <const> = w:until_ready "a"
    rewrite(w, [[ward.every("10ms", function() while true do end end) sleeper "a"]])
    reload(w)
    w:until_says "back to the one before"
    w:until_says "rolled back"
    w:until_(function() return w:rpc("status").generation == 3 end, nil, "the third version")
    assert.equal(pid, w:until_ready "a")
    w:cli("restart", "a")
    w:until_says "good"
    w:stop()
  end)

  local SPINS <const> = [[sleeper("a") ward.every("50ms", function() while true do end end)]]

  it("of the same once more leaves the way back as it is", function()
    local w <const> = start [[sleeper "a"]]
    w:until_ready "a"
    rewrite(w, SPINS)
    reload(w)
    reload(w)
    w:until_says "rolled back"
    w:stop()
  end)

  it("is not taken back for what somebody types", function()
    local w <const> = start [[sleeper "a"]]
    w:until_ready "a"
    rewrite(w, [[sleeper "a" sleeper "b"]])
    reload(w)
    w:until_ready "b"
    for _ = 1, 4 do assert.equal(1, (w:cli("eval", "while true do end"))) end
    assert.equal(2, w:rpc("status").generation)
    assert.is_nil(w:err():find("back to the one before", 1, true))
    w:stop()
  end)

  it("comes after the start when a SIGHUP comes while that is under way", function()
    local w <const> = start([[local n = 0 for i = 1, 3e7 do n = n + i end sleeper "a"]], { wait = false })
    harness.until_(function() -- from then on it is blocked
      local status <const> = harness.read(("/proc/%d/status"):format(w.pid))
      return tonumber(status:match "SigBlk:%s*(%x+)", 16) & 1 == 1
    end, nil, "SIGHUP is watched")
    sys.kill(w.pid, "HUP")
    w:until_says "reloaded .* %(SIGHUP%)"
    w:stop()
  end)

  it("is one for those who ask at once, and reads the last source", function()
    local w <const> = start [[sleeper "a"]]
    w:until_ready "a"
    rewrite(w, [[sleeper "a" sleeper "b"]])
    local connection <const> = w:connect()
    for id = 1, 20 do
      connection:send(('{"jsonrpc":"2.0","id":%d,"method":"reload"}\n'):format(id))
    end
    local answers, rest = 0, nil
    while answers < 20 do
      local line
      line, rest = harness.read_line(connection, 20, rest)
      assert.matches('"result"', line, 1, true)
      answers = answers + 1
    end
    connection:close()
    assert.is_true(w:rpc("status").generation <= 4)
    w:until_ready "b"
    w:stop()
  end)

  it("starts from the last good sources when those on disk are broken, if that is wanted", function()
    local w <const> = start [[sleeper "a"]]
    w:until_ready "a"
    w:stop()
    rewrite(w, "error 'broken'")
    local code <const>, _, err <const> = harness.run({ harness.ward, "run", w.script }, { env = w.env })
    assert.equal(1, code)
    assert.matches("broken", err, 1, true)
    assert.matches("--last-good", err, 1, true)
    for text, message in pairs {
      ["error 'broken'"] = ":7: broken",
      ['string.find(("a"):rep(200), ("a*"):rep(40) .. "b")'] = ":7: a call does not return while loading",
    } do
      rewrite(w, text)
      local again <const> = harness.start(w.script, { env = w.env, args = { "--last-good" }, wait = false })
      again:until_says "a +%* ready"
      assert.matches(message, again:err(), 1, true)
      assert.matches("starting the sources that worked last", again:err(), 1, true)
      again:stop()
    end
  end)

  it("starts from no other script's last good sources, though its path is written alike", function()
    local dir <const> = harness.directory()
    assert(lfs.mkdir(dir .. "/one"))
    assert(lfs.mkdir(dir .. "/other"))
    local function run(at, text)
      harness.write(("%s/%s/app.lua"):format(dir, at), text)
      return harness.run({ harness.ward, "run", "--last-good", "app.lua" }, {
        cwd = dir .. "/" .. at, env = { WARD_RUNTIME_DIR = dir .. "/run", WARD_LOG_DIR = dir .. "/log" },
      })
    end
    local code, _, err = run("one", [[
      local ward = require "ward"
      return ward.supervisor { name = "app", auto_shutdown = "any_significant", children = { ward.service {
        name = "first", type = "oneshot", cmd = { "true" }, restart = "never", significant = true } } }]])
    assert.equal(0, code, err)
    code, _, err = run("other", "error 'broken'")
    assert.equal(1, code, err)
    assert.equal("app.lua:1: broken\n", err)
    code, _, err = run("one", "error 'broken'")
    assert.equal(0, code, err)
    assert.matches("first +%* exited with code 0", err)
  end)

  it("tells apart what it restarts and what is another one with its next start", function()
    local w <const> = start [[sleeper "a" sleeper "down" sleeper "paused"
      ward.pool { name = "p", size = 1, cmd = { "sleep", "1000" } }]]
    local before <const> = pids(w, "a down paused p-1")
    assert.equal(0, (w:cli("stop", "down")))
    assert.equal(0, (w:cli("pause", "paused")))
    local text <const> = [[local X <const> = { X = "1" } sleeper("a", { env = X }) sleeper("down", { env = X })
      sleeper("paused", { env = X }) ward.pool { name = "p", size = 1, cmd = { "sleep", "1000" }, env = X }]]
    rewrite(w, text)
    local later <const> = [[
!  down    another one with its next start (env)
!  paused  another one with its next start (env)
]]
    local said <const> = "!  a       %s (env)\n!  p-1     %s (env)\n%s0 unchanged%s\n"
    local due <const>, done <const> = "to be restarted", "restarted"
    assert.equal(said:format(due, due, later, "; nothing was done"), reload(w, "--plan"))
    assert.equal(said:format(done, done, later, ""), reload(w))
    assert.matches("2 restarted, 2 for the next start, 0 unchanged", w:err(), 1, true)
    w:until_ready("a", before[1])
    assert.equal(before[3], w:until_ready "paused")
    assert.is_true(w:status("paused").stale)
    assert.equal("stopped", w:status("down").state)
    w:stop()
  end)
end)
