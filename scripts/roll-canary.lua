-- What:     `ward do deploy VERSION`: the new version starts beside the old one, is probed for a while, and then takes
--           its place; one that does not answer well is stopped, and the old one never noticed.
-- Use when: a bad release must not reach users, and the server can run twice, on two ports.
-- Needs:    RELEASES, a directory with one directory a version, in which ./serve listens on $PORT and answers 2xx on
--           /health; `live` in it is a link to the version that runs. Optional: LIVE_PORT (8001), CANARY_PORT (8002),
--           CANARY_PROBES (10), CANARY_EVERY (1s).

local ward = require "ward"

local releases = assert(ward.env.RELEASES, "RELEASES must name a directory")
local ports = { live = ward.env.LIVE_PORT or "8001", canary = ward.env.CANARY_PORT or "8002" }
local probes, every = tonumber(ward.env.CANARY_PROBES or "10"), ward.env.CANARY_EVERY or "1s"
local function server(link)
  local cmd = { "/bin/sh", "-c", 'cd "$0" && exec ./serve', releases .. "/" .. link }
  return { name = link, cmd = cmd, env = { PORT = ports[link] }, restart = "always" }
end

local live, spare = ward.service(server "live"), server "canary"
spare.size, spare.max = 0, 1
local canary = ward.pool(spare)

local function link(name, version)
  return assert(ward.run { cmd = { "ln", "-sfn", "--", version, releases .. "/" .. name }, timeout = "5s" }).ok
end

local function healthy(side)
  local answer, err = ward.http.get("http://127.0.0.1:" .. ports[side] .. "/health", { timeout = "2s" })
  return answer ~= nil and answer.ok, err and err.message or "status " .. answer.status
end

-- Has it been well so many times in a row? It may take a while to listen.
local function proves_itself(side)
  for _ = 1, probes do
    if healthy(side) then break else ward.sleep(every) end
  end
  for i = 1, probes do
    local ok, why = healthy(side)
    if not ok then return nil, ("probe %d of %d: %s"):format(i, probes, why) end
    ward.sleep(every)
  end
  return true
end

ward.command("deploy", { help = "replace the live version, if the new one is well", args = { "version" } },
  function(version)
    if version:find "[/%c]" or not ward.fs.exists(releases .. "/" .. version .. "/serve") then
      return nil, "no such version: " .. version
    end
    print("probing " .. version .. " beside the live one")
    link("canary", version)
    local ok, why = canary:resize(1)
    if ok then ok, why = proves_itself "canary" end
    if ok then
      link("live", version)
      live:restart() -- meanwhile the canary answers
      ok, why = proves_itself "live"
    end
    canary:resize(0)
    return ok and version .. " is live" or nil, ("%s is not well: %s"):format(version, why)
  end)
