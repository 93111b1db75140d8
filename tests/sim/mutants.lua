-- Usage: lua5.4 tests/sim/mutants.lua [N]      plays N (2000) schedules against each of the mutants below
--        lua5.4 tests/sim/mutants.lua N NUMBER against one of them
--        lua5.4 tests/sim/mutants.lua texts     looks whether each can still be made
--
-- Are the simulation and the specs of the engine worth their time? Each mutant is the engine with one mistake, made as
-- it is loaded. Prints the seed that finds each, or how many specs do; fails when one is never found.
package.path = "lua/?.lua;lua/?/init.lua;tests/?.lua;" .. package.path

local CORES <const> = 2

-- What it breaks, the module, the text in it, and what stands there instead.
local MUTANTS <const> = {
  { "a limit is reached one too early", "window", ">= limit.n then", ">= limit.n - 1 then" },
  { "a limit is reached one too late", "window", ">= limit.n then", "> limit.n then" },
  { "a window never ends", "window", "if old > 0 then", "if false then" },
  { "delays grow one try early", "backoff", "^ (n - 1)", "^ n" },
  { "jitter goes one way only", "backoff", "2 * unit - 1", "unit" },
  { "a stop by PIPE is a failure", "exit", ", PIPE = true", "" },
  { "an end after a fault is a success", "exit", "return false, why --", "return exit.code == 0, why --" },
  { "failure does not cover timeouts", "exit", "timeout = true, watchdog = true,\n    check = true },\n  abn",
    "watchdog = true,\n    check = true },\n  abn" },
  { "restart_prevent is ignored", "exit", "return prevent ~= nil and", "return false and" },
  { "a streak never begins again", "life", "if svc.ran >= policy.reset then", "if false then" },
  { "a pause leaves the retry armed", "life", "  out.disarm(st, svc)\n  tree.put_off(svc)", "  tree.put_off(svc)" },
  { "a pause does not reach the decision", "life", "if svc.paused and not (exit", "if false and not (exit" },
  { "an end is no end for dependents", "life",
    "if not svc.up then\n    state.cascade", "if false then\n    state.cascade" },
  { "significant children do not count", "life", "  tree.over(st, svc)\nend", "end" },
  { "a start by hand forgets nothing", "life", "svc.restarts, svc.streak, svc.past, svc.forgiven = 0, 0, {}, true",
    "svc.forgiven = true" },
  { "KILL leaves a second less", "stop", "STUCK_AFTER <const> = 10", "STUCK_AFTER <const> = 9" },
  { "the ladder leaves out a rung", "stop", "step_on(st, svc, svc.rung + 1)\n  else\n",
    "step_on(st, svc, math.min(svc.rung + 2, #svc.ladder))\n  else\n" },
  { "dependents are not waited for", "stop", "svc.blockers > 0 or ", "" },
  { "successors are not waited for", "stop", " or svc.followers > 0 then", " then" },
  { "a failed command is taken for done", "stop", "elseif not event.exit.ok and", "elseif false and" },
  { "a stuck need is kept waiting for", "order", 'svc.state == "stuck" or ', "" },
  { "wants and after are not waited for", "life", "not order.is_free(svc) or", "not order.is_met(svc) or" },
  { "a group leaves out the last child", "tree", "for at = #sup.children, whole", "for at = #sup.children - 1, whole" },
  { "a group does not wait until it is down", "tree", "if group and hold.is_busy(st, group) then",
    "if false then" },
  { "a group restart is not counted", "tree",
    "if window.add(sup.past, sup.spec.intensity, st.now) then",
    "if group == nil and window.add(sup.past, sup.spec.intensity, st.now) then" },
  { "a new supervisor remembers its restarts", "tree",
    "node.outcome = st.now, {}, nil\n    out.emit", "node.outcome = st.now, node.past, nil\n    out.emit" },
  { "failure restarts what has done its work", "nodes",
    'on == "failure" and sup.outcome == "failed"', 'on == "failure"' },
  { "a child in backoff is not active", "vital", "stopping = true, backoff = true, up", "stopping = true, up" },
  { "on_restart is ignored", "graph", 'spec.on_restart == "restart" and', "false and" },
  { "stops go in any order", "state", "table.sort(list, graph.later_first)", "" },
  { "a contrary command answers nobody", "command", 'waiter.op ~= "wait" and waiter.goal ~= goal', "false" },
  { "the middle of a group goes first", "tree", "former.trigger.first < first", "false" },
  { "a start by hand leaves a failure its say", "life", "svc.past, svc.forgiven = 0, 0, {}, true",
    "svc.past = 0, 0, {}" },
  { "a cancelled command is answered", "reply", "table.remove(svc.waiters, at)", "break" },
  { "a resume brings up what has ended", "life", "if svc.doomed or svc.sinking or svc.asking then",
    "if svc.doomed or svc.asking then" },
  { "what is undone is not waited for", "hold", "svc.hold == by and svc.doomed and svc.undone", "false" },
  { "a wait outlives its hope", "command", "  answer_raised(st)\n  if", "  if" },
  { "a start by the script is never refused", "scripted", "if over and limit", "if false and limit" },
  { "a group keeps its place over a reload", "tree", "group.whole = true", "group.whole = group.whole" },
  { "a start leaves wants alone", "command", 'graph.reach(svc, "pulls"', 'graph.reach(svc, "needs"' },
}

