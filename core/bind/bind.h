/* What the files of core/bind share: the only code that speaks to Lua.
 *
 * Every call into Lua goes through ward_bind_call; every value that must outlive a call is a userdata
 * made before its resource (Lua's liolib.c habit), so that no error can leak one. */
#ifndef WARD_BIND_BIND_H
#define WARD_BIND_BIND_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/fd.h"
#include "loop/loop.h"

struct ward_dirwatches;
struct ward_http;
struct ward_procs;
struct ward_signals;

/* All that a running ward owns besides its Lua states; reached from C callbacks through their
 * owner's pointer, from Lua functions through ward_bind_core. */
struct ward_core {
	struct ward_loop *loop; /* this and the next two: NULL until ward_core_need */
	struct ward_signals *signals;
	struct ward_procs *procs;
	struct ward_dirwatches *watches; /* NULL until something is watched */
	struct ward_http *http;		 /* NULL until something is asked for */
	lua_State *lua;			 /* the trusted state */
	const char *share;		 /* directory that holds ward/init.lua */
	struct ward_fdset inherited;	 /* descriptors that ward was started with */
	uint64_t
		deadline; /* ns of CPU time that an entry into a script can hang in a C function; 0: for ever */
	/* NULL but in tests: asked, maybe on another thread, whether an allocation of a script's state is to fail. */
	bool (*refuses)(void *arg);
	void *refuses_arg;
};

/* Makes loop, signals and process table if they are not there yet. Raises a Lua error when that
 * fails: for functions that need them. */
struct ward_core *ward_core_need(lua_State *L);

/* core.start([options]) -> true | nil, err: the same where a failure is no mistake but a shortage: core.c */
int ward_core_start(lua_State *L);
int ward_core_deadline(lua_State *L);

/* Runs require("ward.cli") with the arguments in the trusted state and returns its exit status. */
int ward_core_main(struct ward_core *core, int argc, char **argv);

/* Ends what ward_core_need made and the trusted state. */
void ward_core_end(struct ward_core *core);

/* The core of a trusted state (kept in its extra space; also inside coroutines). */
static inline struct ward_core *
ward_bind_core(lua_State *L)
{
	return *(struct ward_core **)lua_getextraspace(L);
}

/* Calls the function below @nargs arguments. An error is written to stderr as an internal error with
 * a traceback, named @what; the stack is then as if nothing had been pushed. Returns 0, or -EIO with
 * no results on the stack. Never raises. */
int ward_bind_call(lua_State *L, int nargs, int nresults, const char *what);

/* Pushes nil and an error table { code=, stage=, errno=, message= } with __tostring; returns 2, the
 * number of results: `return ward_bind_fail(L, &err)`. @code is NULL or a short word. */
