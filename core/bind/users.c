#include "bind/bind.h"

#include <errno.h>
#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FIRST_BUFFER 1024
#define LAST_BUFFER  (1 << 20)
#define MAX_GROUPS   65536 /* NGROUPS_MAX */

/* The id in argument @arg; raises when it can be none. (uint32_t)-1 means "unchanged" to the
 * kernel and is nobody's. */
static unsigned
check_id(lua_State *L, int arg)
{
	lua_Integer id = luaL_checkinteger(L, arg);

	luaL_argcheck(L, id >= 0 && id < UINT32_MAX, arg, "not a user or group id");
	return (unsigned)id;
}

/* The name in argument @arg, or NULL when it cannot be one because it holds a NUL. */
static const char *
check_name(lua_State *L, int arg)
{
	size_t n;
	const char *name = luaL_checklstring(L, arg, &n);

	return strlen(name) == n ? name : NULL;
}

/* Some systems report an unknown name or id by one of these, see getpwnam(3). */
static int
not_found(lua_State *L, int err)
{
	if (err == 0 || err == ENOENT || err == ESRCH || err == EBADF || err == EPERM) {
		lua_pushnil(L);
		return 1;
	}
	return ward_bind_fail_errno(L, err, "cannot look up %s", luaL_tolstring(L, 1, NULL));
}

/* user(name or uid) -> { name, uid, gid, home, shell } | nil [, err] */
static int
user(lua_State *L)
{
	bool by_id = lua_type(L, 1) == LUA_TNUMBER;
	unsigned uid = by_id ? check_id(L, 1) : 0;
	const char *name = by_id ? NULL : check_name(L, 1);
	struct passwd entry, *found = NULL;
	int r = ERANGE;

	if (!by_id && !name)
		return not_found(L, 0);
	/* The buffer is a userdata: whatever raises, it is not leaked. */
	for (size_t n = FIRST_BUFFER; r == ERANGE && n <= LAST_BUFFER; n *= 4) {
		char *buffer = lua_newuserdatauv(L, n, 0);

		r = by_id ? getpwuid_r(uid, &entry, buffer, n, &found)
			  : getpwnam_r(name, &entry, buffer, n, &found);
	}
	if (!found)
		return not_found(L, r);
	lua_createtable(L, 0, 5);
	lua_pushstring(L, entry.pw_name);
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, entry.pw_uid);
	lua_setfield(L, -2, "uid");
	lua_pushinteger(L, entry.pw_gid);
	lua_setfield(L, -2, "gid");
	lua_pushstring(L, entry.pw_dir);
	lua_setfield(L, -2, "home");
	lua_pushstring(L, entry.pw_shell);
	lua_setfield(L, -2, "shell");
	return 1;
}

/* group(name or gid) -> { name, gid } | nil [, err] */
static int
group(lua_State *L)
{
	bool by_id = lua_type(L, 1) == LUA_TNUMBER;
	unsigned gid = by_id ? check_id(L, 1) : 0;
	const char *name = by_id ? NULL : check_name(L, 1);
	struct group entry, *found = NULL;
	int r = ERANGE;

	if (!by_id && !name)
		return not_found(L, 0);
	for (size_t n = FIRST_BUFFER; r == ERANGE && n <= LAST_BUFFER; n *= 4) {
		char *buffer = lua_newuserdatauv(L, n, 0);

		r = by_id ? getgrgid_r(gid, &entry, buffer, n, &found)
			  : getgrnam_r(name, &entry, buffer, n, &found);
	}
	if (!found)
		return not_found(L, r);
	lua_createtable(L, 0, 2);
	lua_pushstring(L, entry.gr_name);
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, entry.gr_gid);
	lua_setfield(L, -2, "gid");
	return 1;
}

/* groups(user name, gid) -> list of ids, gid among them */
static int
groups(lua_State *L)
{
	const char *name = check_name(L, 1);
	unsigned gid = check_id(L, 2);
	gid_t *list;
	int n = 64, room;

	luaL_argcheck(L, name, 1, "not a user name");
	do {
		room = n;
		list = lua_newuserdatauv(L, (size_t)room * sizeof(*list), 0);
		/* When it does not fit, n becomes the number that would. */
		if (getgrouplist(name, gid, list, &n) >= 0)
			break;
		if (n <= room || n > MAX_GROUPS)
			return luaL_error(L, "too many groups of user %s", name);
	} while (true);
	lua_createtable(L, n, 0);
	for (int i = 0; i < n; i++) {
		lua_pushinteger(L, list[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

void
ward_bind_users(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "user", user },
		{ "group", group },
		{ "groups", groups },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
