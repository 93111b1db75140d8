---@meta _
-- Children of tasks
-- A task can run programs. They are made like services, with sandbox and all, are not restarted, and end with the task:
-- a child that is left is killed with its whole tree of processes.

---@class ward
local ward = {}

---Starts a child, and returns when its program runs. Its keys are those of *ward.Process*; `"pipe"` as `stdin`,
---`stdout` or `stderr` gives the task the other end. Raises outside of a task, and for wrong keys.
---
---```lua
---local p, err = ward.spawn { cmd = { "tail", "-F", "/var/log/app" }, stdout = "pipe" }
---if not p then return ward.log("error", err.message) end
---for line in p.stdout:lines() do
---  if line:find("FATAL", 1, true) then web:restart() end
---end
---```
---@param spec ward.Process the keys
---@return ward.Child? child
---@return ward.Error? err `"spawn_failed"` with its stage, `"prepare"` before there is a process, and mostly an errno
function ward.spawn(spec) end

---Runs a child to its end. stdout and stderr are read through pipes unless something else is given for them. When its
---task is cancelled, so is the child.
---
---```lua
---local r, err = ward.run { cmd = { "pg_isready", "-q" }, timeout = "2s" }
---if not r then print("could not ask: " .. err.message) elseif not r.ok then print("not ready: " .. r.code) end
---```
---@param spec ward.RunSpec the keys
---@return ward.Result? result
---@return ward.Error? err `"spawn_failed"`, or `"timeout"` with what was written until then
function ward.run(spec) end

---The keys of `ward.run`: those of *ward.Process*, and these.
---@class ward.RunSpec: ward.Process
---@field timeout? ward.Duration Longest time; the child is then killed, with its whole tree of processes.
---@field input? string What it gets on stdin; `stdin` is then `"pipe"`.
---@field max_output? ward.Size How much of stdout, and of stderr, is kept: 1 MiB when not given, at most 16 MiB.

---What a child of `ward.run` has left: the fields of an exit, and its output.
---@class ward.Result
---@field ok boolean Whether it exited with code 0.
---@field kind "exited"|"signaled"|"unknown" How it ended.
---@field code? integer The exit code, when it exited.
---@field signal? string The signal that killed it, such as `"TERM"`.
---@field core? boolean Whether a core was dumped, when a signal killed it.
---@field pid integer Its process.
---@field uptime number Seconds from start to end.
---@field rusage? ward.Rusage What it has used.
---@field stdout? string What it wrote; nil when it went elsewhere.
---@field stderr? string What it wrote to stderr; nil when it went elsewhere.
---@field truncated boolean Whether some of it was dropped (max_output).

---A child of a task.
---@class ward.Child
---@field pid integer Its process.
---@field stdin? ward.Writer With `stdin = "pipe"`.
---@field stdout? ward.Reader With `stdout = "pipe"`.
---@field stderr? ward.Reader With `stderr = "pipe"`.
local Child = {}

---Waits for its end, as often as wanted.
---@param timeout? ward.Duration how long to wait; the child goes on when it is over
---@return ward.Exit? exit
---@return ward.Error? err the code `"timeout"`
function Child:wait(timeout) end

---Sends it a signal, through its pidfd.
---@param signal? ward.Signal `"TERM"` when not given
---@return true? ok
---@return ward.Error? err `"ESRCH"` when it has ended
function Child:kill(signal) end

---The reading end of a pipe; as a `<close>` variable it closes itself. One task at a time uses it. What nobody reads
---stays in the pipe, and a full pipe makes the child wait.
---@class ward.Reader
local Reader = {}

---Reads and waits for it: without an argument what is there, with `"l"` a line without its end (at most 1 MiB, a
---longer one comes in pieces), with `"a"` everything up to the end (at most 16 MiB), with a number so many bytes or
---what is left.
---@param format? "l"|"a"|integer what to read
---@return string? bytes nil at the end
---@return ward.Error? err why it ended early; `"too_large"` of more than 16 MiB; its `data` is what `"a"` had read
function Reader:read(format) end

---An iterator over its lines.
---@return fun(): string? iterator
function Reader:lines() end

---Closes the pipe; the child gets SIGPIPE when it goes on writing.
function Reader:close() end

---The writing end of a pipe; as a `<close>` variable it closes itself. One task at a time uses it.
---@class ward.Writer
local Writer = {}

---Writes all of it, and waits while the pipe is full.
---@param bytes string|number what to write
---@return true? ok
---@return ward.Error? err `"EPIPE"` when the child does not read any more, `"closed"` after close
function Writer:write(bytes) end

---Closes the pipe, which is the end of the child's input.
function Writer:close() end
