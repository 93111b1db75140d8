-- Every state and every input: what happens. A name is a function of life.lua or stop.lua; "-" is nothing to do;
-- "!" cannot happen, and says so loudly when it does.
--
--   want      start, because a dependent is started (or at boot)
--   start     start by command
--   auto      start by the script
--   renew     start by its supervisor
--   halt      stop: by command, by a need that goes away, by its supervisor, at shutdown
--   needs     all that it has to wait for is there
--   free      all that had to be gone first is gone
--   started   the program runs
--   ready     it says that it is ready, or its probe does
--   exit      the process is gone, or could not be started
--   ran       the command of a rung is done
--   timer     the deadline may have passed; where there is none, a timer that was disarmed too late
--   fault     it is not well: "watchdog", "check"
--   verdict   the script's rule has decided
--   resume    restarting is paused no longer
--   lay       its supervisor is down for good
--   hurry     shutdown was asked for again
--   slay      its supervisor's time to stop is over

local life <const> = require "ward.engine.life"
local order <const> = require "ward.engine.order"
local stop <const> = require "ward.engine.stop"
local tree <const> = require "ward.engine.tree"

local M <const> = {}

local INPUTS <const> = {
  "want", "start", "auto", "renew", "halt", "needs", "free", "started", "ready", "exit", "ran", "timer", "fault",
  "verdict", "resume", "lay", "hurry", "slay",
}

local TABLE <const> = {
  --          want  start auto  renew halt needs free started ready exit ran timer fault verdict resume lay hurry slay
  stopped =  "begin begin auto  renew -    -     -    !       -     !    -   -     -     -       -      -   -     -",
  waiting =  "wish  begin hope  renew shut go    -    !       -     !    -   -     -     -       -      lay -     -",
  starting = "-     -     -     -     stop -     -    started rise  died -   lapse fault -       -      -   -     -",
  ready =    "-     -     -     -     stop -     -    !       -     died -   -     fault -       -      -   -     -",
  stopping = "wish  again hope  -     -    -     down late    -     gone ran climb -     -       -      -   hurry slay",
  backoff =  "wish  begin auto  renew shut -     -    !       -     !    -   retry -     verdict resume lay -     -",
  failed =   "begin begin auto  renew undo -     -    !       -     !    -   -     -     -       -      -   -     -",
  done =     "begin begin auto  renew quit -     -    !       -     !    -   -     -     -       -      -   -     -",
  stuck =    "wish  again again -     -    -     -    late    -     gone ran -     -     -       -      -   -     -",
}

local STARTS <const> = { want = true, start = true, auto = true, renew = true }

local CELLS <const> = {}
for state, row in pairs(TABLE) do
  local at = 0
  CELLS[state] = {}
  for cell in row:gmatch("%S+") do
    at = at + 1
    assert(cell == "-" or cell == "!" or life[cell] or stop[cell], cell)
    CELLS[state][INPUTS[at]] = cell
  end
  assert(at == #INPUTS, state)
end

--- Does what the table says. An input that cannot happen is a bug of the caller, and raises before it does harm.
---@param st table
---@param node table
---@param input string
---@param arg any
function M.dispatch(st, node, input, arg)
  if node.kind == "supervisor" then
    return tree.dispatch(st, node, input, arg)
  end
  local cell = CELLS[node.state][input]
  if input == "halt" then
    node.doomed = nil
  end
  if cell == "!" then
    error(('engine: "%s" cannot happen to service "%s" in state "%s"'):format(input, node.name, node.state), 0)
  elseif cell ~= "-" then
    local act = life[cell] or stop[cell]
    act(st, node, arg)
  end
  if input == "lay" then
    node.sinking = nil
  end
  if node.expected and STARTS[input] then
    order.expect(st, node, false)
  end
end

--- The table as state -> input -> cell, for the tests that walk it.
M.CELLS = CELLS

return M
