---@meta _
-- The world
-- A script can look at files, at ward's environment and at ward's own signals, and it can say something. To change
-- something it runs a program.

---@class ward
---@field env table<string, string> The environment that ward was started with, read-only: `ward.env.HOME`.
local ward = {}

---Calls a function, as a task, when ward itself gets a signal that ward does not use. Within a task the listener ends
---with the task. Raises for other signals: TERM, INT and QUIT stop ward, and HUP is its own, too, though events tell
---of it.
---
---```lua
---ward.on_signal("USR1", function() web:signal "USR1" end)
---```
---@param signal ward.FreeSignal|ward.Signal the signal
---@param fn fun(event: ward.Event) what is called
---@return ward.Listener? listener
---@return ward.Error? err why the signal cannot be had
function ward.on_signal(signal, fn) end

---A signal that ward leaves to scripts.
---@alias ward.FreeSignal "USR1"|"USR2"|"ALRM"|"CONT"|"IO"|"PROF"|"PWR"|"STKFLT"|"URG"|"VTALRM"|"WINCH"

---Calls a function, as a task, when a file or a directory has changed and been quiet for a while, see inotify(7);
---what does not get quiet is told after ten times as long. One call is made at a time. A file is watched through its
---directory: it may be replaced, and need not be there yet. A directory that goes is looked for again every second.
---Within a task the watch ends with the task.
---
---```lua
---ward.watch("/etc/nginx/nginx.conf", { debounce = "500ms" }, function(event)
---  if event.exists then nginx:signal "HUP" end
---end)
---```
---@overload fun(path: ward.Path, fn: fun(event: ward.WatchEvent)): ward.Watch
---@param path ward.Path the file or directory
---@param opts ward.WatchOptions may be left out
---@param fn fun(event: ward.WatchEvent) what is called
---@return ward.Watch? watch
---@return ward.Error? err why it cannot be watched
function ward.watch(path, opts, fn) end

---Options of `ward.watch`.
---@class ward.WatchOptions
---@field debounce? ward.Duration How long it must be quiet: 100 ms when not given, at most an hour.

---What `ward.watch` tells.
---@class ward.WatchEvent
---@field path string The absolute path that is watched.
---@field exists boolean Whether it is there.
---@field names? string[] Of a directory: what changed in it, sorted.
---@field rescan? boolean Of a directory: some names may be missing, so look at all of it.

---What `ward.watch` returns.
---@class ward.Watch
local Watch = {}

---No call is made any more.
function Watch:cancel() end

---Writes a line of ward's own output. Only in a task.
---
---```lua
---ward.log("warn", "the queue is long", { jobs = 1200, queue = "mail" })
---```
---@param level "debug"|"info"|"warn"|"error" how much it matters
---@param message string|number the line, at most 64 KiB
---@param fields? table<string, string|number|boolean> added to the line as `key=value`, sorted
function ward.log(level, message, fields) end

---Files, for reading. Also while the script loads. A call on a file system that hangs makes ward wait: run `cat`
---there.
---@class ward.fs
ward.fs = {}

---The text of a regular file, at most 16 MiB.
---@param path ward.Path the file
---@return string? text
---@return ward.Error? err such as `"ENOENT"`, or `"EISDIR"` of a directory
function ward.fs.read(path) end

---The names in a directory without `.` and `..`, sorted.
---@param path ward.Path the directory
---@return string[]? names
---@return ward.Error? err such as `"ENOTDIR"`
function ward.fs.list(path) end

---Whether something is there, and what; symbolic links are followed.
---@param path ward.Path what to look for
---@return boolean exists
---@return "file"|"directory"|"other"|nil kind
function ward.fs.exists(path) end

---A table of plain data that outlives the script: what a task writes to it, at any depth, is checked and is the
---supervisor's at once. Only while the script loads; a name can be had once. Reading it, `pairs` and `#` work as on
---a table. A field that was kept with another type than its default is replaced by the default. At most 1 MiB.
---
---```lua
---local seen = ward.keep("seen", { deploys = 0 })
---ward.on("deployed", function() seen.deploys = seen.deploys + 1 end)
---```
---@param name string as a service's
---@param defaults? table<string|number, ward.Plain> for what has not been kept
---@return table<string|number, any> keep
function ward.keep(name, defaults) end
