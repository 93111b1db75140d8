/* core.pack and core.unpack, by the cases of pack_cases.lua.
 *
 *	pack_test [ROUNDS [SEED]]	from the top of the tree; how many mutated inputs are tried, and which */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "bind/bind.h"
#include "tests/core/tap.h"

static int
check(lua_State *L)
{
	ok(lua_toboolean(L, 1), "%s", luaL_checkstring(L, 2));
	return 0;
}

int
main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();

	if (!L)
		return 1;
	luaL_openlibs(L);
	if (luaL_loadfile(L, "tests/core/bind/pack_cases.lua") == LUA_OK) {
		lua_newtable(L);
		ward_bind_pack(L);
		lua_pushcfunction(L, check);
		lua_pushinteger(L, argc > 1 ? atol(argv[1]) : 50000);
		lua_pushinteger(L, argc > 2 ? atol(argv[2]) : 1);
		(void)lua_pcall(L, 4, 0, 0);
	}
	ok(lua_gettop(L) == 0, "all cases were run: %s", lua_tostring(L, -1));
	lua_close(L);
	return done_testing();
}
