/* Where in plain data something is, and why it cannot pass. */
#include "bind/plain.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

struct text {
	char *at, *end; /* end: one byte is left for the NUL */
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, (size_t)(t->end - t->at) + 1, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->at += n < t->end - t->at ? n : t->end - t->at;
}

static bool
is_word(const char *s, size_t n)
{
	if (n == 0 || isdigit((unsigned char)*s))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	}
	return true;
}

static void
add_key(struct text *t, lua_State *from, int index, bool first)
{
	const char *s;
	size_t n;

	switch (lua_type(from, index)) {
	case LUA_TSTRING:
		s = lua_tolstring(from, index, &n);
		if (n > 40)
			n = 40;
		if (is_word(s, n)) {
			add(t, "%s%.*s", first ? "" : ".", (int)n, s);
			break;
		}
		add(t, "[\"");
		for (size_t i = 0; i < n; i++)
			add(t, "%c", isprint((unsigned char)s[i]) ? s[i] : '?');
		add(t, "\"]");
		break;
	case LUA_TNUMBER:
		if (lua_isinteger(from, index))
			add(t, "[%lld]", (long long)lua_tointeger(from, index));
		else
			add(t, "[%.14g]", (double)lua_tonumber(from, index));
		break;
	case LUA_TBOOLEAN:
		add(t, "[%s]", lua_toboolean(from, index) ? "true" : "false");
		break;
	default:
		add(t, "[%s]", lua_typename(from, lua_type(from, index)));
	}
}

static void
add_path(struct text *t, lua_State *from, const struct ward_level *at)
{
	if (!at)
		return;
	add_path(t, from, at->up);
	add_key(t, from, at->key, !at->up);
}

bool
ward_plain_refuse(const struct ward_plain *p, const struct ward_level *at, const char *why)
{
	char path[128] = "";
	struct text t = { .at = path, .end = path + sizeof(path) - 1 };

	add_path(&t, p->L, at);
	(void)ward_err_set(p->err, 0, 0, "%s%s: %s", at ? path : "the value",
			   t.at == t.end ? "..." : "", why);
	return false;
}

bool
ward_plain_refuse_type(const struct ward_plain *p, const struct ward_level *at, int type)
{
	char why[96];

	(void)snprintf(why, sizeof(why), "a %s cannot %s (plain data only)",
		       type == LUA_TLIGHTUSERDATA ? "userdata" : lua_typename(p->L, type),
		       p->cannot);
	return ward_plain_refuse(p, at, why);
}

bool
ward_plain_enter(const struct ward_plain *p, int index, const struct ward_level *up,
		 struct ward_level *here)
{
	here->up = up;
	here->table = lua_topointer(p->L, index);
	here->depth = up ? up->depth + 1 : 1;
	for (const struct ward_level *l = up; l; l = l->up) {
		if (l->table == here->table)
			return ward_plain_refuse(p, up, "the table contains itself");
	}
	if (here->depth > WARD_PLAIN_DEPTH)
		return ward_plain_refuse(p, up, "nested deeper than 64 levels");
	if (!lua_checkstack(p->L, 3))
		return ward_plain_refuse(p, up, "out of memory");
	here->key = lua_gettop(p->L) + 1;
	return true;
}

bool
ward_plain_key(const struct ward_plain *p, const struct ward_level *here)
{
	int type = lua_type(p->L, here->key);

	if (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN)
		return true;
	return ward_plain_refuse(p, here, "a key must be a string, a number or a boolean");
}
