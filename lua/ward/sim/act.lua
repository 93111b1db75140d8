-- Methods of a world that make something happen: time passes, processes end, operators give commands.

local duration <const> = require "ward.duration"
local inside <const> = require "ward.sim.inside"
local signals <const> = require "ward.schema.signals"
local value <const> = require "ward.schema.value"

local methods <const> = {}

local run <const> = inside.run
local book_of <const> = inside.book_of
local state_of <const> = inside.state_of
local running <const> = inside.running
local alive <const> = inside.alive
local post <const> = inside.post

--- Lets time pass, and does what is due in it, in order.
---@param time number|string seconds, or "250ms", "10s", "5m"
---@return number now
function methods:advance(time)
  local seconds <const>, message <const> = duration.parse(time)
  if not seconds then value.fail("the time", message .. ", got " .. value.describe(time)) end
  run(self, self.core.clock + seconds)
  return self.now
end

-- What processes do ------------------------------------------------------------------------------------------

local EXIT <const> = {
  { key = "code", since = "0.1.0" }, { key = "signal", since = "0.1.0" }, { key = "core", since = "0.1.0" },
}

--- Lets a service exit.
---@param name string
---@param how? { code: integer } | { signal: string, core?: boolean } { code = 0 } by default
function methods:exit(name, how)
  local proc <const> = running(self, name)
  how = how == nil and { code = 0 } or how
  value.table("the exit", how, 'a table such as { code = 1 } or { signal = "SEGV" }')
  value.known("the exit", how, EXIT)
  if (how.code == nil) == (how.signal == nil) then value.fail("the exit", "needs code or signal, and not both") end
  if how.signal == nil then
    proc:finish { kind = "exited", code = value.integer("code", how.code, 0, 255) }
  else
    local dumped <const> = how.core ~= nil and value.boolean("core", how.core)
    proc:finish { kind = "signaled", signal = signals.check("signal", how.signal), core = dumped }
  end
  run(self)
end

--- Makes the next start of a service fail, or the one that is held.
---@param name string
---@param message? string
function methods:spawn_fails(name, message)
  local book <const> = book_of(self, name)
  message = message == nil and ("cannot exec %s: No such file or directory (stage exec)"):format(
    self.driver.specs[name].cmd[1]) or value.string("the message", message)
  if book.proc and not book.proc.pid then
    book.proc:fail(message)
    return run(self)
  end
  book.failure = message
end

--- Makes starts of a service take time from now on: each waits for w:started.
---@param name string
function methods:hold(name) book_of(self, name).held = true end

--- Ends that. What waits goes on.
---@param name string
function methods:release(name)
  local book <const> = book_of(self, name)
  book.held = nil
  if book.proc and not book.proc.pid then book.proc:run() end
  run(self)
end

--- The program of a service whose start is held runs now.
---@param name string
function methods:started(name)
  local proc <const> = book_of(self, name).proc
  if not proc or proc.pid then
    value.fail("", ('service "%s" is not being launched: it is %s'):format(name, state_of(self, name)))
  end
  proc:run()
  run(self)
end

--- Makes the processes of a service, also the one that runs, not react to these signals; without any, to all again.
---@param name string
---@param ... string|integer signals
function methods:ignore(name, ...)
  local ignores <const> = book_of(self, name).ignores
  for signal in next, ignores do ignores[signal] = nil end
  for i = 1, select("#", ...) do ignores[signals.check("the signal", (select(i, ...)))] = true end
end

--- Makes the processes of a service not react to any signal, not even KILL: one that is to stop becomes stuck, until
--- w:exit. w:ignore without signals ends that.
---@param name string
function methods:stuck(name) book_of(self, name).ignores.all = true end

--- Says from now on what the children of tasks (ward.run, ward.spawn) and stop commands do: see `on_spawn` of sim.load.
---@param fn fun(spec: table): table|nil
function methods:on_spawn(fn)
  if type(fn) ~= "function" then value.must("the answer to children", "a function", fn) end
  self.core.on_spawn = fn
end

-- What operators do ------------------------------------------------------------------------------------------

local function command(self, op, name, for_)
  book_of(self, name)
  local answer <const> = {}
  post(self, { kind = "command", op = op, names = { name }, for_ = for_, token = answer })
  return answer
end

--- `ward start NAME`. The answer has `ok` as soon as it is there, maybe only after w:advance.
---@param name string
---@return ward.sim.Answer
function methods:start(name) return command(self, "start", name) end

--- `ward stop NAME`.
---@param name string
---@return ward.sim.Answer
function methods:stop(name) return command(self, "stop", name) end

--- `ward restart NAME`.
---@param name string
---@return ward.sim.Answer
function methods:restart(name) return command(self, "restart", name) end

--- `ward pause NAME`.
---@param name string
---@return ward.sim.Answer
function methods:pause(name) return command(self, "pause", name) end

--- `ward resume NAME`.
---@param name string
---@return ward.sim.Answer
function methods:resume(name) return command(self, "resume", name) end

--- `ward wait NAME --for ready|stopped`.
---@param name string
---@param goal "ready"|"stopped"
---@return ward.sim.Answer
function methods:wait(name, goal)
  book_of(self, name)
  return command(self, "wait", name, value.choice("what to wait for", goal, { "ready", "stopped" }))
end

--- `ward do NAME ARGS...`, a command of the script. The answer has `ok`, and `value` or `message`, when it is over, and
--- `output`, what it has printed, meanwhile.
---@param name string
---@param ... string
---@return table
function methods:command(name, ...)
  alive(self)
  local args <const> = table.pack(...)
  value.string("the command", name)
  for i = 1, args.n do value.string("an argument", args[i], { min = 0 }) end
  args.n = nil
  local answer <const> = { output = "" }
  self.agent:run({
    output = function(text)
      answer.output = answer.output .. text
      return true
    end,
    done = function(told)
      for key, item in next, told do answer[key] = item end
    end,
  }, "command", name, args)
  run(self)
  return answer
end

--- `ward shutdown`; again to hurry. When all is down, w.code is set.
---@return ward.sim.Answer
function methods:shutdown()
  local answer <const> = {}
  post(self, { kind = "shutdown", token = answer })
  return answer
end

--- A signal to ward itself: TERM, INT and QUIT shut it down; others are for ward.on_signal.
---@param name string|integer
function methods:signal(name)
  alive(self)
  local signal <const> = signals.check("the signal", name)
  local stops <const> = signal == "TERM" or signal == "INT" or signal == "QUIT"
  local listener <const> = self.core.on_signal[signal]
  if listener then
    listener()
  elseif stops or signal == "HUP" then
    self.agent:signalled(signal)
  else
    value.fail("", ("nothing in the script waits for SIG%s"):format(signal))
  end
  if stops then self.driver:post { kind = "shutdown" } end
  run(self)
end

--- A file has changed, for ward.watch.
---@param path string relative to the script's directory
function methods:touch(path)
  alive(self)
  value.string("the path", path)
  self.core.touch(path:sub(1, 1) == "/" and path or self.dir .. "/" .. path)
  run(self)
end

return methods
