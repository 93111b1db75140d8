/* Runs a file in a state like that of the supervisor, with ward.core: for what only a successor does.
 *
 *	trusted FILE [ARG]...	from the top of the tree */
#include <lauxlib.h>
#include <stdio.h>

#include "bind/bind.h"

static int
run(lua_State *L)
{
	int argc = (int)lua_tointeger(L, 1);
	char **argv = lua_touserdata(L, 2);

	if (luaL_loadfile(L, argv[1]) != LUA_OK)
		return lua_error(L);
	luaL_checkstack(L, argc, NULL);
	for (int i = 2; i < argc; i++)
		lua_pushstring(L, argv[i]);
	lua_call(L, argc - 2, 0);
	return 0;
}

int
main(int argc, char **argv)
{
	struct ward_core core = { .share = "lua" };
	int r;

	if (argc < 2 || ward_state_open(&core) < 0)
		return 2;
	lua_pushcfunction(core.lua, run);
	lua_pushinteger(core.lua, argc);
	lua_pushlightuserdata(core.lua, argv);
	r = ward_bind_call(core.lua, 2, 0, argv[1]);
	ward_core_end(&core);
	return r < 0 ? 1 : 0;
}
