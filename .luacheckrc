-- House rules for luacheck: Lua 5.4 only, no globals of our own.
std = "lua54"
max_line_length = 120
files["tests/**/*_spec.lua"] = { std = "lua54+busted" }
files["scripts/test-*.lua"] = { std = "lua54+busted" } -- they show users how to test a script
-- Definitions for editors: functions without a body, of tables that nobody reads.
files["lua/ward/meta"] = { ignore = { "212", "241" } }
