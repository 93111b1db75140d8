/* core.script: a script that fails in any way costs its caller a sentence, and no more. */
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"

static int count, failures;
static char dir[64]; /* holds ward/script/boot.lua and the script, x.lua */

static void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failures += !good;
}

static const char *
in_dir(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
write_file(const char *name, const char *text, size_t n)
{
	FILE *f = fopen(in_dir(name), "w");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
		abort();
}

/* The least that can stand in for the real one. */
static const char boot[] = "return function(host, path)\n"
			   "  local text, why = host.read(path)\n"
			   "  if not text then error(why, 0) end\n"
			   "  local env = setmetatable({ host = host }, { __index = _G })\n"
			   "  local chunk, bad = load(text, '@x.lua', 't', env)\n"
			   "  if not chunk then error(bad, 0) end\n"
			   "  local bundle, entry = chunk()\n"
			   "  return entry or function() end, bundle\n"
			   "end\n";

/* A state that has of ward only core.script, as its global `script`. */
static lua_State *
new_trusted(struct ward_core *core)
{
	lua_State *L = luaL_newstate();

	if (!L)
		abort();
	core->share = dir;
	core->lua = L;
	*(struct ward_core **)lua_getextraspace(L) = core;
	luaL_openlibs(L);
	lua_newtable(L);
	ward_bind_script(L);
	lua_getfield(L, -1, "script");
	lua_setglobal(L, "script");
	lua_pop(L, 1);
	return L;
}

/* Loads the script at @path under 100 ms and 16 MiB. @expected is a Lua expression over `bundle`, `err`
 * and `path` that must be true then. */
static void
load_path(const char *name, const char *path, const char *expected)
{
	struct ward_core core = { 0 };
	lua_State *L = new_trusted(&core);
	bool good;

	lua_pushstring(L, path);
	lua_setglobal(L, "path");
	if (luaL_dostring(L, "bundle, err = script(path, { cpu = 0.1, memory = 16 << 20 })\n"
			     "if not bundle then err = err or {} end") != LUA_OK)
		printf("# %s\n", lua_tostring(L, -1));
	good = lua_gettop(L) == 0;
	lua_pushfstring(L, "return %s", expected);
	if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK)
		printf("# %s\n", lua_tostring(L, -1));
	good = good && lua_isboolean(L, -1) && lua_toboolean(L, -1);
	if (!good) {
		(void)luaL_dostring(
			L,
			"return err and tostring(err) or '[' .. table.concat(bundle, '|') .. ']'");
		printf("# %s\n", lua_tostring(L, -1));
	}
	ok(good, name);
	lua_close(L);
}

static void
load_bytes(const char *name, const char *script, size_t n, const char *expected)
{
	write_file("x.lua", script, n);
	load_path(name, in_dir("x.lua"), expected);
}

static void
load(const char *name, const char *script, const char *expected)
{
	load_bytes(name, script, strlen(script), expected);
}

#define SAYS(sentence)	   "err.message == [[" sentence "]]"
#define SAYS_PATH(rest)	   "err.message == path .. [[" rest "]]"
#define SAYS_PART(part)	   "err.message:find([[" part "]], 1, true) ~= nil"
#define SAYS_STOPPED(line) SAYS("x.lua:" line ": used its CPU budget of 0.1s while loading")
#define SAYS_FULL	   SAYS("x.lua:1: used its memory limit of 16 MiB while loading")
#define IS_LIST(text)	   "table.concat(bundle, '|') == [[" text "]]"

