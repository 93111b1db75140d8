/* A pipe to or from a child as a Lua value; core.launch makes them. */
#include <errno.h>
#include <lauxlib.h>

#include "bind/bind.h"
#include "bind/plan.h"

#define STREAM "ward.stream"

struct stream {
	struct ward_stream *stream; /* NULL once closed; first, for ward_bind_stream_push */
	struct ward_core *core;
	int fn;	  /* of what is under way */
	int self; /* keeps the userdata meanwhile */
};

struct ward_stream **
ward_bind_stream_push(lua_State *L)
{
	struct stream *s = lua_newuserdatauv(L, sizeof(*s), 0);

	*s = (struct stream){ .core = ward_bind_core(L), .fn = LUA_NOREF, .self = LUA_NOREF };
	luaL_setmetatable(L, STREAM);
	return &s->stream;
}

static void
forget(struct stream *s)
{
	lua_State *L = s->core->lua;
	int self = s->self;

	ward_bind_unref(L, &s->fn);
	s->self = LUA_NOREF;
	luaL_unref(L, LUA_REGISTRYINDEX, self);
}

/* Pushes the function of what was under way, which is then over. */
static lua_State *
settle(struct stream *s)
{
	lua_State *L = s->core->lua;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, s->fn);
	forget(s);
	return L;
}

struct chunk {
	const char *bytes;
	ssize_t n;
};

/* fn(bytes), fn("") at the end, fn(nil, err): builds the argument inside the protected call */
static int
call_read(lua_State *L)
{
	const struct chunk *c = lua_touserdata(L, 2);
	int results = 1;

	lua_settop(L, 1);
	if (c->n < 0)
		results = ward_bind_fail_errno(L, (int)-c->n, "cannot read from the child");
	else
		lua_pushlstring(L, c->bytes, (size_t)c->n);
	lua_call(L, results, 0);
	return 0;
}

static void
on_read(void *arg, const char *bytes, ssize_t n)
{
	const struct chunk chunk = { bytes, n };
	lua_State *L = settle(arg);

	lua_pushcfunction(L, call_read);
	lua_insert(L, -2);
	lua_pushlightuserdata(L, (void *)(uintptr_t)&chunk);
	(void)ward_bind_call(L, 2, 0, "a read");
}

/* fn(true), fn(nil, err) */
static int
call_wrote(lua_State *L)
{
	int err = (int)lua_tointeger(L, 2), results = 1;

	lua_settop(L, 1);
	if (err < 0)
		results = ward_bind_fail_errno(L, -err, "cannot write to the child");
	else
		lua_pushboolean(L, 1);
	lua_call(L, results, 0);
	return 0;
}

static void
on_wrote(void *arg, int err)
{
	lua_State *L = settle(arg);

	lua_pushcfunction(L, call_wrote);
	lua_insert(L, -2);
	lua_pushinteger(L, err);
	(void)ward_bind_call(L, 2, 0, "a write");
}

static struct stream *
check_stream(lua_State *L)
{
	struct stream *s = luaL_checkudata(L, 1, STREAM);

	luaL_argcheck(L, s->stream, 1, "the stream is closed");
	luaL_argcheck(L, s->self == LUA_NOREF, 1, "the stream is busy");
	return s;
}

static int
started(lua_State *L, struct stream *s, int r, const char *verb)
{
	if (r < 0) {
		forget(s);
		return ward_bind_fail_errno(L, -r, "cannot %s the child", verb);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* stream:read(fn) -> true | nil, err: fn(bytes) comes once, "" is the end; fn(nil, err) */
static int
stream_read(lua_State *L)
{
	struct stream *s = check_stream(L);

	s->fn = ward_bind_ref(L, 2);
	lua_pushvalue(L, 1);
	s->self = luaL_ref(L, LUA_REGISTRYINDEX);
	return started(L, s, ward_stream_read(s->stream, on_read, s), "read from");
}

/* stream:write(bytes, fn) -> true | nil, err: fn(true) comes once all is in the pipe; fn(nil, err) */
static int
stream_write(lua_State *L)
{
	struct stream *s = check_stream(L);
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);

	s->fn = ward_bind_ref(L, 3);
	lua_pushvalue(L, 1);
	s->self = luaL_ref(L, LUA_REGISTRYINDEX);
	return started(L, s, ward_stream_write(s->stream, bytes, n, on_wrote, s), "write to");
}

/* stream:close(): what is under way never answers */
static int
stream_close(lua_State *L)
{
	struct stream *s = luaL_checkudata(L, 1, STREAM);

	ward_stream_free(s->stream);
	s->stream = NULL;
	forget(s);
	return 0;
}

void
ward_bind_stream(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "read", stream_read },
		{ "write", stream_write },
		{ "close", stream_close },
		{ "__gc", stream_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, STREAM, methods);
}
