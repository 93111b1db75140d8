-- ward exec: one command in a sandbox, as a shell sees it.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sandboxed <const> = require "helpers.sandboxed"
local sys <const> = require "wardtest"

local USER <const> = { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "--" }

-- Arguments of ward exec as a list, or as words; and options of harness.run, with under = a program that execs ward.
local function exec(arguments, opts)
  opts = opts or {}
  local argv = table.move(opts.under or {}, 1, #(opts.under or {}), 1, {})
  argv[#argv + 1], argv[#argv + 2] = harness.ward, "exec"
  return harness.run(table.move(arguments, 1, #arguments, #argv + 1, argv), opts)
end

local function sh(text, ...)
  local arguments = { ... }
  return table.move({ "--", "sh", "-c", text }, 1, 4, #arguments + 1, arguments)
end

for _, way in ipairs { { "as root", nil }, { "as an ordinary user", USER } } do
  local title <const>, under <const> = way[1], way[2]

  describe("ward exec " .. title, function()
    after_each(harness.cleanup)

    it("ends as its command does, or says as shells do why it did not run", function()
      if not sandboxed.is_root() then return pending "needs root" end
      for _, profile in ipairs { "strict", "none" } do
        local function code(arguments)
          return (exec(table.move(arguments, 1, #arguments, 3, { "--profile", profile }),
            { under = under, cwd = "/", env = { PATH = "/usr/bin:/bin" } }))
        end
        for _, number in ipairs { 0, 1, 7, 125, 255 } do assert.equal(number, code(sh("exit " .. number))) end
        for name, number in pairs { TERM = 143, KILL = 137, SEGV = 139, HUP = 129 } do
          assert.equal(number, code(sh("kill -" .. name .. " $$")))
        end
        assert.equal(127, code { "--", "/nonexistent" })
        assert.equal(127, code { "--", "no-such-command" })
        assert.equal(127, code { "--", "" })
        assert.equal(126, code { "--", "/etc/passwd" })
        assert.equal(126, code { "--", "/etc" })
        assert.equal(125, code { "--cwd", "/nonexistent", "--", "true" })
        assert.equal(125, code { "--ro", "/nonexistent", "--", "true" })
      end
    end)

    it("tells a command that is not there from one that may not be executed, as shells do", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local closed <const>, dir <const> = harness.directory(), harness.directory()
      assert(sys.chmod(closed, 448)) -- 0700
      assert(sys.chmod(dir, 493))
      harness.write(dir .. "/data", "x")
      local path <const> = ("%s:%s:/usr/bin:/bin"):format(closed, dir)
      for command, want in pairs { ["no-such-command"] = 127, data = 126 } do
        for _, profile in ipairs { "strict", "none" } do
          assert.equal(want, (exec({ "--profile", profile, "--ro", closed, "--ro", dir, "--", command },
            { under = under, cwd = "/", env = { PATH = path } })), profile .. " " .. command)
        end
      end
    end)

    it("lets through what it reads, writes and inherits", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local file <const> = harness.write(harness.directory() .. "/in", "from stdin\n")
      local code, out, err <const> = exec(sh "cat; echo to stderr >&2; echo $A", { under = under, stdin = file,
        env = { A = "b" } })
      assert.same({ 0, "from stdin\nb\n", "to stderr\n" }, { code, out, err })
      code, out = exec(sh("echo $A$B", "--clear-env", "--env", "B=c=d"), { env = { A = "b" } })
      assert.same({ 0, "c=d\n" }, { code, out })
      local shell <const> = ("exec 5<%s; exec %s exec %%s -- sh -c 'cat <&5'"):format(file, harness.ward)
      _, out = harness.run { "sh", "-c", shell:format "--fd 5" }
      assert.equal("from stdin\n", out)
      assert.not_equal(0, (harness.run { "sh", "-c", shell:format "" }))
      _, out = exec(sh("ulimit -n", "--limit", "nofile=77"), { under = under })
      assert.equal("77\n", out)
    end)

    it("shows and lets write what it is told, and nothing else", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local dir <const> = harness.directory()
      assert(sys.chmod(dir, 511)) -- 0777
      harness.write(dir .. "/file", "x")
      local function try(text, ...) return (exec(sh(text, ...), { under = under, cwd = dir })) == 0 end
      local write <const>, read <const> = "echo y >" .. dir .. "/new", "cat " .. dir .. "/file"
      assert.is_true(try(write, "--profile", "none"))
      assert(sys.chmod(dir .. "/new", 438)) -- 0666: others will write there
      assert.is_false(try(write)) -- strict: it is in a /tmp of its own
      assert.is_false(try(read))
      assert.is_true(try(read, "--ro", "."))
      assert.is_false(try(write, "--ro", "."))
      assert.is_true(try(read .. " && " .. write, "--rw", "."))
      assert.is_true(try("cat /mnt/file && ! cat " .. dir .. "/file", "--ro", dir .. ":/mnt"))
      assert.is_true(try("cat /etc/passwd"))
      assert.is_true(try("cat file && ! cat /etc/passwd", "--empty", "--ro", "/usr", "--rw", "."))
      assert.is_false(try("cat /etc/passwd", "--tmpfs", "/etc"))
      local code <const>, out <const> = exec(sh("pwd", "--empty", "--ro", "/usr", "--rw", "."),
        { under = under, cwd = dir })
      assert.same({ 0, dir .. "\n" }, { code, out })
      assert.equal("/\n", select(2, exec(sh "pwd", { under = under, cwd = dir }))) -- out of sight
    end)

    it("has the host's network only where it is let", function()
      if not sandboxed.is_root() then return pending "needs root" end
      local function net(...)
        return select(2, exec({ ..., "--", "readlink", "/proc/self/ns/net" }, { under = under, cwd = "/" }))
      end
      local _, host <const> = harness.run { "readlink", "/proc/self/ns/net" }
      assert.not_equal(host, net "--no-net")
      assert.equal(host, (select(2, exec({ "--profile", "none", "--", "readlink", "/proc/self/ns/net" },
        { under = under, cwd = "/" }))))
      assert.not_equal(host, (select(2, exec({ "--profile", "none", "--no-net", "--", "readlink",
        "/proc/self/ns/net" }, { under = under, cwd = "/" }))))
      assert.equal(host, net "--net")
    end)

    it("passes signals on", function()
      if not sandboxed.is_root() then return pending "needs root" end
      for _, profile in ipairs { "strict", "none" } do
        local dir <const> = harness.directory()
        local argv = table.move(under or {}, 1, #(under or {}), 1, {})
        for _, word in ipairs { harness.ward, "exec", "--profile", profile, "--", "sh", "-c",
          "trap 'echo got USR1' USR1; for n in 34 38 64; do trap \"echo got $n\" $n; done; "
            .. "trap 'echo got TERM; exit 3' TERM; echo up; while :; do sleep 0.01; done" } do
          argv[#argv + 1] = word
        end
        local pid <const> = assert(sys.spawn(argv, { cwd = "/", stdout = dir .. "/out" }))
        local function says(text)
          harness.until_(function() return harness.read(dir .. "/out"):find(text, 1, true) end, nil, text)
        end
        says "up"
        sys.kill(pid, "USR1")
        says "got USR1"
        for _, number in ipairs { 34, 38, 64 } do -- SIGRTMIN, SIGRTMIN+4, SIGRTMAX
          assert.equal(0, (harness.run { "sh", "-c", ("kill -%d %d"):format(number, pid) }))
          says("got " .. number)
        end
        sys.kill(pid, "TERM")
        assert.equal(3, sys.wait(pid, 20).code)
        says "got TERM"
      end
    end)
  end)
end

describe("ward exec", function()
  after_each(harness.cleanup)

  it("keeps the terminal: it is one, and an interrupt from it comes once", function()
    if not sandboxed.is_root() then return pending "needs root" end
    for _, profile in ipairs { "strict", "none" } do
      local pid <const>, terminal <const> = assert(sys.spawn({ harness.ward, "exec", "--profile", profile, "--", "sh",
        "-c", "test -t 0 && trap 'echo int; n=x$n' INT; echo up; "
        .. "until read line; do :; done; echo line $line $n; exit 4" },
        { cwd = "/", pty = true }))
      local seen = ""
      local function says(text)
        harness.until_(function()
          local bytes <const> = terminal:recv(0.01)
          seen = seen .. (bytes or "")
          return seen:find(text, 1, true)
        end, nil, text)
      end
      says "up"
      terminal:send "\3"
      says "int"
      terminal:send "hello\n"
      says "line hello x\r"
      assert.equal(4, sys.wait(pid, 20).code)
    end
  end)

  it("does not outlive the one that was called", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local mark <const> = "WARD_TEST_MARK=exec." .. sys.pid()
    local pid <const> = assert(sys.spawn({ harness.ward, "exec", "--", "sleep", "1000" },
      { cwd = "/", env = { WARD_TEST_MARK = mark:match("=(.*)") } }))
    harness.until_(function() return #sys.marked(mark) >= 2 end, nil, "the command")
    sys.kill(pid, "KILL")
    sys.wait(pid, 20)
    harness.until_(function() return #sys.marked(mark) == 0 end, nil, "the end of the command")
  end)

  it("refuses what it does not understand with 125, and says why", function()
    for line, want in pairs {
      ["--bad -- true"] = "ward: unknown option '--bad' (see ward --help)\n",
      ["--profile strickt -- true"] =
        'ward: --profile: unknown profile "strickt" (did you mean "strict"?); there are strict, web, worker\n',
      ["--env A -- true"] = 'ward: --env: must be NAME=VALUE, got "A"\n',
      ["--net --no-net -- true"] = "ward: --net and --no-net contradict each other\n",
      ["--empty --rootfs / -- true"] = "ward: --empty and --rootfs contradict each other\n",
      ["--limit nproc=x -- true"] =
        'ward: limits.nproc: must be a whole number, "unlimited" or { soft, hard }, got string "x"\n',
      ["--ro= -- true"] = "ward: --ro: the path is empty\n",
      ["--rw= --rw / -- true"] = "ward: --rw: the path is empty\n",
      ["--tmpfs= -- true"] = "ward: --tmpfs: the path is empty\n",
      ["--rootfs= -- true"] = "ward: --rootfs: the path is empty\n",
      ["--ro /nowhere -- true"] =
        "ward: sandbox.mounts[1].source: /nowhere does not exist (optional = true starts without)\n",
      ["--user no-such-user -- true"] = 'ward: user: no user is named "no-such-user"\n',
      ["--cap net_rav -- true"] =
        'ward: sandbox.caps[1]: unknown capability "net_rav" (did you mean "net_raw"?)\n',
    } do
      local arguments <const> = {}
      for word in line:gmatch("%S+") do arguments[#arguments + 1] = word end
      local code <const>, out <const>, err <const> = exec(arguments)
      assert.same({ 125, "", want }, { code, out, err })
    end
  end)

  it("runs as nobody for root, in a directory that nobody may enter only if that is shown to it", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local dir <const> = harness.directory() .. "/closed"
    assert(lfs.mkdir(dir))
    assert(sys.chmod(dir, 448)) -- 0700
    local _, ids <const> = harness.run { "sh", "-c", "id -u nobody; id -g nobody" }
    local function run(...) return { exec({ ... }, { cwd = dir }) } end
    local home <const> = run("--profile", "web", "--tmpfs", "/srv", "--", "sh", "-c", "id -u; id -G; pwd")
    assert.same({ 0, ids .. "/\n", "" }, home)
    assert.same({ 125, "", ("ward: cannot change to directory %s: Permission denied (stage cwd); it runs as nobody, "
      .. "not as root: --user says otherwise\n"):format(dir) }, run("--rw", ".", "--", "pwd"))
    assert.same({ 0, dir .. "\n", "" }, run("--user", "root", "--rw", ".", "--", "pwd"))
    assert.same({ 0, "0\n", "" }, run("--profile", "none", "--", "id", "-u"))
  end)

  it("tells what nobody may not write, though --rw shows it", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local dir <const> = harness.directory()
    assert(sys.chmod(dir, 493)) -- 0755
    local function touch(user)
      local rw <const> = user and { "--user", user, "--rw", "." } or { "--rw", "." }
      return { exec(table.move({ "--", "touch", "file" }, 1, 3, #rw + 1, rw), { cwd = dir }) }
    end
    local told <const> = touch()
    assert.equal(1, told[1])
    assert.equal(("ward: --rw %s: the command runs as nobody, who may not write there; --user root may"):format(dir),
      told[3]:match "^[^\n]*")
    assert.same({ 0, "", "" }, touch "root")
    assert(sys.chmod(dir, 511)) -- 0777
    assert(sys.chmod(dir .. "/file", 438)) -- 0666
    assert.same({ 0, "", "" }, touch())
  end)

  it("runs where ward is root of a user namespace, as in a container", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local dir <const> = harness.directory()
    local code <const>, out <const>, err <const> = harness.run({ "sh", "-c", ([[
      mkfifo ready go
      unshare -U sh -c 'echo >ready; read x <go; exec %s exec -- id -u' &
      read x <ready
      echo 0 0 70000 >/proc/$!/uid_map && echo 0 0 70000 >/proc/$!/gid_map && echo >go && wait $!
    ]]):format(harness.ward) }, { cwd = dir })
    assert.same({ 0, (select(2, harness.run { "id", "-u", "nobody" })), "" }, { code, out, err })
  end)

  it("needs the /proc of its pid namespace, and says so, as ward run does", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local script <const> = harness.write(harness.directory() .. "/x.lua", sandboxed.script { cmd = { "true" } })
    for code, verb in pairs { [125] = { "exec", "--", "true" }, [1] = { "run", script } } do
      local argv <const> = table.move(verb, 1, #verb, 5, { "unshare", "-p", "-f", harness.ward })
      assert.same({ code, "", "ward: /proc is not mounted, or not for this pid namespace: Operation not supported\n" },
        { harness.run(argv) })
    end
  end)

  it("tells of a command that is there, but out of sight", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local _, program <const> = sandboxed.copy(harness.tiny)
    local code <const>, _, err <const> = exec { "--", program }
    assert.equal(127, code)
    assert.equal(("ward: cannot exec %s: No such file or directory (stage exec); it is out of sight in the sandbox: "
      .. "--ro brings it in\n"):format(program), err)
    assert.equal(0, (exec { "--ro", program, "--", program }))
  end)
end)

describe("root of a container without privilege", function()
  after_each(harness.cleanup)

  -- As LXC has it: of the host's users it knows its own, and the host's root is none of them.
  it("runs what the host's root does in a sandbox", function()
    if not sandboxed.is_root() then return pending "needs root" end
    local dir <const> = harness.directory()
    assert(sys.chmod(dir, 511)) -- 0777
    if os.execute(("setpriv --reuid=100000 --regid=100000 --clear-groups %s version >%s/version 2>&1"):format(
        harness.ward, dir)) ~= true then
      return pending "the build directory is not for everybody"
    end
    local view <const>, text <const> = sandboxed.run { cwd = "/",
      cmd = { "sh", "-c", ("for profile in strict web worker; do for user in root daemon; do "
        .. "%s exec --profile $profile --user $user -- id -un; done; done"):format(harness.ward) },
      env = { HOME = dir, WARD_RUNTIME_DIR = dir .. "/run", WARD_LOG_DIR = dir .. "/log" },
      sandbox = { uid_map = { { inside = 0, outside = 100000, count = 65536 } }, nested = true,
        namespaces = { "pid", "mount" }, mounts = { { type = "proc", target = "/proc" } } } }
    assert.equal(("root\ndaemon\n"):rep(3), text)
    assert.equal(0, view.last_exit.code)
  end)
end)
