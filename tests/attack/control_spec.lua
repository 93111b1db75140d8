-- Attempts to have a supervisor do what a sandbox forbids, through its control socket. Each is made outside, too, where
-- it must succeed.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"

local attack <const> = sandboxed.attacks(it, pending)

describe("the control socket", function()
  after_each(harness.cleanup)

  -- How often a service's supervisor does what it asks for, itself and through an orphan.
  local function asks(sandbox, start, user)
    local ask <const> = harness.ward .. " eval 'return 6 * 7' 2>&1"
    local _, text <const> = sandboxed.run({ cwd = "/", user = user, sandbox = sandbox or nil,
      cmd = { "sh", "-c", ("%s; (setsid %s &) | cat"):format(ask, ask) } }, start)
    return select(2, text:gsub("42", ""))
  end

  attack("does not listen to who is in a sandbox", function()
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      local user <const> = not start and "root" or nil
      assert.equal(2, asks(nil, start or nil, user))
      for _, box in ipairs { {}, { seccomp = "@system-service" }, { caps = {} }, { profile = "strict", tmpfs = {} },
        { profile = "web", tmpfs = {} }, { profile = "worker", tmpfs = {} } } do
        assert.equal(0, asks(box, start or nil, user))
      end
    end
  end)

  attack("does not listen to who is in a sandbox that took the right to load a filter", function()
    local few <const> = { permitted = {}, effective = {}, inheritable = {}, ambient = {} }
    for name, box in pairs {
      caps = { caps = few }, effective = { caps = { effective = {} } },
      bits = { caps = few, securebits = { "noroot" } },
      net = { caps = few, namespaces = { "net" } }, name = { caps = few, hostname = "h", namespaces = { "uts" } },
    } do
      box.no_new_privs = false
      assert.equal(0, asks(box, nil, "root"), name)
    end
  end)

  -- What a program outside of it is told, under something that holds it.
  local function told(w, under)
    local argv <const> = table.move(under, 1, #under, 1, {})
    table.move({ harness.ward, "eval", "return 6 * 7" }, 1, 3, #argv + 1, argv)
    local _, out <const>, err <const> = harness.run(argv, { env = w.env })
    assert.is_truthy(out:find "42" or err:find "it hears nobody in a sandbox" or err:find "no supervisor", err)
    return out:find "42" ~= nil
  end

  attack("does not listen to who is in another's sandbox either", function()
    for _, start in ipairs { false, { under = harness.UNPRIVILEGED } } do
      local w <const> = harness.start(
        'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', start or nil)
      local as <const> = start and { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups" } or { "env" }
      local function under(...)
        return told(w, table.move({ ... }, 1, select("#", ...), #as + 1, { table.unpack(as) }))
      end
      assert.is_true(told(w, { "env" }))
      assert.is_true(under())
      assert.is_false(under(harness.ward, "exec", "--profile", "none", "--"))
      assert.is_false(under(harness.ward, "exec", "--profile", "none", "--seccomp", "none", "--"))
      assert.is_false(under("setpriv", "--no-new-privs"))
      assert.is_false(under("unshare", "--user"))
      assert.is_false(under("unshare", "--user", "--map-root-user", "--pid", "--fork"))
      if not start then
        assert.is_false(told(w, { "setpriv", "--bounding-set=-sys_admin" }))
        assert.is_false(told(w, { "unshare", "--mount" }))
        assert.is_false(told(w, { "unshare", "--pid", "--fork" }))
      else
        -- Root's own sandboxes are no way to be somebody else's root.
        assert.is_false(told(w, { harness.ward, "exec", "--profile", "none", "--user", "root", "--cap", "dac_override",
          "--" }))
      end
      w:stop()
    end
  end)

  attack("listens to who is held less than ward is", function()
    for _, held in ipairs { { "setpriv", "--no-new-privs" }, { "unshare", "--mount" },
      { "setpriv", "--bounding-set=-sys_boot" } } do
      local w <const> = harness.start(
        'return require("ward").service { name = "y", cmd = { "sleep", "1000" }, cwd = "/" }\n', { under = held })
      assert.is_true(told(w, { "env" }), held[2])
      w:stop()
    end
  end)

  attack("knows a sandbox where ward itself can gain no privileges", function()
    local held <const> = { under = { "setpriv", "--no-new-privs" } }
    assert.equal(2, asks(nil, held, "root"))
    for _, box in ipairs { {}, { landlock = { scope = { "signal" } } }, { caps = {} } } do
      assert.equal(0, asks(box, held, "root"))
    end
  end)
end)
