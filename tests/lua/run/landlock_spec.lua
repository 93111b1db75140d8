-- Landlock on kernels that have less of it than this one: strace answers for them.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sandboxed <const> = require "helpers.sandboxed"

-- ward's calls are pairs: which ABI there is, and a ruleset.
local function kernel(answer)
  return harness.strace { "-o", "/dev/null", "-e", "trace=landlock_create_ruleset", "-e",
    "inject=landlock_create_ruleset:" .. answer, "--" }
end
local function abi(number) return kernel(("retval=%d:when=1+2"):format(number)) end
local NONE <const>, DISABLED <const> = kernel "error=ENOSYS", kernel "error=EOPNOTSUPP"

local BOX <const> = { fs = { ["/"] = "rwx" }, net = { bind = {} }, scope = { "abstract_unix_socket", "signal" } }

local function box(more, on_failure)
  local landlock <const> = {}
  for key, value in pairs(BOX) do landlock[key] = value end
  for key, value in pairs(more or {}) do landlock[key] = value or nil end
  return { landlock = landlock, on_failure = on_failure }
end

local function can_trace()
  if os.execute "command -v strace >/dev/null && strace -qq -e trace=none true 2>/dev/null" then return true end
  pending "strace is missing, or may not trace here"
  return false
end

local function under(kernel_, verb, sandbox, ...)
  local script <const> = harness.write(harness.directory() .. "/x.lua",
    sandboxed.script { cwd = "/", cmd = { "true" }, sandbox = sandbox })
  local argv <const> = table.move(kernel_, 1, #kernel_, 1, {})
  table.move({ harness.ward, verb, script, ... }, 1, 3 + select("#", ...), #argv + 1, argv)
  return harness.run(argv)
end

-- What `ward explain` says is missing of a sandbox under a kernel; the status has the same list.
local function missing(kernel_, sandbox)
  local code <const>, out <const> = under(kernel_, "explain", sandbox, "--json")
  assert.equal(0, code)
  local messages <const> = {}
  for i, lack in ipairs(cjson.decode(out).services[1].lacks) do
    assert.equal("landlock", lack.stage)
    messages[i] = lack.message
  end
  return messages
end

-- What `ward check` says under a kernel.
local function refusal(kernel_, sandbox)
  local code <const>, _, err <const> = under(kernel_, "check", sandbox)
  assert.equal(1, code)
  return (err:gsub("^.-: service \"x\": ", ""))
end

describe("sandbox.landlock", function()
  after_each(harness.cleanup)

  it("shows in the status what is not restricted", function()
    local view <const> = sandboxed.run { cwd = "/", cmd = { "true" }, sandbox = { landlock = {
      fs = { ["/"] = "rx", ["/nowhere"] = { rights = "r", optional = true },
        ["/nowhere.2"] = { rights = "r", optional = true } } } } }
    assert.equal("optional paths of landlock.fs that are not there: /nowhere, /nowhere.2",
      view.degraded[#view.degraded].message)
    if not can_trace() then return end
    local function lacks(number, names)
      local list <const> = {}
      for i, name in ipairs(names) do
        list[i] = ("Landlock ABI %d of this kernel does not restrict %s"):format(number, name)
      end
      return list
    end
    assert.same(lacks(6, {}), (missing(abi(6), box())))
    assert.same(lacks(5, { "abstract_unix_socket", "signal" }), (missing(abi(5), box())))
    assert.same(lacks(3, { "ioctl_dev", "bind_tcp", "abstract_unix_socket", "signal" }), (missing(abi(3), box())))
    local first <const> = missing(abi(1), box())
    assert.equal("Landlock ABI 1 of this kernel allows nobody refer", first[1])
    assert.equal("Landlock ABI 1 of this kernel does not restrict truncate", first[2])
    assert.same(lacks(2, { "truncate", "ioctl_dev", "bind_tcp", "abstract_unix_socket", "signal" }),
      (missing(abi(2), box())))
  end)

  it("is refused at check where the kernel has none, or less than compat = strict wants", function()
    if not can_trace() then return end
    for _, on_failure in ipairs { "error", "warn", "silent" } do
      local strict <const> = box({ compat = "strict" }, on_failure)
      assert.equal("sandbox.landlock: Landlock has abstract_unix_socket from ABI 6 on, and this kernel has ABI 5\n",
        refusal(abi(5), strict))
      assert.equal("sandbox.landlock: Landlock has bind_tcp from ABI 4 on, and this kernel has ABI 3\n",
        refusal(abi(3), box({ compat = "strict", fs = false }, on_failure)))
      assert.equal("sandbox.landlock: this kernel has no Landlock\n", refusal(NONE, strict))
    end
    assert.equal("sandbox.landlock: Landlock has signal from ABI 6 on, and this kernel has ABI 3\n",
      refusal(abi(3), { landlock = { scope = { "signal" }, compat = "strict" } }))
  end)

  it("is done without where the kernel has nothing of it, and that is shown", function()
    if not can_trace() then return end
    for _, on_failure in ipairs { "error", "warn", "silent" } do
      assert.same({ "this kernel has no Landlock" }, missing(NONE, box(nil, on_failure)))
    end
    assert.same({ "Landlock is disabled in this kernel" }, missing(DISABLED, box()))
    assert.same({ "Landlock ABI 3 has nothing of what the ruleset restricts" },
      missing(abi(3), { landlock = { scope = { "signal" } } }))
    local code <const>, _, err <const> = under(DISABLED, "check", { landlock = { scope = { "signal" } } })
    assert.equal(0, code)
    assert.matches('warning: sandbox.landlock: Landlock is disabled in this kernel\n', err)
  end)

  it("lets the profiles start on a kernel of any ABI, by ward exec, too", function()
    if not can_trace() then return end
    local kernels <const> = { NONE }
    for number = 1, 7 do kernels[#kernels + 1] = abi(number) end
    for _, kernel_ in ipairs(kernels) do
      for _, profile in ipairs { "strict", "web", "worker",
        { landlock = { fs = { ["/"] = "rx", ["/tmp"] = "rw" } } } } do
        local code <const>, _, err <const> = under(kernel_, "check", profile)
        assert.equal(0, code, err)
        local argv <const> = type(profile) == "string" and table.move(kernel_, 1, #kernel_, 1, {})
        if argv then
          table.move({ harness.ward, "exec", "--profile", profile, "--", "true" }, 1, 6, #argv + 1, argv)
          local status <const>, _, said <const> = harness.run(argv, { cwd = "/" })
          assert.equal(0, status, said)
        end
      end
    end
  end)

  it("follows its paths to what has come there since", function()
    local dir <const> = harness.directory()
    for _, name in ipairs { "one", "two" } do
      assert(lfs.mkdir(dir .. "/" .. name))
      harness.write(dir .. "/" .. name .. "/f", name .. "\n")
    end
    local function point(to)
      os.remove(dir .. "/now")
      assert(lfs.link(to, dir .. "/now", true))
    end
    point "one"
    local fs <const> = { [dir .. "/now"] = "r", [dir .. "/later"] = { rights = "r", optional = true } }
    for _, path in ipairs { "/usr", "/bin", "/lib", "/lib64" } do fs[path] = { rights = "rx", optional = true } end
    local view <const>, text <const> = sandboxed.run({ cwd = "/", sandbox = { landlock = { fs = fs } },
      cmd = { "sh", "-c", ("cat %s/now/f; cat %s/one/f %s/later/f 2>&-; echo ."):format(dir, dir, dir) } }, nil,
      function()
        point "two"
        assert(lfs.mkdir(dir .. "/later"))
        harness.write(dir .. "/later/f", "later\n")
      end)
    assert.equal("one\none\n.\ntwo\nlater\n.\n", text)
    assert.is_nil(view.degraded and view.degraded[1])
  end)

  it("has its ABI and what it left out in the status", function()
    local dir <const> = harness.directory()
    local w <const> = harness.start(sandboxed.script { cwd = "/", cmd = { "sleep", "1000" }, sandbox = {
      landlock = { fs = { ["/"] = "rx" } },
      mounts = { { type = "bind", source = dir .. "/gone", target = "/mnt", optional = true } } } })
    w:until_ready "x"
    local view <const> = w:status "x"
    assert.is_true(view.landlock_abi >= 1 and view.landlock_abi <= 7)
    local found
    for _, lack in ipairs(view.degraded) do
      if lack.stage == "mount_make" then found = lack.message end
    end
    assert.is_truthy(found and found:find(dir .. "/gone", 1, true), found)
    w:stop()
    local code <const>, out <const> = harness.run { harness.ward, "explain", w.script }
    assert.equal(0, code)
    assert.matches("ruleset, ABI %d: ", out)
    assert.is_truthy(out:find("optional mount of what is not there: " .. dir .. "/gone", 1, true), out)
  end)
end)
