/* core.watch: what changes in a directory, for Lua. */
#include <lauxlib.h>

#include "bind/bind.h"
#include "loop/dirwatch.h"

#define WATCH "ward.watch"

struct watch {
	struct ward_core *core;
	struct ward_dirwatch *watch; /* NULL once closed */
	int fn;
};

struct news {
	int fn;
	enum ward_dirwatch_what what;
	const char *name;
};

/* fn("changed", name), fn("lost") or fn("gone"): the name is copied inside the protected call. */
static int
call_fn(lua_State *L)
{
	static const char *const words[] = { "changed", "lost", "gone" };
	const struct news *news = lua_touserdata(L, 1);

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, news->fn);
	lua_pushstring(L, words[news->what]);
	lua_pushstring(L, news->name);
	lua_call(L, 2, 0);
	return 0;
}

static void
on_change(void *arg, enum ward_dirwatch_what what, const char *name)
{
	const struct watch *w = arg;
	struct news news = { w->fn, what, name };
	lua_State *L = w->core->lua;

	lua_pushcfunction(L, call_fn);
	lua_pushlightuserdata(L, &news);
	(void)ward_bind_call(L, 1, 0, "a watch");
}

/* core.watch(dir, fn) -> handle, which must be kept | nil, err */
static int
watch_new(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct ward_core *core = ward_core_need(L);
	struct watch *w;
	int r = 0;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	w = lua_newuserdatauv(L, sizeof(*w), 0);
	*w = (struct watch){ .core = core, .fn = LUA_NOREF };
	luaL_setmetatable(L, WATCH);
	w->fn = ward_bind_ref(L, 2);
	if (!core->watches)
		r = ward_dirwatches_new(core->loop, &core->watches);
	if (r == 0)
		r = ward_dirwatch_new(core->watches, path, on_change, w, &w->watch);
	if (r < 0) {
		ward_bind_unref(L, &w->fn);
		return ward_bind_fail_errno(L, -r, "cannot watch %s", path);
	}
	return 1;
}

static int
watch_close(lua_State *L)
{
	struct watch *w = luaL_checkudata(L, 1, WATCH);

	ward_dirwatch_free(w->watch);
	w->watch = NULL;
	ward_bind_unref(L, &w->fn);
	return 0;
}

void
ward_bind_watch(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", watch_close },
		{ "__gc", watch_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, WATCH, methods);
	lua_pushcfunction(L, watch_new);
	lua_setfield(L, -2, "watch");
}
