#include "bind/library.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_TYPE "ward.library"

/* Stays as it is and where it is for as long as the library. */
struct chunk {
	struct chunk *next;
	char *bytes;
	size_t size;
	char name[];
};

struct ward_library {
	pthread_mutex_t lock; /* of all below; scripts load on threads of their own */
	unsigned users;
	struct chunk *first;
};

static void
free_chunk(struct chunk *c)
{
	free(c->bytes);
	free(c);
}

struct ward_library *
ward_library_ref(struct ward_library *lib)
{
	(void)pthread_mutex_lock(&lib->lock);
	lib->users++;
	(void)pthread_mutex_unlock(&lib->lock);
	return lib;
}

void
ward_library_unref(struct ward_library *lib)
{
	unsigned users;

	if (!lib)
		return;
	(void)pthread_mutex_lock(&lib->lock);
	users = --lib->users;
	(void)pthread_mutex_unlock(&lib->lock);
	if (users > 0)
		return;
	while (lib->first) {
		struct chunk *c = lib->first;

		lib->first = c->next;
		free_chunk(c);
	}
	(void)pthread_mutex_destroy(&lib->lock);
	free(lib);
}

static int
collect(lua_State *L)
{
	struct ward_library **box = luaL_checkudata(L, 1, LIBRARY_TYPE);

	ward_library_unref(*box);
	*box = NULL;
	return 0;
}

struct ward_library *
ward_library_of(lua_State *L)
{
	struct ward_library **box, *lib;

	if (lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY_TYPE ".box") == LUA_TUSERDATA) {
		box = lua_touserdata(L, -1);
		lua_pop(L, 1);
		return *box;
	}
	lua_pop(L, 1);
	box = lua_newuserdatauv(L, sizeof(*box), 0);
	*box = NULL;
	if (luaL_newmetatable(L, LIBRARY_TYPE)) {
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_TYPE ".box");
	lib = calloc(1, sizeof(*lib));
	if (!lib) {
		lua_pushnil(L);
		lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_TYPE ".box");
		luaL_error(L, "%s", strerror(ENOMEM));
		return NULL; /* never: luaL_error does not return */
	}
	(void)pthread_mutex_init(&lib->lock, NULL);
	lib->users = 1;
	*box = lib;
	lua_pop(L, 1);
	return lib;
}

static struct chunk *
find(struct ward_library *lib, const char *name)
{
	struct chunk *c;

	(void)pthread_mutex_lock(&lib->lock);
	for (c = lib->first; c && strcmp(c->name, name) != 0; c = c->next)
		;
	(void)pthread_mutex_unlock(&lib->lock);
	return c;
}

void
ward_library_get(struct ward_library *lib, lua_State *L, const char *name)
{
	const struct chunk *c = find(lib, name);

	if (!c)
		lua_pushnil(L);
	else if (luaL_loadbufferx(L, c->bytes, c->size, name, "b") != LUA_OK)
		(void)lua_error(L);
}

static int
append(lua_State *L, const void *bytes, size_t n, void *arg)
{
	struct chunk *c = arg;
	char *more = realloc(c->bytes, c->size + n);

	(void)L;
	if (!more)
		return 1;
	memcpy(more + c->size, bytes, n);
	c->bytes = more;
	c->size += n;
	return 0;
}

void
ward_library_put(struct ward_library *lib, lua_State *L, const char *name)
{
	struct chunk *c = calloc(1, sizeof(*c) + strlen(name) + 1), **at;

	if (!c)
		return;
	memcpy(c->name, name, strlen(name));
	if (lua_dump(L, append, c, 0) != 0) {
		free_chunk(c);
		return;
	}
	(void)pthread_mutex_lock(&lib->lock);
	for (at = &lib->first; *at && strcmp((*at)->name, name) != 0; at = &(*at)->next)
		;
	if (*at) { /* another script was faster */
		free_chunk(c);
	} else {
		*at = c;
	}
	(void)pthread_mutex_unlock(&lib->lock);
}
