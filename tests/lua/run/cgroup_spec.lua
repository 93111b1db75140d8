-- Control groups of services, on a kernel with cgroup v2.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local function own_group()
  local _, out <const> = harness.run {
    "awk", '$(NF-2) == "cgroup2" { print $5; exit }', "/proc/self/mountinfo",
  }
  local point <const> = out:match("^(%S+)\n")
  local below <const> = harness.read("/proc/self/cgroup"):match("0::([^\n]*)")
  return point and below and point .. (below == "/" and "" or below)
end

local OWN <const> = own_group()

local function reason_to_skip()
  if os.execute("test $(id -u) = 0") ~= true then return "making control groups needs root" end
  if not OWN then return "no cgroup v2" end
  if os.execute(("mkdir %s/ward-test-try 2>/dev/null && rmdir %s/ward-test-try"):format(OWN, OWN)) ~= true then
    return "cgroup v2 is not delegated to us"
  end
end

local SKIP <const> = reason_to_skip()
local INSTANCE <const> = "test-" .. sys.pid() -- the groups are named after it

local function start(keys, opts)
  opts = opts or {}
  opts.instance = INSTANCE
  return harness.start(([[
    local ward = require "ward"
    return ward.service { name = "x", %s }
  ]]):format(keys), opts)
end

local function exists(path)
  return require("lfs").attributes(path) ~= nil
end

local LEAF <const> = (OWN or "") .. "/ward-" .. INSTANCE .. "/x"

-- A service that leaves processes in sessions of their own, out of reach of its process group.
local STRAYS <const> = [[
  cmd = { "sh", "-c", "setsid sleep 1001 & setsid sh -c 'setsid sleep 1002 & sleep 1003' & sleep 1004" }
]]

