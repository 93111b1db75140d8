-- Kinds of broken scripts, for broken_spec.lua and broken_hook_spec.lua.
--
-- What never comes back from a pattern is none of a hook's: only a deadline for the whole process ends that.

local assert <const> = require "luassert"
local harness <const> = require "helpers.harness"

local M <const> = {}

local SPENT <const> = "used its CPU budget"

-- The last line is broken. `at`: false where no line can be named; `or_says`: where it depends on the machine what is
-- used up first; `early`: it does not even compile, or is about declarations, so that no hook can have it; `slow`: a
-- load has seconds for it, a hook has not.
M.KINDS = {
  { "a syntax error", "local x = = 1", says = "unexpected symbol near '='", early = true },
  { "tables in tables in tables", "local t = " .. ("{"):rep(300) .. ("}"):rep(300), says = "nested too deeply",
    early = true, at = false },
  { "half a file", "local t = { 1,", says = "expected", early = true },
  { "a binary chunk", "\27Lua", says = "", early = true, at = false },
  { "a runtime error", "local t; t.x = 1", says = "attempt to index a nil value (local 't')" },
  { "an undefined global", "print(nothing)", says = "undefined global" },
  { "a global that is written", "nothing = 1", says = "undeclared global" },
  { "a library that is written", "table.insert = nil", says = "read-only" },
  { "an endless loop", "while true do end", says = SPENT },
  { "an endless loop in a coroutine", "coroutine.wrap(function() while true do end end)()", says = SPENT, slow = true },
  { "an endless loop under pcall", "while true do pcall(function() while true do end end) end",
    says = SPENT, slow = true },
  { "an endless message handler", "xpcall(error, function() while true do end end)", says = SPENT, slow = true },
  { "an endless loop in a metamethod", "local x = setmetatable({}, { __index = function() while true do end end }).y",
    says = SPENT, slow = true },
  { "a pattern that never ends", [[string.find(("a"):rep(200), ("a*"):rep(40) .. "b")]],
    says = "does not return while loading", early = true }, -- in a hook: see hang_spec.lua
  { "an endless comparison", "table.sort({ 1, 2 }, function() while true do end end)", says = SPENT, slow = true },
  { "strings of nothing, ever so often", "while true do local s = (''):rep(1 << 62) end", says = SPENT, slow = true },
  { "a string without end", "local s = ('x'):rep(1 << 30)", says = "memory" },
  { "a move without end", "table.move({}, 1, 1 << 62, 1)", says = "table.move: more than" },
  { "a memory bomb", "local t = {} while true do t[#t + 1] = ('x'):rep(15 << 20) end",
    says = "memory", or_says = SPENT },
  { "recursion up to the last byte", "local s = ('x'):rep(36 << 20) local function f() return 1 + f() end f() return s",
    says = "memory", or_says = SPENT },
  { "endless recursion", "local function f() return 1 + f() end f()", says = "memory", or_says = SPENT },
  { "endless recursion through C", "local function f() return (('a'):gsub('a', f)) end f()", says = "stack overflow" },
  { "an error that errs", "error(setmetatable({}, { __tostring = function() error 'again' end }))",
    says = "an error whose __tostring fails" },
  { "an error that is nil", "error()", says = "nil" },
  { "a finalizer", "setmetatable({}, { __gc = function() end })", says = "__gc" },
  { "a collection", "collectgarbage()", says = 'only "count"' },
  { "a module that is gone", "require 'gone'", says = "no module" },
  { "an effect", "os.execute 'true'", says = "no os.execute" },
  { "an effect at load", "ward.sleep(1)", says = "only declarations are allowed", early = true },
  { "an invalid declaration", "ward.service { name = 'x', cmd = 'true' }", says = "cmd", early = true },
  { "circular needs", "ward.service { name = 'x', cmd = { 'true' }, needs = { 'x' } }", says = "", early = true,
    at = false },
  { "circular data", "local t = {} t.t = t ward.service { name = 'x', cmd = { 'true' }, env = t }", says = "env",
    early = true },
}

M.HEAD = [[
local ward = require "ward"
ward.service { name = "a", cmd = { "sleep", "1000" } }
]]

--- `text` names the script, and the line where it is broken.
function M.assert_names(kind, script, line, text)
  local said <const> = text:find(kind.says, 1, true) or kind.or_says and text:find(kind.or_says, 1, true)
  assert(said, ("%s: %q is not in %s"):format(kind[1], kind.says, text))
  local place <const> = kind.at == false and script or ("%s:%d:"):format(script, line)
  assert(text:find(place, 1, true), ("%s: %s is not in %s"):format(kind[1], place, text))
end

local function of(slow)
  local kinds <const> = {}
  for _, kind in ipairs(M.KINDS) do kinds[#kinds + 1] = (kind.slow or false) == slow and kind or nil end
  return kinds
end

--- Those that a load ends at once; and those that use up its time. A load at the start of those is
--- tests/core/bind/script_test.c's, with less time.
function M.fast() return of(false) end
function M.slow() return of(true) end

--- None of them takes over from the script that runs.
function M.reloads(kinds)
  local w <const> = harness.start(M.HEAD .. "ward.on('reload', function() print 'another one' end)")
  local pid <const> = w:until_ready "a"
  for _, kind in ipairs(kinds) do
    harness.write(w.script, kind[2]:find "^\27" and kind[2] or M.HEAD .. kind[2])
    local opts <const> = { env = w.env, seconds = 90 }
    local code <const>, out <const>, err <const> = harness.run({ harness.ward, "reload" }, opts)
    assert.equal(1, code, kind[1] .. out .. err)
    M.assert_names(kind, w.script, 3, err)
    assert.equal(pid, w:status("a").pid)
    assert.equal(1, w:rpc("status").generation)
  end
  assert.is_nil(w:output():find("another one", 1, true))
  w:stop()
end

return M
