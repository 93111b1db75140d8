-- What a child sees is what a model says, for specs that chance has put together from all keys: services, and children
-- of a task.
--
--   WARD_MODEL_SEED=N WARD_MODEL_N=N	other specs, or more of them

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local keys <const> = require "ward.schema.keys"
local lfs <const> = require "lfs"
local model <const> = require "helpers.model"
local sys <const> = require "wardtest"

local SEED <const> = tonumber(os.getenv "WARD_MODEL_SEED" or 20261124)
local COUNT <const> = tonumber(os.getenv "WARD_MODEL_N" or 300)
local TOGETHER <const> = 50 -- children of one ward
local INSTANCE <const> = "model-" .. sys.pid() -- control groups are named after it

local function number_in(path)
  return math.tointeger(tonumber(harness.read(path)))
end

-- What a process sees that is none of ward's: the capability sets as numbers, and all that this kernel has.
local function outside(program, plain)
  local argv <const> = { "setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", program }
  local _, out <const> = harness.run(plain and argv or { program })
  local report <const> = cjson.decode(out)
  for name, hex in pairs(report.caps) do report.caps[name] = tonumber(hex, 16) end
  report.caps.all = (2 << number_in "/proc/sys/kernel/cap_last_cap") - 1
  report.oom_score_adj = number_in "/proc/self/oom_score_adj"
  return report
end

-- May control groups be made below our own?
local function cgroups()
  local _, point <const> = harness.run { "awk", '$(NF-2) == "cgroup2" { print $5; exit }', "/proc/self/mountinfo" }
  local group <const> = harness.read("/proc/self/cgroup"):match("0::([^\n]*)")
  local path <const> = ("%s%s/%s"):format(point:gsub("\n", ""), group, INSTANCE)
  return point ~= "" and os.execute(("mkdir %s 2>/dev/null && rmdir %s"):format(path, path)) == true
end

-- Files and directories that the specs speak of.
local function make_world(plain)
  local dir <const> = harness.directory()
  local world <const> = {
    dir = dir, reports = dir .. "/reports", program = dir .. "/probe", input = dir .. "/in", output = dir .. "/out",
    env_file = dir .. "/env", from_file = { FROM_FILE = "yes", WARD_TEST_GIVEN = "from file" },
    root = harness.directory(), plain = plain, cgroups = not plain and cgroups(),
    group = "/ward%-" .. INSTANCE:gsub("%-", "%%-") .. "/.+/%d+$",
  }
  assert(os.execute(("cd %s && mkdir reports a b empty"):format(dir)))
  assert(os.execute(("cd %s && mkdir -p dev proc .%s && touch mark"):format(world.root, dir)))
  for _, path in ipairs { "reports", "a", "b", "empty" } do assert(sys.chmod(dir .. "/" .. path, 511)) end
  for _, path in ipairs { "in", "out", "a/file", "b/file", "a/shut", "env", "five", "six", "seven", "empty/x" } do
    harness.write(dir .. "/" .. path, "")
    assert(sys.chmod(dir .. "/" .. path, 438)) -- 0666
  end
  assert(sys.chmod(dir .. "/a/shut", 384)) -- 0600
  harness.write(world.env_file, "FROM_FILE=yes\nWARD_TEST_GIVEN='from file'\n")
  harness.write(world.program, harness.read(harness.probe))
  assert(sys.chmod(world.program, 493)) -- 0755
  return world
end

