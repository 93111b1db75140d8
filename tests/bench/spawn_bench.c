/* What a child costs, from its start until it is reaped, in microseconds: ward's own path (plan, launch,
 * loop, reaping) beside the least that the kernel allows, which is clone(CLONE_VM | CLONE_VFORK |
 * CLONE_PIDFD), execve and waitid, and beside what others use. The program is tiny and static.
 *
 * Each way has a process of its own, so that none pays for another's heap or handlers. The machine is
 * noisy: all ways take turns in short rounds, each round is compared with the bare loop's in the same
 * turn, and medians are shown.
 *
 *	spawn_bench [ROUNDS]	from the top of a built tree; 41 rounds of 50, 7 bursts of 1000
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "linux/landlock.h"
#include "linux/seccomp.h"
#include "linux/uapi.h"
#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/signals.h"

#define ROUNDS_MAX 1000
#define ONES	   50	/* children of a round, one after the other */
#define BURST	   1000 /* children started before the first is waited for */
#define BURSTS	   7
#define HEAP	   ((size_t)1 << 30)

static char tiny[PATH_MAX];		      /* the program */
static char dir[] = "/tmp/ward-bench-XXXXXX"; /* where any user may run a copy of it */
static const char *tiny_argv[] = { "tiny", NULL };
static const char *tiny_envp[] = { NULL };

static void
die(const char *what)
{
	(void)fprintf(stderr, "spawn_bench: %s\n", what);
	exit(1);
}

static void
must(const siginfo_t *info, const char *who)
{
	if (info->si_code != CLD_EXITED || info->si_status != 0)
		die(who);
}

/* ---- the ways: each starts @n children, @at_once of them before it waits for the first ---- */

static int
bare_child(void *unused)
{
	(void)unused;
	(void)execve(tiny, (char **)(uintptr_t)tiny_argv, (char **)(uintptr_t)tiny_envp);
	_exit(127);
}

/* What a child like ward's costs whoever makes the same kernel calls for it and no other: nothing is watched,
 * checked, reported or killed. */
static struct {
	int ruleset; /* -1: no sandbox */
	struct sock_fprog filter;
	const char *program;
} floor_of = { .ruleset = -1 };

static void
floor_sandbox(void)
{
	static const gid_t groups[] = { 4711, 65534 };
	const struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 } };

	for (int cap = 0; cap <= 40; cap++)
		(void)syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)syscall(SYS_setgroups, 2, groups);
	(void)syscall(SYS_setresgid, 65534, 65534, 65534);
	(void)syscall(SYS_setresuid, 65534, 65534, 65534);
	(void)syscall(SYS_capset, &head, none);
	(void)syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)syscall(446 /* landlock_restrict_self */, floor_of.ruleset, 0);
	(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &floor_of.filter);
}

static int
floor_child(void *unused)
{
	(void)unused;
	(void)syscall(SYS_setsid);
	(void)syscall(SYS_umask, 022);
	(void)syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	(void)syscall(SYS_chdir, "/");
	if (floor_of.ruleset >= 0)
		floor_sandbox();
	(void)execve(floor_of.program, (char **)(uintptr_t)tiny_argv,
		     (char **)(uintptr_t)tiny_envp);
	_exit(127);
}

static void
clone_loop(int n, int at_once, int (*child)(void *))
{
	static _Alignas(16) char stack[65536];
	static int pidfd[BURST];

	for (int i = 0; i < n; i += at_once) {
		for (int k = 0; k < at_once; k++) {
			if (clone(child, stack + sizeof(stack),
				  CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, NULL,
				  &pidfd[k]) < 0)
				die("clone failed");
		}
		for (int k = 0; k < at_once; k++) {
			siginfo_t info = { 0 };

			(void)waitid((idtype_t)WARD_P_PIDFD, (id_t)pidfd[k], &info, WEXITED);
			(void)close(pidfd[k]);
			must(&info, "the bare loop's child failed");
		}
	}
}

