/* The life of a ward_core: what a running supervisor needs is made when it is first asked for, so
 * that client verbs stay a plain program. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bind/bind.h"
#include "linux/procfs.h"
#include "loop/dirwatch.h"
#include "loop/handover.h"
#include "loop/http.h"
#include "loop/proc.h"
#include "loop/signals.h"
#include "loop/work.h"

#define DEFAULT_DEADLINE 5.0 /* seconds */
#define MOST_DEADLINE	 86400.0

/* Makes what is not there yet. Returns 0 or -errno; *why begins the sentence. */
static int
make(struct ward_core *core, const char **why)
{
	int r = 0;

	if (!core->loop)
		r = ward_loop_new(&core->loop);
	if (r == 0 && !core->signals)
		r = ward_signals_new(core->loop, &core->signals);
	if (r == 0 && !core->procs)
		r = ward_procs_new(core->loop, &core->procs);
	if (r == 0)
		ward_procfs_hide_memory();
	*why = r == -ENOTSUP ? "/proc is not mounted, or not for this pid namespace"
			     : "cannot make the loop";
	return r;
}

struct ward_core *
ward_core_need(lua_State *L)
{
	struct ward_core *core = ward_bind_core(L);
	const char *why;
	int r = make(core, &why);

	if (r < 0)
		luaL_error(L, "%s: %s", why, strerror(-r));
	return core;
}

/* options: journal, a path or a descriptor that a successor goes by: from then on an entry into a script that hangs in a C
 * function makes the process execute itself again, after `deadline` seconds of CPU time (5). */
int
ward_core_start(lua_State *L)
{
	struct ward_core *core = ward_bind_core(L);
	lua_Number deadline = 0;
	const char *why;
	int r;

	lua_settop(L, 1);
	if (!lua_isnil(L, 1) && lua_getfield(L, 1, "journal") != LUA_TNIL) {
		const char *journal = luaL_checkstring(L, -1);

		(void)lua_getfield(L, 1, "deadline");
		deadline = luaL_optnumber(L, -1, DEFAULT_DEADLINE);
		luaL_argcheck(L, deadline > 0 && deadline <= MOST_DEADLINE, 1,
			      "the deadline is out of range");
		r = ward_handover_arm(journal);
		if (r < 0)
			return ward_bind_fail_errno(L, -r, "cannot prepare a re-exec");
	}
	r = make(core, &why);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "%s", why);
	if (deadline > 0)
		core->deadline = (uint64_t)(deadline * 1e9);
	lua_pushboolean(L, 1);
	return 1;
}

/* core.deadline([seconds]) -> the deadline as it was; 0: an entry may hang for ever. It means nothing without a journal. */
int
ward_core_deadline(lua_State *L)
{
	struct ward_core *core = ward_bind_core(L);
	lua_Number before = (lua_Number)core->deadline / 1e9, now = luaL_optnumber(L, 1, before);

	luaL_argcheck(L, now >= 0 && now <= MOST_DEADLINE, 1, "the deadline is out of range");
	core->deadline = (uint64_t)(now * 1e9);
	lua_pushnumber(L, before);
	return 1;
}

void
ward_core_end(struct ward_core *core)
{
	/* Children that outlive us keep their memory in this process until it is gone. */
	if (core->procs && ward_procs_count(core->procs) > 0)
		return;
	ward_state_close(core); /* first: its userdata own watches, timers and processes */
	ward_work_join_all();
	ward_http_free(core->http);
	ward_dirwatches_free(core->watches);
	ward_procs_free(core->procs);
	ward_signals_free(core->signals);
	ward_loop_free(core->loop);
	core->http = NULL;
	core->watches = NULL;
	core->procs = NULL;
	core->signals = NULL;
	core->loop = NULL;
}

/* require("ward.cli")(argv) -> status */
static int
run_cli(lua_State *L)
{
	int argc = (int)lua_tointeger(L, 1);
	char **argv = lua_touserdata(L, 2);

	lua_getglobal(L, "require");
	lua_pushliteral(L, "ward.cli");
	lua_call(L, 1, 1);
	lua_createtable(L, argc, 0);
	for (int i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i);
	}
	lua_call(L, 1, 1);
	return 1;
}

int
ward_core_main(struct ward_core *core, int argc, char **argv)
{
	lua_State *L = core->lua;
	int status;

	lua_pushcfunction(L, run_cli);
	lua_pushinteger(L, argc);
	lua_pushlightuserdata(L, argv);
	if (ward_bind_call(L, 2, 1, "the command line") < 0)
		return 1;
	status = (int)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return status;
}
