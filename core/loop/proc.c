#include "loop/proc.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "linux/cgroup.h"
#include "linux/procfs.h"
#include "linux/tree.h"
#include "linux/uapi.h"
#include "loop/learn.h"
#include "loop/handover.h"
#include "loop/orphans.h"
#include "loop/proc_table.h"
#include "spawn/stage.h"

/* How long after its start the end of a program by a signal may still turn out to have come before
 * exec: a dying process closes its descriptors a moment before its pidfd says so. Unless we are sure. */
#define DOUBT_NS UINT64_C(100000000)

static void
end_launch(struct ward_proc *p)
{
	ward_watch_del(p->table->loop, &p->report_watch);
	ward_list_leave(&p->link);
	if (p->launch) {
		ward_handover_remove(ward_launch_report_fd(p->launch));
		ward_launch_free(p->table->launcher, p->launch);
	}
	p->launch = NULL;
	ward_handover_close(&p->report);
}

void
ward_proc_free(struct ward_proc *p)
{
	end_launch(p);
	ward_tree_hold_end(&p->held, false);
	ward_learn_free(p->learn);
	ward_watch_del(p->table->loop, &p->exit_watch);
	ward_handover_close(&p->pidfd);
	ward_handover_close(&p->status);
	free(p);
}

/* Did the child, a zombie, end before execve was done? Its record shows no failure: then a signal did it. */
static bool
ended_before_exec(const struct ward_proc *p)
{
	struct ward_procstat st;
	int by_signal = 0;

	if (p->launch && ward_launch_stage(p->launch) != WARD_STAGE_EXEC)
		return true;
	if (p->sure ||
	    (!p->launch && !p->untold && !p->unborn && ward_now_ns() - p->ran_ns > DOUBT_NS))
		return false;
	if (ward_pidfd_ended(p->pidfd, &by_signal) != 1 || !(by_signal || p->unborn))
		return false;
	return ward_procfs_stat(p->pid, &st) == 0 && (st.flags & WARD_PF_FORKNOEXEC);
}

/* The report pipe is closed: by exec, or by the end of the child? What has memory then has exec'd, since a dying one
 * gives it up first. Where the kernel does not say that, one whose end is not to be seen yet is taken for running. */
static bool
program_runs(struct ward_proc *p)
{
	int memory = ward_pidfd_has_memory(p->pidfd), by_signal;

	p->sure = memory == 1;
	return memory < 0 ? ward_pidfd_ended(p->pidfd, &by_signal) != 1 : p->sure;
}

static void
report_started(struct ward_proc *p)
{
	p->ran_ns = ward_now_ns();
	p->untold = p->unborn = false;
	/* What is launched in the callback must not settle it, and so tell it again. */
	ward_list_leave(&p->link);
	p->fns->started(p->arg, p); /* may ask for soft errors, which the launch holds */
	end_launch(p);
}

/* A child that is reaped no longer counts for its user's nproc, and its number is free. */
static void
reap(struct ward_procs *t)
{
	struct ward_exit unused;

	if (!t->ending)
		return;
	(void)ward_pidfd_exit(t->ending->pidfd, true, &unused);
	(void)ward_map_del(&t->by_pid, (uint64_t)t->ending->pid);
	t->ending = NULL;
}

/* The child has ended: settle the launch, kill what it left behind in its group, tell, reap it (that takes longer than
 * to see how it ended). Returns false when it has not ended after all. */
static bool
proc_ended(void *arg)
{
	struct ward_proc *p = arg;
	struct ward_procs *t = p->table;
	struct ward_ended how = { .uptime_ns = ward_now_ns() - p->started_ns };
	bool before_exec = ended_before_exec(p);
	int r;

	/* While the zombie holds the number, the group can only be its own. */
	(void)ward_pidfd_signal_group(p->pidfd, p->pid, SIGKILL);
	if (p->cgroup >= 0)
		(void)ward_cgroup_kill(p->cgroup);
	r = ward_pidfd_exit(p->pidfd, false, &how.exit);
	if (r == -EAGAIN)
		return false;
	if (r < 0) { /* somebody else has reaped it: the status is lost, and not invented */
		how.unknown = true;
		how.exit = (struct ward_exit){ .pid = p->pid, .code = -1 };
	}
	t->ending = p;
	ward_exit_ask_init(p->status, &how.exit);
	how.spawn_failed = ward_proc_failed(p, &how.exit, before_exec, &how.err);
	if ((p->launch || p->untold || p->unborn) && !how.spawn_failed)
		report_started(p);
	ward_orphans_note_session(t->orphans, p->pid);
	ward_tree_hold_end(&p->held, true);
	ward_learn_leave(p->learn, &t->left);
	end_launch(p); /* its owner may free the plan in the callback, and launch another */
	p->fns->ended(p->arg, p, &how);
	reap(t);
	ward_proc_free(p);
	return true;
}

