-- What each function that a script has does with bad arguments, while it waits, and when what it is called on is over:
-- the rows of contract_spec.lua. `task` and the other locals of a row's code are made by M.BEFORE.
--
--   bad    code that raises at its own line, and the message behind it
--   waits  code that waits until somebody ends it
--   begins code that makes `called` run when something comes, which happens to all of them
--   answered  it fails at once when ward begins to end, instead of waiting for that
--   over   code whose results say what a handle does after its end, and these results
--   dead   the same for the pipes of a child that was killed

local M <const> = {}

--- Handles for the rows.
M.BEFORE = [[
  local task <const> = ward.task(function() ward.sleep(1000) end)
  local timer <const> = ward.after(1000, function() end)
  local semaphore <const> = ward.semaphore(1)
  local permit <const> = semaphore:acquire()
  local listener <const> = ward.on("mine", function() end)
  local watch <const> = ward.watch("/", function() end)
  local child <const> = ward.spawn { cmd = { "sleep", "1000" }, stdin = "pipe", stdout = "pipe" }
]]

local DURATION <const> = 'bad duration "x": a duration looks like "250ms", "10s" or "5m"'
local LOADING <const> = "declarations are only allowed while a script loads"
local URL <const> = 'the URL: must be a URL such as "http://127.0.0.1:8080/", got number 3'
local PATH <const> = "the path: must be a string, got number 3"
local NUL <const> = "the path: contains a NUL byte"
local CLOSED <const> = "nil the stream is closed"

local function colon(method, example)
  return ('%s: call it with ":", as in %s:%s()'):format(method, example, method:match(":(.*)$"))
end

local SERVICE <const> = "call it with a colon, on a service"
local POOL <const> = "call it with a colon, on the pool"