describe("a service with a control group", function()
  after_each(harness.cleanup)
  if SKIP then
    return pending(SKIP)
  end

  it("is born in it, in every clone mode, and it ends with ward", function()
    for _, clone in ipairs { "shared", "vfork", "copy" } do
      local w <const> = start(([[cmd = { "cat", "/proc/self/cgroup" }, restart = "never", cgroup = true, clone = %q]])
        :format(clone))
      w:until_state("x", "done")
      assert.matches("0::%S*/ward%-" .. INSTANCE:gsub("%-", "%%-") .. "/x/%d+\n", w:log "x")
      assert.is_true(exists(LEAF))
      w:stop()
      assert.is_false(exists(LEAF))
    end
    assert.is_false(exists(OWN .. "/ward-" .. INSTANCE))
  end)

  it("takes everything with it when it crashes or is stopped, whatever session that is in", function()
    local w <const> = start(STRAYS .. [[, cgroup = true, restart = "never"]])
    w:until_(function() return #w:left() >= 5 end, nil, "the service and its strays")
    local _, err <const> = sys.kill(w:status("x").pid, "KILL")
    assert.is_nil(err)
    w:until_(function() return #w:left() == 0 end, nil, "the end of all strays")
    w:cli("start", "x")
    w:until_(function() return #w:left() >= 5 end, nil, "the strays again")
    assert.equal(0, (w:cli("stop", "x")))
    w:until_(function() return #w:left() == 0 end, nil, "the end of all strays")
    w:stop()
  end)

  it("cannot outrun its end by forking", function()
    local w <const> = start [[cmd = { "sh", "-c", "while :; do setsid sleep 1000 & sleep 0.005; done" }, cgroup = true]]
    w:until_(function() return #w:left() > 50 end, nil, "many children")
    w:stop()
  end)

  it("does not start in one that is frozen", function()
    local w <const> = start [[cmd = { "true" }, restart = "never", cgroup = true]]
    w:until_state("x", "done")
    harness.write(LEAF .. "/cgroup.freeze", "1")
    harness.until_(function() return harness.read(LEAF .. "/cgroup.events"):find("frozen 1") end, nil, "the frost")
    w:cli("start", "x")
    local exit <const> = w:until_state("x", "failed").last_exit
    assert.same({ "spawn_failed", "cgroup" }, { exit.kind, exit.stage })
    assert.matches("is frozen", exit.message)
    harness.write(LEAF .. "/cgroup.freeze", "0")
    w:cli("start", "x")
    w:until_state("x", "done")
    w:stop()
  end)

  it("may be a task's child", function()
    local w <const> = harness.start([[
      local ward = require "ward"
      ward.after(0, function()
        for _ = 1, 3 do
          local r = ward.run { cmd = { "sh", "-c", "cat /proc/self/cgroup; setsid sleep 1000 &" }, cgroup = true,
            stderr = "null" }
          print(r.stdout:match "0::%S*")
        end
        print "the end"
        ward.sleep "1h"
      end)
    ]], { instance = INSTANCE })
    w:until_says("the end")
    w:until_(function() return #w:left() == 0 end, nil, "the end of what they left")
    assert.matches("/ward%-" .. INSTANCE:gsub("%-", "%%-") .. "/@task%-1/%d+", w:err())
    w:stop()
    assert.is_false(exists(OWN .. "/ward-" .. INSTANCE))
  end)

  it("leaves nothing behind where a task's child cannot have its limits, and says what one goes without", function()
    if harness.read(OWN .. "/cgroup.controllers"):find("memory") then
      pending("this machine has the memory controller")
      return
    end
    local w <const> = harness.start([[
      local ward = require "ward"
      ward.after(0, function()
        local function open() return #ward.fs.list "/proc/self/fd" end
        local spec = { cmd = { "true" }, cgroup = { memory = "64M" } }
        local p, err = ward.spawn(spec)
        print(p, err.stage, err)
        local base = open()
        for _ = 1, 10 do ward.spawn(spec) end
        print("more open:", open() - base)
        spec.cgroup.optional = true
        print(ward.spawn(spec):wait().ok)
        print "the end"
        ward.sleep "1h"
      end)
    ]], { instance = INSTANCE })
    w:until_says("the end")
    assert.matches("nil    cgroup    there is no memory controller for memory.max %(stage cgroup%)", w:err())
    assert.matches("more open:    0\n", w:err())
    assert.matches("true runs without what it may do without: there is no memory controller for memory.max", w:err())
    for name in require("lfs").dir(OWN .. "/ward-" .. INSTANCE) do
      assert.is_nil(name:find("@task", 1, true), name)
    end
    w:stop()
  end)

  it("is never that of another ward of the same name", function()
    local wards <const> = {}
    for i = 1, 3 do
      wards[i] = start [[cmd = { "sleep", "1000" }, cgroup = true]]
      wards[i]:until_ready "x"
      assert.matches("/ward%-" .. INSTANCE:gsub("%-", "%%-") .. (i == 1 and "" or "." .. i) .. "/x/1\n",
        harness.read(("/proc/%d/cgroup"):format(wards[i]:status("x").pid)))
    end
    assert(sys.kill(wards[1]:status("x").pid, "KILL") ~= nil)
    wards[2]:stop()
    assert.equal("ready", wards[3]:status("x").state)
    wards[1]:until_(function() return wards[1]:status("x").restarts == 1 end, nil, "the restart")
    wards[1]:stop()
    assert.equal("ready", wards[3]:status("x").state)
    wards[3]:stop()
    for _, number in ipairs { "", ".2", ".3" } do
      assert.is_false(exists(OWN .. "/ward-" .. INSTANCE .. number))
    end
  end)

  it("is new even where a dead ward left one with something in it", function()
    local dir <const> = OWN .. "/ward-" .. INSTANCE
    assert(os.execute(("mkdir -p %s/x/1 %s/x/3"):format(dir, dir)))
    local stranger <const> = assert(sys.spawn { "sleep", "1000" })
    harness.write(dir .. "/x/1/cgroup.procs", tostring(stranger))
    local w <const> = start [[cmd = { "sh", "-c", "cat /proc/self/cgroup; exec sleep 1000" }, cgroup = true]]
    w:until_(function() return w:log("x"):find("/x/2\n") end, nil, "the second group")
    w:cli("restart", "x")
    w:until_(function() return w:log("x"):find("/x/4\n") end, nil, "the fourth group")
    w:stop()
    assert.is_nil(sys.wait(stranger, 0))
    sys.kill(stranger, "KILL")
    assert.equal("KILL", sys.wait(stranger, 20).signal)
    assert(os.execute(("rmdir %s/x/1 %s/x/3 %s/x %s"):format(dir, dir, dir, dir)))
  end)

  it("shows it in explain", function()
    local script <const> = harness.write(harness.directory() .. "/s.lua", [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "true" }, cgroup = { memory = { max = "64M", high = "48M" }, pids = 10,
        cpu = { max = 0.5, weight = 50 }, optional = true } }
    ]])
    local code <const>, out <const> = harness.run { harness.ward, "explain", script }
    assert.equal(0, code)
    assert.matches("1  cgroup +born in control group ward%-INSTANCE/x: cpu.max 50000 100000, cpu.weight 50, memory.high"
      .. " 50331648, memory.max 67108864, pids.max 10, if it can be", out)
  end)

  it("is refused where the kernel has no such controller, unless that is optional", function()
    local controllers <const> = harness.read(OWN .. "/cgroup.controllers")
    if controllers:find("memory") then
      pending("this machine has the memory controller")
      return
    end
    local dir <const> = harness.directory()
    local text <const> = [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "sleep", "1000" }, cgroup = { memory = "64M", optional = %s } }
    ]]
    local code <const>, _, err <const> = harness.run {
      harness.ward, "check", harness.write(dir .. "/s.lua", text:format("false")),
    }
    assert.equal(1, code)
    assert.matches('s.lua:2: service "x": cgroup: ' .. OWN:gsub("%-", "%%-") .. " has no memory controller", err)
    local w <const> = harness.start(text:format("true"), { instance = INSTANCE })
    w:until_ready "x"
    local degraded <const> = w:status("x").degraded
    assert.equal("cgroup", degraded[1].stage)
    assert.matches("no memory controller", degraded[1].message)
    w:until_says("runs without what it may do without")
    w:stop()
  end)

  it("has its limits", function()
    local controllers <const> = harness.read(OWN .. "/cgroup.controllers")
    if not controllers:find("pids") then
      pending("cgroup v2 has no pids controller here")
      return
    end
    local w <const> = start [[cmd = { "sleep", "1000" }, cgroup = { pids = 10 }]]
    w:until_ready "x"
    assert.equal("10\n", harness.read(LEAF .. "/pids.max"))
    w:stop()
    -- A program that makes ever more processes gets no further.
    for group, code in pairs { ["true"] = 0, ["{ pids = 10 }"] = 1 } do
      local bomb <const> = start(('cmd = { %q, "forks", "60" }, restart = "never", cgroup = %s'):format(harness.attack,
        group))
      local exit <const> = bomb:until_(function() return bomb:status("x").last_exit end, nil, "the end of the forks")
      assert.equal(code, exit.code, group)
      bomb:stop()
    end
  end)

  it("is refused where cgroup v2 is not mounted", function()
    local script <const> = harness.write(harness.directory() .. "/s.lua", [[
      local ward = require "ward"
      return ward.service { name = "x", cmd = { "true" }, cgroup = true }
    ]])
    local code <const>, _, err <const> = harness.run {
      "unshare", "-m", "sh", "-c", 'umount -l "$1" && exec "$2" check "$3"', "sh",
      OWN:gsub(harness.read("/proc/self/cgroup"):match("0::([^\n]*)"):gsub("^/$", "") .. "$", ""), harness.ward, script,
    }
    assert.equal(1, code)
    assert.matches('service "x": cgroup: no cgroup v2 hierarchy', err)
  end)
end)
