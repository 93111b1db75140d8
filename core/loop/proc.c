#include "loop/proc.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"
#include "linux/cgroup.h"
#include "linux/procfs.h"
#include "linux/tree.h"
#include "linux/uapi.h"
#include "spawn/stage.h"

/* Sessions whose leader ended and whose strays are to be swept, soon and together: looking for
 * strays reads /proc, which must not be paid for with each exit. */
#define SIDS_MAX       32
#define SWEEP_DELAY_NS UINT64_C(20000000)

/* How long after its start the end of a program by a signal may still turn out to have come before
 * exec: a dying process closes its descriptors a moment before its pidfd says so. */
#define DOUBT_NS UINT64_C(100000000)

/* More of them wait for the next turn of the loop. */
#define REAPED_A_TURN 8

struct ward_procs {
	struct ward_loop *loop;
	struct ward_signals *signals;
	struct ward_launcher *launcher;
	struct ward_map by_pid;
	struct ward_timer *sweep;
	pid_t sids[SIDS_MAX];
	size_t nsids;
	struct ward_map foreign; /* children from before: pid -> itself */
};

struct ward_proc {
	struct ward_procs *table;
	const struct ward_proc_fns *fns;
	void *arg;
	struct ward_launch *launch; /* until the program runs */
	struct ward_timer *timeout; /* as long as the launch */
	bool timed_out;
	int oom_err; /* of writing oom_score_adj: then the program must not run */
	pid_t pid;
	int pidfd;
	int cgroup;	     /* borrowed, or -1: what is left in it dies with the child */
	uint64_t started_ns; /* cloned */
	uint64_t ran_ns;     /* told that the program runs */
	const struct ward_plan *plan;
	struct ward_tree_hold *held; /* descendants when it was asked to stop; NULL: not asked */
	struct ward_watch exit_watch, report_watch;
};

static void
end_launch(struct ward_proc *p)
{
	ward_watch_del(p->table->loop, &p->report_watch);
	ward_timer_free(p->timeout);
	p->timeout = NULL;
	if (p->launch)
		ward_launch_free(p->table->launcher, p->launch);
	p->launch = NULL;
}

static void
proc_free(struct ward_proc *p)
{
	end_launch(p);
	ward_tree_hold_end(&p->held, false);
	ward_watch_del(p->table->loop, &p->exit_watch);
	ward_fd_close(&p->pidfd);
	free(p);
}

/* Did the child, which has ended and was not reaped, end before execve was done? Its record shows no
 * failure: then only a signal can have done it, and a flag of the zombie tells. */
static bool
ended_before_exec(const struct ward_proc *p)
{
	struct ward_procstat st;
	int by_signal = 0;

	if (p->launch && ward_launch_stage(p->launch) != WARD_STAGE_EXEC)
		return true;
	if (!p->launch && ward_now_ns() - p->ran_ns > DOUBT_NS)
		return false;
	if (ward_pidfd_ended(p->pidfd, &by_signal) != 1 || !by_signal)
		return false;
	return ward_procfs_stat(p->pid, &st) == 0 && (st.flags & WARD_PF_FORKNOEXEC);
}

static void
report_started(struct ward_proc *p)
{
	p->ran_ns = ward_now_ns();
	p->fns->started(p->arg, p); /* may ask for soft errors, which the launch holds */
	end_launch(p);
}

/* Did the program of a child that has ended never run? Then fills *err. */
static bool
launch_failed(struct ward_proc *p, const struct ward_exit *e, bool before_exec,
	      struct ward_err *err)
{
	char why[64];