-- name as in lua/ward/meta -> row
M.rows = {
  ["ward.sleep"] = {
    bad = { { 'ward.sleep("x")', "ward.sleep: the time: " .. DURATION } },
    waits = "ward.sleep(1000)",
  },
  ["ward.task"] = {
    bad = { { "ward.task(3)", "ward.task: the first argument: must be a function, got number 3" } },
    begins = 'ward.task(function() ward.sleep "50ms" called() end)',
  },
  ["ward.all"] = {
    bad = { { "ward.all(3)", "ward.all: must be a list of functions and tasks, got number 3" },
      { "ward.all { 3 }", "ward.all: [1]: must be a function or a task, got number 3" } },
    waits = "ward.all { task, function() ward.sleep(1000) end }",
  },
  ["ward.race"] = {
    bad = { { "ward.race(3)", "ward.race: must be a list of functions and tasks, got number 3" },
      { "ward.race {}", "ward.race: must not be empty" } },
    waits = "ward.race { task, function() ward.sleep(1000) end }",
  },
  ["ward.timeout"] = {
    bad = { { 'ward.timeout("x", print)', "ward.timeout: the time: " .. DURATION },
      { "ward.timeout(1, 3)", "ward.timeout: the second argument: must be a function, got number 3" } },
    waits = "ward.timeout(1000, function() ward.sleep(1000) end)",
  },
  ["ward.semaphore"] = {
    bad = { { "ward.semaphore(0)",
      "ward.semaphore: the count: must be a whole number from 1 to 1000000, got number 0" } },
  },
  ["Task:wait"] = {
    bad = { { 'task:wait("x")', "task:wait: timeout: " .. DURATION }, { "task.wait()", colon("task:wait", "task") } },
    waits = "task:wait()",
    over = { "task:cancel() return task:wait()", "nil the task was cancelled" },
  },
  ["Task:cancel"] = {
    bad = { { "task.cancel(3)", colon("task:cancel", "task") } },
    over = { "return task:cancel(), task:cancel()", "true false" },
  },
  ["Task:done"] = {
    bad = { { "task.done()", colon("task:done", "task") } },
    over = { "task:cancel() return task:done()", "true" },
  },
  ["Semaphore:acquire"] = {
    bad = { { 'semaphore:acquire("x")', "semaphore:acquire: timeout: " .. DURATION },
      { "semaphore.acquire()", colon("semaphore:acquire", "semaphore") } },
    waits = "semaphore:acquire()",
  },
  ["Permit:release"] = {
    bad = { { "permit.release()", colon("permit:release", "permit") } },
    over = { "permit:release() permit:release() semaphore:acquire() return semaphore:acquire(0)",
      "nil not done within 0s" },
  },
  ["ward.now"] = {},
  ["ward.after"] = {
    bad = { { 'ward.after("x", print)', "ward.after: the time: " .. DURATION },
      { "ward.after(1, 3)", "ward.after: the second argument: must be a function, got number 3" } },
    begins = 'ward.after("50ms", called)',
  },
  ["ward.every"] = {
    bad = { { "ward.every(0, print)", "ward.every: the time: must be at least 1ms" },
      { "ward.every(1, {}, 3)", "ward.every: the last argument: must be a function, got number 3" },
      { "ward.every(1, { now = true }, print)", 'ward.every: the options: unknown key "now"' } },
    begins = 'ward.every("50ms", called)',
  },
  ["Timer:cancel"] = {
    bad = { { "timer.cancel()", colon("timer:cancel", "timer") } },
    over = { "return timer:cancel(), timer:cancel()", "nil" },
  },
  ["ward.spawn"] = {
    bad = { { "ward.spawn(3)", 'ward.spawn: must be a table such as { cmd = { "date" } }, got number 3' },
      { 'ward.spawn { cmd = { "x" }, cwd = 3 }', "ward.spawn: cwd: must be a string, got number 3" } },
  },
  ["ward.run"] = {
    bad = { { "ward.run(3)", 'ward.run: expected a table such as { cmd = { "date" } }, got number 3' },
      { 'ward.run { cmd = { "x" }, timeout = "x" }', "ward.run: timeout: " .. DURATION } },
    waits = 'ward.run { cmd = { "sleep", "1000" } }',
  },
  ["Child:wait"] = {
    bad = { { 'child:wait("x")', "child:wait: timeout: " .. DURATION },
      { "child.wait()", colon("child:wait", "p") } },
    waits = "child:wait()",
    over = { 'child:kill("KILL") return child:wait().signal, child:wait().signal', "KILL KILL" },
  },
  ["Child:kill"] = {
    bad = { { 'child:kill("NOPE")', 'child:kill: the signal: unknown signal "NOPE"' },
      { "child.kill(task)", colon("child:kill", "p") } },
    over = { "child:kill() child:wait() return child:kill()", "nil the child has ended" },
  },
  ["Reader:read"] = {
    bad = { { 'child.stdout:read("x")', 'stream:read: must be "l", "a" or a number of bytes, got string "x"' },
      { "child.stdout.read()", colon("stream:read", "p.stdout") } },
    waits = "child.stdout:read()",
    over = { "child.stdout:close() return child.stdout:read()", CLOSED },
    dead = { "return child.stdout:read()", "nil" },
  },
  ["Reader:lines"] = {
    bad = { { "child.stdout.lines()", colon("stream:lines", "p.stdout") } },
    waits = "for _ in child.stdout:lines() do end",
    over = { "local next_line = child.stdout:lines() child.stdout:close() return next_line()", CLOSED },
    dead = { 'for _ in child.stdout:lines() do return "a line" end return "none"', "none" },
  },
  ["Reader:close"] = {
    bad = { { "child.stdout.close()", colon("stream:close", "p.stdout") } },
    over = { "return child.stdout:close(), child.stdout:close()", "nil" },
    dead = { "child.stdout:close() return true", "true" },
  },
  ["Writer:write"] = {
    bad = { { "child.stdin:write {}", "stream:write: must be a string, got a table" },
      { "child.stdin.write()", colon("stream:write", "p.stdin") } },
    waits = 'child.stdin:write(("x"):rep(1 << 20))',
    over = { 'child.stdin:close() return child.stdin:write("x")', CLOSED },
    dead = { 'return child.stdin:write("x")', "nil cannot write to the child: Broken pipe" },
  },
  ["Writer:close"] = {
    bad = { { "child.stdin.close()", colon("stream:close", "p.stdout") } },
    over = { "return child.stdin:close(), child.stdin:close()", "nil" },
    dead = { "child.stdin:close() return true", "true" },
  },
  ["ward.on"] = {
    bad = { { "ward.on(3, print)", "ward.on: the event: must be a string, got number 3" },
      { 'ward.on("exit", 3)', "ward.on: the last argument: must be a function, got number 3" },
      { 'ward.on("exit", { nmae = "a" }, print)',
        'ward.on: the filter: unknown key "nmae" (did you mean "name"?)' } },
    begins = 'ward.on("ping", called)',
  },
  ["ward.emit"] = {
    bad = { { "ward.emit(3)", "ward.emit: the event: must be a string, got number 3" },
      { 'ward.emit("start")', 'ward.emit: "start" is an event of ward\'s own' } },
  },
  ["Listener:cancel"] = {
    bad = { { "listener.cancel()", colon("listener:cancel", "listener") } },
    over = { 'listener:cancel() listener:cancel() ward.emit("mine") return "quiet"', "quiet" },
  },
  ["ward.on_signal"] = {
    bad = { { 'ward.on_signal("NOPE", print)', 'ward.on_signal: the signal: unknown signal "NOPE"' },
      { 'ward.on_signal("USR1")', "ward.on_signal: the last argument: must be a function, got nothing" } },
    begins = 'ward.on_signal("USR1", called)',
  },
  ["ward.watch"] = {
    bad = { { "ward.watch(3, print)", "ward.watch: " .. PATH },
      { 'ward.watch("/")', "ward.watch: the last argument: must be a function, got nothing" },
      { 'ward.watch("/", { debounce = "2h" }, print)', "ward.watch: debounce: must be a duration from 0 to 1h00m, "
        .. 'such as "10s" or a number of seconds, got string "2h"' } },
    begins = 'ward.watch("touched", called)',
  },
  ["Watch:cancel"] = {
    bad = { { "watch.cancel()", colon("watch:cancel", "watch") } },
    over = { "return watch:cancel(), watch:cancel()", "nil" },
  },
  ["ward.log"] = {
    bad = { { 'ward.log("loud", "x")',
      'ward.log: the level: must be one of "debug", "info", "warn", "error", got string "loud"' },
      { 'ward.log("info", "x", { a = {} })',
        "ward.log: the fields.a: must be a string, a number or a boolean, got a table" } },
  },
  ["ward.fs.read"] = {
    bad = { { "ward.fs.read(3)", "ward.fs.read: " .. PATH }, { 'ward.fs.read "a\\0"', "ward.fs.read: " .. NUL } },
  },
  ["ward.fs.list"] = {
    bad = { { "ward.fs.list(3)", "ward.fs.list: " .. PATH }, { 'ward.fs.list "a\\0"', "ward.fs.list: " .. NUL } },
  },
  ["ward.fs.exists"] = {
    bad = { { "ward.fs.exists(3)", "ward.fs.exists: " .. PATH },
      { 'ward.fs.exists "a\\0"', "ward.fs.exists: " .. NUL } },
  },
  ["ward.http.get"] = {
    bad = { { "ward.http.get(3)", "ward.http.get: " .. URL },
      { 'ward.http.get("http://x/", { tiemout = 1 })',
        'ward.http.get: the options: unknown key "tiemout" (did you mean "timeout"?)' } },
    waits = "ward.http.get(SILENT)",
  },
  ["ward.http.post"] = {
    bad = { { 'ward.http.post(3, "x")', "ward.http.post: " .. URL },
      { 'ward.http.post("http://x/")',
        "ward.http.post: the body: must be a string, or a table that is sent as JSON, got nothing" } },
    waits = 'ward.http.post(SILENT, "x")',
  },
  ["ward.http.json"] = {
    bad = { { "ward.http.json(3)", "ward.http.json: " .. URL } },
    waits = "ward.http.json(SILENT)",
  },
  ["ward.service"] = { bad = { { "ward.service {}", "ward.service: " .. LOADING } } },
  ["ward.supervisor"] = { bad = { { "ward.supervisor {}", "ward.supervisor: " .. LOADING } } },
  ["ward.pool"] = { bad = { { "ward.pool {}", "ward.pool: " .. LOADING } } },
  ["ward.command"] = { bad = { { 'ward.command("x", print)', "ward.command: " .. LOADING } } },
  ["ward.settings"] = { bad = { { "ward.settings {}", "ward.settings: " .. LOADING } } },
  ["ward.keep"] = { bad = { { 'ward.keep("x", {})', "ward.keep: " .. LOADING } } },
  ["Service:start"] = {
    bad = { { 'slow:start("x")', "service:start: timeout: " .. DURATION },
      { "slow.start(3)", "service:start: " .. SERVICE } },
    waits = "job:start()",
    answered = true,
  },
  ["Service:stop"] = {
    bad = { { 'slow:stop("x")', "service:stop: timeout: " .. DURATION },
      { "slow.stop(3)", "service:stop: " .. SERVICE } },
    waits = "slow:stop()",
  },
  ["Service:restart"] = {
    bad = { { 'slow:restart("x")', "service:restart: timeout: " .. DURATION },
      { "slow.restart(3)", "service:restart: " .. SERVICE } },
    waits = "slower:restart()",
    answered = true,
  },
  ["Service:signal"] = {
    bad = { { 'slow:signal("NOPE")', 'service:signal: the signal: unknown signal "NOPE"' },
      { 'slow.signal("TERM")', "service:signal: " .. SERVICE } },
    over = { 'other:stop() return other:signal("TERM")', 'nil service "other" is not running' },
  },
  ["Service:status"] = {
    bad = { { "slow.status(3)", "service:status: " .. SERVICE } },
    over = { "other:stop() return other:status().state", "stopped" },
  },
  ["Pool:resize"] = {
    bad = { { "pool:resize(9)", "pool:resize: the size: must be a whole number from 0 to 2, got number 9" },
      { "pool.resize(2)", "pool:resize: " .. POOL }, { "pool.resize(stubborn, 2)", "pool:resize: " .. POOL } },
    waits = "stubborn:resize(0)",
  },
  ["Pool:roll"] = {
    bad = { { "pool.roll()", "pool:roll: " .. POOL } },
    waits = "rolling:roll()",
    answered = true,
  },
  ["Pool:size"] = { bad = { { "pool.size()", "pool:size: " .. POOL } } },
  ["ward.duration.parse"] = {},
  ["ward.duration.size"] = {},
  ["ward.duration.format"] = {
    bad = { { 'require("ward.duration").format("1s")', "duration.format: the seconds: must be a number, got string" } },
  },
  ["ward.dotenv.parse"] = {
    bad = { { 'require("ward.dotenv").parse()', "dotenv.parse: the text: must be a string, got nil" } },
  },
}

