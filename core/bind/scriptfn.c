/* core.script: script states as the trusted state has them. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/library.h"
#include "bind/script.h"
#include "loop/work.h"

#define SCRIPT_TYPE    "ward.script"
#define DEFAULT_MEMORY ((size_t)64 << 20)
#define LEAST_MEMORY   ((size_t)1 << 20) /* the libraries and boot.lua fit */
#define DEFAULT_CPU    5.0		 /* seconds */
#define LARGE	       ((size_t)4 << 20)
#define PATIENCE_MS    1000 /* for a load that nobody wants any more, and whose CPU time is over */

void
ward_script_forget(lua_State *L, struct ward_script *s)
{
	ward_bind_unref(L, &s->done);
	ward_bind_unref(L, &s->box);
}

static void
free_there(void *arg)
{
	ward_script_free(arg);
}

static void
on_freed(void *arg)
{
	(void)arg;
}

/* A large script is many small pieces of memory, which take a while to free: not in the loop's time where there is a
 * loop. Nothing but its memory is left of a state whose budget is closed, and no __close of its can run. */
static void
free_later(struct ward_script *s)
{
	struct ward_work *work;

	ward_budget_close(&s->budget);
	if (s->used < LARGE || !s->core->loop ||
	    ward_work_start(s->core->loop, free_there, on_freed, s, &work) < 0)
		ward_script_free(s);
}

/* The box is made before the script state, so that no error in the trusted state leaks one. */
static int
box_close(lua_State *L)
{
	struct ward_script **box = luaL_checkudata(L, 1, SCRIPT_TYPE), *s = *box;

	if (!s)
		return 0;
	luaL_argcheck(L, !s->trusted, 1, "the script is running");
	*box = NULL;
	ward_bind_unref(L, &s->server);
	if (s->work) { /* it has no time left; one that is deep in a C function may still not end */
		ward_budget_expire(&s->budget);
		ward_script_forget(L, s);
		if (!ward_work_abandon(s->work, ward_budget_overdue(&s->budget) ? 0 : PATIENCE_MS))
			return 0;
	}
	free_later(s);
	return 0;
}

static struct ward_script **
push_box(lua_State *L)
{
	struct ward_script **box = lua_newuserdatauv(L, sizeof(*box), 0);

	*box = NULL;
	luaL_setmetatable(L, SCRIPT_TYPE);
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

/* Says in @L why something of the bundle, below @where, could not come over. */
static int
fail_transfer(lua_State *L, const struct ward_script *s, const char *where,
	      const struct ward_err *err)
{
	const char *between = *where && *err->detail != '[' ? ": " : "";

	return ward_bind_fail_code(L, "script", "%s: %s%s%s", s->path, where, between, err->detail);
}

/* Copies the part of the bundle at @from of the script's stack to the field @name of the table on top of @L. Returns 0,
 * or how many results say that it could not. */
static int
add_part(lua_State *L, struct ward_script *s, int from, const char *name)
{
	struct ward_err err;

	if (ward_transfer_more(s->L, from, 1, L, &s->passed, &err) < 0)
		return fail_transfer(L, s, name, &err);
	lua_setfield(L, -2, name);
	return 0;
}

/* Pushes the bundle of a script that has loaded, or nil and the error. Returns how many. */
static int
push_bundle(lua_State *L, struct ward_script *s, int loaded)
{
	struct ward_err err;
	int n;

	if (loaded < 0) {
		lua_pushstring(L, s->message);
		return ward_bind_fail_top(L, s->code);
	}
	if (ward_transfer_more(s->L, WARD_SCRIPT_BUNDLE, 1, L, &s->passed, &err) < 0)
		return fail_transfer(L, s, "", &err);
	if (s->apart)
		return 1;
	n = add_part(L, s, WARD_SCRIPT_SERVICES, "services");
	if (n == 0)
		n = add_part(L, s, WARD_SCRIPT_TREE, "tree");
	if (n > 0)
		return n;
	lua_settop(s->L, WARD_SCRIPT_ENTRY);
	return 1;
}

/* On a thread of its own: nothing of the trusted state is touched here. */
static void
load_there(void *arg)
{
	struct ward_script *s = arg;

	s->loaded = ward_script_load(s);
	ward_budget_close(&s->budget); /* its timer counts that thread's time */
}

/* done(bundle, script), or done(nil, err) */
static int
tell_loaded(lua_State *L)
{
	struct ward_script *s = lua_touserdata(L, 1);
	int n;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->done);
	if (s->loaded == 0)
		s->loaded = ward_script_attach(s);
	n = push_bundle(L, s, s->loaded);
	if (n == 1)
		(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->box);
	ward_script_forget(L, s);
	lua_call(L, 2, 0);
	return 0;
}

