-- What:     `ward do deploy VERSION`: the new version starts beside the old one, is probed for a while, and then takes
--           its place; one that does not answer well is stopped, and the old one never noticed.
-- Use when: a bad release must not reach users, and the server can run twice, on two ports.
-- Needs:    RELEASES, a directory with one directory a version, in which ./serve listens on $PORT and answers 2xx on
--           /health; `live` in it is a link to the version that runs. Optional: LIVE_PORT (8001), CANARY_PORT (8002),
--           CANARY_PROBES (10), CANARY_EVERY (1s).

local ward = require "ward"

local releases = assert(ward.env.RELEASES, "RELEASES must name a directory")
local ports = { live = ward.env.LIVE_PORT or "8001", canary = ward.env.CANARY_PORT or "8002" }
local probes = assert(tonumber(ward.env.CANARY_PROBES or "10"), "CANARY_PROBES must be a number")
local every = ward.env.CANARY_EVERY or "1s"
local one_at_a_time = ward.semaphore(1)
local function server(link)
  local cmd = { "/bin/sh", "-c", 'cd "$0" && exec ./serve', releases .. "/" .. link }
  return { name = link, cmd = cmd, env = { PORT = ports[link] }, restart = "always" }
end
local live, spare = ward.service(server "live"), server "canary"
spare.size, spare.max = 0, 1
local canary = ward.pool(spare)

local function run(...)
  local result = assert(ward.run { cmd = { ... }, timeout = "5s" })
  return result.ok and result.stdout or error(table.concat({ ... }, " ") .. " has failed: " .. result.stderr)
end

-- Starts a version. Is it well so many times in a row? It may take a while to listen.
local function proves_itself(side, version)
  run("ln", "-sfn", "--", version, releases .. "/" .. side)
  if side == "live" then live:restart() else canary:resize(1) end
  local i = 1 - probes
  while i <= probes do
    local answer, err = ward.http.get("http://127.0.0.1:" .. ports[side] .. "/health", { timeout = "2s" })
    local ok, why = answer and answer.ok, err and err.message or "status " .. answer.status
    if i > 0 and not ok then return nil, ("probe %d of %d: %s"):format(i, probes, why) end
    i = ok and math.max(i, 0) + 1 or i + 1
    ward.sleep(every)
  end
  return true
end

ward.command("deploy", { help = "replace the live version, if the new one is well", args = { "version" } },
  function(version)
    if version:find "[/%c]" or ports[version] or not ward.fs.exists(releases .. "/" .. version .. "/serve") then
      return nil, "no such version: " .. version
    end
    local _ <close> = one_at_a_time:acquire()
    local old = run("readlink", "--", releases .. "/live"):match "[^\n]+"
    print("probing " .. version .. " beside " .. old)
    canary:resize(0) -- it may be that of a deploy that was interrupted
    local ok, why = proves_itself("canary", version)
    if ok then -- and meanwhile the canary answers
      ok, why = proves_itself("live", version)
      if not ok then proves_itself("live", old) end
    end
    canary:resize(0)
    return ok and version .. " is live" or nil, ("%s is not well: %s"):format(version, why)
  end)
