/* Script states: where a user's script runs.
 *
 * One load gets a fresh lua_State with a memory cap and a CPU budget. It opens its libraries, runs
 * lua/ward/script/boot.lua and through it the script, all in one protected call; what comes out is
 * copied as plain data. A script may fail there in any way that it likes: the state that drives
 * supervision sees a sentence. */
#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/budget.h"

#define SCRIPT_TYPE    "ward.script"
#define DEFAULT_MEMORY ((size_t)64 << 20)
#define LEAST_MEMORY   ((size_t)1 << 20) /* the libraries and boot.lua fit */
#define DEFAULT_CPU    5.0		 /* seconds */
#define MOST_CPU       86400.0

/* One generation of a user's script. */
struct ward_script {
	lua_State *L;
	const char *share; /* borrowed */
	struct ward_budget budget;
	double cpu;	    /* seconds that one load may use */
	size_t used, limit; /* bytes of Lua memory */
	bool refused;	    /* the cap was met at least once */
	const char *code;   /* after a failure: a word for it, and the sentence */
	char message[4096];
};

/* lua_Alloc with a cap on growth. */
static void *
capped_alloc(void *arg, void *block, size_t old, size_t size)
{
	struct ward_script *s = arg;
	void *moved;

	if (!block)
		old = 0; /* Lua passes the kind of object here */
	if (size == 0) {
		free(block);
		s->used -= old;
		return NULL;
	}
	if (size > old && size - old > s->limit - s->used) {
		s->refused = true;
		return NULL;
	}
	moved = realloc(block, size);
	if (moved)
		s->used = s->used - old + size;
	return moved;
}

/* Makes a state without libraries. Returns 0 or -ENOMEM; *out is owned. */
static int
script_new(const char *share, size_t memory, double cpu, struct ward_script **out)
{
	struct ward_script *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->share = share;
	s->limit = memory;
	s->cpu = cpu;
	s->L = lua_newstate(capped_alloc, s);
	if (!s->L) {
		free(s);
		return -ENOMEM;
	}
	(void)lua_atpanic(s->L, ward_bind_panic);
	*(struct ward_budget **)lua_getextraspace(s->L) = &s->budget;
	*out = s;
	return 0;
}

static void
script_free(struct ward_script *s)
{
	if (!s)
		return;
	lua_close(s->L);
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
	lua_pushnil(L); /* files are read through the host */
	lua_setglobal(L, "loadfile");
	ward_budget_guard(L);
}

/* Protected body of a load: boot.lua returns function(host, path) -> bundle. */
static int
run_boot(lua_State *L)
{
	const char *path = lua_touserdata(L, 1), *text;
	struct ward_script *s = lua_touserdata(L, 2);
	size_t n;

	open_libraries(L);
	ward_bind_host(L, s->share);
	lua_getfield(L, -1, "read");
	lua_pushfstring(L, "%s/ward/script/boot.lua", s->share);
	lua_call(L, 1, 2);
	text = lua_tolstring(L, -2, &n);
	if (!text || luaL_loadbufferx(L, text, n, "=[ward.script.boot]", "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	lua_pushvalue(L, 3); /* the host */
	lua_pushstring(L, path);
	lua_call(L, 2, 1);
	return 1;
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

/* Turns the error on top of the script's stack into a sentence, without running any of its code. */
static void
explain(struct ward_script *s, const char *path, int status)
{
	bool is_string = lua_type(s->L, -1) == LUA_TSTRING;
	const char *text = is_string ? lua_tostring(s->L, -1) : "";

	if (s->budget.spent)
		fail(s, "budget", "%s: used its CPU budget of %gs while loading",
		     s->budget.where[0] ? s->budget.where : path, s->cpu);
	else if (s->refused && (status == LUA_ERRMEM || strstr(text, "not enough memory")))
		fail(s, "memory", "%s: used its memory limit of %zu MiB while loading", path,
		     s->limit >> 20);
	else if (status == LUA_ERRMEM)
		fail(s, "memory", "%s: %s while loading", path, strerror(ENOMEM));
	else if (is_string)
		fail(s, "script", "%s", text);
	else
		fail(s, "script",
		     "%s: raised a %s value as its error (a string says what is wrong)", path,
		     luaL_typename(s->L, -1));
}

/* Loads the script at @path. Returns 0 with the bundle on top of the script's stack, or -EINVAL
 * with code and message set. Never raises. */
static int
script_load(struct ward_script *s, const char *path)
{
	lua_State *L = s->L;
	int status, r;

	r = ward_budget_begin(&s->budget, L, (uint64_t)(s->cpu * 1e9));
	if (r < 0) {
		fail(s, "budget", "%s: cannot make a CPU timer: %s", path, strerror(-r));
		return -EINVAL;
	}
	/* A new state has room for three; neither of them is an allocation. */
	lua_pushcfunction(L, run_boot);
	lua_pushlightuserdata(L, (void *)(uintptr_t)path);
	lua_pushlightuserdata(L, s);
	status = lua_pcall(L, 2, 1, 0);
	ward_budget_end(&s->budget, L);
	if (status == LUA_OK)
		return 0;
	explain(s, path, status);
	lua_pop(L, 1);
	return -EINVAL;
}

/* The box is made before the script state, so that no error in the trusted state leaks one. */
static int
box_close(lua_State *L)
{
	struct ward_script **box = luaL_checkudata(L, 1, SCRIPT_TYPE);

	script_free(*box);
	*box = NULL;
	return 0;
}

static struct ward_script **
push_box(lua_State *L)
{
	struct ward_script **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	if (luaL_newmetatable(L, SCRIPT_TYPE)) {
		lua_pushcfunction(L, box_close);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return box;
}

/* The number in field @name of the options, the optional table in argument 2. */
static double
option(lua_State *L, const char *name, double otherwise, double least, double most)
{
	double value = otherwise;

	if (lua_isnoneornil(L, 2))
		return value;
	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_getfield(L, 2, name) != LUA_TNIL) {
		value = lua_tonumber(L, -1); /* 0 when it is none */
		if (!(value >= least && value <= most))
			return luaL_error(L, "%s is not a number from %f to %f", name, least, most);
	}
	lua_pop(L, 1);
	return value;
}

/* core.script(path [, { cpu = seconds, memory = bytes }]) -> bundle | nil, err */
static int
core_script(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1), *share = ward_bind_core(L)->share;
	double cpu = option(L, "cpu", DEFAULT_CPU, 1e-9, MOST_CPU);
	double memory = option(L, "memory", (double)DEFAULT_MEMORY, (double)LEAST_MEMORY, 1e15);
	struct ward_script **box;
	struct ward_err err;
	int r;

	if (!share)
		return ward_bind_fail_code(L, "script", "%s: ward's Lua library is not found",
					   path);
	box = push_box(L);
	r = script_new(share, (size_t)memory, cpu, box);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "%s", path);
	if (script_load(*box, path) < 0) {
		lua_pushstring(L, (*box)->message);
		r = ward_bind_fail_top(L, (*box)->code);
	} else if (ward_transfer((*box)->L, -1, L, &err) < 0) {
		r = ward_bind_fail_code(L, "script", "%s: %s", path, err.detail);
	} else {
		r = 1;
	}
	/* No function of the script is called later: its state need not wait for the collector. */
	script_free(*box);
	*box = NULL;
	return r;
}

void
ward_bind_script(lua_State *L)
{
	lua_pushcfunction(L, core_script);
	lua_setfield(L, -2, "script");
}
