#include "bind/exit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "linux/names.h"
#include "loop/proc.h"
#include "spawn/stage.h"

static void
set_integer(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

static void
set_number(lua_State *L, const char *key, double n)
{
	lua_pushnumber(L, n);
	lua_setfield(L, -2, key);
}

static void
set_string(lua_State *L, const char *key, const char *s)
{
	(void)lua_pushstring(L, s);
	lua_setfield(L, -2, key);
}

/* exit.learned: { path =, count = } or { path =, message = } */
static void
set_learned(lua_State *L, const struct ward_bind_news *news)
{
	lua_createtable(L, 0, 2);
	set_string(L, "path", news->list);
	if (news->learned < 0)
		set_string(L, "message", strerror(-news->learned));
	else
		set_integer(L, "count", news->learned);
	lua_setfield(L, -2, "learned");
}

/* The exit of API.md, less `ok`, which is policy. */
static int
push_exit(lua_State *L)
{
	const struct ward_bind_news *news = lua_touserdata(L, 1);
	const struct ward_ended *how = news->how;
	const struct ward_exit *e = &how->exit;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	lua_createtable(L, 0, 10);
	set_string(L, "kind",
		   how->spawn_failed ? "spawn_failed"
		   : how->unknown    ? "unknown"
		   : e->signal	     ? "signaled"
				     : "exited");
	if (how->spawn_failed) {
		if (how->err.stage) /* unknown after a re-exec */
			set_string(L, "stage", ward_stage_name(how->err.stage));
		set_string(L, "message", how->err.detail);
		if (how->err.err)
			set_integer(L, "errno", how->err.err);
	} else if (!e->signal && !how->unknown) {
		set_integer(L, "code", e->code);
	}
	if (e->signal) {
		const char *name = ward_signal_name(e->signal);
		char number[16];

		(void)snprintf(number, sizeof(number), "%d", e->signal);
		set_string(L, "signal", name ? name : number);
		lua_pushboolean(L, e->core);
		lua_setfield(L, -2, "core");
	}
	set_integer(L, "pid", e->pid);
	set_number(L, "uptime", (double)how->uptime_ns / 1e9);
	set_number(L, "at", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
	lua_createtable(L, 0, 3);
	set_number(L, "user", (double)e->user_us / 1e6);
	set_number(L, "system", (double)e->system_us / 1e6);
	set_integer(L, "maxrss", (lua_Integer)e->maxrss);
	lua_setfield(L, -2, "rusage");
	if (news->list)
		set_learned(L, news);
	return 1;
}

int
ward_bind_call_exit(lua_State *L)
{
	lua_pushcfunction(L, push_exit);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	lua_pushvalue(L, 2);
	lua_insert(L, -2);
	lua_call(L, 1, 0);
	return 0;
}

int
ward_bind_degraded(lua_State *L)
{
	const struct ward_proc *p = lua_touserdata(L, 1);
	struct ward_err err;

	lua_pushnil(L);
	for (uint32_t i = 0; ward_proc_missed(p, i, &err); i++) {
		if (i == 0)
			lua_newtable(L);
		lua_createtable(L, 0, 3);
		(void)lua_pushstring(L, ward_stage_name(err.stage));
		lua_setfield(L, -2, "stage");
		lua_pushinteger(L, err.err);
		lua_setfield(L, -2, "errno");
		(void)lua_pushstring(L, err.detail);
		lua_setfield(L, -2, "message");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}
