-- What:     a supervision tree: a database, and a group of an API and its workers that restarts as one; with restart
--           rules of its own, in Lua, by what an exit says.
-- Use when: exit codes mean something: "configuration is wrong, do not try again", "come back later", "ask for help".
-- Needs:    /bin/sh. Environment, all optional: DB, API, JOBS (the commands).

local ward = require "ward"

local function sh(text)
  return { "/bin/sh", "-c", text }
end

-- From sysexits(3): 78 is a fault in the configuration, which no restart mends; 75 is trouble that passes.
local CONFIG, TRY_LATER = 78, 75
local SHORT = 1 -- seconds: who ends sooner has not really run

local function rule(exit, history)
  if exit.code == CONFIG then return "stop" end
  if exit.code == TRY_LATER then return "2s" end
  local short = 0
  for i = #history.exits, 1, -1 do
    if (history.exits[i].uptime or 0) >= SHORT then break end
    short = short + 1
  end
  -- The whole group may be what is broken: its supervisor decides, and starts it afresh.
  if short >= 3 then return "escalate" end
  return 0.1 * 2 ^ short
end

local db = ward.service { name = "db", cmd = sh(ward.env.DB or "echo db; exec sleep 1000"), restart = "always" }

local api = ward.service {
  name = "api", needs = { db }, restart = rule,
  cmd = sh(ward.env.API or "echo api; exec sleep 1000"),
  on_exit = function(self, exit)
    ward.log("warn", self.name .. " has ended", { kind = exit.kind, code = exit.code, signal = exit.signal })
  end,
}

local jobs = ward.service {
  name = "jobs", needs = { api }, restart = rule,
  cmd = sh(ward.env.JOBS or "echo jobs; exec sleep 1000"),
}

return ward.supervisor {
  name = "site", strategy = "one_for_one", intensity = { 5, within = "1m" },
  children = {
    db,
    ward.supervisor {
      name = "front", strategy = "rest_for_one", restart = { on = "always", backoff = { from = "200ms", max = "5s" } },
      children = { api, jobs },
    },
  },
}
