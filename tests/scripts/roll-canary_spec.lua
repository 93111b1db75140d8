-- scripts/roll-canary.lua with real servers: a good release takes over, a bad one is never live.

local harness <const> = require "helpers.harness"
local lfs <const> = require "lfs"
local sys <const> = require "wardtest"

local SERVER <const> = lfs.currentdir() .. "/tests/helpers/web.pl"

local function release(dir, version, health)
  assert(lfs.mkdir(dir .. "/" .. version))
  local path <const> = harness.write(("%s/%s/serve"):format(dir, version),
    ("#!/bin/sh\nVERSION=%s HEALTH='%s' exec perl %s \"$PORT\"\n"):format(version, health, SERVER))
  assert(sys.chmod(path, 493)) -- 0755
end

-- A ward whose v1 is live, which one is, and where the releases are.
local function start()
  local dir <const>, live_port <const> = harness.directory(), harness.free_port()
  release(dir, "v1", "200 OK")
  release(dir, "v2", "500 Broken")
  release(dir, "v3", "200 OK")
  assert(lfs.link("v1", dir .. "/live", true))
  local w <const> = harness.start("scripts/roll-canary.lua", { env = {
    RELEASES = dir, LIVE_PORT = live_port, CANARY_PORT = harness.free_port(), CANARY_PROBES = "5",
    CANARY_EVERY = "100ms",
  } })
  local function version()
    local code <const> = ('(ward.http.get("http://127.0.0.1:%s/health") or {}).body'):format(live_port)
    return select(2, w:cli("eval", code)):match("v%d")
  end
  w:until_(function() return version() == "v1" end, nil, "v1 is live")
  return w, version, dir
end

describe("scripts/roll-canary.lua", function()
  after_each(harness.cleanup)

  it("deploys what is well, and nothing else", function()
    local w <const>, version <const> = start()
    local pid <const> = w:until_ready("live")

    local code, out, err = w:cli("do", "deploy", "v2")
    assert.same({ 1, "probing v2 beside v1\n" }, { code, out })
    assert.matches("v2 is not well: probe 1 of 5: status 500", err)
    assert.equal(pid, w:until_ready("live"))
    assert.equal("v1", version())

    code, out = w:cli("do", "deploy", "v3")
    assert.equal(0, code)
    assert.matches("v3 is live", out)
    assert.equal("v3", version())

    for _, name in ipairs { "../v1", "live", "canary", "v4" } do
      assert.same({ 1, "", "ward: no such version: " .. name .. "\n" }, { w:cli("do", "deploy", name) })
    end
    assert.equal("v3", version())
    w:stop()
  end)

  it("probes what it was asked for, also after a deploy that was interrupted, and beside another one", function()
    local w <const>, version <const> = start()
    local function deploy(name) return assert(sys.spawn({ harness.ward, "do", "deploy", name }, { env = w.env })) end
    local interrupted <const> = deploy "v3"
    w:until_(function() return w:status("canary-1").ready end, nil, "the canary of v3 is up")
    sys.kill(interrupted, "KILL")
    sys.wait(interrupted, 60)
    local first <const>, second <const> = deploy "v2", deploy "v2"
    assert.same({ 1, 1 }, { sys.wait(first, 60).code, sys.wait(second, 60).code })
    assert.equal("v1", version())
    w:stop()
  end)

  it("brings back the version before, when the new one is well only beside it", function()
    local w <const>, version <const>, dir <const> = start()
    local path <const> = dir .. "/v2/serve"
    local by_place <const> = [[HEALTH="$([ ${PWD##*/} = live ] && echo 500 No || echo 200 OK)"]]
    harness.write(path, (harness.read(path):gsub("HEALTH=%b''", by_place)))
    local code <const>, _, err <const> = w:cli("do", "deploy", "v2")
    assert.equal(1, code)
    assert.matches("v2 is not well: probe 1 of 5: status 500", err)
    assert.equal("v1", version())
    w:stop()
  end)
end)
