-- The methods of the control protocol that are about services and the supervisor itself.
-- Each has params, name -> kind, and run(control, params, call) -> result | nil, error | LATER.

local core <const> = require("ward.core")
local glob <const> = require("ward.glob")
local json <const> = require("ward.service.json")
local method <const> = require("ward.service.control.method")

local LATER <const>, fail <const>, required <const> = method.LATER, method.fail, method.required

local function unknown_service(word)
  if glob.is_pattern(word) then
    return fail("unknown_service", ("no service matches %s"):format(json.encode(word)), { name = word })
  end
  return fail("unknown_service", ("no such service: %s"):format(json.encode(word)), { name = word })
end

-- Members of a pool that are not wanted answer to their names only.
local function expand(control, words)
  return glob.expand(words, control.driver:names(), control.driver:shown())
end

-- Posts an event that the engine answers by token; the answer may come before post returns.
local function ask(control, call, event)
  local token = control.next_token
  control.next_token = token + 1
  event.token = token
  control.pending[token] = call
  control.tokens[call.conn] = control.tokens[call.conn] or {}
  control.tokens[call.conn][token] = true
  control.driver:post(event)
  return LATER
end

-- Methods that change services; answered when the services got there, or at once when the caller does not wait.
local function change(op)
  return {
    params = { names = required(method.NAMES), wait = method.FLAG },
    run = function(control, params, call)
      local names, missing = expand(control, params.names)
      if not names then
        return unknown_service(missing)
      end
      return ask(control, call, { kind = "command", op = op, names = names, wait = params.wait })
    end,
  }
end

local M <const> = {}
for _, op in ipairs({ "start", "stop", "restart", "pause", "resume" }) do
  M[op] = change(op)
end

M.version = {
  params = {},
  run = function(control)
    return { version = core.version, pid = core.pid, instance = control.info.instance }
  end,
}

local function describe(control, name, now)
  local view = control.driver:view(name)
  return {
    name = name, state = view.state, ready = view.ready, desired = view.desired, pid = view.pid,
    uptime = view.uptime, restarts = view.restarts, last_exit = view.last_exit,
    next_in = view.next_at and math.max(0, view.next_at - now), in_state = view.since and now - view.since,
    degraded = view.degraded and json.list(view.degraded), landlock_abi = view.landlock_abi,
    paused = view.paused, stale = view.stale, removed = view.removed,
    waits_for = json.list(view.waits_for or {}), log = control.info.log_files[name],
  }
end

M.status = {
  params = { names = method.NAMES },
  run = function(control, params)
    local names = control.driver:shown()
    if params.names then
      local missing
      names, missing = expand(control, params.names)
      if not names then
        return unknown_service(missing)
      end
    end
    local now, services = core.now(), json.list({})
    for i, name in ipairs(names) do
      services[i] = describe(control, name, now)
    end
    return {
      instance = control.info.instance, pid = core.pid, version = core.version, script = control.info.script,
      generation = control.reloader.number, uptime = now - control.info.since, services = services,
      quarantine = control.quarantined(),
    }
  end,
}

M.why = {
  params = { names = required(method.NAMES) },
  run = function(control, params)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    local services = json.list({})
    for i, name in ipairs(names) do
      services[i] = control.driver:why(name)
      services[i].log = control.info.log_files[name]
      for _, key in ipairs({ "waits_for", "dead_needs", "supervisors" }) do
        json.list(services[i][key])
      end
      for _, sup in ipairs(services[i].supervisors) do
        json.list(sup.waits_for)
      end
    end
    return { now = core.now(), services = services }
  end,
}

local function lists_of(node)
  for _, key in ipairs({ "needs", "wants", "after", "children" }) do
    if node[key] then
      json.list(node[key])
    end
  end
  for _, child in ipairs(node.children or {}) do
    lists_of(child)
  end
  return node
end

M.graph = {
  params = {},
  run = function(control)
    return { root = lists_of(control.driver:graph()) }
  end,
}

M.signal = {
  params = { names = required(method.NAMES), signal = required(method.SIGNAL) },
  run = function(control, params)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    local all, results = true, {}
    for i, name in ipairs(names) do
      local proc, ok, err = control.driver.procs[name], false, nil
      if proc then
        ok, err = proc:signal(params.signal)
      end
      all = all and ok
      results[i] = { name = name, ok = ok and true or false, message = err and err.message }
      if not proc then
        results[i].message = "is not running"
      end
    end
    return method.outcome(all, results)
  end,
}

M.wait = {
  params = { names = required(method.NAMES), ["for"] = required(method.GOAL) },
  run = function(control, params, call)
    local names, missing = expand(control, params.names)
    if not names then
      return unknown_service(missing)
    end
    return ask(control, call, { kind = "command", op = "wait", names = names, for_ = params["for"] })
  end,
}

-- Answered when the new version has taken over, or has been found wanting. What it restarts may take longer.
M.reload = {
  params = { plan = method.FLAG, prune = method.FLAG, restart = method.FLAG, discard = method.FLAG },
  run = function(control, params, call)
    local how = {
      plan = params.plan or false, prune = params.prune or false, restart = params.restart ~= false,
      discard = params.discard or false,
    }
    control.reloader:request(how, function(result, errors)
      if result then
        return method.respond(call, result)
      end
      method.respond(call, fail("failed", table.concat(errors, "\n"), { errors = json.list(errors) }))
    end)
    return LATER
  end,
}

-- Answered when all is down. The first one begins, later ones hurry, as with signals.
M.shutdown = {
  params = {},
  run = function(control, _, call)
    control.shutting_down("ward shutdown")
    return ask(control, call, { kind = "shutdown" })
  end,
}

return { methods = M }
