-- The probe's own test: what it reports is what was set up for it.
local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"

-- Starts the probe from a shell that has prepared its own process with `text`.
local function report(text, opts)
  local command = text .. "\nexec " .. harness.probe .. ' "$@"'
  local code, out, err = harness.run({ "sh", "-c", command, "sh", 'a"\\b', "\1\n" }, opts)
  assert.same({ 0, "" }, { code, err })
  return cjson.decode(out)
end

local function by_number(fds)
  local map = {}
  for _, fd in ipairs(fds) do
    map[fd.fd] = fd
  end
  return map
end

describe("probe", function()
  after_each(harness.cleanup)

  it("reports arguments and environment byte for byte", function()
    local seen = report("", { env = { A = "=\t\xff" }, env_clear = true })
    assert.same({ harness.probe, 'a"\\b', "\1\n" }, seen.argv)
    local found = {}
    for _, entry in ipairs(seen.environ) do
      found[entry] = true
    end
    assert.is_true(found["A==\t\xff"])
  end)

  it("reports every descriptor and not its own", function()
    local dir = harness.directory()
    local seen = by_number(report(("exec 5>>%s/five 7</dev/null 9<>%s/nine 0<&-"):format(dir, dir)).fds)
    assert.is_nil(seen[0])
    assert.same({ dir .. "/five", "w", true, false }, { seen[5].link, seen[5].mode, seen[5].append, seen[5].cloexec })
    assert.same({ "/dev/null", "r", false }, { seen[7].link, seen[7].mode, seen[7].append })
    assert.same({ dir .. "/nine", "rw" }, { seen[9].link, seen[9].mode })
    assert.is_nil(seen[3])
    assert.is_nil(seen[4])
  end)

  it("reports the process", function()
    local dir = harness.directory()
    local seen = report(("cd %s; umask 027; ulimit -Sn 99; ulimit -c 0; trap '' HUP 35"):format(dir))
    assert.same({ dir, 23, 0 }, { seen.cwd, seen.umask, seen.tty })
    assert.equal(99, seen.limits.nofile[1])
    assert.same({ 0, 0 }, seen.limits.core)
    -- glibc's posix_spawn leaves 32 and 33 ignored, and make starts the tests with it.
    local inherited = report("trap '' HUP").signals.ignored
    table.insert(inherited, 35)
    assert.same(inherited, seen.signals.ignored)
    assert.equal(1, inherited[1])
    assert.same({}, seen.signals.blocked)
    assert.same({}, seen.signals.caught)
  end)

  it("reports ids and capabilities", function()
    local run = harness.run
    if select(2, run { "id", "-u" }) ~= "0\n" then
      pending "needs root"
    end
    local code, out, err = run {
      "setpriv", "--reuid=12", "--regid=34", "--groups=34,56", "--bounding-set=-all,+kill", "--no-new-privs",
      harness.probe,
    }
    assert.same({ 0, "" }, { code, err })
    local seen = cjson.decode(out)
    assert.same({ real = 12, effective = 12, saved = 12 }, seen.uid)
    assert.same({ real = 34, effective = 34, saved = 34 }, seen.gid)
    assert.same({ 34, 56 }, seen.groups)
    local none = ("0"):rep(16)
    assert.same({
      effective = none, permitted = none, inheritable = none, ambient = none, bounding = "0000000000000020",
    }, seen.caps)
    assert.is_true(seen.no_new_privs)
  end)

  it("reports files and what is mounted", function()
    local dir = harness.directory()
    harness.write(dir .. "/b", "")
    harness.write(dir .. "/a", "")
    local code, out = harness.run { harness.probe, "--list", dir, "--list", "/nonexistent", "--try", dir .. "/a" }
    assert.equal(0, code)
    local seen = cjson.decode(out)
    assert.same({ [dir] = { "a", "b" }, ["/nonexistent"] = 2 }, seen.lists)
    assert.same({ 0, 0 }, seen.tries[dir .. "/a"])
    assert.equal(harness.read("/proc/sys/kernel/hostname"), seen.hostname .. "\n")
    assert.equal(harness.read("/proc/self/uid_map"), seen.uid_map)
    local _, lines = harness.read("/proc/self/mountinfo"):gsub("\n", "")
    assert.equal(lines, #seen.mounts)
    for _, mount in ipairs(seen.mounts) do
      for _, field in ipairs { "target", "options", "type", "super" } do assert.is_string(mount[field]) end
    end
  end)

  it("delivers whole reports, and ends as it is told", function()
    local path = harness.directory() .. "/report"
    assert.same({ 7, "", "" }, { harness.run { harness.probe, "--to", path, "--exit", "7" } })
    assert.is_table(cjson.decode(harness.read(path)).limits)
    assert.equal("USR1", (harness.run { harness.probe, "--to", path, "--kill", "USR1" }))
  end)
end)
