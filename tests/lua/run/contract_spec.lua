-- Each function that lua/ward/meta defines: its bad arguments are told at the caller's line, whoever waits in it can be
-- cancelled and is ended with ward, and a handle whose thing is over answers. contract_cases.lua has the rows.

package.path = "core/?.lua;" .. package.path
local cases <const> = require "lua.run.contract_cases"
local definitions <const> = require "man.definitions"
local harness <const> = require "helpers.harness"
local source <const> = require "style.source"
local task <const> = require "helpers.task"

local said <const> = task.said

-- Services that end only when they are killed, and one that does not.
local SERVICES <const> = [[
local ward = require "ward"
local STUBBORN <const> = { "sh", "-c", "trap '' TERM; echo >$$.stubborn; while :; do sleep 1000; done" }
local slow <const> = ward.service { name = "slow", cmd = STUBBORN, stop = { "TERM", "3s", "KILL" } }
local slower <const> = ward.service { name = "slower", cmd = STUBBORN, stop = { "TERM", "3s", "KILL" } }
local other <const> = ward.service { name = "other", cmd = { "sleep", "1000" } }
local pool <const> = ward.pool { name = "p", size = 1, max = 2, cmd = { "sleep", "1000" } }
local stubborn <const> = ward.pool { name = "q", cmd = STUBBORN, stop = { "TERM", "3s", "KILL" } }
local rolling <const> = ward.pool { name = "r", type = "oneshot", cmd = { "sleep", "1000" } }
local job <const> = ward.service { name = "job", type = "oneshot", cmd = { "sleep", "1000" } }
]]

-- A server that takes connections and never answers.
local SILENT <const> = [[
local PORT <const> = %d
local SILENT <const> = "http://127.0.0.1:" .. PORT .. "/never"
ward.service { name = "silent", cmd = { "perl", %q, tostring(PORT) } }
local function until_listening()
  while not ward.http.get("http://127.0.0.1:" .. PORT .. "/text") do ward.sleep "10ms" end
  local stubborn = 0
  while stubborn < 3 do
    ward.sleep "10ms"
    stubborn = select(2, table.concat(ward.fs.list ".", "\n"):gsub("%%.stubborn", ""))
  end
end
]]

local function silent()
  return SILENT:format(harness.free_port(), require("lfs").currentdir() .. "/tests/helpers/web.pl")
end

