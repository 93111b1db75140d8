-- Attacks on who calls ward exec, by the command. Each is made without ward, too, where it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local has_root <const> = sandboxed.is_root()
local USER <const> = { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "--" }

local function attack(name, fn)
  it(name, function()
    if not has_root then return pending "needs root" end
    fn()
  end)
end

-- The exit status of a command on a terminal of its own.
local function on_terminal(argv)
  local pid <const>, terminal <const> = assert(sys.spawn(argv, { cwd = "/", pty = true }))
  local code <const> = sys.wait(pid, 20).code
  terminal:close()
  return code
end

local function line(...)
  local argv <const> = {}
  for _, part in ipairs { ... } do
    if type(part) == "table" then table.move(part, 1, #part, #argv + 1, argv) else argv[#argv + 1] = part end
  end
  return argv
end

describe("the terminal of ward exec", function()
  after_each(harness.cleanup)

  attack("is not typed into", function()
    local _, program <const> = sandboxed.copy(harness.attack)
    for _, under in ipairs { {}, USER } do
      assert.equal(0, on_terminal(line(under, program, "type")))
      for _, profile in ipairs { "strict", "web", "worker", "none" } do
        local exec <const> = line(under, harness.ward, "exec", "--profile", profile, "--ro", program)
        assert.equal(1, on_terminal(line(exec, "--", program, "type")), profile)
        assert.equal(1, on_terminal(line(exec, "--seccomp", "@known", "--", program, "type")), profile)
        for _, call in ipairs { "tiocsti", "tiocsti-high", "tioclinux" } do
          assert.equal(1, on_terminal(line(exec, "--", program, "syscall", call)), profile .. " " .. call)
        end
        assert.equal(0, on_terminal(line(exec, "--", program, "syscall", "tcgets")), profile)
      end
      -- A filter that was not wanted is not there.
      assert.equal(0, on_terminal(line(under, harness.ward, "exec", "--seccomp", "none", "--ro", program, "--", program,
        "type")))
    end
  end)
end)
