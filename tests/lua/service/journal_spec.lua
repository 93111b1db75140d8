-- What a killed supervisor leaves: its journal says what `ward status` said, and which processes there are.
local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

local SCRIPT <const> = [[
local ward = require "ward"
local function sleeper(name, keys)
  local spec = { name = name, cmd = { "sleep", "1000" } }
  for key, value in pairs(keys or {}) do spec[key] = value end
  return ward.service(spec)
end
local LATER = { on = "always", backoff = { from = "100s", max = "200s", jitter = 0.5 } }
local AT_ONCE = { on = "always", backoff = { from = 0 } }
return ward.supervisor { name = "app", children = {
  sleeper("db", { restart = AT_ONCE }),
  sleeper("web", { needs = { "db" }, restart = function() return 50 end }),
  sleeper("flaky", { restart = LATER }),
  sleeper("deaf", { cmd = { "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done" },
    stop = { "TERM", "100s", "KILL" } }),
  sleeper("held", { stop = { cmd = { "sleep", "100" }, timeout = "100s" } }),
  ward.supervisor { name = "group", strategy = "one_for_all", children = {
    sleeper("first", { restart = LATER }), sleeper "second",
  } },
  ward.pool { name = "worker", cmd = { "sleep", "1000" }, size = 2, max = 4, restart = AT_ONCE },
} }
]]

local function read(w)
  local path <const> = ("%s/%s/journal"):format(w.runtime, w.instance)
  local code <const>, out <const>, err <const> =
    harness.run { "build/tests/trusted", "tests/helpers/succession.lua", path }
  assert(code == 0, err)
  return cjson.decode(out), path
end

local function kill(w)
  assert(sys.kill(w.pid, "KILL"))
  assert(w:wait() == "KILL")
end

-- What there is of services when nothing changes any more.
local function status(w)
  local services, at = {}, sys.now()
  for _, each in ipairs(w:rpc("status").services) do
    services[each.name] = each
    each.next_at = each.next_in and at + each.next_in
  end
  return services
end

local function crash(w, name, state)
  assert(sys.kill(w:status(name).pid, "SEGV"))
  return state and w:until_state(name, state) or w:until_(function()
    local view = w:status(name)
    return view.restarts > 0 and view.ready
  end)
end

local KEYS <const> = { "state", "ready", "desired", "pid", "restarts", "paused", "stale", "removed" }

-- Is it as it was told?
local function compare(told, found)
  for name, each in pairs(told) do
    local view <const> = found.services[name]
    for _, key in ipairs(KEYS) do
      assert.equal(each[key], view[key], name .. " " .. key)
    end
    assert.same(each.last_exit, view.last_exit)
    assert.same(each.waits_for[1], view.waits_for[1])
    assert.equal(each.next_at == nil, view.next_at == nil, name)
    assert.is_true(each.next_at == nil or math.abs(each.next_at - view.next_at) < 2, name)
    assert.equal(each.pid, found.procs[name] and found.procs[name].pid)
    assert.equal(each.log, found.logs[name].path)
    assert.is_true(not each.pid or not each.uptime
      or math.abs(sys.now() - found.procs[name].started - each.uptime) < 30)
  end
end