	if (p->oom_err) {
		(void)ward_err_set(err, WARD_STAGE_OOM, p->oom_err,
				   "cannot %s to %d: %s (stage %s)",
				   ward_stage_sentence(WARD_STAGE_OOM), p->plan->oom_score_adj,
				   strerror(p->oom_err), ward_stage_name(WARD_STAGE_OOM));
		return true;
	}
	(void)snprintf(why, sizeof(why), "ended by signal %d before it was done", e->signal);
	if (!p->launch) {
		if (before_exec)
			(void)ward_err_set(err, WARD_STAGE_EXEC, 0, "cannot %s %s: %s (stage %s)",
					   ward_stage_sentence(WARD_STAGE_EXEC), p->plan->file, why,
					   ward_stage_name(WARD_STAGE_EXEC));
		return before_exec;
	}
	if (p->timed_out) {
		ward_launch_blame(p->launch, ETIMEDOUT, "timed out", err);
		return true;
	}
	if (ward_launch_failed(p->launch, err))
		return true;
	if (before_exec)
		ward_launch_blame(p->launch, 0, why, err);
	return before_exec;
}

/* Calls @visit for each child of ward that is not in the table; returns how many there are. */
static int
each_orphan(struct ward_procs *t, void (*visit)(struct ward_procs *, pid_t))
{
	int n = ward_procfs_children(getpid(), NULL, 0), found = 0;
	pid_t *pids;

	if (n <= 0)
		return 0;
	pids = calloc((size_t)n, sizeof(*pids));
	if (!pids)
		return 0;
	(void)ward_procfs_children(getpid(), pids, (size_t)n);
	for (int i = 0; i < n; i++) {
		if (pids[i] == 0 || ward_map_get(&t->by_pid, (uint64_t)pids[i]) ||
		    ward_map_get(&t->foreign, (uint64_t)pids[i]))
			continue;
		found++;
		if (visit)
			visit(t, pids[i]);
	}
	free(pids);
	return found;
}

static void
kill_orphan(struct ward_procs *t, pid_t pid)
{
	(void)t;
	ward_tree_kill(pid, getpid());
}

static void
kill_if_stray(struct ward_procs *t, pid_t pid)
{
	struct ward_procstat st, leader;

	if (ward_procfs_stat(pid, &st) < 0)
		return;
	for (size_t i = 0; i < t->nsids; i++) {
		/* A leader that lives has come to the number since: a session of somebody else. */
		if (st.session == t->sids[i] && ward_procfs_stat(st.session, &leader) < 0)
			kill_orphan(t, pid);
	}
}

/* What a dead service left in its session but outside its process group has fallen to us. */
static void
on_sweep(void *arg)
{
	struct ward_procs *t = arg;

	(void)each_orphan(t, kill_if_stray);
	t->nsids = 0;
}

static void
note_dead_session(struct ward_procs *t, pid_t sid)
{
	if (t->nsids == SIDS_MAX)
		on_sweep(t);
	if (t->nsids == 0)
		ward_timer_arm(t->sweep, ward_now_ns() + SWEEP_DELAY_NS);
	t->sids[t->nsids++] = sid;
}

/* The child has ended: settle the launch, kill what it left behind in its group, reap it, tell.
 * Returns false when it has not ended after all. */
static bool
proc_ended(struct ward_proc *p)
{
	struct ward_procs *t = p->table;
	struct ward_ended how = { .uptime_ns = ward_now_ns() - p->started_ns };
	bool before_exec = ended_before_exec(p);
	int r;

	/* While the zombie holds the number, the group can only be its own. */
	(void)ward_pidfd_signal_group(p->pidfd, p->pid, SIGKILL);
	if (p->cgroup >= 0)
		(void)ward_cgroup_kill(p->cgroup);
	r = ward_pidfd_reap(p->pidfd, &how.exit);
	if (r == -EAGAIN)
		return false;
	if (r < 0) { /* somebody else has reaped it: the status is lost, and not invented */
		how.unknown = true;
		how.exit = (struct ward_exit){ .pid = p->pid, .code = -1 };
	}
	(void)ward_map_del(&t->by_pid, (uint64_t)p->pid);
	how.spawn_failed = launch_failed(p, &how.exit, before_exec, &how.err);
	if (p->launch && !how.spawn_failed)
		report_started(p);
	note_dead_session(t, p->pid);
	ward_tree_hold_end(&p->held, true);
	p->fns->ended(p->arg, p, &how);
	proc_free(p);
	return true;
}

static void
on_exit_ready(struct ward_watch *w, uint32_t events)
{
	(void)events;
	(void)proc_ended(ward_container_of(w, struct ward_proc, exit_watch));
}

