-- Many reloads in a row: nothing grows, and nothing that happens meanwhile is lost or told twice.
--
-- WARD_RELOADS sets how many there are; 3000 take some minutes (`make soak`).

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

local RELOADS <const> = tonumber(os.getenv "WARD_RELOADS" or 200)
local SETTLED <const> = 100 -- reloads after which memory is what it will be
local MOST_GROWTH <const> = 1024 -- KiB
local KILLED <const> = 8 -- services that are killed

local REQUEST <const> = '{"jsonrpc":"2.0","id":1,"method":"reload"}\n'

-- Some reloads, one after the other; `meanwhile` is called again and again.
local function reload(connection, count, meanwhile)
  for _ = 1, count do
    assert(connection:send(REQUEST))
    local answer = ""
    repeat
      if meanwhile then meanwhile() end
      local bytes <const>, message <const> = connection:recv(meanwhile and 0 or 20)
      assert(bytes or meanwhile and message == "timeout", message)
      answer = answer .. (bytes or "")
    until answer:find("\n", 1, true)
    assert.matches('"result"', answer, 1, true)
  end
end

-- A line that tests/run shows.
local function note(text, ...) print("# note: " .. text:format(...)) end

local function descriptors(w)
  local count = 0
  for _ in lfs.dir(("/proc/%d/fd"):format(w.pid)) do count = count + 1 end
  return count
end

-- KiB; nil with a sanitizer, which keeps what is freed for a while.
local function resident(w)
  if harness.read(("/proc/%d/maps"):format(w.pid)):find("asan", 1, true) then return nil end
  return tonumber(harness.read(("/proc/%d/status"):format(w.pid)):match "VmRSS:%s+(%d+)")
end

-- A function that kills every child that it finds and has not killed before, and how often each pid was.
local function killer(w)
  local times <const> = {}
  local dying = {}
  return function()
    local seen <const> = {}
    for _, pid in ipairs(sys.children(w.pid)) do
      seen[pid] = true
      if not dying[pid] and sys.kill(pid, "KILL") then
        dying[pid], times[pid] = true, (times[pid] or 0) + 1
      end
    end
    -- A number that is gone may come again.
    for pid in pairs(dying) do dying[pid] = seen[pid] end
  end, times
end

-- What the script has counted: pid -> how often.
local function counted(w, what)
  local code <const>, out <const>, err <const> = w:cli("do", "counts", what)
  assert(code == 0, err)
  local counts <const> = {}
  for pid, times in out:gmatch "(%d+)=(%d+)" do counts[tonumber(pid)] = tonumber(times) end
  return counts
end

describe("many reloads", function()
  after_each(harness.cleanup)

  it("leave no descriptor and no memory behind, with 1,000 timers and 100 tasks that wait", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      for _ = 1, 1000 do ward.every("1h", function() end) end
      for _ = 1, 100 do
        ward.after(0, function()
          local held <close> = setmetatable({}, { __close = function() end })
          ward.sleep("1h")
          return held
        end)
      end
      ward.service { name = "a", cmd = { "sleep", "1000" } }
    ]]
    local pid <const> = w:until_ready "a"
    local connection <close> = assert(w:connect()) -- one for all: it is a descriptor, too
    reload(connection, SETTLED)
    local fds <const>, memory <const> = descriptors(w), resident(w)
    for _ = 1, RELOADS - SETTLED, 50 do
      reload(connection, 50)
      assert.equal(fds, descriptors(w))
    end
    if memory then
      local after <const> = resident(w)
      assert(after - memory <= MOST_GROWTH, ("%d KiB, then %d KiB"):format(memory, after))
      note("%d reloads: %d descriptors, %d KiB resident, then %d", RELOADS, fds, memory, after)
    end
    assert.equal(pid, w:until_ready "a")
    assert.is_true(w:rpc("status").generation > RELOADS)
    w:stop()
  end)

  it("tell every exit once, however fast children are killed", function()
    local w <const> = harness.start(([[
      local ward = require "ward"
      local counts = { hooked = ward.keep "hooked", heard = ward.keep "heard" }
      local function count(what, exit)
        local pid = tostring(exit.pid)
        counts[what][pid] = (counts[what][pid] or 0) + 1
      end
      for i = 1, %d do
        ward.service { name = "s" .. i, cmd = { "sleep", "1000" }, restart = { on = "always", backoff = { from = 0 } },
          on_exit = function(_, exit) count("hooked", exit) end }
      end
      ward.on("exit", function(event) count("heard", event.exit) end)
      ward.command("counts", function(what)
        local list = {}
        for pid, times in pairs(counts[what]) do list[#list + 1] = pid .. "=" .. times end
        print(table.concat(list, " "))
      end)
    ]]):format(KILLED))
    local kill <const>, times <const> = killer(w)
    local connection <close> = assert(w:connect())
    reload(connection, RELOADS // 3, kill)
    local kills = 0
    for _, count in pairs(times) do kills = kills + count end
    assert(kills >= RELOADS, kills .. " were killed")
    for _, what in ipairs { "hooked", "heard" } do
      local counts
      w:until_(function()
        counts = counted(w, what)
        for pid in pairs(times) do
          if not counts[pid] then return false end
        end
        return true
      end, nil, what .. " of every exit")
      assert.same(times, counts)
    end
    note("%d reloads: %d children killed, each exit told once", RELOADS // 3, kills)
    w:stop()
  end)
end)
