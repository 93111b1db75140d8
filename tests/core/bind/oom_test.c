/* A script's state that runs out of memory at any of its allocations: while it loads, while plain data passes, and in
 * everything it is entered for. The one that asked hears of it, what belongs to others is as before, and a script whose
 * memory is back goes on.
 *
 *	oom_test [STEP]		from the top of the tree; of a load every STEPth allocation fails (1: each of them) */
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/bind.h"
#include "tests/core/tap.h"

/* Allocations from @first to @last fail, counted from 1. Lua tries each one again after a collection. */
static struct faults {
	long count, first, last;
} faults;

static bool
refuses(void *arg)
{
	struct faults *f = arg;

	f->count++;
	return f->count >= f->first && f->count <= f->last;
}

/* faults(first, last) -> allocations since the last call; none fails when nothing is given */
static int
set_faults(lua_State *L)
{
	lua_pushinteger(L, faults.count);
	faults = (struct faults){
		.first = (long)luaL_optinteger(L, 1, 0),
		.last = (long)luaL_optinteger(L, 2, -1),
	};
	return 1;
}

/* check(good, name) */
static int
check(lua_State *L)
{
	ok(lua_toboolean(L, 1), "%s", luaL_checkstring(L, 2));
	return 0;
}

static const char script_text[] =
	"local ward = require 'ward'\n"
	"local box = ward.keep('box', { n = 1 }, { migrate = function(old) return { n = old.n + 1 "
	"} "
	"end })\n"
	"local function work(...)\n"
	"  local held <close> = setmetatable({ ... }, { __close = function() end })\n"
	"  local co = coroutine.wrap(function(a) coroutine.yield(a .. 'x') end)\n"
	"  local text = ('%s'):format(co('y')):rep(20)\n"
	"  box.n, box.list = box.n + 1, { text, { text } }\n"
	"  print(text, pcall(error, { text }), select('#', ...))\n"
	"  ward.sleep('1h')\n"
	"end\n"
	"ward.every('1h', work)\n"
	"for _ = 1, 10 do ward.after(0, work) end\n"
	"ward.on('ready', function(event) box.last = event end)\n"
	"ward.service { name = 'a', cmd = { 'true' }, on_start = work, on_ready = work, on_stop = "
	"work,\n"
	"  on_fail = work, on_exit = function(self, exit) box.exit = exit return nil end,\n"
	"  restart = function(exit, history) return exit.code + #history end }\n";

