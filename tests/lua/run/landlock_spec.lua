-- Landlock on kernels that have less of it than this one: strace answers for them.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
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

-- What `ward explain` says is missing of a sandbox under a kernel; the status has the same list.
local function missing(under, sandbox)
  local script <const> = harness.write(harness.directory() .. "/x.lua",
    sandboxed.script { cwd = "/", cmd = { "true" }, sandbox = sandbox })
  local argv <const> = table.move(under, 1, #under, 1, {})
  table.move({ harness.ward, "explain", "--json", script }, 1, 4, #argv + 1, argv)
  local code <const>, out <const> = harness.run(argv)
  assert.equal(0, code)
  local messages <const> = {}
  for i, lack in ipairs(cjson.decode(out).services[1].lacks) do
    assert.equal("landlock", lack.stage)
    messages[i] = lack.message
  end
  return messages
end

-- What `ward check` says under a kernel.
local function refusal(under, sandbox)
  local script <const> = harness.write(harness.directory() .. "/x.lua",
    sandboxed.script { cwd = "/", cmd = { "true" }, sandbox = sandbox })
  local argv <const> = table.move(under, 1, #under, 1, {})
  table.move({ harness.ward, "check", script }, 1, 3, #argv + 1, argv)
  local code <const>, _, err <const> = harness.run(argv)
  assert.equal(1, code)
  return (err:gsub("^.-: service \"x\": ", ""))
end

describe("sandbox.landlock", function()
  after_each(harness.cleanup)

  it("shows in the status what is not restricted", function()
    local view <const> = sandboxed.run { cwd = "/", cmd = { "true" }, sandbox = { landlock = {
      fs = { ["/"] = "rx", ["/nowhere"] = { rights = "r", optional = true } } } } }
    assert.equal("optional paths of landlock.fs that are not there: 1", view.degraded[#view.degraded].message)
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
    assert.equal("sandbox.landlock: this kernel has no Landlock\n", refusal(NONE, box()))
    assert.equal("sandbox.landlock: Landlock is disabled in this kernel\n", refusal(DISABLED, box()))
    assert.equal("sandbox.landlock: Landlock ABI 3 has nothing of what the ruleset restricts\n",
      refusal(abi(3), { landlock = { scope = { "signal" } } }))
  end)

  it("is done without where on_failure says so, and that is shown", function()
    if not can_trace() then return end
    for _, on_failure in ipairs { "warn", "silent" } do
      assert.same({ "this kernel has no Landlock" }, missing(NONE, box(nil, on_failure)))
    end
  end)
end)
