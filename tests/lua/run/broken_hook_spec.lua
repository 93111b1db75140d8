-- Scripts that are broken in every way in whatever they are called for. The children that run go on, and what is said
-- names the file and the line.

local broken <const> = require "lua.run.broken_cases"
local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local HEAD <const>, assert_names <const> = broken.HEAD, broken.assert_names

describe("a broken function", function()
  after_each(harness.cleanup)

  -- Where a service calls the script, and what makes it do so.
  local PLACES <const> = {
    on_start = "start", on_ready = "start", on_exit = "kill", restart = "kill", on_stop = "stop", on_fail = "fail",
  }

  -- A script with a service for each kind, and what is to be said of each: { kind, name, the line }
  local function all_in(place, how)
    local text, cases = HEAD, {}
    for i, kind in ipairs(broken.KINDS) do
      if not kind.early then
        local _, lines <const> = text:gsub("\n", "")
        text = ("%sward.service { name = 'b%d', %s, %s = function()\n%s\nend }\n"):format(text, i,
          how == "fail" and "cmd = { 'false' }, restart = 'never'" or "cmd = { 'sleep', '1000' }", place, kind[2])
        cases[#cases + 1] = { kind = kind, name = "b" .. i, line = lines + 2 }
      end
    end
    return text, cases
  end

  local function provoke(w, how, name)
    local before <const> = how ~= "fail" and w:until_ready(name)
    if how == "kill" then
      assert.equal(0, (w:cli("signal", name, "KILL")))
      return w:until_ready(name, before) -- by the rule that holds when a script has none
    elseif how == "stop" then
      assert.equal(0, (w:cli("stop", name)))
    end
  end

  local function until_told(w, case)
    w:until_(function()
      for line in w:output():gmatch "[^\n]+" do
        if pcall(assert_names, case.kind, w.script, case.line, line) then return true end
      end
    end, nil, case.kind[1])
  end

  for place, how in pairs(PLACES) do
    it("costs no child and no supervision in " .. place, function()
      local text <const>, cases <const> = all_in(place, how)
      local w <const> = harness.start(text)
      local pid <const> = w:until_ready "a"
      for _, case in ipairs(cases) do
        provoke(w, how, case.name)
        until_told(w, case)
      end
      assert.equal(pid, w:status("a").pid)
      assert.equal(0, w:status("a").restarts)
      w:stop()
    end)
  end

  -- What a script can have called besides, by the first words of a declaration whose function is the last argument; and
  -- what calls them all.
  local CALLERS <const> = {
    ["ward.on('go', "] = function(w) w:cli("do", "go") end,
    ["ward.every('1h', { immediate = true }, "] = function() end,
    ["ward.on_signal('USR1', "] = function(w) assert(sys.kill(w.pid, "USR1")) end,
    ["ward.watch('watched', { debounce = 0 }, "] = function(w) harness.write(w.dir .. "/watched", "") end,
  }

  for words, call in pairs(CALLERS) do
    it("costs no child and no other function in " .. words:match "[%w_.]+", function()
      local text, all = HEAD .. "ward.command('go', function() ward.emit 'go' end)\n", {}
      for _, kind in ipairs(broken.KINDS) do
        if not kind.early then
          local _, lines <const> = text:gsub("\n", "")
          text = ("%s%sfunction()\n%s\nend)\n"):format(text, words, kind[2])
          all[#all + 1] = { kind = kind, line = lines + 2 }
        end
      end
      local w <const> = harness.start(text)
      local pid <const> = w:until_ready "a"
      call(w)
      for _, case in ipairs(all) do
        until_told(w, case)
      end
      assert.is_nil(w:rpc("status").quarantine)
      assert.equal(pid, w:status("a").pid)
      w:stop()
    end)
  end

  it("is called once for a failure, though it starts a service that may not be started again", function()
    local w <const> = harness.start [[
      local ward = require "ward"
      local failures = 0
      ward.service { name = "job", cmd = { "/bin/false" },
        restart = { on = "failure", backoff = { from = "10ms", max = "10ms" }, give_up = { 2, within = "1h" } },
        on_fail = function(self)
          failures = failures + 1
          print("refused", failures, select(2, self:start()))
        end }
      ward.service { name = "calm", cmd = { "sleep", "1000" }, restart = "never" }
    ]]
    w:until_says "refused%s+1%s+.*too many restarts"
    w:until_ready "calm"
    assert.equal("failed", w:status("job").state)
    assert.is_nil(w:output():find "refused%s+2")
    w:stop()
  end)
end)
