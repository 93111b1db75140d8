-- What the engine's specs share: short ways to write specs and events, and effects as lines of text.

local M <const> = {}

--- A canonical spec: TERM, 10 s, KILL; restart on failure after exactly 1, 2, 4 ... 30 s.
---@param name string
---@param more? table needs, on, backoff, stop, success, source
---@return table spec
function M.spec(name, more)
  more = more or {}
  local backoff = { from = 1, factor = 2, max = 30, jitter = 0, reset = 10 }
  for key, value in pairs(more.backoff or {}) do
    backoff[key] = value
  end
  return {
    name = name, source = more.source, cmd = { name }, needs = more.needs or {},
    restart = { on = more.on or "failure", backoff = backoff },
    success = more.success or { codes = { 0 }, signals = {} },
    stop = more.stop or { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
  }
end

M.boot = { kind = "boot" }
M.shutdown = { kind = "shutdown" }

function M.started(name, pid)
  return { kind = "started", name = name, pid = pid or 1 }
end

--- `how` is an exit code, a signal's name, or "spawn".
function M.exit(name, how)
  local exit = { kind = "exited", code = how, pid = 1, uptime = 0 }
  if how == "spawn" then
    exit = { kind = "spawn_failed", stage = "exec", errno = 2, message = "cannot exec it" }
  elseif type(how) == "string" then
    exit = { kind = "signaled", signal = how, pid = 1, uptime = 0 }
  end
  return { kind = "exit", name = name, exit = exit }
end

function M.timer(name)
  return { kind = "timer", name = name }
end

--- "stop db cache" with token "T"; "ready db" and "stopped db" are waits.
function M.command(text, token)
  local op, rest = text:match("^(%S+)%s*(.*)$")
  local event = { kind = "command", op = op, names = {}, token = token }
  if op == "ready" or op == "stopped" then
    event.op, event.for_ = "wait", op
  end
  for name in rest:gmatch("%S+") do
    table.insert(event.names, name)
  end
  return event
end

local LINES <const> = {
  arm = function(e) return ("arm %s %g"):format(e.name, e.at) end,
  signal = function(e) return ("signal %s %s"):format(e.name, e.signal) end,
  quit = function(e) return "quit " .. e.code end,
  event = function(e)
    return ("%s is %s"):format(e.name, e.type)
  end,
  reply = function(e)
    local out = { "reply", tostring(e.token), e.ok and "ok" or "no" }
    for _, result in ipairs(e.results) do
      if result.message then
        out[#out + 1] = ("(%s %s: %s)"):format(result.name, result.state or "?", result.message)
      end
    end
    return table.concat(out, " ")
  end,
}

--- An effect as a line; nil for events that are not about a state.
function M.line(effect)
  if effect.type == "signal" or effect.type == "shutdown" then
    return nil
  end
  local line = LINES[effect.kind]
  return line and line(effect) or effect.kind .. " " .. effect.name
end

--- Effects as lines.
function M.lines(effects)
  local lines = {}
  for _, effect in ipairs(effects) do
    lines[#lines + 1] = M.line(effect)
  end
  return lines
end

return M