static void
bare(int n, int at_once)
{
	clone_loop(n, at_once, bare_child);
}

static void
plain_floor(int n, int at_once)
{
	floor_of.program = tiny;
	clone_loop(n, at_once, floor_child);
}

static void
by_pid(int n, int at_once, pid_t (*start)(void))
{
	static pid_t pid[BURST];

	for (int i = 0; i < n; i += at_once) {
		for (int k = 0; k < at_once; k++) {
			pid[k] = start();
			if (pid[k] < 0)
				die("a start failed");
		}
		for (int k = 0; k < at_once; k++) {
			siginfo_t info = { 0 };

			(void)waitid(P_PID, (id_t)pid[k], &info, WEXITED);
			must(&info, "a child failed");
		}
	}
}

static pid_t
start_posix_spawn(void)
{
	pid_t pid;

	return posix_spawn(&pid, tiny, NULL, NULL, (char **)(uintptr_t)tiny_argv,
			   (char **)(uintptr_t)tiny_envp) == 0
		       ? pid
		       : -1;
}

static void
with_posix_spawn(int n, int at_once)
{
	by_pid(n, at_once, start_posix_spawn);
}

static pid_t
start_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)bare_child(NULL);
	return pid;
}

static void
with_fork(int n, int at_once)
{
	by_pid(n, at_once, start_fork);
}

/* ---- libuv ---- */

static uv_loop_t uv;
static int uv_left, uv_running, uv_at_once;

static void uv_more(void);

static void
uv_exited(uv_process_t *process, int64_t status, int signal)
{
	if (status != 0 || signal != 0)
		die("libuv's child failed");
	uv_close((uv_handle_t *)process, (uv_close_cb)free);
	uv_running--;
	uv_more();
}

/* As by_pid: the next lot only when all of the last have ended. */
static void
uv_more(void)
{
	uv_process_options_t options = { .file = tiny,
					 .args = (char **)(uintptr_t)tiny_argv,
					 .env = (char **)(uintptr_t)tiny_envp,
					 .exit_cb = uv_exited };

	if (uv_running > 0)
		return;
	for (; uv_left > 0 && uv_running < uv_at_once; uv_left--, uv_running++) {
		uv_process_t *process = malloc(sizeof(*process));

		if (!process || uv_spawn(&uv, process, &options) < 0)
			die("uv_spawn failed");
	}
}

static void
with_libuv(int n, int at_once)
{
	if (!uv.data) {
		(void)uv_loop_init(&uv);
		uv.data = &uv;
	}
	uv_left = n;
	uv_at_once = at_once;
	uv_more();
	(void)uv_run(&uv, UV_RUN_DEFAULT);
}

/* ---- ward ---- */

static struct {
	struct ward_loop *loop;
	struct ward_signals *signals;
	struct ward_procs *procs;
	struct ward_plan *plan;
	int left, running, at_once;
} ward;

static const int no_slots[WARD_SLOTS] = { -1, -1, -1, -1, -1, -1 };

static void ward_more(void);

static void
on_started(void *arg, struct ward_proc *p)
{
	(void)arg;
	(void)p;
}

static void
on_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	(void)arg;
	(void)p;
	if (how->spawn_failed)
		die(how->err.detail);
	if (how->exit.code != 0 || how->exit.signal != 0)
		die("ward's child failed");
	ward.running--;
	ward_more();
}

static const struct ward_proc_fns fns = { .started = on_started, .ended = on_ended };

static void
ward_more(void)
{
	struct ward_proc *p;
	struct ward_err err;

	if (ward.running > 0)
		return;
	if (ward.left == 0)
		ward_loop_stop(ward.loop);
	for (; ward.left > 0 && ward.running < ward.at_once; ward.left--, ward.running++) {
		if (ward_proc_start(ward.procs, ward.plan, no_slots, UINT64_C(10000000000), &fns,
				    NULL, &p, &err) < 0)
			die(err.detail);
	}
}

