/* core.http: HTTP requests for Lua. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bind/bind.h"
#include "loop/http.h"

#define HTTP	    "ward.http"
#define MAX_HEADERS 100

struct http {
	struct ward_core *core;
	struct ward_http_request *request; /* NULL once it is over or closed */
	int fn;
	int self; /* keeps the userdata meanwhile */
};

static void
forget(struct http *h)
{
	lua_State *L = h->core->lua;

	ward_bind_unref(L, &h->fn);
	luaL_unref(L, LUA_REGISTRYINDEX, h->self);
	h->self = LUA_NOREF;
}

/* fn({ status =, head =, body = }) or fn(nil, err): the arguments are made inside the protected call */
static int
call_fn(lua_State *L)
{
	const struct ward_http_result *result = lua_touserdata(L, 2);
	int results = 1;

	lua_settop(L, 1);
	if (result->code) {
		results = ward_bind_fail_code(L, result->code, "%s", result->message);
		if (result->err) {
			lua_pushinteger(L, result->err);
			lua_setfield(L, -2, "errno");
		}
	} else {
		lua_createtable(L, 0, 3);
		lua_pushinteger(L, result->status);
		lua_setfield(L, -2, "status");
		lua_pushlstring(L, result->head, result->head_size);
		lua_setfield(L, -2, "head");
		lua_pushlstring(L, result->body, result->body_size);
		lua_setfield(L, -2, "body");
	}
	lua_call(L, results, 0);
	return 0;
}

static void
on_done(void *arg, const struct ward_http_result *result)
{
	struct http *h = arg;
	lua_State *L = h->core->lua;

	h->request = NULL;
	lua_pushcfunction(L, call_fn);
	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, h->fn);
	forget(h);
	lua_pushlightuserdata(L, (void *)(uintptr_t)result);
	(void)ward_bind_call(L, 2, 0, "an HTTP request");
}

/* Fields of the table at 1. What they return stays in that table, so it is borrowed while that is on the stack. */
static const char *
text(lua_State *L, const char *key, size_t *n)
{
	const char *s = NULL;

	if (lua_getfield(L, 1, key) == LUA_TSTRING)
		s = lua_tolstring(L, -1, n);
	else if (!lua_isnil(L, -1))
		luaL_error(L, "%s must be a string", key);
	lua_pop(L, 1);
	return s;
}

static lua_Integer
whole(lua_State *L, const char *key, lua_Integer least, lua_Integer most)
{
	lua_Integer n;
	int is;

	lua_getfield(L, 1, key);
	n = lua_tointegerx(L, -1, &is);
	if (!is || n < least || n > most)
		luaL_error(L, "%s must be a whole number from %I to %I", key, least, most);
	lua_pop(L, 1);
	return n;
}

/* The list of header lines as an array, which the userdata that it pushes holds. */
static const char *const *
headers(lua_State *L)
{
	lua_Integer n;
	const char **list;

	if (lua_getfield(L, 1, "headers") != LUA_TTABLE)
		luaL_error(L, "headers must be a list");
	n = (lua_Integer)lua_rawlen(L, -1);
	if (n > MAX_HEADERS)
		luaL_error(L, "more than %d headers", MAX_HEADERS);
	list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof(*list), 0);
	for (lua_Integer i = 0; i < n; i++) {
		if (lua_rawgeti(L, -2, i + 1) != LUA_TSTRING)
			luaL_error(L, "a header must be a string");
		list[i] = lua_tostring(L, -1);
		if (strpbrk(list[i], "\r\n"))
			luaL_error(L, "a header must be one line");
		lua_pop(L, 1);
	}
	list[n] = NULL;
	return list;
}

static int
begin(lua_State *L, struct http *h, const struct ward_http_spec *spec)
{
	char why[256];
	int r = 0;

	if (!h->core->http)
		r = ward_http_new(h->core->loop, &h->core->http, why, sizeof(why));
	if (r == -ELIBACC)
		return ward_bind_fail_code(L, "unavailable", "HTTP needs libcurl: %s", why);
	if (r == 0)
		r = ward_http_start(h->core->http, spec, on_done, h, &h->request);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot begin the request");
	return 0;
}

/* core.http(spec, fn) -> handle | nil, err: spec has url, headers, body?, unix?, ca?, timeout (ms), max_size, redirects */
static int
http_new(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	struct ward_http_spec spec = { 0 };
	struct http *h;
	int failed;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	h = lua_newuserdatauv(L, sizeof(*h), 0);
	*h = (struct http){ .core = core, .fn = LUA_NOREF, .self = LUA_NOREF };
	luaL_setmetatable(L, HTTP);
	spec.url = text(L, "url", NULL);
	spec.body = text(L, "body", &spec.body_size);
	spec.unix_socket = text(L, "unix", NULL);
	spec.ca = text(L, "ca", NULL);
	spec.timeout_ms = (uint64_t)whole(L, "timeout", 1, 86400000);
	spec.max_size = (size_t)whole(L, "max_size", 0, 1 << 30);
	spec.redirects = (unsigned)whole(L, "redirects", 0, 100);
	luaL_argcheck(L, spec.url, 1, "no url");
	spec.headers = headers(L);
	h->fn = ward_bind_ref(L, 2);
	lua_pushvalue(L, 3);
	h->self = luaL_ref(L, LUA_REGISTRYINDEX);
	failed = begin(L, h, &spec);
	if (failed) {
		forget(h);
		return failed;
	}
	lua_pushvalue(L, 3);
	return 1;
}

/* handle:close(): nothing comes after it */
static int
http_close(lua_State *L)
{
	struct http *h = luaL_checkudata(L, 1, HTTP);

	ward_http_cancel(h->request);
	h->request = NULL;
	forget(h);
	return 0;
}

void
ward_bind_http(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", http_close },
		{ "__gc", http_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, HTTP, methods);
	lua_pushcfunction(L, http_new);
	lua_setfield(L, -2, "http");
}
