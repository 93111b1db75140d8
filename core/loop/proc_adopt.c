#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/procfs.h"
#include "linux/uapi.h"
#include "loop/handover.h"
#include "loop/learn.h"
#include "loop/proc_table.h"
#include "spawn/plan.h"

struct ward_proc_kept
ward_proc_kept(const struct ward_proc *p)
{
	return (struct ward_proc_kept){
		.pid = p->pid,
		.pidfd = p->pidfd,
		.report = p->launch ? ward_launch_report_fd(p->launch) : p->report,
		.status = p->status,
		.listener = p->learn ? ward_learn_fd(p->learn) : -1,
		.started_ns = p->started_ns,
	};
}

/* Is it the child that it was, and does it run its program, as far as the kernel knows? */
static int
look_at(const struct ward_proc_kept *kept, bool *running)
{
	struct ward_procstat st;
	int r = ward_procfs_stat(kept->pid, &st);

	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	if (st.ppid != getpid() || ward_pidfd_pid(kept->pidfd) != kept->pid)
		return -ESRCH;
	*running = !(st.flags & WARD_PF_FORKNOEXEC);
	return 0;
}

/* Whatever else it does, it is to end: its descriptors are somebody else's until all has gone well. */
static int
watch(struct ward_proc *p, const struct ward_proc_kept *kept)
{
	struct ward_loop *loop = p->table->loop;
	int r = ward_watch_add(loop, &p->exit_watch, kept->pidfd, EPOLLIN, ward_proc_on_exit);

	if (r == 0 && p->unborn && kept->report >= 0)
		r = ward_watch_add(loop, &p->report_watch, kept->report, EPOLLIN,
				   ward_proc_on_report);
	if (r == 0 && kept->listener >= 0)
		r = ward_learn_new(loop, kept->listener, p->fns->called, p->arg, &p->learn);
	return r;
}

int
ward_proc_adopt(struct ward_procs *t, const struct ward_proc_kept *kept,
		const struct ward_plan *plan, int cgroup, uint64_t timeout_ns,
		const struct ward_proc_fns *fns, void *arg, struct ward_proc **out, bool *running)
{
	struct ward_proc *p = ward_proc_new(t, fns, arg);
	int r;

	if (!p)
		return -ENOMEM;
	r = look_at(kept, running);
	p->unborn = !*running;
	if (r == 0)
		r = watch(p, kept);
	if (r < 0) {
		ward_proc_free(p);
		return r;
	}
	p->pid = kept->pid;
	p->pidfd = kept->pidfd;
	p->status = kept->status;
	p->report = p->unborn ? kept->report : -1;
	p->plan = plan;
	p->cgroup = cgroup;
	p->started_ns = kept->started_ns;
	p->ran_ns = p->unborn ? 0 : kept->started_ns;
	p->deadline = kept->started_ns + timeout_ns;
	ward_handover_take(p->pidfd);
	ward_handover_take(p->status);
	ward_handover_take(p->report);
	ward_proc_enter(p, p->unborn);
	*out = p;
	return 0;
}
