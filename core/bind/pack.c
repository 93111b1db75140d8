/* core.pack(...) -> bytes, and core.unpack(bytes) -> ...
 *
 * A value is a tag and what belongs to it: of an integer its zigzag as a varint, of a float its 8 bytes, of a string a
 * varint and its bytes; of a table a varint (how long its sequence is: a hint), then keys and values up to END. */
#include "bind/pack.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/plain.h"

#define BUFFER "ward.pack"

enum { NIL, FALSE, TRUE, INTEGER, FLOAT, STRING, TABLE, END };

#define VARINT_MAX 10 /* bytes of 7 bits */

struct packer {
	struct ward_plain plain;
	struct ward_buf *to;
	size_t before; /* what the buffer held */
	int error;     /* -ENOMEM, or 0 where a refusal says it all */
};

static bool
add(struct packer *p, const void *bytes, size_t n, const struct ward_level *at)
{
	if (n > WARD_PLAIN_BYTES - (p->to->n - p->before))
		return ward_plain_refuse(&p->plain, at, "more than 64 MiB");
	p->error = ward_buf_add(p->to, bytes, n);
	return p->error == 0 || ward_plain_refuse(&p->plain, at, "out of memory");
}

/* A tag and a number in one go. */
static bool
add_number(struct packer *p, unsigned char tag, uint64_t value, const struct ward_level *at)
{
	unsigned char bytes[1 + VARINT_MAX];
	size_t n = 0;

	bytes[n++] = tag;
	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (unsigned char)(value | 0x80);
	bytes[n++] = (unsigned char)value;
	return add(p, bytes, n, at);
}

static bool
add_float(struct packer *p, lua_Number value, const struct ward_level *at)
{
	unsigned char bytes[1 + sizeof(value)] = { FLOAT };

	memcpy(bytes + 1, &value, sizeof(value));
	return add(p, bytes, sizeof(bytes), at);
}

static bool
add_string(struct packer *p, int index, const struct ward_level *at)
{
	size_t n;
	const char *s = lua_tolstring(p->plain.L, index, &n);

	return add_number(p, STRING, n, at) && add(p, s, n, at);
}

static bool
add_tag(struct packer *p, unsigned char tag, const struct ward_level *at)
{
	return add(p, &tag, 1, at);
}

static bool pack_table(struct packer *p, int index, const struct ward_level *up);

static bool
pack_value(struct packer *p, int index, const struct ward_level *at)
{
	lua_State *L = p->plain.L;
	int type = lua_type(L, index);
	uint64_t word;

	switch (type) {
	case LUA_TNIL:
		return add_tag(p, NIL, at);
	case LUA_TBOOLEAN:
		return add_tag(p, lua_toboolean(L, index) ? TRUE : FALSE, at);
	case LUA_TNUMBER:
		if (!lua_isinteger(L, index))
			return add_float(p, lua_tonumber(L, index), at);
		word = (uint64_t)lua_tointeger(L, index);
		return add_number(p, INTEGER, word << 1 ^ (word >> 63 ? UINT64_MAX : 0), at);
	case LUA_TSTRING:
		return add_string(p, index, at);
	case LUA_TTABLE:
		return pack_table(p, index, at);
	default:
		return ward_plain_refuse_type(&p->plain, at, type);
	}
}

static bool
pack_table(struct packer *p, int index, const struct ward_level *up)
{
	lua_State *L = p->plain.L;
	struct ward_level here;

	if (!ward_plain_enter(&p->plain, index, up, &here) ||
	    !add_number(p, TABLE, lua_rawlen(L, index), up))
		return false;
	lua_pushnil(L);
	while (lua_next(L, index)) {
		if (!ward_plain_key(&p->plain, &here) || !pack_value(p, here.key, &here) ||
		    !pack_value(p, here.key + 1, &here))
			return false;
		lua_pop(L, 1);
	}
	return add_tag(p, END, up);
}

int
ward_pack(lua_State *L, int index, int n, struct ward_buf *to, struct ward_err *err)
{
	struct packer p = { .to = to, .before = to->n };
	int top = lua_gettop(L);
	bool fine = true;

	p.plain = (struct ward_plain){ .L = L, .err = err, .cannot = "be packed" };
	index = lua_absindex(L, index);
	for (int i = 0; i < n && fine; i++)
		fine = pack_value(&p, index + i, NULL);
	lua_settop(L, top);
	if (fine)
		return 0;
	to->n = p.before;
	return p.error < 0 ? p.error : -EINVAL;
}

/* ---- back ---- */

struct unpacker {
	lua_State *L;
	const unsigned char *at, *end;
	size_t hints; /* places that hints may still ask for: not more than there are bytes */
};