/* Written from here because before exec it would be the supervisor's own, too. A program that may not
 * run with what it has is ended, as one whose step failed. */
static bool
set_oom_score_adj(struct ward_proc *p)
{
	int r = p->plan->set_oom ? ward_procfs_set_oom_score_adj(p->pid, p->plan->oom_score_adj)
				 : 0;

	if (r == 0 || r == -ESRCH || r == -ENOENT)
		return true;
	p->oom_err = -r;
	ward_watch_del(p->table->loop, &p->report_watch);
	(void)ward_pidfd_signal(p->pidfd, SIGKILL);
	return false;
}

/* End-of-file: the program runs, or the child is gone or going, which its pidfd tells in a moment.
 * One that a signal ends right here is taken for running until then: to be sure would cost each start
 * a look into /proc. */
static void
on_report(struct ward_watch *w, uint32_t events)
{
	struct ward_proc *p = ward_container_of(w, struct ward_proc, report_watch);
	struct ward_err unused;
	int by_signal;

	(void)events;
	/* What was ended for its time closes the pipe as it dies, in whatever stage. */
	if (p->timed_out || ward_launch_stage(p->launch) != WARD_STAGE_EXEC ||
	    ward_launch_failed(p->launch, &unused) || ward_pidfd_ended(p->pidfd, &by_signal) != 0)
		ward_watch_del(p->table->loop, &p->report_watch);
	else if (set_oom_score_adj(p))
		report_started(p);
}

static void
on_timeout(void *arg)
{
	struct ward_proc *p = arg;

	p->timed_out = true;
	(void)ward_pidfd_signal(p->pidfd, SIGKILL);
}

/* Reaps orphans. A child of our own that shows up here is handed to its owner, so that its status
 * is never lost: WNOWAIT only looks. Owners start others, which end: so a few a turn. */
