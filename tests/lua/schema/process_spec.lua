-- fds, tty, parent_death, limits, nice, ioprio, sched, affinity, oom_score_adj and clone.

local kit <const> = require "lua.schema.kit"
local schema <const> = require "ward.schema"

local good <const>, bad <const> = kit.good, kit.bad

-- A canonical spec with one more field, as a script state could send it.
local function again(key, value, message)
  local spec = kit.normalise()
  spec[key] = value
  local out <const>, why <const> = schema.normalise(spec, {})
  if not message then return out end
  assert.is_nil(out)
  assert.equal('service "web": ' .. message, why)
end

describe("schema: fds", function()
  it("become rows sorted by target, without those that are closed", function()
    local spec = good { fds = { [9] = 3, [3.0] = 9, [4] = false, [1048575] = 0 } }
    assert.same({ { target = 3, kind = "fd", fd = 9 }, { target = 9, kind = "fd", fd = 3 },
      { target = 1048575, kind = "fd", fd = 0 } }, spec.fds)
    assert.same({}, good { fds = {} }.fds)
    assert.same({}, good { fds = { [4] = false } }.fds)
  end)

  it("are refused when they are none", function()
    bad({ fds = 3 }, "fds: must be a table such as { [3] = 5, [4] = false }, got number 3")
    bad({ fds = { [2] = 5 } }, "fds[2]: descriptor 2 is set by stderr")
    bad({ fds = { [0] = false } }, "fds[0]: descriptor 0 is set by stdin")
    bad({ fds = { [-3] = 5 } }, "fds: a key: must be a whole number from 3 to 1048575, got number -3")
    bad({ fds = { [1048576] = 5 } }, "fds: a key: must be a whole number from 3 to 1048575, got number 1048576")
    bad({ fds = { log = 5 } }, 'fds: a key must be a descriptor number, got string "log"')
    bad({ fds = { [3.5] = 5 } }, "fds: a key must be a descriptor number, got number 3.5")
    bad({ fds = { [3] = "stdin" } },
      'fds[3]: must be a number of ward\'s own descriptors, or false, got string "stdin"')
    bad({ fds = { [3] = true } }, "fds[3]: must be a number of ward's own descriptors, or false, got boolean true")
    bad({ fds = { [3] = -1 } }, "fds[3]: must be a whole number from 0 to 1048575, got number -1")
    bad({ fds = { [3] = {} } }, "fds[3]: a handle: not yet supported")
    bad({ fds = { [3] = io.stdout } }, "fds[3]: a handle: not yet supported")
    local many = {}
    for fd = 3, 1027 do many[fd] = 0 end
    bad({ fds = many }, "fds: is too large: at most 1024 descriptors")
  end)

  it("are read with suspicion the second time", function()
    again("fds", { { target = 3, kind = "fd", fd = 1 }, { target = 3, kind = "fd", fd = 2 } },
      "fds[2]: must be sorted by target, each once")
    again("fds", { { target = 4, kind = "fd", fd = 1 }, { target = 3, kind = "fd", fd = 2 } },
      "fds[2]: must be sorted by target, each once")
    again("fds", { { target = 2, kind = "fd", fd = 1 } }, "fds[2]: descriptor 2 is set by stderr")
    again("fds", { { target = 3, kind = "path", fd = 1 } },
      'fds[1].kind: must be "fd", got string "path"')
    again("fds", { { target = 3, kind = "fd", fd = 1, mode = 1 } }, 'fds[1]: unknown key "mode"')
    again("fds", { { target = 3, kind = "fd" } },
      "fds[1].fd: must be a whole number from 0 to 1048575, got nothing")
    again("fds", { [3] = 5 }, "fds: has a hole: [1] is nil")
    again("fds", { 5 }, "fds[1]: must be a table, got number 5")
  end)
end)