describe("the journal of a supervisor that was killed", function()
  after_each(harness.cleanup)

  it("says where it stood", function()
    local w <const> = harness.start(SCRIPT)
    for _, name in ipairs { "db", "web", "flaky", "held", "first", "second", "worker-1", "worker-2" } do
      w:until_ready(name)
    end
    crash(w, "db")
    crash(w, "flaky", "backoff")
    crash(w, "web", "backoff")
    crash(w, "first", "backoff")
    w:until_state("second", "waiting")
    assert.equal(0, (w:cli("pause", "db")))
    assert.is_table(w:rpc("stop", { names = { "held" }, wait = false }))
    assert.is_table(w:rpc("stop", { names = { "deaf" }, wait = false }))
    w:until_state("held", "stopping")
    w:until_state("deaf", "stopping")
    crash(w, "worker-2")
    local waiting <close> = w:connect() -- a command that is not answered yet
    assert(waiting:send('{"jsonrpc":"2.0","id":1,"method":"restart","params":{"names":["second"]}}\n'))
    local before <const> = w:until_(function()
      local told <const> = status(w)
      return told.second.state == "ready" and told["worker-2"].ready and told
    end)
    kill(w)
    local found <const>, path <const> = read(w)
    compare(before, found)
    -- seven, and the pool: four, and one more to roll with
    assert.same({ w.pid, 12, 0 }, { found.pid, found.specs, found.functions })
    assert.is_nil(found.torn)
    assert.matches("^%x+%-", found.boot)
    assert.equal("rw-------", lfs.attributes(path, "permissions"))
    assert.is_number(found.helpers.held.pid)
    assert.same({ {}, {}, {} }, { found.launch, found.lost, found.run })
    assert.is_number(found.timers.flaky)
    assert.is_nil(found.timers.db)
    -- and goes on from there: what is to stop stops in order
    local order <const> = table.concat(found.signalled, " ")
    assert.matches("worker%-2.*worker%-1.*db", order)
  end)

  it("is as long as what happened, and counts up to where it was cut", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      return ward.service { name = "a", cmd = { "sleep", "1000" }, restart = { on = "always", backoff = { from = 0 } } }
    ]]
    w:until_ready "a"
    local pid <const> = w:status("a").pid
    crash(w, "a")
    kill(w)
    local found <const>, path <const> = read(w)
    assert.equal(1, found.services.a.restarts)
    local text <const> = harness.read(path)
    harness.write(path, text:sub(1, -2))
    local cut <const> = read(w)
    assert.matches("the journal ends early, at byte %d+: a record is cut or corrupt", cut.torn)
    assert.equal("ready", cut.services.a.state)
    assert.same({ 0, 1 }, { found.effects, cut.effects }) -- what was told of that may not have been
    local at <const> = math.tointeger(cut.torn:match "byte (%d+)")
    local last
    for cut_at = at, 100, -1 do
      harness.write(path, text:sub(1, cut_at))
      local less <const> = read(w)
      last = less.services and less or last
      if last and last.services.a.pid == pid then
        break
      end
    end
    assert.equal(pid, last.services.a.pid)
    harness.write(path, "no journal at all")
    assert.same({ code = "invalid", error = path .. " is no journal" }, (read(w)))
  end)

  it("takes reloads over: what was added, changed and removed", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      local function sleeper(name, keys)
        local spec = { name = name, cmd = { "sleep", "1000" } }
        for key, value in pairs(keys or {}) do spec[key] = value end
        return ward.service(spec)
      end
      sleeper "a" sleeper "b" sleeper "c"
    ]]
    for _, name in ipairs { "a", "b", "c" } do
      w:until_ready(name)
    end
    local text <const> = harness.read(w.script)
    local function reload(line)
      harness.write(w.script, (text:gsub("sleeper \"a\".*$", line)))
      local code <const>, out <const>, err <const> = w:cli "reload"
      assert(code == 0, out .. err)
    end
    reload [[sleeper "new" sleeper("b", { cmd = { "sleep", "1001" } }) sleeper("a", { restart = "always" })]]
    w:until_ready "new"
    w:until_ready "b"
    reload [[sleeper "new" sleeper("b", { cmd = { "sleep", "1001" } }) sleeper("a", { restart = "always" })]]
    crash(w, "a")
    local before <const> = status(w)
    assert.is_true(before.c.removed)
    kill(w)
    local found <const> = read(w)
    compare(before, found)
    assert.equal(3, found.specs)
  end)

  it("is read as it was written, and what is in doubt is told", function()
    local dir <const> = harness.directory()
    local code <const>, out <const>, err <const> = harness.run({ "build/tests/trusted",
      "tests/lua/service/journal_cases.lua", dir .. "/journal", "200" }, { seconds = 300 })
    assert.equal(0, code, out .. err)
    assert.matches("ok doubt\nok undo\nok terminals\nok reload\nok failure\nok nonsense\nok histories\n$", out)
  end)

  it("is in memory when its directory is full, which is said once, and serves a successor from there", function()
    local w <const> = harness.start([[
      local ward = require "ward"
      ward.service { name = "a", cmd = { "sleep", "1000" } }
      ward.service { name = "b", cmd = { "false" }, restart = { on = "always", backoff = { from = "1s", max = "1s" } } }
      ward.after("1s", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)
    ]], { under = { "unshare", "--mount", "sh", "-c",
      'mkdir -p "$WARD_RUNTIME_DIR" && mount -t tmpfs -o size=8k,mode=700 none "$WARD_RUNTIME_DIR" && '
        .. 'mkdir -m 700 "$WARD_RUNTIME_DIR/default" && ! cat /dev/zero >"$WARD_RUNTIME_DIR/filler" 2>/dev/null; '
        .. 'exec "$@"', "sh" }, wait = false })
    w:until_says "a +. ready"
    w:until_says "cannot write the journal: No space left on device; ward goes on, and has it in memory"
    w:until_says "quarantine"
    w:until_says "quarantine.*b +%* exited with code 1.*b +%* exited with code 1"
    local told <const> = w:err()
    w:stop()
    assert.equal(1, select(2, told:gsub("a +%* ready", "")))
    assert.equal(2, select(2, told:gsub("the journal", "")), told) -- once each
  end)

  it("is removed at an orderly end", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      return ward.service { name = "a", cmd = { "sleep", "1000" } }
    ]]
    w:until_ready "a"
    local path <const> = ("%s/%s/journal"):format(w.runtime, w.instance)
    assert.is_string(lfs.attributes(path, "mode"))
    w:stop()
    assert.is_nil(lfs.attributes(path, "mode"))
  end)
end)
