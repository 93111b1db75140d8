-- What tests/core/bind/pack_test.c has to show of core.pack and core.unpack: what goes in comes out, what is no plain
-- data is refused with its place, and bytes that were never packed are an error, whatever they are.
local core <const>, check <const>, rounds <const>, seed <const> = ...

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return math.type(a) == math.type(b) and (a == b and 1 / (a == 0 and a or 1) ==
      1 / (b == 0 and b or 1) or a ~= a and b ~= b)
  end
  for k, v in pairs(a) do if not same(v, b[k]) then return false end end
  for k in pairs(b) do if a[k] == nil then return false end end
  return true
end

local function alike(...)
  local bytes = core.pack(...)
  local back, given = table.pack(core.unpack(bytes)), table.pack(...)
  if back.n ~= given.n then return false end
  for i = 1, given.n do if not same(given[i], back[i]) then return false end end
  return true
end

check(alike(), "nothing")
check(alike(nil, true, false, nil), "nil and booleans")
local integers = { 0, 1, -1, 63, 64, -64, -65, 127, 128, 300, -300, math.maxinteger, math.mininteger,
  math.maxinteger - 1, math.mininteger + 1 }
for bit = 0, 63 do integers[#integers + 1] = 1 << bit; integers[#integers + 1] = -(1 << bit) end
check(alike(table.unpack(integers)), "integers of all sizes")
check(alike(0.0, -0.0, 1.0, 1.5, -1e308, 5e-324, 1 / 0, -1 / 0, 0 / 0, 2^53), "floats")
check(alike("", "a", "\0\255", ("x"):rep(200), ("y"):rep(70000)), "strings")
check(alike({}, { 1, 2, 3 }, { a = 1, [true] = 2, [false] = 3, [1.5] = 4, [-1] = 5, [1 << 40] = 6 }), "tables")
check(alike({ 1, nil, 3, nil, 5 }), "a table with holes")
check(alike({ { {} }, { a = { b = { c = { "d" } } } } }), "tables in tables")
local deep = {}
for _ = 1, 63 do deep = { deep } end
check(alike(deep), "64 levels")
local twice = { 1 }
check(alike({ twice, twice }), "a table that is there twice")
local large = {}
for i = 1, 100000 do large[i] = { i, name = "s" .. i } end
check(alike(large), "a large one")

local function refused(what, name, ...)
  local bytes, err = core.pack(...)
  check(bytes == nil and err.message == what, name .. ": " .. tostring(err))
end
refused("b.c[2]: a function cannot be packed (plain data only)", "a function", 1, { b = { c = { 1, print } } })
refused("the value: a thread cannot be packed (plain data only)", "a thread", coroutine.create(print))
refused("f: a userdata cannot be packed (plain data only)", "userdata", { f = io.stdout })
check(same(core.unpack(core.pack(setmetatable({ 1 }, { __index = error, __len = error }))), { 1 }), "no metatable")
local loop = {}
loop.a = { loop }
refused("a[1]: the table contains itself", "a cycle", loop)
refused("[table]: a key must be a string, a number or a boolean", "a key", { [{}] = 1 })
local _, err = core.pack({ deep })
check(err.message:find("nested deeper than 64 levels", 1, true), "65 levels")
_, err = core.pack({ a = ("x"):rep(40 << 20), b = ("y"):rep(40 << 20) })
check(err.message:find("more than 64 MiB", 1, true), "too much")

local function fails(bytes, name)
  local value, why = core.unpack(bytes)
  check(value == nil and why and why.message:find("^not what was packed: at byte"), name)
end
for _, bytes in ipairs { "\7", "\8", "\255", "\3", "\3\128", "\3" .. ("\255"):rep(9) .. "\2",
  "\3" .. ("\255"):rep(10), "\4", "\4\0\0\0\0\0\0\0", "\5", "\5\1", "\5\255\255\255\255\15",
  "\5" .. ("\255"):rep(9) .. "\1", "\6", "\6\0", "\6\0\2", "\6\0\2\2", "\6\0\0\2\7",
  "\6\0\6\0\7\2\7", "\6\0\4\0\0\0\0\0\0\248\127\2\7", ("\6\0\2"):rep(65) } do
  fails(bytes, "bytes " .. (bytes:sub(1, 16):gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
end

local before = collectgarbage("count")
core.unpack(("\6\255\255\255\255\7\7"):rep(20000))
check(collectgarbage("count") - before < 1 << 16, "a table that promises much gets little")

local function whole(text)
  for n = 0, #text - 1 do
    if not pcall(core.unpack, text:sub(1, n)) then return false end
  end
  return true
end
local seeds = { core.pack({ kind = "exit", name = "web-1", exit = { code = 1, uptime = 3.25, ok = false,
  rusage = { user = 0.5, system = 0.25, maxrss = 1 << 40 }, list = { 1, 2, { 3, { 4 } } } } }),
  core.pack(1, -1, "abc", { { {}, {} }, [5] = "x" }, 0.5), core.pack({ { { { { 1 } } } } }) }
for _, text in ipairs(seeds) do check(whole(text), "cut anywhere") end

math.randomseed(seed)
local random, bad, good = math.random, 0, 0
for _ = 1, rounds do
  local bytes = { seeds[random(#seeds)]:byte(1, -1) }
  for _ = 1, random(4) do
    local what, at = random(4), random(#bytes)
    if what == 1 then bytes[at] = random(0, 255)
    elseif what == 2 then bytes[at] = bytes[at] ~ 1 << random(0, 7)
    elseif what == 3 then table.remove(bytes, at)
    else table.insert(bytes, at, random(2) == 1 and random(0, 7) or random(0, 255)) end
  end
  local values = table.pack(core.unpack(string.char(table.unpack(bytes))))
  if values[1] == nil and getmetatable(values[2]) then
    bad = bad + 1
  else
    good = good + 1
    assert(core.pack(table.unpack(values, 1, values.n)))
  end
end
check(bad + good == rounds, ("%d mutated inputs: %d errors, %d other values"):format(rounds, bad, good))
