-- Seccomp and capabilities in a running ward: lists that are learned, profiles that are read from a file, and what
-- check refuses.

local harness <const> = require "helpers.harness"
local sandboxed <const> = require "helpers.sandboxed"

describe("sandbox.seccomp", function()
  after_each(harness.cleanup)

  it("learns a list under which the program runs", function()
    for _, mode in ipairs { "shared", "copy" } do
      local list <const> = harness.directory() .. "/list.lua"
      local function run(seccomp)
        return (sandboxed.run { clone = mode, cwd = "/", cmd = { "cat", "/etc/hostname" },
          sandbox = { seccomp = seccomp } }).last_exit
      end
      assert.equal(0, run({ learn = list }).code)
      local names <const> = dofile(list)
      local has <const> = {}
      for _, name in ipairs(names) do has[name] = true end
      for _, name in ipairs { "execve", "read", "write", "exit_group" } do assert.is_true(has[name], name) end
      assert.is_nil(has.ptrace)
      assert.equal(0, run({ allow = names }).code, mode)
      -- Without one of them it does not.
      local fewer <const> = {}
      for _, name in ipairs(names) do
        if name ~= "write" then fewer[#fewer + 1] = name end
      end
      assert.not_equal(0, run({ allow = fewer }).code)
    end
  end)

  it("learns what a program needs that was ended by a signal", function()
    local list <const> = harness.directory() .. "/list.lua"
    local function run(seccomp)
      return (sandboxed.run { cwd = "/", cmd = { "sh", "-c", "kill -KILL $$" },
        sandbox = { seccomp = seccomp } }).last_exit
    end
    assert.equal("signaled", run({ learn = list }).kind)
    local has <const> = {}
    for _, name in ipairs(dofile(list)) do has[name] = true end
    for _, name in ipairs { "execve", "exit", "exit_group", "rt_sigreturn" } do assert.is_true(has[name], name) end
    local exit <const> = run { allow = dofile(list) }
    assert.same({ "signaled", "KILL" }, { exit.kind, exit.signal })
  end)

  it("is not learned through a symbolic link, neither at first nor later", function()
    local dir <const> = harness.directory()
    local function service(path, text)
      return { cwd = "/", cmd = { "sh", "-c", text }, sandbox = { seccomp = { learn = path } } }
    end
    for _, name in ipairs { "open", "closed" } do assert.equal(0, (harness.run { "mkdir", dir .. "/" .. name })) end
    assert.equal(0, (harness.run { "ln", "-s", "closed", dir .. "/link" }))
    local script <const> = harness.write(dir .. "/x.lua", sandboxed.script(service(dir .. "/link/list.lua", "true")))
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.equal(1, code)
    assert.is_truthy(err:find("Too many levels of symbolic links", 1, true), err)
    local view <const> = sandboxed.run(service(dir .. "/open/list.lua",
      ("mv %s/open %s/was; ln -s closed %s/open"):format(dir, dir, dir)))
    assert.equal("exited", view.last_exit.kind)
    for _, name in ipairs { "closed", "was" } do
      assert.is_nil(harness.read(("%s/%s/list.lua"):format(dir, name)), name)
    end
  end)

  it("learns nothing from a program that never ran", function()
    local list <const> = harness.directory() .. "/list.lua"
    harness.write(list, "return { 'read' }\n")
    local view <const> = sandboxed.run { cwd = "/", cmd = { "no-such-program" },
      sandbox = { seccomp = { learn = list } } }
    assert.equal("spawn_failed", view.last_exit.kind)
    assert.equal("return { 'read' }\n", harness.read(list))
  end)

  it("is not learned into a file that cannot be written", function()
    for path, message in pairs { ["/nowhere/list.lua"] = "No such file or directory", ["/tmp"] = "Is a directory",
      ["/proc/list.lua"] = sandboxed.is_root() and "Operation not permitted" or "Permission denied" } do
      local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script {
        cmd = { "true" }, sandbox = { seccomp = { learn = path } },
      })
      local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
      assert.equal(1, code, path)
      assert.is_truthy(err:find(("sandbox.seccomp.learn: cannot write %s: %s"):format(path, message), 1, true), err)
    end
  end)

  it("is not learned where the supervisor would wait for the child", function()
    local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script {
      cmd = { "true" }, clone = "vfork", sandbox = { seccomp = { learn = "list.lua" } },
    })
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.equal(1, code)
    assert.is_truthy(err:find("sandbox.seccomp.learn", 1, true), err)
  end)

  local function profile(text)
    return harness.write(harness.directory() .. "/profile.json", text)
  end

  it("reads a profile", function()
    local file <const> = profile [[{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      { "names": ["keyctl"], "action": "SCMP_ACT_ERRNO" } ] }]]
    assert.is_true((sandboxed.attack({ "syscall", "keyctl" })))
    assert.is_false((sandboxed.attack({ "syscall", "keyctl" }, { seccomp = { oci = file } })))
  end)

  it("takes each of several conditions on one argument for enough", function()
    local file <const> = profile [[{ "$schema": "x", "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      { "names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "args": [
        { "index": 0, "op": "SCMP_CMP_EQ", "value": 77 }, { "index": 0, "op": "SCMP_CMP_LT", "value": 5 } ] } ] }]]
    assert.is_false((sandboxed.attack({ "syscall", "keyctl" }, { seccomp = { oci = file } })))
  end)

  it("reads the conditions of a profile by the user of the program", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local file <const> = profile [[{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      { "names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "excludes": { "caps": ["CAP_SYS_ADMIN"] } } ] }]]
    local function passes(user)
      return (sandboxed.attack({ "syscall", "keyctl" }, { seccomp = { oci = file } }, { keys = { user = user } }))
    end
    assert.is_true(passes())
    assert.is_false(passes("nobody"))
  end)

  it("refuses a profile that is wrong, with its line, and one that is not there", function()
    local file <const> = profile '{ "defaultAction": "SCMP_ACT_ALLOW",\n  "syscalls": [ { "names": 3 } ] }'
    for path, message in pairs { [file] = file .. ":2: ", ["/nowhere.json"] = "/nowhere.json" } do
      local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script {
        cmd = { "true" }, sandbox = { seccomp = { oci = path } },
      })
      local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
      assert.equal(1, code)
      assert.is_truthy(err:find("sandbox.seccomp.oci", 1, true), err)
      assert.is_truthy(err:find(message, 1, true), err)
    end
  end)

  it("takes the names of calls that are newer than libseccomp", function()
    local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script {
      cmd = { "/bin/true" }, cwd = "/", sandbox = { seccomp = { deny = { "setxattrat", "mseal", "file_setattr" } } },
    })
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.same({ 0, "" }, { code, err })
  end)

  it("refuses a call that nobody knows", function()
    local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script {
      cmd = { "true" }, sandbox = { seccomp = { deny = { "ptrase" } } },
    })
    local code <const>, _, err <const> = harness.run { harness.ward, "check", script }
    assert.equal(1, code)
    assert.is_truthy(err:find('unknown system call "ptrase" (did you mean "ptrace"?)', 1, true), err)
  end)
end)

