/* core.cgroup_own() -> path of ward's own control group; core.cgroup(path) -> group: a directory of cgroup v2. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/plan.h"
#include "linux/cgroup.h"

#define CGROUP "ward.cgroup"

struct group {
	int dir;  /* -1 once closed */
	int lock; /* -1: not taken */
};

static int
own(lua_State *L)
{
	char path[PATH_MAX];
	int r = ward_cgroup_own(path, sizeof(path));

	if (r < 0)
		return ward_bind_fail_errno(L, -r, "no cgroup v2 hierarchy");
	lua_pushstring(L, path);
	return 1;
}

static int
group_new(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct group *g = lua_newuserdatauv(L, sizeof(*g), 0);

	g->dir = g->lock = -1;
	luaL_setmetatable(L, CGROUP);
	g->dir = ward_cgroup_open(path);
	if (g->dir < 0)
		return ward_bind_fail_errno(L, -g->dir, "cannot open control group %s", path);
	return 1;
}

int
ward_bind_cgroup_at(lua_State *L, int index)
{
	return ((struct group *)luaL_checkudata(L, index, CGROUP))->dir;
}

static int
check_dir(lua_State *L)
{
	int dir = ward_bind_cgroup_at(L, 1);

	luaL_argcheck(L, dir >= 0, 1, "the control group is closed");
	return dir;
}

/* group:write("pids.max", "10") -> true | nil, err */
static int
group_write(lua_State *L)
{
	int dir = check_dir(L);
	const char *file = luaL_checkstring(L, 2), *text = luaL_checkstring(L, 3);
	int r = ward_cgroup_write(dir, file, text);

	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot write %s to %s", text, file);
	lua_pushboolean(L, 1);
	return 1;
}

/* group:read("cgroup.controllers") -> text | nil, err */
static int
group_read(lua_State *L)
{
	int dir = check_dir(L);
	const char *file = luaL_checkstring(L, 2);
	char text[4096];
	int n = ward_cgroup_read(dir, file, text, sizeof(text));

	if (n < 0)
		return ward_bind_fail_errno(L, -n, "cannot read %s", file);
	lua_pushlstring(L, text, (size_t)n);
	return 1;
}

/* group:event("populated") -> integer | nil, err */
static int
group_event(lua_State *L)
{
	int dir = check_dir(L);
	const char *key = luaL_checkstring(L, 2);
	int n = ward_cgroup_event(dir, key);

	if (n < 0)
		return ward_bind_fail_errno(L, -n, "cannot read cgroup.events");
	lua_pushinteger(L, n);
	return 1;
}

/* group:kill() -> true | nil, err */
static int
group_kill(lua_State *L)
{
	int r = ward_cgroup_kill(check_dir(L));

	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot kill the control group");
	lua_pushboolean(L, 1);
	return 1;
}

/* group:take() -> true | false when another process has it | nil, err: ours until it is closed */
static int
group_take(lua_State *L)
{
	int dir = check_dir(L);
	struct group *g = lua_touserdata(L, 1);
	int fd = ward_cgroup_lock(dir);

	if (fd < 0 && fd != -EWOULDBLOCK)
		return ward_bind_fail_errno(L, -fd, "cannot lock the control group");
	if (fd >= 0) {
		ward_fd_close(&g->lock);
		g->lock = fd;
	}
	lua_pushboolean(L, fd >= 0);
	return 1;
}

static int
group_close(lua_State *L)
{
	struct group *g = luaL_checkudata(L, 1, CGROUP);

	ward_fd_close(&g->dir);
	ward_fd_close(&g->lock);
	return 0;
}

void
ward_bind_cgroup(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "write", group_write }, { "read", group_read }, { "event", group_event },
		{ "kill", group_kill },	  { "take", group_take }, { "close", group_close },
		{ "__gc", group_close },  { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "cgroup_own", own },
		{ "cgroup", group_new },
		{ NULL, NULL },
	};

	ward_bind_class(L, CGROUP, methods);
	luaL_setfuncs(L, functions, 0);
}
