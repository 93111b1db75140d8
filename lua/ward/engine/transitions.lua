-- Every state and every input: what happens. A name is a function of life.lua; "-" is nothing to do;
-- "!" cannot happen, and says so loudly when it does.
--
--   want      start, because a dependent is started (or at boot)
--   start     start by command
--   halt      stop: by command, by a need that goes away, at shutdown
--   needs     the last need has become ready
--   free      the last busy dependent is gone
--   started   the program runs
--   exit      the process is gone, or could not be started
--   timer     the deadline may have passed; where there is none, a timer that was disarmed too late
--   hurry     shutdown was asked for again

local life <const> = require "ward.engine.life"

local M <const> = {}

local INPUTS <const> = { "want", "start", "halt", "needs", "free", "started", "exit", "timer", "hurry" }

local TABLE <const> = {
  --           want      start     halt      needs     free       started   exit      timer     hurry
  stopped  = { "begin",  "begin",  "-",      "-",      "-",       "!",      "!",      "-",      "-"     },
  waiting  = { "-",      "begin",  "shelve", "go",     "-",       "!",      "!",      "-",      "-"     },
  starting = { "-",      "-",      "stop",   "-",      "-",       "up",     "crash",  "-",      "-"     },
  ready    = { "-",      "-",      "stop",   "-",      "-",       "!",      "crash",  "-",      "-"     },
  stopping = { "forget", "forget", "-",      "-",      "release", "late",   "ended",  "climb",  "hurry" },
  backoff  = { "-",      "begin",  "shelve", "-",      "-",       "!",      "!",      "retry",  "-"     },
  failed   = { "begin",  "begin",  "-",      "-",      "-",       "!",      "!",      "-",      "-"     },
  done     = { "begin",  "begin",  "-",      "-",      "-",       "!",      "!",      "-",      "-"     },
  stuck    = { "forget", "forget", "-",      "-",      "-",       "late",   "ended",  "-",      "-"     },
}

local CELLS <const> = {}
for state, row in pairs(TABLE) do
  assert(#row == #INPUTS, state)
  CELLS[state] = {}
  for at, input in ipairs(INPUTS) do
    local cell = row[at]
    assert(cell == "-" or cell == "!" or life[cell], cell)
    CELLS[state][input] = cell
  end
end

--- Does what the table says. An input that cannot happen is a bug of the caller, and raises before it does harm.
---@param st table
---@param svc table
---@param input string
---@param arg any
function M.dispatch(st, svc, input, arg)
  local cell = CELLS[svc.state][input]
  if cell == "!" then
    error(('engine: "%s" cannot happen to service "%s" in state "%s"'):format(input, svc.spec.name, svc.state), 0)
  elseif cell ~= "-" then
    life[cell](st, svc, arg)
  end
end

--- The table as state -> input -> cell, for the tests that walk it.
M.CELLS = CELLS

return M
