/* Plain data from one Lua state to another.
 *
 * The copy runs in one protected call of the destination, whose allocations may fail. The source is
 * read only through functions that neither raise nor allocate in it: an error there would have no
 * protected call to land in. lua_tolstring is such a function for strings, but not for numbers, which it
 * would also turn into strings under lua_next's feet. */
#include "bind/bind.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define MAX_DEPTH  64
#define MAX_VALUES 1000000 /* keys count too */
#define MAX_BYTES  ((size_t)64 << 20)

/* A table that is being copied, on top of those that hold it. */
struct level {
	const struct level *up;
	const void *table;
	int key; /* where the source's stack has the key of the value that is being copied */
	int depth;
};

struct copy {
	lua_State *from, *to;
	int index, n;
	size_t values, bytes;
	struct ward_err *err;
	bool refused;
};

struct text {
	char *at, *end; /* end: one byte is left for the NUL */
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, (size_t)(t->end - t->at) + 1, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->at += n < t->end - t->at ? n : t->end - t->at;
}

static bool
is_word(const char *s, size_t n)
{
	if (n == 0 || isdigit((unsigned char)*s))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	}
	return true;
}

static void
add_key(struct text *t, lua_State *from, int index, bool first)
{
	const char *s;
	size_t n;

	switch (lua_type(from, index)) {
	case LUA_TSTRING:
		s = lua_tolstring(from, index, &n);
		if (n > 40)
			n = 40;
		if (is_word(s, n)) {
			add(t, "%s%.*s", first ? "" : ".", (int)n, s);
			break;
		}
		add(t, "[\"");
		for (size_t i = 0; i < n; i++)
			add(t, "%c", isprint((unsigned char)s[i]) ? s[i] : '?');
		add(t, "\"]");
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(from, index))
			add(t, "[%lld]", (long long)lua_tointeger(from, index));
		else
			add(t, "[%.14g]", (double)lua_tonumber(from, index));
		break;
	case LUA_TBOOLEAN:
		add(t, "[%s]", lua_toboolean(from, index) ? "true" : "false");
		break;
	default:
		add(t, "[%s]", lua_typename(from, lua_type(from, index)));
	}
}

static void
add_path(struct text *t, lua_State *from, const struct level *at)
{
	if (!at)
		return;
	add_path(t, from, at->up);
	add_key(t, from, at->key, !at->up);
}

/* Says why the value at @at (its keys from the root) cannot pass; returns false. */
static bool
refuse(const struct copy *c, const struct level *at, const char *why)
{
	char path[128] = "";
	struct text t = { .at = path, .end = path + sizeof(path) - 1 };

	add_path(&t, c->from, at);
	(void)ward_err_set(c->err, 0, 0, "%s%s: %s", at ? path : "the value",
			   t.at == t.end ? "..." : "", why);
	return false;
}

static bool
refuse_type(const struct copy *c, const struct level *at, int type)
{
	char why[96];

	(void)snprintf(why, sizeof(why), "a %s cannot leave the script (plain data only)",
		       type == LUA_TLIGHTUSERDATA ? "userdata" : lua_typename(c->from, type));
	return refuse(c, at, why);
}

static bool
copy_string(struct copy *c, int index, const struct level *at)
{
	size_t n;
	const char *s = lua_tolstring(c->from, index, &n);

	if (n > MAX_BYTES - c->bytes)
		return refuse(c, at, "more than 64 MiB of strings");
	c->bytes += n;
	lua_pushlstring(c->to, s, n);
	return true;
}

static bool copy_table(struct copy *c, int index, const struct level *up);

/* Pushes the value at @index of the source to the destination, or says no. Raises as the
 * destination does. */
