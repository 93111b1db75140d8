local fake <const> = require("lua.fake_core")

describe("ward.cli.tail", function()
  local core, tail, out

  before_each(function()
    core, out = fake.new(), {}
    package.loaded["ward.core"], package.loaded["ward.cli.tail"] = core, nil
    tail = require("ward.cli.tail")
  end)

  teardown(function()
    package.loaded["ward.core"], package.loaded["ward.cli.tail"] = nil, nil
  end)

  local function put(bytes)
    table.insert(out, bytes)
    return true
  end

  local function last(text, lines)
    core.files["/l"], out = { text = text }, {}
    assert.is_true(tail.print("/l", lines, false, put))
    return table.concat(out)
  end

  it("prints the last lines, with or without a newline at the end", function()
    assert.equal("c\nd\n", last("a\nb\nc\nd\n", 2))
    assert.equal("c\nd", last("a\nb\nc\nd", 2))
    assert.equal("a\nb\n", last("a\nb\n", 10))
    assert.equal("\n\n", last("a\n\n\n", 2))
    assert.equal("", last("a\n", 0))
    assert.equal("", last("", 5))
    assert.equal("x", last("x", 1))
  end)

  it("agrees with a plain count on any cut into blocks", function()
    math.randomseed(7)
    local lines = {}
    for i = 1, 20000 do
      lines[i] = ("x"):rep(math.random(0, 20)) .. "\n"
    end
    lines[15000] = ("y"):rep(200000) .. "\n"
    local text = table.concat(lines)
    for _, count in ipairs({ 1, 2, 4999, 5001, 5002, 19999, 20000, 30000 }) do
      assert.equal(table.concat(lines, "", math.max(1, #lines - count + 1)), last(text, count))
    end
    assert.equal(65536, core.most_read)
  end)

  it("follows growth, truncation and replacement", function()
    local files = core.files
    files["/l"] = { text = "old\n", ino = 1 }
    local steps = {
      function() files["/l"].text = "old\nmore" end,
      function() files["/l"].text = "old\nmore\n" end,
      function() files["/l"].text = "" end, -- truncated: what comes next is read from its start
      function() files["/l"].text = "again\n" end,
      function() -- rotated: what still came into the old file is not lost
        files["/l"].text = "again\nlast\n"
        files["/l.1"], files["/l"] = files["/l"], { text = "new\n", ino = 2 }
      end,
      function() files["/l"] = nil end, -- gone for a moment
      function() files["/l"] = { text = "newest\n", ino = 3 } end,
    }
    local at = 0
    function core.on_sleep()
      at = at + 1
      if steps[at] then steps[at]() end
    end
    local ok = tail.print("/l", 10, true, function(bytes)
      table.insert(out, bytes)
      return table.concat(out):find("newest") == nil
    end)
    assert.is_true(ok) -- the reader has gone: no error
    assert.equal("old\nmore\nagain\nlast\nnew\nnewest\n", table.concat(out))
  end)

  it("reports a file that cannot be opened", function()
    local ok, err = tail.print("/none", 10, false, put)
    assert.falsy(ok)
    assert.equal(2, err.errno)
  end)
end)
