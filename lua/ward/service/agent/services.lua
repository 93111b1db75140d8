-- What tasks of a script ask of services: commands, signals, and how they are.

local M <const> = { ops = {} }

local COMMANDS <const> = { start = true, stop = true, restart = true }

local function plain_view(view)
  return view and {
    name = view.name, state = view.state, ready = view.ready, pid = view.pid, uptime = view.uptime,
    restarts = view.restarts, last_exit = view.last_exit, desired = view.desired,
  }
end

function M.ops.service(self, name)
  return plain_view(self.parts.driver:view(name))
end

-- A pool is replaced whether somebody waits for it or not.
local function roll(self, id, name)
  self.commands[-id] = true
  local known <const> = self.parts.roll(name, function(ok, result)
    M.reply(self, -id, { ok = ok, results = { result } })
  end)
  if not known then
    self.commands[-id] = nil
    return nil, { code = "EINVAL", message = "no such pool" }
  end
  return true
end

-- Answered with ("commanded", id, ok, err), maybe before this returns. Tokens below zero are the script's.
function M.ops.command(self, id, op, name)
  if op == "roll" and math.type(id) == "integer" and id > 0 then
    return roll(self, id, name)
  elseif not COMMANDS[op] or math.type(id) ~= "integer" or id < 1 or not self.parts.driver.specs[name] then
    return nil, { code = "EINVAL", message = "no such command" }
  end
  self.commands[-id] = true
  self.parts.driver:post({ kind = "command", op = op, names = { name }, token = -id, by = "script" })
  return true
end

function M.ops.cancel(self, id)
  if self.commands[-id] then
    self.commands[-id] = nil
    self.parts.driver:post({ kind = "cancel", token = -id })
  end
end

function M.ops.signal_service(self, name, signal)
  local proc = self.parts.driver.procs[name]
  if not proc then
    return nil, { code = "ESRCH", message = ('service "%s" is not running'):format(name) }
  end
  local ok, err = proc:signal(signal)
  return ok, err and { code = err.code, errno = err.errno, message = err.message }
end

--- Nobody waits for its commands any more.
---@param self ward.service.Agent
function M.withdraw(self)
  for token in pairs(self.commands) do
    self.commands[token] = nil
    self.parts.driver:post({ kind = "cancel", token = token })
  end
end

--- The engine has answered a command; true when it was the script's.
---@param self ward.service.Agent
---@param token any
---@param reply { ok: boolean, results: table[] }
---@return boolean
function M.reply(self, token, reply)
  if not self.commands[token] then
    return false
  end
  self.commands[token] = nil
  local result = reply.results[1]
  self:post("commanded", -token, reply.ok, not reply.ok and {
    code = result.code or "failed", message = ('service "%s": %s'):format(result.name, result.message),
  } or nil)
  return true
end

return M
