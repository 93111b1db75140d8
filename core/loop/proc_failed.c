#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/proc_table.h"
#include "spawn/stage.h"

/* Fills *err for a child that was ended by a signal before its program ran. */
static void
blame_signal(const struct ward_proc *p, int sig, struct ward_err *err)
{
	char why[64];

	(void)snprintf(why, sizeof(why), "ended by signal %d before it was done", sig);
	if (p->launch)
		ward_launch_blame(p->launch, 0, why, err);
	else
		(void)ward_err_set(err, WARD_STAGE_EXEC, 0, "cannot %s %s: %s (stage %s)",
				   ward_stage_sentence(WARD_STAGE_EXEC), p->plan->file, why,
				   ward_stage_name(WARD_STAGE_EXEC));
}

/* The same for one that was launched before a re-exec: its record is lost, and with it the stage. */
static void
blame_unborn(const struct ward_proc *p, const struct ward_exit *e, struct ward_err *err)
{
	if (p->timed_out)
		(void)ward_err_set(err, 0, ETIMEDOUT, "cannot run the program: timed out");
	else if (e->signal)
		(void)ward_err_set(err, 0, 0,
				   "cannot run the program: ended by signal %d before it ran",
				   e->signal);
	else
		(void)ward_err_set(err, 0, 0,
				   "cannot run the program: a step before it failed, while ward "
				   "executed itself again");
}

bool
ward_proc_failed(const struct ward_proc *p, const struct ward_exit *e, bool before_exec,
		 struct ward_err *err)
{
	if (p->oom_err) {
		(void)ward_err_set(err, WARD_STAGE_OOM, p->oom_err,
				   "cannot %s to %d: %s (stage %s)",
				   ward_stage_sentence(WARD_STAGE_OOM), p->plan->oom_score_adj,
				   strerror(p->oom_err), ward_stage_name(WARD_STAGE_OOM));
		return true;
	}
	if (p->unborn && before_exec) {
		blame_unborn(p, e, err);
		return true;
	}
	if (p->launch && p->timed_out) {
		ward_launch_blame(p->launch, ETIMEDOUT, "timed out", err);
		return true;
	}
	if (p->launch && ward_launch_failed(p->launch, err))
		return true;
	if (before_exec)
		blame_signal(p, e->signal, err);
	return before_exec;
}
