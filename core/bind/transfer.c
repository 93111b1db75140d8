/* Plain data from one Lua state to another.
 *
 * The copy runs in one protected call of the destination, whose allocations may fail. The source is
 * read only through functions that neither raise nor allocate in it: an error there would have no
 * protected call to land in. lua_tolstring is such a function for strings, but not for numbers, which it
 * would also turn into strings under lua_next's feet. */
#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/plain.h"

#define MAX_VALUES 1000000 /* keys count too */
#define FEW	   32	   /* keys of a small table */

struct copy {
	struct ward_plain plain; /* of the source */
	lua_State *from, *to;
	int index, n;
	size_t values, bytes;
	bool refused;
};

static bool
copy_string(struct copy *c, int index, const struct ward_level *at)
{
	size_t n;
	const char *s = lua_tolstring(c->from, index, &n);

	if (n > WARD_PLAIN_BYTES - c->bytes)
		return ward_plain_refuse(&c->plain, at, "more than 64 MiB of strings");
	c->bytes += n;
	lua_pushlstring(c->to, s, n);
	return true;
}

static bool copy_table(struct copy *c, int index, const struct ward_level *up);

/* Pushes the value at @index of the source to the destination, or says no. Raises as the
 * destination does. */
static bool
copy_value(struct copy *c, int index, const struct ward_level *at)
{
	int type = lua_type(c->from, index);

	if (++c->values > MAX_VALUES)
		return ward_plain_refuse(&c->plain, at, "more than 1000000 values");
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
		return ward_plain_refuse_type(&c->plain, at, type);
	}
}

static bool
copy_pairs(struct copy *c, int index, const struct ward_level *here)
{
	lua_pushnil(c->from);
	while (lua_next(c->from, index)) {
		if (!ward_plain_key(&c->plain, here) || !copy_value(c, here->key, here) ||
		    !copy_value(c, here->key + 1, here))
			return false;
		lua_rawset(c->to, -3);
		lua_pop(c->from, 1);
	}
	return true;
}

/* Makes the copy of a table, for a small one with its room: to grow it key by key takes longer than to count first. */
static void
new_table(const struct copy *c, int index)
{
	lua_Unsigned length = lua_rawlen(c->from, index);
	int n = 0;

	for (lua_pushnil(c->from); lua_next(c->from, index); lua_pop(c->from, 1)) {
		if (++n > FEW) {
			lua_pop(c->from, 2);
			n = 0;
			break;
		}
	}
	if (length > (lua_Unsigned)n) /* it has holes, or is not small */
		length = (lua_Unsigned)n;
	lua_createtable(c->to, (int)length, n - (int)length);
}

static bool
copy_table(struct copy *c, int index, const struct ward_level *up)
{
	struct ward_level here;

	if (!ward_plain_enter(&c->plain, index, up, &here))
		return false;
	if (lua_getmetatable(c->from, index)) {
		lua_pop(c->from, 1);
		return ward_plain_refuse(
			&c->plain, up,
			"a table with a metatable cannot leave the script (plain data only)");
	}
	if (!lua_checkstack(c->to, 4)) /* table, key, value */
		return ward_plain_refuse(&c->plain, up, "out of memory");
	new_table(c, index);
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
	struct ward_passed passed = { 0, 0 };

	return ward_transfer_more(from, index, n, to, &passed, err);
}

int
ward_transfer_more(lua_State *from, int index, int n, lua_State *to, struct ward_passed *passed,
		   struct ward_err *err)
{
	struct copy c = {
		.from = from, .to = to, .values = passed->values, .bytes = passed->bytes
	};
	int top = lua_gettop(from), to_top = lua_gettop(to), small, status;

	if (!lua_checkstack(to, n + 3))
		return ward_err_set(err, 0, 0, "out of memory");
	c.plain = (struct ward_plain){ .L = from, .err = err, .cannot = "leave the script" };
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
	*passed = (struct ward_passed){ c.values, c.bytes };
	if (status == LUA_OK && !c.refused)
		return 0;
	if (status != LUA_OK)
		(void)ward_err_set(err, 0, 0, "out of memory");
	lua_settop(to, to_top);
	return -EINVAL;
}

static bool same_table(lua_State *from, int index, lua_State *to, int like, const char *but);

/* Both indexes are absolute. */
static bool
same(lua_State *from, int index, lua_State *to, int like)
{
	int type = lua_type(from, index);
	size_t n, m;
	const char *a, *b;

	if (type != lua_type(to, like))
		return false;
	switch (type) {
	case LUA_TNIL:
		return true;
	case LUA_TBOOLEAN:
		return lua_toboolean(from, index) == lua_toboolean(to, like);
	case LUA_TNUMBER:
		if (lua_isinteger(from, index) != lua_isinteger(to, like))
			return false;
		return lua_isinteger(from, index)
			       ? lua_tointeger(from, index) == lua_tointeger(to, like)
			       : lua_tonumber(from, index) == lua_tonumber(to, like);
	case LUA_TSTRING:
		a = lua_tolstring(from, index, &n);
		b = lua_tolstring(to, like, &m);
		return n == m && memcmp(a, b, n) == 0;
	case LUA_TTABLE:
		return same_table(from, index, to, like, NULL);
	default:
		return false;
	}
}

/* Pushes to @to the key at @index of @from; false: it is none that passes. */
static bool
push_key(lua_State *from, int index, lua_State *to)
{
	const char *s;
	size_t n;

	switch (lua_type(from, index)) {
	case LUA_TSTRING:
		s = lua_tolstring(from, index, &n);
		lua_pushlstring(to, s, n);
		return true;
	case LUA_TBOOLEAN:
		lua_pushboolean(to, lua_toboolean(from, index));
		return true;
	case LUA_TNUMBER:
		if (lua_isinteger(from, index))
			lua_pushinteger(to, lua_tointeger(from, index));
		else
			lua_pushnumber(to, lua_tonumber(from, index));
		return true;
	default:
		return false;
	}
}

static bool
is_key(lua_State *L, int index, const char *name)
{
	return name && lua_type(L, index) == LUA_TSTRING &&
	       strcmp(lua_tostring(L, index), name) == 0;
}

/* @like has an end and no cycle, and so nothing that has is like it. @but: a key that does not count, or NULL. */
static bool
same_table(lua_State *from, int index, lua_State *to, int like, const char *but)
{
	int key = lua_gettop(from) + 1, old = lua_gettop(to) + 1;
	size_t count = 0;

	if (!lua_checkstack(from, 3) || !lua_checkstack(to, 3))
		return false;
	if (lua_getmetatable(from, index))
		return false;
	for (lua_pushnil(from); lua_next(from, index);
	     lua_settop(from, key), lua_settop(to, old - 1)) {
		if (is_key(from, key, but))
			continue;
		count++;
		if (!push_key(from, key, to))
			return false;
		(void)lua_rawget(to, like);
		if (!same(from, key + 1, to, old))
			return false;
	}
	for (lua_pushnil(to); lua_next(to, like); lua_settop(to, old)) {
		if (!is_key(to, old, but) && count-- == 0)
			return false;
	}
	return count == 0;
}

bool
ward_transfer_same(lua_State *from, int index, lua_State *to, int like, const char *but)
{
	int top = lua_gettop(from), to_top = lua_gettop(to);
	bool equal;

	index = lua_absindex(from, index);
	like = lua_absindex(to, like);
	equal = but && lua_istable(from, index) && lua_istable(to, like)
			? same_table(from, index, to, like, but)
			: same(from, index, to, like);
	lua_settop(from, top);
	lua_settop(to, to_top);
	return equal;
}