static void
on_loaded(void *arg)
{
	struct ward_script *s = arg;
	lua_State *L = s->core->lua;

	s->work = NULL;
	lua_pushcfunction(L, tell_loaded);
	lua_pushlightuserdata(L, s);
	(void)ward_bind_call(L, 1, 0, "the load of a script");
}

int
ward_script_start(lua_State *L, struct ward_script *s, int box, int done, ward_work_fn *there,
		  ward_work_fn *after)
{
	int r;

	(void)ward_core_need(L);
	s->done = ward_bind_ref(L, done);
	lua_pushvalue(L, box);
	s->box = luaL_ref(L, LUA_REGISTRYINDEX);
	r = ward_work_start(s->core->loop, there, after, s, &s->work);
	if (r == 0)
		return 0;
	ward_script_forget(L, s);
	return ward_bind_fail_errno(L, -r, "%s: it gets no thread of its own", s->path);
}

/* core.script(path [, options]) -> bundle, script | nil, err
 *
 * options: cpu, in seconds; memory, in bytes; sources: texts by path, which stand for all files that there are; apart:
 * services and tree are not in the bundle, but to be had of the script, until it is entered; done:
 * then the load does not keep the caller: core.script returns the script, which can only be closed and asked whether it is
 * overdue, and later done(bundle, script) or done(nil, err) is called. Without done, a load that hangs in a C function
 * ends the process, with a line on stderr. */
static int
core_script(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct ward_core *core = ward_bind_core(L);
	double cpu = option(L, "cpu", DEFAULT_CPU, 1e-9, WARD_SCRIPT_MOST_CPU);
	double memory = option(L, "memory", (double)DEFAULT_MEMORY, (double)LEAST_MEMORY, 1e15);
	struct ward_script **box;
	struct ward_err err;
	int r;

	lua_settop(L, 2);
	if (!core->share)
		return ward_bind_fail_code(L, "script", "%s: ward's Lua library is not found",
					   path);
	if (lua_istable(L, 2)) {
		lua_getfield(L, 2, "sources");
		lua_getfield(L, 2, "done");
		lua_getfield(L, 2, "apart");
	}
	lua_settop(L, 5);
	box = push_box(L);
	r = ward_script_new(core, ward_library_of(L), path, (size_t)memory, cpu, box);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "%s", path);
	(*box)->apart = lua_toboolean(L, 5);
	if (ward_transfer(L, 3, 1, (*box)->L, &err) < 0)
		return ward_bind_fail_code(L, "script", "%s: %s", path, err.detail);
	if (lua_isfunction(L, 4)) {
		r = ward_script_start(L, *box, 6, 4, load_there, on_loaded);
		return r == 0 ? 1 : r;
	}
	(*box)->budget.alone = true;
	r = ward_script_load(*box);
	(*box)->budget.alone = false;
	r = push_bundle(L, *box, r);
	if (r == 1) {
		lua_pushvalue(L, 6);
		return 2;
	}
	ward_script_free(*box);
	*box = NULL;
	return r;
}

/* script:overdue() -> the line of what hangs in a C function on a thread of its own, a load or an entry, "" when it is in no
 * file; nil: it does not, or has ended */
static int
script_overdue(lua_State *L)
{
	const struct ward_script *s = *(struct ward_script **)luaL_checkudata(L, 1, SCRIPT_TYPE);

	if (s && s->work && ward_budget_overdue(&s->budget))
		lua_pushstring(L, s->budget.where);
	else
		lua_pushnil(L);
	return 1;
}

struct ward_script *
ward_script_check(lua_State *L)
{
	struct ward_script *s = *(struct ward_script **)luaL_checkudata(L, 1, SCRIPT_TYPE);

	luaL_argcheck(L, s, 1, "the script is closed");
	luaL_argcheck(L, !s->trusted, 1, "the script is running");
	luaL_argcheck(L, !s->work, 1, "the script is busy");
	return s;
}

/* script:serve(fn): fn(...) answers what the script asks for with host.request, in plain data */
static int
script_serve(lua_State *L)
{
	struct ward_script *s = ward_script_check(L);

	ward_bind_unref(L, &s->server);
	s->server = ward_bind_ref(L, 2);
	return 0;
}

/* Pushes to @L the string that the field @name of the table at @table of a script's stack is; nil when it is none.
 * lua_getfield would make a string over there. */