local function arguments(name, world)
  local cmd <const> = { world.program, "--hold", "--to", world.reports .. "/" .. name }
  local function add(option, paths)
    for _, path in ipairs(paths) do table.move({ option, path }, 1, 2, #cmd + 1, cmd) end
  end
  add("--try", { world.dir .. "/a/file", world.dir .. "/b/file", world.dir .. "/a/shut", "/proc/self/fd/0",
    "/proc/self/fd/1", "/proc/self/fd/2" })
  add("--list", { world.dir .. "/empty", "/", "/dev", "/usr" })
  return cmd
end

-- Spawned children tell their pids by what the script prints.
local function script_of(specs, spawned, world)
  local lines = { 'local ward = require "ward"' }
  for name, spec in pairs(specs) do
    local given <const> = {}
    for key, value in pairs(spec) do given[key] = value end
    given.cmd = arguments(name, world)
    if spawned[name] then
      lines[#lines + 1] = ([[ward.after(0, function()
        local p, err = ward.spawn %s
        print(%q, p and p.pid or err)
        if p then p:wait() end
      end)]]):format(model.source(given), name)
    else
      given.name, given.restart, given.stop = name, "never", { "KILL" } -- process 1 of a namespace obeys nothing else
      lines[#lines + 1] = ("ward.service %s"):format(model.source(given))
    end
  end
  lines[#lines + 1] = 'ward.service { name = "stays", cmd = { "sleep", "1000" } }'
  return table.concat(lines, "\n") .. "\n"
end

local function environ_of(pid)
  local env = {}
  for pair in harness.read(("/proc/%d/environ"):format(pid)):gmatch("[^\0]+") do
    local key <const>, text <const> = pair:match("^([^=]*)=(.*)$")
    env[key] = text
  end
  return env
end

-- ward with descriptors 5, 6 and 7 of its own, and a variable.
local function start(script, world)
  local under <const> = { "sh", "-c", ('exec 5<"%s/five" 6>"%s/six" 7<>"%s/seven"; exec "$@"'):format(world.dir,
    world.dir, world.dir), "sh" }
  if world.plain then table.move(harness.UNPRIVILEGED, 1, #harness.UNPRIVILEGED, #under + 1, under) end
  return harness.start(script, { env = { WARD_TEST_GIVEN = "as given" }, instance = INSTANCE, under = under })
end

-- The pid of a child that runs; false while it does not yet. Raises when it failed.
local function pid_of(w, name, spawned, spec)
  local pid, fault
  if spawned then
    local told <const> = w:err():match("script %* " .. name .. " +([^\n]+)")
    pid = told and math.tointeger(tonumber(told))
    fault = told and not pid and told
  else
    local view <const> = w:status(name)
    pid, fault = view.ready and view.pid, view.state == "failed" and cjson.encode(view)
  end
  assert(not fault, ("%s does not run: %s\nseed %d: %s"):format(name, fault, SEED, model.source(spec)))
  return pid
end

-- The name of the terminal that a process has.
local function terminal_of(pid)
  local number <const> = tonumber(harness.read(("/proc/%d/stat"):format(pid)):match("%) %S+ %S+ %S+ %S+ (%S+)"))
  return ("/dev/pts/%d"):format(number & 0xff | number >> 12 & 0xfff00) -- proc(5): minor numbers
end

local function report_of(w, name, spawned, spec, world)
  local pid, text
  w:until_(function()
    pid, text = pid_of(w, name, spawned, spec), harness.read(world.reports .. "/" .. name)
    return pid and text
  end, nil, "a report of " .. name)
  local report <const> = cjson.decode(text)
  -- Behind an init, which is process 1 there, it is the init that ward knows. Who maps its user may be process 2.
  if report.pid == 2 or report.pid == 3 then pid = sys.children(pid)[1] end
  report.oom_score_adj = number_in(("/proc/%d/oom_score_adj"):format(pid))
  if spec.tty then report.terminal_owner = lfs.attributes(terminal_of(pid), "uid") end
  return report
end

local function run_batch(specs, spawned, world)
  local w <const> = start(script_of(specs, spawned, world), world)
  -- Children with an environment of their own are found by ward alone.
  local _ <close> = setmetatable({}, { __close = function() w:stop() end })
  local reports = {}
  world.environ, world.script_dir = environ_of(w.pid), w.dir
  world.inherited = {
    [0] = { "/dev/null", "r" }, { w.dir .. "/stdout", "w" }, { w.dir .. "/stderr", "w" },
    [5] = { world.dir .. "/five", "r" }, [6] = { world.dir .. "/six", "w" }, [7] = { world.dir .. "/seven", "rw" },
  }
  for name, spec in pairs(specs) do reports[name] = report_of(w, name, spawned[name], spec, world) end
  return reports
end

describe("a child", function()
  after_each(harness.cleanup)

  -- What a profile stands for is said by the other keys.
  local NOT_HERE <const> = { cmd = true, profile = true }

  it("may have every key in the specs of chance", function()
    local random <const>, seen <const> = model.random(1), {}
    local world <const> = { dir = "/d", reports = "/r", input = "/i", output = "/o", env_file = "/e", root = "/root" }
    for _ = 1, 1000 do
      local spec <const>, spawned <const> = model.generate(random, world)
      for key in pairs(spec) do seen[key] = true end
      for key in pairs(spec.sandbox or {}) do seen["sandbox." .. key] = true end
      seen[spawned and "ward.spawn" or "ward.service"] = true
    end
    local missing = {}
    local function check(rows, path)
      for _, row in ipairs(rows) do
        if not row.service and not NOT_HERE[row.key] and not seen[path .. row.key] then
          missing[#missing + 1] = path .. row.key
        end
      end
    end
    check(keys.service, "")
    check(keys.sandbox, "sandbox.")
    assert.same({}, missing)
    assert.is_true(seen["ward.spawn"] and seen["ward.service"])
  end)

  local function judge(seed, count, plain)
    local random <const>, world <const> = model.random(seed), make_world(plain)
    world.base = outside(world.program, plain)
    local wrong, done = {}, 0
    while done < count do
      local specs, spawned = {}, {}
      for i = done + 1, math.min(done + TOGETHER, count) do
        specs["s" .. i], spawned["s" .. i] = model.generate(random, world)
      end
      for name, report in pairs(run_batch(specs, spawned, world)) do
        local differences <const> = model.differences(model.expect(specs[name], world, name), report, world)
        if #differences > 0 then
          wrong[#wrong + 1] = ("%s (%s) = %s\n  %s"):format(name, spawned[name] and "spawned" or "service",
            model.source(specs[name]), table.concat(differences, "\n  "))
        end
      end
      done = done + TOGETHER
    end
    assert(#wrong == 0, ("seed %d, %d of %d differ:\n%s"):format(seed, #wrong, count,
      table.concat(wrong, "\n", 1, math.min(5, #wrong))))
  end

  it(("sees what the model says, for %d random specs (seed %d)"):format(COUNT, SEED), function()
    if os.execute("test $(id -u) = 0") ~= true then return pending "changing ids and capabilities needs root" end
    judge(SEED, COUNT)
  end)

  it(("does so under a ward without privilege, for %d more"):format(COUNT // 3), function()
    if os.execute("test $(id -u) = 0") ~= true then return pending "becoming an ordinary user needs root" end
    judge(SEED, COUNT // 3, 4711)
  end)
end)
