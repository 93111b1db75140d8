/* The keys of a spec that are numbers of the process: priorities, limits, its tie to the supervisor. */
#include <lauxlib.h>
#include <string.h>

#include "bind/spec.h"
#include "linux/names.h"

/* CPUs that a mask has room for. */
#define CPUS 4096

/* Reads field @key into *out; false when it is nil. */
static bool
read_integer(lua_State *L, int table, const char *key, int least, int most, int *out)
{
	bool there = lua_getfield(L, table, key) != LUA_TNIL;
	int ok = 1;
	lua_Integer n = there ? lua_tointegerx(L, -1, &ok) : 0;

	lua_pop(L, 1);
	if (there && (!ok || n < least || n > most))
		luaL_error(L, "spec.%s: a number from %d to %d is needed", key, least, most);
	*out = (int)n;
	return there;
}

/* Index of field @key in @words, a NULL-terminated list. */
static int
read_word(lua_State *L, int table, const char *key, const char *const *words)
{
	const char *word = ward_spec_string(L, table, key);

	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return luaL_error(L, "spec: unknown %s \"%s\"", key, word);
}

/* The bits of ioprio_set(2): class << 13 | level. */
static void
read_ioprio(lua_State *L, int spec, struct ward_draft_process *out)
{
	static const char *const classes[] = { "none", "realtime", "best-effort", "idle", NULL };
	int table, level;

	if (lua_getfield(L, spec, "ioprio") != LUA_TNIL) {
		luaL_checktype(L, -1, LUA_TTABLE);
		table = lua_gettop(L);
		(void)read_integer(L, table, "level", 0, 7, &level);
		out->ioprio = read_word(L, table, "class", classes) << 13 | level;
		out->set_ioprio = true;
	}
	lua_pop(L, 1);
}

/* SCHED_OTHER, FIFO, RR, BATCH, (4 is not used), IDLE as sched(7) numbers them. */
static void
read_sched(lua_State *L, int spec, struct ward_draft_process *out)
{
	static const char *const policies[] = { "other", "fifo", "rr", "batch", "-", "idle", NULL };
	int table;

	if (lua_getfield(L, spec, "sched") != LUA_TNIL) {
		luaL_checktype(L, -1, LUA_TTABLE);
		table = lua_gettop(L);
		out->policy = read_word(L, table, "policy", policies);
		(void)read_integer(L, table, "priority", 0, 99, &out->priority);
		out->set_sched = true;
	}
	lua_pop(L, 1);
}

static void
read_affinity(lua_State *L, int spec, struct ward_draft_process *out)
{
	unsigned char *mask;

	if (lua_getfield(L, spec, "affinity") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	luaL_checktype(L, -1, LUA_TTABLE);
	mask = ward_spec_scratch(L, CPUS / 8, 1);
	for (lua_Integer i = 1, n = luaL_len(L, -2); i <= n; i++) {
		lua_Integer cpu;

		(void)lua_rawgeti(L, -2, i);
		cpu = luaL_checkinteger(L, -1);
		luaL_argcheck(L, cpu >= 0 && cpu < CPUS, 1, "spec.affinity: no such CPU");
		/* Bytes of longs, lowest CPU first: the same on every little-endian machine. */
		mask[cpu / 8] |= (unsigned char)(1u << (cpu % 8));
		lua_pop(L, 1);
	}
	out->affinity = mask;
	out->affinity_size = CPUS / 8;
}

static uint64_t
read_limit(lua_State *L, const char *key)
{
	lua_Integer n;

	(void)lua_getfield(L, -1, key);
	n = luaL_checkinteger(L, -1);
	lua_pop(L, 1);
	return n < 0 ? UINT64_MAX : (uint64_t)n;
}

static void
read_limits(lua_State *L, int spec, struct ward_draft_process *out)
{
	struct ward_limit *limits;
	lua_Integer n;

	if (lua_getfield(L, spec, "limits") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	n = luaL_len(L, -1);
	limits = ward_spec_scratch(L, (size_t)n, sizeof(*limits));
	for (lua_Integer i = 1; i <= n; i++) {
		struct ward_limit *l = &limits[i - 1];
		const char *name;

		(void)lua_rawgeti(L, -2, i);
		luaL_checktype(L, -1, LUA_TTABLE);
		name = ward_spec_string(L, lua_gettop(L), "name");
		l->resource = ward_limit_number(name);
		if (l->resource < 0)
			luaL_error(L, "spec.limits: unknown limit \"%s\"", name);
		l->value[0] = read_limit(L, "soft");
		l->value[1] = read_limit(L, "hard");
		lua_pop(L, 1);
	}
	out->limits = limits;
	out->nlimits = (size_t)n;
}

void
ward_spec_process(lua_State *L, int spec, struct ward_draft_process *out)
{
	out->set_nice = read_integer(L, spec, "nice", -20, 19, &out->nice);
	out->set_oom = read_integer(L, spec, "oom_score_adj", -1000, 1000, &out->oom_score_adj);
	read_ioprio(L, spec, out);
	read_sched(L, spec, out);
	read_affinity(L, spec, out);
	read_limits(L, spec, out);
	if (lua_getfield(L, spec, "parent_death") != LUA_TNIL) {
		out->deathsig = ward_signal_number(luaL_checkstring(L, -1));
		luaL_argcheck(L, out->deathsig > 0, 1, "spec.parent_death: unknown signal");
	}
	lua_pop(L, 1);
}