local names <const> = {}
for name in pairs(cases.rows) do names[#names + 1] = name end
table.sort(names)

-- The rows that have `key`, in order.
local function each(key)
  local i = 0
  return function()
    repeat i = i + 1 until not names[i] or cases.rows[names[i]][key]
    return names[i], names[i] and cases.rows[names[i]][key]
  end
end

-- Starts a script of these pieces and waits for its last word.
local function start(...)
  local pieces <const> = { SERVICES, ... }
  local w <const> = harness.start(table.concat(pieces, "\n"))
  w:until_says("the end")
  return w
end

-- A task for each row that waits; what it is called on is its own.
local function waiting_tasks()
  local code <const> = { "local waiting <const>, begun = {}, 0" }
  for name, waits in each "waits" do
    code[#code + 1] = ([[
      waiting[#waiting + 1] = { name = %q, task = ward.task(function()
        %s
        local mark <close> = setmetatable({}, { __close = function() print("closed", %q) end })
        begun = begun + 1
        %s
        print("went on", %q)
      end) }]]):format(name, cases.BEFORE, name, waits, name)
  end
  code[#code + 1] = 'while begun < #waiting do ward.sleep "5ms" end'
  return table.concat(code, "\n")
end

local function wanted(form)
  local list <const> = {}
  for name in each "waits" do list[#list + 1] = form:format(name) end
  table.sort(list)
  return list
end

-- What was said with this first word, sorted.
local function with(w, word)
  local list <const> = {}
  for _, line in ipairs(said(w)) do
    if line:sub(1, #word) == word then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

describe("the functions of a script", function()
  after_each(harness.cleanup)

  it("are all in the table of cases", function()
    local files <const>, defined <const> = {}, {}
    for i, path in ipairs(source.files("lua/ward/meta", ".lua")) do
      files[i] = { path = path, text = source.read(path) }
    end
    for name in pairs(definitions.read(files).functions) do
      defined[#defined + 1] = name:find(":") and name:gsub("^ward%.", "") or name
    end
    table.sort(defined)
    assert.same(defined, names)
  end)

  it("say what is wrong with an argument, at the line of the call", function()
    local code <const>, want <const> = {}, {}
    local head <const> = SERVICES .. "\nward.after(0, function()\n" .. cases.BEFORE
      .. "\nlocal function try(fn) print('said', select(2, pcall(fn))) end"
    local line = select(2, head:gsub("\n", "")) + 1
    for _, bad in each "bad" do
      for _, case in ipairs(bad) do
        line = line + 1
        code[#code + 1] = ("try(function() %s end)"):format(case[1])
        want[#want + 1] = ("said    SCRIPT:%d: %s"):format(line, case[2])
      end
    end
    local w <const> = harness.start(head .. "\n" .. table.concat(code, "\n") .. "\nprint 'the end' end)\n")
    w:until_says("the end")
    w:stop()
    local lines <const> = said(w)
    for i, text in ipairs(want) do
      assert.equal((text:gsub("SCRIPT", (w.script:gsub("%%", "%%%%")))), lines[i])
    end
  end)

  it("that declare say so, too, while the script loads", function()
    local code <const>, want <const> = {}, {}
    local head <const> = SERVICES .. "\nlocal out <const> = {}"
      .. "\nlocal function try(fn) out[#out + 1] = select(2, pcall(fn)) end"
    local line = select(2, head:gsub("\n", "")) + 1
    for i, case in ipairs(cases.declarations) do
      code[i] = ("try(function() %s end)"):format(case[1])
      want[i] = ("SCRIPT:%d: %s"):format(line + i, case[2])
    end
    code[#code + 1] = "ward.after(0, function() for _, m in ipairs(out) do print(m) end print 'the end' end)"
    local w <const> = harness.start(head .. "\n" .. table.concat(code, "\n") .. "\n")
    w:until_says("the end")
    w:stop()
    local lines <const> = said(w)
    for i, text in ipairs(want) do
      assert.equal((text:gsub("SCRIPT", (w.script:gsub("%%", "%%%%")))), lines[i])
    end
  end)

  it("end when whoever waits in them is cancelled, and their children with them", function()
    local w <const> = start(silent(), "ward.after(0, function()", "until_listening()", waiting_tasks(), [[
      for _, each in ipairs(waiting) do
        print("done", each.task:done(), each.name)
        print("cancelled", each.task:cancel(), each.task:wait())
      end
      print "the end"
    end)]])
    assert.same(wanted "closed    %s", with(w, "closed"))
    assert.same(wanted "done    false    %s", with(w, "done"))
    assert.same({}, with(w, "went on"))
    for _, line in ipairs(with(w, "cancelled")) do
      assert.equal("cancelled    true    nil    the task was cancelled", line)
    end
    w:stop()
  end)

  it("end with ward", function()
    local w <const> = start(silent(), "ward.after(0, function()", "until_listening()", waiting_tasks(), [[
      print "the end"
    end)]])
    w:stop()
    assert.same(wanted "closed    %s", with(w, "closed"))
    for _, line in ipairs(with(w, "went on")) do
      assert.is_true(cases.rows[line:match("^went on    (.*)$")].answered, line)
    end
  end)

  it("begin nothing that outlives the task it is begun in", function()
    local code <const>, want <const> = {}, {}
    for name, begins in each "begins" do
      code[#code + 1] = ([[
        begin[#begin + 1] = function(called)
          return ward.task(function()
            %s
            begun = begun + 1
            ward.sleep(1000)
          end)
        end
        names[#names + 1] = %q]]):format(begins, name)
      want[#want + 1] = "stays " .. name
    end
    local w <const> = start([[
      ward.after(0, function()
        local begin <const>, names <const>, heard <const>, begun, count = {}, {}, {}, 0, 0
    ]], table.concat(code, "\n"), [[
        local function all(who)
          local tasks <const> = {}
          begun = 0
          for i, fn in ipairs(begin) do
            tasks[i] = fn(function()
              local line <const> = who .. " " .. names[i]
              if not heard[line] then
                heard[line], count = true, count + 1
                print(line)
              end
            end)
          end
          while begun < #begin do ward.sleep "5ms" end
          return tasks
        end
        for _, task in ipairs(all "goes") do task:cancel() end
        all "stays"
        ward.emit "ping"
        ward.run { cmd = { "sh", "-c", "kill -USR1 $PPID; : >touched" } }
        while count < #begin do ward.sleep "5ms" end
        print "the end"
      end)]])
    w:stop()
    local lines <const> = said(w)
    table.remove(lines)
    table.sort(lines)
    assert.same(want, lines)
  end)

  -- Rows of `key`, each with handles of its own, and what they answer.
  local function answers(key, before)
    local code <const>, want <const> = { "ward.after(0, function()" }, {}
    for name, row in each(key) do
      code[#code + 1] = ([[
        do
          local results <const> = table.pack(ward.task(function()
            %s %s
            %s
          end):wait())
          for i = 1, results.n do results[i] = tostring(results[i]) end
          print("%s " .. table.concat(results, " "))
        end]]):format(cases.BEFORE, before, row[1], name)
      want[#want + 1] = name .. " " .. row[2]
    end
    code[#code + 1] = "print 'the end' end)"
    local w <const> = start(table.concat(code, "\n"))
    w:stop()
    assert.same(want, { table.unpack(said(w), 1, #want) })
  end

  it("answer on a handle whose thing is over", function() answers("over", "") end)

  it("answer on the pipes of a child that has died", function()
    answers("dead", 'child:kill("KILL") child:wait()')
  end)
end)

describe("a service", function()
  after_each(harness.cleanup)

  it("that is stopped as soon as it is started is asked first, and on_exit hears of every exit", function()
    local lines <const> = task.run([[
      for _ = 1, 3 do
        s:start()
        s:stop()
      end
      while exits < 3 do ward.sleep "5ms" end
    ]], [[
      local exits = 0
      local s <const> = ward.service { name = "s", cmd = { "sleep", "1000" }, restart = "never",
        on_exit = function(self, exit) exits = exits + 1 print(self.name, exit.kind, exit.signal) end }
    ]])
    local told = 0
    for _, line in ipairs(lines) do
      if line:find("^s ") then
        told = told + 1
        assert.equal("s    signaled    TERM", line)
      end
    end
    assert.equal(3, told)
  end)
end)
