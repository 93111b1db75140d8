/* Functions of Lua's library that one call could keep busy for ever: a count hook does not run inside of them.
 *
 * What else loops in C calls something each time round, where the call hook of a spent budget stops it, or is bounded by
 * the memory that its result takes. Patterns are not bounded here. */
#include <lauxlib.h>
#include <lualib.h>

#include "bind/bind.h"

/* More than fit into the memory of a script as a list. */
#define MOST_ELEMENTS ((lua_Integer)1 << 23)

/* The function itself is upvalue 1. It runs in the frame of the call, so that its errors read as ever. */
static int
pass_on(lua_State *L)
{
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Nothing, ever so often, takes no memory. */
static int
bounded_rep(lua_State *L)
{
	size_t length, separator;

	(void)luaL_checklstring(L, 1, &length);
	(void)luaL_checkinteger(L, 2);
	(void)luaL_optlstring(L, 3, "", &separator);
	if (length + separator > 0)
		return pass_on(L);
	lua_pushliteral(L, "");
	return 1;
}

/* Neither does moving what is not there. */
static int
bounded_move(lua_State *L)
{
	lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);

	if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= (lua_Unsigned)MOST_ELEMENTS)
		return luaL_error(L, "table.move: more than %I elements",
				  (LUAI_UACINT)MOST_ELEMENTS);
	return pass_on(L);
}

/* insert and remove: a few elements, far apart or by what __len says, are a long list, too. */
static int
bounded_list(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TTABLE && luaL_len(L, 1) > MOST_ELEMENTS)
		return luaL_error(L, "the table is a list of more than %I elements",
				  (LUAI_UACINT)MOST_ELEMENTS);
	return pass_on(L);
}

static int
compare(lua_State *L)
{
	lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
	return 1;
}

/* Comparisons without a function are no calls, and two strings can be long. */
static int
bounded_sort(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_pushcfunction(L, compare);
		lua_replace(L, 2);
	}
	return pass_on(L);
}

static void
bound(lua_State *L, const char *library, const char *name, lua_CFunction fn)
{
	lua_getglobal(L, library);
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, fn, 1);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

void
ward_bind_bounded(lua_State *L)
{
	bound(L, LUA_STRLIBNAME, "rep", bounded_rep);
	bound(L, LUA_TABLIBNAME, "move", bounded_move);
	bound(L, LUA_TABLIBNAME, "insert", bounded_list);
	bound(L, LUA_TABLIBNAME, "remove", bounded_list);
	bound(L, LUA_TABLIBNAME, "sort", bounded_sort);
}
