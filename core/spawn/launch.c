#include "spawn/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/pidfd.h"
#include "linux/procfs.h"
#include "linux/sys.h"
#include "spawn/init.h"
#include "spawn/stage.h"

/* [guard page][stack][record page, MAP_SHARED], kept and reused. */
struct area {
	struct area *next;
	char *base;
	size_t page;
};

struct ward_launcher {
	struct area *spare;
	size_t page;
	uint64_t ignored;    /* signals that ward ignores or found ignored */
	bool no_clone3;	     /* old kernel, or a seccomp filter that answers ENOSYS */
	unsigned int masked; /* pending launches that change ids */
	int dumpable;	     /* what it was before the first of them */
	int suid_dumpable;   /* the sysctl, open: each of those launches asks for it; or -errno */
	int init;	     /* the program of inits, or -1: none was needed yet */
	int self;	     /* a pidfd of ours, or -1: none was needed yet */
};

struct ward_launch {
	struct ward_child child;
	const struct ward_plan *plan;
	struct area *area;
	pid_t pid;
	int pidfd;
	int report; /* read end */
	int status; /* our end of the socket from an init, or -1 */
	int cgroup; /* borrowed while cloning, or -1 */
	bool masked;
	int32_t work[]; /* nwork work slots, then the scratch for ngroups */
};

/* Dispositions that CLONE_CLEAR_SIGHAND leaves alone and execve would pass on. */
static uint64_t
ignored_signals(void)
{
	uint64_t set = 0;

	for (int sig = 1; sig <= WARD_NSIG; sig++) {
		struct ward_ksigaction old = { 0 };

		if (ward_sys_rt_sigaction(sig, NULL, &old) == 0 && old.handler == (void *)SIG_IGN)
			set |= UINT64_C(1) << (sig - 1);
	}
	return set;
}

int
ward_launcher_new(struct ward_launcher **out)
{
	struct ward_launcher *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->page = (size_t)sysconf(_SC_PAGESIZE);
	l->ignored = ignored_signals();
	l->suid_dumpable = ward_procfs_open_suid_dumpable();
	l->init = l->self = -1;
	*out = l;
	return 0;
}

static void
area_free(struct area *a)
{
	(void)munmap(a->base, 2 * a->page + WARD_STACK_SIZE);
	free(a);
}

void
ward_launcher_free(struct ward_launcher *l)
{
	if (!l)
		return;
	while (l->spare) {
		struct area *a = l->spare;

		l->spare = a->next;
		area_free(a);
	}
	ward_fd_close(&l->suid_dumpable);
	ward_fd_close(&l->init);
	ward_fd_close(&l->self);
	free(l);
}

