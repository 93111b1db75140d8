-- Reloads under valgrind: no byte is read that was not written, none is written that is not ours, none is lost.
--
-- Debian's valgrind knows neither clone with shared memory nor pidfd_send_signal: children are copies here, and the
-- test ends them.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local RELOADS <const> = tonumber(os.getenv "WARD_RELOADS" or 20)

-- VERSION is another policy each time; LAST what stands in the last line.
local SCRIPT <const> = [==[
local ward = require "ward"
local kept = ward.keep("kept", { n = 0, list = {} }, { migrate = function(old)
  old.list[1] = { VERSION }
  return old
end })
local function work(self, exit)
  kept.n = kept.n + 1
  pcall(error, { exit })
  return coroutine.wrap(function() return 0 end)()
end
for _ = 1, 20 do
  ward.every("1h", work)
  ward.after(0, function()
    local held <close> = setmetatable({}, { __close = function() kept.n = kept.n + 1 end })
    ward.sleep("1h")
    return held
  end)
end
ward.on("exit", function(event) print("exit", event.exit.pid) end)
local a = ward.service { name = "a", cmd = { "sleep", "1000" }, clone = "copy", on_exit = work,
  stop = { "TERM", VERSION, "KILL" } }
ward.command("told", function() print(kept.n, kept.list[1][1]) return a:status().pid end)
LAST
]==]

local function text_of(version, last) return (SCRIPT:gsub("VERSION", version):gsub("LAST", last or "")) end

-- Things that fail a reload, at each of its stages.
local BROKEN <const> = {
  "local x = = 1", "error {}", "ward.service { name = 'b', cmd = { '/nonexistent' } }",
  "ward.keep('kept', {}, {})", "coroutine.wrap(function() error() end)()",
}

local function reason()
  if harness.run { "sh", "-c", "command -v valgrind" } ~= 0 then return "valgrind is not installed" end
  if harness.run { "grep", "-q", "__asan_init", harness.ward } == 0 then return "not together with a sanitizer" end
end

describe("under valgrind", function()
  after_each(harness.cleanup)

  it("reloads leave no error and no lost memory", function()
    local missing <const> = reason()
    if missing then return pending(missing) end
    local log <const> = harness.directory() .. "/valgrind"
    local w <const> = harness.start(text_of(1), { under = {
      "valgrind", "--log-file=" .. log, "--leak-check=full", "--show-leak-kinds=definite",
      "--child-silent-after-fork=yes",
    } })
    local function reload(text, want)
      harness.write(w.script, text)
      local opts <const> = { env = w.env, seconds = 90 }
      local code <const>, out <const>, err <const> = harness.run({ harness.ward, "reload" }, opts)
      assert.equal(want, code, out .. err)
    end
    local pid = w:until_ready "a"
    for version = 2, RELOADS do
      reload(text_of(version), 0)
      if version % 5 == 0 then
        reload(text_of(version, BROKEN[version // 5 % #BROKEN + 1]), 1)
        assert(sys.kill(pid, "KILL"))
        pid = w:until_ready("a", pid)
      end
    end
    assert.matches(("%%d+\t%d\n%d"):format(RELOADS, pid), (select(2, w:cli("do", "told"))))
    assert(sys.kill(w.pid, "TERM"))
    w:until_state("a", "stopping")
    assert(sys.kill(pid, "KILL"))
    assert.equal(0, w:wait())
    local said <const> = harness.read(log)
    assert.matches("ERROR SUMMARY: 0 errors", said)
    assert.is_nil(said:find("definitely lost: [1-9]"), said)
  end)
end)
