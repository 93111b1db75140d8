-- Usage: build/tests/trusted tests/bench/journal_bench.lua
--
-- What the journal adds to a step (the best of some rounds): an event with the work of a restart (a third of an exit,
-- its timer and the start, with the birth of a process), and an unchanged reload. What a snapshot costs, and what the
-- reading of it and of a megabyte of events does.
local core <const> = require "ward.core"
local engine <const> = require "ward.engine"
local journal <const> = require "ward.service.journal"

local STEP_GOAL <const>, SNAPSHOT_GOAL <const> = 20, 200 -- microseconds a step; milliseconds for 10,000
local ROUNDS <const>, RESTARTS <const> = 7, 2000
local SIZES <const> = { 10, 100, 1000, 10000 }

-- What the schema makes of a small declaration.
local function specs_of(count)
  local specs, tree = {}, { name = "app", strategy = "one_for_one", children = {} }
  for at = 1, count do
    tree.children[at] = { service = "s" .. at }
    specs[at] = {
      name = "s" .. at, source = "script.lua:" .. at, cmd = { "/bin/true" }, arg0 = "/bin/true", cwd = "/srv",
      type = "simple", needs = {}, wants = {}, after = {}, env = { PORT = "8000" }, umask = 18, session = true,
      stdin = { kind = "null" }, stdout = { kind = "log" }, stderr = { kind = "log" }, fds = {}, limits = {},
      restart = { on = "always", backoff = { from = 1, factor = 2, max = 60, jitter = 0.1, reset = 10 } },
      success = { codes = { 0 }, signals = {} }, start_timeout = 60, clone = "shared",
      stop = { { signal = "TERM", wait = 10 }, { signal = "KILL" } },
    }
  end
  return specs, tree
end

local function exit_of(pid)
  return { kind = "exited", code = 1, pid = pid, uptime = 1.5, at = 1e9, rusage = { user = 0.1, system = 0.1,
    maxrss = 1 << 20 } }
end

local function proc(pid)
  local facts <const> = { pid = pid, pidfd = 20, report = 21, started_at = 123456.5 }
  return { handover = function() return facts end }
end

local function best(rounds, act)
  local least = math.huge
  for _ = 1, rounds do
    collectgarbage()
    local began <const> = os.clock()
    act()
    least = math.min(least, os.clock() - began)
  end
  return least
end

local path <const> = os.tmpname()
local function judged(figure, goal)
  return ("goal %d: %s"):format(goal, figure <= goal and "met" or "missed")
end

for _, size in ipairs(SIZES) do
  local specs <const>, tree <const> = specs_of(size)
  local state = engine.new(specs, { seed = 1, tree = tree })
  local it <const> = journal.new(path, { script = "x.lua", since = 0, generation = 1, keep = {} }, nil, print)
  it:begin(state, specs, tree)
  local now = 1
  local function take(event, recorded)
    if recorded then
      it:event(now, event, state)
    end
    state = engine.step(state, event, now)
  end
  take({ kind = "boot" }, true)
  for at, spec in ipairs(specs) do
    it:born(spec.name, "proc", proc(at))
    take({ kind = "started", name = spec.name, pid = at }, true)
  end
  local function restarts(recorded)
    return best(ROUNDS, function()
      it.long = false -- snapshots are measured by themselves
      for at = 1, RESTARTS do
        local name <const> = specs[(at - 1) % size + 1].name
        take({ kind = "exit", name = name, exit = exit_of(at) }, recorded)
        now = now + 100
        take({ kind = "timer", name = name }, recorded)
        if recorded then
          it.long = false
          it:born(name, "proc", proc(at))
        end
        take({ kind = "started", name = name, pid = at }, recorded)
      end
    end) / RESTARTS / 3 * 1e6
  end
  local without <const> = restarts(false)
  local more <const> = restarts(true) - without
  local first <const> = best(3, function() it:begin(state, specs, tree) end) * 1e3
  local snapshot <const> = best(3, function()
    it.long = true
    take({ kind = "ready", name = "s1" }, true)
  end) * 1e3
  local bytes <const> = core.stat(path).size
  local read <const> = best(3, function() assert(journal.read(path)) end) * 1e3
  local reload <const> = best(3, function()
    take({ kind = "reload", specs = specs, tree = tree, stale = {}, former = {}, restart = true }, true)
  end) - best(3, function()
    take({ kind = "reload", specs = specs, tree = tree, stale = {}, former = {}, restart = true }, false)
  end)
  print(("journal: %6d services a reload %.2f ms more, a step of %.2f us %.2f us more, %s"):format(size, reload * 1e3,
    without, more, judged(more, STEP_GOAL)))
  print(("journal: %6d services a snapshot of %d KiB %.1f ms, read in %.1f ms, the first %.1f ms, %s"):format(size,
    bytes // 1024, snapshot, read, first, judged(first, SNAPSHOT_GOAL)))
  it:remove()
end
os.remove(path)
