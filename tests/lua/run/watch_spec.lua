-- ward.watch in a real ward: files and directories that change, go, and come back.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local task <const> = require "helpers.task"

local dir

local function sh(text)
  assert(os.execute(("cd '%s' && %s"):format(dir, text)))
end

-- Starts a ward whose script runs `before` while it loads; DIR is the directory that is played with.
local function start(before, body)
  local w <const> = task.start(body or "", ("local DIR = %q\n%s"):format(dir, before or ""))
  w:until_says("the end")
  return w
end

local FILE <const> = [[
  local n = 0
  ward.watch(DIR .. "/sub/file", { debounce = "10ms" }, function(event)
    n = n + 1
    print("call " .. n, event.exists, event.path == DIR .. "/sub/file", ward.fs.read(event.path))
  end)
]]

local WHOLE <const> = [[
  ward.watch(DIR .. "/sub", { debounce = "100ms" }, function(event)
    print("names", event.exists, event.rescan, table.concat(event.names, " "))
  end)
]]

describe("ward.watch", function()
  before_each(function()
    dir = harness.directory()
    sh "mkdir sub"
  end)
  after_each(harness.cleanup)

  it("tells of a file that appears, is replaced, and goes", function()
    local w <const> = start(FILE)
    sh "echo other >sub/other && echo 1 >sub/file"
    w:until_says "call 1    true    true    1\n"
    sh "echo 2 >sub/new && mv sub/new sub/file"
    w:until_says "call 2    true    true    2\n"
    sh "echo 3 >sub/file"
    w:until_says "call 3    true    true    3\n"
    sh "rm sub/file"
    w:until_says "call 4    false    true    nil"
    sh "echo 5 >sub/file"
    w:until_says "call 5    true    true    5\n"
    w:stop()
  end)

  it("sees a file change behind a link that is switched in its directory", function()
    sh "mkdir sub/v1 sub/v2 && echo 1 >sub/v1/file && echo 2 >sub/v2/file"
    sh "ln -s v1 sub/now && ln -s now/file sub/file"
    local w <const> = start(FILE)
    sh "ln -s v2 sub/new && mv -T sub/new sub/now"
    w:until_says "call 1    true    true    2\n"
    w:stop()
  end)

  it("tells of a directory what has changed in it", function()
    local w <const> = start(WHOLE)
    harness.write(dir .. "/sub/a", "1")
    assert(lfs.mkdir(dir .. "/sub/b"))
    assert(os.rename(dir .. "/sub/a", dir .. "/sub/c"))
    w:until_says "names    true    false    a b c\n"
    w:stop()
  end)

  it("finds a directory again that is replaced, moved or removed", function()
    sh "mkdir next && echo 1 >next/file"
    local w <const> = start(WHOLE .. FILE)
    sh "mv sub old && mv next sub"
    w:until_says "names    true    true    \n"
    w:until_says "call 1    true    true    1\n"
    sh "rm -r sub"
    w:until_says "names    false    true    "
    w:until_says "call 2    false"
    sh "mkdir sub && echo 3 >sub/file"
    w:until_says "call 3    true    true    3\n"
    sh "echo 4 >sub/file"
    w:until_says "call 4    true    true    4\n"
    w:stop()
  end)

  it("waits for quiet, but not for ever, and never calls twice at once", function()
    local w <const> = start([[
      local within, calls = 0, 0
      ward.watch(DIR .. "/sub", { debounce = "100ms" }, function()
        within, calls = within + 1, calls + 1
        assert(within == 1)
        ward.sleep "20ms"
        within = within - 1
      end)
      ward.watch(DIR .. "/done", { debounce = 0 }, function()
        ward.sleep "500ms"
        print("calls", calls)
      end)
    ]])
    -- About 1.5 s of changes that are never 100 ms apart.
    sh "for i in $(seq 150); do echo $i >sub/file; sleep 0.01; done; touch done"
    w:until_says "calls    [23]\n"
    w:stop()
  end)

  it("goes on after a call that fails", function()
    local w <const> = start [[
      local n = 0
      ward.watch(DIR .. "/sub", { debounce = "10ms" }, function()
        n = n + 1
        if n == 1 then error "the first" end
        print("call", n)
      end)
    ]]
    sh "touch sub/a"
    w:until_says "script.lua:%d+: the first"
    sh "touch sub/b"
    w:until_says "call    2"
    w:stop()
  end)

  it("ends with the task, or when it is cancelled", function()
    local w <const> = start("", [[
      local function say() print "not reached" end
      local watching = ward.task(function()
        ward.watch(DIR .. "/sub", { debounce = 0 }, say)
        ward.sleep "1h"
      end)
      local watch = ward.watch(DIR .. "/sub", { debounce = 0 }, say)
      ward.sleep(0)
      watching:cancel()
      watch:cancel()
      watch:cancel()
      print(tostring(watch):match "^watch: ")
      ward.watch(DIR .. "/sub", { debounce = 0 }, function() print "reached" end)
      ward.task(ward.run, { cmd = { "touch", DIR .. "/sub/x" } })
      ward.sleep "100ms"
    ]])
    w:until_says "script +%* reached"
    w:stop()
    assert.is_nil(w:err():find("not reached"))
  end)

  it("says what it cannot watch", function()
    local w <const> = start('ward.watch("/nope/file", print)', [[
      print("returned", ward.watch("/nope/file", print))
      local _, err = ward.watch("/nope/file", print)
      print(err.code, err.errno)
    ]])
    w:until_says "script.lua:3: ward.watch: cannot watch /nope: No such file or directory"
    assert.is_truthy(w:err():find "returned    nil    cannot watch /nope: No such file or directory")
    assert.is_truthy(w:err():find "ENOENT    2")
    w:stop()
  end)

  it("says what is wrong with its arguments at the caller's line", function()
    local lines <const> = task.run [[
      local function bad(...) print(select(2, pcall(ward.watch, ...))) end
      bad()
      bad(5, print)
      bad("/tmp", "fn")
      bad("/tmp", { debuonce = 1 }, print)
      bad("/tmp", { debounce = "10" }, print)
      bad("/tmp", { debounce = "2h" }, print)
    ]]
    for i, pattern in ipairs {
      "the path: must be a string, got nothing", "the path: must be a string, got number 5",
      "the last argument: must be a function", 'the options: unknown key "debuonce" %(did you mean "debounce"%?%)',
      'debounce: bad duration "10"', "debounce: must be a duration from 0 to 1h",
    } do
      assert.matches("^%S*script.lua:%d+: ward.watch: " .. pattern, lines[i])
    end
  end)
end)
