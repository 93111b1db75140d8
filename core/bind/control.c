/* core.listen: the line server of loop/server.h for Lua. */
#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "loop/server.h"

#define SERVER_TYPE "ward.server"
#define CONN_TYPE   "ward.conn"

#define MAX_LINE 65536 /* unless told otherwise */

struct lua_server {
	struct ward_server *server;	     /* NULL: closed */
	lua_State *L;			     /* that callbacks run in */
	int line, oversize, drained, closed; /* functions */
	int self;			     /* keeps it from being collected while it listens */
};

/* Made when the first callback about a connection comes; the data of the connection. */
struct lua_conn {
	struct ward_conn *conn; /* NULL: closed */
	uid_t uid;
	pid_t pid;
	int self; /* keeps it from being collected while the connection lives */
};

/* What a callback hands to its protected half. */
struct call {
	struct lua_server *server;
	struct ward_conn *conn;
	int function;
	const char *line; /* NULL: none */
	size_t n;
};

/* Pushes the userdata of @conn, making it when it is not there yet. */
static void
push_conn(lua_State *L, struct ward_conn *conn)
{
	struct lua_conn *c = ward_conn_data(conn);

	if (c) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, c->self);
		return;
	}
	c = lua_newuserdatauv(L, sizeof(*c), 0);
	*c = (struct lua_conn){
		.conn = NULL,
		.uid = ward_conn_uid(conn),
		.pid = ward_conn_pid(conn),
		.self = LUA_NOREF,
	};
	luaL_setmetatable(L, CONN_TYPE);
	lua_pushvalue(L, -1);
	c->self = luaL_ref(L, LUA_REGISTRYINDEX);
	c->conn = conn;
	ward_conn_set_data(conn, c);
}

static int
protected_call(lua_State *L)
{
	const struct call *call = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, call->function);
	push_conn(L, call->conn);
	if (call->line)
		lua_pushlstring(L, call->line, call->n);
	lua_call(L, call->line ? 2 : 1, 0);
	return 0;
}

static void
run_call(struct call *call, const char *what)
{
	lua_State *L = call->server->L;

	if (call->function == LUA_NOREF)
		return;
	/* Neither of these allocates. */
	lua_pushcfunction(L, protected_call);
	lua_pushlightuserdata(L, call);
	(void)ward_bind_call(L, 1, 0, what);
}

static void
on_line(struct ward_conn *conn, const char *bytes, size_t n)
{
	struct lua_server *s = ward_conn_arg(conn);
	struct call call = { s, conn, s->line, bytes, n };

	run_call(&call, "the line callback of a connection");
}

static void
on_oversize(struct ward_conn *conn)
{
	struct lua_server *s = ward_conn_arg(conn);
	struct call call = { s, conn, s->oversize, NULL, 0 };

	run_call(&call, "the oversize callback of a connection");
}

static void
on_drained(struct ward_conn *conn)
{
	struct lua_server *s = ward_conn_arg(conn);
	struct call call = { s, conn, s->drained, NULL, 0 };

	run_call(&call, "the drained callback of a connection");
}

/* A connection that Lua has never seen has nothing to be told about. */
static void
on_closed(struct ward_conn *conn)
{
	struct lua_server *s = ward_conn_arg(conn);
	struct lua_conn *c = ward_conn_data(conn);
	struct call call = { s, conn, s->closed, NULL, 0 };
	lua_State *L = s->L;

	if (!c)
		return;
	c->conn = NULL;
	run_call(&call, "the closed callback of a connection");
	ward_bind_unref(L, &c->self);
}

/* ---- connections ---- */

static int
push_to(lua_State *L, int (*push)(struct ward_conn *, const void *, size_t))
{
	struct lua_conn *c = luaL_checkudata(L, 1, CONN_TYPE);
	size_t n;
	const char *s = luaL_checklstring(L, 2, &n);
	int r = c->conn ? push(c->conn, s, n) : -EPIPE;

	if (r == -EPIPE)
		return ward_bind_fail_code(L, "closed", "the connection is closed");
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "the connection is dropped");
	lua_pushboolean(L, 1);
	return 1;
}

/* conn:send(s) -> true | nil, err: the answer to a line */
static int
conn_send(lua_State *L)
{
	return push_to(L, ward_conn_send);
}

/* conn:tell(s) -> true | nil, err: what answers no line */
static int
conn_tell(lua_State *L)
{
	return push_to(L, ward_conn_tell);
}

/* conn:queued() -> bytes that the peer has not taken yet; 0 once it is closed */
static int
conn_queued(lua_State *L)
{
	const struct lua_conn *c = luaL_checkudata(L, 1, CONN_TYPE);

	lua_pushinteger(L, c->conn ? (lua_Integer)ward_conn_queued(c->conn) : 0);
	return 1;
}

static int
conn_close(lua_State *L)
{
	struct lua_conn *c = luaL_checkudata(L, 1, CONN_TYPE);

	if (c->conn)
		ward_conn_close(c->conn);
	return 0;
}

