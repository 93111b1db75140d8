-- Tasks without a process: the scheduler and what tasks.lua builds on it, under a clock that moves when told.

local heap <const> = require "ward.script.heap"
local scheduler <const> = require "ward.script.scheduler"
local tasks <const> = require "ward.script.tasks"

-- What a task says, as one string.
local function words(...)
  local list <const> = { ... }
  for i, word in ipairs(list) do list[i] = math.type(word) and ("%g"):format(word) or word end
  return table.concat(list, " ")
end

-- A script's world: `w.ward` has the functions, without the caller's position.
local function world()
  local w <const> = { clock = 0, reports = {}, ward = {} }
  local meta <const> = {}
  local function located(fn)
    return function(...) return fn("x.lua:1", ...) end
  end
  w.scheduler = scheduler.new {
    clock = function() return w.clock end,
    guard = function(raised) return "guarded " .. tostring(raised) end,
    report = function(message) table.insert(w.reports, message) end,
    task = meta,
    stuck = function() return not coroutine.isyieldable() and "cannot wait here" or nil end,
  }
  local functions <const>, arm <const> = tasks.new(w.scheduler, located, meta)
  for name, fn in pairs(functions) do w.ward[name] = located(fn) end
  --- Runs all that is ready.
  function w.run()
    repeat
      w.scheduler:reap()
      w.scheduler:tick(w.clock)
      local more <const> = w.scheduler:step()
    until not more and not (w.scheduler:next_time() and w.scheduler:next_time() <= w.clock)
  end
  --- Moves the clock, stopping wherever something is due.
  function w.advance(seconds)
    local target <const> = w.clock + seconds
    w.run()
    while w.scheduler:next_time() and w.scheduler:next_time() <= target do
      w.clock = math.max(w.clock, w.scheduler:next_time())
      w.run()
    end
    w.clock = target
    w.run()
  end
  --- Starts fn as a task of nobody and runs it.
  function w.go(fn)
    local task <const> = w.scheduler:start(fn)
    w.run()
    return task
  end
  arm()
  return w
end

