-- What `ward run` says: the engine's events as lines of text. Pure; whoever calls brings the clock and the writer.

local duration <const> = require("ward.duration")
local exits <const> = require("ward.engine.exit")

local M <const> = {}

local COLOURS <const> = { good = "\27[32m", bad = "\27[31m", warn = "\27[33m", plain = "\27[2m" }
local RESET <const> = "\27[0m"

--- How a process ended, in words: "exited with code 1 after 4.0s".
---@param exit table the engine's exit
---@return string
function M.exit(exit)
  return exits.words(exit, exit.uptime and " after " .. duration.format(exit.uptime))
end

-- Why something stops that nobody has told to.
local REASONS <const> = {
  one_for_all = "its group restarts", rest_for_one = "its group restarts", need_restarts = "what it needs restarts",
  give_up = "its supervisor gives up", auto_shutdown = "its supervisor shuts down",
  timeout = "not ready in time", watchdog = "it missed its watchdog", check = "it failed its check",
}

--- Why ward itself stops when nobody has told it to: the reason of a shutdown, in words.
---@param reason "give_up"|"auto_shutdown"
---@return string
function M.because(reason)
  return reason == "give_up" and "the supervisor has given up" or "the supervisor is done"
end

-- Event type -> function(event) -> text, mood. No entry, or no text: nothing to say.
local SAYS <const> = {}

function SAYS.waiting(event)
  local why = event.waits_for and #event.waits_for > 0 and "waiting for " .. table.concat(event.waits_for, ", ")
    or "waiting"
  if event.exit then
    return ("stopped (%s); %s"):format(M.exit(event.exit), why), "plain"
  end
  return why, "plain"
end

-- A start is told when it has worked (ready) or has not (backoff, failed); an exit on the way is told here.
function SAYS.starting(event)
  if event.exit then
    return ("stopped (%s); starting again"):format(M.exit(event.exit)), "plain"
  end
end

function SAYS.ready(event)
  return event.pid and ("ready, pid %d"):format(event.pid) or "ready", "good"
end

function SAYS.stopping(event)
  if event.need then
    return ("stopping, because it needs %s"):format(event.need), "plain"
  end
  local why = REASONS[event.reason]
  return why and ("stopping: %s"):format(why) or "stopping", "plain"
end

-- The first step of the ladder is what "stopping" means; only what comes after it is news.
function SAYS.signal(event)
  if event.rung and event.rung > 1 then
    return ("still running: SIG%s"):format(event.signal), "warn"
  end
end

function SAYS.stopped(event)
  if event.because then
    return "stopped: " .. event.because, "plain"
  end
  return event.exit and ("stopped (%s)"):format(M.exit(event.exit)) or "stopped", "plain"
end

function SAYS.done(event)
  if event.because then
    return ("done: %s (%s)"):format(event.because, M.exit(event.exit)), "good"
  end
  return event.exit and M.exit(event.exit) .. "; done" or "done", "good"
end

function SAYS.failed(event)
  if event.because then
    return event.because .. "; not tried again", "bad"
  elseif event.exit and event.reason == "give_up" then
    return M.exit(event.exit) .. "; too many restarts, not tried again", "bad"
  end
  return event.exit and M.exit(event.exit) .. "; not tried again" or "failed", "bad"
end

function SAYS.backoff(event)
  if event.asking then
    return nil -- told when the script has decided
  elseif event.paused then
    return (event.exit and M.exit(event.exit) .. "; " or "stays down: ") .. "restarting is paused", "warn"
  end
  local mood = event.exit.ok and "plain" or "bad"
  return ("%s; next try in %s (restart %d)"):format(M.exit(event.exit), duration.format(event.delay), event.restarts),
    mood
end

function SAYS.escalate(event)
  return M.exit(event.exit) .. "; its rule escalates", "bad"
end

function SAYS.stop_failed(event)
  return event.message, "warn"
end

function SAYS.rule_failed(event)
  return ("the default rule applies: %s"):format(event.message), "warn"
end

local TOO_MANY <const> = {
  intensity = "too many restarts of %s: gives up, and stops its children",
  escalate = "%s escalates: gives up, and stops its children",
  any_significant = "%s has ended: shuts down",
  all_significant = "%s was the last of the significant ones to end: shuts down",
}

function SAYS.give_up(event)
  return TOO_MANY[event.reason]:format(event.child), "bad"
end

function SAYS.auto_shutdown(event)
  return TOO_MANY[event.reason]:format(event.child), "plain"
end

function SAYS.supervisor_backoff(event)
  return ("all down; starts again in %s (restart %d)"):format(duration.format(event.delay), event.restarts), "warn"
end

function SAYS.supervisor_up()
  return "starts its children again", "plain"
end

function SAYS.stuck(event)
  return ("stuck: pid %s outlived SIGKILL"):format(event.pid or "unknown"), "bad"
end

--- What to say about an event of the engine.
---@param event table
---@return string? text nil when there is nothing to say
---@return "good"|"bad"|"warn"|"plain"|nil mood
function M.event(event)
  local says = SAYS[event.type]
  if says then
    return says(event)
  end
end

--- The width of the name column: the longest name, and "ward" itself.
---@param names string[]
---@return integer
function M.width(names)
  local width = #"ward"
  for _, name in ipairs(names) do
    width = math.max(width, #name)
  end
  return width
end

--- What stands between the time and the bytes of a log line.
---@param name string
---@param width integer
---@return string
function M.label(name, width)
  return ("%-" .. width .. "s | "):format(name)
end

--- One state line. Control characters (a path may hold any) never reach the terminal.
---@param clock string "12:00:01"
---@param name string
---@param text string
---@param look { width: integer, colour: boolean, mood: string? }
---@return string
function M.line(clock, name, text, look)
  text = text:gsub("%c", "?")
  local colour = look.colour and COLOURS[look.mood or "plain"]
  if colour then
    text = colour .. text .. RESET
  end
  return ("%s %-" .. look.width .. "s * %s\n"):format(clock, name, text)
end

return M
