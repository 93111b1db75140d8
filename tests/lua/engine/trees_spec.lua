-- Trees, groups, rules and all that makes one event concern many services. Each case: see kit.play.
local kit <const> = require "lua.engine.kit"

local spec <const>, boot <const> = kit.spec, kit.boot
local started <const>, exit <const>, command <const> = kit.started, kit.exit, kit.command

local function verdict(name, value, fault)
  return { kind = "verdict", name = name, verdict = value, fault = fault }
end

local UP <const> = {
  { 0, boot, "a is starting", "spawn a" },
  { 0, started "a", "a is ready" },
}

local RULES <const> = {
  { "a rule that returns nonsense has failed, and the default rule applies",
    { spec("a", { asks = true, on = "never" }) }, UP,
    { 1, exit("a", 1), "a is backoff", "ask a", "arm a 11" },
    { 2, verdict("a", -1), "disarm a", "a is rule_failed", "a is failed" },
    { 3, command "start a", "a is starting", "spawn a" },
    { 3, exit("a", 1), "a is backoff", "ask a", "arm a 13" },
    { 4, verdict("a", math.huge), "disarm a", "a is rule_failed", "a is failed" },
    { 5, command "start a", "a is starting", "spawn a" },
    { 5, exit("a", 1), "a is backoff", "ask a", "arm a 15" },
    { 6, verdict("a", "banana"), "disarm a", "a is rule_failed", "a is failed" } },
}

local function tree_of(text)
  local specs, root = kit.tree(text)
  specs.tree = root
  return specs
end

local TIMES <const> = {
  { "the time that the stop of a supervisor may take ends with it",
    tree_of "app=all (a f=one shutdown:3 (b))",
    { 0, boot, "a is starting", "spawn a", "b is starting", "spawn b" },
    { 0, started "a", "a is ready" }, { 0, started "b", "b is ready" },
    { 1, exit("a", 1), "a is backoff", "arm f 4", "b is stopping", "signal b TERM", "arm b 11" },
    { 2, exit("b", "TERM"), "disarm b", "b is waiting", "disarm f", "a is starting", "spawn a", "b is starting",
      "spawn b" } },
}

local GROUPS <const> = {
  { "times", TIMES },
  { "a rule of the script's", RULES },
}

for _, group in ipairs(GROUPS) do
  describe("engine: " .. group[1], function()
    for _, case in ipairs(group[2]) do
      it(case[1], function()
        kit.play(case)
      end)
    end
  end)
end
