-- What follows an exit: lists of codes and signals, limits, timeouts, faults, the script's rule, pauses.
local kit <const> = require "lua.engine.kit"
local play <const> = require "lua.engine.play"

local boot <const>, started <const>, exit <const>, command <const> = kit.boot, kit.started, kit.exit, kit.command
local pass <const>, is <const>, shutdown <const> = play.pass, play.is, kit.shutdown

local function fault(name, cause)
  return { kind = "fault", name = name, cause = cause }
end

local function verdict(what, id)
  return { kind = "verdict", name = "a", verdict = what, id = id }
end

local SEVEN <const> = { a = { success = { codes = { 7 }, signals = { "USR1" } } } }
local PREVENT <const> = { a = { restart_prevent = { codes = { 0, 78 }, signals = { "USR1" } } } }

local LISTS <const> = {
  { "success: a code in the list", "app=one (a:failure)", specs = SEVEN, { 1, exit("a", 7), "a is done" } },
  { "success: a signal in the list", "app=one (a:failure)", specs = SEVEN, { 1, exit("a", "USR1"), "a is done" } },
  { "success: the list is the whole list", "app=one (a:never)", specs = SEVEN, { 1, exit("a", 0), "a is failed" } },
  { "success: a code is no signal", "app=one (a:never)", specs = { a = { success = { codes = { 9 }, signals = {} } } },
    { 1, exit("a", "KILL"), "a is failed" } },
  { "success: HUP, INT, TERM and PIPE are none, when nobody asked", "app=one (a:never b:never c:never d:never)",
    { 1, exit("a", "HUP"), "a is failed" }, { 1, exit("b", "INT"), "b is failed" },
    { 1, exit("c", "TERM"), "c is failed" }, { 1, exit("d", "PIPE"), "d is failed" } },
  { "restart_prevent: a code in the list", "app=one (a)", specs = PREVENT, { 1, exit("a", 78), "a is failed" } },
  { "restart_prevent: a signal in the list", "app=one (a)", specs = PREVENT, { 1, exit("a", "USR1"), "a is failed" } },
  { "restart_prevent: a success in the list", "app=one (a)", specs = PREVENT, { 1, exit("a", 0), "a is done" } },
  { "restart_prevent: what is not in the list", "app=one (a)", specs = PREVENT, { 1, exit("a", 1), "start a" } },
  { "restart_prevent: how it ends when it has to be taken down counts, too", "app=one (a)", specs = PREVENT,
    slow = "a", { 1, fault("a", "watchdog"), "TERM a" }, { 2, exit("a", 78), "a is failed" } },
}

local function limit(n)
  return { a = { give_up = { n = n, within = 10 } } }
end

local LIMITS <const> = {
  { "n restarts within the time, and not one more", "app=one (a w)",
    specs = { a = limit(2).a, w = { needs = { "a" } } },
    { 1, exit("a", 1), "start a" }, { 2, exit("a", 1), "start a" }, { 3, exit("a", 1), "a is failed", "TERM w" },
    { 3, is, "w waiting", "app up" } },
  { "one that is exactly as old as the time counts", "app=one (a)", specs = limit(1),
    { 1, exit("a", 1), "start a" }, { 11, exit("a", 1), "a is failed" } },
  { "one that is older does not", "app=one (a)", specs = limit(1),
    { 1, exit("a", 1), "start a" }, { 11.1, exit("a", 1), "start a" } },
  { "none at all", "app=one (a)", specs = limit(0), { 1, exit("a", 1), "a is failed" } },
  { "after a success, too, it has failed", "app=one (a w)", specs = { a = limit(0).a, w = { needs = { "a" } } },
    { 1, exit("a", 0), "a is failed", "TERM w" } },
  { "it counts when it is decided", "app=one (a)",
    specs = { a = { give_up = { n = 1, within = 10 }, backoff = { from = 8, factor = 1 } } },
    { 1, exit("a", 1), "a in 8" }, { 9, pass, "start a" }, { 12, exit("a", 1), "a in 8" } },
  { "a start by hand forgets", "app=one (a)", specs = limit(1),
    { 1, exit("a", 1), "start a" }, { 2, exit("a", 1), "a is failed" }, { 3, command "start a", "start a" },
    { 4, exit("a", 1), "start a" }, { 5, exit("a", 1), "a is failed" } },
  { "so does a restart by hand", "app=one (a)", specs = limit(1),
    { 1, exit("a", 1), "start a" }, { 2, command "restart a", "TERM a", "start a" }, { 3, exit("a", 1), "start a" } },
  { "a start of what needs it does not, when it is up", "app=one (a w)",
    specs = { a = limit(1).a, w = { needs = { "a" } } },
    { 1, exit("a", 1), "start a" }, { 2, command "restart w", "TERM w", "start w" },
    { 3, exit("a", 1), "a is failed", "TERM w" } },
  { "the supervisor counts for itself", "app=one 1/99 (a)", specs = limit(9),
    { 1, exit("a", 1), "start a" }, { 2, exit("a", 1), "app gives up: a intensity", "a is stopped", "quit 1" } },
}

