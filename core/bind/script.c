/* Script states: where a user's script runs.
 *
 * One load gets a fresh lua_State with a memory cap and a CPU budget. It opens its libraries, runs
 * lua/ward/script/boot.lua and through it the script, all in one protected call; what comes out is
 * copied as plain data. A script may fail there in any way that it likes: the state that drives
 * supervision sees a sentence.
 *
 * What the script declared to run later is entered through one function that boot.lua leaves behind
 * (script:enter), each time under a budget. What it then wants of the world goes through one function
 * that the trusted state gave (script:serve); plain data passes both ways, and nothing else. */
#include "bind/script.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/library.h"

/* Of CPU time, for a load whose own time is up to end of it. */
#define LOAD_GRACE_NS UINT64_C(1000000000)

/* Bytes above the cap, until the end of the next call, for a script that has met it. */
#define RESERVE ((size_t)1 << 20)

/* lua_Alloc with a cap on growth. */
static void *
capped_alloc(void *arg, void *block, size_t old, size_t size)
{
	struct ward_script *s = arg;
	size_t limit = s->limit + s->reserve;
	void *moved;

	if (!block)
		old = 0; /* Lua passes the kind of object here */
	if (size == 0) {
		free(block);
		s->used -= old;
		return NULL;
	}
	if (size > old && (s->used > limit || size - old > limit - s->used)) {
		s->refused = true;
		ward_budget_where(&s->budget, s->refused_at, sizeof(s->refused_at));
		return NULL;
	}
	if (size > old && s->core->refuses && s->core->refuses(s->core->refuses_arg))
		return NULL;
	moved = realloc(block, size);
	if (moved)
		s->used = s->used - old + size;
	return moved;
}

int
ward_script_new(struct ward_core *core, struct ward_library *library, const char *path,
		size_t memory, double cpu, struct ward_script **out)
{
	size_t length = strlen(path);
	struct ward_script *s = calloc(1, sizeof(*s) + length + 1);

	if (!s)
		return -ENOMEM;
	memcpy(s->path, path, length + 1);
	s->core = core;
	s->library = ward_library_ref(library);
	s->server = s->done = s->box = LUA_NOREF;
	s->limit = memory;
	s->cpu = cpu;
	s->L = lua_newstate(capped_alloc, s);
	if (!s->L) {
		ward_library_unref(library);
		free(s);
		return -ENOMEM;
	}
	(void)lua_atpanic(s->L, ward_bind_panic);
	*(struct ward_budget **)lua_getextraspace(s->L) = &s->budget;
	*out = s;
	return 0;
}

void
ward_script_free(struct ward_script *s)
{
	if (!s)
		return;
	ward_budget_close(&s->budget);
	lua_close(s->L);
	ward_library_unref(s->library);
	free(s);
}

static void
open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
		{ LUA_GNAME, luaopen_base },	   { LUA_COLIBNAME, luaopen_coroutine },
		{ LUA_TABLIBNAME, luaopen_table }, { LUA_STRLIBNAME, luaopen_string },
		{ LUA_MATHLIBNAME, luaopen_math }, { LUA_UTF8LIBNAME, luaopen_utf8 },
		{ LUA_OSLIBNAME, luaopen_os },
	};
	/* What acts on the world, ends the process or changes it for everybody in it. */
	static const char *const effects[] = { "execute", "exit",    "remove",
					       "rename",  "tmpname", "setlocale" };

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
		lua_pop(L, 1);
	}
	lua_getglobal(L, LUA_OSLIBNAME);
	for (size_t i = 0; i < sizeof(effects) / sizeof(*effects); i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, effects[i]);
	}
	lua_pop(L, 1);
	ward_bind_text_only(L);
	ward_bind_bounded(L);
	lua_pushnil(L); /* files are read through the host */
	lua_setglobal(L, "loadfile");
	ward_budget_guard(L);
}

static struct ward_script *
script_of(lua_State *L)
{
	return ward_container_of(ward_budget_of(L), struct ward_script, budget);
}

/* host.request(...) -> what the server returned for it. Raises while nobody serves. */
static int
host_request(lua_State *L)
{
	struct ward_script *s = script_of(L);
	lua_State *T = s->trusted;
	int nargs = lua_gettop(L), top, n, r;
	struct ward_err err;

	if (!T || s->server == LUA_NOREF || !lua_checkstack(T, nargs + 2))
		return luaL_error(L, "the script is not running");
	s->requested = true;
	top = lua_gettop(T);
	(void)lua_rawgeti(T, LUA_REGISTRYINDEX, s->server);
	if (ward_transfer(L, 1, nargs, T, &err) < 0) {
		lua_settop(T, top);
		return luaL_error(L, "%s", err.detail);
	}
	s->budget.away = 1;
	r = ward_bind_call(T, nargs, LUA_MULTRET, "a request of the script");
	s->budget.away = 0;
	if (r < 0)
		return luaL_error(L, "internal error");
	n = lua_gettop(T) - top;
	r = ward_transfer(T, top + 1, n, L, &err);
	lua_settop(T, top);
	return r < 0 ? luaL_error(L, "%s", err.detail) : n;
}

/* host.compiled(name) -> a module of ward's library as a function, or nil; host.compiled(name, fn) keeps it for the
 * states to come. Only boot.lua has this one. */
