/* plan:syscalls(names): what the filter of a plan lets through, asked of the filter itself. */
#include <lauxlib.h>

#include "bind/plan.h"
#include "bind/spec.h"
#include "linux/seccomp_count.h"
#include "spawn/stage.h"

static const struct ward_bpf_prog *
filter_of(const struct ward_plan *plan)
{
	static const struct ward_bpf_prog none;

	for (uint32_t i = 0; i < plan->nsteps; i++) {
		if (plan->steps[i].stage == WARD_STAGE_SECCOMP)
			return plan->steps[i].p;
	}
	return &none;
}

/* plan:syscalls(names) -> { allowed =, known =, open = { those of names that are allowed } } */
int
ward_spec_syscalls(lua_State *L)
{
	const struct ward_bpf_prog *prog = filter_of(ward_bind_plan(L, 1));
	const struct sock_filter *insns = (const struct sock_filter *)(const void *)prog->filter;
	lua_Integer open = 0;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, (lua_Integer)ward_seccomp_count(insns, prog->len));
	lua_setfield(L, -2, "allowed");
	lua_pushinteger(L, (lua_Integer)ward_seccomp_known());
	lua_setfield(L, -2, "known");
	lua_newtable(L);
	for (lua_Integer i = 1, n = luaL_len(L, 2); i <= n; i++) {
		(void)lua_rawgeti(L, 2, i);
		if (ward_seccomp_lets(insns, prog->len, luaL_checkstring(L, -1)))
			lua_rawseti(L, -2, ++open);
		else
			lua_pop(L, 1);
	}
	lua_setfield(L, -2, "open");
	return 1;
}
