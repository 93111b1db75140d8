-- Hooks, rules, tasks and rolls that hang in a C function: what ward was in the midst of is neither lost nor done twice
-- when it has executed itself again. quarantine_spec.lua has what stays as it is.

local harness <const> = require "helpers.harness"
local standing <const> = require "helpers.standing"
local sys <const> = require "wardtest"

local by_name <const>, lasting <const> = standing.by_name, standing.lasting

-- HOOK is what its on_exit does before it hangs, BOX its sandbox.
local HOOKED <const> = [==[
local ward = require "ward"
local stuck = false
local function hang() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end
local trap
trap = ward.service { name = "trap", cmd = { "sleep", "1000" }, sandbox = { BOX },
  restart = { on = "always", backoff = { from = "10ms" } },
  on_exit = function() HOOK hang() return "stop" end }
ward.service { name = "other", cmd = { "sleep", "1001" }, restart = "never" }
ward.every("20ms", function() if stuck then hang() end end)
ward.command("stick", function() stuck = true end)
]==]

local function until_quarantine(w)
  local status
  w:until_(function()
    status = w:rpc "status" -- nil: the predecessor had the connection
    return status and status.quarantine
  end, 60, "the quarantine")
  assert.matches("script%.lua:%d+: a call did not return within 5.0s of CPU time", status.quarantine.because)
  return by_name(status)
end

local function start_hooked(hook, box)
  local w <const> = harness.start((HOOKED:gsub("HOOK", hook):gsub("BOX", box or "")))
  w:until_ready "trap"
  w:until_ready "other"
  return w, by_name(w:rpc "status")
end

local function zombies(w)
  local found = 0
  for _, pid in ipairs(w:processes()) do
    local stat <const> = harness.read(("/proc/%d/stat"):format(pid)) or ""
    if stat:match "^%d+ %b() Z" then found = found + 1 end
  end
  return found
end

describe("a hook that hangs while it is told of an exit", function()
  after_each(harness.cleanup)

  for what, how in pairs {
    ["that the engine has not heard of"] = { hook = "" },
    ["that the engine has heard of meanwhile"] = { hook = "trap:status()" },
    ["in a pid namespace"] = { hook = "", box = 'namespaces = { "pid" }' },
  } do
    it("leaves an exit behind that counts once, " .. what, function()
      local w <const>, before <const> = start_hooked(how.hook, how.box)
      assert.equal(0, (w:cli("signal", "trap", "USR1")))
      w:until_(function()
        local stat <const> = harness.read(("/proc/%d/stat"):format(before.trap.pid)) or ""
        return stat == "" or stat:match "^%d+ %b() Z"
      end, nil, "the end of it")
      assert(os.execute(("kill -KILL %d"):format(before.other.pid))) -- seen by the successor alone
      until_quarantine(w)
      w:until_ready("trap", before.trap.pid)
      w:until_state("other", "failed")
      local after <const> = by_name(w:rpc "status")
      assert.same({ before.trap.pid, "USR1", 1 },
        { after.trap.last_exit.pid, after.trap.last_exit.signal, after.trap.restarts })
      assert.same({ before.other.pid, "KILL" }, { after.other.last_exit.pid, after.other.last_exit.signal })
      w:until_(function() return zombies(w) == 0 end, nil, "the last zombie")
      assert.equal(after.trap.pid, w:status("trap").pid)
      w:stop()
      assert.same({}, w:left())
    end)
  end
end)

