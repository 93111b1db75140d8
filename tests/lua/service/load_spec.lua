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

  local function warnings(spec)
    spec.source, spec.name, spec.cwd, spec.env = "x.lua:3", "web", "/srv", spec.env or {}
    return load.warnings({ services = { spec } })
  end

  it("warns of an executable that is not in the child's PATH", function()
    assert.same({ 'x.lua:3: service "web": warning: executable "foo" not found in PATH "/bin:/usr/bin"' },
      warnings({ cmd = { "foo" } }))
    core.files["/usr/bin/foo"] = { x = true }
    assert.same({}, warnings({ cmd = { "foo" } }))
    assert.same({ 'x.lua:3: service "web": warning: executable "foo" not found in PATH "/opt"' },
      warnings({ cmd = { "foo" }, env = { PATH = "/opt" } }))
    assert.same({}, warnings({ cmd = { "foo" }, env = { PATH = false } }))
    core.files["/srv/foo"] = { x = true }
    assert.same({}, warnings({ cmd = { "foo" }, env = { PATH = "/opt:" } }))
  end)

  it("looks for a path where the child will stand", function()
    core.files["/srv/bin/foo"] = { x = true }
    assert.same({}, warnings({ cmd = { "bin/foo" } }))
    assert.same({}, warnings({ cmd = { "/srv/bin/foo" } }))
    assert.same({ 'x.lua:3: service "web": warning: executable "/bin/foo" not found' },
      warnings({ cmd = { "/bin/foo" } }))
  end)

  it("tells every plan that cannot be made", function()
    function core.plan() return nil, fake.failure(7, "too long") end
    local plans, errors = load.plans({
      { name = "a", source = "x.lua:1" }, { name = "b", source = "x.lua:2" } })
    assert.is_nil(plans)
    assert.same({ 'x.lua:1: service "a": too long', 'x.lua:2: service "b": too long' }, errors)
  end)
end)
