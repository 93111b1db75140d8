/* The machine as the schema needs to know it: what a sandbox can be about here. */
#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "linux/caps.h"
#include "linux/seccomp.h"

/* Pushes the numbers of a set of capabilities as a list. */
static void
push_caps(lua_State *L, uint64_t set)
{
	lua_Integer n = 0;

	lua_newtable(L);
	for (int cap = 0; cap < 64; cap++) {
		if (set >> cap & 1) {
			lua_pushinteger(L, cap);
			lua_rawseti(L, -2, ++n);
		}
	}
}

/* machine() -> { arch =, kernel =, caps = { numbers }, permitted =, ambient = }: uname(2), and what ward's own bounding,
 * permitted and ambient sets hold. The same table each time. */
static int
machine(lua_State *L)
{
	struct ward_capsets sets = { 0 };
	struct utsname u;

	if (!lua_isnil(L, lua_upvalueindex(1))) {
		lua_pushvalue(L, lua_upvalueindex(1));
		return 1;
	}
	if (uname(&u) < 0)
		return luaL_error(L, "uname: %s", strerror(errno));
	(void)ward_caps_read(&sets); /* without /proc: none */
	lua_createtable(L, 0, 5);
	lua_pushstring(L, u.machine);
	lua_setfield(L, -2, "arch");
	lua_pushstring(L, u.release);
	lua_setfield(L, -2, "kernel");
	push_caps(L, sets.bounding);
	lua_setfield(L, -2, "caps");
	push_caps(L, sets.permitted);
	lua_setfield(L, -2, "permitted");
	push_caps(L, sets.ambient);
	lua_setfield(L, -2, "ambient");
	lua_pushvalue(L, -1);
	lua_replace(L, lua_upvalueindex(1));
	return 1;
}

/* caps(text) -> { permitted =, inheritable =, effective = } | nil, message */
static int
caps(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1);
	struct ward_capsets sets = { 0 };
	int last = ward_cap_last();
	int r = last < 0 ? last : ward_caps_from_text(text, last, &sets);

	if (r < 0) {
		lua_pushnil(L);
		lua_pushstring(L, r == -EINVAL ? "no text as cap_from_text(3) takes it"
					       : strerror(-r));
		return 2;
	}
	lua_createtable(L, 0, 3);
	push_caps(L, sets.permitted);
	lua_setfield(L, -2, "permitted");
	push_caps(L, sets.inheritable);
	lua_setfield(L, -2, "inheritable");
	push_caps(L, sets.effective);
	lua_setfield(L, -2, "effective");
	return 1;
}

/* syscall(name) -> true, "foreign" when only other architectures have it, or false */
static int
known_call(lua_State *L)
{
	int number = ward_seccomp_syscall(luaL_checkstring(L, 1));

	if (number == -ENOSYS)
		lua_pushliteral(L, "foreign");
	else
		lua_pushboolean(L, number != -ENOENT);
	return 1;
}

void
ward_bind_machine(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "caps", caps },
		{ "syscall", known_call },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
	lua_pushinteger(L, geteuid());
	lua_setfield(L, -2, "uid");
	lua_pushnil(L);
	lua_pushcclosure(L, machine, 1);
	lua_setfield(L, -2, "machine");
}
