-- `ward why` in each state: the engine's own answer, as the rows that are printed.
local fake <const> = require "lua.fake_core"
local kit <const> = require "lua.engine.kit"

-- A tree, what happens until 100, and the rows; but for one of a supervisor of which there is nothing to say.
local CASES <const> = {
  stopped = { "app=one (a)", false, { { 90, kit.command "stop a" }, { 90, kit.exit("a", "TERM") } },
    "state: stopped since 10.0s",
    "desired: down, by command (ward start a)",
    "last exit: killed by SIGTERM after 0s" },
  waiting = { "app=one 1/60 (a b:never)", { a = { needs = { "b" } } }, { { 90, kit.exit("b", 1) },
    { 90, kit.exit("a", "TERM") } },
    "state: waiting since 10.0s",
    "last exit: killed by SIGTERM after 0s",
    "waits for: b",
    'in vain: "b" is failed, and does not start by itself',
    'under: "app" (one_for_one, up; intensity: 0 of 1 restarts within 1m00s)' },
  ["waiting, held"] = { "app=all 3/60 (a b)", { b = { backoff = { from = 20 } } }, { { 90, kit.exit("b", 1) },
    { 90, kit.exit("a", "TERM") } },
    "state: waiting since 10.0s",
    "last exit: killed by SIGTERM after 0s",
    'held: starts together with "b" (supervisor "app")',
    'under: "app" (one_for_all, up; intensity: 0 of 3 restarts within 1m00s)' },
  starting = { "app=one (a)", { a = { ready = true, start_timeout = 30 } }, {},
    "state: starting since 1m40s, pid 6" },
  ready = { "app=one (a)", false, { { 70, kit.exit("a", 1) }, { 71, kit.started("a", 7) } },
    "state: ready since 29.0s, pid 7",
    "last exit: exited with code 1 after 0s",
    'decision: restart (restart.on is "always", and the cause is "code")',
    "restarts: 1, the last 1 failure in a row" },
  stopping = { "app=one (a b)", { b = { needs = { "a" } } }, { { 95, kit.command "stop a" } },
    "state: stopping since 5.0s, pid 6",
    "desired: down, by command (ward start a)",
    "waits for: b" },
  ["stopping, on the ladder"] = { "app=one (a)", false, { { 95, kit.command "restart a" } },
    "state: stopping since 5.0s, pid 6",
    "next: next step of the stop ladder in 5.0s" },
  backoff = { "app=one 3/60 (a)", { a = { backoff = { from = 20 }, give_up = { n = 5, within = 30 } } },
    { { 95, kit.exit("a", "SEGV") } },
    "state: backoff since 5.0s",
    "last exit: killed by SIGSEGV after 0s",
    'decision: restart (restart.on is "always", and the cause is "signal")',
    "restarts: 1, the last 1 failure in a row",
    "limit: restart.give_up: 1 of 5 restarts within 30.0s",
    "next: starts in 15.0s",
    'under: "app" (one_for_one, up; intensity: 0 of 3 restarts within 1m00s)' },
  ["backoff, asking"] = { "app=one (a)", { a = { asks = true } }, { { 95, kit.exit("a", 3) } },
    "state: backoff since 5.0s",
    "last exit: exited with code 3 after 0s",
    "next: the script's rule is being asked" },
  ["backoff, paused"] = { "app=one (a)", false, { { 90, kit.command "pause a" }, { 95, kit.exit("a", 3) } },
    "state: backoff since 5.0s",
    "last exit: exited with code 3 after 0s",
    "decision: paused (restarting is paused)",
    "next: nothing: restarting is paused (ward resume a)" },
  failed = { "app=one (a:never)", false, { { 95, kit.exit("a", "spawn") } },
    "state: failed since 5.0s",
    "last exit: cannot exec it",
    'decision: failed (restart.on is "never", and the cause is "spawn")' },
  ["failed, with its supervisor"] = { "top=one (app:never=one 0/9 (a b))", false, { { 95, kit.exit("b", 1) },
    { 95, kit.exit("a", "TERM") } },
    'state: failed since 5.0s: supervisor "app" gave up',
    "last exit: killed by SIGTERM after 0s",
    'under: "app" (one_for_one, failed; intensity: 0 of 0 restarts within 9.0s)',
    'under: "top" (one_for_one, up)' },
  ["failed, too often"] = { "app=one (a)", { a = { give_up = { n = 0, within = 30 } } }, { { 95, kit.exit("a", 0) } },
    "state: failed since 5.0s",
    "last exit: exited with code 0 after 0s",
    "decision: give up (restart.give_up: more than 0 restarts within 30s)",
    "limit: restart.give_up: 0 of 0 restarts within 30.0s" },
  done = { "app=one (a:failure)", false, { { 95, kit.exit("a", 0) } },
    "state: done since 5.0s",
    "last exit: exited with code 0 after 0s",
    'decision: done (restart.on is "failure", and the cause is "clean")' },
  stuck = { "app=one (a)", false, { { 75, kit.command "stop a" }, { 85, kit.timer "a" }, { 95, kit.timer "a" } },
    "state: stuck since 5.0s, pid 6",
    "desired: down, by command (ward start a)",
    "next: nothing before its process is gone, which has outlived SIGKILL" },
}

describe("ward why", function()
  local engine, why

  setup(function()
    for name in pairs(package.loaded) do
      if name:find "^ward%." then package.loaded[name] = nil end
    end
    package.loaded["ward.core"] = fake.new()
    engine, why = require "ward.engine", require "ward.cli.why"
  end)

  teardown(function()
    for name in pairs(package.loaded) do
      if name:find "^ward%." then package.loaded[name] = nil end
    end
  end)

  for state, case in pairs(CASES) do
    it("of one that is " .. state, function()
      local specs <const>, root <const> = kit.tree(case[1], case[2])
      local st = engine.new(specs, { tree = root })
      st = engine.step(st, kit.boot, 0)
      for at = #st.services, 1, -1 do
        local svc <const> = st.services[at]
        st = svc.state == "starting" and engine.step(st, kit.started(svc.name, 6), 0) or st
      end
      for _, step in ipairs(case[3]) do
        st = engine.step(st, step[2], step[1])
      end
      assert.equal(state:match "^%a+", engine.service(st, "a").state)
      local lines <const> = {}
      for _, row in ipairs(why.rows(engine.why(st, "a", 100), 100)) do
        local line <const> = row[1]:sub(3) .. ": " .. row[2]
        lines[#lines + 1] = line ~= 'under: "app" (one_for_one, up)' and line or nil
      end
      assert.same({ table.unpack(case, 4) }, lines)
    end)
  end
end)
