local console <const> = require("ward.service.console")

describe("ward.service.console", function()
  local failure <const> = { ok = false, kind = "exited", code = 1, uptime = 4 }
  local killed <const> = { ok = false, kind = "signaled", signal = "SEGV", core = true, uptime = 0.2 }

  local cases <const> = {
    { "ready, pid 4711", { type = "ready", pid = 4711 } },
    { "exited with code 1 after 4.0s; next try in 200ms (restart 2)",
      { type = "backoff", exit = failure, delay = 0.2, attempt = 2, restarts = 2 } },
    { "killed by SIGSEGV after 200ms (core dumped); not tried again", { type = "failed", exit = killed } },
    { "exited with code 0 after 1.0s; done",
      { type = "done", exit = { ok = true, kind = "exited", code = 0, uptime = 1 } } },
    { "exited with code 0 after 1.0s, which its success does not list; not tried again",
      { type = "failed", exit = { ok = false, kind = "exited", code = 0, cause = "code", uptime = 1 } } },
    { "cannot exec /x: No such file or directory (stage exec); next try in 100ms (restart 1)",
      { type = "backoff", delay = 0.1, restarts = 1, exit = { kind = "spawn_failed",
        message = "cannot exec /x: No such file or directory (stage exec)" } } },
    { "ended with an unknown status; not tried again", { type = "failed", exit = { kind = "unknown" } } },
    { "waiting for db, cache", { type = "waiting", waits_for = { "db", "cache" } } },
    { "stopped (killed by SIGSEGV after 200ms (core dumped)); waiting for db",
      { type = "waiting", waits_for = { "db" }, exit = killed } },
    { "stopped (exited with code 1 after 4.0s); starting again", { type = "starting", exit = failure } },
    { "stopping", { type = "stopping", reason = "stop" } },
    { "stopping, because it needs db", { type = "stopping", reason = "failed", need = "db" } },
    { "still running: SIGKILL", { type = "signal", signal = "KILL", rung = 2, wait = 10 } },
    { "stopped", { type = "stopped" } },
    { "stuck: pid 12 outlived SIGKILL", { type = "stuck", pid = 12 } },
  }
  for _, case in ipairs(cases) do
    it("says: " .. case[1], function()
      assert.equal(case[1], (console.event(case[2])))
    end)
  end

  it("is silent about what says nothing new", function()
    assert.is_nil((console.event({ type = "starting" })))
    assert.is_nil((console.event({ type = "signal", signal = "TERM", rung = 1 })))
    assert.is_nil((console.event({ type = "one of a later version" })))
  end)

  it("pads the name to the longest", function()
    assert.equal(4, console.width({ "a" }))
    assert.equal(7, console.width({ "a", "counter" }))
    assert.equal("12:00:01 web     * ready, pid 1\n",
      console.line("12:00:01", "web", "ready, pid 1", { width = 7, colour = false }))
  end)

  it("colours only when told, and never lets control characters through", function()
    assert.equal("t web  * \27[31ma?b\27[0m\n",
      console.line("t", "web", "a\27b", { width = 4, colour = true, mood = "bad" }))
    assert.equal("t web  * a?b\n", console.line("t", "web", "a\nb", { width = 4, colour = false, mood = "bad" }))
  end)
end)
