-- The script is replaced: what it declares now takes over under what runs.
local assert <const> = require "luassert"
local engine <const> = require "ward.engine"
local kit <const> = require "lua.engine.kit"
local play <const> = require "lua.engine.play"

local boot <const>, started <const>, exit <const>, command <const> = kit.boot, kit.started, kit.exit, kit.command
local pass <const>, is <const> = play.pass, play.is

-- The event: a tree as kit.tree takes it; words of `how`: "norestart", "prune", and names that are stale.
local function reload(tree, how, more)
  local specs, root = kit.tree(tree, more)
  local event = { kind = "reload", specs = specs, tree = root, stale = {}, restart = true, prune = false }
  for word in (how or ""):gmatch("%S+") do
    if word == "norestart" then
      event.restart = false
    elseif word == "prune" then
      event.prune = true
    else
      event.stale[word] = true
    end
  end
  return event
end

local NEEDS <const> = { web = { needs = { "db" } } }
local LATER <const> = { a = { backoff = { from = 5 } } }
local LADDER <const> = { a = { stop = { { signal = "INT", wait = 3 }, { signal = "QUIT", wait = 3 },
    { signal = "KILL" } } } }

local CASES <const> = {
  { "nothing changes: nothing happens", "app=one (a b)", { 1, reload "app=one (a b)" }, { 1, is, "a ready",
    "b ready" } },
  { "twice the same", "app=one (a)", { 1, reload("app=one (a b)", "a"), "start b", "TERM a", "start a" },
    { 2, reload "app=one (a b)" } },
  { "what is new starts", "app=one (a)", { 1, reload "app=one (b a)", "start b" }, { 1, is, "a ready", "b ready" } },
  { "and after what it needs", "app=one (web)", mute = "db",
    { 1, reload("app=one (db new)", nil, { new = { needs = { "db" } } }), "start db" }, { 2, started "db",
    "start new" } },
  { "what runs and has a new need goes on", "app=one (web)", mute = "db",
    { 1, reload("app=one (db web)", nil, NEEDS), "start db" }, { 1, is, "web ready" },
    { 2, started "db" }, { 3, command "stop db", "TERM web", "TERM db", "db is stopped" } },
  { "what waited for a need that is no longer starts", "app=one (db web)", specs = NEEDS, mute = "db",
    { 0, boot, "start db" }, { 1, reload "app=one (db web)", "start web" } },
  { "a need that is gone holds nothing up", "app=one (db web)", specs = NEEDS, mute = "db",
    { 0, boot, "start db" }, { 1, reload("app=one (web)", "prune"), "start web", "TERM db", "db is stopped",
      "db is removed" } },

  { "what is declared no longer goes on", "app=one (a b)", { 1, reload "app=one (a)" }, { 1, is, "b ready" },
    { 2, exit("b", 1), "start b" }, { 3, command("stop b", "T"), "TERM b", "b is stopped", "reply T ok",
    "b is removed" },
    { 4, command("start b", "T"), "reply T no (b ?: no such service)" } },
  { "as the last of the root's children", "app=rest (a b c)", { 1, reload "app=rest (b c)" },
    { 2, exit("a", 1), "start a" }, { 3, exit("b", 1), "TERM a", "TERM c", "start b", "start c", "start a" } },
  { "and what waited for its restart starts without it", "app=rest (db a web)", specs = LATER,
    { 1, exit("a", 1), "a in 5", "TERM web" }, { 2, reload "app=rest (db web)", "start web" },
    { 6, pass, "start a" }, { 6, is, "web ready" } },
  { "what waits for a restart starts with it, wherever that is in the tree", "app=rest (db a web)", specs = LATER,
    { 1, exit("a", 1), "a in 5", "TERM web" }, { 2, reload("app=rest (db web a)", nil, LATER) },
    { 6, pass, "start web", "start a" } },
  { "and what has moved out of what the group took starts without it", "app=all (a in=one (b c))", specs = LATER,
    { 1, exit("a", 1), "a in 5", "TERM c", "TERM b" },
    { 2, reload("app=all (a in=one (b) on=one (c))", nil, LATER),
      "start c" }, { 6, pass, "start a", "start b" } },
  { "what waits below a supervisor that is done does not wait for ever", "app=one (db web in:never=one any (a:never*))",
    specs = NEEDS, mute = "db", { 0, boot, "start db", "start a" }, { 1, exit("a", 0), "a is done",
      "in shuts down: a any_significant" },
    { 2, reload("app=one (db in:never=one any (web a:never*))", nil, NEEDS), "web is stopped" },
    { 3, started "db" }, { 3, is, "web stopped" }, { 4, command("start web", "T"), "start web", "reply T ok" } },
  { "and what is stuck when its supervisor ends in the reload that wants it is not doubled",
    "app=one (in:never=one any (a b c:never*))", deaf = "a", slow = "a b",
    specs = { a = { dormant = true }, b = { stop = { { signal = "INT", wait = 99 }, { signal = "KILL" } } } },
    { 0, command "start a", "start a" },
    { 1, exit("c", 0), "c is done", "in shuts down: c any_significant", "INT b", "TERM a" },
    { 21, pass, "KILL a", "a is stuck" }, { 21, command "stop a" },
    { 22, reload "app=one (in:never=one any (a c:never*))" }, { 22, is, "a stuck" } },
  { "who waits for the end of what is done is told when its type makes that an end", "app=one (a)",
    specs = { a = { type = "oneshot", on = "failure" } }, { 1, exit("a", 0), "a is done" },
    { 2, command("stopped a", "T") }, { 3, reload "app=one (a:failure)", "reply T ok" },
    { 4, command("stopped a", "U"), "reply U ok" } },
  { "or is stopped", "app=one (a b)", { 1, reload("app=one (a)", "prune"), "TERM b", "b is stopped", "b is removed" } },
  { "in reverse order", "app=one (a b c)", { 1, reload("app=one (a)", "prune"), "TERM c", "TERM b", "c is stopped",
      "c is removed", "b is stopped", "b is removed" } },
  { "or is forgotten when it is down", "app=one (a:never b)", { 1, exit("a", 1), "a is failed" },
    { 2, reload "app=one (b)", "a is removed" } },
  { "in backoff it goes on, too", "app=one (a b)", specs = LATER, { 1, exit("a", 1), "a in 5" },
    { 2, reload "app=one (b)" }, { 7, pass, "start a" } },
  { "or not", "app=one (a b)", specs = LATER, { 1, exit("a", 1), "a in 5" },
    { 2, reload("app=one (b)", "prune"), "a is removed" }, { 7, pass } },
  { "nor is its group kept down for it any longer", "app=all (a b)", specs = LATER,
    { 1, exit("a", 1), "a in 5", "TERM b" },
    { 2, reload("app=all (b)", "prune"), "a is removed", "start b" } },
  { "and comes back if it is declared again", "app=one (a b)", { 1, reload "app=one (b)" },
    { 2, reload "app=one (a b)" },
    { 3, command("stop a", "T"), "TERM a", "a is stopped", "reply T ok" },
    { 4, command("start a", "T"), "start a", "reply T ok" } },
  { "also when somebody stops it, who is told", "app=one (a b)", slow = "a", { 1, reload "app=one (b)" },
    { 2, command("stop a", "T"), "TERM a" },
    { 3, reload "app=one (a b)", "reply T no (a stopping: superseded by a reload)" }, { 4, exit("a", 0), "start a" } },
  { "also on its way down", "app=one (a b)", slow = "a", { 1, reload("app=one (b)", "prune"), "TERM a" },
    { 2, reload "app=one (a b)" }, { 3, exit("a", 0), "start a" } },
  { "what needs one that is stopped for good waits", "app=one (db web)", specs = NEEDS,
    { 1, reload("app=one (web)", "prune"), "TERM db", "db is stopped", "db is removed" } },
  { "at shutdown it stops with the rest", "app=one (a b)", { 1, reload "app=one (a)" },
    { 2, kit.shutdown, "TERM b", "TERM a", "b is stopped", "b is removed", "a is stopped", "quit 0" } },

  { "another process: restarted", "app=one (a b)", { 1, reload("app=one (a b)", "a"), "TERM a", "start a" } },
  { "with what needs it, in order", "app=one (db web)", specs = NEEDS,
    { 1, reload("app=one (db web)", "db", NEEDS), "TERM web", "TERM db", "start db", "start web" } },
  { "several: in order", "app=one (a b)", { 1, reload("app=one (a b)", "a b"), "TERM b", "TERM a", "start b",
    "start a" } },
  { "one that was stopped by hand stays so", "app=one (a b)", { 1, command "stop a", "TERM a", "a is stopped" },
    { 2, reload("app=one (a b)", "a") }, { 2, is, "a stopped" } },
  { "one that has failed gets a new chance", "app=one (a:never b)", { 1, exit("a", 1), "a is failed" },
    { 2, reload("app=one (a:never b)", "a"), "start a" } },
  { "one that has failed and is as before does not", "app=one (a:never b)", { 1, exit("a", 1), "a is failed" },
    { 2, reload "app=one (a:never b)" } },
  { "one that is done is done", "app=one (a:never b)", { 1, exit("a", 0), "a is done" },
    { 2, reload("app=one (a:never b)", "a") } },
  { "one in backoff starts now", "app=one (a b)", specs = LATER, { 1, exit("a", 1), "a in 5" },
    { 2, reload("app=one (a b)", "a", LATER), "start a" } },
  { "not restarted: from its next start on", "app=one (a b)", { 1, reload("app=one (a b)", "a norestart") },
    { 2, exit("a", 1), "start a" } },
  { "one that stops is not killed sooner", "app=one (a b)", slow = "a", { 1, command "restart a", "TERM a" },
    { 2, reload("app=one (a b)", "a") }, { 11, pass, "KILL a", "start a" } },

  { "another policy: from the next exit on", "app=one (a b)", { 1, reload "app=one (a:never b)" },
    { 2, exit("a", 1), "a is failed" } },
  { "a pending try keeps its time", "app=one (a b)", specs = LATER, { 1, exit("a", 1), "a in 5" },
    { 3, reload "app=one (a b)" }, { 6, pass, "start a" } },
  { "a stop under way keeps its ladder", "app=one (a)", specs = LADDER, slow = "a",
    { 1, command "stop a", "INT a" }, { 2, reload "app=one (a)" }, { 4, pass, "QUIT a" }, { 7, pass, "KILL a",
      "a is stopped" } },
  { "the next one is another", "app=one (a)", { 1, reload("app=one (a)", nil, LADDER) }, { 2, command "stop a", "INT a",
      "a is stopped" } },
  { "what restarted counts on", "app=one 1/10 stay (a b)", { 1, exit("a", 1), "start a" },
    { 2, reload "app=one 1/10 stay (a b)" }, { 3, exit("a", 1), "app gives up: a intensity", "TERM b", "b is failed",
      "a is failed" } },

  { "another tree: another strategy", "app=one (a b)", { 1, reload "app=all (a b)" },
    { 2, exit("a", 1), "TERM b", "start a", "start b" } },
  { "a supervisor more", "app=one (a b)", { 1, reload "app=one (f=all (a b))" },
    { 2, exit("a", 1), "TERM b", "start a", "start b" } },
  { "one less", "app=one (f=all (a b))", { 1, reload "app=one (a b)" }, { 2, exit("a", 1), "start a" } },
  { "one less that had given up: what it held starts", "app=one (f=one 0/9 delay:5 (a b))",
    { 1, exit("a", 1), "f gives up: a intensity", "TERM b", "f in 5" }, { 2, reload "app=one (a b)", "start a",
    "start b" } },
  { "one more under one that waits for its next try", "app=one (f=one 0/9 delay:5 (a))",
    { 1, exit("a", 1), "f gives up: a intensity", "f in 5" }, { 2, reload "app=one (f=one 0/9 delay:5 (a b))" },
    { 6, pass, "f is back", "start a", "start b" } },
  { "a group restart under way goes on", "app=all (a b)", slow = "b", { 1, exit("a", 1), "TERM b" },
    { 2, reload "app=all (a b)" }, { 3, exit("b", 0), "start a", "start b" } },
  { "also when there is one more", "app=all (a b)", slow = "b", { 1, exit("a", 1), "TERM b" },
    { 2, reload "app=all (a c b)", "start c" }, { 3, exit("b", 0), "start a", "start b" } },
  { "a group that lost its trigger is none", "app=all (a b)", slow = "b", { 1, exit("a", 1), "TERM b" },
    { 2, reload("app=all (b)", "prune"), "a is removed" }, { 3, exit("b", 0), "start b" } },
  { "one that lost the last that it waits for starts", "app=all (a b)", slow = "b", { 1, exit("a", 1), "TERM b" },
    { 2, reload("app=all (a)", "prune"), "start a" }, { 3, exit("b", 0), "b is stopped", "b is removed" } },
  { "another root", "app=one (a b)", { 1, reload "top=all (a b)" }, { 2, exit("b", 1), "TERM a", "start a",
    "start b" } },
  { "a pool that is declared larger", "app=one (p=one (p-1 p-2))", specs = { ["p-2"] = { dormant = true } },
    { 1, reload "app=one (p=one (p-1 p-2))", "start p-2" } },
  { "or smaller", "app=one (p=one (p-1 p-2))",
    { 1, reload("app=one (p=one (p-1 p-2))", nil, { ["p-2"] = { dormant = true } }), "TERM p-2", "p-2 is stopped" } },
  { "one that was made larger by hand stays so", "app=one (p=one (p-1 p-2))", specs = { ["p-2"] = { dormant = true } },
    { 1, command "start p-2", "start p-2" },
    { 2, reload("app=one (p=one (p-1 p-2))", nil, { ["p-2"] = { dormant = true } }) } },

  { "a command goes on to wait", "app=one (a b)", mute = "a", { 1, command("restart a", "T"), "TERM a", "start a" },
    { 2, reload "app=one (a b)" }, { 3, started "a", "reply T ok" } },
  { "one for what is forgotten is answered", "app=one (a b)", specs = LATER, { 1, exit("a", 1), "a in 5" },
    { 2, { kind = "command", op = "wait", names = { "a" }, for_ = "ready", token = "T" } },
    { 3, reload("app=one (b)", "prune"), "reply T no (a backoff: is not declared any more)",
      "a is removed" } },
  { "in a shutdown nothing is replaced", "app=one (a b)", slow = "a b", { 1, kit.shutdown, "TERM b", "TERM a" },
    { 2, reload("app=one (c)", "prune") } },
}

