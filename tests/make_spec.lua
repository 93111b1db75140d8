-- What the Makefile promises to those who install ward. The binary is taken as it was built.
local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"

local BUILD <const> = os.getenv("BUILD") or "build"

local function make(...)
  return harness.run({ "make", "--no-print-directory", "-o", BUILD .. "/ward", "BUILD=" .. BUILD, ... }, {
    env = { MAKEFLAGS = false },
  })
end

local function files_under(dir)
  local _, out = harness.run { "find", dir, "-type", "f" }
  return out
end

describe("make", function()
  after_each(harness.cleanup)

  it("installs a ward that finds its library wherever it is put, and uninstalls all of it", function()
    local dest = harness.directory()
    local code, out, err = make("install", "DESTDIR=" .. dest, "PREFIX=/opt/ward")
    assert(code == 0, out .. err)
    local ward = dest .. "/opt/ward/bin/ward"
    code, out, err = harness.run({ ward, "version" }, { cwd = "/", env_clear = true })
    assert.equal("", err)
    assert.equal(0, code)
    assert.truthy(out:find("%d+%.%d+%.%d+"))
    for name in lfs.dir("scripts") do
      if name:find("%.lua$") then
        assert.equal(harness.read("scripts/" .. name), harness.read(dest .. "/opt/ward/share/ward/scripts/" .. name))
      end
    end
    code, out, err = make("uninstall", "DESTDIR=" .. dest, "PREFIX=/opt/ward")
    assert(code == 0, out .. err)
    assert.equal("", files_under(dest))
  end)

  it("help names every target that is meant for people", function()
    local _, out = make("help")
    local targets = {
      "all", "deps", "run", "test", "soak", "bench", "lint", "man", "install", "uninstall", "clean", "help",
    }
    for _, target in ipairs(targets) do
      assert.truthy(out:find("make " .. target .. " ", 1, true), target)
    end
  end)
end)

describe(".ci/deps", function()
  after_each(harness.cleanup)

  it("says nothing when all is installed", function()
    local code, out, err = harness.run { ".ci/deps", "libc6", "dpkg" }
    assert.same({ 0, "", "" }, { code, out, err })
  end)

  it("names what is missing in one line when it may not install", function()
    -- A PATH without apt-get and sudo.
    local bin = harness.directory()
    for _, program in ipairs { "sh", "sed", "tr", "id", "dpkg-query" } do
      os.execute(("ln -s $(command -v %s) %s/"):format(program, bin))
    end
    local code, out, err = harness.run({ ".ci/deps", "libc6", "no-such-a", "dpkg", "no-such-b" }, {
      env = { PATH = bin },
    })
    assert.same({ 1, "", "ward: please install these packages: no-such-a no-such-b\n" }, { code, out, err })
  end)
end)