static const struct ward_fd_rule same_fds[4] = {
	{ 0, WARD_SOURCE_FD, 0, NULL, 0, true },
	{ 1, WARD_SOURCE_FD, 1, NULL, 0, true },
	{ 2, WARD_SOURCE_FD, 2, NULL, 0, true },
};

static void
ward_prepare(const struct ward_draft *d)
{
	struct ward_err err;

	if (ward_loop_new(&ward.loop) < 0 || ward_signals_new(ward.loop, &ward.signals) < 0 ||
	    ward_procs_new(ward.loop, &ward.procs) < 0)
		die("cannot make the loop");
	if (ward_plan_new(d, &ward.plan, &err) < 0)
		die(err.detail);
}

static void
ward_run(int n, int at_once)
{
	ward.left = n;
	ward.at_once = at_once;
	ward_more();
	ward_loop_run(ward.loop);
}

static void
with_ward(int n, int at_once)
{
	if (!ward.loop)
		ward_prepare(&(struct ward_draft){ .file = tiny,
						   .argv = tiny_argv,
						   .envp = tiny_envp,
						   .cwd = "/",
						   .umask = 022,
						   .session = true,
						   .fds = same_fds,
						   .nfds = 3 });
	ward_run(n, at_once);
}

/* Ten paths: nine of the system, and where the program is. */
static int
ten_rules(void)
{
	struct ward_landlock_path paths[10] = {
		{ "/usr", 0, true }, { "/lib", 0, true }, { "/lib64", 0, true },
		{ "/bin", 0, true }, { "/etc", 0, true }, { "/sbin", 0, true },
		{ "/var", 0, true }, { "/opt", 0, true }, { "/srv", 0, true },
		{ dir, 0, false },
	};
	struct ward_landlock_request request = { .handled_fs = WARD_LANDLOCK_FS_ALL,
						 .paths = paths,
						 .npaths = 10 };
	struct ward_landlock_report report;
	struct ward_err err;
	int fd;

	for (int i = 0; i < 10; i++)
		(void)ward_landlock_letters("rx", ward_landlock_abi(), &paths[i].rights);
	fd = ward_landlock_build(&request, ward_landlock_abi(), &report, &err);
	return fd;
}

static struct ward_seccomp_filter
sixty_calls(void)
{
	static const char *const names[60] = {
		"read",		"write",	  "close",
		"fstat",	"lseek",	  "mmap",
		"mprotect",	"munmap",	  "brk",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
		"ioctl",	"pread64",	  "pwrite64",
		"readv",	"writev",	  "sched_yield",
		"mremap",	"madvise",	  "dup",
		"nanosleep",	"getpid",	  "socket",
		"connect",	"accept4",	  "sendto",
		"recvfrom",	"bind",		  "listen",
		"execve",	"exit",		  "wait4",
		"fcntl",	"fsync",	  "getcwd",
		"chdir",	"getuid",	  "getgid",
		"geteuid",	"getegid",	  "sigaltstack",
		"gettid",	"futex",	  "epoll_create1",
		"epoll_ctl",	"epoll_pwait",	  "exit_group",
		"openat",	"newfstatat",	  "set_robust_list",
		"prlimit64",	"getrandom",	  "statx",
		"rseq",		"pipe2",	  "dup3",
		"eventfd2",	"clock_gettime",  "clock_nanosleep",
	};
	struct ward_seccomp_rule rules[60];
	struct ward_seccomp_request request = { .rules = rules, .nrules = 60 };
	struct ward_seccomp_filter filter = { 0 };
	struct ward_err err;
	uint32_t allow = 0;

	(void)ward_seccomp_action("EPERM", &request.default_action);
	(void)ward_seccomp_action("allow", &allow);
	for (int i = 0; i < 60; i++)
		rules[i] = (struct ward_seccomp_rule){ names[i], allow, NULL, 0, true };
	if (ward_seccomp_compile(&request, &filter, &err) < 0)
		die(err.detail);
	return filter;
}