local PROBED <const> = { a = { ready = {}, start_timeout = 5 }, w = { needs = { "a" } } }

local TIMEOUTS <const> = {
  { "not ready in time: down the ladder, and that was a failure", "app=one (a:failure)", specs = PROBED,
    { 0, boot, "start a" }, { 4.9, pass }, { 5, pass, "TERM a", "start a" }, { 10, pass, "TERM a", "start a" } },
  { "ready in time", "app=one (a w)", specs = PROBED,
    { 0, boot, "start a" }, { 4, { kind = "ready", name = "a" }, "start w" }, { 9, pass } },
  { "without a probe, started in time", "app=one (a)", mute = "a", specs = { a = { start_timeout = 5 } },
    { 0, boot, "start a" }, { 4, started "a" }, { 9, pass } },
  { "without a probe, not started in time", "app=one (a:never)", mute = "a", specs = { a = { start_timeout = 5 } },
    { 0, boot, "start a" }, { 5, pass, "TERM a", "a is failed" } },
  { "a oneshot not done in time", "app=one (a:failure w)", specs = { a = { type = "oneshot", start_timeout = 5 } },
    { 0, boot, "start a", "start w" }, { 5, pass, "TERM a", "start a" }, { 7, exit("a", 0), "a is done" },
    { 99, pass } },
  { "the whole ladder", "app=one (a:failure)", specs = PROBED, slow = "a",
    { 0, boot, "start a" }, { 5, pass, "TERM a" }, { 14.9, pass }, { 15, pass, "KILL a", "start a" } },
  { "a success that comes too late is none", "app=one (a:success)", specs = PROBED, slow = "a",
    { 0, boot, "start a" }, { 5, pass, "TERM a" }, { 6, exit("a", 0), "a is failed" } },
  { "ready comes too late", "app=one (a:failure w)", specs = PROBED, slow = "a",
    { 0, boot, "start a" }, { 5, pass, "TERM a" }, { 6, { kind = "ready", name = "a" } },
    { 7, exit("a", 0), "start a" }, { 7, is, "w waiting" } },
  { "each try has its time", "app=one (a:failure)", specs = PROBED,
    { 0, boot, "start a" }, { 4, exit("a", 1), "start a" }, { 8.9, pass }, { 9, pass, "TERM a", "start a" } },
  { "a stop before it ends the wait", "app=one (a)", specs = PROBED, slow = "a",
    { 0, boot, "start a" }, { 4, command "stop a", "TERM a" }, { 6, pass }, { 14, pass, "KILL a", "a is stopped" } },
  { "it is not restarted when it is not wanted any more", "app=one (a)", specs = PROBED, slow = "a",
    { 0, boot, "start a" }, { 5, pass, "TERM a" }, { 6, command("stop a", "T") },
    { 7, exit("a", 0), "a is stopped", "reply T ok" } },
  { "a start meanwhile is a start when it is down, without a delay", "app=one (a)", slow = "a",
    specs = { a = { ready = {}, start_timeout = 5, backoff = { from = 9 } } },
    { 0, boot, "start a" }, { 5, pass, "TERM a" }, { 6, command "start a" }, { 7, exit("a", 0), "start a" } },
  { "a command waits for one try", "app=one (a:never)", specs = PROBED,
    { 0, boot, "start a" }, { 0, command("start a", "T") },
    { 5, pass, "TERM a", "a is failed",
      "reply T no (a failed: failed: was not ready in time; killed by SIGTERM)" } },
  { "a commands waits for one try of many", "app=one (a:failure)", specs = { a = { ready = {}, start_timeout = 5,
    backoff = { from = 1 } } },
    { 0, boot, "start a" }, { 0, command("start a", "T") },
    { 5, pass, "TERM a", "a in 1",
      "reply T no (a backoff: was not ready in time; killed by SIGTERM; it will be tried again)" } },
}

