local fake <const> = require("lua.fake_core")

describe("ward.service.load", function()
  local core, load

  before_each(function()
    core = fake.new({ PATH = "/bin:/usr/bin" })
    package.loaded["ward.core"], package.loaded["ward.service.load"] = core, nil
    load = require("ward.service.load")
  end)

  teardown(function()
    package.loaded["ward.core"], package.loaded["ward.service.load"] = nil, nil
  end)

  local function missing(spec, ...)
    spec.source, spec.name, spec.cwd, spec.env = "x.lua:3", "web", "/srv", spec.env or {}
    return load.missing({ spec }, { spec, ... })
  end

  it("tells of an executable that is not in the child's PATH", function()
    assert.same({ 'x.lua:3: service "web": executable "foo" not found in PATH "/bin:/usr/bin"' },
      missing({ cmd = { "foo" } }))
    core.files["/usr/bin/foo"] = { x = true }
    assert.same({}, missing({ cmd = { "foo" } }))
    assert.same({ 'x.lua:3: service "web": executable "foo" not found in PATH "/opt"' },
      missing({ cmd = { "foo" }, env = { PATH = "/opt" } }))
    assert.same({}, missing({ cmd = { "foo" }, env = { PATH = false } }))
    core.files["/srv/foo"] = { x = true }
    assert.same({}, missing({ cmd = { "foo" }, env = { PATH = "/opt:" } }))
  end)

  it("looks for a path where the child will stand", function()
    core.files["/srv/bin/foo"] = { x = true }
    assert.same({}, missing({ cmd = { "bin/foo" } }))
    assert.same({}, missing({ cmd = { "/srv/bin/foo" } }))
    assert.same({ 'x.lua:3: service "web": executable "/bin/foo" not found' },
      missing({ cmd = { "/bin/foo" } }))
  end)

  it("does not know what will be mounted, or made by what runs before", function()
    local lines <const> = { 'x.lua:3: service "web": executable "/opt/foo" not found' }
    for target, want in pairs({ ["/"] = {}, ["/opt"] = {}, ["/opt/foo"] = {}, ["/op"] = lines, ["/opt/x"] = lines }) do
      local sandbox = { tree = { mounts = { { target = target } } } }
      assert.same(want, (missing({ cmd = { "/opt/foo" }, sandbox = sandbox })), target)
    end
    local maker <const> = { name = "maker", type = "oneshot" }
    local db <const> = { name = "db", after = { "maker" } }
    local errors, warnings = missing({ cmd = { "/opt/foo" }, needs = { "db" } }, db, maker)
    assert.same({ {}, { 'x.lua:3: service "web": warning: executable "/opt/foo" not found' } }, { errors, warnings })
    assert.same(lines, (missing({ cmd = { "/opt/foo" }, needs = { "db" } }, { name = "db", wants = { "web" } }, maker)))
  end)

  it("tells every plan that cannot be made", function()
    function core.plan() return nil, fake.failure(7, "too long") end
    local plans, errors = load.plans({
      { name = "a", source = "x.lua:1" }, { name = "b", source = "x.lua:2" } })
    assert.is_nil(plans)
    assert.same({ 'x.lua:1: service "a": too long', 'x.lua:2: service "b": too long' }, errors)
  end)
end)
