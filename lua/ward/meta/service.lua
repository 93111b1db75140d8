---@meta _
-- Services
-- A service is a program that ward keeps running: it starts it after what it needs, restarts it by a rule, writes its
-- output to a log and stops it in reverse order.

---@class ward
local ward = {}

---Declares a service and returns a value that stands for it: in `needs`, in `children`, and for what tasks tell it to
---do. Only while the script loads. Raises at the caller's line when a key is unknown, missing or wrong.
---
---```lua
---local db = ward.service { name = "db", cmd = { "postgres", "-D", "/srv/pg" }, user = "postgres" }
---local web = ward.service {
---  name = "web", cmd = { "/srv/app/web" }, needs = { db },
---  restart = { on = "failure", backoff = { from = "100ms", max = "30s" } },
---  on_fail = function(self) ward.log("error", self.name .. " is down for good") end,
---}
---```
---@param spec ward.ServiceSpec the keys
---@return ward.Service service it cannot be changed
function ward.service(spec) end

---Which exits are followed by a new start, as `Restart=` of systemd.service(5) has them. HUP, INT, TERM and PIPE are
---a clean exit when ward asked for it, else a failure.
---@alias ward.Condition
---| "always" # after every exit
---| "success" # after a clean exit only
---| "failure" # after exit codes that are no success, signals, a program that could not be started, a timeout
---| "abnormal" # after signals and timeouts
---| "abort" # after signals
---| "watchdog" # after a missed heartbeat or a failed check
---| "never" # after none

---What a hook or a rule may return after an exit: the delay before the next start, `"stop"` for no further start,
---`"escalate"` so that its supervisor gives up, or `nil` for the declared rule. A function that fails, that uses up
---its budget, that returns something else or that has not answered within 10 s is reported with its line, and the
---declared rule applies.
---@alias ward.Verdict ward.Duration|"stop"|"escalate"|nil

---The keys of a service: those of *ward.Process*, and these.
---@class ward.ServiceSpec: ward.Process
---1 to 128 letters, digits and `_ . @ : -`, of which the first is a letter or a digit; unique in the script, also
---among supervisors and pools.
---(string; required)
---@field name string
---What started means. A `"simple"` service is ready when its program runs, a `"oneshot"` when it has ended with
---success; `"notify"` is known, and refused by this version.
---("simple", "oneshot" or "notify"; default: "simple")
---@field type? "simple"|"oneshot"
---Services that must be ready before it starts, and that stop after it. While one of them is down for good it waits,
---and starts by itself when that comes back.
---(list of services or names; default: {})
---@field needs? (ward.Service|string)[]
---Services that are started with it, and before it; it starts even when they fail.
---(list of services or names; default: {})
---@field wants? (ward.Service|string)[]
---Order only: when both start, it starts after these, and when both stop, it stops before them.
---(list of services or names; default: {})
---@field after? (ward.Service|string)[]
---What becomes of it when something that it needs is restarted: it goes on, or it is restarted, too.
---("keep" or "restart"; default: "keep")
---@field on_restart? "keep"|"restart"
---Longest time from start to ready; one that takes longer is stopped, which counts as a failure.
---(duration; default: none)
---@field start_timeout? ward.Duration
---When it is started again. A function decides after each exit; see *ward.History* for what it is told.
---
---```lua
---restart = function(exit, history)
---  if exit.code == 78 then return "stop" end -- bad configuration: no start can help
---  return math.min(60, 2 ^ history.streak)
---end
---```
---(condition, table or function; default: "failure")
---@field restart? ward.Condition|ward.Restart|fun(exit: ward.Exit, history: ward.History): ward.Verdict
---Exit codes (0 to 255) and signals that are never followed by a restart.
---(list of exit codes and signals; default: {})
---@field restart_prevent? (integer|string)[]
---Exit codes and signals that count as success. HUP, INT, TERM and PIPE do, too, when ward has asked for the end.
---(list of exit codes and signals; default: { 0 })
---@field success? (integer|string)[]
---How it is stopped: a ladder of signals and the time to wait after each, at most 16, or *ward.Stop* with a command
---first. It always ends in KILL of the service's whole tree of processes.
---
---```lua
---stop = { "INT", "20s", "QUIT", "5s", "KILL" }
---```
---(list of signals and waits, or command; default: { "TERM", "10s", "KILL" })
---@field stop? (ward.Signal|ward.Duration)[]|ward.Stop
---Whether its end counts for `auto_shutdown` of its supervisor. Not with `restart = "always"`.
---(boolean; default: false)
---@field significant? boolean
---Called with the service when it starts. Hooks are tasks: they may wait, and delay nothing.
---(function; default: none)
---@field on_start? fun(self: ward.Service)
---Called with the service when it is ready.
---(function; default: none)
---@field on_ready? fun(self: ward.Service)
---Called with the service and the exit when its process has ended. When nobody had asked for the end, what it returns
---decides before `restart` does.
---(function; default: none)
---@field on_exit? fun(self: ward.Service, exit: ward.Exit): ward.Verdict
---Called with the service when it is to stop.
---(function; default: none)
---@field on_stop? fun(self: ward.Service)
---Called with the service and its last exit when it has failed for good.
---(function; default: none)
---@field on_fail? fun(self: ward.Service, exit: ward.Exit)

---A rule for restarts.
---@class ward.Restart
---Which exits are followed by a new start.
---(condition; default: "failure")
---@field on? ward.Condition
---The delays between starts.
---(table; default: see its keys)
---@field backoff? ward.Backoff
---More than `n` restarts within a time are too many: the service has then failed.
---
---```lua
---give_up = { 5, within = "1m" }
---```
---(table { n, within = }; default: never)
---@field give_up? ward.Intensity

