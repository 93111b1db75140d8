/* The process table and its rows. Private to proc.c, which starts children, proc_adopt.c, which takes over those that came
 * through a re-exec, and proc_failed.c, which says why one never ran its program. */
#ifndef WARD_LOOP_PROC_TABLE_H
#define WARD_LOOP_PROC_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "loop/proc.h"

struct ward_procs {
	struct ward_loop *loop;
	struct ward_launcher *launcher;
	struct ward_orphans *orphans;
	struct ward_map by_pid;
	struct ward_proc *ending;   /* whose end is being told, not reaped yet; NULL: none */
	struct ward_link launching; /* who has a launch, in the order of their starts */
	struct ward_link untold;    /* whose programs run, which nobody was told yet */
	struct ward_timer *timeout; /* of the launches */
	uint64_t timeout_at;	    /* when it fires; UINT64_MAX: not armed */
	struct ward_timer *tell;
	struct ward_learn *left; /* of children that ended, but not all that they left behind */
};

struct ward_proc {
	struct ward_procs *table;
	const struct ward_proc_fns *fns;
	void *arg;
	struct ward_link link; /* in launching or untold */
	bool unborn;	       /* adopted before its program ran */
	int report; /* of such a one: readable (end-of-file) when it has exec'd or died, or -1 */
	struct ward_launch *launch; /* until the program runs */
	uint64_t deadline;	    /* of the launch */
	bool timed_out;
	bool sure;   /* that its program ran */
	bool untold; /* the launch is over, and `started` has not been called */
	int oom_err; /* of writing oom_score_adj: then the program must not run */
	pid_t pid;
	int pidfd, status;   /* the second: socket from the init of its pid namespace, or -1 */
	int cgroup;	     /* borrowed, or -1: what is left in it dies with the child */
	uint64_t started_ns; /* cloned */
	uint64_t ran_ns;     /* told that the program runs */
	const struct ward_plan *plan; /* NULL: adopted without */
	struct ward_learn *learn;     /* of a plan that learns, while it runs */
	struct ward_tree_hold *held;  /* descendants when it was asked to stop; NULL: not asked */
	struct ward_watch exit_watch, report_watch;
};

/* Makes a row that has no child yet, with room for it in the table; NULL when there is no memory. */
struct ward_proc *ward_proc_new(struct ward_procs *t, const struct ward_proc_fns *fns, void *arg);

/* Ends its launch and closes what it owns. */
void ward_proc_free(struct ward_proc *p);

/* Puts the child, which is watched, into the table; with a @launching one, it is ended when it is still launching at
 * p->deadline. */
void ward_proc_enter(struct ward_proc *p, bool launching);

/* Did the program of a child that has ended never run? Then fills *err. */
bool ward_proc_failed(const struct ward_proc *p, const struct ward_exit *e, bool before_exec,
		      struct ward_err *err);

ward_watch_fn ward_proc_on_exit, ward_proc_on_report;

#endif
