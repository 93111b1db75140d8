/* The process table: every child that ward started, from clone to reaping, and the orphans that fall
 * to it as a subreaper. A pidfd stands for each child; numbers are used only before the reaping. */
#ifndef WARD_LOOP_PROC_H
#define WARD_LOOP_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "linux/pidfd.h"
#include "loop/loop.h"
#include "spawn/launch.h"

struct ward_procs;
struct ward_proc;

/* What became of a child. */
struct ward_ended {
	bool spawn_failed;     /* it never ran the program: err says which stage and why */
	bool unknown;	       /* its status went elsewhere: exit has the pid only */
	struct ward_err err;   /* stage, errno (0 when a signal ended it before exec), sentence */
	struct ward_exit exit; /* as the kernel told */
	uint64_t uptime_ns;    /* from clone to end */
};

/* Called from the loop. `ended` comes exactly once for each child, after it has ended and its process group was
 * killed; it is reaped when that returns, or before the first launch in it: after a re-exec in between, it can be
 * adopted and ends again. `started` comes before it, once, unless spawn_failed (and in the rare case of a signal
 * between the last step and the program, both). */
struct ward_proc_fns {
	void (*started)(void *arg, struct ward_proc *p);
	void (*ended)(void *arg, struct ward_proc *p, const struct ward_ended *how);
	/* For a plan that learns: the child or a descendant has called @nr of @arch (AUDIT_ARCH_*). The first is the
	 * execve, before `started`; none comes after `ended`. */
	void (*called)(void *arg, uint32_t arch, int nr);
	/* For a plan that learns, or NULL: ward_proc_kept has its listener from here on. Before the first call. */
	void (*listening)(void *arg);
};

/* Makes the table, takes SIGCHLD and becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). Children that
 * are there already are not ward's: they are reaped, and otherwise left alone. *out is owned; loop and
 * signals are borrowed as long as it lives. Returns 0 or -errno: ENOTSUP when /proc is not that of
 * this pid namespace. */
int ward_procs_new(struct ward_loop *loop, struct ward_procs **out);

/* Fills *err for the soft sandbox step of @p that was the @i-th to fail, from 0; false behind the last. Only within
 * `started`. */
bool ward_proc_missed(const struct ward_proc *p, uint32_t i, struct ward_err *err);

/* How many children live. */
size_t ward_procs_count(const struct ward_procs *t);

/* Every child must have ended. NULL is allowed. */
void ward_procs_free(struct ward_procs *t);

/* Launches @plan (borrowed until `ended` returns) with @slots (WARD_SLOTS of them, borrowed until this returns; the
 * control group's until `ended` returns: what is left in it is killed then). A child that
 * has not exec'd after @timeout_ns is killed and reported as the failure of the stage it hung in.
 * *out is owned by the table and valid until `ended` returns. Returns 0, or -errno with *err filled and
 * no callback to come. */
int ward_proc_start(struct ward_procs *t, const struct ward_plan *plan, const int *slots,
		    uint64_t timeout_ns, const struct ward_proc_fns *fns, void *arg,
		    struct ward_proc **out, struct ward_err *err);

/* What a successor needs to take over a child after a re-exec (loop/handover.h). -1: there is none, or no more. */
struct ward_proc_kept {
	pid_t pid;
	int pidfd;
	int report;	     /* until its program runs */
	int status;	     /* from the init of its pid namespace */
	int listener;	     /* of what it calls */
	uint64_t started_ns; /* when it was cloned, by ward_now_ns */
};

struct ward_proc_kept ward_proc_kept(const struct ward_proc *p);

/* Takes over a child with the descriptors that wait for it (moved on success), and @cgroup, as with ward_proc_start. Its
 * plan may be NULL: then its oom_score_adj is left alone. *running: does its program run? Only if not, `started` is to
 * come; and the stage at which it then fails is unknown (0). A report that is not there any more is no mistake. Returns 0 or -errno:
 * ESRCH when the descriptor is not that child's. */
int ward_proc_adopt(struct ward_procs *t, const struct ward_proc_kept *kept,
		    const struct ward_plan *plan, int cgroup, uint64_t timeout_ns,
		    const struct ward_proc_fns *fns, void *arg, struct ward_proc **out,
		    bool *running);

pid_t ward_proc_pid(const struct ward_proc *p);

/* Sends @sig to the child itself. Returns 0 or -errno. */
int ward_proc_signal(struct ward_proc *p, int sig);

/* Asks the child to stop with @sig, and SIGCONT after it (SIGKILL while it has not exec'd). The descendants that it has now are killed when it has
 * ended, whatever sessions they are in. Returns 0 or -errno of the signal. */
int ward_proc_stop(struct ward_proc *p, int sig);

/* SIGKILL to the child, its control group if it has one, its process group and every descendant. */
void ward_proc_kill_tree(struct ward_proc *p);

/* Children of ward that it did not start itself and that came after it began: adopted orphans. Returns their number; with @kill, sends SIGKILL to
 * each and its descendants. */
int ward_procs_orphans(struct ward_procs *t, bool kill);

#endif
