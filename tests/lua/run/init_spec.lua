-- The init of a pid namespace: its program ends, is signalled and is looked after as if there were none.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local PID <const> = { namespaces = { "pid", "user" } }
-- With a /proc that knows the numbers that the program knows.
local PROC <const> = { namespaces = { "pid", "user" }, proc = true }

local function sh(text, keys)
  local whole <const> = { cmd = { "sh", "-c", text }, cwd = "/", sandbox = PID }
  for key, value in pairs(keys or {}) do whole[key] = value end
  return whole
end

-- The program behind the init, from outside.
local function program_of(init)
  return harness.until_(function()
    return sys.children(init)[1]
  end, nil, "the child of init")
end

for _, way in ipairs(sandboxed.BOTH) do
  local title <const>, start <const> = way[1], way[2]

  describe("an init " .. title, function()
    after_each(harness.cleanup)

    it("ends as its program does", function()
      if not sandboxed.is_root() then return pending "needs root" end
      for _, code in ipairs { 0, 1, 77, 127, 128, 255 } do
        local exit <const> = sandboxed.run(sh("exit " .. code), start).last_exit
        assert.same({ "exited", code }, { exit.kind, exit.code })
      end
      for _, signal in ipairs { "TERM", "KILL", "SEGV", "USR1" } do
        local exit <const> = sandboxed.run(sh(("kill -%s $$"):format(signal)), start).last_exit
        assert.same({ "signaled", signal }, { exit.kind, exit.signal })
        assert.is_nil(exit.code)
      end
    end)

    it("passes signals on, and dies of none but KILL", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local w <const> = harness.start(sandboxed.script(sh("for s in HUP INT QUIT USR1 TERM CONT WINCH; do "
        .. 'trap "echo got $s" $s; done; echo up; while :; do sleep 0.01; done')), start)
      w:until_says "up"
      for _, signal in ipairs { "HUP", "INT", "QUIT", "USR1", "TERM", "CONT", "WINCH" } do
        assert.equal(0, (w:cli("signal", "x", signal)))
        w:until_says("got " .. signal)
      end
      local _, count <const> = w:log("x"):gsub("got", "")
      assert.equal(7, count)
      assert.equal(0, (w:cli("signal", "x", "KILL")))
      local exit <const> = w:until_state("x", "failed").last_exit
      assert.same({ "signaled", "KILL" }, { exit.kind, exit.signal })
      assert.same({}, w:left())
      w:stop()
    end)

    it("is stopped by the first signal that its program obeys", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local w <const> = harness.start(sandboxed.script(sh('trap "exit 3" TERM; echo up; while :; do sleep 0.01; done')),
        start)
      w:until_says "up"
      local began <const> = sys.now()
      assert.equal(0, (w:cli("stop", "x")))
      assert.is_true(sys.now() - began < 5) -- not the ladder's KILL after 10 s
      assert.equal(3, w:status("x").last_exit.code)
      w:stop()
    end)

    it("reaps what its program orphans, and ends all of it with it", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local view <const>, text <const> = sandboxed.run(sh([[
        sh -c 'sh -c "sleep 0.05" & exit 0'
        until ! cat /proc/[0-9]*/stat 2>/dev/null | grep -q '(sleep)'; do :; done
        until ! cat /proc/[0-9]*/stat 2>/dev/null | grep -q ') Z '; do :; done
        setsid sleep 1000 & (sleep 1000 &)
        echo none; exit 5]], { sandbox = PROC }), start)
      assert.equal("none\n", text)
      assert.equal(5, view.last_exit.code) -- and nothing is left, or ward could not have been stopped
    end)

    it("is process 1, without a descriptor or a variable of ward's", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local w <const> = harness.start(sandboxed.script(sh("cat /proc/1/comm; echo $$; sleep 1000", { sandbox = PROC })),
        start)
      w:until_says "ward%-init\n"
      local init <const> = w:status("x").pid
      local _, fds <const> = harness.run { "ls", ("/proc/%d/fd"):format(init) }
      assert.equal("0\n", fds) -- the pipe for its program's status
      assert.equal("", harness.read(("/proc/%d/environ"):format(init)))
      local _, exe <const> = harness.run { "readlink", ("/proc/%d/exe"):format(init) }
      assert.is_truthy(exe:find("^/memfd:ward%-init"))
      local status <const> = harness.read(("/proc/%d/status"):format(init))
      assert.is_true(tonumber(status:match("VmRSS:%s*(%d+)")) < 400)
      w:stop()
    end)

    it("is missing where the program is process 1 itself", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local view <const>, text <const> = sandboxed.run(sh("echo $$; exit 9",
        { sandbox = { namespaces = { "pid", "user" }, pid1 = true } }), start)
      assert.equal("1\n", text)
      assert.equal(9, view.last_exit.code)
    end)

    it("does not hide that its program could not be started", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local exit <const> = sandboxed.run({ cmd = { "/nonexistent" }, cwd = "/", sandbox = PID }, start).last_exit
      assert.same({ "spawn_failed", "exec", 2, "cannot exec /nonexistent: No such file or directory (stage exec)" },
        { exit.kind, exit.stage, exit.errno, exit.message })
    end)

    it("lets its program die with ward, when that is asked", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local mark <const> = harness.directory() .. "/mark"
      harness.write(mark, "")
      sys.chmod(mark, 438)
      local w <const> = harness.start(sandboxed.script(sh(
        ("trap 'echo died >%s; exit' TERM; echo up; while :; do sleep 0.01; done"):format(mark),
        { parent_death = "TERM" })), start)
      w:until_says "up"
      sys.kill(w.pid, "KILL")
      harness.until_(function() return harness.read(mark) == "died\n" end, nil, "the program's end")
      harness.until_(function() return #w:left() == 0 end, nil, "the end of the rest")
    end)

    it("does not repeat what a terminal has told its program already", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local w <const> = harness.start(sandboxed.script(sh([[
        n=0; trap 'echo winch' WINCH; trap 'n=$((n + 1)); echo usr $n' USR1
        stty rows 33; echo up; while :; do sleep 0.01; done]], { tty = true })), start)
      w:until_says "up"
      for i = 1, 2 do -- the first comes before what init may have waiting, the second after it
        assert.equal(0, (w:cli("signal", "x", "USR1")))
        w:until_says("usr " .. i)
      end
      local _, count = w:log("x"):gsub("winch", "")
      assert.equal(1, count)
      assert.equal(0, (w:cli("signal", "x", "WINCH")))
      w:until_says "winch.*usr 2.*winch"
      w:stop()
    end)
  end)
end

describe("an init", function()
  after_each(harness.cleanup)

  it("has its program's oom_score_adj written, too", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local w <const> = harness.start(sandboxed.script(sh("sleep 1000", { oom_score_adj = 321 })))
    local init <const> = w:until_ready "x"
    for _, pid in ipairs { init, program_of(init) } do
      assert.equal("321\n", harness.read(("/proc/%d/oom_score_adj"):format(pid)))
    end
    w:stop()
  end)

  -- The kernel shows such an init to root alone.
  it("of a ward without privilege leaves oom_score_adj to its program", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local w <const> = harness.start(sandboxed.script(sh("sleep 1000", { oom_score_adj = 321 })),
      { under = harness.UNPRIVILEGED })
    local program <const> = program_of(w:until_ready "x")
    assert.equal("321\n", harness.read(("/proc/%d/oom_score_adj"):format(program)))
    w:stop()
  end)

  it("counts the resources of its program", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local view <const> = sandboxed.run(sh("i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done"))
    assert.is_true(view.last_exit.rusage.user > 0.01, cjson.encode(view.last_exit.rusage))
  end)

  it("takes no descriptor of ward's for long: a hundred of them", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local w <const> = harness.start(sandboxed.script(sh("exit 0")))
    w:until_state("x", "done")
    local function open()
      local _, out <const> = harness.run { "ls", ("/proc/%d/fd"):format(w.pid) }
      return select(2, out:gsub("\n", ""))
    end
    local before <const> = open()
    for _ = 1, 100 do
      assert.equal(0, (w:cli("restart", "x", "--no-wait")))
      w:until_state("x", "done")
    end
    -- A client's connection may have been there before, and close late.
    harness.until_(function() return open() <= before end, nil, "as many descriptors as before")
    w:stop()
  end)
end)