describe("engine: reload", function()
  for _, case in ipairs(CASES) do
    it(case[1], function()
      play.play(case)
    end)

    it(case[1] .. ", told what is fresh", function()
      play.play(setmetatable({ lean = true }, { __index = case }))
    end)
  end

  it("tells who runs something else than what is declared, and who is declared no longer", function()
    local st = play.play { "", "app=one (a b)", { 1, reload("app=one (a)", "a norestart") } }
    assert.is_true(engine.service(st, "a").stale)
    assert.is_true(engine.service(st, "b").removed)
    st = play.play { "", "app=one (a)", { 1, reload("app=one (a)", "a norestart") }, { 2, exit("a", 1), "start a" } }
    assert.is_nil(engine.service(st, "a").stale)
  end)

  -- Whatever happens before, what is declared last runs in the end, and nothing else does.
  it("ends in what is declared, on any way", function()
    local seed = 0
    local function pick(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n + 1
    end
    local trees <const> = {
      "app=one 99/1 (a b c)", "app=all 99/1 (c a)", "app=rest 99/1 (f=all 1/9 delay:5 (a b) c)",
      "app=one 99/1 (f=rest 1/9 delay:3 (b g=all 1/9 delay:1 (c d)) a)", "app=all 99/1 (g=one 0/9 delay:2 (d a) b)",
    }
    local more <const> = {
      { b = { needs = { "a" }, backoff = { from = 2 } } }, { c = { needs = { "a" }, backoff = { from = 1 } } },
      { a = { backoff = { from = 3 } } }, { d = { on_restart = "restart", backoff = { from = 1 } } }, {},
    }
    local how <const> = { "", "prune", "a", "a c norestart", "b prune", "c d" }
    for round = 1, 400 do
      seed = round
      local now <const> = 100
      local case = { "", trees[pick(#trees)], specs = nil, slow = pick(3) == 1 and "b" or "", lean = round % 2 == 0 }
      local session <const> = play.session(case)
      for at = 1, 25 do
        local name <const> = ("abcd"):sub(pick(4)):sub(1, 1)
        local what <const> = pick(6)
        local event = play.pass
        if what <= 2 then
          event = session.alive[name] and exit(name, pick(2) - 1) or pass
        elseif what == 3 and session.st.by_name[name] then
          event = command((pick(2) == 1 and "stop " or "restart ") .. name)
        elseif what >= 5 then
          local tree <const> = pick(#trees)
          event = reload(trees[tree], how[pick(#how)], tree ~= 2 and tree ~= 5 and more[pick(#more)] or nil)
        end
        session:at(at * 0.7, event)
      end
      local last <const> = pick(#trees)
      session:at(18, reload(trees[last], "prune"))
      session:at(now, play.pass)
      local names = {}
      for name in trees[last]:gmatch("%f[%w]([abcd])%f[%W]") do names[#names + 1] = name end
      session:at(now, command("start " .. table.concat(names, " ")))
      session:at(2 * now, play.pass)
      for _, name in ipairs(names) do
        assert.equal("ready", session.st.by_name[name].state, ("%s, round %d"):format(name, round))
      end
      assert.equal(#names, #session.st.services, "round " .. round)
    end
  end)
end)
