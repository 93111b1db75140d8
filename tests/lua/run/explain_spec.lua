-- ward explain against the real core: the plan of a script's services, and nothing started.

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"

local SCRIPT <const> = [[
local ward = require "ward"
local db = ward.service { name = "db", cmd = { "touch", "DIR/started" }, cwd = "/", umask = "077" }
return { db, ward.service { name = "web", cmd = { "/bin/sh" }, needs = { db }, nice = 5, parent_death = "TERM",
  limits = { nofile = { 64, 128 } }, affinity = { 0 }, tty = { rows = 50, cols = 132 }, clone = "copy" } }
]]

describe("ward explain", function()
  local dir, script

  setup(function()
    dir = harness.directory()
    script = harness.write(dir .. "/app.lua", (SCRIPT:gsub("DIR", dir)))
  end)

  teardown(harness.cleanup)

  local function explain(...)
    return harness.run { harness.ward, "explain", script, ... }
  end

  it("prints each service's steps in the order in which its child takes them", function()
    local code, out, err = explain()
    assert.equal("", err)
    assert.equal(0, code)
    local db <const>, web <const> = out:match("^(db .-\n)\n(web .*)$")
    assert.equal(("db (%s:2): "):format(script), db:match("^.-: "))
    local count = tonumber(db:match(": (%d+) steps\n"))
    local numbers = {}
    for number, stage in db:gmatch("\n +(%d+)  (%S+)") do
      numbers[#numbers + 1] = tonumber(number)
      assert.equal(#numbers == count, stage == "exec")
    end
    assert.equal(count, #numbers)
    for i, number in ipairs(numbers) do assert.equal(i, number) end
    assert.is_truthy(db:find("umask +umask 077\n"))
    assert.is_truthy(web:find("nice +nice 5\n"))
    assert.is_truthy(web:find("nofile +nofile: soft 64, hard 128\n"))
    assert.is_nil(out:find(" \n"))
    assert.is_nil(io.open(dir .. "/started"))
  end)

  it("prints the same steps as JSON", function()
    local code, out, err = explain("--json", "w*")
    assert.equal("", err)
    assert.equal(0, code)
    local services = cjson.decode(out).services
    assert.equal(1, #services)
    assert.equal("web", services[1].name)
    assert.equal(script .. ":3", services[1].source)
    local _, text = explain("web")
    for i, step in ipairs(services[1].steps) do
      assert.is_truthy(text:find(("\n +%d  %s +"):format(i, step.stage)), step.stage)
      assert.is_truthy(text:find(step.text, 1, true), step.text)
    end
  end)

  it("has the values of every step, and cuts nothing", function()
    local groups = {}
    for i = 1, 3000 do groups[i] = 100000 + i end
    local full = harness.write(dir .. "/full.lua", ([[
      local ward = require "ward"
      ward.service { name = "x", cmd = { "prog", "an argument" }, cwd = "/", clone = "vfork", parent_death = "TERM",
        env_clear = true, env = { PATH = "/a:/b", X = "1" }, group = 5, groups = { %s },
        sandbox = { namespaces = { "pid" }, caps = "all", landlock = { fs = { ["/"] = "rx" }, net = { bind = { 80 } },
          scope = { "signal" } }, seccomp = { default = "EPERM", allow = { "@system-service" } } } }
    ]]):format(table.concat(groups, ", ")))
    local code, out, err = harness.run { harness.ward, "explain", full, "--json" }
    assert.equal("", err)
    assert.equal(0, code)
    local text = {}
    for _, step in ipairs(cjson.decode(out).services[1].steps) do text[step.stage] = step.text end
    assert.equal("vfork: in the supervisor's memory, which waits until exec; own pid", text.clone)
    assert.equal('/a/prog, else /b/prog; arguments "prog" "an argument"; 2 environment variables', text.exec)
    assert.equal("TERM when the supervisor dies", text.deathsig)
    assert.equal("groups " .. table.concat(groups, " "), (text.groups:gsub("groups 5 ", "groups ")))
    assert.matches("^a filter of %d+ instructions: %d+ of %d+ system calls are allowed, by default EPERM$",
      text.seccomp)
    assert.matches("^restrict itself by the ruleset, ABI %d: /: execute .*; TCP bind: 80; within it only: signal$",
      text.landlock)
    assert.matches("^permitted chown .*; inheritable chown .*; effective chown .* [%l_]+$", text.caps)
  end)

  it("exits with 4 for a name that is none, and with 1 for a script that is wrong", function()
    local code, out, err = explain("wbe")
    assert.equal(4, code)
    assert.equal("", out)
    assert.equal('ward: no such service: "wbe"\n', err)
    local bad = harness.write(dir .. "/bad.lua",
      'require("ward").service { name = "a", cmd = { "x" }, limits = { nofle = 1 } }\n')
    code, out, err = harness.run { harness.ward, "explain", bad }
    assert.equal(1, code)
    assert.equal("", out)
    assert.equal(bad .. ':1: service "a": limits: unknown key "nofle" (did you mean "nofile"?)\n', err)
  end)
end)
