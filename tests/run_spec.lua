-- The runner is what says that all is well: it must not say so when it is not. It runs here over trees of its own.
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

-- Runs tests/run in a tree with these files under tests/; returns its exit code and its output.
local function run(files, arguments, env)
  local top, here = harness.directory(), lfs.currentdir()
  for _, dir in ipairs { "build", "tests", "build/tests" } do
    assert(lfs.mkdir(top .. "/" .. dir))
  end
  assert(lfs.link(here .. "/build/tests/wardtest.so", top .. "/build/tests/wardtest.so", true))
  assert(lfs.link(here .. "/tests/helpers", top .. "/tests/helpers", true))
  for name, text in pairs(files) do
    harness.write(top .. "/" .. name, text)
    sys.chmod(top .. "/" .. name, 493)
  end
  env = env or {}
  env.BUILD = "build"
  local code, out, err = harness.run({ here .. "/tests/run", table.unpack(arguments or {}) }, { cwd = top, env = env })
  return code, out .. err
end

-- A C test is known by its source and run as a program: here a shell script.
local function program(text)
  return { ["tests/a_test.c"] = "", ["build/tests/a_test"] = "#!/bin/sh\n" .. text }
end

describe("tests/run", function()
  after_each(harness.cleanup)

  local cases <const> = {
    { "a pass", "echo 'ok 1 - a'; echo 1..1", "1 passed, 0 failed, 0 skipped" },
    { "a skip", "echo 'ok 1 - a # SKIP no kernel'; echo 1..1",
      "0 passed, 0 failed, 1 skipped", "skipped: a: no kernel" },
    { "a note", "echo '# note: 7 of 7'; echo 'ok 1 - a'; echo 1..1", "1 passed, 0 failed, 0 skipped", "note: 7 of 7" },
    { "a failure, with what it says", "echo 'not ok 1 - a'; echo '# why'; echo 1..1; exit 1",
      "0 passed, 1 failed, 0 skipped", "not ok: a\n        why" },
    { "a short plan", "echo 'ok 1 - a'; echo 1..2", "1 passed, 1 failed, 0 skipped", "planned 2 tests, ran 1" },
    { "no plan", "echo 'ok 1 - a'", "1 passed, 1 failed, 0 skipped", "without a plan" },
    { "an empty plan", "echo 1..0", "0 passed, 1 failed, 0 skipped", "has no tests" },
    { "a lost number", "echo 'ok 2 - a'; echo 1..1", "0 passed, 1 failed, 0 skipped", "test number 2" },
    { "a bad exit status", "echo 'ok 1 - a'; echo 1..1; exit 3", "1 passed, 1 failed, 0 skipped", "exit status 3" },
    { "a crash", "echo 'ok 1 - a'; kill -SEGV $$", "1 passed, 1 failed, 0 skipped", "killed by SIGSEGV" },
    { "a hang", "sleep 1000", "0 passed, 1 failed, 0 skipped", "did not end within 1 s" },
    { "a process left behind, whatever it hides", "env -i setsid sleep 1000 & echo 'ok 1 - a'; echo 1..1",
      "1 passed, 1 failed, 0 skipped", "left running: pid %d+: .*sleep 1000" },
  }
  for _, case in ipairs(cases) do
    it("reports " .. case[1], function()
      local code, out = run(program(case[2]), {}, { WARD_TEST_TIMEOUT = "1" })
      assert.equal(case[3], out:match("([^\n]*)\n$"))
      assert.equal(case[3]:find(" 0 failed") and 0 or 1, code)
      assert.truthy(out:find(case[4] or ""), out)
    end)
  end

  it("reports a program that was not built, and a run without tests", function()
    local code, out = run { ["tests/a_test.c"] = "" }
    assert.equal(1, code)
    assert.truthy(out:find("cannot be started"), out)
    code, out = run {}
    assert.equal(1, code)
    assert.truthy(out:find("no tests ran\n\n0 passed, 1 failed, 0 skipped\n$"), out)
  end)

  it("reports what busted finds", function()
    local code, out = run {
      ["tests/a_spec.lua"] = 'it("a", function() end) it("b", function() pending("why # not") end)\n'
        .. 'it("c", function() error("boom\\nok 9 - no") end) setup(function() end)\n',
      ["tests/b_spec.lua"] = 'describe("b',
    }
    assert.equal(1, code)
    for _, part in ipairs {
      "skipped: b: why # not\n", "not ok: c\n.*: boom\n%s+ok 9 %- no\n",
      "not ok: tests/b_spec.lua\n.*unfinished string",
      "\n1 passed, 2 failed, 1 skipped\n$",
    } do
      assert.truthy(out:find(part), out)
    end
  end)

  it("runs only what it is told to, each with directories of its own", function()
    local code, out = run({
      ["tests/a_spec.lua"] = 'it("a", function() error("not me") end)',
      ["tests/b_spec.lua"] = [[
        it("has them", function()
          for _, name in ipairs { "WARD_RUNTIME_DIR", "WARD_LOG_DIR" } do
            assert.equal(os.getenv("TMPDIR"), os.getenv(name):match("^(.*)/"))
          end
          assert.equal("build/ward", os.getenv("WARD_BIN"))
        end)
      ]],
    }, { "tests/b_spec.lua" }, { WARD_BIN = false })
    assert.equal(0, code, out)
    assert.truthy(out:find("\n1 passed, 0 failed, 0 skipped\n$"), out)
  end)
end)
