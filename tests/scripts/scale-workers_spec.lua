-- scripts/scale-workers.lua with a real redis: the group grows with the list, works it off, and shrinks again.

local harness <const> = require "helpers.harness"

describe("scripts/scale-workers.lua", function()
  after_each(harness.cleanup)

  it("follows the length of the list", function()
    local port <const> = harness.free_port()
    local w <const> = harness.start("scripts/scale-workers.lua", {
      env = { REDIS_PORT = port, WORKERS_MAX = "3", WORKERS_EVERY = "100ms", WORK_TIME = "0.05" },
    })
    local function redis(...)
      local code <const>, out <const> = harness.run({ "redis-cli", "-e", "-p", port, ... })
      return code == 0 and out:gsub("%s+$", "")
    end
    local function running()
      local count = 0
      for i = 1, 3 do
        if w:status("worker-" .. i).ready then count = count + 1 end
      end
      return count
    end
    w:until_(function() return redis("PING") == "PONG" end, nil, "redis answers")
    w:until_(function() return running() == 1 end, nil, "one worker")
    local jobs <const> = {}
    for i = 1, 60 do jobs[i] = "job-" .. i end
    redis("RPUSH", "jobs", table.unpack(jobs))
    w:until_(function() return running() == 3 end, nil, "three workers")
    w:until_(function() return redis("LLEN", "jobs") == "0" end, nil, "the work is done")
    w:until_(function() return running() == 1 end, nil, "one worker again")
    -- One that is told to go between a job and its line has done the job, too.
    w:until_(function()
      local done = 0
      for i = 1, 3 do done = done + select(2, w:log("worker-" .. i):gsub("did job%-%d+\n", "")) end
      return done >= 50
    end, nil, "the lines of the jobs")
    w:stop()
  end)
end)
