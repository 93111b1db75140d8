-- What a child sees is what a model says, for specs that chance has put together from all keys.
--
--   WARD_MODEL_SEED=N WARD_MODEL_N=N	other specs, or more of them

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local model <const> = require "helpers.model"
local sys <const> = require "wardtest"

local SEED <const> = tonumber(os.getenv "WARD_MODEL_SEED" or 20261124)
local COUNT <const> = tonumber(os.getenv "WARD_MODEL_N" or 300)
local TOGETHER <const> = 50 -- services of one ward

local function number_in(path)
  return math.tointeger(tonumber(harness.read(path)))
end

-- The capability sets of a report as numbers.
local function with_masks(report)
  for name, hex in pairs(report.caps) do report.caps[name] = tonumber(hex, 16) end
  return report
end

-- Files and directories that the specs speak of.
local function make_world()
  local dir <const> = harness.directory()
  local world <const> = {
    dir = dir, reports = dir .. "/reports", program = dir .. "/probe", input = dir .. "/in", output = dir .. "/out",
    env_file = dir .. "/env", from_file = { FROM_FILE = "yes", WARD_TEST_GIVEN = "from file" },
  }
  assert(os.execute(("mkdir %s/reports %s/a %s/b"):format(dir, dir, dir)))
  for _, path in ipairs { "reports", "a", "b" } do assert(sys.chmod(dir .. "/" .. path, 511)) end
  for _, path in ipairs { "in", "out", "a/file", "b/file", "a/shut", "env", "five", "six", "seven" } do
    harness.write(dir .. "/" .. path, "")
    assert(sys.chmod(dir .. "/" .. path, 438)) -- 0666
  end
  assert(sys.chmod(dir .. "/a/shut", 384)) -- 0600
  harness.write(world.env_file, "FROM_FILE=yes\nWARD_TEST_GIVEN='from file'\n")
  harness.write(world.program, harness.read(harness.probe))
  assert(sys.chmod(world.program, 493)) -- 0755
  return world
end

local function script_of(specs, world)
  local lines = { 'local ward = require "ward"' }
  for name, spec in pairs(specs) do
    local keys <const> = {}
    for key, value in pairs(spec) do keys[key] = value end
    keys.name, keys.restart = name, "never"
    keys.cmd = { world.program, "--hold", "--to", world.reports .. "/" .. name }
    for _, path in ipairs { "/a/file", "/b/file", "/a/shut" } do
      table.move({ "--try", world.dir .. path }, 1, 2, #keys.cmd + 1, keys.cmd)
    end
    lines[#lines + 1] = ("ward.service %s"):format(model.source(keys))
  end
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
  return harness.start(script, {
    env = { WARD_TEST_GIVEN = "as given" },
    under = { "sh", "-c", ('exec 5<"%s/five" 6>"%s/six" 7<>"%s/seven"; exec "$@"'):format(world.dir, world.dir,
      world.dir), "sh" },
  })
end

local function run_batch(specs, world)
  local w <const> = start(script_of(specs, world), world)
  -- Children with an environment of their own are found by ward alone.
  local _ <close> = setmetatable({}, { __close = function() w:stop() end })
  local reports = {}
  world.environ, world.script_dir = environ_of(w.pid), w.dir
  world.inherited = {
    [0] = { "/dev/null", "r" }, { w.dir .. "/stdout", "w" }, { w.dir .. "/stderr", "w" },
    [5] = { world.dir .. "/five", "r" }, [6] = { world.dir .. "/six", "w" }, [7] = { world.dir .. "/seven", "rw" },
  }
  for name, spec in pairs(specs) do
    local text, view
    w:until_(function()
      text, view = harness.read(world.reports .. "/" .. name), w:status(name)
      return text and view.ready or view.state == "failed"
    end, nil, "a report of " .. name)
    assert(view.pid, ("service %s does not run: %s\nseed %d: %s"):format(name,
      cjson.encode(view), SEED, model.source(spec)))
    reports[name] = cjson.decode(text)
    reports[name].oom_score_adj = number_in(("/proc/%d/oom_score_adj"):format(view.pid))
  end
  return reports
end

describe("a child", function()
  after_each(harness.cleanup)

  it(("sees what the model says, for %d random specs (seed %d)"):format(COUNT, SEED), function()
    if os.execute("test $(id -u) = 0") ~= true then
      pending("changing ids and capabilities needs root")
      return
    end
    local random <const>, world <const> = model.random(SEED), make_world()
    local _, out <const> = harness.run({ world.program })
    world.base = with_masks(cjson.decode(out))
    world.base.oom_score_adj = number_in "/proc/self/oom_score_adj"
    local wrong, done = {}, 0
    while done < COUNT do
      local specs = {}
      for i = 1, math.min(TOGETHER, COUNT - done) do specs["s" .. done + i] = model.generate(random, world) end
      for name, report in pairs(run_batch(specs, world)) do
        local differences <const> = model.differences(model.expect(specs[name], world, name), report, world)
        if #differences > 0 then
          wrong[#wrong + 1] = ("%s = %s\n  %s"):format(name, model.source(specs[name]),
            table.concat(differences, "\n  "))
        end
      end
      done = done + TOGETHER
    end
    assert(#wrong == 0, ("seed %d, %d of %d differ:\n%s"):format(SEED, #wrong, COUNT,
      table.concat(wrong, "\n", 1, math.min(5, #wrong))))
  end)
end)
