#include "bind/bind.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spawn/plan.h"

#define ERROR_TYPE "ward.error"

/* Message handler: the error as a string, with a traceback. Where even that fails Lua says so. */
static int
with_traceback(lua_State *L)
{
	const char *message = lua_tostring(L, 1);

	if (!message) {
		if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
			message = lua_tostring(L, -1);
		else
			message = lua_pushfstring(L, "(error object is a %s value)",
						  luaL_typename(L, 1));
	}
	luaL_traceback(L, L, message, 1);
	return 1;
}

/* One write, so that lines of several writers do not mix; what does not fit is cut. */
static void
report(const char *what, const char *message)
{
	char line[4096];
	int n = snprintf(line, sizeof(line), "ward: internal error in %s: %s\n", what, message);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line)) {
		n = (int)sizeof(line);
		memcpy(line + sizeof(line) - 4, "...\n", 4);
	}
	/* There is nobody left to tell when stderr is gone. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

int
ward_bind_call(lua_State *L, int nargs, int nresults, const char *what)
{
	int func = lua_gettop(L) - nargs;

	if (!lua_checkstack(L, 1)) {
		report(what, "stack overflow or out of memory");
		lua_settop(L, func - 1);
		return -EIO;
	}
	lua_pushcfunction(L, with_traceback);
	lua_insert(L, func);
	if (lua_pcall(L, nargs, nresults, func) != LUA_OK) {
		/* lua_tostring would allocate for a number, here outside any protection. */
		report(what, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(no message)");
		lua_settop(L, func - 1);
		return -EIO;
	}
	lua_remove(L, func);
	return 0;
}

int
ward_bind_panic(lua_State *L)
{
	report("unprotected Lua code",
	       lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "(no message)");
	return 0;
}

static int
error_tostring(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "message");
	luaL_tolstring(L, -1, NULL);
	return 1;
}

/* Replaces the message on top of the stack by nil and the error table. */
static int
push_error(lua_State *L, const char *code, int stage, int err)
{
	lua_createtable(L, 0, 4);
	lua_insert(L, -2);
	lua_setfield(L, -2, "message");
	if (!code && err)
		code = strerrorname_np(err);
	if (code) {
		lua_pushstring(L, code);
		lua_setfield(L, -2, "code");
	}
	if (stage) {
		lua_pushstring(L, ward_stage_name(stage));
		lua_setfield(L, -2, "stage");
	}
	if (err) {
		lua_pushinteger(L, err);
		lua_setfield(L, -2, "errno");
	}
	if (luaL_newmetatable(L, ERROR_TYPE)) {
		lua_pushcfunction(L, error_tostring);
		lua_setfield(L, -2, "__tostring");
	}
	lua_setmetatable(L, -2);
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

static void push_vfmt(lua_State *L, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* lua_pushvfstring knows few conversions and no widths; paths fit into this. */
static void
push_vfmt(lua_State *L, const char *fmt, va_list ap)
{
	char text[4608];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	lua_pushstring(L, text);
}

int
ward_bind_fail(lua_State *L, const struct ward_err *err)
{
	lua_pushstring(L, err->detail);
	return push_error(L, NULL, err->stage, err->err);
}

int
ward_bind_fail_errno(lua_State *L, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	push_vfmt(L, fmt, ap);
	va_end(ap);
	lua_pushfstring(L, ": %s", strerror(err));
	lua_concat(L, 2);
	return push_error(L, NULL, 0, err);
}

int
ward_bind_fail_code(lua_State *L, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	push_vfmt(L, fmt, ap);
	va_end(ap);
	return push_error(L, code, 0, 0);
}

int
ward_bind_fail_top(lua_State *L, const char *code)
{
	return push_error(L, code, 0, 0);
}

void
ward_bind_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
	if (luaL_newmetatable(L, name)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}

int
ward_bind_ref(lua_State *L, int index)
{
	if (lua_isnoneornil(L, index))
		return LUA_NOREF;
	luaL_checktype(L, index, LUA_TFUNCTION);
	lua_pushvalue(L, index);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

void
ward_bind_unref(lua_State *L, int *ref)
{
	luaL_unref(L, LUA_REGISTRYINDEX, *ref);
	*ref = LUA_NOREF;
}

/* Calls upvalue 1, load or loadfile, with "t" as argument number upvalue 2. */
static int
load_text(lua_State *L)
{
	int mode = (int)lua_tointeger(L, lua_upvalueindex(2));

	if (lua_gettop(L) < mode)
		lua_settop(L, mode);
	lua_pushliteral(L, "t");
	lua_replace(L, mode);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

void
ward_bind_text_only(lua_State *L)
{
	static const struct {
		const char *name;
		int mode;
	} loaders[] = { { "load", 3 }, { "loadfile", 2 } };

	for (size_t i = 0; i < sizeof(loaders) / sizeof(*loaders); i++) {
		lua_getglobal(L, loaders[i].name);
		lua_pushinteger(L, loaders[i].mode);
		lua_pushcclosure(L, load_text, 2);
		lua_setglobal(L, loaders[i].name);
	}
	lua_pushnil(L);
	lua_setglobal(L, "dofile");
}