local NEEDED <const> = { w = { needs = { "a" } } }

local FAULTS <const> = {
  { "down the ladder and up again, while dependents go on", "app=one (a:failure w)", specs = NEEDED,
    { 1, fault("a", "watchdog"), "TERM a", "start a" }, { 1, is, "w ready" } },
  { "also when it exits with 0", "app=one (a:failure)", slow = "a",
    { 1, fault("a", "check"), "TERM a" }, { 2, exit("a", 0), "start a" } },
  { "dependents do not hold it up", "app=one (a:failure w)", specs = NEEDED, slow = "a",
    { 1, fault("a", "check"), "TERM a" }, { 11, pass, "KILL a", "start a" }, { 11, is, "w ready" } },
  { "for good, its dependents stop then", "app=one (a:never w)", specs = NEEDED,
    { 1, fault("a", "check"), "TERM a", "a is failed", "TERM w" }, { 1, is, "w waiting" } },
  { "one that stops already has no other", "app=one (a)", slow = "a",
    { 1, command "stop a", "TERM a" }, { 2, fault("a", "watchdog") }, { 3, exit("a", 0), "a is stopped" } },
  { "one while it starts", "app=one (a:failure)", mute = "a",
    { 0, boot, "start a" }, { 1, fault("a", "check"), "TERM a", "start a" } },
  { "one of what is not up is nothing", "app=one (a:never)",
    { 1, exit("a", 1), "a is failed" }, { 2, fault("a", "watchdog") } },
  { "it counts for the supervisor, and takes its group along", "app=all 1/9 (a b)",
    { 1, fault("a", "watchdog"), "TERM a", "TERM b", "start a", "start b" },
    { 2, fault("b", "watchdog"), "TERM b", "TERM a", "app gives up: b intensity", "b is stopped", "a is stopped",
      "quit 1" } },
  { "one that outlives KILL is stuck, and starts when it has ended", "app=one (a:failure w)", specs = NEEDED,
    slow = "a", deaf = "a",
    { 1, fault("a", "watchdog"), "TERM a" }, { 11, pass, "KILL a" }, { 21, pass, "a is stuck", "TERM w" },
    { 30, exit("a", "KILL"), "start a", "start w" } },
  { "when its group goes down meanwhile, it starts with that", "app=all 1/9 (a:failure b)", slow = "a",
    { 1, fault("a", "check"), "TERM a" }, { 2, exit("b", 1) }, { 3, exit("a", 0), "start a", "start b" } },
  { "a shutdown goes on from there", "app=one (a)", slow = "a",
    { 1, fault("a", "check"), "TERM a" }, { 2, shutdown }, { 3, shutdown, "KILL a", "a is stopped", "quit 0" } },
}

local ASKS <const> = { a = { asks = true, backoff = { from = 2 } } }