---Delays that grow from restart to restart.
---@class ward.Backoff
---The first delay, at most a day.
---(duration; default: "100ms")
---@field from? ward.Duration
---Each delay is this times the last one, 1 to 1000.
---(number; default: 2)
---@field factor? number
---The longest delay, at most a day and not less than `from`.
---(duration; default: "30s", or from when that is more)
---@field max? ward.Duration
---Part of the delay that chance adds or takes, 0 to 1, so that services that failed together do not return together.
---(number; default: 0.1)
---@field jitter? number
---Time up after which the delays begin again.
---(duration; default: "10s")
---@field reset? ward.Duration

---A count within a time: `{ 5, within = "1m" }`. The count, from 0 to 10000, is the first value of the list.
---@class ward.Intensity
---@field within ward.Duration The time in which so many are allowed.

---A stop that begins with a command; signals and waits may follow it in the same table, else TERM, 10 s and KILL do.
---
---```lua
---stop = { cmd = { "nginx", "-s", "quit" }, timeout = "20s", "TERM", "5s" }
---```
---@class ward.Stop
---@field cmd (string|number)[] The command, which runs as the service's own user and in its sandbox.
---@field timeout? ward.Duration Longest time that the service may take after it, 10 s when not given.

---A declared service. Methods are for tasks; each is what the command of the same name does.
---@class ward.Service
---@field name string Its name.
local Service = {}

---Starts the service and what it needs, and waits until it is ready. Less than `backoff.reset` after it was ready or
---has ended, that is one more of its restarts: it waits for its delay, and `give_up` limits it. A pause is not lifted.
---
---```lua
---local ok, err = canary:start("30s")
---if not ok then ward.log("warn", "canary: " .. err.message) end
---```
---@param timeout? ward.Duration how long to wait; the order stands when it is over
---@return true? ok
---@return ward.Error? err `"timeout"`, or why it is not ready
function Service:start(timeout) end

---Stops the service after those that need it, and waits until it is down.
---@param timeout? ward.Duration how long to wait; the order stands when it is over
---@return true? ok
---@return ward.Error? err `"timeout"`, or why it is not down
function Service:stop(timeout) end

---Stops the service, starts it again as `start` does, and waits until it is ready.
---@param timeout? ward.Duration how long to wait; the order stands when it is over
---@return true? ok
---@return ward.Error? err `"timeout"`, or why it is not ready
function Service:restart(timeout) end

---Sends a signal to the process of the service, through its pidfd: never to a successor of its pid.
---
---```lua
---ward.on_signal("USR1", function() web:signal "HUP" end)
---```
---@param signal ward.Signal the signal
---@return true? ok
---@return ward.Error? err `"ESRCH"` when it is not running
function Service:signal(signal) end

---How the service is at this moment.
---@return ward.Status status a copy
function Service:status() end

---How a service is, as `ward status` shows it.
---@class ward.Status
---@field name string Its name.
---@field state ward.State The state.
---@field ready boolean Whether it is up: what needs it may run.
---@field pid? integer Its process, while there is one.
---@field uptime? number Seconds since its process was started.
---@field restarts integer How often it was restarted without being asked.
---@field last_exit? ward.Exit Its last exit.
---@field desired "up"|"down" What it is meant to be.

---A state of a service.
---@alias ward.State
---| "stopped" # down, as it was asked
---| "waiting" # for what it needs
---| "starting" # its process is being made, or is not ready yet
---| "ready" # up
---| "stopping" # on its way down the ladder
---| "backoff" # down, until its delay is over
---| "failed" # down for good
---| "done" # ended with success
---| "stuck" # did not end after KILL: it hangs in the kernel

---The end of a process.
---@class ward.Exit
---Whether it counts as success: of a service by `success`, of a child of a task when its exit code is 0.
---@field ok boolean
---@field kind "exited"|"signaled"|"spawn_failed"|"unknown" How it ended; `"unknown"` when its status was lost.
---@field code? integer The exit code from 0 to 255, when it exited.
---@field signal? string The name of the signal that killed it, such as `"SEGV"`.
---@field core? boolean Whether a core was dumped, when a signal killed it.
---@field stage? string The step that failed, when it could not be started.
---@field errno? integer The errno of that step.
---@field message? string What that was, as a sentence.
---@field pid? integer Its process.
---@field uptime number Seconds from start to end.
---@field rusage? ward.Rusage What it has used, see getrusage(2).
---@field at number The time of the end, in seconds since 1970.
---@field cause? ward.Cause Why, in the words of `restart.on`; of services only.

---Why a service ended.
---@alias ward.Cause
---| "clean" # it counts as success
---| "code" # an exit code that is none
---| "signal" # a signal that nobody of ward's sent
---| "spawn" # it could not be started
---| "unknown" # its status was lost
---| "timeout" # it was not ready in time
---| "watchdog" # a heartbeat was missed
---| "check" # a check failed

---What a process and its waited-for children have used.
---@class ward.Rusage
---@field user number Seconds of CPU in user mode.
---@field system number Seconds of CPU in the kernel.
---@field maxrss integer The most memory that was resident at one time, in bytes.

---What a restart rule is told beside the exit.
---@class ward.History
---@field restarts integer How often the service was restarted without being asked.
---@field streak integer How many of these came without a good run (`backoff.reset`) in between.
---@field exits ward.Exit[] Its last exits, at most 10, the newest last.
