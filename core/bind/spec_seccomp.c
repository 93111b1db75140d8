/* The seccomp filter of a spec: compiled here, once for each content, and shared by all plans that ask for the
 * same. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bind/spec.h"
#include "linux/uapi.h"

#define PROGRAM "ward.filter"
#define CACHE	"ward.filters"

/* The one user value of a program: the names that nobody knows. */
#define UNKNOWN 1

#define ARGS 6

/* A request as the spec has it: names may be groups. Its memory is the Lua stack's. */
struct asked {
	struct ward_seccomp_request q;
	struct ward_seccomp_rule *rules;
	bool learn;
};

static uint32_t
read_action(lua_State *L, int table, const char *key)
{
	const char *name = ward_spec_string(L, table, key);
	uint32_t action;

	if (ward_seccomp_action(name, &action) < 0)
		return (uint32_t)luaL_error(L, "sandbox.seccomp: unknown action \"%s\"", name);
	return action;
}

static uint64_t
read_bits(lua_State *L, int table, const char *key)
{
	lua_Integer n;

	(void)lua_getfield(L, table, key);
	n = luaL_optinteger(L, -1, 0);
	lua_pop(L, 1);
	return (uint64_t)n;
}

static struct ward_seccomp_cond
read_cond(lua_State *L, int row)
{
	static const char *const ops[] = {
		[WARD_SECCOMP_EQ] = "==",	[WARD_SECCOMP_NE] = "!=",
		[WARD_SECCOMP_LT] = "<",	[WARD_SECCOMP_LE] = "<=",
		[WARD_SECCOMP_GE] = ">=",	[WARD_SECCOMP_GT] = ">",
		[WARD_SECCOMP_MASKED_EQ] = "&", NULL,
	};
	struct ward_seccomp_cond c = { 0 };

	c.arg = (unsigned int)read_bits(L, row, "index");
	(void)lua_getfield(L, row, "op");
	c.op = (enum ward_seccomp_op)luaL_checkoption(L, -1, NULL, ops);
	c.value = read_bits(L, row, "value");
	c.mask = read_bits(L, row, "mask");
	(void)lua_getfield(L, row, "narrow");
	c.narrow = lua_toboolean(L, -1);
	lua_pop(L, 2);
	return c;
}

