-- What:     a job that runs every night at an hour, is ended when it takes too long, and cleans up after itself however
--           it ended; no two of them run at once.
-- Use when: a backup or a report belongs to what ward supervises, and must not hang or leave its mess.
-- Needs:    /bin/sh. Environment, all optional: JOB (a shell command, run in a directory of its own), JOB_AT (03:00,
--           local time), JOB_LIMIT (1h), JOB_DIR (nightly under TMPDIR or /tmp: what is in it is removed).

local ward = require "ward"

local job = ward.env.JOB or "echo backing up; sleep 5"
local limit = ward.env.JOB_LIMIT or "1h"
local dir = ward.env.JOB_DIR or (ward.env.TMPDIR or "/tmp") .. "/nightly"
local last = ward.keep("nightly", { runs = 0 })

local hour, minute = (ward.env.JOB_AT or "03:00"):match "^(%d%d?):([0-5]%d)$"
assert(hour and tonumber(hour) < 24, "JOB_AT must be such as 03:00")
assert(limit:find "^%d+m?[smhd]$", "JOB_LIMIT must be such as 90m") -- now, not in the night
local one_at_a_time = ward.semaphore(1)

local function clean_up() ward.run { cmd = { "rm", "-rf", "--", dir }, timeout = "1m" } end

-- A task of its own: whoever asks for a run may go.
ward.on("nightly", function()
  local _ <close> = one_at_a_time:acquire()
  clean_up() -- what a run left that ward itself did not survive
  local result, err = ward.run {
    cmd = { "/bin/sh", "-euc", 'mkdir -m 700 "$DIR"; cd "$DIR"\n' .. job }, env = { DIR = dir }, timeout = limit,
    stdout = "log",
  }
  clean_up()
  last.runs, last.at = last.runs + 1, os.time()
  last.result = not result and err.message or result.ok and "done" or
    ("failed with %s %s"):format(result.code or result.signal, result.stderr:match "([^\n]*)\n*$")
  ward.log(last.result == "done" and "info" or "error", "the nightly job: " .. last.result)
end)

-- Seconds until the next HH:MM. Asked again each night: days with a change of the clock are no 24 hours.
local function until_next()
  local now = os.time()
  local t = os.date("*t", now)
  t.hour, t.min, t.sec, t.isdst = tonumber(hour), tonumber(minute), 0, nil
  if os.time(t) <= now then t.day = t.day + 1 end
  return os.time(t) - now
end

ward.after(0, function()
  while true do
    ward.sleep(until_next())
    ward.emit "nightly"
  end
end)

ward.command("nightly", { help = "run the nightly job now, and wait for it" }, function()
  local runs = last.runs
  ward.emit "nightly"
  repeat ward.sleep "50ms" until last.runs > runs
  if last.result == "done" then return "done" else return nil, last.result end
end)
ward.command("nightly-last", { help = "how the last one went" }, function()
  return last.at and os.date("%F %T ", last.at) .. last.result or "it has not run yet"
end)