static void
good_scripts(void)
{
	load("plain data comes back", "return { services = { { cmd = { 'a\\0b', 1, 2.5 } } } }",
	     "bundle.services[1].cmd[1] == 'a\\0b' and "
	     "math.type(bundle.services[1].cmd[2]) == 'integer'");
	load("a script has the libraries that act on nothing",
	     "return { string.rep('a', 3), math.max(1, 2), utf8.char(65), table.concat({ 1, 2 }),\n"
	     "type(os.time()), os.getenv('WARD_TEST') }",
	     IS_LIST("aaa|2|A|12|number|yes"));
	load("and none of those that do",
	     "return { io, debug, package, require, dofile, loadfile, os.execute, os.exit, "
	     "os.remove,\n"
	     "os.rename, os.tmpname, os.setlocale }",
	     "next(bundle) == nil");
	load("coroutines are as in plain Lua",
	     "local out = {}\n"
	     "local co = coroutine.wrap(function(a) return coroutine.yield(a + 1) * 2 end)\n"
	     "out[1], out[2] = co(1), co(5)\n"
	     "out[3] = select(2, pcall(co)):match('cannot resume dead coroutine')\n"
	     "co = coroutine.create(function() error('e', 0) end)\n"
	     "out[4], out[5] = coroutine.resume(co)\n"
	     "out[6] = coroutine.status(co)\n"
	     "local m = { __close = function() out[9] = 'closed' end }\n"
	     "co = coroutine.create(function() local c <close> = setmetatable({}, m)\n"
	     "  coroutine.yield() end)\n"
	     "coroutine.resume(co)\n"
	     "out[7], out[8] = coroutine.close(co), coroutine.status(co)\n"
	     "out[10] = select(2, pcall(coroutine.wrap(function() error('w') end)))\n"
	     "out[11] = select(2, pcall(coroutine.close, coroutine.running()))\n"
	     "out[12] = select(2, pcall(coroutine.resume, 1)):match('#1 to .*%((.*)%)')\n"
	     "for i = 1, 12 do out[i] = tostring(out[i]) end\n"
	     "return out",
	     IS_LIST("2|10|cannot resume dead coroutine|false|e|dead|true|dead|closed|x.lua:13: w|"
		     "cannot close a running coroutine|"
		     "coroutine expected, got number"));
	load("protected calls and metatables are as in plain Lua",
	     "local out = {}\n"
	     "out[1], out[2] = xpcall(function() error('m', 0) end, function(m) return m .. '!' "
	     "end)\n"
	     "out[3], out[4] = xpcall(select, print, '#', nil, nil)\n"
	     "local co = coroutine.wrap(function() return xpcall(coroutine.yield, print, 7) end)\n"
	     "out[5] = co()\n"
	     "out[6], out[7] = co('back')\n"
	     "out[8] = getmetatable(setmetatable({}, { __name = 'n' })).__name\n"
	     "out[9] = select(2, pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}))\n"
	     "out[10] = getmetatable(setmetatable(setmetatable({}, {}), nil))\n"
	     "for i = 1, 10 do out[i] = tostring(out[i]) end\n"
	     "return out",
	     IS_LIST("false|m!|true|2|7|true|back|n|cannot change a protected metatable|nil"));
}

static void
bad_scripts(void)
{
	load("a syntax error", "return {\n  1 1 }",
	     SAYS("x.lua:2: '}' expected (to close '{' at line 1) near '1'"));
	load("a runtime error", "local t\n\nreturn t.x",
	     SAYS("x.lua:3: attempt to index a nil value (local 't')"));
	load("an error that is a table", "error({ 1 })",
	     SAYS_PATH(": raised a table value as its "
		       "error (a string says what is "
		       "wrong)"));
	load("an error that is nil", "error()", SAYS_PART(": raised a nil value"));
	load("an error whose __tostring never ends",
	     "error(setmetatable({}, { __tostring = function() while true do end end }))",
	     SAYS_PART(": raised a table value"));
	load("a long error", "error(('x'):rep(100000), 0)", "#err.message == 4095");
	load("a function in what comes out", "return { services = { { on_exit = print } } }",
	     SAYS_PATH(": services[1].on_exit: a function cannot leave the script (plain data "
		       "only)"));
	load("a finalizer", "setmetatable({}, { __gc = function() end })",
	     SAYS("x.lua:1: a script cannot have finalizers (__gc); use <close>"));
	load("endless recursion", "local function f() return 1 + f() end return f()", SAYS_FULL);
	load("endless recursion over coroutines",
	     "local function f() return coroutine.wrap(f)() end return f()",
	     SAYS_PART("C stack overflow"));
	load_bytes("a binary chunk", "\033LuaT\0", 6, SAYS_PART("attempt to load a binary chunk"));
	load("a binary chunk in the script",
	     "return { select(2, load(string.dump(function() end), 'b', 'b')) }",
	     "bundle[1]:find('attempt to load a binary chunk', 1, true) ~= nil");
}