static void
sandbox_floor(int n, int at_once)
{
	static char program[sizeof(dir) + 8];

	if (floor_of.ruleset < 0) {
		struct ward_seccomp_filter filter = sixty_calls();

		(void)snprintf(program, sizeof(program), "%s/tiny", dir);
		floor_of.program = program;
		floor_of.ruleset = ten_rules();
		floor_of.filter = (struct sock_fprog){ filter.n, filter.insns };
		if (floor_of.ruleset < 0)
			die("no Landlock here");
	}
	clone_loop(n, at_once, floor_child);
}

static void
with_sandbox(int n, int at_once)
{
	static const uint32_t groups[] = { 65534, 4711 };
	static struct ward_seccomp_filter filter; /* the plan's until the end */
	struct ward_fd_rule fds[4];
	struct ward_draft d;

	if (!ward.loop) {
		static char program[sizeof(dir) + 8];

		(void)snprintf(program, sizeof(program), "%s/tiny", dir);
		memcpy(fds, same_fds, sizeof(fds));
		filter = sixty_calls();
		d = (struct ward_draft){ .file = program,
					 .argv = tiny_argv,
					 .envp = tiny_envp,
					 .cwd = "/",
					 .umask = 022,
					 .session = true,
					 .fds = fds,
					 .nfds = 4 };
		d.ids = (struct ward_ids){ 65534, 65534, 2, 1, 1, 1, groups };
		d.sandbox = (struct ward_draft_sandbox){
			.no_new_privs = true,
			.caps = { .given = 31 }, /* all five sets, empty */
			.last_cap = 40,
			.has_ruleset = true,
			.ruleset = ten_rules(),
			.filter = (const struct ward_bpf *)(const void *)filter.insns,
			.nfilter = filter.n,
		};
		if (d.sandbox.ruleset < 0)
			die("no Landlock here");
		fds[3] = (struct ward_fd_rule){ -1, WARD_SOURCE_FD, d.sandbox.ruleset, NULL,
						0,  false };
		ward_prepare(&d);
	}
	ward_run(n, at_once);
}

/* ---- taking turns ---- */

static struct way {
	const char *name;
	void (*run)(int n, int at_once);
	bool heap, root; /* with 1 GiB of heap; only as root */
	const char *goal[2];
	int to, from; /* pipes */
	double one[ROUNDS_MAX], burst[ROUNDS_MAX];
} ways[] = {
	{ .name = "bare clone(VM|VFORK|PIDFD) + execve", .run = bare, .goal = { "", "" } },
	{ .name = "ward", .run = with_ward, .goal = { "1.10", "1.00" } },
	{ .name = "ward, 1 GiB of heap",
	  .run = with_ward,
	  .heap = true,
	  .goal = { "1.10", "1.00" } },
	{ .name = "ward, ids + caps + Landlock + seccomp",
	  .run = with_sandbox,
	  .root = true,
	  .goal = { "1.60", "" } },
	{ .name = "bare + the plain child's kernel calls", .run = plain_floor, .goal = { "", "" } },
	{ .name = "bare + the sandbox's kernel calls",
	  .run = sandbox_floor,
	  .root = true,
	  .goal = { "", "" } },
	{ .name = "posix_spawn", .run = with_posix_spawn, .goal = { "", "" } },
	{ .name = "libuv uv_spawn", .run = with_libuv, .goal = { "", "" } },
	{ .name = "fork + execve", .run = with_fork, .goal = { "", "" } },
	{ .name = "fork + execve, 1 GiB of heap",
	  .run = with_fork,
	  .heap = true,
	  .goal = { "", "" } },
};

#define WAYS (int)(sizeof(ways) / sizeof(ways[0]))

