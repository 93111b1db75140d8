#include "loop/orphans.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/procfs.h"
#include "linux/tree.h"
#include "loop/handover.h"

/* SIGCHLD says little: each child of ward's own sends one as well, and those have pidfds. So the first one is left
 * pending, where it swallows all that follow, and is taken a moment later: one look for many exits. */
#define LOOK_DELAY_NS UINT64_C(5000000)

/* What is left waits for the next look. To reap a child of ward's own has its owner called, who starts others,
 * which end: fewer of those. */
#define REAPED_A_LOOK 64
#define OWN_A_LOOK    8

/* Sessions whose leader ended and whose strays are to be swept, soon and together: looking for
 * strays reads /proc, which must not be paid for with each exit. */
#define SIDS_MAX       512
#define SWEEP_DELAY_NS UINT64_C(20000000)

struct ward_orphans {
	struct ward_loop *loop;
	const struct ward_map *table;
	ward_orphans_own_fn *own;
	struct ward_map foreign; /* children from before: pid -> not NULL */
	struct ward_watch watch;
	int fd; /* signalfd of SIGCHLD */
	struct ward_timer *look, *sweep;
	pid_t sids[SIDS_MAX];
	size_t nsids;
};

/* Returns false when @pid, a child, had ended: then it is gone now. */
static bool
lives(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0;
}

/* Calls @visit for each of them that lives; returns how many there are. */
static int
each(struct ward_orphans *o, void (*visit)(struct ward_orphans *, pid_t))
{
	int n = ward_procfs_children(getpid(), NULL, 0), found = 0;
	pid_t *pids;

	if (n <= 0 || ward_handover_pending()) /* it is not known yet whose they are */
		return 0;
	pids = calloc((size_t)n, sizeof(*pids));
	if (!pids)
		return 0;
	(void)ward_procfs_children(getpid(), pids, (size_t)n);
	for (int i = 0; i < n; i++) {
		if (pids[i] == 0 || ward_map_get(o->table, (uint64_t)pids[i]) ||
		    ward_map_get(&o->foreign, (uint64_t)pids[i]) || !lives(pids[i]))
			continue;
		found++;
		if (visit)
			visit(o, pids[i]);
	}
	free(pids);
	return found;
}

static void
kill_one(struct ward_orphans *o, pid_t pid)
{
	(void)o;
	ward_tree_kill(pid, getpid());
}

static void
kill_if_stray(struct ward_orphans *o, pid_t pid)
{
	struct ward_procstat st, leader;

	if (ward_procfs_stat(pid, &st) < 0)
		return;
	for (size_t i = 0; i < o->nsids; i++) {
		/* A leader that lives has come to the number since: a session of somebody else. */
		if (st.session == o->sids[i] && ward_procfs_stat(st.session, &leader) < 0)
			kill_one(o, pid);
	}
}

/* What a dead service left in its session but outside its process group has fallen to us. */
static void
on_sweep(void *arg)
{
	struct ward_orphans *o = arg;

	(void)each(o, kill_if_stray);
	o->nsids = 0;
}

void
ward_orphans_note_session(struct ward_orphans *o, pid_t sid)
{
	if (o->nsids == SIDS_MAX)
		on_sweep(o);
	if (o->nsids == 0)
		ward_timer_arm(o->sweep, ward_now_ns() + SWEEP_DELAY_NS);
	o->sids[o->nsids++] = sid;
}

static void
on_sigchld(struct ward_watch *w, uint32_t events)
{
	struct ward_orphans *o = ward_container_of(w, struct ward_orphans, watch);

	(void)events;
	ward_timer_arm(o->look, ward_now_ns() + LOOK_DELAY_NS);
}

/* Reaps. A child of our own that shows up here is handed to its owner, so that its status is never
 * lost: WNOWAIT only looks. */
static void
on_look(void *arg)
{
	struct ward_orphans *o = arg;
	struct signalfd_siginfo unused;
	int own = 0;

	if (ward_handover_pending()) { /* its owner may not be there yet */
		ward_timer_arm(o->look, ward_now_ns() + LOOK_DELAY_NS);
		return;
	}
	/* First the signal: what ends after this sends another. */
	(void)!read(o->fd, &unused, sizeof(unused));
	for (int i = 0; i < REAPED_A_LOOK && own < OWN_A_LOOK; i++) {
		siginfo_t info = { 0 };
		void *value;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		value = ward_map_get(o->table, (uint64_t)info.si_pid);
		if (value) {
			own++;
			if (!o->own(value))
				return;
			continue;
		}
		if (ward_map_del(&o->foreign, (uint64_t)info.si_pid))
			ward_handover_remove_foreign(info.si_pid);
		(void)lives(info.si_pid);
	}
	ward_timer_arm(o->look, ward_now_ns());
}

/* Whoever exec'd ward may have left it children (a pager, a log reader): they are not ours to kill. When that was ward
 * itself, it has told which they are. */
static int
note_foreign(struct ward_orphans *o)
{
	pid_t pids[WARD_TREE_MAX];
	int n = ward_procfs_children(getpid(), pids, WARD_TREE_MAX), r = 0;

	for (int i = 0; i < n && i < WARD_TREE_MAX && r == 0; i++) {
		if (ward_handover_predecessor() && !ward_handover_is_foreign(pids[i]))
			continue;
		r = ward_map_set(&o->foreign, (uint64_t)pids[i], o);
		ward_handover_add_foreign(pids[i]);
	}
	return n < 0 ? n : r;
}

/* An edge-triggered watch: a signal that is pending says nothing twice. */
static int
take_sigchld(struct ward_orphans *o)
{
	sigset_t chld;

	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	/* Ignored, as it may be inherited, the kernel would reap our children itself. */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigprocmask(SIG_BLOCK, &chld, NULL);
	o->fd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	if (o->fd < 0)
		return -errno;
	return ward_watch_add(o->loop, &o->watch, o->fd, EPOLLIN | EPOLLET, on_sigchld);
}

int
ward_orphans_new(struct ward_loop *loop, const struct ward_map *table, ward_orphans_own_fn *own,
		 struct ward_orphans **out)
{
	struct ward_orphans *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->loop = loop;
	o->table = table;
	o->own = own;
	o->fd = -1;
	r = ward_procfs_is_own() ? note_foreign(o) : -ENOTSUP;
	if (r < 0)
		goto fail;
	r = -ENOMEM;
	o->look = ward_timer_new(loop, on_look, o);
	o->sweep = ward_timer_new(loop, on_sweep, o);
	if (!o->look || !o->sweep)
		goto fail;
	r = take_sigchld(o);
	if (r < 0)
		goto fail;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		r = -errno;
		goto fail;
	}
	/* Those that ended before the signal was taken. */
	if (ward_handover_predecessor())
		ward_timer_arm(o->look, ward_now_ns());
	*out = o;
	return 0;

fail:
	ward_orphans_free(o);
	return r;
}

void
ward_orphans_free(struct ward_orphans *o)
{
	sigset_t chld;

	if (!o)
		return;
	ward_watch_del(o->loop, &o->watch);
	if (o->fd >= 0) {
		(void)sigemptyset(&chld);
		(void)sigaddset(&chld, SIGCHLD);
		(void)sigprocmask(SIG_UNBLOCK, &chld, NULL);
	}
	ward_fd_close(&o->fd);
	ward_timer_free(o->look);
	ward_timer_free(o->sweep);
	ward_map_free(&o->foreign);
	free(o);
}

int
ward_orphans_count(struct ward_orphans *o, bool kill)
{
	return each(o, kill ? kill_one : NULL);
}