describe("the heap", function()
  it("gives out in order of time, and of arrival where times are equal", function()
    local h <const>, out, random = heap.new(), {}, 12345
    local items = {}
    for i = 1, 500 do
      random = (random * 1103515245 + 12345) % 2 ^ 31
      items[i] = { name = i }
      h:push(items[i], random % 50)
    end
    for i = 1, 500, 7 do h:remove(items[i]) end
    h:remove(items[1]) -- again: harmless
    local last
    while true do
      local item <const> = h:due(math.huge)
      if not item then break end
      assert.is_true(not last or last.at < item.at or (last.at == item.at and last.name < item.name))
      assert.is_true(item.name % 7 ~= 1)
      last = item
      out[#out + 1] = item
    end
    assert.equal(500 - 72, #out)
    assert.is_nil(h:next())
  end)

  it("keeps what is not due", function()
    local h <const> = heap.new()
    h:push({}, 5)
    assert.is_nil(h:due(4.9))
    assert.equal(5, h:next())
    assert.is_table(h:due(5))
  end)
end)

describe("the heap, when it puts items off,", function()
  it("keeps the order", function()
    local h <const> = heap.new()
    local a <const>, b <const>, c <const> = { name = "a" }, { name = "b" }, { name = "c" }
    for i, item in ipairs { a, b, c } do h:push(item, i) end
    h:put_off(a, 2) -- now behind b, which came to that time before it
    assert.equal(2, h:next())
    h:put_off(b, 9)
    local out <const> = {}
    for i = 1, 3 do out[i] = h:due(9).name end
    assert.same({ "a", "c", "b" }, out)
  end)
end)

describe("ward.sleep", function()
  it("returns nothing", function()
    local w <const> = world()
    local count
    w.go(function() count = select("#", w.ward.sleep(1)) end)
    w.advance(2)
    assert.equal(0, count)
  end)
end)

describe("a wait where Lua cannot wait", function()
  it("fails before anything is started or noted for it", function()
    local w <const> = world()
    local log <const>, started = {}, 0
    local function in_sort(fn)
      local ok <const>, message <const> = pcall(table.sort, { 1, 2 }, fn)
      log[#log + 1] = tostring(ok) .. " " .. message
    end
    local function count() started = started + 1 end
    w.go(function()
      local semaphore <const> = w.ward.semaphore(1)
      local permit <const> = semaphore:acquire()
      local task <const> = w.ward.task(function() w.ward.sleep(1) end)
      in_sort(function() task:wait() end)
      in_sort(function() semaphore:acquire() end)
      in_sort(function() w.ward.all { task, count } end)
      in_sort(function() w.ward.race { count, task } end)
      in_sort(function() w.ward.timeout(1, count) end)
      w.ward.after(2, function() permit:release() end)
      w.ward.sleep(5)
      log[#log + 1] = w.clock
      assert(semaphore:acquire(0)) -- nobody stands before us
    end)
    w.advance(10)
    assert.same({
      "false x.lua:1: task:wait: cannot wait here", "false x.lua:1: semaphore:acquire: cannot wait here",
      "false x.lua:1: ward.all: cannot wait here", "false x.lua:1: ward.race: cannot wait here",
      "false x.lua:1: ward.timeout: cannot wait here", 5,
    }, log)
    assert.equal(0, started)
    assert.same({}, w.reports)
  end)

  it("is one for oneself", function()
    local w <const> = world()
    local ok, message
    local task
    task = w.go(function()
      w.ward.sleep(0.5)
      ok, message = pcall(task.wait, task)
    end)
    w.advance(1)
    assert.is_false(ok)
    assert.equal("x.lua:1: task:wait: a task cannot wait for itself", message)
  end)
end)

describe("a task that is run again", function()
  local w
  before_each(function() w = world() end)

  it("keeps its coroutine as long as it does not fail, and ends what it started each time", function()
    local seen <const>, runs, ended = {}, 0, 0
    w.go(function()
      w.ward.every(1, function()
        runs = runs + 1
        seen[runs] = coroutine.running()
        w.ward.task(function()
          local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
          w.ward.sleep(100)
        end)
        w.ward.sleep(0.25)
        if runs == 3 then error("third") end
        if runs == 5 then w.ward.sleep(2) end
      end)
      w.ward.sleep(8.5)
    end)
    w.advance(4.5)
    assert.same({ 4, 4 }, { runs, ended })
    assert.is_true(seen[1] == seen[2] and seen[2] == seen[3] and seen[3] ~= seen[4])
    assert.equal(1, #w.reports)
    assert.matches("guarded .*third", w.reports[1])
    w.advance(3) -- the fifth is at it at 6 and at 7
    assert.equal(5, runs)
    w.advance(2) -- what owned it has ended
    assert.equal(6, runs)
    assert.equal(6, ended)
    assert.is_nil(w.scheduler:next_time())
  end)

  it("can be cancelled while it waits, and starts afresh", function()
    local runs, shut = 0, 0
    local task
    w.go(function()
      w.ward.every(1, function()
        runs = runs + 1
        local _ <close> = setmetatable({}, { __close = function() shut = shut + 1 end })
        task = w.scheduler.current
        w.ward.sleep(runs == 2 and 100 or 0)
      end)
      w.ward.sleep(100)
    end)
    w.advance(2.5)
    assert.same({ 2, 1 }, { runs, shut })
    w.scheduler:cancel(task)
    w.advance(2)
    assert.same({ 4, 4 }, { runs, shut })
    assert.same({}, w.reports)
  end)
end)

describe("a task", function()
  local w, said
  before_each(function() w, said = world(), {} end)
  local function say(...) table.insert(said, words(...)) end

  it("need a time to sleep, also as the first thing they do", function()
    local ok, message
    w.go(function() ok, message = pcall(w.ward.sleep) end)
    assert.is_false(ok)
    assert.matches("^x.lua:1: ward.sleep: the time: must be a duration", message)
  end)

  it("sleeps for its time and not less", function()
    w.go(function()
      say("before", w.clock)
      w.ward.sleep("2s")
      say("after", w.clock)
    end)
    w.advance(1.5)
    assert.same({ "before 0" }, said)
    w.advance(1)
    assert.same({ "before 0", "after 2" }, said)
  end)

  it("gives its results to whoever waits, at once or later, again and again", function()
    w.go(function()
      local task <const> = w.ward.task(function(a, b) w.ward.sleep(1) return a + b, nil, "x" end, 1, 2)
      say(tostring(task:done()))
      say(table.unpack({ tostring(select("#", task:wait())), tostring(task:wait()) }))
      say(tostring(task:done()))
    end)
    w.advance(1)
    assert.same({ "false", "3 3", "true" }, said)
  end)

  it("raises in whoever waits, and is reported when nobody does", function()
    w.go(function()
      local task <const> = w.ward.task(function() error("broken", 0) end)
      say(select(2, pcall(task.wait, task)))
      w.ward.task(function() error({}, 0) end)
      w.ward.sleep(1)
      w.ward.task(function() error("alone", 0) end)
      w.ward.sleep(1)
    end)
    w.advance(2)
    assert.same({ "guarded broken" }, said)
    assert.matches("^guarded table", w.reports[1])
    assert.equal("guarded alone", w.reports[2])
  end)

  it("waits no longer than it says", function()
    w.go(function()
      local task <const> = w.ward.task(function() w.ward.sleep(10) end)
      local value, err = task:wait("1s")
      say(tostring(value), err.code, err.message, w.clock)
    end)
    w.advance(3)
    assert.same({ "nil timeout not done within 1.0s 1" }, said)
  end)

  it("ends with the task that started it, the youngest first", function()
    w.go(function()
      for i = 1, 3 do
        w.ward.task(function()
          local _ <close> = setmetatable({}, { __close = function() say("closed", i) end })
          w.ward.sleep("1h")
        end)
      end
      w.ward.sleep(1)
      say "returns"
    end)
    w.advance(1)
    assert.same({ "returns", "closed 3", "closed 2", "closed 1" }, said)
    assert.is_nil(w.scheduler:next_time())
  end)

  it("that is cancelled runs its <close> variables, and pcall does not save it", function()
    local task
    w.go(function()
      task = w.ward.task(function()
        local _ <close> = setmetatable({}, { __close = function() say "closed" end })
        while true do pcall(w.ward.sleep, 1) end
      end)
      w.ward.sleep(3)
      say(tostring(task:cancel()), tostring(task:cancel()))
      local value, err = task:wait()
      say(tostring(value), err.code)
    end)
    w.advance(3)
    assert.same({ "closed", "true false", "nil cancelled" }, said)
  end)

  it("that never ran can be cancelled", function()
    w.go(function()
      local task <const> = w.ward.task(function() say "ran" end)
      task:cancel()
      w.ward.sleep(1)
    end)
    w.advance(2)
    assert.same({}, said)
  end)

  it("holds nothing that is over", function()
    local task <const> = w.go(function()
      local semaphore <const> = w.ward.semaphore(1)
      for _ = 1, 3 do
        semaphore:acquire():release()
        w.ward.after(1, function() end):cancel()
        w.ward.after(1, function() end)
        w.ward.task(function() end)
      end
      w.ward.sleep(100)
    end)
    w.advance(10)
    assert.equal("parked", task.state)
    assert.is_nil(next(task.owned))
  end)

  it("may cancel itself and its parent", function()
    w.go(function()
      local parent
      parent = w.ward.task(function()
        w.ward.task(function()
          parent:cancel()
          say "still here, until it waits"
          w.ward.sleep(0)
          say "not reached"
        end)
        w.ward.sleep("1h")
      end)
      local own
      own = w.ward.task(function()
        own:cancel()
        say "not reached"
      end)
      w.ward.sleep(1)
      say(tostring(parent:done()), tostring(own:done()))
    end)
    w.advance(2)
    assert.same({ "still here, until it waits", "true true" }, said)
  end)

  it("that cancels itself lets those go on who wait for it", function()
    w.go(function()
      local own
      own = w.ward.task(function() own:cancel() end)
      say(tostring(own:wait()))
    end)
    assert.same({ "nil" }, said)
  end)

  it("cannot wait while it is being cancelled, nor in its <close> cancel what runs at once", function()
    w.go(function()
      local other <const> = w.ward.task(function() w.ward.sleep("1h") end)
      local task <const> = w.ward.task(function()
        local _ <close> = setmetatable({}, { __close = function()
          say(select(2, pcall(w.ward.sleep, 1)))
          other:cancel()
        end })
        w.ward.sleep("1h")
      end)
      w.ward.sleep(1)
      task:cancel()
      w.ward.sleep(0)
      say(tostring(other:done()))
    end)
    w.advance(2)
    assert.same({ "x.lua:1: ward.sleep: a task that is being cancelled cannot wait", "true" }, said)
  end)

  it("an error in a <close> variable of a cancelled task is told", function()
    w.go(function()
      local task <const> = w.ward.task(function()
        local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
        w.ward.sleep("1h")
      end)
      w.ward.sleep(1)
      task:cancel()
    end)
    w.advance(2)
    assert.equal(1, #w.reports)
    assert.matches("in close$", w.reports[1])
  end)

  it("cannot wait where Lua has no way back", function()
    w.go(function()
      say(select(2, pcall(table.sort, { 2, 1 }, function() w.ward.sleep(1) end)))
    end)
    assert.same({ "x.lua:1: ward.sleep: cannot wait here" }, said)
  end)
end)

describe("10,000 tasks that sleep", function()
  it("cost at most 2 KiB each, and nothing when they are over", function()
    local w <const> = world()
    local function used()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count" * 1024
    end
    w.go(function() w.ward.sleep "1h" end)
    local before <const> = used()
    for _ = 1, 10000 do w.scheduler:start(function() w.ward.sleep "1h" end) end
    w.run()
    local each <const> = (used() - before) / 10000
    assert.is_true(each <= 2048, ("%.0f bytes each"):format(each))
    w.advance(3600)
    assert.is_true(used() - before < 10000 * 200) -- the tables that held them
  end)
end)

describe("ward.all, race and timeout", function()
  local w, said
  before_each(function() w, said = world(), {} end)
  local function say(...) table.insert(said, words(...)) end
  local function after(seconds, value)
    return function()
      local _ <close> = setmetatable({}, { __close = function() say("end", value) end })
      w.ward.sleep(seconds)
      return value
    end
  end

  it("all waits for all and keeps their order", function()
    w.go(function() say(table.unpack(w.ward.all { after(3, "a"), after(1, "b"), w.ward.task(after(2, "c")) })) end)
    w.advance(3)
    assert.same({ "end b", "end c", "end a", "a b c" }, said)
  end)

  it("all of nothing is nothing", function()
    w.go(function() say(#w.ward.all {}) end)
    assert.same({ "0" }, said)
  end)

  it("all fails with the first that fails and cancels the rest, but not what others started", function()
    w.go(function()
      local other <const> = w.ward.task(after(5, "other"))
      say(select(2, pcall(w.ward.all, { after(9, "a"), other, function() w.ward.sleep(1) error("no", 0) end })))
      say(w.clock, tostring(other:done()))
    end)
    w.advance(2)
    assert.same({ "end a", "guarded no", "1 false", "end other" }, said)
    assert.same({}, w.reports)
  end)

  it("those that wait for the same go on in the order in which they began", function()
    w.go(function()
      local awaited <const> = w.ward.task(function() w.ward.sleep(1) end)
      for i = 1, 20 do
        w.ward.task(function()
          awaited:wait()
          say(i)
        end)
      end
      w.ward.sleep(2)
    end)
    w.advance(2)
    local expected <const> = {}
    for i = 1, 20 do expected[i] = tostring(i) end
    assert.same(expected, said)
  end)

  it("race takes the first and cancels the rest", function()
    w.go(function() say(w.ward.race { after(3, "slow"), after(1, "fast") }) end)
    w.advance(3)
    assert.same({ "end fast", "end slow", "fast" }, said)
  end)

  it("race of nothing is a mistake", function()
    w.go(function() say(select(2, pcall(w.ward.race, {}))) end)
    assert.same({ "x.lua:1: ward.race: must not be empty" }, said)
  end)

  it("timeout returns what comes in time, and a timeout otherwise", function()
    w.go(function()
      say(w.ward.timeout("2s", after(1, "in time")))
      local value, err = w.ward.timeout("2s", after(3, "late"))
      say(tostring(value), err.code, w.clock)
      say(w.ward.timeout("1s", function(a, b) return a, b end, "passed", "on"))
    end)
    w.advance(9)
    assert.same({ "end in time", "in time", "end late", "nil timeout 3", "passed on" }, said)
  end)
end)

describe("a semaphore", function()
  local w, said
  before_each(function() w, said = world(), {} end)
  local function say(...) table.insert(said, words(...)) end

  it("lets so many in, in order of arrival", function()
    local gate <const> = w.ward.semaphore(2)
    for i = 1, 4 do
      w.go(function()
        local _ <close> = gate:acquire()
        say(i, w.clock)
        w.ward.sleep(i)
      end)
    end
    w.advance(9)
    assert.same({ "1 0", "2 0", "3 1", "4 2" }, said)
  end)

  it("is given back by a task that ends, once, and passes over those who no longer wait", function()
    local gate <const> = w.ward.semaphore(1)
    local holder <const> = w.go(function()
      gate:acquire()
      w.ward.sleep(5)
    end)
    local gone <const> = w.go(function() gate:acquire() say "not reached" end)
    w.go(function()
      local permit, err = gate:acquire("1s")
      say(tostring(permit), err.code)
    end)
    w.go(function()
      local permit <const> = gate:acquire()
      say("in", w.clock)
      permit:release()
      permit:release()
    end)
    w.advance(2)
    w.scheduler:cancel(gone)
    w.scheduler:reap()
    w.advance(4)
    assert.same({ "nil timeout", "in 5" }, said)
    assert.equal("done", holder.state)
    w.go(function() gate:acquire() say "free" end)
    w.go(function() say(tostring(gate:acquire(0))) end)
    assert.equal("free", said[3])
  end)
end)

describe("ward.after and ward.every", function()
  local w, said
  before_each(function() w, said = world(), {} end)
  local function say(...) table.insert(said, words(...)) end

  it("after runs once, unless it is cancelled", function()
    w.ward.after("1s", function() say("a", w.clock) end)
    w.ward.after("1s", function() say "not reached" end):cancel()
    w.advance(5)
    assert.same({ "a 1" }, said)
  end)

  it("every keeps to its grid, leaves out what it missed and never overlaps", function()
    local timer <const> = w.ward.every("1s", function()
      say(w.clock)
      if #said == 2 then w.ward.sleep(2.5) end
    end)
    w.advance(6)
    assert.same({ "1", "2", "5", "6" }, said)
    w.clock = 9.5 -- nobody looked for a while
    w.run()
    w.advance(0.6)
    assert.same({ "9.5", "10" }, { said[5], said[6] })
    timer:cancel()
    w.advance(5)
    assert.equal(6, #said)
  end)

  it("every may begin at once", function()
    w.ward.every("1h", { immediate = true }, function() say "now" end)
    w.run()
    assert.same({ "now" }, said)
  end)

  it("in a task they end with it", function()
    w.go(function()
      w.ward.every("1s", function() say "tick" end)
      w.ward.after("5s", function() say "not reached" end)
      w.ward.sleep(2.5)
    end)
    w.advance(9)
    assert.same({ "tick", "tick" }, said)
    assert.is_nil(w.scheduler:next_time())
  end)
end)

describe("a task that was cut off", function()
  it("is over, and what waits for it hears why", function()
    local w <const>, said = world(), nil
    w.go(function()
      local task <const> = w.ward.task(function() error("stands for the budget's end") end)
      said = select(2, pcall(task.wait, task))
    end)
    assert.matches("budget's end", said)
    local cut <const> = w.scheduler:start(function() end)
    w.scheduler.current, w.scheduler.running = cut, cut
    w.scheduler:cut_off("x.lua:1: used its CPU budget")
    assert.equal("failed", cut.how)
    assert.same({ "x.lua:1: used its CPU budget" }, w.reports)
    w.scheduler:cut_off("nobody's")
    assert.equal("nobody's", w.reports[2])
  end)
end)