/* The conditions of the rule at @row, which stay on the stack. */
static struct ward_seccomp_cond *
read_conds(lua_State *L, int row, size_t *n)
{
	struct ward_seccomp_cond *conds;
	int list;

	*n = 0;
	if (lua_getfield(L, row, "args") == LUA_TNIL)
		return NULL;
	luaL_checktype(L, -1, LUA_TTABLE);
	list = lua_gettop(L);
	*n = (size_t)luaL_len(L, list);
	luaL_argcheck(L, *n <= ARGS, 1, "sandbox.seccomp: too many conditions");
	conds = ward_spec_scratch(L, *n, sizeof(*conds));
	for (size_t i = 0; i < *n; i++) {
		(void)lua_rawgeti(L, list, (lua_Integer)i + 1);
		luaL_checktype(L, -1, LUA_TTABLE);
		conds[i] = read_cond(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	return conds;
}

/* The list of names of rule @i of @rules, left on the stack above the rule. Returns its length. */
static lua_Integer
push_names(lua_State *L, int rules, lua_Integer i)
{
	(void)lua_rawgeti(L, rules, i);
	luaL_checktype(L, -1, LUA_TTABLE);
	if (lua_getfield(L, -1, "names") != LUA_TTABLE)
		luaL_error(L, "sandbox.seccomp: names must be a list");
	return luaL_len(L, -1);
}

static void
read_rules(lua_State *L, int seccomp, struct asked *out)
{
	lua_Integer count, total = 0;
	int list;

	if (lua_getfield(L, seccomp, "rules") != LUA_TTABLE)
		luaL_error(L, "sandbox.seccomp: rules must be a list");
	list = lua_gettop(L);
	count = luaL_len(L, list);
	for (lua_Integer i = 1; i <= count; i++) {
		total += push_names(L, list, i);
		lua_settop(L, list);
	}
	out->rules = ward_spec_scratch(L, (size_t)total, sizeof(*out->rules));
	for (lua_Integer i = 1; i <= count; i++) {
		lua_Integer n = (luaL_checkstack(L, 16, "rules"), push_names(L, list, i));
		int names = lua_gettop(L);
		struct ward_seccomp_rule rule = { .action = read_action(L, names - 1, "action") };

		(void)lua_getfield(L, names - 1, "optional");
		rule.optional = lua_toboolean(L, -1);
		rule.conds = read_conds(L, names - 1, &rule.nconds);
		for (lua_Integer k = 1; k <= n && out->q.nrules < (size_t)total; k++) {
			(void)lua_rawgeti(L, names, k);
			rule.name = luaL_checkstring(L, -1); /* the list keeps it */
			out->rules[out->q.nrules++] = rule;
			lua_pop(L, 1);
		}
		if (!rule.conds)
			lua_settop(L, names - 2);
	}
	out->q.rules = out->rules;
}

static void
read_arches(lua_State *L, int seccomp, struct ward_seccomp_request *q)
{
	const char **arches;
	int list;

	if (lua_getfield(L, seccomp, "architectures") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	list = lua_gettop(L);
	q->narches = (size_t)luaL_len(L, list);
	arches = ward_spec_scratch(L, q->narches, sizeof(*arches));
	for (size_t i = 0; i < q->narches; i++) {
		(void)lua_rawgeti(L, list, (lua_Integer)i + 1);
		arches[i] = luaL_checkstring(L, -1);
		lua_pop(L, 1);
	}
	q->arches = arches;
}

/* ---- the cache ---- */

static void
append(char *key, size_t *at, const void *bytes, size_t n)
{
	if (key)
		memcpy(key + *at, bytes, n);
	*at += n;
}

static void
append_string(char *key, size_t *at, const char *s)
{
	append(key, at, s, strlen(s) + 1);
}

/* Writes what makes the program to @key, or nothing when that is NULL; returns its length. */
static size_t
write_key(char *key, const struct asked *a)
{
	const uint32_t head[] = { a->q.default_action, a->q.ordered, a->learn, a->q.newer,
				  (uint32_t)a->q.narches };
	size_t at = 0;

	append(key, &at, head, sizeof(head));
	for (size_t i = 0; i < a->q.narches; i++)
		append_string(key, &at, a->q.arches[i]);
	for (size_t i = 0; i < a->q.nrules; i++) {
		const struct ward_seccomp_rule *r = &a->rules[i];
		const uint32_t fields[] = { r->action, r->optional, (uint32_t)r->nconds };

		append_string(key, &at, r->name);
		append(key, &at, fields, sizeof(fields));
		for (size_t k = 0; k < r->nconds; k++) {
			const struct ward_seccomp_cond *c = &r->conds[k];
			const uint64_t words[] = { c->arg, c->op, c->narrow, c->value, c->mask };

			append(key, &at, words, sizeof(words));
		}
	}
	return at;
}

static int
program_gc(lua_State *L)
{
	ward_seccomp_free(luaL_checkudata(L, 1, PROGRAM));
	return 0;
}

/* Pushes the table of programs by key; it keeps none alive. */
static void
push_cache(lua_State *L)
{
	if (luaL_getsubtable(L, LUA_REGISTRYINDEX, CACHE))
		return;
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "v");
	lua_setfield(L, -2, "__mode");
	(void)lua_setmetatable(L, -2);
}

/* ---- groups ---- */

/* Pushes the calls of a group; the module keeps them. */
static lua_Integer
push_group(lua_State *L, const char *name)
{
	(void)lua_getglobal(L, "require");
	lua_pushliteral(L, "ward.schema.syscalls");
	lua_call(L, 1, 1);
	(void)lua_getfield(L, -1, "expand");
	lua_remove(L, -2);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
	if (!lua_istable(L, -1))
		return luaL_error(L, "sandbox.seccomp: unknown group \"%s\"", name);
	return luaL_len(L, -1);
}

/* Puts the calls of each group in its place. */
static void
expand(lua_State *L, struct asked *a)
{
	struct ward_seccomp_rule *all;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < a->q.nrules; i++) {
		if (a->rules[i].name[0] != '@') {
			total++;
			continue;
		}
		total += (size_t)push_group(L, a->rules[i].name);
		lua_pop(L, 1);
	}
	all = ward_spec_scratch(L, total, sizeof(*all));
	for (size_t i = 0; i < a->q.nrules; i++) {
		lua_Integer n;

		if (a->rules[i].name[0] != '@') {
			all[at++] = a->rules[i];
			continue;
		}
		n = push_group(L, a->rules[i].name);
		for (lua_Integer k = 1; k <= n; k++) {
			(void)lua_rawgeti(L, -1, k);
			all[at] = a->rules[i];
			all[at].name = luaL_checkstring(L, -1);
			all[at++].optional = true;
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	a->q.rules = all;
	a->q.nrules = total;
}

/* ---- programs ---- */

/* Keeps the names that a profile has and nobody knows with the program on top. */
static void
keep_unknown(lua_State *L, const struct asked *a)
{
	lua_Integer n = 0;

	lua_newtable(L);
	for (size_t i = 0; !a->q.ordered && i < a->q.nrules; i++) {
		if (ward_seccomp_syscall(a->q.rules[i].name) != -ENOENT)
			continue;
		lua_pushstring(L, a->q.rules[i].name);
		lua_rawseti(L, -2, ++n);
	}
	(void)lua_setiuservalue(L, -2, UNKNOWN);
}

/* Pushes a new program. */
static void
make_program(lua_State *L, struct asked *a)
{
	struct ward_seccomp_filter *filter;
	struct ward_err err = { 0 };
	int r, at;

	expand(L, a);
	filter = lua_newuserdatauv(L, sizeof(*filter), 1);
	at = lua_gettop(L);
	memset(filter, 0, sizeof(*filter));
	if (luaL_newmetatable(L, PROGRAM)) {
		lua_pushcfunction(L, program_gc);
		lua_setfield(L, -2, "__gc");
	}
	(void)lua_setmetatable(L, at);
	if (a->learn) {
		r = ward_seccomp_learner(filter);
		if (r < 0)
			(void)ward_err_set(&err, 0, -r, "out of memory");
	} else {
		r = ward_seccomp_compile(&a->q, filter, &err);
		if (r == 0)
			r = ward_seccomp_check(filter->insns, filter->n, &err);
	}
	if (r < 0)
		luaL_error(L, "sandbox.seccomp: %s", err.detail);
	keep_unknown(L, a);
}

/* Leaves a program on the stack: that of an equal request, or a new one. */
static void
find_program(lua_State *L, struct asked *a)
{
	size_t size = write_key(NULL, a);
	char *key = ward_spec_scratch(L, size, 1);
	int cache;

	(void)write_key(key, a);
	push_cache(L);
	cache = lua_gettop(L);
	lua_pushlstring(L, key, size);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, cache) == LUA_TUSERDATA)
		return;
	lua_pop(L, 1);
	make_program(L, a);
	lua_pushvalue(L, cache + 1);
	lua_pushvalue(L, -2);
	lua_rawset(L, cache);
}

/* ward's own filter: sandbox.guard of lua/ward/schema/guard.lua. */
static void
read_guard(lua_State *L, int sandbox, struct ward_spec_sandbox *out,
	   struct ward_draft_sandbox *draft)
{
	const struct ward_seccomp_filter *filter;
	struct asked a = { .q = { .ordered = true, .newer = WARD_NEWER_ABSENT } };
	int guard;

	if (lua_getfield(L, sandbox, "guard") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	guard = lua_gettop(L);
	a.q.default_action = read_action(L, guard, "default");
	read_rules(L, guard, &a);
	if (a.q.nrules == 0)
		return;
	read_arches(L, guard, &a.q);
	find_program(L, &a);
	out->guard = lua_gettop(L);
	filter = lua_touserdata(L, out->guard);
	draft->guard = (const struct ward_bpf *)(const void *)filter->insns;
	draft->nguard = filter->n;
}

void
ward_spec_seccomp_read(lua_State *L, int sandbox, struct ward_spec_sandbox *out,
		       struct ward_draft_sandbox *draft)
{
	const struct ward_seccomp_filter *filter;
	struct asked a = { .q = { .newer = WARD_NEWER_NOT_DENIED } };
	int seccomp;

	read_guard(L, sandbox, out, draft);
	if (lua_getfield(L, sandbox, "seccomp") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	seccomp = lua_gettop(L);
	a.q.default_action = read_action(L, seccomp, "default");
	a.q.ordered = lua_getfield(L, seccomp, "oci") == LUA_TNIL;
	a.learn = lua_getfield(L, seccomp, "learn") != LUA_TNIL;
	out->learn = a.learn ? ward_spec_string(L, seccomp, "learn") : NULL;
	(void)lua_getfield(L, seccomp, "log");
	draft->filter_flags = lua_toboolean(L, -1) ? WARD_SECCOMP_FLAG_LOG : 0;
	read_rules(L, seccomp, &a);
	read_arches(L, seccomp, &a.q);
	find_program(L, &a);
	out->program = lua_gettop(L);
	filter = lua_touserdata(L, out->program);
	draft->filter = (const struct ward_bpf *)(const void *)filter->insns;
	draft->nfilter = filter->n;
	draft->learn = a.learn;
}
