/* Entries into a script that has loaded: in the loop, and on a thread of its own. */
#include <errno.h>
#include <lauxlib.h>

#include "bind/bind.h"
#include "bind/script.h"
#include "loop/work.h"

/* Pushes true and what an entry that came to @r has left on the script's stack, or nil and an error. Returns how many. */
static int
push_results(lua_State *L, struct ward_script *s, int r)
{
	struct ward_err err;
	int n;

	if (r < 0) {
		lua_pushstring(L, s->message);
		return ward_bind_fail_top(L, s->code);
	}
	n = lua_gettop(s->L) - WARD_SCRIPT_ENTRY;
	luaL_checkstack(L, n + 2, "results of a script");
	lua_pushboolean(L, 1);
	r = ward_transfer(s->L, WARD_SCRIPT_ENTRY + 1, n, L, &err);
	lua_settop(s->L, WARD_SCRIPT_ENTRY);
	if (r < 0)
		return ward_bind_fail_code(L, "script", "%s: %s", s->path, err.detail);
	return n + 1;
}

/* Puts the entry and the @nargs plain values at @first of @L's stack on the script's. Returns 0, or how many values
 * pushed to @L say why not. */
static int
push_entry(lua_State *L, struct ward_script *s, int first, int nargs)
{
	struct ward_err err;

	if (!lua_checkstack(s->L, nargs + 1))
		return ward_bind_fail_errno(L, ENOMEM, "%s", s->path);
	lua_settop(s->L, WARD_SCRIPT_ENTRY); /* what is left of the bundle goes */
	lua_pushvalue(s->L, WARD_SCRIPT_ENTRY);
	if (ward_transfer(L, first, nargs, s->L, &err) == 0)
		return 0;
	lua_settop(s->L, WARD_SCRIPT_ENTRY);
	return ward_bind_fail_code(L, "script", "%s: %s", s->path, err.detail);
}

/* Calls the entry with the @nargs plain values at @first of @L's stack, and pushes true and its results, or nil and an
 * error. Returns how many. */
static int
enter(lua_State *L, struct ward_script *s, double cpu, int first, int nargs)
{
	int r = push_entry(L, s, first, nargs);

	if (r > 0)
		return r;
	s->trusted = L;
	s->requested = false;
	r = ward_script_call(s, nargs, cpu, "");
	s->trusted = NULL;
	return push_results(L, s, r);
}

static double
check_cpu(lua_State *L)
{
	double cpu = luaL_checknumber(L, 2);

	luaL_argcheck(L, cpu > 0 && cpu <= WARD_SCRIPT_MOST_CPU, 2,
		      "a number of seconds is needed");
	return cpu;
}

int
ward_script_enter(lua_State *L)
{
	struct ward_script *s = ward_script_check(L);

	return enter(L, s, check_cpu(L), 3, lua_gettop(L) - 2);
}

/* On a thread of its own: nothing of the trusted state is touched here, and the script cannot ask it for anything. */
static void
enter_there(void *arg)
{
	struct ward_script *s = arg;

	s->loaded = ward_script_attach(s);
	if (s->loaded == 0)
		s->loaded =
			ward_script_call(s, lua_gettop(s->L) - WARD_SCRIPT_ENTRY - 1, s->cpu, "");
	ward_budget_close(&s->budget); /* its timer counts that thread's time */
}

/* done(true, results), or done(nil, err) */
static int
tell_entered(lua_State *L)
{
	struct ward_script *s = lua_touserdata(L, 1);
	int n;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->done);
	if (s->loaded == 0)
		s->loaded = ward_script_attach(s);
	n = push_results(L, s, s->loaded);
	ward_script_forget(L, s);
	lua_call(L, n, 0);
	return 0;
}

static void
on_entered(void *arg)
{
	struct ward_script *s = arg;
	lua_State *L = s->core->lua;

	s->work = NULL;
	lua_pushcfunction(L, tell_entered);
	lua_pushlightuserdata(L, s);
	(void)ward_bind_call(L, 1, 0, "an entry of a script");
}

int
ward_script_enter_apart(lua_State *L)
{
	struct ward_script *s = ward_script_check(L);
	int r;

	s->cpu = check_cpu(L);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	r = push_entry(L, s, 4, lua_gettop(L) - 3);
	if (r > 0)
		return r;
	ward_budget_close(&s->budget); /* it counts this thread's time */
	r = ward_script_start(L, s, 1, 3, enter_there, on_entered);
	if (r > 0)
		return r;
	lua_pushboolean(L, 1);
	return 1;
}

int
ward_bind_script_due(lua_State *L, double cpu, double *next)
{
	struct ward_script *s = ward_script_check(L);
	int n = enter(L, s, cpu, 2, 0);

	if (s->requested || !lua_toboolean(L, 2) || lua_toboolean(L, 3))
		return n;
	*next = lua_tonumber(L, 4); /* 0: never */
	lua_settop(L, 1);
	return 0;
}
