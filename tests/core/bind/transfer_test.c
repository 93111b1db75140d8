/* ward_transfer: what passes between two Lua states, what does not, and what happens when memory
 * runs out on either side. */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"

static int count, failures;

static void
ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failures += !good;
}

/* An allocator: after @left more it lets nothing grow; negative: no limit. */
struct memory {
	long left;
};

static void *
alloc(void *arg, void *block, size_t old, size_t size)
{
	struct memory *m = arg;

	if (size == 0) {
		free(block);
		return NULL;
	}
	if (!block || size > old) {
		if (m->left == 0)
			return NULL;
		if (m->left > 0)
			m->left--;
	}
	return realloc(block, size);
}

static lua_State *
new_state(struct memory *m)
{
	lua_State *L;

	m->left = -1;
	L = lua_newstate(alloc, m);
	if (!L)
		abort();
	luaL_openlibs(L);
	return L;
}

/* Pushes the one result of @code. */
static void
push_result(lua_State *L, const char *code)
{
	if (luaL_loadstring(L, code) != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
}

static const char same[] =
	"local function same(a, b)"
	"  if math.type(a) ~= math.type(b) then return false end"
	"  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b or (a ~= a and b ~= b) "
	"end"
	"  for k, v in pairs(a) do if not same(v, b[k]) then return false end end"
	"  for k in pairs(b) do if a[k] == nil then return false end end"
	"  return true "
	"end "
	"return same";

/* The result of @code arrives equal. */
static void
passes(const char *name, const char *code)
{
	struct memory ma, mb;
	lua_State *from = new_state(&ma), *to = new_state(&mb);
	struct ward_err err = { 0 };
	bool good;

	push_result(from, code);
	push_result(to, same);
	good = ward_transfer(from, -1, 1, to, &err) == 0 && lua_gettop(from) == 1 &&
	       lua_gettop(to) == 2;
	if (good) {
		push_result(to, code);
		good = lua_pcall(to, 2, 1, 0) == LUA_OK && lua_toboolean(to, -1);
	} else {
		printf("# %s\n", err.detail);
	}
	ok(good, name);
	lua_close(from);
	lua_close(to);
}

/* The result of @code is refused with exactly this sentence. */
static void
refused(const char *name, const char *code, const char *sentence)
{
	struct memory ma, mb;
	lua_State *from = new_state(&ma), *to = new_state(&mb);
	struct ward_err err = { 0 };
	int r;

	push_result(from, code);
	r = ward_transfer(from, 1, 1, to, &err);
	if (strcmp(err.detail, sentence) != 0)
		printf("# %s\n", err.detail);
	ok(r == -EINVAL && lua_gettop(from) == 1 && lua_gettop(to) == 0 &&
		   strcmp(err.detail, sentence) == 0,
	   name);
	lua_close(from);
	lua_close(to);
}

#define NESTED "local t = { 1 } for _ = 1, 60 do t = { t, k = { 'v', 2.5 } } end return t"

/* Lets @limited, one of the two states, have 0, 1, 2, ... more allocations until that is enough. */
static void
runs_out(const char *name, bool destination, long at_least)
{
	struct memory ma, mb;
	lua_State *from = new_state(&ma), *to = new_state(&mb);
	struct memory *limited = destination ? &mb : &ma;
	struct ward_err err;
	bool good = true;
	int r = -1;
	long n;

	push_result(from, NESTED);
	for (n = 0; r < 0 && n < 100000; n++) {
		lua_gc(from, LUA_GCCOLLECT); /* shrinks the stacks too */
		lua_gc(to, LUA_GCCOLLECT);
		limited->left = n;
		r = ward_transfer(from, 1, 1, to, &err);
		limited->left = -1;
		good = good && lua_gettop(from) == 1 && lua_gettop(to) == (r == 0);
		good = good && (r == 0 || strstr(err.detail, "out of memory"));
	}
	printf("# %ld allocations\n", n - 1);
	ok(good && r == 0 && n > at_least, name);
	lua_close(from);
	lua_close(to);
}

/* Several at once arrive in their order, or none of them. */
static void
several(void)
{
	struct memory ma, mb;
	lua_State *from = new_state(&ma), *to = new_state(&mb);
	struct ward_err err = { 0 };

	lua_pushinteger(from, 7);
	lua_pushnil(from);
	lua_pushliteral(from, "x");
	lua_pushboolean(from, 1);
	ok(ward_transfer(from, 1, 4, to, &err) == 0 && lua_gettop(to) == 4 &&
		   lua_tointeger(to, 1) == 7 && lua_isnil(to, 2) &&
		   strcmp(lua_tostring(to, 3), "x") == 0 && lua_toboolean(to, 4) &&
		   ward_transfer(from, 1, 2, to, &err) == 0 && lua_gettop(to) == 6 &&
		   ward_transfer(from, 1, 0, to, &err) == 0 && lua_gettop(to) == 6,
	   "several values arrive in their order");
	push_result(from, "return print");
	ok(ward_transfer(from, 1, 5, to, &err) == -EINVAL && lua_gettop(from) == 5 &&
		   lua_gettop(to) == 6,
	   "none arrives when one is refused");
	lua_close(from);
	lua_close(to);
}

/* Whether what @a and @b return is found to be the same, with the stacks as before. */
static void
alike(bool expected, const char *a, const char *b)
{
	struct memory ma, mb;
	lua_State *from = new_state(&ma), *to = new_state(&mb);

	push_result(from, a);
	push_result(to, b);
	if (ward_transfer_same(from, -1, to, -1, NULL) != expected || lua_gettop(from) != 1 ||
	    lua_gettop(to) != 1) {
		printf("# %s and %s\n", a, b);
		failures++;
	}
	lua_close(from);
	lua_close(to);
}

static void
comparisons(void)
{
	int before = failures;

	alike(true, "return nil", "return nil");
	alike(true, "return { 1, 2.5, 'x', true, { a = {} } }",
	      "return { 1, 2.5, 'x', true, { a = {} } }");
	alike(true, "return { [true] = 1, [2] = 2, [2.5] = 3, x = ('y'):rep(100) }",
	      "return { [true] = 1, [2] = 2, [2.5] = 3, x = ('y'):rep(100) }");
	alike(false, "return 1", "return 1.0");
	alike(false, "return 0/0", "return 0/0");
	alike(false, "return '1'", "return 1");
	alike(false, "return 'a\\0b'", "return 'a\\0c'");
	alike(false, "return {}", "return { 1 }");
	alike(false, "return { 1 }", "return {}");
	alike(false, "return { a = { b = { 1 } } }", "return { a = { b = { 2 } } }");
	alike(false, "return { a = { 1, x = 1 } }", "return { a = { 1 } }");
	alike(false, "return setmetatable({}, {})", "return {}");
	alike(false, "return { [print] = 1 }", "return { x = 1 }");
	alike(false, "return { print }", "return { 1 }");
	alike(false, "local t = {} t.t = t return t", "return { t = { t = { t = {} } } }");
	printf("%sok %d - what is the same on both sides\n", failures > before ? "not " : "",
	       ++count);
}

#define TEN "d.d.d.d.d.d.d.d.d.d."

int
main(void)
{
	comparisons();
	passes("nil", "return nil");
	passes("booleans", "return { true, false, [true] = false }");
	passes("integers and floats stay what they are",
	       "return { 1, 1.0, -0.0, 1 / 0, 0 / 0, math.mininteger, [2.5] = 2 ^ 53, [-1] = 0 }");
	passes("strings of any bytes", "return { 'a\\0b', ['\\0'] = '\\xff\\r\\n', '' }");
	passes("a list with holes", "return { 1, nil, 3, nil, nil, 6 }");
	passes("a string of digits is no number", "return { ['1'] = '1', [1] = 1 }");
	passes("a table that occurs twice", "local t = { 1 } return { t, t, { t } }");
	passes("64 levels", "local t = {} for _ = 1, 63 do t = { t } end return t");
	passes("a long list", "local t = {} for i = 1, 400000 do t[i] = i end return t");
	refused("65 levels", "local t = {} for _ = 1, 64 do t = { d = t } end return t",
		TEN TEN TEN TEN TEN TEN "d.d.d.d...: nested deeper than 64 levels");
	refused("more than a million values",
		"local t = {} for i = 1, 500000 do t[i] = i end return t",
		"[500000]: more than 1000000 values");
	refused("a tree that is small only because its tables are shared",
		"local t = {} for i = 1, 1000 do t[i] = i end "
		"local u = {} for i = 1, 1000 do u[i] = t end return u",
		"[500][500]: more than 1000000 values");
	refused("strings that are small only because they are shared",
		"local s, t = ('x'):rep(1 << 20), {} for i = 1, 65 do t[i] = s end return t",
		"[65]: more than 64 MiB of strings");
	refused("a cycle", "local t = { a = {} } t.a.b = { t } return t",
		"a.b[1]: the table contains itself");
	refused("a function", "return { services = { 1, 2, { env = { X = print } } } }",
		"services[3].env.X: a function cannot leave the script (plain data only)");
	refused("a function by itself", "return print",
		"the value: a function cannot leave the script (plain data only)");
	refused("a coroutine", "return { c = coroutine.create(print) }",
		"c: a thread cannot leave the script (plain data only)");
	refused("a userdata", "return { ['a b'] = io.stdout }",
		"[\"a b\"]: a userdata cannot leave the script (plain data only)");
	refused("a metatable", "return { [1.5] = setmetatable({}, {}) }",
		"[1.5]: a table with a metatable cannot leave the script (plain data only)");
	refused("a table as key", "return { [false] = { [{}] = 1 } }",
		"[false][table]: a key must be a string, a number or a boolean");
	refused("a terminal's control bytes in a key", "return { ['\\27[2J'] = print }",
		"[\"?[2J\"]: a function cannot leave the script (plain data only)");
	several();
	runs_out("no allocation of the destination that fails does harm", true, 50);
	runs_out("no allocation of the source that fails does harm", false, 1);
	printf("1..%d\n", count);
	return failures != 0;
}
