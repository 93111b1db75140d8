-- One child in the foreground: it has our terminal and our group, gets the signals that we are sent, and its end is
-- ours.

local core <const> = require("ward.core")

local M <const> = {}

local ENOENT <const> = 2

-- As shells, env(1) and others have it.
local FAILED <const>, NOT_EXECUTABLE <const>, NOT_FOUND <const>, SIGNALED <const> = 125, 126, 127, 128

-- Not those that are about job control: they are ours, as the terminal means them. What kills a process for what
-- it did is nobody else's.
local PASSED_ON <const> = { "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "WINCH", "CONT", "PWR", "IO" }
-- What real-time signals mean is the program's own.
for name in pairs(core.signals) do
  if name:find("^RT") then
    PASSED_ON[#PASSED_ON + 1] = name
  end
end

--- The exit status that stands for an end (`exit` as core.launch tells it).
---@param exit table
---@return integer
function M.status(exit)
  if exit.kind == "exited" then
    return exit.code
  elseif exit.signal and not exit.errno then
    return SIGNALED + (core.signals[exit.signal] or tonumber(exit.signal) or 0)
  elseif exit.kind == "spawn_failed" and exit.stage == "exec" then
    return exit.errno == ENOENT and NOT_FOUND or NOT_EXECUTABLE
  end
  return FAILED
end

-- Passes on what we are told; what a terminal sends, it has sent to the whole group.
local function watch(child)
  local handles <const> = {}
  for i, name in ipairs(PASSED_ON) do
    handles[i] = core.signal(name, function(_, from_kernel)
      if child.proc and not from_kernel then
        child.proc:signal(name)
      end
    end)
  end
  return handles
end

--- Runs a plan to its end.
---@param plan userdata
---@param told? fun(degraded: table) called when the program runs, with the soft steps that failed
---@return table exit as core.launch tells it; of a launch that failed at once, a spawn_failed
function M.run(plan, told)
  local ready <const>, fault <const> = core.start()
  if not ready then
    return { kind = "spawn_failed", message = fault.message }
  end
  local child <const>, result = {}, nil
  local handles <const> = watch(child)
  local proc <const>, err = core.launch(plan, {
    started = function(_, degraded)
      if told then
        told(degraded)
      end
    end,
    exit = function(exit)
      child.proc, result = nil, exit
      core.stop()
    end,
  })
  if proc then
    child.proc = proc
    core.run()
  else
    result = { kind = "spawn_failed", stage = err.stage, errno = err.errno, message = err.message }
  end
  for _, handle in ipairs(handles) do
    handle:close()
  end
  return result
end

M.NOT_FOUND = NOT_FOUND

return M