static int
host_compiled(lua_State *L)
{
	struct ward_script *s = script_of(L);
	const char *name = luaL_checkstring(L, 1);

	lua_settop(L, 2);
	if (lua_isfunction(L, 2))
		ward_library_put(s->library, L, name);
	else
		ward_library_get(s->library, L, name);
	return 1;
}

/* Moves a field of the table at @index to the top of the stack. */
static void
take_field(lua_State *L, int index, const char *name)
{
	lua_getfield(L, index, name);
	lua_pushnil(L);
	lua_setfield(L, index, name);
}

/* Protected body of a load: boot.lua returns function(host, path) -> entry, bundle. */
static int
run_boot(lua_State *L)
{
	struct ward_script *s = lua_touserdata(L, 2);
	const char *text;
	int index;
	size_t n;

	open_libraries(L);
	ward_bind_host(L, s->core->share);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "sources");
	lua_pushcfunction(L, host_request);
	lua_setfield(L, -2, "request");
	lua_pushcfunction(L, host_compiled);
	lua_setfield(L, -2, "compiled");
	lua_getfield(L, -1, "read");
	lua_pushfstring(L, "%s/ward/script/boot.lua", s->core->share);
	lua_call(L, 1, 2);
	text = lua_tolstring(L, -2, &n);
	if (!text || luaL_loadbufferx(L, text, n, "=[ward.script.boot]", "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	lua_pushvalue(L, 3); /* the host */
	lua_pushstring(L, s->path);
	lua_call(L, 2, 2);
	if (!lua_istable(L, -1))
		return 2;
	index = lua_gettop(L);
	take_field(L, index, "services");
	take_field(L, index, "tree");
	return 4;
}

static void fail(struct ward_script *s, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
fail(struct ward_script *s, const char *code, const char *fmt, ...)
{
	va_list ap;

	s->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(s->message, sizeof(s->message), fmt, ap);
	va_end(ap);
}

/* Turns the error on top of the script's stack into a sentence, without running any of its code.
 * @cpu: the seconds that it had; @when: the end of the sentence, such as " while loading". */
static void
explain(struct ward_script *s, int status, double cpu, const char *when)
{
	bool is_string = lua_type(s->L, -1) == LUA_TSTRING;
	const char *text = is_string ? lua_tostring(s->L, -1) : "";
	const char *line = s->refused_at[0] ? s->refused_at : s->path;

	if (s->budget.spent)
		fail(s, "budget", "%s: used its CPU budget of %gs%s",
		     s->budget.where[0] ? s->budget.where : line, cpu, when);
	else if (s->refused && (status == LUA_ERRMEM || strstr(text, "not enough memory")))
		fail(s, "memory", "%s: used its memory limit of %zu MiB%s", line, s->limit >> 20,
		     when);
	else if (status == LUA_ERRMEM)
		fail(s, "memory", "%s: %s%s", s->path, strerror(ENOMEM), when);
	else if (is_string)
		fail(s, "script", "%s", text);
	else
		fail(s, "script",
		     "%s: raised a %s value as its error (a string says what is wrong)", s->path,
		     luaL_typename(s->L, -1));
}

/* A load that hangs is abandoned with its thread, or with the process, which does nothing else then. */
static uint64_t
deadline_of(const struct ward_script *s, double cpu)
{
	if (s->trusted)
		return s->core->deadline;
	return s->budget.alone ? (uint64_t)(cpu * 1e9) + LOAD_GRACE_NS : 0;
}

int
ward_script_call(struct ward_script *s, int nargs, double cpu, const char *when)
{
	lua_State *L = s->L;
	int status;

	s->refused = false;
	s->refused_at[0] = '\0';
	ward_budget_begin(&s->budget, L, (uint64_t)(cpu * 1e9), deadline_of(s, cpu));
	status = lua_pcall(L, nargs, LUA_MULTRET, 0);
	ward_budget_end(&s->budget, L);
	/* What holds the memory may still have to be ended. */
	s->reserve = s->refused ? RESERVE : 0;
	if (status == LUA_OK)
		return 0;
	explain(s, status, cpu, when);
	lua_pop(L, 1);
	return -EINVAL;
}

int
ward_script_attach(struct ward_script *s)
{
	int r = ward_budget_open(&s->budget);

	if (r == 0)
		return 0;
	fail(s, "budget", "%s: cannot make a CPU timer: %s", s->path, strerror(-r));
	return -EINVAL;
}

int
ward_script_load(struct ward_script *s)
{
	int r = ward_script_attach(s);

	if (r < 0)
		return r;
	/* A new state has room for these; none of them is an allocation. */
	lua_settop(s->L, 1); /* the sources, or nil */
	lua_pushcfunction(s->L, run_boot);
	lua_insert(s->L, 1);
	lua_pushlightuserdata(s->L, s);
	r = ward_script_call(s, 2, s->cpu, " while loading");
	if (r == 0 &&
	    (lua_gettop(s->L) != WARD_SCRIPT_TREE || !lua_isfunction(s->L, WARD_SCRIPT_ENTRY))) {
		fail(s, "script", "%s: ward's Lua library does not fit this ward", s->path);
		return -EINVAL;
	}
	return r;
}
