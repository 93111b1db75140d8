-- Attacks on what a seccomp filter holds back. Each is made twice: under the filter, where it must fail, and without
-- one, where the kernel must see it, or it would prove nothing.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"

local SERVICE <const> = { seccomp = "@system-service" }

local function passes(arguments, sandbox)
  local ok <const>, text <const> = sandboxed.attack(arguments, sandbox)
  assert.is_true(ok, text)
end

local function fails(arguments, sandbox)
  local ok <const>, text <const> = sandboxed.attack(arguments, sandbox)
  assert.is_false(ok, text)
end

-- Runs an attack that the filter answers with SIGSYS.
local function is_killed(arguments, sandbox)
  local _, program <const> = sandboxed.copy(harness.attack)
  local view <const> = sandboxed.run {
    cwd = "/", sandbox = sandbox, cmd = table.move(arguments, 1, #arguments, 2, { program }),
  }
  assert.equal("signaled", view.last_exit.kind)
  assert.equal("SYS", view.last_exit.signal)
end

local function has_x86_64()
  local pipe <close> = assert(io.popen "uname -m")
  return pipe:read("l") == "x86_64"
end

describe("@system-service", function()
  after_each(harness.cleanup)

  for _, call in ipairs { "keyctl", "userfaultfd", "io_uring_setup", "bpf", "perf_event_open" } do
    it("has no " .. call, function()
      passes({ "syscall", call })
      fails({ "syscall", call }, SERVICE)
    end)
  end

  for _, call in ipairs { "tiocsti", "tiocsti-high", "tioclinux" } do
    it("does not let a program type into its terminal: " .. call, function()
      passes({ "syscall", call })
      fails({ "syscall", call }, SERVICE)
      -- Other requests are let through, and so is this one where the list says so.
      passes({ "syscall", "tcgets" }, SERVICE)
      passes({ "syscall", call }, { seccomp = { allow = { "@system-service", "ioctl" } } })
    end)
  end
end)

describe("a call of another architecture", function()
  after_each(harness.cleanup)

  local FILTERS <const> = {
    ["an allow list"] = SERVICE, ["a deny list"] = { seccomp = { deny = { "ptrace" } } },
    ["a filter that only logs"] = { seccomp = { default = "log" } }, ["ward's own"] = { no_setuid_files = true },
  }

  for title, box in pairs(FILTERS) do
    for _, way in ipairs { "x32", "int80" } do
      it(("does not slip through %s: %s"):format(title, way), function()
        if not has_x86_64() then return pending "is of x86_64" end
        passes { way }
        is_killed({ way }, box)
      end)
    end
  end

  it("is made where the filter names it", function()
    if not has_x86_64() then return pending "is of x86_64" end
    passes({ "int80" }, { seccomp = { deny = { "ptrace" }, architectures = { "x86" } } })
  end)
end)
