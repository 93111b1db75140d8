/* plan:syscalls(names): what the filters of a plan let through, asked of the filters themselves. */
#include <lauxlib.h>

#include "bind/plan.h"
#include "bind/spec.h"
#include "linux/seccomp_count.h"
#include "spawn/stage.h"

#define FILTERS 2 /* ward's own, and the one asked for */

static size_t
filters_of(const struct ward_plan *plan, struct ward_seccomp_loaded *out)
{
	size_t n = 0;

	for (uint32_t i = 0; i < plan->nsteps && n < FILTERS; i++) {
		const struct ward_bpf_prog *prog = plan->steps[i].p;

		if (plan->steps[i].stage == WARD_STAGE_GUARD ||
		    plan->steps[i].stage == WARD_STAGE_SECCOMP)
			out[n++] = (struct ward_seccomp_loaded){
				(const struct sock_filter *)(const void *)prog->filter, prog->len
			};
	}
	return n;
}

/* plan:syscalls(names) -> { allowed =, known =, open = { those of names that are allowed } } */
int
ward_spec_syscalls(lua_State *L)
{
	struct ward_seccomp_loaded filters[FILTERS];
	size_t count = filters_of(ward_bind_plan(L, 1), filters);
	lua_Integer open = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)ward_seccomp_count(filters, count));
	lua_setfield(L, -2, "allowed");
	lua_pushinteger(L, (lua_Integer)ward_seccomp_known());
	lua_setfield(L, -2, "known");
	lua_newtable(L);
	for (lua_Integer i = 1, n = luaL_len(L, 2); i <= n; i++) {
		(void)lua_rawgeti(L, 2, i);
		if (ward_seccomp_lets(filters, count, luaL_checkstring(L, -1)))
			lua_rawseti(L, -2, ++open);
		else
			lua_pop(L, 1);
	}
	lua_setfield(L, -2, "open");
	return 1;
}
