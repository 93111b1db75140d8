/* core.reexec, and core.handover and core.adopted of the successor: loop/handover.h for Lua.
 *
 * In between, the successor takes what came through with core.adopt, and with the option `adopt` of core.log, core.listen and
 * core.lock: with the numbers that the method handover of each told its predecessor. Until core.adopted no orphan is reaped
 * or counted, and no signal is delivered: one that came meanwhile meets the handlers that are there by then (core.signal),
 * and else what it does by default. */
#include "bind/bind.h"

#include <lauxlib.h>
#include <limits.h>

#include "loop/handover.h"
#include "loop/signals.h"

/* core.reexec(reason) -> nil, err: does not return when it succeeds. "upgrade" runs the file that now has ward's name, any
 * other word the same program. */
static int
reexec(lua_State *L)
{
	const char *reason = luaL_checkstring(L, 1);
	int r = ward_handover_armed() ? 0 : ward_handover_arm("");

	if (r == 0)
		r = ward_handover_exec(reason, "");
	return ward_bind_fail_errno(L, -r, "cannot execute ward again");
}

/* core.handover() -> { reason =, detail =, journal = }, once, or nil: was this program executed by its predecessor? */
static int
handover(lua_State *L)
{
	const struct ward_predecessor *from = ward_handover_predecessor();

	if (!from || !ward_handover_pending() || lua_toboolean(L, lua_upvalueindex(1))) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushboolean(L, 1);
	lua_replace(L, lua_upvalueindex(1));
	lua_createtable(L, 0, 3);
	(void)lua_pushstring(L, from->reason);
	lua_setfield(L, -2, "reason");
	(void)lua_pushstring(L, from->detail);
	lua_setfield(L, -2, "detail");
	(void)lua_pushstring(L, from->journal);
	lua_setfield(L, -2, "journal");
	return 1;
}

/* core.adopted(): everything was; closes what came through and nobody took */
static int
adopted(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);

	if (!ward_handover_pending())
		return 0;
	ward_handover_end();
	ward_signals_unblock_rest(core->signals);
	return 0;
}

int
ward_bind_kept_if_there(lua_State *L, int table, const char *key)
{
	lua_Integer fd;

	(void)lua_getfield(L, table, key);
	fd = lua_tointeger(L, -1); /* 0, which is never kept, when it is none */
	lua_pop(L, 1);
	return fd >= 0 && fd <= INT_MAX && ward_handover_has((int)fd) ? (int)fd : -1;
}

int
ward_bind_kept(lua_State *L, int table, const char *key)
{
	int fd = ward_bind_kept_if_there(L, table, key);

	if (lua_getfield(L, table, key) != LUA_TNIL && fd < 0)
		luaL_error(L, "%s is not a descriptor that came through a re-exec", key);
	lua_pop(L, 1);
	return fd;
}

void
ward_bind_set_fd(lua_State *L, const char *key, int fd)
{
	if (fd < 0)
		return;
	lua_pushinteger(L, fd);
	lua_setfield(L, -2, key);
}

void
ward_bind_handover(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "reexec", reexec },
		{ "adopted", adopted },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	lua_pushboolean(L, 0);
	lua_pushcclosure(L, handover, 1);
	lua_setfield(L, -2, "handover");
}