--- Declarations, while a script loads.
M.declarations = {
  { "ward.service(3)", 'ward.service: expected a table such as { name = "web", cmd = { "/srv/web" } }, got number 3' },
  { 'ward.service { name = "x", cmd = { "y" }, cwd = 3 }', 'service "x": cwd: must be a string, got number 3' },
  { "ward.supervisor(3)",
    'ward.supervisor: expected a plain table such as { name = "app", children = { db, web } }, got number 3' },
  { "ward.pool(3)", 'pool: must be a table such as { name = "worker", size = 4, cmd = { "worker" } }, got number 3' },
  { "ward.command(3)", "ward.command: the name: must be a string, got number 3" },
  { "ward.settings { prun = true }", 'ward.settings: unknown key "prun" (did you mean "prune"?)' },
  { "ward.keep(3)", "ward.keep: name: must be a string, got number 3" },
  { 'ward.on_signal("NOPE", print)', 'ward.on_signal: the signal: unknown signal "NOPE"' },
  { 'ward.on("exitt", print)', 'ward.on: the event: no event is called "exitt" (did you mean "exit"?)' },
  { "ward.every(0, print)", "ward.every: the time: must be at least 1ms" },
  { "ward.sleep(1)", "ward.sleep: only declarations are allowed while a script loads; call it in a task" },
  { "slow:stop()", "service:stop: only declarations are allowed while a script loads; call it in a task" },
}

return M
