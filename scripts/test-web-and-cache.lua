-- What:     a busted spec of run-web-and-cache.lua: crashes, a program that is missing, a stop that takes its time,
--           all under a virtual clock and without a process.
-- Use when: you want to know what your script will do before it does it.
-- Needs:    busted with Lua 5.4, and ward's library in LUA_PATH; neither nginx nor redis, nor ward itself.

local sim = require "ward.sim"
local HERE <const> = debug.getinfo(1, "S").source:match "^@(.*/)" or "" -- the script is beside this file

describe("run-web-and-cache.lua", function()
  local w
  before_each(function()
    w = sim.load(HERE .. "run-web-and-cache.lua", { env = { WEB_PORT = "80", CACHE_PORT = "6379" } })
  end)

  it("starts everything, the cache before the worker", function()
    assert.same({ "cache", "web", "worker" }, w:names())
    for _, name in ipairs(w:names()) do assert.is_true(w:ready(name)) end
    local cache, worker = w:events("ready", "cache")[1], w:events("starting", "worker")[1]
    assert.is_true(cache.seq < worker.seq)
  end)

  it("restarts a web server that crashes, later each time", function()
    w:exit("web", { signal = "SEGV" })
    assert.equal("backoff", w:state "web")
    w:advance "1s"
    assert.is_true(w:ready "web")
    w:exit("web", { code = 1 })
    w:exit("cache", { signal = "KILL" })
    w:advance "1s"
    assert.equal(3, w:starts "web")
    assert.equal(2, w:starts "cache")
    assert.equal(1, w:starts "worker") -- it goes on while the cache is merely restarted
  end)

  it("leaves a program alone that ends well", function()
    w:exit("web", { code = 0 })
    w:advance "1h"
    assert.equal("done", w:state "web")
    assert.equal(1, w:starts "web")
  end)

  it("tries again when nginx cannot be run", function()
    w:spawn_fails "web"
    w:restart "web"
    assert.equal("backoff", w:state "web")
    w:advance "1s"
    assert.is_true(w:ready "web")
  end)

  it("stops the worker before the cache, and gives requests five seconds", function()
    w:ignore("web", "QUIT")
    local answer = w:shutdown()
    assert.equal("stopped", w:state "cache")
    assert.same({ "QUIT" }, w:signals "web")
    w:advance "5s"
    assert.same({ "QUIT", "TERM" }, w:signals "web")
    assert.is_true(answer.ok)
    assert.is_true(w.code == 0 and w:events("stopped", "worker")[1].seq < w:events("stopped", "cache")[1].seq)
  end)
end)