static void
endless_scripts(void)
{
	load("a budget that is not used up stops nothing",
	     "local n = 0 for i = 1, 100000 do n = n + i end return { n }", IS_LIST("5000050000"));
	load("an endless loop", "\nwhile true do end", SAYS_STOPPED("2"));
	load("the error has a code", "while true do end", "err.code == 'budget'");
	load("an endless loop of protected calls",
	     "while true do pcall(function() while true do end end) end", SAYS_STOPPED("1"));
	load("a loop in a message handler after a loop",
	     "xpcall(function() while true do end end, function() while true do end end)",
	     SAYS_STOPPED("1"));
	load("a loop in a message handler", "xpcall(error, function() while true do end end)",
	     SAYS_STOPPED("1"));
	load("a loop in a coroutine",
	     "local co = coroutine.create(function()\nwhile true do end end)\n"
	     "while true do coroutine.resume(co) end",
	     SAYS_STOPPED("2"));
	load("a loop in a coroutine of a coroutine",
	     "while true do pcall(coroutine.wrap(function() coroutine.wrap(function()\n"
	     "pcall(function() while true do end end) end)() end)) end",
	     SAYS_STOPPED("2"));
	load("one short coroutine after the other",
	     "while true do coroutine.wrap(function() coroutine.yield() end)() end",
	     SAYS_STOPPED("1"));
	load("a loop beside a suspended coroutine",
	     "local co = coroutine.wrap(function() while true do coroutine.yield() end end)\n"
	     "co() while true do end",
	     SAYS_STOPPED("2"));
	load("a __close in a coroutine that the budget ended",
	     "local m = { __close = function() while true do end end }\n"
	     "coroutine.wrap(function() local x <close> = setmetatable({}, m) while true do end "
	     "end)()",
	     SAYS_STOPPED("2"));
	load("a __close in a protected call that the budget ended",
	     "local m = { __close = function() while true do end end }\n"
	     "pcall(function() local x <close> = setmetatable({}, m) while true do end end)",
	     SAYS_STOPPED("2"));
	load("a loop in a coroutine that is being closed",
	     "local m = { __close = function() while true do end end }\n"
	     "local co = coroutine.create(function() local x <close> = setmetatable({}, m)\n"
	     "  coroutine.yield() end)\n"
	     "coroutine.resume(co) coroutine.close(co)",
	     SAYS_STOPPED("1"));
	load("a comparison that never ends",
	     "table.sort({ 1, 2 }, function()\nwhile true do end end)", SAYS_STOPPED("2"));
}

