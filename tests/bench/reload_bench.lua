-- How long a reload of an unchanged script takes, and of one in which every line has moved, and how long the loop keeps
-- others waiting meanwhile.
--
--     lua5.4 tests/bench/reload_bench.lua      from the top of a built tree; $WARD_BIN is the ward
--
-- One connection asks for reloads; another asks for the version again and again, and its slowest answers are what a
-- child's exit would have waited.

package.path = "tests/?.lua;" .. package.path
package.cpath = "build/tests/?.so;" .. package.cpath

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local GOAL_LATENCY <const> = 20 -- ms, p99

local RELOAD <const> = '{"jsonrpc":"2.0","id":1,"method":"reload"}\n'
local VERSION <const> = '{"jsonrpc":"2.0","id":2,"method":"version"}\n'

local function quantile(list, q)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * q))]
end

-- What a connection has brought by now, or nil.
local function look(connection)
  local bytes <const>, message <const> = connection:recv(0)
  if not bytes and message == "timeout" then return nil end
  return assert(bytes ~= "" and bytes, "the connection was closed")
end

-- What those would have waited that asked each millisecond: a long turn keeps many, not one.
local function keep_waits(waits, ms)
  repeat
    waits[#waits + 1] = ms
    ms = ms - 1
  until ms <= 0
end

local function one_reload(asker, other, waits)
  local began <const> = sys.now()
  assert(asker:send(RELOAD))
  local answer = ""
  repeat
    local asked <const> = sys.now()
    assert(other:send(VERSION))
    harness.read_line(other)
    keep_waits(waits, (sys.now() - asked) * 1000)
    answer = answer .. (look(asker) or "")
  until answer:find("\n", 1, true)
  assert(answer:find('"result"', 1, true), answer)
  return (sys.now() - began) * 1000
end

local function script(services)
  return ([[
    local ward = require "ward"
    for i = 1, %d do
      ward.service { name = "s" .. i, cmd = { "true" }, type = "oneshot", restart = "never",
        stdout = "null", stderr = "null" }
    end
  ]]):format(services)
end

local function reloads(services, rounds, goal, moved)
  local w <const> = harness.start(script(services))
  w:until_(function()
    for _, each in ipairs(w:rpc("status").services) do
      if each.state ~= "done" then return false end
    end
    return true
  end, 120, "every service has run")
  local asker <const>, other <const> = assert(w:connect()), assert(w:connect())
  local times <const>, waits <const> = {}, {}
  one_reload(asker, other, {})
  for i = 1, rounds do
    if moved then harness.write(w.script, ("\n"):rep(i) .. script(services)) end
    times[i] = one_reload(asker, other, waits)
  end
  local time <const>, wait <const> = quantile(times, 0.5), quantile(waits, 0.99)
  print(("reload, %5d services %-9s     %8.1f ms (best %.1f)%s"):format(services, moved and "moved" or "unchanged",
    time, times[1], goal and (", goal %d: %s"):format(goal, time <= goal and "met" or "missed") or ""))
  print(("  others waited meanwhile            %8.1f ms p99 (most %.1f), goal %d: %s"):format(wait,
    quantile(waits, 1), GOAL_LATENCY, wait <= GOAL_LATENCY and "met" or "missed"))
  asker:close()
  other:close()
  w:stop()
end

reloads(100, 50, 10)
reloads(10000, 8, 500)
reloads(10000, 8, nil, true)
harness.cleanup()