-- The engine's module with the mistake in it.
local function spoil(mutant)
  local module <const>, from <const>, to <const> = "ward.engine." .. mutant[2], mutant[3], mutant[4]
  local file <const> = assert(io.open(assert(package.searchpath(module, package.path))))
  local text <const> = file:read("a")
  file:close()
  local first <const>, last <const> = text:find(from, 1, true)
  assert(first and not text:find(from, last + 1, true), mutant[1] .. ": its text is not there once")
  return module, assert(load(text:sub(1, first - 1) .. to .. text:sub(last + 1), "=" .. module))
end

local function plant(mutant)
  local module <const>, spoilt <const> = spoil(mutant)
  package.preload[module] = spoilt
end

-- The specs are slower, and see what needs a rare history, or what has bounds only in the model. This file is their
-- helper, which busted loads first.
local function fails_specs(number)
  local pipe <const> = assert(io.popen(("MUTANT=%d busted --helper=tests/sim/mutants.lua -o TAP %s 2>&1"):format(number,
    "--exclude-pattern=save_spec tests/lua/engine")))
  local _, failed = pipe:read("a"):gsub("not ok ", "")
  return not pipe:close() and failed or 0
end

-- Prints what became of one.
local function hunt(number, count)
  local mutant <const> = MUTANTS[number]
  plant(mutant)
  local play <const> = require "sim.play"
  for seed = 1, count do
    local ok <const>, message <const> = play.play(seed, { model = true })
    if not ok then
      print(("found %5d  %s: %s"):format(seed, mutant[1], message:match("^[^\n]*"):gsub("^[^ ]*%.lua:%d+: ", "")))
      return
    end
  end
  local failed <const> = fails_specs(number)
  print(failed > 0 and ("found by %d specs %s"):format(failed, mutant[1]) or ("not found    %s"):format(mutant[1]))
end

local function all(count)
  local running, left = {}, 0
  for number = 1, #MUTANTS + CORES do
    local done <const> = running[number - CORES]
    if done then
      local line <const> = done:read("l") or "broken"
      done:close()
      print(line)
      left = left + (line:find("^found") and 0 or 1)
    end
    running[number] = MUTANTS[number] and io.popen(("exec lua5.4 %s %d %d 2>&1"):format(arg[0], count, number))
  end
  print(("%d mutants, %d not found in %d schedules"):format(#MUTANTS, left, count))
  os.exit(left == 0)
end

local count <const> = math.tointeger(arg[1] or "2000")
if os.getenv "MUTANT" then
  plant(MUTANTS[math.tointeger(os.getenv "MUTANT")])
elseif arg[1] == "texts" then
  for _, mutant in ipairs(MUTANTS) do
    spoil(mutant)
  end
elseif arg[2] then
  hunt(math.tointeger(arg[2]), count)
else
  all(count)
end
