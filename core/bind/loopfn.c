/* core.run, core.stop, core.timer(fn), core.signal(name, fn) and core.orphans. */
#include <lauxlib.h>

#include "bind/bind.h"
#include "linux/names.h"
#include "loop/proc.h"
#include "loop/signals.h"

#define TIMER  "ward.timer"
#define SIGNAL "ward.signal"

struct timer {
	struct ward_core *core;
	struct ward_timer *timer; /* NULL once closed */
	int fn;
	int script; /* reference, or LUA_NOREF */
	double cpu; /* seconds of an entry of it */
};

struct signal {
	struct ward_core *core;
	int number; /* 0 once closed */
	int fn;
};

/* seconds of core.now() */
static void
arm(const struct timer *t, lua_Number at)
{
	/* A thousand years is for ever, and far from the edge of the integer. */
	if (at < 0)
		at = 0;
	if (at > 3e10)
		at = 3e10;
	ward_timer_arm(t->timer, (uint64_t)(at * 1e9));
}

/* Enters the script, and goes on to the function only where there is something for it to do. */
static int
fire(lua_State *L)
{
	const struct timer *t = lua_touserdata(L, 1);
	double next = 0;
	int n;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, t->script);
	lua_remove(L, 1);
	n = ward_bind_script_due(L, t->cpu, &next);
	if (n == 0) {
		if (next > 0)
			arm(t, next);
		return 0;
	}
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn);
	lua_insert(L, -n - 1);
	lua_call(L, n, 0);
	return 0;
}

static void
on_timer(void *arg)
{
	struct timer *t = arg;
	lua_State *L = t->core->lua;

	if (t->script != LUA_NOREF) {
		lua_pushcfunction(L, fire);
		lua_pushlightuserdata(L, t);
		(void)ward_bind_call(L, 1, 0, "a timer");
		return;
	}
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn);
	(void)ward_bind_call(L, 0, 0, "a timer");
}

/* core.timer(fn [, script, cpu]): with a script, that is entered when the timer fires, as by script:enter(cpu), and
 * the timer is armed again for what it waits for then. fn gets the results where they say that there is more to do, or
 * that it failed, or when it has asked for something. */
static int
timer_new(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	struct timer *t;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 3);
	t = lua_newuserdatauv(L, sizeof(*t), 0);
	*t = (struct timer){ .core = core, .fn = LUA_NOREF, .script = LUA_NOREF };
	luaL_setmetatable(L, TIMER);
	t->fn = ward_bind_ref(L, 1);
	if (!lua_isnil(L, 2)) {
		t->cpu = luaL_checknumber(L, 3);
		lua_pushvalue(L, 2);
		t->script = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	t->timer = ward_timer_new(core->loop, on_timer, t);
	if (!t->timer)
		return luaL_error(L, "not enough memory for a timer");
	return 1;
}

static struct timer *
check_timer(lua_State *L)
{
	struct timer *t = luaL_checkudata(L, 1, TIMER);

	luaL_argcheck(L, t->timer, 1, "the timer is closed");
	return t;
}

/* timer:arm(at): at is in seconds of core.now(); the past fires in the next turn */
static int
timer_arm(lua_State *L)
{
	const struct timer *t = check_timer(L);
	lua_Number at = luaL_checknumber(L, 2);

	luaL_argcheck(L, at == at, 2, "not a time");
	arm(t, at);
	return 0;
}

static int
timer_disarm(lua_State *L)
{
	ward_timer_disarm(check_timer(L)->timer);
	return 0;
}

static int
timer_close(lua_State *L)
{
	struct timer *t = luaL_checkudata(L, 1, TIMER);

	ward_timer_free(t->timer);
	t->timer = NULL;
	ward_bind_unref(L, &t->fn);
	ward_bind_unref(L, &t->script);
	return 0;
}

static void
on_signal(void *arg, int sig)
{
	const struct signal *s = arg;
	lua_State *L = s->core->lua;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->fn);
	(void)lua_pushstring(L, ward_signal_name(sig));
	lua_pushboolean(L, ward_signals_from_kernel(s->core->signals));
	(void)ward_bind_call(L, 2, 0, "a signal");
}

/* core.signal("TERM", fn) -> handle, which must be kept; fn(name, from_kernel) runs in the loop */
static int
signal_new(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	int number = ward_signal_number(luaL_checkstring(L, 1)), r;
	struct signal *s;

	luaL_argcheck(L, number > 0, 1, "unknown signal");
	luaL_checktype(L, 2, LUA_TFUNCTION);
	s = lua_newuserdatauv(L, sizeof(*s), 0);
	*s = (struct signal){ .core = core, .fn = LUA_NOREF };
	luaL_setmetatable(L, SIGNAL);
	s->fn = ward_bind_ref(L, 2);
	r = ward_signals_set(core->signals, number, on_signal, s);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot handle signal %s", lua_tostring(L, 1));
	s->number = number;
	return 1;
}

static int
signal_close(lua_State *L)
{
	struct signal *s = luaL_checkudata(L, 1, SIGNAL);

	if (s->number)
		(void)ward_signals_set(s->core->signals, s->number, NULL, NULL);
	s->number = 0;
	ward_bind_unref(L, &s->fn);
	return 0;
}

/* core.run(): until core.stop() was called from a callback */
static int
run(lua_State *L)
{
	ward_loop_run(ward_core_need(L)->loop);
	return 0;
}

static int
stop(lua_State *L)
{
	ward_loop_stop(ward_core_need(L)->loop);
	return 0;
}

/* core.orphans() -> how many adopted children live; core.kill_orphans() -> the same, after SIGKILL */
static int
orphans(lua_State *L)
{
	lua_pushinteger(L, ward_procs_orphans(ward_core_need(L)->procs, false));
	return 1;
}

static int
kill_orphans(lua_State *L)
{
	lua_pushinteger(L, ward_procs_orphans(ward_core_need(L)->procs, true));
	return 1;
}

void
ward_bind_loop(lua_State *L)
{
	static const luaL_Reg timer_methods[] = {
		{ "arm", timer_arm },	  { "disarm", timer_disarm },
		{ "close", timer_close }, { "__gc", timer_close },
		{ NULL, NULL },
	};
	static const luaL_Reg signal_methods[] = {
		{ "close", signal_close },
		{ "__gc", signal_close },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "start", ward_core_start },
		{ "deadline", ward_core_deadline },
		{ "timer", timer_new },
		{ "signal", signal_new },
		{ "run", run },
		{ "stop", stop },
		{ "orphans", orphans },
		{ "kill_orphans", kill_orphans },
		{ NULL, NULL },
	};

	ward_bind_class(L, TIMER, timer_methods);
	ward_bind_class(L, SIGNAL, signal_methods);
	luaL_setfuncs(L, functions, 0);
}