/* How a fault of each kind goes on from the nth allocation: Lua's second try succeeds; it fails, too; all fail. */
static const char driver[] =
	"local path, step = ...\n"
	"local KINDS = { { 'one allocation', 0 }, { 'it and its second try', 1 }, { 'all from it', "
	"1 << "
	"40 } }\n"
	"local exit = { ok = false, kind = 'exited', code = 3, pid = 7, uptime = 1.5, rusage = {} "
	"}\n"
	"local kept = { box = { n = 5, more = { 'a', { 'b' } } } }\n"
	"local requests\n"
	"local function serve(op) requests[op] = (requests[op] or 0) + 1 return true end\n"
	"local function open()\n"
	"  local bundle, generation = script(path)\n"
	"  if not bundle then return nil, generation end\n"
	"  generation:serve(serve)\n"
	/* Each generation numbers its functions in its own way. */
	"  return generation, nil, bundle.services[1].calls\n"
	"end\n"
	"requests = {}\n"
	"local old, why, old_calls = open()\n"
	"check(old, 'the script loads: ' .. tostring(why))\n"
	"check(old:enter(1, 'start', kept), 'it starts')\n"
	/* What an older generation has is another one's, whatever happens to a new one. */
	"local function untouched()\n"
	"  requests = {}\n"
	"  local done = old:enter(1, 'ask', 1, 'a', exit, old_calls.on_exit, old_calls.restart, "
	"{})\n"
	"  for _ = 1, 20 do old:enter(1) end\n"
	"  return done and requests.answer == 1\n"
	"end\n"
	"local function told(err)\n"
	"  return type(err) == 'table' and type(err.message) == 'string' and #err.message > 0\n"
	"end\n"
	"faults()\n"
	"assert(open()):close()\n"
	"local total = faults()\n"
	"for _, kind in ipairs(KINDS) do\n"
	"  local failed, loaded, silent, at = 0, 0, nil, 1\n"
	"  while at <= total do\n"
	"    faults(at, at + kind[2])\n"
	"    local generation, err = open()\n"
	"    faults()\n"
	"    if generation then generation:close() loaded = loaded + 1 else failed = failed + 1 "
	"end\n"
	"    if not generation and not told(err) then silent = silent or at end\n"
	"    at = at + (at < 60 and 1 or step)\n"
	"  end\n"
	"  check(not silent, ('load, %s: %d told, %d loaded all the same'):format(kind[1], failed, "
	"loaded))\n"
	"  check(untouched(), 'load: the version before is as it was')\n"
	"end\n"
	/* What a reload takes over piece by piece: new, and beside what is known. */
	"local function parts(generation, known)\n"
	"  local calls = { { generation.services, 1, 64, known }, { generation.tree, known and "
	"known.tree } }\n"
	"  local failed, silent = false, false\n"
	"  for _, call in ipairs(calls) do\n"
	"    local fine, got, err = pcall(call[1], generation, table.unpack(call, 2, 4))\n"
	"    failed = failed or not fine or not got\n"
	"    silent = silent or fine and not got and not told(err) or not fine and not told({ "
	"message = got })\n"
	"  end\n"
	"  return failed, silent\n"
	"end\n"
	"for _, kind in ipairs(KINDS) do\n"
	"  local _, generation = assert(script(path, { apart = true }))\n"
	"  local known = { a = generation:services(1, 1)[1], tree = generation:tree() }\n"
	"  for what, before in pairs { new = false, known = known } do\n"
	"    local at, failed, silent = 0, 0, nil\n"
	"    repeat\n"
	"      at = at + 1\n"
	"      faults(at, at + kind[2])\n"
	"      local lost, quiet = parts(generation, before or nil)\n"
	"      failed = failed + (lost and 1 or 0)\n"
	"      silent = silent or quiet and at\n"
	"    until faults() < at\n"
	"    check(not silent, ('parts, %s, %s: of %d allocations, %d told'):format(what, kind[1], "
	"at - 1, failed))\n"
	"    check(not parts(generation, before or nil), ('parts, %s: there when memory is "
	"back'):format(what))\n"
	"    check(#generation:services(1, 64) == 1 and generation:services(1, 1, known)[1] == "
	"known.a\n"
	"      and generation:tree(known.tree) == known.tree, 'they are as they were')\n"
	"  end\n"
	"  generation:close()\n"
	"  check(untouched(), 'parts: the version before is as it was')\n"
	"end\n"
	"local ENTRIES = {\n"
	"  'carry', 'start', 'on_start', 'on_ready', 'on_exit', 'on_stop', 'on_fail', 'ask', "
	"'event', "
	"'run', 'stop' }\n"
	"local function arguments(op, calls)\n"
	"  if op == 'carry' or op == 'start' then return op, kept end\n"
	"  if op == 'ask' then return op, 1, 'a', exit, calls.on_exit, calls.restart, { exit } "
	"end\n"
	"  if op == 'run' then return end\n"
	"  if op == 'event' then return op, { event = 'ready', name = 'a', at = 1 } end\n"
	"  if op:find '^on_' then return 'hook', calls[op], 'a', exit end\n"
	"  return op\n"
	"end\n"
	"local FRESH = { carry = true, start = true, stop = true }\n"
	"local function ready_for(op)\n"
	"  local generation, _, calls = assert(open())\n"
	"  if op ~= 'carry' and op ~= 'start' then assert(generation:enter(1, 'start', kept)) end\n"
	"  return generation, calls\n"
	"end\n"
	/* Two entries may fail before a script is given up: the second is what tells it of the first. */
	"local function recovers(generation, calls, err)\n"
	"  if not generation:enter(1, 'cut_off', err.message) then return false end\n"
	"  for _ = 1, 30 do\n"
	"    if not generation:enter(1) then return false end\n"
	"  end\n"
	"  requests = {}\n"
	"  generation:enter(1, 'ask', 2, 'a', exit, calls.on_exit, calls.restart, {})\n"
	"  for _ = 1, 20 do generation:enter(1) end\n"
	"  return requests.answer == 1\n"
	"end\n"
	"for _, op in ipairs(ENTRIES) do\n"
	"  for _, kind in ipairs(KINDS) do\n"
	"    local generation, calls = ready_for(op)\n"
	"    local at, failed, lost, silent = 1, 0, nil, nil\n"
	"    while true do\n"
	"      requests = {}\n"
	"      faults(at, at + kind[2])\n"
	"      local done, err = generation:enter(1, arguments(op, calls))\n"
	"      local count = faults()\n"
	"      if not done then\n"
	"        failed = failed + 1\n"
	"        if not told(err) then silent = silent or at end\n"
	"        if not FRESH[op] and not recovers(generation, calls, err) then lost = lost or at "
	"end\n"
	"      end\n"
	"      if count < at then break end\n"
	"      if FRESH[op] or at % 50 == 0 then\n"
	"        generation:close()\n"
	"        generation, calls = ready_for(op)\n"
	"      end\n"
	"      at = at + (FRESH[op] and math.max(1, step // 100) or 1)\n"
	"    end\n"
	"    generation:close()\n"
	"    check(not silent, ('%s, %s: of %d allocations, %d told'):format(op, kind[1], at - 1, "
	"failed))\n"
	"    check(not lost, ('%s, %s: it goes on when memory is back%s'):format(op, kind[1],\n"
	"      lost and ', but not after ' .. lost or ''))\n"
	"  end\n"
	"  check(untouched(), op .. ': another version is as it was')\n"
	"end\n"
	"old:close()\n";

static lua_State *
new_trusted(struct ward_core *core)
{
	static const luaL_Reg functions[] = {
		{ "faults", set_faults },
		{ "check", check },
		{ NULL, NULL },
	};
	lua_State *L = luaL_newstate();

	if (!L)
		abort();
	core->lua = L;
	*(struct ward_core **)lua_getextraspace(L) = core;
	luaL_openlibs(L);
	lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	ward_bind_script(L);
	lua_settop(L, 0);
	return L;
}

int
main(int argc, char **argv)
{
	struct ward_core core = { .share = "lua", .refuses = refuses, .refuses_arg = &faults };
	char path[] = "/tmp/ward-oom-test-XXXXXX";
	int fd = mkstemp(path);
	ssize_t n = (ssize_t)strlen(script_text);
	lua_State *L;

	if (fd < 0 || write(fd, script_text, (size_t)n) != n || close(fd) < 0)
		abort();
	L = new_trusted(&core);
	if (luaL_loadstring(L, driver) != LUA_OK)
		abort();
	lua_pushstring(L, path);
	lua_pushinteger(L, argc > 1 ? atoi(argv[1]) : 499);
	if (lua_pcall(L, 2, 0, 0) != LUA_OK)
		ok(false, "%s", lua_tostring(L, -1));
	is_int(lua_gettop(L), 0, "the stack is empty");
	lua_close(L);
	(void)unlink(path);
	return done_testing();
}
