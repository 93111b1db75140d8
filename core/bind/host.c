/* The system as a script sees it while it loads: it may look, not touch. Failures are nil and a
 * sentence. */
#include "bind/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define FD_TYPE	 "ward.fd"
#define MAX_FILE ((size_t)16 << 20)

extern char **environ;

static int
fail(lua_State *L, const char *verb, const char *path, const char *why)
{
	lua_pushnil(L);
	lua_pushfstring(L, "cannot %s %s: %s", verb, path, why);
	return 2;
}

static int
close_fd(lua_State *L)
{
	ward_fd_close(luaL_checkudata(L, 1, FD_TYPE));
	return 0;
}

/* Pushes a descriptor that is closed when nothing refers to it any more. */
static int *
push_fd(lua_State *L)
{
	int *fd = lua_newuserdatauv(L, sizeof(*fd), 0);

	*fd = -1;
	if (luaL_newmetatable(L, FD_TYPE)) {
		lua_pushcfunction(L, close_fd);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return fd;
}

/* Opens a regular file. A FIFO or a device is refused without waiting for its other side. Returns 0
 * or why not. */
static const char *
open_file(const char *path, int *fd, size_t *size)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	*size = (size_t)st.st_size;
	return *size > MAX_FILE ? "larger than 16 MiB" : NULL;
}

/* Appends what @fd still holds, first in a piece of @room bytes. The size that the file had is only a
 * hint: it may grow, and in /proc it is 0. Returns NULL or why not. */
static const char *
read_rest(luaL_Buffer *b, int fd, size_t room)
{
	while (luaL_bufflen(b) <= MAX_FILE) {
		ssize_t n = read(fd, luaL_prepbuffsize(b, room), room);

		if (n == 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return strerror(errno);
		if (n < 0)
			continue;
		luaL_addsize(b, (size_t)n);
		room = (size_t)n < room ? room - (size_t)n : 4096;
	}
	return "larger than 16 MiB";
}

/* host.read(path) -> text | nil, message */
static int
host_read(lua_State *L)
{
	size_t length, size = 0;
	const char *path = luaL_checklstring(L, 1, &length), *why;
	luaL_Buffer b;
	int *fd;

	if (strlen(path) != length)
		return fail(L, "read", path, "a NUL in the file name");
	fd = push_fd(L);
	why = open_file(path, fd, &size);
	luaL_buffinit(L, &b);
	if (!why)
		why = read_rest(&b, *fd, size + 1);
	ward_fd_close(fd);
	if (why)
		return fail(L, "read", path, why);
	luaL_pushresult(&b);
	return 1;
}

/* host.realpath(path) -> absolute path without symbolic links | nil, message */
static int
host_realpath(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	char resolved[PATH_MAX];

	if (!realpath(path, resolved))
		return fail(L, "resolve", path, strerror(errno));
	lua_pushstring(L, resolved);
	return 1;
}

/* host.cwd() -> path | nil, message */
static int
host_cwd(lua_State *L)
{
	char path[PATH_MAX];

	if (!getcwd(path, sizeof(path)))
		return fail(L, "find", "the working directory", strerror(errno));
	lua_pushstring(L, path);
	return 1;
}

/* host.environ() -> { NAME = value }; of a name that stands there twice the first counts, as for
 * getenv(3) */
static int
host_environ(lua_State *L)
{
	lua_newtable(L);
	for (char **e = environ; e && *e; e++) {
		const char *value = strchr(*e, '=');

		if (!value)
			continue;
		lua_pushlstring(L, *e, (size_t)(value - *e));
		lua_pushvalue(L, -1);
		if (lua_rawget(L, -3) == LUA_TNIL) {
			lua_pop(L, 1);
			lua_pushstring(L, value + 1);
			lua_rawset(L, -3);
		} else {
			lua_pop(L, 2);
		}
	}
	return 1;
}

static int
called_located(lua_State *L, int status, lua_KContext unused)
{
	(void)status;
	(void)unused;
	return lua_gettop(L);
}

/* What host.located returns: calls upvalue 1 with the position and the arguments. That function may
 * yield. */
static int
call_located(lua_State *L)
{
	lua_Debug ar;
	int level = 0;

	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	do
		ar.currentline = -1; /* a C function has no line */
	while (lua_getstack(L, ++level, &ar) && lua_getinfo(L, "Sl", &ar) && ar.currentline < 0);
	if (ar.currentline < 0)
		lua_pushliteral(L, "");
	else
		lua_pushfstring(L, "%s:%d",
				*ar.source == '@' || *ar.source == '=' ? ar.source + 1
								       : ar.short_src,
				ar.currentline);
	lua_insert(L, 2);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, called_located);
	return called_located(L, LUA_OK, 0);
}

/* host.located(fn) -> a function that calls fn(at, ...); `at` is "file:line" of the innermost Lua
 * function that called it, or "" when there is none. In Lua this could not be had: a function that
 * is called in a return statement does not see its caller's line. */
static int
host_located(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_pushcclosure(L, call_located, 1);
	return 1;
}

/* host.blocker() -> the name of the innermost C function of Lua's own that is being called, such as
 * "sort": what runs inside of it cannot yield. nil where there is none. */
static int
host_blocker(lua_State *L)
{
	lua_Debug ar;

	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		if (!lua_getinfo(L, "Snf", &ar))
			break;
		if (*ar.what == 'C' && ar.name && lua_tocfunction(L, -1) != call_located &&
		    strcmp(ar.name, "pcall") != 0 && strcmp(ar.name, "xpcall") != 0) {
			lua_pushstring(L, ar.name);
			return 1;
		}
		lua_pop(L, 1);
	}
	lua_pushnil(L);
	return 1;
}

/* host.where(co) -> "file:line: " of the innermost line of a file's code on the stack of a coroutine,
 * also of one that ended by an error; nil when there is none */
static int
host_where(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	lua_Debug ar;

	luaL_argexpected(L, co, 1, "coroutine");
	for (int level = 0; lua_getstack(co, level, &ar); level++) {
		if (lua_getinfo(co, "Sl", &ar) && ar.currentline > 0 && *ar.source == '@') {
			lua_pushfstring(L, "%s:%d: ", ar.source + 1, ar.currentline);
			return 1;
		}
	}
	lua_pushnil(L);
	return 1;
}

/* host.now() -> seconds of CLOCK_MONOTONIC */
static int
host_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)ward_now_ns() / 1e9);
	return 1;
}

void
ward_bind_host(lua_State *L, const char *share)
{
	static const luaL_Reg functions[] = {
		{ "read", host_read },
		{ "realpath", host_realpath },
		{ "cwd", host_cwd },
		{ "environ", host_environ },
		{ "located", host_located },
		{ "blocker", host_blocker },
		{ "where", host_where },
		{ "now", host_now },
		{ NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	ward_bind_users(L);
	lua_pushstring(L, share);
	lua_setfield(L, -2, "share");
	lua_pushliteral(L, WARD_VERSION);
	lua_setfield(L, -2, "version");
}
