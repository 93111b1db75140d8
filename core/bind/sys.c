#include "bind/sys.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bind/bind.h"
#include "linux/names.h"

extern char **environ;

/* write(fd, s): all of it, also where somebody made the descriptor non-blocking. */
static int
sys_write(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	size_t n;
	const char *p = luaL_checklstring(L, 2, &n);

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k >= 0) {
			p += k;
			n -= (size_t)k;
		} else if (errno == EAGAIN) {
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			(void)poll(&room, 1, -1);
		} else if (errno != EINTR) {
			return ward_bind_fail_errno(L, errno, "cannot write");
		}
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* ---- time ---- */

static int
sys_now(lua_State *L)
{
	lua_pushnumber(L, (double)ward_now_ns() / 1e9);
	return 1;
}

static int
sys_time(lua_State *L)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	lua_pushnumber(L, (double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
	return 1;
}

static int
sys_sleep(lua_State *L)
{
	double s = luaL_checknumber(L, 1);
	struct timespec left;

	luaL_argcheck(L, s < 1e9, 1, "not a duration"); /* NaN too */
	if (s <= 0)
		return 0;
	left.tv_sec = (time_t)s;
	left.tv_nsec = (long)((s - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
	return 0;
}

static int
sys_localtime(lua_State *L)
{
	double at = luaL_checknumber(L, 1);
	char text[16];
	struct tm tm;
	time_t t;

	luaL_argcheck(L, fabs(at) < 1e15, 1, "not a time"); /* NaN too */
	t = (time_t)at;
	if (!localtime_r(&t, &tm))
		return luaL_argerror(L, 1, "not a time");
	(void)strftime(text, sizeof(text), "%H:%M:%S", &tm);
	lua_pushstring(L, text);
	return 1;
}

/* ---- the process and its terminal ---- */

static int
sys_getenv(lua_State *L)
{
	lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
	return 1;
}

static int
sys_environ(lua_State *L)
{
	lua_newtable(L);
	for (char **e = environ; e && *e; e++) {
		const char *eq = strchr(*e, '=');

		if (!eq)
			continue;
		lua_pushlstring(L, *e, (size_t)(eq - *e));
		lua_pushstring(L, eq + 1);
		lua_rawset(L, -3);
	}
	return 1;
}

static int
sys_isatty(lua_State *L)
{
	lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
	return 1;
}

static int
sys_cwd(lua_State *L)
{
	char path[4096];

	if (!getcwd(path, sizeof(path)))
		return ward_bind_fail_errno(L, errno, "cannot tell the working directory");
	lua_pushstring(L, path);
	return 1;
}

/* columns(): of the terminal on stdout or else stderr; nil without one. */
static int
sys_columns(lua_State *L)
{
	struct winsize w;

	for (int fd = 1; fd <= 2; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) {
			lua_pushinteger(L, w.ws_col);
			return 1;
		}
	}
	lua_pushnil(L);
	return 1;
}

static int
sys_strerror(lua_State *L)
{
	lua_pushstring(L, strerror((int)luaL_checkinteger(L, 1)));
	return 1;
}

static void
push_signals(lua_State *L)
{
	lua_newtable(L);
	for (int n = 1; n <= ward_signal_max(); n++) {
		const char *name = ward_signal_name(n);

		if (!name)
			continue;
		lua_pushinteger(L, n);
		lua_setfield(L, -2, name);
	}
}

void
ward_bind_sys(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "now", sys_now },	      { "time", sys_time },
		{ "sleep", sys_sleep },	      { "localtime", sys_localtime },
		{ "getenv", sys_getenv },     { "environ", sys_environ },
		{ "isatty", sys_isatty },     { "cwd", sys_cwd },
		{ "columns", sys_columns },   { "write", sys_write },
		{ "strerror", sys_strerror }, { NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	lua_pushliteral(L, WARD_VERSION);
	lua_setfield(L, -2, "version");
	lua_pushstring(L, ward_bind_core(L)->share);
	lua_setfield(L, -2, "share");
	lua_pushinteger(L, getpid());
	lua_setfield(L, -2, "pid");
	lua_pushinteger(L, geteuid());
	lua_setfield(L, -2, "uid");
	push_signals(L);
	lua_setfield(L, -2, "signals");
	ward_bind_files(L);
	ward_bind_users(L);
	ward_bind_machine(L);
}
