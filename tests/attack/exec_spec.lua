-- Attacks on who calls ward exec, by the command. Each is made without ward, too, where it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local USER <const> = { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "--" }

local attack <const> = sandboxed.attacks(it, pending)

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

describe("who ward exec's command is", function()
  after_each(harness.cleanup)

  attack("is not root, which may read and write what nobody may", function()
    local dir <const>, program <const> = sandboxed.copy(harness.attack)
    local shared <const> = harness.directory()
    assert.equal(0, (harness.run { program, "read", "/etc/shadow" }))
    assert.equal(0, (harness.run { program, "plant", dir .. "/outside" }))
    assert.equal(0, (harness.run { program, "write", shared .. "/outside" }))
    for _, profile in ipairs { "strict", "web", "worker" } do
      local exec <const> = { harness.ward, "exec", "--profile", profile, "--rw", dir, "--rw", shared, "--", program }
      for _, path in ipairs { "/etc/shadow", "/proc/self/root/etc/shadow", "/root/.profile" } do
        assert.equal(1, (harness.run(line(exec, "read", path), { cwd = "/" })), profile .. " " .. path)
      end
      -- Nothing of root's is changed, nor left behind for others to be root with.
      assert.equal(1, (harness.run(line(exec, "write", shared .. "/inside"), { cwd = "/" })))
      assert.equal(1, (harness.run(line(exec, "plant", dir .. "/inside"), { cwd = "/" })))
    end
    -- Whom it is to be can be said.
    assert.equal(0, (harness.run { harness.ward, "exec", "--user", "root", "--ro", program, "--", program, "read",
      "/etc/shadow" }))
  end)
end)

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
