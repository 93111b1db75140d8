-- What the engine's specs share: short ways to write specs and events, effects as lines of text, and cases as tables.

local assert <const> = require "luassert"
local engine <const> = require "ward.engine"

local M <const> = {}

--- A canonical spec: TERM, 10 s, KILL; restart on failure after exactly 1, 2, 4 ... 30 s.
---@param name string
---@param more? table on, backoff, give_up of restart, and any other key of a spec
---@return table spec
function M.spec(name, more)
  more = more or {}
  local backoff = { from = 1, factor = 2, max = 30, jitter = 0, reset = 10 }
  for key, value in pairs(more.backoff or {}) do
    backoff[key] = value
  end
  local spec = {
    needs = {}, success = { codes = { 0 }, signals = {} },
    stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
  }
  for key, value in pairs(more) do
    spec[key] = value
  end
  spec.on, spec.backoff, spec.give_up = nil, nil, nil
  spec.name, spec.cmd = name, { name }
  spec.restart = { on = more.on or "failure", backoff = backoff, give_up = more.give_up }
  return spec
end

--- A supervisor: its name, its keys, and in the list part its children, names of services or supervisors. Restarted
--- always, after exactly 1, 2, 4 ... 30 s.
---@param name string
---@param more table strategy, intensity, auto_shutdown, on, shutdown, stay, significant; children
---@return table node
function M.sup(name, more)
  local children = {}
  for at, child in ipairs(more) do
    children[at] = type(child) == "string" and { service = child } or child
  end
  return {
    name = name, children = children, strategy = more.strategy or "one_for_one", intensity = more.intensity,
    auto_shutdown = more.auto_shutdown or "never", shutdown = more.shutdown, stay = more.stay,
    significant = more.significant,
    restart = { on = more.on or "always", backoff = { from = 1, factor = 2, max = 30, jitter = 0, reset = 10 } },
  }
end

-- "1/5", and the words of a supervisor.
local function supervise(sup, word)
  local n, within = word:match("^(%d+)/(%d+)$")
  local key, seconds = word:match("^(%a+):([%d.]+)$")
  if n then
    sup.intensity = { n = tonumber(n), within = tonumber(within) }
  elseif key == "delay" then
    sup.restart.backoff.from = tonumber(seconds)
  elseif key == "shutdown" then
    sup.shutdown = tonumber(seconds)
  elseif word == "any" or word == "every" then
    sup.auto_shutdown = word == "any" and "any_significant" or "all_significant"
  else
    sup.stay = assert(word == "stay", word)
  end
end

local STRATEGIES <const> = { one = "one_for_one", all = "one_for_all", rest = "rest_for_one" }

--- A tree in one line. A service is NAME[:ON][*], a supervisor NAME[:ON][*]=STRATEGY WORD... ( CHILD... ): ON is
--- restart.on ("always"), * means significant, STRATEGY is one, all or rest, and the words are N/WITHIN (intensity),
--- any or every (auto_shutdown), delay:N, shutdown:N and stay. Restarts have no delay.
---   app=all 1/5 (db web:failure* fleet:never=one any (a* b))
---@param text string
---@param more? table<string, table> what else is in the specs of services, as M.spec takes it
---@return table[] specs
---@return table root
function M.tree(text, more)
  local words, at, specs = {}, 0, {}
  for word in text:gsub("[()]", " %0 "):gmatch("%S+") do
    words[#words + 1] = word
  end
  local function read()
    at = at + 1
    local name, on, star, strategy = words[at]:match("^([%w_-]+):?(%a*)(%*?)=?(%a*)$")
    on = on ~= "" and on or "always"
    local significant = star == "*" or nil
    if strategy == "" then
      local keys = { on = on, backoff = { from = 0 }, significant = significant }
      for key, value in pairs(more and more[name] or {}) do
        keys[key] = value
      end
      specs[#specs + 1] = M.spec(name, keys)
      return { service = name }
    end
    local sup = { name = name, strategy = assert(STRATEGIES[strategy], strategy), significant = significant,
      restart = { on = on, backoff = { from = 0, factor = 2, max = 30, jitter = 0, reset = 10 } }, children = {} }
    at = at + 1
    while words[at] ~= "(" do
      supervise(sup, words[at])
      at = at + 1
    end
    while words[at + 1] ~= ")" do
      sup.children[#sup.children + 1] = read()
    end
    at = at + 1
    return sup
  end
  local root = read()
  assert(at == #words, "a tree has one root")
  return specs, root
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

--- A command that the script gives.
function M.by_script(text, token)
  local event <const> = M.command(text, token)
  event.by = "script"
  return event
end

--- Plays { time, event } pairs.
---@param specs table[]
---@param steps table[]
---@param options? table of engine.new
---@return table[] effects of the last one
---@return table st
function M.last(specs, steps, options)
  local st, effects = engine.new(specs, options), {}
  for _, step in ipairs(steps) do
    st, effects = engine.step(st, step[2], step[1])
  end
  return effects, st
end

local LINES <const> = {
  arm = function(e) return ("arm %s %g"):format(e.name, e.at) end,
  signal = function(e) return ("signal %s %s"):format(e.name, e.signal) end,
  run = function(e) return ("run %s %d"):format(e.name, e.rung) end,
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

--- Plays a case: { title, specs (and `tree`, the root supervisor), steps of { time, event, effect lines ... }, or lists
--- of such steps }.
---@param case table
function M.play(case)
  local st = engine.new(case[2], { tree = case[2].tree })
  local steps = {}
  for at = 3, #case do
    if type(case[at][1]) == "table" then
      table.move(case[at], 1, #case[at], #steps + 1, steps)
    else
      steps[#steps + 1] = case[at]
    end
  end
  for number, step in ipairs(steps) do
    local effects
    st, effects = engine.step(st, step[2], step[1])
    assert.same({ table.unpack(step, 3) }, M.lines(effects), ("step %d, %s"):format(number, step[2].kind))
  end
end

--- Effects as lines.
function M.lines(effects)
  local lines = {}
  for _, effect in ipairs(effects) do
    lines[#lines + 1] = M.line(effect)
  end
  return lines
end

--- How many effects are of a kind.
function M.kinds(effects, kind)
  local count = 0
  for _, effect in ipairs(effects) do
    count = count + (effect.kind == kind and 1 or 0)
  end
  return count
end

return M
