-- What systemd's users expect of a service, and what its neighbours mean to it.
local kit <const> = require "lua.engine.kit"
local play <const> = require "lua.engine.play"

for _, file in ipairs { "service_cases_exits", "service_cases_neighbours" } do
  for _, group in ipairs(require("lua.engine." .. file)) do
    describe("engine: services: " .. group[1], function()
      for _, case in ipairs(group[2]) do
        it(case[1], function()
          play.play(case)
        end)
      end
    end)
  end
end

-- Causes: how a service comes to its end, what is done first, and whether that is a success.
local CAUSES <const> = {
  clean = { kit.exit("a", 0), ok = true },
  ["listed code"] = { kit.exit("a", 7), ok = true },
  code = { kit.exit("a", 1) },
  ["listed signal"] = { kit.exit("a", "USR1"), ok = true },
  signal = { kit.exit("a", "SEGV") },
  TERM = { kit.exit("a", "TERM") },
  timeout = { play.pass, "TERM a" },
  watchdog = { { kind = "fault", name = "a", cause = "watchdog" }, "TERM a" },
  check = { { kind = "fault", name = "a", cause = "check" }, "TERM a" },
  spawn = { kit.exit("a", "spawn") },
  unknown = { { kind = "exit", name = "a", exit = { kind = "unknown" } } },
}

-- The table of systemd.service(5), with more columns: which causes a restart follows.
local COLUMNS <const> = { "clean", "listed code", "listed signal", "code", "spawn", "unknown", "signal", "TERM",
  "timeout", "watchdog", "check" }
local ROWS <const> = {
  always   = "x x x x x x x x x x x",
  success  = "x x x - - - - - - - -",
  failure  = "- - - x x x x x x x x",
  abnormal = "- - - - - - x x x x x",
  abort    = "- - - - - - x x - - -",
  watchdog = "- - - - - - - - - x x",
  never    = "- - - - - - - - - - -",
}

describe("engine: services: restart.on", function()
  for on, row in pairs(ROWS) do
    local column = 0
    for mark in row:gmatch("%S") do
      column = column + 1
      local cause <const> = COLUMNS[column]
      it(('"%s" and the cause %s'):format(on, cause), function()
        local how <const> = CAUSES[cause]
        local spec = { success = { codes = { 0, 7 }, signals = { "USR1" } } }
        if cause == "timeout" then
          spec.ready, spec.start_timeout = {}, 5
        end
        local lines = { 5, table.unpack(how) }
        lines[#lines + 1] = mark == "x" and "start a" or how.ok and "a is done" or "a is failed"
        play.play { "", ("app=one (a:%s)"):format(on), { 0, kit.boot, "start a" }, lines, specs = { a = spec } }
      end)
    end
    assert(column == #COLUMNS)
  end
end)