static void
on_sigchld(void *arg, int sig)
{
	struct ward_procs *t = arg;

	for (int i = 0; i < REAPED_A_TURN; i++) {
		siginfo_t info = { 0 };
		struct ward_proc *own;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		own = ward_map_get(&t->by_pid, (uint64_t)info.si_pid);
		if (own) {
			if (!proc_ended(own))
				return;
			continue;
		}
		(void)ward_map_del(&t->foreign, (uint64_t)info.si_pid);
		(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
	(void)raise(sig); /* the rest in the next turn */
}

/* Whoever exec'd ward may have left it children (a pager, a log reader): they are not ours to kill. */
static int
note_foreign(struct ward_procs *t)
{
	pid_t pids[WARD_TREE_MAX];
	int n = ward_procfs_children(getpid(), pids, WARD_TREE_MAX), r = 0;

	for (int i = 0; i < n && i < WARD_TREE_MAX && r == 0; i++)
		r = ward_map_set(&t->foreign, (uint64_t)pids[i], t);
	return n < 0 ? n : r;
}

int
ward_procs_new(struct ward_loop *loop, struct ward_signals *signals, struct ward_procs **out)
{
	struct ward_procs *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->signals = signals;
	if (!ward_procfs_is_own()) {
		r = -ENOTSUP;
		goto fail;
	}
	r = note_foreign(t);
	if (r < 0)
		goto fail;
	/* Ignored, as it may be inherited, the kernel would reap our children itself. */
	(void)signal(SIGCHLD, SIG_DFL);
	r = -ENOMEM;
	t->sweep = ward_timer_new(loop, on_sweep, t);
	if (!t->sweep)
		goto fail;
	r = ward_launcher_new(&t->launcher);
	if (r < 0)
		goto fail;
	r = ward_signals_set(signals, SIGCHLD, on_sigchld, t);
	if (r < 0)
		goto fail;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		r = -errno;
		goto fail;
	}
	*out = t;
	return 0;

fail:
	ward_procs_free(t);
	return r;
}

int
ward_proc_soft_error(const struct ward_proc *p, int stage)
{
	return p->launch ? ward_launch_soft_error(p->launch, stage) : 0;
}

size_t
ward_procs_count(const struct ward_procs *t)
{
	return t->by_pid.used;
}

void
ward_procs_free(struct ward_procs *t)
{
	if (!t)
		return;
	(void)ward_signals_set(t->signals, SIGCHLD, NULL, NULL);
	ward_timer_free(t->sweep);
	ward_launcher_free(t->launcher);
	ward_map_free(&t->by_pid);
	ward_map_free(&t->foreign);
	free(t);
}

/* Everything that can fail for want of memory or watches, before a process exists. */
static struct ward_proc *
proc_new(struct ward_procs *t, const struct ward_proc_fns *fns, void *arg)
{
	struct ward_proc *p = calloc(1, sizeof(*p));

	if (!p || ward_map_reserve(&t->by_pid) < 0) {
		free(p);
		return NULL;
	}
	p->timeout = ward_timer_new(t->loop, on_timeout, p);
	if (!p->timeout) {
		free(p);
		return NULL;
	}
	p->table = t;
	p->fns = fns;
	p->arg = arg;
	p->pidfd = -1;
	return p;
}

int
ward_proc_start(struct ward_procs *t, const struct ward_plan *plan, const int *slots,
		uint64_t timeout_ns, const struct ward_proc_fns *fns, void *arg,
		struct ward_proc **out, struct ward_err *err)
{
	struct ward_proc *p = proc_new(t, fns, arg);
	int r;

	if (!p)
		return ward_err_set(err, WARD_STAGE_PREPARE, ENOMEM, "not enough memory to launch");
	p->plan = plan;
	p->cgroup = slots[WARD_SLOT_CGROUP];
	p->started_ns = ward_now_ns();
	r = ward_launch_start(t->launcher, plan, slots, &p->launch, err);
	if (r < 0) {
		proc_free(p);
		return r;
	}
	p->pid = ward_launch_pid(p->launch);
	p->pidfd = ward_launch_take_pidfd(p->launch);
	r = ward_watch_add(t->loop, &p->exit_watch, p->pidfd, EPOLLIN, on_exit_ready);
	if (r == 0)
		r = ward_watch_add(t->loop, &p->report_watch, ward_launch_report_fd(p->launch),
				   EPOLLIN, on_report);
	if (r < 0) {
		struct ward_exit unused;

		/* No watch, no child: end it here, where waiting is short. */
		(void)ward_pidfd_signal(p->pidfd, SIGKILL);
		while (ward_pidfd_reap(p->pidfd, &unused) == -EAGAIN)
			(void)sched_yield();
		proc_free(p);
		return ward_err_set(err, WARD_STAGE_PREPARE, -r, "cannot watch the process: %s",
				    strerror(-r));
	}
	(void)ward_map_set(&t->by_pid, (uint64_t)p->pid, p); /* reserved above */
	ward_timer_arm(p->timeout, p->started_ns + timeout_ns);
	*out = p;
	return 0;
}

pid_t
ward_proc_pid(const struct ward_proc *p)
{
	return p->pid;
}

int
ward_proc_signal(struct ward_proc *p, int sig)
{
	return ward_pidfd_signal(p->pidfd, sig);
}

int
ward_proc_stop(struct ward_proc *p, int sig)
{
	int r;

	/* Before exec every signal waits, and there is nothing yet that could end in good order. */
	if (p->launch)
		return ward_pidfd_signal(p->pidfd, SIGKILL);
	ward_tree_hold(&p->held, p->pid);
	r = ward_pidfd_signal(p->pidfd, sig);
	/* A stopped process could not act on it. */
	(void)ward_pidfd_signal(p->pidfd, SIGCONT);
	return r;
}

void
ward_proc_kill_tree(struct ward_proc *p)
{
	if (p->cgroup >= 0)
		(void)ward_cgroup_kill(p->cgroup);
	ward_tree_kill(p->pid, getpid());
	(void)ward_pidfd_signal_group(p->pidfd, p->pid, SIGKILL);
	(void)ward_pidfd_signal(p->pidfd, SIGKILL);
}

int
ward_procs_orphans(struct ward_procs *t, bool kill)
{
	return each_orphan(t, kill ? kill_orphan : NULL);
}
