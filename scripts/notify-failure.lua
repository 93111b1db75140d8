-- What:     tells somebody when a service keeps failing, once, with the end of its log; and when it is well again.
-- Use when: a restart hides trouble that a person should know of.
-- Needs:    ward in PATH. Environment: NOTIFY, a shell command that takes the message on stdin (`mail -s ward ops`), or
--           NOTIFY_URL, where it is posted, or else it is a line of ward's own; optional: APP (the command that is
--           supervised), NOTIFY_AFTER (3 failures), NOTIFY_WELL (30s of good running are recovery).

local ward = require "ward"

local after = assert(tonumber(ward.env.NOTIFY_AFTER or "3"), "NOTIFY_AFTER must be a number")
local well = ward.env.NOTIFY_WELL or "30s"

ward.service {
  name = "app",
  cmd = { "/bin/sh", "-c", ward.env.APP or "echo starting; sleep 1; echo 'no disk' >&2; exit 1" },
  restart = { on = "always", backoff = { from = "100ms", max = "10s" } },
}

local function send(text)
  local ok, err
  if ward.env.NOTIFY_URL then
    ok, err = ward.http.post(ward.env.NOTIFY_URL, { text = text }, { timeout = "10s" })
  elseif ward.env.NOTIFY then
    ok, err = ward.run { cmd = { "/bin/sh", "-c", ward.env.NOTIFY }, input = text, timeout = "30s" }
  else
    return ward.log("warn", text)
  end
  if not ok or not ok.ok then
    ward.log("error", "nobody was told", { text = text, error = err and err.message or "it was refused" })
  end
end

local function last_lines(name)
  local log = ward.run { cmd = { "ward", "logs", "-n", 20, name }, timeout = "5s" }
  return log and log.ok and log.stdout or "(its log cannot be read)\n"
end

local failures, recovery = {}, {}

-- A failure is an exit that nobody asked for.
ward.on("exit", function(event)
  local name, exit = event.name, event.exit
  if recovery[name] then recovery[name]:cancel() end
  if exit.ok then return end
  failures[name] = (failures[name] or 0) + 1
  if failures[name] == after then
    send(("%s has failed %d times, the last time with %s %s\n\n%s"):format(
      name, after, exit.kind, exit.code or exit.signal or exit.message or "", last_lines(name)))
  end
end)

ward.on("ready", function(event)
  local name = event.name
  recovery[name] = ward.task(function()
    ward.sleep(well)
    if (failures[name] or 0) >= after then send(name .. " is well again\n") end
    failures[name] = 0
  end)
  recovery[name]:wait()
end)