int ward_bind_fail(lua_State *L, const struct ward_err *err);
int ward_bind_fail_errno(lua_State *L, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int ward_bind_fail_code(lua_State *L, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a message of any length, which it takes from the top of the stack. */
int ward_bind_fail_top(lua_State *L, const char *code);

/* Makes the metatable @name of a userdata with these methods (ended by { NULL, NULL }), unless it is there. */
struct luaL_Reg;
void ward_bind_class(lua_State *L, const char *name, const struct luaL_Reg *methods);

/* Keeps the function at @index as a reference in @L's registry; LUA_NOREF when it is nil. */
int ward_bind_ref(lua_State *L, int index);
void ward_bind_unref(lua_State *L, int *ref);

/* handover.c: the descriptor in field @key of @table that came through a re-exec and that nobody has taken yet; -1 when
 * there is no such field; raises when it is anything else. */
int ward_bind_kept(lua_State *L, int table, const char *key);

/* The same, but -1 also when nothing waits under that number. */
int ward_bind_kept_if_there(lua_State *L, int table, const char *key);

/* handover.c: sets field @key of the table on top to the number @fd, unless that is negative. */
void ward_bind_set_fd(lua_State *L, const char *key, int fd);

/* The last line of defence of a state, for lua_atpanic: one line on stderr, then abort. */
int ward_bind_panic(lua_State *L);

/* Makes load and loadfile accept text alone and removes dofile: a mutated binary chunk can crash the
 * virtual machine. May raise. */
void ward_bind_text_only(lua_State *L);

/* bounded.c: puts what ends in the place of library functions that one call could keep busy for ever. May raise. */
void ward_bind_bounded(lua_State *L);

/* Each adds its functions to the table on top of the stack (the module ward.core). */
void ward_bind_sys(lua_State *L);      /* files, clock, terminal, and users: sys.c */
void ward_bind_script(lua_State *L);   /* script states: scriptfn.c */
void ward_bind_spec(lua_State *L);     /* plans: spec.c */
void ward_bind_proc(lua_State *L);     /* launches and processes: proc.c */
void ward_bind_log(lua_State *L);      /* service logs and console writers: log.c */
void ward_bind_stream(lua_State *L);   /* pipes to and from children: stream.c */
void ward_bind_loop(lua_State *L);     /* run, stop, timers, signals: loopfn.c */
void ward_bind_cgroup(lua_State *L);   /* control groups: cgroup.c */
void ward_bind_watch(lua_State *L);    /* changes in directories: watch.c */
void ward_bind_http(lua_State *L);     /* HTTP requests: http.c */
void ward_bind_control(lua_State *L);  /* the control socket's server: control.c */
void ward_bind_client(lua_State *L);   /* and its blocking client: client.c */
void ward_bind_handover(lua_State *L); /* re-exec, and what came through one: handover.c */

/* Adds pack and unpack to the table on top; needs no core: pack.c. */
void ward_bind_pack(lua_State *L);

/* Adds journal and journal_read to the table on top; needs no core: journal.c. */
void ward_bind_journal(lua_State *L);

/* Enters the script whose userdata is all that the stack holds, for what has become due: for at most @cpu seconds, and
 * without arguments. Returns 0 when that was all: it has asked for nothing, and wants to be entered again at *next
 * (seconds of core.now; 0: for nothing that it knows of). Else pushes what script:enter returns, and returns how many
 * values that are: scriptfn.c. May raise. */
int ward_bind_script_due(lua_State *L, double cpu, double *next);

/* Adds user, group and groups to the table on top; needs no core: users.c. */
void ward_bind_users(lua_State *L);

/* Adds machine, caps and syscall; needs no core: machine.c. */
void ward_bind_machine(lua_State *L);

/* Pushes the table through which a script state looks at the system: host.c. @share is copied. */
void ward_bind_host(lua_State *L, const char *share);

/* bind/state.c: makes the trusted state of @core (libraries, ward.core preloaded, require limited to
 * core->share and the system's Lua packages, text chunks only). Returns 0 and the state in core->lua, owned,
 * or -errno. */
int ward_state_open(struct ward_core *core);
void ward_state_close(struct ward_core *core);

/* bind/transfer.c: deep copy of the @n plain values at @index of @from and above it to the top of @to: nil, booleans,
 * numbers, strings, tables of these without metatables; at most 64 levels, 1,000,000 values, 64 MiB of strings, no cycles.
 * Returns 0, or -EINVAL with a sentence that names the place in *err and nothing pushed. Never raises:
 * also out of memory is an error. */
int ward_transfer(lua_State *from, int index, int n, lua_State *to, struct ward_err *err);

/* The same for a part of something; the limits are those of all parts together. */
struct ward_passed {
	size_t values, bytes;
};
int ward_transfer_more(lua_State *from, int index, int n, lua_State *to, struct ward_passed *passed,
		       struct ward_err *err);

/* Would the value at @index of @from arrive equal to that at @like of @to, which is plain data without cycles? @but: the
 * name of a field that does not count when both are tables, or NULL. May raise as @to does; then what it pushed to @from
 * is still there. */
bool ward_transfer_same(lua_State *from, int index, lua_State *to, int like, const char *but);

#endif