/* Time goes by inside of one call of a library function. */
static void
stretched_calls(void)
{
	load("string.rep of nothing",
	     "return { ('').rep('', math.maxinteger), ('x'):rep(2, '') , ('').rep('', 3, ','),\n"
	     "  ('x'):rep(-1), select(2, pcall(string.rep)):match('#1') }",
	     IS_LIST("|xx|,,||#1"));
	load("table.move of nothing", "table.move({}, 1, math.maxinteger - 1, 1)",
	     SAYS("x.lua:1: table.move: more than 8388608 elements"));
	load("table.move over all integers",
	     "return { (select(2, pcall(table.move, {}, math.mininteger, math.maxinteger, 1))),\n"
	     "  table.concat(table.move({ 1, 2, 3 }, 2, 3, 1)), #table.move({ 1, 2 }, 1, 0, 3) }",
	     IS_LIST("table.move: more than 8388608 elements|233|2"));
	load("table.insert into a table of few elements that are far apart",
	     "local text = 'return {'\n"
	     "for i = 0, 62 do text = text .. ('[%d]=1,'):format(1 << i) end\n"
	     "table.insert(load(text .. '}')(), 1, 0)",
	     SAYS("x.lua:3: the table is a list of more than 8388608 elements"));
	load("table.remove where __len says much",
	     "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
	     SAYS("x.lua:1: the table is a list of more than 8388608 elements"));
	load("what table.insert and table.remove are for",
	     "local t = { 'a' } table.insert(t, 'c') table.insert(t, 2, 'b')\n"
	     "local function wrong() table.insert(1) end\n"
	     "return { table.remove(t, 1), table.concat(t), tostring(table.remove({})),\n"
	     "  select(2, pcall(table.insert, t, 1, 2, 3)), select(2, pcall(wrong)) }",
	     IS_LIST("a|bc|nil|wrong number of arguments to 'insert'|"
		     "x.lua:2: bad argument #1 to 'insert' (table expected, got number)"));
	load("table.sort of long strings",
	     "local a, b, t = ('x'):rep(2000000) .. 'a', ('x'):rep(2000000) .. 'b', {}\n"
	     "for i = 1, 100000 do t[i] = i % 2 == 0 and a or b end\ntable.sort(t)",
	     SAYS_STOPPED("3"));
	load("table.sort with a comparison in C",
	     "local t = {} for i = 1, 200000 do t[i] = i end\n"
	     "for i = 1, 100 do\npcall(table.sort, t, rawequal) end return t",
	     SAYS_PART("x.lua:3: used its CPU budget"));
	load("table.sort",
	     "local t = { 3, 1, 2 } table.sort(t)\n"
	     "t[4] = select(2, pcall(table.sort, { 1, 'x' })):match('attempt to compare') return t",
	     IS_LIST("1|2|3|attempt to compare"));
	load("table.concat of what a C function gives",
	     "table.concat(setmetatable({}, { __index = table.concat }), '', 1, math.maxinteger)",
	     SAYS_STOPPED("1"));
	load("table.unpack of much", "table.unpack({}, 1, 1 << 30)",
	     SAYS_PART("too many results to unpack"));
	load("string.format of much",
	     "return { ('%s'):format(('x'):rep(1 << 11):rep(1 << 12)):rep(2) }", SAYS_FULL);
	load("string.format of wide fields",
	     "return { select(2, pcall(string.format, '%999d', 1)):match('invalid conversion') }",
	     IS_LIST("invalid conversion"));
	load("load from a C function without end", "return { load(os.time) == nil }",
	     "bundle and bundle[1] or err.code == 'budget'");
}

static void
hungry_scripts(void)
{
	load("a table without end", "local t = {} while true do t[#t + 1] = 0 end", SAYS_FULL);
	load("a long string", "return { ('x'):rep(1 << 30) }", SAYS_FULL);
	load("the error has a code", "return { ('x'):rep(1 << 30) }", "err.code == 'memory'");
	load("memory errors that the script catches",
	     "for _ = 1, 100 do pcall(string.rep, 'x', 1 << 30) end return { 'fine' }",
	     IS_LIST("fine"));
	load("memory errors that it catches for ever",
	     "local t = {}\n"
	     "while true do pcall(function() while true do t[#t + 1] = {} end end) end",
	     "err.code == 'budget'");
}

