-- scripts/run-web-and-cache.lua with real nginx and redis: they answer, come back after SIGKILL with only their own
-- pid changed, and nothing is left in the end.

local harness <const> = require "helpers.harness"
local sys <const> = require "wardtest"

local NAMES <const> = { "cache", "web", "worker" }

-- Ports nobody listens on. Another program may take one before ours does; then the test says so by failing to start.
local function free_ports()
  local code, out = harness.run({ "sh", "-c", [[
    for port in $(shuf -i 20000-32000 -n 50); do
      grep -qi ":$(printf %04X "$port") 00000000:0000" /proc/net/tcp || echo "$port"
    done]] })
  assert(code == 0)
  return out:match("(%d+)\n(%d+)")
end

describe("scripts/run-web-and-cache.lua", function()
  after_each(harness.cleanup)

  it("supervises real nginx and redis-server", function()
    local web_port, cache_port = free_ports()
    local dir <const> = harness.directory()
    local w = harness.start("scripts/run-web-and-cache.lua",
      { env = { WEB_PORT = web_port, CACHE_PORT = cache_port, WEB_AND_CACHE_DIR = dir } })

    local function web_answers()
      local code, out = harness.run({ "perl", "-MIO::Socket::INET", "-e", [[
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]", Timeout => 2) or exit 1;
        print $s "GET / HTTP/1.0\r\n\r\n"; print while <$s>;]], web_port })
      return code == 0 and out:find("200 OK", 1, true) ~= nil and out:find("supervised by ward", 1, true) ~= nil
    end

    local function cache_answers()
      local code, out = harness.run({ "redis-cli", "-p", cache_port, "PING" })
      return code == 0 and out == "PONG\n"
    end

    local ANSWERS <const> = {
      web = web_answers,
      cache = cache_answers,
      worker = function()
        local before = #w:log "worker"
        return harness.until_(function()
          return w:log("worker"):find("visit %d+\n", before + 1)
        end, nil, "a new visit")
      end,
    }

    local function pids()
      local all = {}
      for _, name in ipairs(NAMES) do
        all[name] = w:until_ready(name)
      end
      return all
    end

    local before = pids()
    for _, name in ipairs(NAMES) do
      harness.until_(ANSWERS[name], nil, name .. " answers")
    end
    for _, victim in ipairs(NAMES) do
      sys.kill(before[victim], "KILL")
      w:until_ready(victim, before[victim])
      harness.until_(ANSWERS[victim], nil, victim .. " answers again")
      local after = pids()
      for _, name in ipairs(NAMES) do
        if name == victim then
          assert.not_equal(before[name], after[name])
        else
          assert.equal(before[name], after[name])
        end
      end
      before = after
    end
    w:stop(0, "INT")
    assert.is_false(web_answers())
    assert.is_false(cache_answers())
  end)
end)