/* Upvalue 1 is the table of methods. */
static int
conn_index(lua_State *L)
{
	const struct lua_conn *c = luaL_checkudata(L, 1, CONN_TYPE);
	const char *key = luaL_checkstring(L, 2);

	if (strcmp(key, "uid") == 0) {
		lua_pushinteger(L, c->uid);
	} else if (strcmp(key, "pid") == 0) {
		lua_pushinteger(L, c->pid);
	} else {
		lua_settop(L, 2);
		lua_rawget(L, lua_upvalueindex(1));
	}
	return 1;
}

/* ---- the server ---- */

static void
server_end(lua_State *L, struct lua_server *s)
{
	struct ward_server *server = s->server;

	s->server = NULL;
	ward_server_free(server);
	ward_bind_unref(L, &s->line);
	ward_bind_unref(L, &s->oversize);
	ward_bind_unref(L, &s->drained);
	ward_bind_unref(L, &s->closed);
	ward_bind_unref(L, &s->self);
}

/* server:close(): every connection gets its closed callback before this returns. */
static int
server_close(lua_State *L)
{
	struct lua_server *s = luaL_checkudata(L, 1, SERVER_TYPE);

	if (s->server)
		server_end(L, s);
	return 0;
}

/* The state is ending, or listening failed: no callbacks any more. */
static int
server_gc(lua_State *L)
{
	struct lua_server *s = luaL_checkudata(L, 1, SERVER_TYPE);

	ward_bind_unref(L, &s->closed);
	server_end(L, s);
	return 0;
}

static int
take_function(lua_State *L, const char *field)
{
	int ref;

	lua_getfield(L, 2, field);
	if (!lua_isnil(L, -1) && !lua_isfunction(L, -1))
		luaL_error(L, "%s must be a function", field);
	ref = ward_bind_ref(L, -1);
	lua_pop(L, 1);
	return ref;
}

/* server:handover() -> the number of its socket, for listen's { adopt = number } after a re-exec; nil once closed */
static int
server_handover(lua_State *L)
{
	const struct lua_server *s = luaL_checkudata(L, 1, SERVER_TYPE);

	if (s->server)
		lua_pushinteger(L, ward_server_fd(s->server));
	else
		lua_pushnil(L);
	return 1;
}

/* listen(path, { max_line =, line =, oversize =, drained =, closed = } [, { adopt = }]) -> server | nil, err */
static int
control_listen(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct ward_core *core = ward_core_need(L);
	struct ward_server_config config = {
		.line = on_line, .oversize = on_oversize, .drained = on_drained, .closed = on_closed
	};
	struct lua_server *s;
	struct ward_err err;
	lua_Integer max;
	int kept;

	luaL_checktype(L, 2, LUA_TTABLE);
	kept = lua_istable(L, 3) ? ward_bind_kept(L, 3, "adopt") : -1;
	lua_getfield(L, 2, "max_line");
	max = luaL_optinteger(L, -1, MAX_LINE);
	luaL_argcheck(L, max > 0 && max <= (1 << 30), 2, "max_line is out of range");
	config.max_line = (size_t)max;

	s = lua_newuserdatauv(L, sizeof(*s), 0);
	*s = (struct lua_server){ .L = core->lua,
				  .line = LUA_NOREF,
				  .oversize = LUA_NOREF,
				  .drained = LUA_NOREF,
				  .closed = LUA_NOREF,
				  .self = LUA_NOREF };
	luaL_setmetatable(L, SERVER_TYPE);
	s->line = take_function(L, "line");
	s->oversize = take_function(L, "oversize");
	s->drained = take_function(L, "drained");
	s->closed = take_function(L, "closed");
	luaL_argcheck(L, s->line != LUA_NOREF, 2, "line is missing");
	lua_pushvalue(L, -1);
	s->self = luaL_ref(L, LUA_REGISTRYINDEX);
	if (ward_server_adopt(core->loop, path, kept, &config, s, &s->server, &err) < 0) {
		ward_bind_unref(L, &s->self);
		return ward_bind_fail(L, &err);
	}
	return 1;
}

void
ward_bind_control(lua_State *L)
{
	static const luaL_Reg server[] = {
		{ "close", server_close },
		{ "handover", server_handover },
		{ "__gc", server_gc },
		{ NULL, NULL },
	};
	static const luaL_Reg conn[] = {
		{ "send", conn_send },	 { "tell", conn_tell }, { "queued", conn_queued },
		{ "close", conn_close }, { NULL, NULL },
	};

	ward_bind_class(L, SERVER_TYPE, server);
	luaL_newmetatable(L, CONN_TYPE);
	luaL_newlib(L, conn);
	lua_pushcclosure(L, conn_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);

	lua_pushcfunction(L, control_listen);
	lua_setfield(L, -2, "listen");
}