static void
push_field(lua_State *L, lua_State *from, int table, const char *name)
{
	int top = lua_gettop(from);
	const char *value;
	size_t n;

	lua_pushnil(L);
	for (lua_pushnil(from); lua_next(from, table); lua_settop(from, top + 1)) {
		if (lua_type(from, -2) != LUA_TSTRING || strcmp(lua_tostring(from, -2), name) != 0)
			continue;
		if (lua_type(from, -1) == LUA_TSTRING) {
			value = lua_tolstring(from, -1, &n);
			lua_pop(L, 1);
			lua_pushlstring(L, value, n);
		}
		break;
	}
	lua_settop(from, top);
}

/* For the service on top of the script's stack: pushes what `known`, argument 4, has for its name when that is the same
 * but for its source, and sets that source in `moved`, in place 6, at @at, when it is another. */
static bool
recognise(lua_State *L, struct ward_script *s, lua_Integer at)
{
	int service = lua_gettop(s->L), top = lua_gettop(L);

	if (!lua_istable(L, 4) || !lua_istable(s->L, service))
		return false;
	push_field(L, s->L, service, "name");
	(void)lua_rawget(L, 4);
	if (!lua_istable(L, -1) || !ward_transfer_same(s->L, service, L, -1, "source")) {
		lua_settop(L, top);
		return false;
	}
	push_field(L, s->L, service, "source");
	lua_pushliteral(L, "source");
	(void)lua_rawget(L, top + 1);
	if (!lua_rawequal(L, -1, -2)) {
		lua_pushvalue(L, -2);
		lua_rawseti(L, 6, at);
	}
	lua_settop(L, top + 1);
	return true;
}

static struct ward_script *
check_apart(lua_State *L)
{
	struct ward_script *s = ward_script_check(L);

	lua_settop(s->L, lua_gettop(s->L) > WARD_SCRIPT_TREE ? WARD_SCRIPT_TREE : lua_gettop(s->L));
	luaL_argcheck(L, lua_gettop(s->L) == WARD_SCRIPT_TREE, 1, "the bundle is gone");
	luaL_argcheck(L, lua_checkstack(s->L, 4), 1, "out of memory");
	return s;
}

/* script:services(first, last, known) -> services, moved | nil, err: those of the bundle, fewer when there are no more. A
 * service that is equal to known[its name] but for its `source` is that table, and moved[its place in the list] is its
 * source, where that is another; without `known` all are new. */
static int
script_services(lua_State *L)
{
	struct ward_script *s = check_apart(L);
	lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), count = 0;
	struct ward_err err;
	char where[40];

	lua_settop(L, 4);
	lua_newtable(L);
	lua_newtable(L);
	for (lua_Integer i = first; i <= last && lua_istable(s->L, WARD_SCRIPT_SERVICES); i++) {
		if (lua_rawgeti(s->L, WARD_SCRIPT_SERVICES, i) == LUA_TNIL)
			break;
		count++;
		if (!recognise(L, s, count) &&
		    ward_transfer_more(s->L, -1, 1, L, &s->passed, &err) < 0) {
			lua_settop(s->L, WARD_SCRIPT_TREE);
			(void)snprintf(where, sizeof(where), "services[%lld]", (long long)i);
			return fail_transfer(L, s, where, &err);
		}
		lua_rawseti(L, 5, count);
		lua_settop(s->L, WARD_SCRIPT_TREE);
	}
	lua_settop(s->L, WARD_SCRIPT_TREE);
	return 2;
}

/* script:tree(known) -> the tree of the bundle, which is `known` when it is equal | nil, err */
static int
script_tree(lua_State *L)
{
	struct ward_script *s = check_apart(L);
	struct ward_err err;

	lua_settop(L, 2);
	if (lua_istable(L, 2) && ward_transfer_same(s->L, WARD_SCRIPT_TREE, L, 2, NULL))
		return 1;
	if (ward_transfer_more(s->L, WARD_SCRIPT_TREE, 1, L, &s->passed, &err) < 0)
		return fail_transfer(L, s, "tree", &err);
	return 1;
}

/* script:memory() -> bytes of Lua memory in use */
static int
script_memory(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)ward_script_check(L)->used);
	return 1;
}

void
ward_bind_script(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "serve", script_serve },
		{ "enter", ward_script_enter },
		{ "enter_apart", ward_script_enter_apart },
		{ "overdue", script_overdue },
		{ "memory", script_memory },
		{ "services", script_services },
		{ "tree", script_tree },
		{ "close", box_close },
		{ "__gc", box_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, SCRIPT_TYPE, methods);
	lua_pushcfunction(L, core_script);
	lua_setfield(L, -2, "script");
}
