-- Usage: lua5.4 tests/sim/run.lua N [SEED]      plays N seeds, from SEED (1) on, in a process for each of two cores
--        lua5.4 tests/sim/run.lua seed SEED     plays one, and when it fails makes it small and prints its log
--
-- Prints what has happened, and how often. Fails when a seed fails, and when a kind of event has never been seen.
package.path = "lua/?.lua;lua/?/init.lua;tests/?.lua;" .. package.path

local play <const> = require "sim.play"

local CORES <const> = 2
local LEAVES_AT_MOST <const> = 0.01 -- of the schedules with the model
local ENOUGH <const> = 10000 -- schedules in which everything has to be seen

-- Events ("> "), effects, and what the engine tells.
local KINDS <const> = {
  "> boot", "> started", "> ready", "> exit", "> ran", "> fault", "> verdict", "> timer", "> cancel", "> shutdown",
  "> start", "> stop", "> restart", "> pause", "> resume", "> wait",
  "spawn", "signal", "run", "kill", "arm", "disarm", "ask", "reply", "quit",
  "stopped", "waiting", "starting", "ready", "stopping", "backoff", "failed", "done", "stuck", "rule_failed",
  "shutdown", "give_up", "auto_shutdown", "supervisor_backoff", "supervisor_up",
}

collectgarbage "generational"

local function describe_tree(sup, indent, specs)
  local spec <const> = sup.spec
  print(("%s%s %s%s%s%s restart %s%s"):format(indent, spec.name, spec.strategy,
    spec.intensity and (" %d in %gs"):format(spec.intensity.n, spec.intensity.within) or "",
    spec.auto_shutdown ~= "never" and " " .. spec.auto_shutdown or "", spec.significant and " significant" or "",
    spec.restart.on, spec.shutdown and " shutdown " .. spec.shutdown or ""))
  for _, child in ipairs(spec.children) do
    local book <const> = specs[child.service or child.name]
    if book.sup then
      describe_tree(book, indent .. "  ", specs)
    else
      local it <const> = book.spec
      local more = ""
      for _, key in ipairs { "ready", "asks", "significant", "start_timeout", "on_restart" } do
        more = it[key] and more .. (" %s=%s"):format(key, it[key]) or more
      end
      local ladder = {}
      for at, step in ipairs(it.stop) do
        ladder[at] = (step.signal or "cmd") .. " " .. (step.wait or "")
      end
      print(("%s  %s %s on %s%s needs {%s} wants {%s} after {%s} stop {%s} from %g%s%s"):format(indent, it.name,
        it.type, it.restart.on, more, table.concat(it.needs, " "), table.concat(it.wants or {}, " "),
        table.concat(it.after or {}, " "), table.concat(ladder, ", "), it.restart.backoff.from,
        it.restart_prevent and " prevent" or "",
        it.restart.give_up and (" give_up %d in %gs"):format(it.restart.give_up.n, it.restart.give_up.within) or ""))
    end
  end
end

local function explain(seed)
  local without <const> = play.shrink(seed)
  local _, message, world = play.play(seed, { without = without, log = true, model = true })
  describe_tree(world.books.sups[1], "", world.books.nodes)
  print(table.concat(world.log, "\n"))
  print(("seed %d: %s"):format(seed, message))
end

-- Plays a share of the seeds, and tells the parent what it has seen.
local function share(first, last)
  local seen <const> = {}
  for seed = first, last, CORES do
    local ok <const>, message <const> = play.play(seed, { seen = seen })
    if not ok then
      print(("failed %d %s"):format(seed, message:match("^[^\n]*")))
      os.exit(1)
    end
  end
  for kind, count in pairs(seen) do
    print(("seen %d %s"):format(count, kind))
  end
  print "ok"
end

-- Takes in what a share has told; true when it came to its end.
local function collect(pipe, seen)
  local ended = false
  for line in pipe:lines() do
    local count <const>, kind <const> = line:match("^seen (%d+) (.+)$")
    if kind then
      seen[kind] = (seen[kind] or 0) + math.tointeger(count)
    elseif line == "ok" then
      ended = true
    else
      print((line:gsub("^failed (%d+)", "seed %1 failed (make sim SEED=%1 shows it, made small):")))
    end
  end
  return pipe:close() and ended
end

local function all(count, first)
  local pipes, seen, fine = {}, {}, true
  local last <const> = first + count - 1
  for core = 1, CORES do
    pipes[core] = assert(io.popen(("exec lua5.4 %s share %d %d"):format(arg[0], first + core - 1, last)))
  end
  for _, pipe in ipairs(pipes) do
    fine = collect(pipe, seen) and fine
  end
  for _, kind in ipairs(fine and KINDS or {}) do
    print(("%10d  %s"):format(seen[kind] or 0, kind))
    if not seen[kind] and count >= ENOUGH then
      print(("never seen: %s"):format(kind))
      fine = false
    end
  end
  local stayed <const>, left <const> = seen[play.STAYED] or 0, seen[play.LEFT] or 0
  if stayed + left > 0 then
    print(("%d schedules with the second model, %.2f %% to the end"):format(stayed + left,
      100 * stayed / (stayed + left)))
  end
  if count >= ENOUGH and left > (stayed + left) * LEAVES_AT_MOST then
    print "it left too often"
    fine = false
  end
  print(("%d schedules, seeds %d to %d: %s"):format(count, first, last, fine and "all as promised" or "failed"))
  os.exit(fine == true) -- nil would be a success
end

if arg[1] == "share" then
  share(math.tointeger(arg[2]), math.tointeger(arg[3]))
elseif arg[1] == "seed" then
  local seed <const> = math.tointeger(arg[2])
  if not play.play(seed, { model = true }) then
    explain(seed)
    os.exit(1)
  end
  print(("1 schedule, seed %d: as promised"):format(seed))
else
  all(assert(math.tointeger(arg[1]), "how many?"), assert(math.tointeger(arg[2] or 1), "from which seed on?"))
end
