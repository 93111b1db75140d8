#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* require "ward.core" */
static int
open_core(lua_State *L)
{
	lua_newtable(L);
	ward_bind_sys(L);
	ward_bind_script(L);
	ward_bind_spec(L);
	ward_bind_proc(L);
	ward_bind_log(L);
	ward_bind_stream(L);
	ward_bind_cgroup(L);
	ward_bind_watch(L);
	ward_bind_http(L);
	ward_bind_loop(L);
	ward_bind_control(L);
	ward_bind_client(L);
	ward_bind_pack(L);
	ward_bind_journal(L);
	ward_bind_handover(L);
	return 1;
}

/* Sets @field of the table at @package (an absolute index) to @first and then those of its entries
 * that do not depend on the working directory. */
static void
set_path(lua_State *L, int package, const char *field, const char *first)
{
	const char *entry, *end;
	luaL_Buffer b;

	lua_getfield(L, package, field);
	entry = luaL_checkstring(L, -1);
	luaL_buffinit(L, &b);
	luaL_addstring(&b, first);
	for (; *entry; entry = *end ? end + 1 : end) {
		end = strchrnul(entry, ';');
		if (strncmp(entry, "./", 2) == 0)
			continue;
		if (luaL_bufflen(&b) > 0)
			luaL_addchar(&b, ';');
		luaL_addlstring(&b, entry, (size_t)(end - entry));
	}
	luaL_pushresult(&b);
	lua_setfield(L, package, field);
	lua_pop(L, 1);
}

/* package.searchers[2] with text chunks only; upvalue 1 is the package table. */
static int
search_text(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *file;

	lua_getfield(L, lua_upvalueindex(1), "searchpath");
	lua_pushvalue(L, 1);
	lua_getfield(L, lua_upvalueindex(1), "path");
	lua_call(L, 2, 2);
	file = lua_tostring(L, -2);
	if (!file)
		return 1; /* the list of files that it is not in */
	if (luaL_loadfilex(L, file, "t") != LUA_OK)
		return luaL_error(L, "cannot load module '%s' from '%s': %s", name, file,
				  lua_tostring(L, -1));
	lua_pushstring(L, file);
	return 2;
}

static void
restrict_require(lua_State *L, const char *share)
{
	int package;

	lua_getglobal(L, LUA_LOADLIBNAME);
	package = lua_gettop(L);
	set_path(L, package, "path",
		 share ? lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", share, share) : "");
	set_path(L, package, "cpath", "");
	lua_getfield(L, package, "searchers");
	lua_pushvalue(L, package);
	lua_pushcclosure(L, search_text, 1);
	lua_rawseti(L, -2, 2);
	lua_pushnil(L); /* the all-in-one loader: no package of ours is one */
	lua_rawseti(L, -2, 4);
	lua_getfield(L, package, "preload");
	lua_pushcfunction(L, open_core);
	lua_setfield(L, -2, "ward.core");
	lua_settop(L, package - 1);
}

static int
open_state(lua_State *L)
{
	/* The environment of whoever starts ward must not choose the code that it runs. */
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	luaL_openlibs(L);
	ward_bind_text_only(L);
	restrict_require(L, ward_bind_core(L)->share);
	return 0;
}

int
ward_state_open(struct ward_core *core)
{
	lua_State *L = luaL_newstate();
	int r;

	if (!L)
		return -ENOMEM;
	(void)lua_atpanic(L, ward_bind_panic);
	lua_setwarnf(L, NULL, NULL);
	*(struct ward_core **)lua_getextraspace(L) = core;
	lua_pushcfunction(L, open_state);
	r = ward_bind_call(L, 0, 0, "opening the Lua state");
	if (r < 0) {
		lua_close(L);
		return r;
	}
	core->lua = L;
	return 0;
}

void
ward_state_close(struct ward_core *core)
{
	if (core->lua)
		lua_close(core->lua);
	core->lua = NULL;
}