local RULES <const> = {
  { "a delay", "app=one (a:never)", specs = ASKS,
    { 1, exit("a", 0), "ask a" }, { 1, verdict(3), "a in 3" }, { 4, pass, "start a" } },
  { "an exit that restart_prevent lists is none of its business", "app=one (a:always)",
    specs = { a = { asks = true, restart_prevent = { codes = { 7 }, signals = {} } } },
    { 1, exit("a", 7), "a is failed" } },
  { "a delay of 0", "app=one (a:never)", specs = ASKS, { 1, exit("a", 1), "ask a" }, { 2, verdict(0), "start a" } },
  { "stop, after a failure and after a success", "app=one (a b)", specs = { a = ASKS.a },
    { 1, exit("a", 1), "ask a" }, { 1, verdict "stop", "a is failed" },
    { 2, command "start a", "start a" }, { 3, exit("a", 0), "ask a" }, { 3, verdict "stop", "a is done" } },
  { "no opinion", "app=one (a:failure)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 1, verdict(nil), "a in 2" }, { 3, pass, "start a" },
    { 4, exit("a", 0), "ask a" }, { 4, verdict(nil), "a is done" } },
  { "a fault", "app=one (a:failure)", specs = ASKS,
    { 1, exit("a", 1), "ask a" },
    { 1, { kind = "verdict", name = "a", fault = "x.lua:1: oops" }, "a has no rule: x.lua:1: oops", "a in 2" } },
  { "nonsense", "app=one (a:failure)", specs = ASKS,
    { 1, exit("a", 1), "ask a" },
    { 1, verdict "later", 'a has no rule: the rule returned a strange string, not seconds, "stop", "escalate" or nil',
      "a in 2" } },
  { "no answer in time", "app=one (a:failure)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 10.9, pass }, { 11, pass, "a has no rule: no answer within 10 s", "a in 2" },
    { 12, verdict "stop" }, { 13, pass, "start a" } },
  { "dependents go on meanwhile, and siblings", "app=all (a w)", specs = { a = ASKS.a, w = { needs = { "a" } } },
    { 1, exit("a", 1), "ask a" }, { 1, is, "w ready" }, { 2, verdict(0), "TERM w", "start a", "start w" } },
  { "a stop takes the question back", "app=one (a)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, command("stop a", "T"), "a is stopped", "reply T ok" }, { 3, verdict(0) },
    { 11, pass } },
  { "a start does, too", "app=one (a)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, command "start a", "start a" }, { 3, verdict "stop" }, { 11, pass },
    { 11, is, "a ready" } },
  { "an answer to another question is none", "app=one (a:never)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, command "start a", "start a" }, { 3, exit("a", 1), "ask a" },
    { 4, verdict("stop", 1) }, { 5, verdict(1, 2), "a in 1" }, { 6, pass, "start a" } },
  { "a need that goes away does", "app=one (db:never a)", specs = { a = { asks = true, needs = { "db" } } },
    { 1, exit("a", 1), "ask a" }, { 2, exit("db", 1), "db is failed" }, { 3, verdict "stop" },
    { 4, command "start db", "start db", "start a" } },
  { "shutdown does", "app=one (a b)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, shutdown, "a is stopped", "TERM b", "b is stopped", "quit 0" },
    { 3, verdict(0) } },
  { "the group of another does", "app=all (a b)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, exit("b", 1), "start a", "start b" }, { 3, verdict "stop" } },
  { "give_up is the default rule's", "app=one (a)", specs = { a = { asks = true, give_up = { n = 0, within = 9 } } },
    { 1, exit("a", 1), "ask a" }, { 1, verdict(0), "start a" },
    { 2, exit("a", 1), "ask a" }, { 2, verdict(nil), "a is failed" } },
  { "intensity counts for all", "app=one 1/9 (a)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 1, verdict(0), "start a" }, { 2, exit("a", 1), "ask a" },
    { 2, verdict(0), "app gives up: a intensity", "a is stopped", "quit 1" } },
  { "one that was asked for is not asked about", "app=one (a)", specs = ASKS,
    { 1, command "restart a", "TERM a", "start a" }, { 2, command "stop a", "TERM a", "a is stopped" } },
  { "a timeout is", "app=one (a)", specs = { a = { asks = true, ready = {}, start_timeout = 5 } },
    { 0, boot, "start a" }, { 5, pass, "TERM a", "ask a" }, { 5, verdict "stop", "a is failed" } },
  { "whoever started it is told by the verdict", "app=one (a)", specs = ASKS, mute = "a",
    { 0, boot, "start a" }, { 0, command("start a", "T") }, { 1, exit("a", "spawn"), "ask a" },
    { 1, verdict "stop", "a is failed", "reply T no (a failed: failed: cannot exec it)" } },
}

local PAUSE <const>, RESUME <const> = command("pause a", "P"), command("resume a", "R")
local OK <const>, WELL <const> = "reply P ok", "reply R ok"

local PAUSES <const> = {
  { "nothing is decided before it is resumed", "app=one (a w)", specs = { a = { backoff = { from = 2 } },
    w = { needs = { "a" } } },
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 9, is, "a backoff", "w ready" },
    { 10, RESUME, "start a", WELL } },
  { "what is not to be restarted ends then", "app=one (a:failure b)",
    { 1, PAUSE, OK }, { 2, exit("a", 0), "a is paused" }, { 3, RESUME, "a is done", WELL } },
  { "a retry that was due waits", "app=one (a)", specs = { a = { backoff = { from = 5 } } },
    { 1, exit("a", 1), "a in 5" }, { 2, PAUSE, OK }, { 8, pass }, { 9, RESUME, "start a", WELL } },
  { "a resume before it was due does not wait", "app=one (a)", specs = { a = { backoff = { from = 5 } } },
    { 1, exit("a", 1), "a in 5" }, { 2, PAUSE, OK }, { 3, RESUME, "start a", WELL }, { 9, pass } },
  { "without an exit meanwhile nothing was", "app=one (a)",
    { 1, PAUSE, OK }, { 2, RESUME, WELL }, { 3, RESUME, WELL }, { 4, exit("a", 1), "start a" } },
  { "a stop is a stop", "app=one (a)",
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, command("stop a", "T"), "a is stopped", "reply T ok" },
    { 4, RESUME, WELL } },
  { "a start by name ends it, and so does a restart", "app=one (a)",
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, command "start a", "start a" },
    { 4, exit("a", 1), "start a" }, { 5, PAUSE, OK }, { 6, command "restart a", "TERM a", "start a" },
    { 7, exit("a", 1), "start a" } },
  { "whoever started it is told", "app=one (a)", mute = "a",
    { 0, boot, "start a" }, { 0, command("start a", "T") }, { 0, PAUSE, OK },
    { 1, exit("a", "spawn"), "a is paused", "reply T no (a backoff: cannot exec it; restarting is paused)" } },
  { "the rule is asked when it is resumed", "app=one (a)", specs = ASKS,
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, RESUME, "ask a", WELL }, { 4, verdict(1), "a in 1" } },
  { "a question is taken back and asked again", "app=one (a)", specs = ASKS,
    { 1, exit("a", 1), "ask a" }, { 2, PAUSE, "a is paused", OK }, { 3, verdict("stop", 1) }, { 12, pass },
    { 13, RESUME, "ask a", WELL }, { 14, verdict("stop", 1) }, { 14, verdict(0, 2), "start a" } },
  { "a need that goes away and comes back does not start it", "app=one (db:never a)",
    specs = { a = { needs = { "db" } } },
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, exit("db", 1), "db is failed" },
    { 4, command "start db", "start db" }, { 5, RESUME, "start a", WELL } },
  { "one that runs goes down with its need, and stays down", "app=one (db a)", specs = { a = { needs = { "db" } } },
    { 1, PAUSE, OK }, { 2, command "restart db", "TERM a", "a is paused", "TERM db", "start db" },
    { 3, RESUME, "start a", WELL } },
  { "one that waits stays down", "app=one (db a)", specs = { a = { needs = { "db" } } }, mute = "db",
    { 0, boot, "start db" }, { 1, PAUSE, "a is paused", OK }, { 2, started "db" }, { 3, RESUME, "start a", WELL } },
  { "a start of what needs it does not start it", "app=one (db a)", specs = { a = { needs = { "db" } } },
    { 1, command "stop a db", "TERM a", "a is stopped", "TERM db", "db is stopped" }, { 2, command "pause db" },
    { 3, command("start a", "T"), "db is paused", 'reply T no (a waiting: needs "db", whose restarting is paused)' },
    { 4, command "resume db", "start db", "start a" } },
  { "a oneshot that is done is done", "app=one (a)", specs = { a = { type = "oneshot", on = "failure" } },
    { 0, boot, "start a" }, { 1, PAUSE, OK }, { 2, exit("a", 0), "a is done" }, { 3, is, "a done" } },
  { "a oneshot that failed is not tried again", "app=one (a)", specs = { a = { type = "oneshot", on = "failure" } },
    { 0, boot, "start a" }, { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, RESUME, "start a", WELL } },
  { "a fault leads to a pause, too", "app=one (a)",
    { 1, PAUSE, OK }, { 2, fault("a", "watchdog"), "TERM a", "a is paused" }, { 3, RESUME, "start a", WELL } },
  { "shutdown takes no notice", "app=one (a)",
    { 1, PAUSE, OK }, { 2, exit("a", 1), "a is paused" }, { 3, shutdown, "a is stopped", "quit 0" } },
}

return {
  { "success and restart_prevent", LISTS }, { "give_up", LIMITS }, { "start_timeout", TIMEOUTS }, { "faults", FAULTS },
  { "the script's rule", RULES }, { "pause and resume", PAUSES },
}
