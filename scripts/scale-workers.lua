-- What:     a group of workers that grows and shrinks with the length of a list in redis, one for each ten jobs.
-- Use when: work comes in waves, and idle workers cost memory or connections.
-- Needs:    redis-server (Debian: redis-server, redis-tools). Environment, all optional: REDIS_PORT (6381),
--           WORKERS_MAX (8), WORKERS_EVERY (5s), WORK_TIME (0.2: seconds that a job takes).

local ward = require "ward"

local port = ward.env.REDIS_PORT or "6381"
local most = assert(tonumber(ward.env.WORKERS_MAX or "8"), "WORKERS_MAX must be a number")
local JOBS_EACH = 10
local CALM = 3 -- looks in a row that ask for fewer workers before one goes

local redis = ward.service {
  name = "redis",
  cmd = { "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no" },
}

local workers = ward.pool {
  name = "worker", size = 1, min = 1, max = most, needs = { redis },
  env = { PORT = port, WORK_TIME = ward.env.WORK_TIME or "0.2" },
  -- A job is done before the next is taken, and TERM waits for it: a shell runs its trap between two commands.
  cmd = { "/bin/sh", "-c", [[
    trap 'exit 0' TERM
    while :; do
      job=$(redis-cli -p "$PORT" LPOP jobs 2>/dev/null)
      if [ -n "$job" ]; then sleep "$WORK_TIME"; echo "did $job"; else sleep 0.1; fi
    done ]] },
}

local function waiting()
  local answer = ward.run { cmd = { "redis-cli", "-p", port, "LLEN", "jobs" }, timeout = "2s" }
  return answer and answer.ok and tonumber(answer.stdout)
end

local calm = 0

ward.every(ward.env.WORKERS_EVERY or "5s", function()
  local jobs = waiting()
  if not jobs then return end -- redis is not up: no reason to change anything
  local size = workers:size()
  local want = math.max(1, math.min(most, math.ceil(jobs / JOBS_EACH)))
  calm = want < size and calm + 1 or 0
  if calm >= CALM then
    want, calm = size - 1, 0
  elseif want <= size then
    return
  end
  local ok, err = workers:resize(want)
  ward.log(ok and "info" or "error", ("%d jobs wait: %d workers, before %d"):format(jobs, want, size), { error = err })
end)

return ward.supervisor { name = "work", children = { redis, workers } }