/* The process of a way: does what it is told, tells how long one child took. */
static void
serve(const struct way *way, int in, int out)
{
	int job[2];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (way->heap) {
		char *heap = mmap(NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (heap == MAP_FAILED)
			die("no memory");
		memset(heap, 1, HEAP);
	}
	while (read(in, job, sizeof(job)) == (ssize_t)sizeof(job)) {
		uint64_t from = ward_now_ns();
		double us;

		way->run(job[0], job[1]);
		us = (double)(ward_now_ns() - from) / 1e3 / job[0];
		if (write(out, &us, sizeof(us)) != (ssize_t)sizeof(us))
			break;
	}
	_exit(0);
}

static void
begin(struct way *way)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		die("no pipes");
	if (fork() == 0) {
		(void)close(to[1]);
		(void)close(from[0]);
		serve(way, to[0], from[1]);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	way->to = to[1];
	way->from = from[0];
}

static double
measure(const struct way *way, int n, int at_once)
{
	const int job[2] = { n, at_once };
	double us = 0;

	if (write(way->to, job, sizeof(job)) != (ssize_t)sizeof(job) ||
	    read(way->from, &us, sizeof(us)) != (ssize_t)sizeof(us))
		die(way->name);
	return us;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(const double *v, int n)
{
	static double sorted[ROUNDS_MAX];

	memcpy(sorted, v, (size_t)n * sizeof(*v));
	qsort(sorted, (size_t)n, sizeof(*sorted), compare);
	return sorted[n / 2];
}

/* Median of the rounds' own ratios: what disturbs one way disturbs its neighbour in time. */
static double
ratio(const double *v, const double *base, int n)
{
	static double r[ROUNDS_MAX];

	for (int i = 0; i < n; i++)
		r[i] = v[i] / base[i];
	return median(r, n);
}

static void
show(int rounds, bool root)
{
	(void)printf("%-40s %23s   %23s\n", "", "one after the other", "1000 in a burst");
	(void)printf("%-40s %8s %7s %6s   %8s %7s %6s\n", "start to reaping", "us", "ratio", "goal",
		     "us", "ratio", "goal");
	for (int i = 0; i < WAYS; i++) {
		const struct way *w = &ways[i];

		if (w->root && !root) {
			(void)printf("%-40s needs root\n", w->name);
			continue;
		}
		(void)printf("%-40s %8.1f %7.2f %6s   %8.1f %7.2f %6s\n", w->name,
			     median(w->one, rounds), ratio(w->one, ways[0].one, rounds), w->goal[0],
			     median(w->burst, BURSTS), ratio(w->burst, ways[0].burst, BURSTS),
			     w->goal[1]);
	}
}

/* Copying 1 GiB of page tables takes its time: a few show it. */
static bool
slow(const struct way *w)
{
	return w->heap && w->run == with_fork;
}

static void
copy_program(void)
{
	char command[2 * PATH_MAX];

	if (!realpath("build/tests/tiny", tiny))
		die("no build/tests/tiny: run make helpers");
	if (!mkdtemp(dir))
		die("no temporary directory");
	(void)snprintf(command, sizeof(command), "chmod 755 %s && cp '%s' %s/tiny", dir, tiny, dir);
	if (system(command) != 0)
		die("the program cannot be copied");
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 41;
	bool root = geteuid() == 0;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: spawn_bench [ROUNDS]");
	copy_program();
	for (int i = 0; i < WAYS; i++) {
		if (!ways[i].root || root)
			begin(&ways[i]);
	}
	for (int r = -1; r < rounds; r++) { /* the first is for warmth */
		for (int i = 0; i < WAYS; i++) {
			struct way *w = &ways[i];

			if (w->root && !root)
				continue;
			w->one[r < 0 ? 0 : r] = measure(w, slow(w) ? 2 : ONES, 1);
			if (r < BURSTS)
				w->burst[r < 0 ? 0 : r] =
					measure(w, slow(w) ? 20 : BURST, slow(w) ? 20 : BURST);
		}
	}
	show(rounds, root);
	(void)snprintf(tiny, sizeof(tiny), "%s/tiny", dir);
	(void)unlink(tiny);
	(void)rmdir(dir);
	return 0;
}
