/* The system as a script sees it while it loads: it may look, not touch. Failures are nil and a
 * sentence. */
#include "bind/bind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/trusted.h"

#define FD_TYPE	  "ward.fd"
#define DIR_TYPE  "ward.dir"
#define MAX_FILE  ((size_t)16 << 20)
#define MAX_NAMES 100000

extern char **environ;

/* Pushes nil, the sentence, and errno and its name where there is one. */
static int
fail(lua_State *L, const char *verb, const char *path, int err, const char *why)
{
	lua_pushnil(L);
	lua_pushfstring(L, "cannot %s %s: %s", verb, path, why ? why : strerror(err));
	if (!err)
		return 2;
	lua_pushinteger(L, err);
	lua_pushstring(L, strerrorname_np(err));
	return 4;
}

/* A path for the kernel in argument 1; NULL when there is a NUL inside. */
static const char *
path_argument(lua_State *L)
{
	size_t length;
	const char *path = luaL_checklstring(L, 1, &length);

	return strlen(path) == length ? path : NULL;
}

static int
fail_nul(lua_State *L, const char *verb)
{
	return fail(L, verb, lua_tostring(L, 1), 0, "a NUL in the file name");
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

/* Opens a regular file. A FIFO or a device is refused without waiting for its other side. Returns 0, or
 * -errno; then *why may say it better. @trusted: only by links that nobody else may change. */
static int
open_file(const char *path, bool trusted, int *fd, size_t *size, const char **why)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int r = trusted ? ward_trusted_open(path, flags) : open(path, flags);

	if (r < 0) {
		*why = trusted ? ward_trusted_reason(-r) : NULL;
		return trusted ? r : -errno;
	}
	*fd = r;
	if (fstat(*fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode)) {
		*why = "not a regular file";
		return -EINVAL;
	}
	*size = (size_t)st.st_size;
	*why = "larger than 16 MiB";
	return *size > MAX_FILE ? -EFBIG : 0;
}

/* Appends what @fd still holds, first in a piece of @room bytes. The size that the file had is only a
 * hint: it may grow, and in /proc it is 0. Returns 0 or -errno. */
static int
read_rest(luaL_Buffer *b, int fd, size_t room)
{
	while (luaL_bufflen(b) <= MAX_FILE) {
		ssize_t n = read(fd, luaL_prepbuffsize(b, room), room);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		luaL_addsize(b, (size_t)n);
		room = (size_t)n < room ? room - (size_t)n : 4096;
	}
	return -EFBIG;
}

/* host.read(path [, trusted]) -> text | nil, message [, errno, its name] */
static int
host_read(lua_State *L)
{
	const char *path = path_argument(L), *why = NULL;
	bool trusted = lua_toboolean(L, 2);
	size_t size = 0;
	luaL_Buffer b;
	int *fd, r;

	if (!path)
		return fail_nul(L, "read");
	fd = push_fd(L);
	r = open_file(path, trusted, fd, &size, &why);
	luaL_buffinit(L, &b);
	if (r == 0)
		r = read_rest(&b, *fd, size + 1);
	ward_fd_close(fd);
	if (r < 0)
		return fail(L, "read", path, -r,
			    r == -EFBIG || r == -EINVAL || r == -ELOOP ? why : NULL);
	luaL_pushresult(&b);
	return 1;
}

static int
close_dir(lua_State *L)
{
	DIR **dir = luaL_checkudata(L, 1, DIR_TYPE);

	if (*dir)
		(void)closedir(*dir);
	*dir = NULL;
	return 0;
}

/* Pushes a directory stream that is closed when nothing refers to it any more. */
static DIR **
push_dir(lua_State *L)
{
	DIR **dir = lua_newuserdatauv(L, sizeof(*dir), 0);

	*dir = NULL;
	if (luaL_newmetatable(L, DIR_TYPE)) {
		lua_pushcfunction(L, close_dir);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return dir;
}

/* host.list(path) -> names in no order, without "." and ".." | nil, message [, errno, its name] */
static int
host_list(lua_State *L)
{
	const char *path = path_argument(L);
	lua_Integer n = 0;
	DIR **dir;

	if (!path)
		return fail_nul(L, "list");
	dir = push_dir(L);
	*dir = opendir(path);
	if (!*dir)
		return fail(L, "list", path, errno, NULL);
	lua_newtable(L);
	for (;;) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(*dir);
		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (n == MAX_NAMES)
			return fail(L, "list", path, EFBIG, "more than 100000 names");
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, -2, ++n);
	}
	if (errno)
		return fail(L, "list", path, errno, NULL);
	(void)closedir(*dir);
	*dir = NULL;
	return 1;
}

/* host.kind(path) -> "file", "directory" or "other", links followed | nil, message [, errno, its name] */
static int
host_kind(lua_State *L)
{
	const char *path = path_argument(L);
	struct stat st;

	if (!path)
		return fail_nul(L, "look at");
	if (stat(path, &st) < 0)
		return fail(L, "look at", path, errno, NULL);
	lua_pushstring(L, S_ISREG(st.st_mode)	? "file"
			  : S_ISDIR(st.st_mode) ? "directory"
						: "other");
	return 1;
}

/* host.stat(path) -> { mode = its permissions, uid =, gid = }, links followed | nil */
static int
host_stat(lua_State *L)
{
	const char *path = path_argument(L);
	struct stat st;

	if (!path || stat(path, &st) < 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, st.st_mode & 07777);
	lua_setfield(L, -2, "mode");
	lua_pushinteger(L, st.st_uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, st.st_gid);
	lua_setfield(L, -2, "gid");
	return 1;
}

/* host.realpath(path) -> absolute path without symbolic links | nil, message */
static int
host_realpath(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	char resolved[PATH_MAX];

	if (!realpath(path, resolved))
		return fail(L, "resolve", path, errno, NULL);
	lua_pushstring(L, resolved);
	return 1;
}

/* host.cwd() -> path | nil, message */
static int
host_cwd(lua_State *L)
{
	char path[PATH_MAX];

	if (!getcwd(path, sizeof(path)))
		return fail(L, "find", "the working directory", errno, NULL);
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
		{ "read", host_read },	       { "list", host_list },
		{ "kind", host_kind },	       { "stat", host_stat },
		{ "realpath", host_realpath }, { "cwd", host_cwd },
		{ "environ", host_environ },   { "located", host_located },
		{ "blocker", host_blocker },   { "where", host_where },
		{ "now", host_now },	       { NULL, NULL },
	};

	lua_newtable(L);
	luaL_setfuncs(L, functions, 0);
	ward_bind_users(L);
	ward_bind_machine(L);
	lua_pushstring(L, share);
	lua_setfield(L, -2, "share");
	lua_pushliteral(L, WARD_VERSION);
	lua_setfield(L, -2, "version");
}