void
ward_proc_on_exit(struct ward_watch *w, uint32_t events)
{
	(void)events;
	(void)proc_ended(ward_container_of(w, struct ward_proc, exit_watch));
}

/* From here: before exec it would be the supervisor's own, too. A program that may not run with what it has is ended. */
static bool
set_oom_score_adj(struct ward_proc *p)
{
	const struct ward_plan *plan = p->plan;
	int r = plan && plan->set_oom
			? ward_tree_set_oom(p->pid, plan->init >= 0, plan->oom_score_adj)
			: 0;

	if (r == 0 || r == -ESRCH || r == -ENOENT)
		return true;
	p->oom_err = -r;
	ward_watch_del(p->table->loop, &p->report_watch);
	(void)ward_pidfd_signal(p->pidfd, SIGKILL);
	return false;
}

/* A child that is learned waits in execve until somebody listens. Without a listener it could only hang. */
static void
start_listening(struct ward_proc *p)
{
	int fd = ward_launch_take_listener(p->report_watch.fd), r = fd;

	if (fd >= 0) {
		r = ward_learn_new(p->table->loop, fd, p->fns->called, p->arg, &p->learn);
		if (r < 0)
			ward_fd_close(&fd);
		else if (p->fns->listening)
			p->fns->listening(p->arg);
	}
	if (r < 0 && r != -EAGAIN)
		(void)ward_pidfd_signal(p->pidfd, SIGKILL);
}

/* Is the child in no step before execve? Its record tells; where that is lost, a flag that execve clears. */
static bool
at_exec(const struct ward_proc *p)
{
	struct ward_procstat st;
	struct ward_err unused;

	if (p->launch)
		return ward_launch_stage(p->launch) == WARD_STAGE_EXEC &&
		       !ward_launch_failed(p->launch, &unused);
	return ward_procfs_stat(p->pid, &st) == 0 && !(st.flags & WARD_PF_FORKNOEXEC);
}

/* End-of-file: the program runs, or the child is gone or going, which its pidfd tells in a moment. */
void
ward_proc_on_report(struct ward_watch *w, uint32_t events)
{
	struct ward_proc *p = ward_container_of(w, struct ward_proc, report_watch);

	if (!p->learn && (events & EPOLLIN) && !(events & EPOLLHUP)) {
		start_listening(p);
		return;
	}
	/* What was ended for its time closes the pipe as it dies, in whatever stage. */
	if (p->timed_out || !at_exec(p) || !program_runs(p))
		ward_watch_del(p->table->loop, &p->report_watch);
	else if (set_oom_score_adj(p))
		report_started(p);
}

static void
arm_timeout(struct ward_procs *t, uint64_t deadline)
{
	if (deadline >= t->timeout_at)
		return;
	t->timeout_at = deadline;
	ward_timer_arm(t->timeout, deadline);
}

/* One timer for all: it looks through the launches and is set to the next of them. */
static void
on_timeout(void *arg)
{
	struct ward_procs *t = arg;
	uint64_t now = ward_now_ns(), next = UINT64_MAX;

	for (struct ward_link *l = t->launching.next; l != &t->launching; l = l->next) {
		struct ward_proc *p = ward_container_of(l, struct ward_proc, link);

		if (!p->timed_out && p->deadline <= now) {
			p->timed_out = true;
			(void)ward_pidfd_signal(p->pidfd, SIGKILL);
		} else if (!p->timed_out && p->deadline < next) {
			next = p->deadline;
		}
	}
	t->timeout_at = UINT64_MAX;
	arm_timeout(t, next);
}

/* Ends, before more is launched, the launches whose children have left our memory since: each that is open has a
 * stack, a pipe, and a descriptor that every further child is given a copy of. Their owners are told in the next turn:
 * they do not expect it within a start. */
static void
settle_launches(struct ward_procs *t)
{
	while (!ward_list_empty(&t->launching)) {
		struct ward_proc *p = ward_container_of(t->launching.next, struct ward_proc, link);

		/* What else is to be done when the program runs is left to the loop. */
		if (!p->launch || p->timed_out || p->plan->set_oom ||
		    p->plan->on_failure != WARD_FAIL_ERROR || !ward_launch_execed(p->launch))
			break;
		end_launch(p);
		p->untold = true;
		if (ward_list_empty(&t->untold))
			ward_timer_arm(t->tell, ward_now_ns());
		ward_list_append(&t->untold, &p->link);
	}
}

