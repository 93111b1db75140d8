-- What:     four small services that show what supervision looks like: one that ticks, one that needs it, one that
--           crashes every few seconds and comes back, one that does its work and is done.
-- Use when: you want to watch ward for the first time: make run
-- Needs:    /bin/sh, sleep and date.

local ward = require "ward"

local function sh(text)
  return { "/bin/sh", "-c", text }
end

local ticker = ward.service {
  name = "ticker",
  cmd = sh [[
    n=0
    while :; do
      n=$((n + 1))
      echo "tick $n on $(date +%A)"
      sleep 3
    done
  ]],
}

-- Starts after the ticker and stops before it. It ends by itself when it is told to, as a good service does.
local worker = ward.service {
  name = "worker",
  cmd = sh [[
    trap 'echo "putting my tools away"; exit 0' TERM
    for job in sorting counting packing labelling sweeping; do
      echo "$job"
      sleep 5 &
      wait $!
    done
    echo "that was all for now"
  ]],
  needs = { ticker },
  restart = "always",
}

-- Each crash makes the next wait longer, up to four seconds.
local flaky = ward.service {
  name = "flaky",
  cmd = sh [[
    echo "feeling fine"
    sleep 4
    echo "out of luck" >&2
    exit 1
  ]],
  restart = { on = "failure", backoff = { from = "500ms", factor = 2, max = "4s" } },
}

local greeter = ward.service {
  name = "greeter",
  cmd = sh [[echo "hello; Ctrl-C stops everything in order, ward status in another terminal shows it"]],
  restart = "never",
}

return ward.supervisor { name = "demo", children = { greeter, ticker, worker, flaky } }