describe("schema: tty", function()
  it("is the terminal of a session and of what is not given otherwise", function()
    local spec = good { tty = true, stdout = "log" }
    assert.same({ rows = 24, cols = 80 }, spec.tty)
    assert.is_true(spec.session)
    assert.same({ kind = "tty" }, spec.stdin)
    assert.same({ kind = "log" }, spec.stdout)
    assert.same({ kind = "tty" }, spec.stderr)
    assert.same({ rows = 50, cols = 80 }, good { tty = { rows = 50 }, session = true }.tty)
    assert.same({ kind = "tty" }, good { tty = true, stdout = "tty" }.stdout)
    assert.is_false(good { tty = false }.tty)
    assert.same({ kind = "null" }, good { tty = false }.stdin)
  end)

  it("is refused where there can be none", function()
    bad({ tty = true, session = false },
      "session: must be true with a tty: only the leader of a session can have one")
    bad({ tty = "xterm" },
      'tty: must be true, false or a table such as { rows = 24, cols = 80 }, got string "xterm"')
    bad({ tty = { columns = 80 } }, 'tty: unknown key "columns"')
    bad({ tty = { cosl = 80 } }, 'tty: unknown key "cosl" (did you mean "cols"?)')
    bad({ tty = { rows = 0 } }, "tty.rows: must be a whole number from 1 to 65535, got number 0")
    bad({ stdin = "tty" }, 'stdin: "tty" needs tty = true')
    again("stdin", { kind = "tty" }, 'stdin: "tty" needs tty = true')
  end)
end)

describe("schema: parent_death", function()
  it("is a signal or nothing", function()
    assert.equal("TERM", good { parent_death = "SIGTERM" }.parent_death)
    assert.equal("KILL", good { parent_death = 9 }.parent_death)
    assert.is_nil(good { parent_death = false }.parent_death)
    bad({ parent_death = true }, 'parent_death: must be a signal such as "TERM", or false, got boolean true')
    bad({ parent_death = "TREM" }, 'parent_death: unknown signal "TREM" (did you mean "TERM"?)')
    bad({ parent_death = {} }, 'parent_death: must be a signal such as "TERM", got a table')
  end)
end)