static struct area *
area_take(struct ward_launcher *l)
{
	struct area *a = l->spare;
	char *record;

	if (a) {
		l->spare = a->next;
		return a;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->page = l->page;
	a->base = mmap(NULL, 2 * a->page + WARD_STACK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (a->base == MAP_FAILED)
		goto fail_alloc;
	record = a->base + a->page + WARD_STACK_SIZE;
	if (mprotect(a->base, a->page, PROT_NONE) < 0 ||
	    mmap(record, a->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		goto fail_map;
	return a;

fail_map:
	(void)munmap(a->base, 2 * a->page + WARD_STACK_SIZE);
fail_alloc:
	free(a);
	return NULL;
}

static void
area_give(struct ward_launcher *l, struct area *a)
{
	a->next = l->spare;
	l->spare = a;
}

/* A child that has taken another uid shares our memory until it execs: while one is pending, nobody
 * of that uid may ptrace us or read /proc/PID/mem. Undone by unmask. */
static int
mask_memory(struct ward_launcher *l, struct ward_err *err)
{
	if (ward_procfs_suid_dumpable(l->suid_dumpable) == 1)
		return ward_err_set(
			err, WARD_STAGE_PREPARE, EPERM,
			"cannot change ids in shared memory while fs.suid_dumpable is 1");
	if (l->masked++ == 0) {
		l->dumpable = prctl(PR_GET_DUMPABLE);
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	return 0;
}

static void
unmask_memory(struct ward_launcher *l)
{
	if (--l->masked == 0 && l->dumpable == 1)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static uint64_t
mode_flags(enum ward_clone_mode mode)
{
	switch (mode) {
	case WARD_CLONE_VFORKED:
		return WARD_CLONE_PIDFD | WARD_CLONE_VM | WARD_CLONE_VFORK;
	case WARD_CLONE_COPY:
		return WARD_CLONE_PIDFD;
	case WARD_CLONE_SHARED:
		break;
	}
	return WARD_CLONE_PIDFD | WARD_CLONE_VM;
}

/* Every signal stays blocked across the clone: a handler of ours must not run in the child, and a
 * signal meant for the child must wait until its program is there. */
static long
clone_child(struct ward_launcher *l, struct ward_launch *launch)
{
	const uint64_t all = ~UINT64_C(0);
	char *stack = launch->area->base + launch->area->page;
	uint64_t flags = mode_flags(launch->plan->clone) | launch->plan->clone_flags;
	/* Behind an init it is another process that takes the last steps, and says this itself. */
	uint64_t cleartid = launch->plan->init < 0 ? WARD_CLONE_CHILD_CLEARTID : 0;
	struct ward_clone_args args = {
		.flags = flags | cleartid | WARD_CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&launch->pidfd,
		.child_tid = (uint64_t)(uintptr_t)&launch->child.record->here,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = WARD_STACK_SIZE,
	};
	uint64_t old;
	long r;

	if (launch->cgroup >= 0) {
		args.flags |= WARD_CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)launch->cgroup;
	}
	r = ward_sys_rt_sigprocmask(SIG_SETMASK, &all, &old);
	if (r < 0)
		return r;
	r = -ENOSYS;
	if (!l->no_clone3) {
		launch->child.reset = l->ignored;
		r = ward_sys_clone3(&args, ward_child_main, &launch->child);
	}
	/* An old kernel, or a seccomp filter that knows no clone3 and says ENOSYS or EPERM: a child in a
	 * group of its own is not to be had there. */
	if (launch->cgroup < 0 && (r == -ENOSYS || r == -EINVAL || r == -EPERM)) {
		launch->child.reset = all;
		r = ward_sys_clone(flags | SIGCHLD, stack + WARD_STACK_SIZE, &launch->pidfd,
				   ward_child_main, &launch->child);
		l->no_clone3 |= r > 0;
	}
	(void)ward_sys_rt_sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

static struct ward_launch *
launch_new(struct ward_launcher *l, const struct ward_plan *plan, const int *slots)
{
	size_t words = plan->nwork + (size_t)plan->ids.ngroups;
	struct ward_launch *launch = calloc(1, sizeof(*launch) + words * sizeof(int32_t));

	if (!launch)
		return NULL;
	launch->area = area_take(l);
	if (!launch->area) {
		free(launch);
		return NULL;
	}
	launch->plan = plan;
	launch->pidfd = launch->report = launch->status = -1;
	launch->cgroup = slots[WARD_SLOT_CGROUP];
	for (uint32_t i = 0; i < plan->nfds; i++) {
		const struct ward_fd_rule *f = &plan->fds[i];

		launch->work[i] = f->source == WARD_SOURCE_SLOT ? slots[f->number]
				  : f->source == WARD_SOURCE_FD ? f->number
								: -1;
	}
	for (uint32_t i = plan->nfds; i < plan->nwork; i++)
		launch->work[i] = -1;
	launch->child = (struct ward_child){
		.steps = plan->steps,
		.nsteps = plan->nsteps,
		.nwork = plan->nwork,
		.work = launch->work,
		.scratch = (uint32_t *)(launch->work + plan->nwork),
		.highest = plan->highest,
		.kept = { plan->ruleset, plan->init, plan->init < 0 ? -1 : plan->init + 1,
			  plan->parent },
		.report = -1,
		.parent = getpid(),
		.stack = launch->area->base + launch->area->page,
		.record = (void *)(launch->area->base + launch->area->page + WARD_STACK_SIZE),
		.argv = plan->argv,
		.envp = plan->envp,
	};
	memset((void *)launch->child.record, 0, sizeof(*launch->child.record));
	launch->child.record->stage = WARD_STAGE_CLONE;
	launch->child.record->here = 1;
	return launch;
}

/* What an init needs: its program, which a mapper needs, too, and a socket on which it tells how the program of the
 * plan ended. *writer is to be closed after the clone. */
static int
prepare_init(struct ward_launcher *l, struct ward_launch *launch, int *writer, struct ward_err *err)
{
	int ends[2];

	if (l->init < 0)
		l->init = ward_init_open();
	if (l->init < 0)
		return ward_err_set(err, WARD_STAGE_PREPARE, -l->init, "cannot prepare an init: %s",
				    strerror(-l->init));
	if (launch->plan->mapper >= 0)
		launch->work[launch->plan->mapper] = l->init;
	if (launch->plan->init < 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return ward_err_set(err, WARD_STAGE_PREPARE, errno,
				    "cannot make the status socket: %s", strerror(errno));
	launch->status = ends[0];
	launch->work[launch->plan->init] = l->init;
	launch->work[launch->plan->init + 1] = *writer = ends[1];
	return 0;
}

/* By which a child that cannot see us sees us die. */
static int
prepare_self(struct ward_launcher *l, struct ward_launch *launch, struct ward_err *err)
{
	if (l->self < 0) {
		int fd = ward_pidfd_open(getpid());

		if (fd < 0)
			return ward_err_set(err, WARD_STAGE_PREPARE, -fd,
					    "cannot make a pidfd of ward: %s", strerror(-fd));
		l->self = fd;
	}
	launch->work[launch->plan->parent] = l->self;
	return 0;
}

/* A pipe; where a listener has to come over, a socket, which can carry it. */
static int
make_report(bool learn, int report[2])
{
	int r = learn ? socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report)
		      : pipe2(report, O_CLOEXEC);

	return r < 0 ? -errno : 0;
}

int
ward_launch_start(struct ward_launcher *l, const struct ward_plan *plan, const int *slots,
		  struct ward_launch **out, struct ward_err *err)
{
	struct ward_launch *launch = launch_new(l, plan, slots);
	WARD_AUTO_FD int child_end = -1;
	WARD_AUTO_FD int status = -1;
	int report[2];
	long r;

	if (!launch)
		return ward_err_set(err, WARD_STAGE_PREPARE, ENOMEM, "not enough memory to launch");
	r = make_report(plan->learn, report);
	if (r < 0) {
		r = ward_err_set(err, WARD_STAGE_PREPARE, (int)-r,
				 "cannot make the report pipe: %s", strerror((int)-r));
		goto fail;
	}
	launch->report = report[0];
	launch->child.report = child_end = report[1];
	if (plan->clone != WARD_CLONE_COPY && ward_plan_changes_ids(plan)) {
		r = mask_memory(l, err);
		if (r < 0)
			goto fail;
		launch->masked = true;
	}
	if (plan->init >= 0 || plan->mapper >= 0) {
		r = prepare_init(l, launch, &status, err);
		if (r < 0)
			goto fail;
	}
	if (plan->parent >= 0) {
		r = prepare_self(l, launch, err);
		if (r < 0)
			goto fail;
	}
	r = clone_child(l, launch);
	if (r < 0) {
		r = ward_err_set(err, WARD_STAGE_CLONE, (int)-r,
				 "cannot create the process: %s (stage clone)", strerror((int)-r));
		goto fail;
	}
	launch->pid = (pid_t)r;
	*out = launch;
	return 0;

fail:
	ward_launch_free(l, launch);
	return (int)r;
}

pid_t
ward_launch_pid(const struct ward_launch *launch)
{
	return launch->pid;
}

int
ward_launch_take_pidfd(struct ward_launch *launch)
{
	return ward_fd_steal(&launch->pidfd);
}

int
ward_launch_take_status(struct ward_launch *launch)
{
	return ward_fd_steal(&launch->status);
}

int
ward_launch_report_fd(const struct ward_launch *launch)
{
	return launch->report;
}

bool
ward_launch_execed(const struct ward_launch *launch)
{
	const struct ward_record *rec = launch->child.record;

	return __atomic_load_n(&rec->here, __ATOMIC_ACQUIRE) == 0 &&
	       rec->stage == WARD_STAGE_EXEC && rec->err == 0;
}

int
ward_launch_take_listener(int report)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control;
	char byte;
	struct iovec part = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(report, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	const struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	int fd;

	if (n < 0 && errno != ECONNRESET)
		return -errno;
	if (n <= 0)
		return -ENODATA;
	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

int
ward_launch_stage(const struct ward_launch *launch)
{
	return (int)launch->child.record->stage;
}

static void
say_failed(int stage, const char *operand, int err, const char *why, struct ward_err *out)
{
	(void)ward_err_set(out, stage, err, "cannot %s%s: %s (stage %s)",
			   ward_stage_sentence(stage), operand, why, ward_stage_name(stage));
}

bool
ward_launch_missed(const struct ward_launch *launch, uint32_t i, struct ward_err *err)
{
	const struct ward_record *rec = launch->child.record;
	const struct ward_missed *m = &rec->missed[i];
	char operand[160];

	if (i >= rec->nmissed)
		return false;
	ward_plan_operand(launch->plan, m->step, m->err, m->operand, operand, sizeof(operand));
	say_failed(launch->plan->steps[m->step].stage, operand, m->err, strerror(m->err), err);
	return true;
}

void
ward_launch_blame(const struct ward_launch *launch, int err, const char *why, struct ward_err *out)
{
	const struct ward_record *rec = launch->child.record;
	int stage = (int)rec->stage;
	char operand[160] = "";

	if (stage != WARD_STAGE_CLONE) /* then the child has not begun: there is no step */
		ward_plan_operand(launch->plan, rec->step, err, rec->operand, operand,
				  sizeof(operand));
	say_failed(stage, operand, err, why, out);
}

bool
ward_launch_failed(const struct ward_launch *launch, struct ward_err *err)
{
	int failed = launch->child.record->err;

	if (failed)
		ward_launch_blame(launch, failed,
				  ward_stage_reason((int)launch->child.record->stage, failed), err);
	return failed != 0;
}

void
ward_launch_free(struct ward_launcher *l, struct ward_launch *launch)
{
	if (launch->masked)
		unmask_memory(l);
	ward_fd_close(&launch->pidfd);
	ward_fd_close(&launch->report);
	ward_fd_close(&launch->status);
	area_give(l, launch->area);
	free(launch);
}
