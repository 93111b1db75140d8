-- For build/tests/trusted: prints as JSON what a journal says, and how the engine would go on.
--
--     trusted tests/helpers/succession.lua JOURNAL
local engine <const> = require "ward.engine"
local journal <const> = require "ward.service.journal"
local json <const> = require "ward.service.json"

local found <const>, err <const> = journal.read((...))
if not found then
  print(json.encode { error = err.message, code = err.code })
  return
end
local services, functions = {}, 0
for _, view in ipairs(engine.list(found.state)) do
  services[view.name] = view
end
for _, spec in ipairs(found.specs) do
  functions = functions + ((spec.calls or spec.asks) and 1 or 0)
end
local _, effects <const> = engine.step(found.state, { kind = "shutdown" }, found.now)
local signalled = {}
for _, effect in ipairs(effects) do
  if effect.kind == "signal" or effect.kind == "run" then
    signalled[#signalled + 1] = effect.name
  end
end
print(json.encode {
  services = services, procs = found.procs, helpers = found.helpers, logs = found.logs, now = found.now,
  launch = found.launch, lost = found.lost, run = found.run, timers = found.timers, pid = found.pid, boot = found.boot,
  torn = found.torn, specs = #found.specs, functions = functions, effects = #found.effects, signalled = signalled,
})