describe("schema: limits", function()
  it("are rows sorted by name", function()
    assert.same({
      { name = "as", soft = 1 << 31, hard = 1 << 31 },
      { name = "core", soft = 0, hard = -1 },
      { name = "cpu", soft = 60, hard = 60 },
      { name = "nofile", soft = 1024, hard = 4096 },
      { name = "stack", soft = -1, hard = -1 },
    }, good { limits = { stack = "unlimited", nofile = { 1024, 4096.0 }, core = { 0, "unlimited" }, as = "2G",
      cpu = 60 } }.limits)
    assert.equal(math.maxinteger, good { limits = { data = math.maxinteger } }.limits[1].hard)
    assert.same({}, good { limits = {} }.limits)
  end)

  it("have all the names of prlimit", function()
    local names = { "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
      "rss", "rtprio", "rttime", "sigpending", "stack" }
    local given = {}
    for i, name in ipairs(names) do given[name] = i end
    local rows = good { limits = given }.limits
    for i, name in ipairs(names) do assert.same({ name = name, soft = i, hard = i }, rows[i]) end
    assert.equal(#names, #rows)
  end)

  it("are refused when they are none", function()
    local count <const> = 'must be a whole number, "unlimited" or { soft, hard }, got '
    local bytes <const> = 'must be a whole number of bytes, a size such as "64K", "unlimited" or { soft, hard }, got '
    bad({ limits = { nofile = "64K" } }, "limits.nofile: " .. count .. 'string "64K"')
    bad({ limits = { nofile = -1 } }, "limits.nofile: " .. count .. "number -1")
    bad({ limits = { nofile = 1.5 } }, "limits.nofile: " .. count .. "number 1.5")
    bad({ limits = { as = true } }, "limits.as: " .. bytes .. "boolean true")
    bad({ limits = { as = "2X" } }, 'limits.as: bad size "2X": a size looks like "64K", "256M" or "1G"')
    bad({ limits = { as = { "2G", "1G" } } }, "limits.as: the soft limit is above the hard one")
    bad({ limits = { as = { "unlimited", "1G" } } }, "limits.as: the soft limit is above the hard one")
    bad({ limits = { as = { "2G" } } }, "limits.as: must be { soft, hard }")
    bad({ limits = { as = { soft = 1, hard = 2 } } }, "limits.as: must be { soft, hard }")
    bad({ limits = { nofle = 1 } }, 'limits: unknown key "nofle" (did you mean "nofile"?)')
    bad({ limits = { RLIMIT_NOFILE = 1 } }, 'limits: unknown key "RLIMIT_NOFILE" (did you mean "nofile"?)')
    bad({ limits = { LimitNOFILE = 1 } }, 'limits: unknown key "LimitNOFILE" (did you mean "nofile"?)')
    bad({ limits = { 1024 } }, "limits: a value without a name, at [1]; write limits = { nofile = 1024 }")
    bad({ limits = 1024 }, "limits: must be a table, got number 1024")
    bad({ rlimits = {} }, 'unknown key "rlimits" (did you mean "limits"?)')
  end)

  it("are read with suspicion the second time", function()
    local core <const> = { name = "core", soft = 0, hard = 0 }
    again("limits", { core, core }, "limits[2]: must be sorted by name, each once")
    again("limits", { core, { name = "as", soft = 0, hard = 0 } }, "limits[2]: must be sorted by name, each once")
    again("limits", { { name = "core", soft = -1, hard = 0 } }, "limits[1]: the soft limit is above the hard one")
    again("limits", { { name = "core", soft = -2, hard = 0 } }, 'limits[1]: must be a whole number of bytes, '
      .. 'a size such as "64K", "unlimited" or { soft, hard }, got number -2')
    again("limits", { { name = "core", soft = 0, hard = 0, x = 1 } }, 'limits[1]: unknown key "x"')
    again("limits", { nofile = 1 }, 'limits: must be a list, got the key string "nofile"')
  end)
end)

describe("schema: priorities", function()
  it("nice and oom_score_adj have the kernel's ranges", function()
    assert.equal(-20, good { nice = -20 }.nice)
    assert.equal(0, good { nice = 0 }.nice)
    assert.equal(-1000, good { oom_score_adj = -1000 }.oom_score_adj)
    bad({ nice = 20 }, "nice: must be a whole number from -20 to 19, got number 20")
    bad({ nice = "5" }, 'nice: must be a whole number from -20 to 19, got string "5"')
    bad({ oom_score_adj = 1001 }, "oom_score_adj: must be a whole number from -1000 to 1000, got number 1001")
    bad({ OOMScoreAdjust = 1 }, 'unknown key "OOMScoreAdjust" (did you mean "oom_score_adj"?)')
  end)

  it("ioprio is a class with a level", function()
    assert.same({ class = "idle", level = 0 }, good { ioprio = "idle" }.ioprio)
    assert.same({ class = "best-effort", level = 4 }, good { ioprio = "best-effort" }.ioprio)
    assert.same({ class = "realtime", level = 0 }, good { ioprio = { class = "realtime", level = 0 } }.ioprio)
    bad({ ioprio = "best_effort" }, 'ioprio: must be one of "realtime", "best-effort", "idle", '
      .. 'got string "best_effort" (did you mean "best-effort"?)')
    bad({ ioprio = { class = "idle", level = 1 } }, 'ioprio.level: class "idle" has no levels')
    bad({ ioprio = { class = "realtime", level = 8 } },
      "ioprio.level: must be a whole number from 0 to 7, got number 8")
    bad({ ioprio = { level = 1 } }, 'ioprio.class: must be one of "realtime", "best-effort", "idle", got nothing')
    bad({ ioprio = 3 }, 'ioprio: must be a class such as "idle", or a table such as '
      .. '{ class = "best-effort", level = 6 }, got number 3')
  end)

  it("sched is a policy, with a priority where it has one", function()
    assert.same({ policy = "batch", priority = 0 }, good { sched = "batch" }.sched)
    assert.same({ policy = "rr", priority = 99 }, good { sched = { policy = "rr", priority = 99 } }.sched)
    bad({ sched = "fifo" }, "sched.priority: must be a whole number from 1 to 99, got nothing")
    bad({ sched = { policy = "fifo", priority = 0 } },
      "sched.priority: must be a whole number from 1 to 99, got number 0")
    bad({ sched = { policy = "other", priority = 1 } },
      'sched.priority: policy "other" has no priorities; see nice')
    bad({ sched = "deadline" },
      'sched: must be one of "other", "batch", "idle", "fifo", "rr", got string "deadline"')
    bad({ sched = { prio = 1, policy = "rr" } }, 'sched: unknown key "prio"')
  end)

  it("affinity is a set of CPUs", function()
    assert.same({ 0, 2, 4095 }, good { affinity = { 2, 4095, 0, 2.0 } }.affinity)
    bad({ affinity = {} }, "affinity: must not be empty")
    bad({ affinity = 1 }, "affinity: must be a list of CPUs such as { 0, 2 }, got number 1")
    bad({ affinity = { 4096 } }, "affinity[1]: must be a whole number from 0 to 4095, got number 4096")
    bad({ affinity = { "0-3" } }, 'affinity[1]: must be a whole number from 0 to 4095, got string "0-3"')
  end)
end)

describe("schema: clone", function()
  it("is one of three", function()
    assert.equal("shared", good().clone)
    assert.equal("copy", good { clone = "copy" }.clone)
    bad({ clone = "fork" },
      'clone: must be one of "shared", "vfork", "copy", got string "fork" (did you mean "vfork"?)')
  end)
end)