/* What fills the memory to its last byte, and keeps it, can be entered once more to be ended. */
static void
full_scripts(void)
{
	load("an entry after one that met the cap",
	     "local kept\n"
	     "return {}, function(what)\n"
	     "  if what == 'fill' then while true do kept = { kept } end end\n"
	     "  local copy = { what, { what .. '!' } }\n"
	     "  kept = nil\n"
	     "  return copy[2][1]\n"
	     "end",
	     "(function()\n"
	     "  local out = {}\n"
	     "  for i, what in ipairs { 'fill', 'end', 'fill', 'end', 'again' } do\n"
	     "    local ok, second = err:enter(10, what)\n"
	     "    out[i] = ok and second or second.code\n"
	     "  end\n"
	     "  return table.concat(out, ' ') == 'memory end! memory end! again!'\n"
	     "end)()");
}

static void
host_functions(void)
{
	if (mkfifo(in_dir("fifo"), 0600) < 0)
		abort();
	load("users and groups",
	     "return { host.user('root').uid, host.user(0).name, host.group('root').gid,\n"
	     "host.group(0).name, host.groups('root', 0)[1], tostring(host.user('no such user')),\n"
	     "tostring(host.user('root\\0x')), select(2, pcall(host.user, -1)):match('%(.*') }",
	     IS_LIST("0|root|0|root|0|nil|nil|(not a user or group id)"));
	load("places",
	     "return { host.environ().WARD_TEST, host.realpath('/../'), host.cwd():sub(1, 1),\n"
	     "host.share, select(2, host.realpath('/none')) }",
	     "table.concat(bundle, '|') == 'yes|/|/|' .. path:match('(.*)/') .. "
	     "'|cannot resolve /none: No such file or directory|2|ENOENT'");
	load("the line of a call",
	     "local f = host.located(function(at, ...) return at, ... end)\n"
	     "local function tail()\n"
	     "  return f(1, nil)\n"
	     "end\n"
	     "local out = { tail() }\n"
	     "out[2] = select(2,\n"
	     "  pcall(f))\n"
	     "out[3] = '[' .. coroutine.wrap(f)() .. ']'\n"
	     "out[4] = host.version ~= ''\n"
	     "return { out[1], out[2], out[3], tostring(out[4]) }",
	     IS_LIST("x.lua:3|x.lua:7|[]|true"));
	load("a file that has no size", "return { #host.read('/proc/self/stat') }",
	     "bundle[1] > 20");
	load("what cannot be read",
	     "local out = {}\n"
	     "for i, f in ipairs({ '/', '/none', '/dev/zero', '/etc\\0/x' }) do\n"
	     "  out[i] = select(2, host.read(f))\n"
	     "end\n"
	     "return out",
	     IS_LIST("cannot read /: Is a directory|cannot read /none: No such file or directory|"
		     "cannot read /dev/zero: not a regular file|"
		     "cannot read /etc: a NUL in the file name"));
	load_path("a FIFO that nobody writes", in_dir("fifo"),
		  "err.message == 'cannot read ' .. path .. ': not a regular file'");
	load_path("no script at all", in_dir("none.lua"),
		  "err.message == 'cannot read ' .. path .. ': No such file or directory'");
}

/* A load leaves no descriptor behind, and its budget works also where ward was started with every signal
 * blocked. */
static void
leaves_nothing(void)
{
	sigset_t all, old;
	int fd = dup(0), again;

	(void)close(fd);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	load("an endless loop under a mask that was inherited", "while true do end",
	     SAYS_STOPPED("1"));
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	again = dup(0);
	(void)close(again);
	ok(again == fd, "no descriptor is left");
}

/* Evaluates @code, which has `script` and the path of a script that returns @text. */
static void
apart(const char *name, const char *text, const char *code)
{
	struct ward_core core = { 0 };
	lua_State *L = new_trusted(&core);

	write_file("x.lua", text, strlen(text));
	lua_pushstring(L, in_dir("x.lua"));
	lua_setglobal(L, "path");
	if (luaL_dostring(L, code) != LUA_OK)
		printf("# %s\n", lua_tostring(L, -1));
	ok(lua_gettop(L) == 1 && lua_toboolean(L, 1), name);
	lua_close(L);
}

