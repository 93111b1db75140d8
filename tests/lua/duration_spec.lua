local duration = require "ward.duration"

describe("duration.parse", function()
  for text, seconds in pairs {
    ["250ms"] = 0.25, ["10s"] = 10, ["5m"] = 300, ["2h"] = 7200, ["1d"] = 86400, ["0s"] = 0, ["1.5s"] = 1.5,
    ["1h30m"] = 5400, ["100ms"] = 0.1, ["10 s"] = 10, ["2m03s"] = 123,
  } do
    it("reads " .. text, function() assert.equal(seconds, (duration.parse(text))) end)
  end

  it("takes numbers as seconds", function()
    assert.equal(0, duration.parse(0))
    assert.equal(2.5, duration.parse(2.5))
  end)

  for text, message in pairs {
    ["10"] = 'a unit is missing (did you mean "10s"?)',
    ["10sec"] = 'unknown unit "sec" (did you mean "s"?); units are ms, s, m, h and d',
    ["10S"] = 'unknown unit "S" (did you mean "s"?); units are ms, s, m, h and d',
    ["5min"] = 'unknown unit "min" (did you mean "m"?); units are ms, s, m, h and d',
    ["1y"] = 'unknown unit "y"; units are ms, s, m, h and d',
    [""] = 'a duration looks like "250ms", "10s" or "5m"',
    ["-1s"] = 'a duration looks like "250ms", "10s" or "5m"',
    ["1s\0"] = 'a duration looks like "250ms", "10s" or "5m"',
    ["s"] = 'a duration looks like "250ms", "10s" or "5m"',
  } do
    it(("refuses %q"):format(text), function()
      local seconds, why = duration.parse(text)
      assert.is_nil(seconds)
      assert.equal(message, why)
    end)
  end

  it("refuses what is negative, infinite, NaN, too long or no duration", function()
    for _, value in ipairs { -1, 1 / 0, -1 / 0, 0 / 0, ("9"):rep(65), {}, true, print, ("9"):rep(63) .. "d" } do
      local seconds, why = duration.parse(value)
      if seconds then assert.is_true(seconds < math.huge) else assert.is_string(why) end
    end
    assert.is_nil((duration.parse(nil)))
    assert.is_nil((duration.parse(0 / 0)))
  end)
end)

describe("duration.size", function()
  for text, bytes in pairs {
    ["64K"] = 65536, ["256M"] = 268435456, ["1G"] = 1073741824, ["10"] = 10, ["1.5k"] = 1536,
  } do
    it("reads " .. text, function() assert.equal(bytes, (duration.size(text))) end)
  end

  it("refuses the rest", function()
    for _, value in ipairs { "64X", "K", "-1", "1.5", -1, 1 / 0, 0 / 0, 1.5, {}, "99999999T", "1KB" } do
      local bytes, why = duration.size(value)
      assert.is_nil(bytes)
      assert.is_string(why)
    end
  end)
end)

describe("duration.format", function()
  for _, case in ipairs {
    { 0, "0s" }, { 0.2, "200ms" }, { 0.0004, "0s" }, { 0.9994, "999ms" }, { 0.9996, "1.0s" }, { 4, "4.0s" },
    { 59.94, "59.9s" }, { 59.96, "1m00s" }, { 123, "2m03s" }, { 3599.7, "1h00m" }, { 3720, "1h02m" },
    { 273600, "3d04h" }, { 86399.9, "1d00h" }, { -1, "0s" }, { 1e9, "11574d01h" }, { 1 / 0, "forever" },
  } do
    it(("writes %s as %s"):format(case[1], case[2]), function()
      assert.equal(case[2], duration.format(case[1]))
    end)
  end
end)
