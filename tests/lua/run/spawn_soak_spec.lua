-- Many children of one task, one after the other: neither memory nor descriptors grow.
--
-- WARD_ROUNDS sets how many there are; 100,000 take a minute or two (`make soak`).

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"
local task <const> = require "helpers.task"

local ROUNDS <const> = math.tointeger(tonumber(os.getenv "WARD_ROUNDS" or 3000))
local MOST_GROWTH <const> = 512 -- KiB

describe("a task", function()
  after_each(harness.cleanup)

  it("that spawns and waits again and again leaves memory and descriptors as after the first thousand", function()
    local w <const> = task.start(([[
      local function round(i)
        assert(assert(ward.spawn { cmd = { TRUE }, stdout = "null", stderr = "null" }):wait().ok)
        if i %% 10 == 0 then
          assert(ward.run { cmd = { TRUE } }.ok)
          assert(not ward.spawn { cmd = { "/nope" }, stdin = "pipe", stdout = "pipe" })
        end
      end
      for i = 1, 1000 do round(i) end
      print("first", memory(), descriptors())
      for i = 1001, %d do round(i) end
      print("last", memory(), descriptors())
    ]]):format(ROUNDS), ([[
      local TRUE <const> = %q
      local function memory() return ward.fs.read("/proc/self/status"):match "VmRSS:%%s+(%%d+)" end
      local function descriptors() return #ward.fs.list("/proc/self/fd") end
    ]]):format(harness.tiny))
    local from <const> = sys.now()
    w:until_(function() return w:err():find "the end" end, 60 + ROUNDS / 100, "the end of all rounds")
    local seconds <const> = sys.now() - from
    local first_memory <const>, first_fds <const> = w:err():match "first    (%d+)    (%d+)"
    local last_memory <const>, last_fds <const> = w:err():match "last    (%d+)    (%d+)"
    assert.equal(first_fds, last_fds)
    -- A sanitizer keeps what is freed for a while.
    if not harness.read(("/proc/%d/maps"):format(w.pid)):find("asan", 1, true) then
      assert(last_memory - first_memory <= MOST_GROWTH, ("%s KiB, then %s KiB"):format(first_memory, last_memory))
    end
    print(("# note: %d rounds in %.0f s: %s descriptors, %s KiB resident, then %s"):format(ROUNDS, seconds, last_fds,
      first_memory, last_memory))
    w:stop()
  end)
end)