static void
on_tell(void *arg)
{
	struct ward_procs *t = arg;
	struct ward_link *last = t->untold.prev;
	bool more = !ward_list_empty(&t->untold);

	while (more) {
		struct ward_proc *p = ward_container_of(t->untold.next, struct ward_proc, link);
		int by_signal;

		more = &p->link != last;
		ward_list_leave(&p->link);
		/* Of one that has ended, the end is told next, and whether it ran. */
		if (ward_pidfd_ended(p->pidfd, &by_signal) == 0)
			report_started(p);
	}
	if (!ward_list_empty(&t->untold)) /* settled by what was launched meanwhile */
		ward_timer_arm(t->tell, ward_now_ns());
}

int
ward_procs_new(struct ward_loop *loop, struct ward_procs **out)
{
	struct ward_procs *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->timeout_at = UINT64_MAX;
	ward_list_init(&t->launching);
	ward_list_init(&t->untold);
	r = -ENOMEM;
	t->timeout = ward_timer_new(loop, on_timeout, t);
	t->tell = ward_timer_new(loop, on_tell, t);
	if (!t->timeout || !t->tell)
		goto fail;
	r = ward_orphans_new(loop, &t->by_pid, proc_ended, &t->orphans);
	if (r < 0)
		goto fail;
	r = ward_launcher_new(&t->launcher);
	if (r < 0)
		goto fail;
	*out = t;
	return 0;

fail:
	ward_procs_free(t);
	return r;
}

bool
ward_proc_missed(const struct ward_proc *p, uint32_t i, struct ward_err *err)
{
	return p->launch && ward_launch_missed(p->launch, i, err);
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
	ward_learn_free_all(&t->left);
	ward_orphans_free(t->orphans);
	ward_timer_free(t->timeout);
	ward_timer_free(t->tell);
	ward_launcher_free(t->launcher);
	ward_map_free(&t->by_pid);
	free(t);
}

/* Everything that can fail for want of memory or watches, before a process exists. */
struct ward_proc *
ward_proc_new(struct ward_procs *t, const struct ward_proc_fns *fns, void *arg)
{
	struct ward_proc *p = calloc(1, sizeof(*p));

	if (!p || ward_map_reserve(&t->by_pid) < 0) {
		free(p);
		return NULL;
	}
	p->table = t;
	p->fns = fns;
	p->arg = arg;
	p->pidfd = p->status = p->report = p->cgroup = -1;
	return p;
}

void
ward_proc_enter(struct ward_proc *p, bool launching)
{
	struct ward_procs *t = p->table;

	(void)ward_map_set(&t->by_pid, (uint64_t)p->pid, p); /* reserved by ward_proc_new */
	if (!launching)
		return;
	ward_list_append(&t->launching, &p->link);
	arm_timeout(t, p->deadline);
}

int
ward_proc_start(struct ward_procs *t, const struct ward_plan *plan, const int *slots,
		uint64_t timeout_ns, const struct ward_proc_fns *fns, void *arg,
		struct ward_proc **out, struct ward_err *err)
{
	struct ward_proc *p = ward_proc_new(t, fns, arg);
	int r;

	reap(t);
	settle_launches(t);
	if (!p)
		return ward_err_set(err, WARD_STAGE_PREPARE, ENOMEM, "not enough memory to launch");
	p->plan = plan;
	p->cgroup = slots[WARD_SLOT_CGROUP];
	p->started_ns = ward_now_ns();
	r = ward_launch_start(t->launcher, plan, slots, &p->launch, err);
	if (r < 0) {
		ward_proc_free(p);
		return r;
	}
	p->pid = ward_launch_pid(p->launch);
	p->pidfd = ward_launch_take_pidfd(p->launch);
	p->status = ward_launch_take_status(p->launch);
	r = ward_watch_add(t->loop, &p->exit_watch, p->pidfd, EPOLLIN, ward_proc_on_exit);
	if (r == 0)
		r = ward_watch_add(t->loop, &p->report_watch, ward_launch_report_fd(p->launch),
				   EPOLLIN, ward_proc_on_report);
	if (r < 0) {
		struct ward_exit unused;

		/* No watch, no child: end it here, where waiting is short. */
		(void)ward_pidfd_signal(p->pidfd, SIGKILL);
		while (ward_pidfd_exit(p->pidfd, true, &unused) == -EAGAIN)
			(void)sched_yield();
		ward_proc_free(p);
		return ward_err_set(err, WARD_STAGE_PREPARE, -r, "cannot watch the process: %s",
				    strerror(-r));
	}
	p->deadline = p->started_ns + timeout_ns;
	ward_handover_add(p->pidfd);
	ward_handover_add(p->status);
	ward_handover_add(ward_launch_report_fd(p->launch));
	ward_proc_enter(p, true);
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

	/* Before exec every signal waits, and there is nothing yet that could end in good order. The launch itself is
	 * still open while it is told that the program runs. */
	if ((p->launch || p->unborn) && !p->ran_ns)
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
	return ward_orphans_count(t->orphans, kill);
}
