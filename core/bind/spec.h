/* Between the files that read a canonical spec into a draft. What they read stays on the Lua stack or in its
 * table, so that the draft's pointers live as long as the call; wrong types raise. */
#ifndef WARD_BIND_SPEC_H
#define WARD_BIND_SPEC_H

#include <lua.h>

#include "linux/landlock.h"
#include "linux/seccomp.h"
#include "spawn/plan.h"

/* Zeroed room for @n elements that lives as long as the Lua call: an error cannot leak it. It stays on the
 * stack. */
void *ward_spec_scratch(lua_State *L, size_t n, size_t size);

/* The string in field @key, without NUL bytes inside; borrowed from the table. */
const char *ward_spec_string(lua_State *L, int table, const char *key);

/* nice, ioprio, sched, affinity, oom_score_adj, parent_death and limits of the spec at @spec. */
void ward_spec_process(lua_State *L, int spec, struct ward_draft_process *out);

/* The namespaces, maps of ids, host name and mounts of the sandbox at @sandbox. */
void ward_spec_namespaces(lua_State *L, int sandbox, struct ward_draft_sandbox *out);

/* plan:syscalls(names); see spec_syscalls.c. */
int ward_spec_syscalls(lua_State *L);

/* A sandbox between Lua and the kernel. */
/* What became of a spec's Landlock. */
struct ward_spec_landlock {
	bool given;
	struct ward_landlock_report report;
	struct ward_landlock_request *kept; /* owned; NULL without a ruleset */
	struct ward_err none;		    /* err is 0, or says why the program does without */
};

struct ward_spec_sandbox {
	struct ward_landlock_request landlock;
	struct ward_spec_landlock made; /* filled by ward_spec_sandbox_plan, but for given */
	int program,
		guard; /* stack indices of filters, which must live as long as the plan; 0: none */
	const char *learn; /* where to write what is called; NULL: nowhere */
};

/* Reads spec.sandbox: numbers into the draft, the rest as requests. */
void ward_spec_sandbox_read(lua_State *L, int spec, struct ward_spec_sandbox *out,
			    struct ward_draft_sandbox *draft);

/* Reads spec.sandbox.guard and .seccomp, and leaves the filters on the stack. */
void ward_spec_seccomp_read(lua_State *L, int sandbox, struct ward_spec_sandbox *out,
			    struct ward_draft_sandbox *draft);

/* Pushes the list of what a spec asked of Landlock and this machine does not have. */
void ward_spec_push_lacks(lua_State *L, const struct ward_spec_landlock *landlock);

/* Before a launch: makes the ruleset again that is open as @ruleset, where a path of it has become another file. Returns 0,
 * or -errno with a sentence in *err. */
int ward_spec_landlock_renew(struct ward_spec_landlock *landlock, int ruleset,
			     struct ward_err *err);

/* Makes ruleset and plan; raises nothing, so that nothing leaks. @spare: the next free element of
 * d->fds, for the ruleset. Returns 0 with *out owned, or -errno with a sentence in *err. */
int ward_spec_sandbox_plan(struct ward_spec_sandbox *sb, struct ward_draft *d,
			   struct ward_fd_rule *spare, struct ward_plan **out,
			   struct ward_err *err);

#endif