static bool
copy_value(struct copy *c, int index, const struct level *at)
{
	int type = lua_type(c->from, index);

	if (++c->values > MAX_VALUES)
		return refuse(c, at, "more than 1000000 values");
	switch (type) {
	case LUA_TNIL:
		lua_pushnil(c->to);
		return true;
	case LUA_TBOOLEAN:
		lua_pushboolean(c->to, lua_toboolean(c->from, index));
		return true;
	case LUA_TNUMBER:
		if (lua_isinteger(c->from, index))
			lua_pushinteger(c->to, lua_tointeger(c->from, index));
		else
			lua_pushnumber(c->to, lua_tonumber(c->from, index));
		return true;
	case LUA_TSTRING:
		return copy_string(c, index, at);
	case LUA_TTABLE:
		return copy_table(c, index, at);
	default:
		return refuse_type(c, at, type);
	}
}

static bool
copy_pairs(struct copy *c, int index, const struct level *here)
{
	lua_pushnil(c->from);
	while (lua_next(c->from, index)) {
		int type = lua_type(c->from, here->key);

		if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
			return refuse(c, here, "a key must be a string, a number or a boolean");
		if (!copy_value(c, here->key, here) || !copy_value(c, here->key + 1, here))
			return false;
		lua_rawset(c->to, -3);
		lua_pop(c->from, 1);
	}
	return true;
}

static bool
copy_table(struct copy *c, int index, const struct level *up)
{
	struct level here = { .up = up, .table = lua_topointer(c->from, index) };

	here.depth = up ? up->depth + 1 : 1;
	for (const struct level *l = up; l; l = l->up) {
		if (l->table == here.table)
			return refuse(c, up, "the table contains itself");
	}
	if (here.depth > MAX_DEPTH)
		return refuse(c, up, "nested deeper than 64 levels");
	/* In the source: metatable, or key and value; in the destination: table, key, value. */
	if (!lua_checkstack(c->from, 3) || !lua_checkstack(c->to, 4))
		return refuse(c, up, "out of memory");
	if (lua_getmetatable(c->from, index))
		return refuse(c, up,
			      "a table with a metatable cannot leave the script (plain data only)");
	here.key = lua_gettop(c->from) + 1;
	lua_newtable(c->to);
	return copy_pairs(c, index, &here);
}

/* Protected body; returns nothing when a value was refused and the sentence is set. */
static int
run_copy(lua_State *to)
{
	struct copy *c = lua_touserdata(to, 1);

	luaL_checkstack(to, c->n, NULL);
	for (int i = 0; i < c->n && !c->refused; i++)
		c->refused = !copy_value(c, c->index + i, NULL);
	return c->refused ? 0 : c->n;
}

/* Copies what needs no memory, which needs no protected call either. Returns how many values that were. */
static int
copy_small(lua_State *from, int index, int n, lua_State *to)
{
	int i;

	for (i = 0; i < n; i++) {
		int type = lua_type(from, index + i);

		if (type == LUA_TNIL)
			lua_pushnil(to);
		else if (type == LUA_TBOOLEAN)
			lua_pushboolean(to, lua_toboolean(from, index + i));
		else if (type == LUA_TNUMBER && lua_isinteger(from, index + i))
			lua_pushinteger(to, lua_tointeger(from, index + i));
		else if (type == LUA_TNUMBER)
			lua_pushnumber(to, lua_tonumber(from, index + i));
		else
			break;
	}
	return i;
}

int
ward_transfer(lua_State *from, int index, int n, lua_State *to, struct ward_err *err)
{
	struct copy c = { .from = from, .to = to, .err = err };
	int top = lua_gettop(from), to_top = lua_gettop(to), small, status;

	if (!lua_checkstack(to, n + 3))
		return ward_err_set(err, 0, 0, "out of memory");
	index = lua_absindex(from, index);
	small = copy_small(from, index, n, to);
	if (small == n)
		return 0;
	c.index = index + small;
	c.n = n - small;
	lua_pushcfunction(to, run_copy);
	lua_pushlightuserdata(to, &c);
	status = lua_pcall(to, 1, c.n, 0);
	lua_settop(from, top);
	if (status == LUA_OK && !c.refused)
		return 0;
	if (status != LUA_OK)
		(void)ward_err_set(err, 0, 0, "out of memory");
	lua_settop(to, to_top);
	return -EINVAL;
}
