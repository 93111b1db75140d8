-- Services and pools that a script's tasks start, stop and resize.

local harness <const> = require "helpers.harness"

local HEAD <const> = [[
local ward = require "ward"
local function sleeper(name, keys)
  local spec = { name = name, cmd = { "sleep", "1000" } }
  for key, value in pairs(keys or {}) do spec[key] = value end
  return ward.service(spec)
end
]]

local function start(text)
  return harness.start(HEAD .. text)
end

-- NAME=STATE of all that ward status shows.
local function states(w)
  local list = {}
  for i, service in ipairs(w:rpc("status", {}).services) do list[i] = service.name .. "=" .. service.state end
  return table.concat(list, " ")
end

local function until_states(w, expected)
  w:until_(function() return states(w) == expected end, nil, expected)
end

describe("a service's methods", function()
  after_each(harness.cleanup)

  it("start, stop, restart, signal and tell how it is", function()
    local w <const> = start [[
      local a = sleeper "a"
      local b = sleeper("b", { needs = { a } })
      ward.after(0, function()
        print("start", b:start())
        local before = b:status().pid
        print("restart", b:restart(), before ~= b:status().pid, b:status().ready)
        print("stop", a:stop("5s"), a:status().state, a:status().pid, b:status().state)
        print("signal", a:signal("USR1"))
        print("start", a:start(), b:start(), b:status().state)
        print("signal", b:signal "KILL")
      end)]]
    w:until_says "signal    true"
    local said <const> = w:err()
    assert.matches("script +%* start    true\n", said)
    assert.matches("script +%* restart    true    true    true\n", said)
    assert.matches("script +%* stop    true    stopped    nil    waiting\n", said)
    assert.matches('signal    nil    service "a" is not running\n', said)
    assert.matches("script +%* start    true    true    ready\n", said)
    w:stop()
  end)

  it("fail with a reason, time out, and say what is wrong with a call", function()
    local w <const> = start [[
      local bad = ward.service { name = "bad", cmd = { "false" }, type = "oneshot", restart = "never" }
      local slow = ward.service { name = "slow", cmd = { "sleep", "1000" }, type = "oneshot" }
      ward.after(0, function()
        local ok, err = bad:start()
        print("bad", ok, err.code, err)
        ok, err = slow:restart("20ms")
        print("slow", ok, err.code, err)
        print(pcall(slow.start))
        print(pcall(slow.signal, slow, "NOPE"))
        print(pcall(slow.start, slow, "soon"))
        print "over"
      end)]]
    w:until_says "script +%* over"
    local said <const> = w:err()
    assert.matches('bad    nil    failed    service "bad": failed: exited with code 1\n', said)
    assert.matches('slow    nil    timeout    service "slow": not done within the time\n', said)
    assert.matches("script.lua:%d+: service:start: call it with a colon, on a service\n", said)
    assert.matches('script.lua:%d+: service:signal: the signal: unknown signal "NOPE"', said)
    assert.matches('script.lua:%d+: service:start: timeout: bad duration "soon"', said)
    w:stop()
  end)

  it("are not for loading time", function()
    local path <const> = harness.write(harness.directory() .. "/s.lua", HEAD .. 'sleeper("a"):stop()')
    local code <const>, _, err <const> = harness.run { harness.ward, "check", path }
    assert.equal(1, code)
    assert.matches("s.lua:7: service:stop: only declarations are allowed while a script loads", err)
  end)
end)

