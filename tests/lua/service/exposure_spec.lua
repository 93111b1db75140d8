-- What a sandbox leaves open, as ward explain scores it: asked of the real core, because the filters count.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local model <const> = require "helpers.model"
local restrictions <const> = require "helpers.restrictions"

-- sandbox (nil: none) -> { mean =, areas = { network = { score =, open = }, ... } }
local function exposure(sandbox, keys)
  local whole <const> = { name = "x", cmd = { "/bin/true" }, cwd = "/", sandbox = sandbox }
  for key, value in pairs(keys or {}) do whole[key] = value end
  local script <const> = harness.write(harness.directory() .. "/x.lua",
    'return require("ward").service ' .. model.source(whole) .. "\n")
  local code <const>, out <const>, err <const> = harness.run { harness.ward, "explain", "--json", script }
  assert.equal(0, code, err)
  return cjson.decode(out).services[1].exposure
end

local AREAS <const> = { "network", "write_access", "capabilities", "system_calls", "kernel_interfaces" }

local function no_more_than(less, more, what)
  for _, name in ipairs(AREAS) do
    assert.is_true(less.areas[name].score <= more.areas[name].score, what .. ": " .. name)
  end
  assert.is_true(less.mean <= more.mean, what)
end

describe("what is left open", function()
  after_each(harness.cleanup)

  it("is everything without a sandbox, as root, and never more than that", function()
    local all <const> = exposure(nil, { user = "root" })
    assert.equal(100, all.mean)
    for _, name in ipairs(AREAS) do assert.equal(100, all.areas[name].score, name) end
    for _, name in ipairs { "strict", "worker", "web" } do no_more_than(exposure(name), all, name) end
    no_more_than(exposure "strict", exposure "worker", "strict and worker")
    no_more_than(exposure "worker", exposure "web", "worker and web")
  end)

  it("is less with each thing that is taken away", function()
    local box <const> = {}
    local before = exposure(box, { user = "root" })
    for _, step in ipairs {
      { "namespaces", { "ipc" }, "kernel_interfaces" },
      { "caps", { "net_raw", "sys_admin" }, "capabilities" },
      { "caps", { "net_raw" }, "capabilities" },
      { "caps", {}, "capabilities" },
      { "landlock", { scope = { "abstract_unix_socket" } }, "network" },
      { "landlock", { scope = { "abstract_unix_socket" }, net = { bind = { 80, 81 } } }, "network" },
      { "landlock", { scope = { "abstract_unix_socket", "signal" }, net = { bind = {}, connect = {} } }, "network" },
      { "namespaces", { "ipc", "net" }, "network" },
      { "readonly", true, "write_access" },
      { "namespaces", { "ipc", "net", "pid" }, "kernel_interfaces" },
      { "proc", true, "kernel_interfaces" },
      { "dev", "minimal", "kernel_interfaces" },
      { "seccomp", { deny = { "bpf", "ptrace" } }, "system_calls" },
      { "seccomp", { allow = { "execve", "exit_group", "read", "write" } }, "kernel_interfaces" },
    } do
      box[step[1]] = step[2]
      local after <const> = exposure(box, { user = "root" })
      no_more_than(after, before, step[1])
      assert.is_true(after.areas[step[3]].score < before.areas[step[3]].score, step[1])
      before = after
    end
    assert.same({ 0, 0, 0 }, { before.areas.network.score, before.areas.write_access.score,
      before.areas.capabilities.score })
    assert.same({ score = 1, open = { "4 of " .. before.areas.system_calls.open[1]:match("of (%d+)") } },
      before.areas.system_calls)
    assert.same({ score = 4, open = { "the host's /sys" } }, before.areas.kernel_interfaces)
  end)

  it("counts what is learned as open, and other architectures", function()
    local function calls(box) return exposure(box).areas.system_calls.score end
    assert.equal(100, calls { seccomp = { learn = "/tmp/list.lua" } })
    assert.equal(exposure({}).areas.kernel_interfaces.score,
      exposure({ seccomp = { learn = "/tmp/list.lua" } }).areas.kernel_interfaces.score)
    local list <const> = { "execve", "exit_group", "read", "write" }
    assert.equal(calls { seccomp = { allow = list } } + 5,
      calls { seccomp = { allow = list, architectures = { "x86" } } })
    assert.equal(100, calls { seccomp = { deny = { "bpf" }, architectures = { "x86", "x32" } } })
  end)

  it("counts the port that the kernel chooses for who listens without one", function()
    local function network(net, seccomp)
      return exposure({ landlock = { net = net }, seccomp = seccomp, namespaces = {} }).areas.network
    end
    local none <const>, one <const> = network { bind = {}, connect = {} }, network { bind = { 80 }, connect = {} }
    assert.equal("UDP and other protocols", none.open[1])
    assert.same({ "listens on 1 TCP port", "listens on a TCP port that the kernel chooses" },
      { table.unpack(one.open, 1, 2) })
    assert.equal(none.score + 11, one.score)
    local listening <const> = { allow = { "@system-service", "listen" } }
    assert.equal(none.score + 5, network({ bind = {}, connect = {} }, listening).score)
    local many <const> = {}
    for port = 1, 1000 do many[port] = port end
    assert.is_true(network({ bind = many, connect = {} }).score <= network({ connect = {} }).score)
  end)

  it("names the places that may be written", function()
    local dir <const> = harness.directory()
    local function places(box, keys) return exposure(box, keys or { user = "nobody" }).areas.write_access end
    assert.same({ score = 100, open = { "all that its user may write" } }, places {})
    assert.same({ score = 20, open = { dir } }, places { readonly = true, proc = true, namespaces = { "pid" },
      mounts = { { type = "bind", source = dir, target = dir }, { type = "bind", source = "/usr", target = "/srv",
        readonly = true } } })
    assert.same({ score = 20, open = { dir } },
      places { landlock = { fs = { ["/usr"] = "rx", ["/bin"] = "rx", [dir] = "rw" } } })
    assert.same({ score = 0, open = {} }, places { tmpfs = { "/" }, mounts = { { type = "bind", source = "/usr",
      target = "/usr", readonly = true } } })
    -- What lies in another place that counts is no second one, nor are several in one directory of the root.
    local function count(fs) return places({ landlock = { fs = fs } }).score end
    assert.equal(20, count { ["/usr"] = "rwx", ["/usr/bin"] = "w", ["/usr/lib"] = "w" })
    assert.equal(20, count { ["/usr"] = "x", ["/usr/bin"] = "w", ["/usr/lib"] = "w" })
    assert.equal(30, count { ["/usr"] = "rwx", ["/var"] = "w" })
    for right, score in pairs { truncate = 20, make_sym = 20, remove_file = 20, read_dir = 0 } do
      assert.equal(score, count { ["/usr"] = "x", ["/var"] = { right } }, right)
    end
    -- A rule and a mount together leave what is in both.
    assert.same({ dir }, places { landlock = { fs = { ["/"] = "rwx" } }, readonly = true,
      mounts = { { type = "bind", source = dir, target = dir } } }.open)
    assert.same({}, places { landlock = { fs = { ["/"] = "rx", ["/var"] = "w" } }, readonly = true,
      mounts = { { type = "bind", source = dir, target = dir } } }.open)
  end)

  it("counts what another process of the user's sees, where its root is within reach", function()
    local function score(box)
      box.readonly = true
      return exposure(box, { user = "nobody" }).areas.write_access.score
    end
    assert.equal(100, score {})
    assert.equal(100, score { namespaces = { "pid" } }) -- the host's /proc is still there
    assert.equal(100, score { tmpfs = { "/" }, mounts = { { type = "bind", source = "/proc", target = "/proc",
      readonly = true } } })
    assert.equal(0, score { namespaces = { "pid" }, proc = true })
    assert.equal(0, score { namespaces = { "user" } })
    assert.equal(0, score { landlock = { scope = { "signal" } } })
    assert.equal(0, score { tmpfs = { "/proc" } })
  end)

  it("counts the capabilities that a program can come by, not those that a set could hold", function()
    if os.execute("test $(id -u) = 0") ~= true then return pending "needs root" end
    local function score(caps, keys, bits)
      return exposure({ caps = caps, securebits = bits }, keys or { user = "nobody" }).areas.capabilities.score
    end
    assert.equal(0, score { bounding = "all" })
    assert.equal(0, score { bounding = { "sys_admin" } })
    assert.is_true(score { "net_raw" } > 0)
    assert.is_true(score({ bounding = "all" }, { user = "root" }) > 60)
    assert.equal(0, score({ bounding = "all" }, { user = "root" }, { "noroot" }))
    assert.is_true(score({ bounding = { "net_raw" } }, { user = "root" }) < 5)
  end)

  it("counts what is read-only as open to who can change that, and warns", function()
    local dir <const> = harness.directory()
    local function of(box) return exposure(box, { user = "root" }).areas.write_access.score end
    local function warnings(box)
      local script <const> = harness.write(dir .. "/x.lua", 'return require("ward").service ' .. model.source {
        name = "x", cmd = { "/bin/true" }, cwd = "/", user = "root", sandbox = box } .. "\n")
      local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
      assert.equal(0, code, err)
      local shown <const> = select(2, harness.run { harness.ward, "explain", script })
      local told <const> = err:find("x.lua:1: service \"x\": warning: sandbox.readonly: the program keeps sys_admin", 1,
        true) ~= nil
      assert.equal(told, shown:find("\nwarning: sandbox.readonly: the program keeps sys_admin", 1, true) ~= nil)
      return told
    end
    if os.execute("test $(id -u) = 0") ~= true then return pending "needs root" end
    for _, box in ipairs { { readonly = true }, { readonly = true, caps = { "sys_admin" } },
      { readonly = true, caps = "all", seccomp = { deny = { "mount" } } } } do
      assert.equal(100, of(box))
      assert.is_true(warnings(box))
    end
    for _, box in ipairs { { caps = { "net_raw" } }, { namespaces = { "user" } },
      { seccomp = { deny = { "@mount" } } } } do
      box.readonly, box.landlock = true, { scope = { "signal" } }
      assert.equal(0, of(box))
      assert.is_false(warnings(box))
    end
    local bind <const> = { type = "bind", source = "/usr", target = "/usr", readonly = true }
    assert.equal(0, of { tmpfs = { "/" }, mounts = { bind }, caps = {} })
    assert.equal(20, of { tmpfs = { "/" }, mounts = { bind } })
  end)

  it("is never more for one thing less, whatever else is asked for", function()
    math.randomseed(20261128)
    local dir <const> = harness.directory()
    local count, lines <const>, names <const> = 100, { 'local ward = require "ward"', "return {" }, {}
    for i = 1, count do
      local box, keys = restrictions.random()
      local less <const>, name <const> = restrictions.restrict(box)
      names[i] = name
      for suffix, sandbox in pairs { a = box, b = less } do
        lines[#lines + 1] = "  ward.service " .. model.source { name = suffix .. i, cmd = { "/bin/true" }, cwd = "/",
          user = keys.user, sandbox = sandbox } .. ","
      end
    end
    lines[#lines + 1] = "}\n"
    local script <const> = harness.write(dir .. "/x.lua", table.concat(lines, "\n"))
    local code <const>, out <const>, err <const> = harness.run { harness.ward, "explain", "--json", script }
    assert.equal(0, code, err)
    local of <const> = {}
    for _, service in ipairs(cjson.decode(out).services) do of[service.name] = service.exposure end
    for i = 1, count do
      no_more_than(of["b" .. i], of["a" .. i], ("%s: %s, %s"):format(names[i], lines[2 * i + 1], lines[2 * i + 2]))
    end
  end)

  it("is shown in words below the steps", function()
    local script <const> = harness.write(harness.directory() .. "/x.lua",
      'return require("ward").service { name = "x", cmd = { "/bin/true" }, sandbox = "strict" }\n')
    local code <const>, out <const> = harness.run { harness.ward, "explain", script }
    assert.equal(0, code)
    local text <const> = out:match("\n(left open, from 0 %(closed%) to 100:\n.*)$")
    assert.is_truthy(text:find("\n  network +0  nothing\n"))
    assert.is_truthy(text:find("\n  kernel interfaces +%d+  the host's /sys"))
    assert.is_truthy(text:find("\n  mean +%d+\n$"))
  end)
end)
