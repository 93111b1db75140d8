/* From SIGKILL of a service to the first instruction of its successor (backoff 0): the whole way of
 * `ward run` (pidfd, waitid, engine, launch) against a bare loop that does nothing but waitid and
 * clone. Both are measured in turns within one run.
 *
 *	restart_bench [ROUNDS]		from the top of a built tree; $WARD_BIN is the ward
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/procfs.h"
#include "linux/uapi.h"
#include "loop/loop.h"

#define ROUNDS_MAX 10000
#define DEADLINE   UINT64_C(10000000000)

/* One supervisor under test and the stamp that its service writes when it starts. */
struct contender {
	const char *name;
	pid_t pid;
	char stamp_path[128];
	volatile int64_t *stamp;
	double us[ROUNDS_MAX];
};

static char dir[] = "/tmp/ward-restart-bench-XXXXXX";
static struct contender bare = { .name = "bare" }, ward = { .name = "ward" };

static void
clean_up(void)
{
	char command[256];

	for (struct contender *c = &bare;; c = &ward) {
		if (c->pid > 0) {
			(void)kill(c->pid, c == &ward ? SIGTERM : SIGKILL);
			(void)waitpid(c->pid, NULL, 0);
		}
		if (c == &ward)
			break;
	}
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "restart_bench: %s\n", what);
	clean_up();
	exit(1);
}

static int
exec_tiny(void *arg)
{
	char **argv = arg;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execv(argv[0], argv);
	_exit(127);
}

static void
bare_supervisor(const char *tiny)
{
	static _Alignas(16) char stack[65536];
	char *argv[] = { (char *)(uintptr_t)tiny, bare.stamp_path, (char *)(uintptr_t) "hold",
			 NULL };

	for (;;) {
		siginfo_t info;
		int pidfd = -1;

		if (clone(exec_tiny, stack + sizeof(stack),
			  CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, argv, &pidfd) < 0)
			_exit(1);
		(void)waitid((idtype_t)WARD_P_PIDFD, (id_t)pidfd, &info, WEXITED);
		(void)close(pidfd);
	}
}

static void
ward_supervisor(const char *program, const char *tiny)
{
	char script[160], quiet[160];
	FILE *f;
	int fd;

	(void)snprintf(script, sizeof(script), "%s/script.lua", dir);
	f = fopen(script, "we");
	if (!f)
		_exit(1);
	(void)fprintf(f,
		      "local ward = require 'ward'\n"
		      "return ward.service { name = 'tiny', cmd = { '%s', '%s', 'hold' },\n"
		      "  restart = { on = 'always', backoff = { from = 0, jitter = 0 } } }\n",
		      tiny, ward.stamp_path);
	(void)fclose(f);
	(void)setenv("WARD_RUNTIME_DIR", dir, 1);
	(void)setenv("WARD_LOG_DIR", dir, 1);
	(void)snprintf(quiet, sizeof(quiet), "%s/output", dir);
	fd = open(quiet, O_WRONLY | O_CREAT, 0600);
	(void)dup2(fd, 1);
	(void)dup2(fd, 2);
	(void)execl(program, "ward", "run", script, NULL);
	_exit(127);
}

static void
await_stamp(const struct contender *c, int64_t after)
{
	uint64_t deadline = ward_now_ns() + DEADLINE;

	while (*c->stamp <= after) {
		if (ward_now_ns() > deadline)
			die("the service did not come (back) in 10 seconds");
		(void)usleep(50);
	}
}

static void
start(struct contender *c, const char *program, const char *tiny)
{
	int fd;

	(void)snprintf(c->stamp_path, sizeof(c->stamp_path), "%s/%s", dir, c->name);
	fd = open(c->stamp_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(int64_t)) < 0)
		die("cannot make a stamp file");
	c->stamp = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	(void)fflush(stdout);
	c->pid = fork();
	if (c->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (c == &bare)
			bare_supervisor(tiny);
		else
			ward_supervisor(program, tiny);
		_exit(1);
	}
	await_stamp(c, 0);
}

/* One kill; microseconds until the successor's first instruction. */
static double
once(const struct contender *c)
{
	pid_t child = 0;
	int64_t from;

	(void)usleep(3000); /* both are back in their wait */
	if (ward_procfs_children(c->pid, &child, 1) != 1)
		die("the supervisor has not exactly one child");
	from = (int64_t)ward_now_ns();
	(void)kill(child, SIGKILL);
	await_stamp(c, from);
	return (double)(*c->stamp - from) / 1e3;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
percentile(struct contender *c, int rounds, int p)
{
	qsort(c->us, (size_t)rounds, sizeof(c->us[0]), compare);
	return c->us[(rounds - 1) * p / 100];
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 300;
	const char *program = getenv("WARD_BIN");
	char tiny[PATH_MAX];

	if (rounds < 1 || rounds > ROUNDS_MAX || !realpath("build/tests/tiny", tiny)) {
		(void)fprintf(stderr, "usage: restart_bench [ROUNDS], after make helpers\n");
		return 1;
	}
	if (!mkdtemp(dir))
		return 1;
	start(&bare, NULL, tiny);
	start(&ward, program ? program : "build/ward", tiny);
	for (int i = 0; i < rounds; i++) {
		bare.us[i] = once(&bare);
		ward.us[i] = once(&ward);
	}
	(void)printf("SIGKILL to first instruction of the successor, %d rounds, microseconds\n",
		     rounds);
	(void)printf("  bare waitid + clone   p50 %7.1f  p99 %7.1f\n",
		     percentile(&bare, rounds, 50), percentile(&bare, rounds, 99));
	(void)printf("  ward run, backoff 0   p50 %7.1f  p99 %7.1f\n",
		     percentile(&ward, rounds, 50), percentile(&ward, rounds, 99));
	(void)printf("  difference            p50 %7.1f                (goal: under 250)\n",
		     percentile(&ward, rounds, 50) - percentile(&bare, rounds, 50));
	clean_up();
	return 0;
}