#define APART "local bundle, s = script(path, { apart = true }) "

static void
in_parts(void)
{
	static const char three[] =
		"return { path = 'x', services = { { name = 'a', cmd = { 'x' } },"
		" { name = 'b' }, { name = 'c', n = 1 } }, tree = { children = {} } }";

	apart("services come in parts, and those that are known as what is known", three,
	      APART
	      "local known = { a = { name = 'a', cmd = { 'x' } }, b = { name = 'b', n = 1 }, c = 1 "
	      "}"
	      "local l, more = s:services(1, 2, known), s:services(3, 9) "
	      "return bundle.path == 'x' and not bundle.services and not bundle.tree and #l == 2"
	      " and l[1] == known.a and l[2] ~= known.b and l[2].n == nil and #more == 1"
	      " and more[1].n == 1 and #s:services(4, 9, known) == 0");
	apart("a service that has only moved is what is known",
	      "return { services = { { name = 'a', source = 'x:2', t = { source = 1 } }, { name = "
	      "'b', source = 'x:3' },"
	      " { name = 'c', source = 'x:4', t = { source = 2 } } } }",
	      APART "local known = { a = { name = 'a', source = 'x:1', t = { source = 1 } },"
		    " b = { name = 'b', source = 'x:3' }, c = { name = 'c', source = 'x:1', t = { "
		    "source = 1 } } }"
		    "local l, moved = s:services(1, 9, known)"
		    "return l[1] == known.a and l[2] == known.b and l[3].t.source == 2 and "
		    "known.a.source == 'x:1'"
		    " and moved[1] == 'x:2' and moved[2] == nil and moved[3] == nil");
	apart("the tree comes by itself", three,
	      APART "local known = { children = {} } return s:tree(known) == known and "
		    "s:tree().children");
	apart("what is left of the bundle goes with the first entry", three,
	      APART "s:enter(1) local good, err = pcall(s.services, s, 1, 1)"
		    "return not good and err:find('the bundle is gone')");
	apart("a service that cannot come over is named",
	      "return { services = { { name = 'a' }, { name = 'b', x = { print } } }, tree = print "
	      "}",
	      APART
	      "local l, err = s:services(1, 2) local t, bad = s:tree() "
	      "return not l and err.message:find('services[2]: x[1]: a function', 1, true)"
	      " and not t and bad.message:find('tree: the value', 1, true) and s:services(1, 1)");
	apart("the limits are those of all parts together",
	      "local big = {} for i = 1, 100000 do big[i] = i end local l = {}"
	      "for i = 1, 9 do l[i] = { name = 's' .. i, big } end return { services = l }",
	      APART
	      "local l, err for i = 1, 9 do l, err = s:services(i, i) if not l then break end end "
	      "return not l and err.message:find('more than 1000000 values', 1, true)");
}

static void
no_library(void)
{
	(void)unlink(in_dir("ward/script/boot.lua"));
	load("no boot.lua", "return {}", SAYS_PART("ward/script/boot.lua"));
}

int
main(void)
{
	static const char *const made[] = { "x.lua", "fifo", "ward/script", "ward", "" };

	(void)snprintf(dir, sizeof(dir), "%s", "/tmp/ward-script-test-XXXXXX");
	if (!mkdtemp(dir) || setenv("WARD_TEST", "yes", 1) < 0)
		abort();
	(void)mkdir(in_dir("ward"), 0700);
	(void)mkdir(in_dir("ward/script"), 0700);
	write_file("ward/script/boot.lua", boot, sizeof(boot) - 1);
	good_scripts();
	bad_scripts();
	endless_scripts();
	stretched_calls();
	hungry_scripts();
	full_scripts();
	host_functions();
	leaves_nothing();
	in_parts();
	no_library();
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		(void)remove(in_dir(made[i]));
	printf("1..%d\n", count);
	return failures != 0;
}