describe("a rule that hangs", function()
  after_each(harness.cleanup)

  it("is answered for as soon as the script is gone", function()
    local w <const> = harness.start([==[
local ward = require "ward"
ward.service { name = "trap", cmd = { "sleep", "1000" },
  restart = function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") return "stop" end }
]==])
    local pid <const> = w:until_ready "trap"
    assert.equal(0, (w:cli("signal", "trap", "KILL")))
    until_quarantine(w)
    w:until_ready("trap", pid)
    assert.matches("trap *%* the default rule applies: the script does not run", w:output())
    assert.equal("KILL", w:status("trap").last_exit.signal)
    w:stop()
    assert.same({}, w:left())
  end)
end)

describe("a pool that is replaced one by one", function()
  after_each(harness.cleanup)

  it("is neither larger nor older afterwards when the script hangs in the midst of it", function()
    local text <const> = [==[
local ward = require "ward"
ward.pool { name = "pool", size = 2, cmd = { "sleep", "1000" } }
]==]
    local w <const> = harness.start(text)
    w:until_ready "pool-1"
    w:until_ready "pool-2"
    harness.write(w.script, (text:gsub('"1000"', '"1001"')) ..
      'ward.on("ready", "pool-3", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)\n')
    w:cli "reload" -- the connection may end with the call
    until_quarantine(w)
    local services
    w:until_(function()
      services = w:rpc("status").services
      for _, view in ipairs(services) do
        local command <const> = view.pid and harness.read(("/proc/%d/cmdline"):format(view.pid))
        if view.state ~= "ready" or view.stale or command ~= "sleep\0001001\0" then return false end
      end
      return #services == 2
    end, nil, "two new members")
    w:stop()
    assert.same({}, w:left())
  end)

  it("is so also when the script itself has asked for it", function()
    local w <const> = harness.start [==[
local ward = require "ward"
local pool = ward.pool { name = "pool", size = 2, cmd = { "sleep", "1000" } }
ward.on("ready", "pool-3", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)
ward.command("roll", function() return pool:roll() end)
]==]
    local first <const>, second <const> = w:until_ready "pool-1", w:until_ready "pool-2"
    w:cli("do", "roll") -- the connection may end with the call
    until_quarantine(w)
    w:until_(function()
      local services <const> = w:rpc("status").services
      for _, view in ipairs(services) do
        if view.state ~= "ready" or view.pid == first or view.pid == second then return false end
      end
      return #services == 2
    end, nil, "two new members")
    w:stop()
    assert.same({}, w:left())
  end)
end)

describe("a library that is half installed", function()
  after_each(harness.cleanup)

  it("is waited for: the supervisor does not execute itself into nothing", function()
    local dir <const> = harness.directory()
    assert.equal(0, (harness.run { "cp", "-r", "lua", dir .. "/lua" }))
    local logs <const> = dir .. "/lua/ward/service/logs.lua"
    local whole <const> = harness.read(logs)
    local w <const> = harness.start([==[
local ward = require "ward"
ward.service { name = "a", cmd = { "sleep", "1000" } }
ward.command("hang", function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end)
]==], { env = { WARD_LUA = dir .. "/lua" } })
    local pid <const> = w:until_ready "a"
    harness.write(logs, "return nil +")
    local asking <close> = assert(w:connect())
    assert(asking:send '{"jsonrpc":"2.0","id":1,"method":"do","params":{"name":"hang","args":[]}}\n')
    w:until_says "cannot execute itself again: its Lua library does not load"
    assert.is_true(sys.alive(pid))
    harness.write(logs, whole)
    assert.equal(pid, until_quarantine(w).a.pid)
    w:stop()
    assert.same({}, w:left())
  end)
end)

describe("a timer whose function hangs", function()
  after_each(harness.cleanup)

  it("ends in quarantine as well, and services go on, also when the journal has been removed", function()
    local w <const>, before <const> = start_hooked ""
    assert(os.remove(w.runtime .. "/" .. w.env.WARD_INSTANCE .. "/journal"))
    assert.equal(0, (w:cli("do", "stick")))
    local after <const> = until_quarantine(w)
    for name, view in pairs(before) do assert.same(lasting(view), lasting(after[name])) end
    assert.equal(0, (w:cli("signal", "trap", "KILL")))
    w:until_ready("trap", before.trap.pid)
    w:stop()
    assert.same({}, w:left())
  end)
end)

describe("a task whose variable hangs as it is closed", function()
  after_each(harness.cleanup)

  it("does not undo the reload that ends it", function()
    local text = [==[
local ward = require "ward"
local hang <const> = { __close = function() string.find(("a"):rep(200), ("a*"):rep(40) .. "b") end }
ward.service { name = "a", cmd = { "sleep", "1000" } }
ward.after(0, function() local x <close> = setmetatable({}, hang) print "held" ward.sleep(1000) end)
]==]
    local w <const> = harness.start(text)
    w:until_says "held"
    local pid <const> = w:until_ready "a"
    harness.write(w.script, (text:gsub('"1000"', '"1001"')))
    w:cli "reload" -- the connection ends with the call
    until_quarantine(w)
    assert.not_equal(pid, w:until_ready("a", pid))
    assert.equal(2, w:rpc("status").generation)
    local command <const> = harness.read(("/proc/%d/cmdline"):format(w:status("a").pid))
    assert.equal("sleep\0001001\0", command)
    text = text:gsub('"1000"', '"1002"') .. 'ward.after("100ms", function() hang.__close() end)\n'
    harness.write(w.script, text)
    assert.equal(0, (w:cli "reload"))
    w:until_(function()
      local now <const> = w:rpc "status"
      return now and now.generation == 3 and now.quarantine
    end, 60, "the quarantine of the third version")
    local kept <const> = harness.read(w.runtime .. "/" .. w.env.WARD_INSTANCE .. "/last-good")
    assert(not kept:find("1002", 1, true), "what hung is not what worked last")
    w:stop()
    assert.same({}, w:left())
  end)
end)