describe("sandbox.caps", function()
  after_each(harness.cleanup)

  it("keeps what the text of libcap says", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local seen <const> = sandboxed.probe { caps = "cap_net_raw=eip" }
    for _, set in ipairs { "permitted", "inheritable", "effective", "bounding", "ambient" } do
      assert.equal(1 << 13, tonumber(seen.caps[set], 16), set)
    end
  end)

  it("has no capabilities without the right to drop them, where no_new_privs keeps them away", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local function ward(verb, box, under)
      local path <const> = harness.write(harness.directory() .. "/x.lua",
        sandboxed.script { cmd = { "/bin/true" }, cwd = "/", sandbox = box })
      local argv <const> = { table.unpack(under or harness.UNPRIVILEGED) }
      return harness.run(table.move({ harness.ward, verb, path }, 1, 3, #argv + 1, argv))
    end
    local seen <const> = sandboxed.probe({ caps = {} }, { start = { under = harness.UNPRIVILEGED } })
    for _, set in ipairs { "permitted", "inheritable", "effective", "ambient" } do
      assert.equal(0, tonumber(seen.caps[set], 16), set)
    end
    assert.is_true(seen.no_new_privs)
    local _, out <const> = ward("explain", { caps = {} })
    assert.is_truthy(out:find("bounding as ward has it, who lacks CAP_SETPCAP: ", 1, true), out)
    for message, box in pairs {
      [" less in the bounding set than ward has needs CAP_SETPCAP"] = { caps = {}, no_new_privs = false },
      [".permitted: holds net_raw, which ward does not have"] = { caps = { "net_raw" } },
    } do
      local code <const>, _, err <const> = ward("check", box)
      assert.equal(1, code)
      assert.is_truthy(err:find('service "x": sandbox.caps' .. (message:gsub("^ ", ": ")), 1, true), err)
    end
    -- Of root without that right no_new_privs keeps away only what is not permitted already.
    local root <const> = { "setpriv", "--bounding-set=-setpcap", "--inh-caps=-setpcap" }
    assert.equal(0, (ward("check", { caps = {} }, root)))
    for _, box in ipairs { { caps = { bounding = {} } }, { no_setuid_files = true } } do
      assert.equal(1, (ward("check", box, root)))
    end
  end)
end)
