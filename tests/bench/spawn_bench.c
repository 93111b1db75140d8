/* Spawn and exit of a tiny static program: ward's own path (plan, launch, loop, reaping) against the
 * least that the kernel allows: clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD), execve, waitid.
 *
 * The machine is noisy: both are measured in turns within one run, and medians over the rounds are
 * compared.
 *
 *	spawn_bench [ROUNDS [SPAWNS_PER_ROUND]]	from the top of a built tree
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/uapi.h"
#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/signals.h"

#define ROUNDS_MAX 1000
#define TINY	   "build/tests/tiny"

static const int no_slots[WARD_SLOTS] = { -1, -1 };
static const char *tiny_argv[] = { "tiny", NULL };
static const char *tiny_envp[] = { NULL };

static void
die(const char *what)
{
	(void)fprintf(stderr, "spawn_bench: %s\n", what);
	exit(1);
}

static int
bare_child(void *path)
{
	(void)execve(path, (char **)(uintptr_t)tiny_argv, (char **)(uintptr_t)tiny_envp);
	_exit(127);
}

static double
bare_round(const char *tiny, int spawns)
{
	static _Alignas(16) char stack[65536];
	uint64_t from = ward_now_ns();

	for (int i = 0; i < spawns; i++) {
		siginfo_t info;
		int pidfd = -1;
		pid_t pid = clone(bare_child, stack + sizeof(stack),
				  CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
				  (void *)(uintptr_t)tiny, &pidfd);

		if (pid < 0 || waitid((idtype_t)WARD_P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
			die("the bare loop failed");
		(void)close(pidfd);
		if (info.si_code != CLD_EXITED || info.si_status != 0)
			die("the tiny program did not exit with 0");
	}
	return (double)(ward_now_ns() - from) / 1e3 / spawns;
}

struct bench {
	struct ward_loop *loop;
	struct ward_procs *procs;
	struct ward_plan *plan;
	int to_start, running, burst;
};

static void start_some(struct bench *b);

static void
on_started(void *arg, struct ward_proc *p)
{
	(void)arg;
	(void)p;
}

static void
on_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct bench *b = arg;

	(void)p;
	if (how->spawn_failed || how->exit.code != 0)
		die("the tiny program failed under ward");
	b->running--;
	if (b->to_start > 0)
		start_some(b);
	else if (b->running == 0)
		ward_loop_stop(b->loop);
}

static const struct ward_proc_fns fns = { on_started, on_ended };

static void
start_some(struct bench *b)
{
	struct ward_proc *p;
	struct ward_err err;

	while (b->to_start > 0 && b->running < b->burst) {
		if (ward_proc_start(b->procs, b->plan, no_slots, UINT64_C(10000000000), &fns, b, &p,
				    &err) < 0)
			die(err.detail);
		b->to_start--;
		b->running++;
	}
}

/* @burst: how many are kept running at once. */
static double
ward_round(struct bench *b, int spawns, int burst)
{
	uint64_t from = ward_now_ns();

	b->to_start = spawns;
	b->burst = burst;
	start_some(b);
	ward_loop_run(b->loop);
	return (double)(ward_now_ns() - from) / 1e3 / spawns;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

int
main(int argc, char **argv)
{
	static double bare[ROUNDS_MAX], one[ROUNDS_MAX], many[ROUNDS_MAX], ratio[ROUNDS_MAX];
	int rounds = argc > 1 ? atoi(argv[1]) : 21, spawns = argc > 2 ? atoi(argv[2]) : 200;
	struct ward_fd_rule fds[3] = {
		{ 0, WARD_SOURCE_FD, 0, NULL, 0, true },
		{ 1, WARD_SOURCE_FD, 1, NULL, 0, true },
		{ 2, WARD_SOURCE_FD, 2, NULL, 0, true },
	};
	struct ward_signals *signals;
	char tiny[PATH_MAX];
	struct bench b = { 0 };
	struct ward_err err;

	if (rounds < 1 || rounds > ROUNDS_MAX || spawns < 1)
		die("usage: spawn_bench [ROUNDS [SPAWNS_PER_ROUND]]");
	if (!realpath(TINY, tiny))
		die("no " TINY ": run make helpers");
	if (ward_loop_new(&b.loop) < 0 || ward_signals_new(b.loop, &signals) < 0 ||
	    ward_procs_new(b.loop, signals, &b.procs) < 0)
		die("cannot make the loop");
	if (ward_plan_new(&(struct ward_draft){ .file = tiny,
						.argv = tiny_argv,
						.envp = tiny_envp,
						.cwd = "/",
						.umask = 022,
						.session = true,
						.fds = fds,
						.nfds = 3 },
			  &b.plan, &err) < 0)
		die(err.detail);
	(void)bare_round(tiny, spawns);
	(void)ward_round(&b, spawns, 1);
	for (int i = 0; i < rounds; i++) {
		bare[i] = bare_round(tiny, spawns);
		one[i] = ward_round(&b, spawns, 1);
		many[i] = ward_round(&b, spawns, 64);
		ratio[i] = one[i] / bare[i];
	}
	(void)printf("spawn + exit, median of %d rounds of %d, microseconds each\n", rounds,
		     spawns);
	(void)printf("  bare clone(VM|VFORK|PIDFD) + execve + waitid  %7.1f\n",
		     median(bare, rounds));
	(void)printf("  ward, one at a time                           %7.1f\n",
		     median(one, rounds));
	(void)printf("  ward, 64 at a time                            %7.1f\n",
		     median(many, rounds));
	(void)printf(
		"  ratio ward/bare, one at a time                %7.2f   (goal: at most 1.30)\n",
		median(ratio, rounds));
	ward_plan_free(b.plan);
	ward_procs_free(b.procs);
	ward_signals_free(signals);
	ward_loop_free(b.loop);
	return 0;
}