static bool
take_number(struct unpacker *u, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && u->at < u->end; shift += 7) {
		unsigned char byte = *u->at++;

		if (shift == 63 && byte > 1)
			return false; /* more than 64 bits */
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
unpack_integer(struct unpacker *u)
{
	uint64_t word;

	if (!take_number(u, &word))
		return false;
	lua_pushinteger(u->L, (lua_Integer)(word >> 1 ^ (word & 1 ? UINT64_MAX : 0)));
	return true;
}

static bool
unpack_float(struct unpacker *u)
{
	lua_Number value;

	if ((size_t)(u->end - u->at) < sizeof(value))
		return false;
	memcpy(&value, u->at, sizeof(value));
	u->at += sizeof(value);
	lua_pushnumber(u->L, value);
	return true;
}

static bool
unpack_string(struct unpacker *u)
{
	uint64_t n;

	if (!take_number(u, &n) || n > (size_t)(u->end - u->at))
		return false;
	lua_pushlstring(u->L, (const char *)u->at, (size_t)n);
	u->at += n;
	return true;
}

static bool unpack_value(struct unpacker *u, int depth);

/* A key that lua_rawset would raise an error for. */
static bool
is_no_key(lua_State *L)
{
	lua_Number value = lua_tonumber(L, -1);

	return lua_isnil(L, -1) || lua_istable(L, -1) ||
	       (lua_type(L, -1) == LUA_TNUMBER && value != value);
}

static bool
unpack_table(struct unpacker *u, int depth)
{
	uint64_t hint;

	if (depth > WARD_PLAIN_DEPTH || !take_number(u, &hint))
		return false;
	if (hint > u->hints)
		hint = u->hints;
	u->hints -= hint;
	luaL_checkstack(u->L, 3, NULL);
	lua_createtable(u->L, (int)hint, 0);
	while (u->at < u->end && *u->at != END) {
		if (!unpack_value(u, depth) || is_no_key(u->L) || !unpack_value(u, depth))
			return false;
		lua_rawset(u->L, -3);
	}
	return u->at < u->end && *u->at++ == END;
}

static bool
unpack_value(struct unpacker *u, int depth)
{
	if (u->at == u->end)
		return false;
	switch (*u->at++) {
	case NIL:
		lua_pushnil(u->L);
		return true;
	case FALSE:
	case TRUE:
		lua_pushboolean(u->L, u->at[-1] == TRUE);
		return true;
	case INTEGER:
		return unpack_integer(u);
	case FLOAT:
		return unpack_float(u);
	case STRING:
		return unpack_string(u);
	case TABLE:
		return unpack_table(u, depth + 1);
	default:
		return false;
	}
}

int
ward_unpack(lua_State *L, const char *bytes, size_t n, struct ward_err *err)
{
	struct unpacker u = { .L = L, .at = (const unsigned char *)bytes };
	int top = lua_gettop(L);

	u.end = u.at + n;
	u.hints = n < INT_MAX ? n : INT_MAX;
	while (u.at < u.end) {
		luaL_checkstack(L, 1, NULL);
		if (!unpack_value(&u, 0)) {
			lua_settop(L, top);
			return ward_err_set(err, 0, 0, "not what was packed: at byte %zu of %zu",
					    (size_t)(u.at - (const unsigned char *)bytes), n);
		}
	}
	return lua_gettop(L) - top;
}

/* ---- for Lua ---- */

static int
buffer_close(lua_State *L)
{
	ward_buf_free(luaL_checkudata(L, 1, BUFFER));
	return 0;
}

/* pack(...) -> bytes | nil, err */
static int
pack(lua_State *L)
{
	struct ward_err err;
	int n = lua_gettop(L), r;
	struct ward_buf *b = lua_newuserdatauv(L, sizeof(*b), 0);

	*b = (struct ward_buf){ 0 };
	luaL_setmetatable(L, BUFFER);
	r = ward_pack(L, 1, n, b, &err);
	if (r < 0)
		return ward_bind_fail(L, &err);
	lua_pushlstring(L, b->n ? b->bytes + b->at : "", b->n);
	ward_buf_free(b);
	return 1;
}

/* unpack(bytes) -> ... | nil, err */
static int
unpack(lua_State *L)
{
	struct ward_err err;
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	int r = ward_unpack(L, bytes, n, &err);

	return r < 0 ? ward_bind_fail(L, &err) : r;
}

void
ward_bind_pack(lua_State *L)
{
	static const luaL_Reg buffer[] = { { "__gc", buffer_close }, { NULL, NULL } };
	static const luaL_Reg functions[] = { { "pack", pack },
					      { "unpack", unpack },
					      { NULL, NULL } };

	ward_bind_class(L, BUFFER, buffer);
	luaL_setfuncs(L, functions, 0);
}