describe("a pool", function()
  after_each(harness.cleanup)

  it("has as many members as its size, each with what makes it different", function()
    local w <const> = start [[
      local pool = ward.pool { name = "w", size = 2, max = 4, cmd = { "sleep", "1000" },
        each = function(i) return { cmd = { "sh", "-c", "echo member " .. i .. "; exec sleep 1000" } } end }
      local began
      ward.on("ready", "w-2", function()
        if began then return end
        began = true
        print("size", pool:size(), pool.name)
        print("resize", pool:resize(4), pool:size())
        print("resize", pool:resize(1), pool:size())
        print("resize", pool:resize(0), pool:size())
        print("resize", pool:resize(3), pool:size())
        print(pcall(pool.resize, pool, 5))
        print(pcall(pool.resize, pool, "many"))
        print "over"
      end)]]
    w:until_says "script +%* over"
    until_states(w, "w-1=ready w-2=ready w-3=ready")
    local said <const> = w:err()
    assert.matches("size    2    w\n", said)
    assert.matches("resize    true    4\n", said)
    assert.matches("resize    true    1\n", said)
    assert.matches("resize    true    0\n", said)
    assert.matches("resize    true    3\n", said)
    assert.matches("pool:resize: the size: must be a whole number from 0 to 4, got number 5\n", said)
    assert.matches("pool:resize: the size: must be a whole number from 0 to 4, got string", said)
    assert.equal("member 3\n", (w:log("w-3"):match "^[^\n]*\n"))
    assert.equal(4, (w:cli("status", "w-9")))
    assert.equal(3, (w:cli("status", "w-5")))
    local _, graph <const> = w:cli "graph"
    assert.not_matches("w%-4", graph)
    w:stop()
  end)

  it("rolls one by one; the old ones stay when a new one does not come up", function()
    local w <const> = start [[
      local p = ward.pool { name = "p", size = 2, cmd = { "sleep", "1000" } }
      local began
      ward.on("ready", "p-2", function()
        if began then return end
        began = true
        print("roll", p:roll())
        local all = ward.all { function() return p:roll() end, function() return p:resize(1) end }
        print("both", all[1], all[2], p:size())
      end)
      ward.on("stop", "p-1", function() print("rolled", "p-1") end)]]
    w:until_says "both    true    true    1"
    assert.matches("script +%* rolled    p%-1", w:err())
    w:stop()
    local v <const> = start [[
      local p = ward.pool { name = "p", size = 2, restart = { backoff = { from = "1h", max = "1h" } }, type = "oneshot",
        each = function(i) return { cmd = { i == 3 and "false" or "true" } } end }
      ward.on("ready", "p-2", function()
        local ok, err = p:roll()
        print("roll", ok, err)
      end)]]
    v:until_says "roll    nil    service \"p%-3\": exited with code 1"
    until_states(v, "p-1=done p-2=done")
    v:stop()
  end)

  it("rolls on when the task that asked is over, and under a reload", function()
    local text <const> = [[
      local p = ward.pool { name = "p", size = 2, cmd = { "sleep", "1000" }, stop = { "CONT", "300ms", "TERM" } }
      ward.command("roll", function() return ward.timeout("100ms", function() return p:roll() end) end)]]
    local w <const> = start(text)
    local first <const>, second <const> = w:until_ready "p-1", w:until_ready "p-2"
    assert.equal(1, (w:cli("do", "roll")))
    harness.write(w.script, HEAD .. text .. "\n")
    assert.equal(0, (w:cli "reload"))
    w:until_(function()
      local services <const> = w:rpc("status", {}).services
      for _, each in ipairs(services) do
        if not each.ready or each.pid == first or each.pid == second then return false end
      end
      return #services == 2
    end, nil, "two new members")
    w:stop()
  end)

  it("is refused when it makes no sense", function()
    local dir <const> = harness.directory()
    for text, message in pairs {
      ["{ size = 2 }"] = "pool: name: is required",
      ['{ name = "w", cmd = { "x" }, size = 5, max = 4 }'] =
        'pool "w": size: must be a whole number from 0 to 4, got number 5',
      ['{ name = "w", cmd = { "x" }, size = 1, min = 2 }'] =
        'pool "w": min: must be a whole number from 0 to 1, got number 2',
      ['{ name = "w", cmd = { "x" }, each = 3 }'] = 'pool "w": each: must be a function, got number 3',
      ['{ name = "w", cmd = { "x" }, each = print }'] =
        'pool "w": each: must be a function that returns a table of keys, got nothing',
      ['{ name = "w", cmd = {} }'] = 'pool "w": service "w-1": cmd: must not be empty',
      ['{ name = "w", cmd = { "x" }, max_size = 2 }'] = 'pool "w": service "w-1": unknown key "max_size"',
    } do
      local path <const> = harness.write(dir .. "/s.lua", HEAD .. "ward.pool " .. text)
      local code <const>, _, err <const> = harness.run { harness.ward, "check", path }
      assert.equal(1, code)
      assert.equal(path .. ":7: " .. message .. "\n", err)
    end
  end)
end)
