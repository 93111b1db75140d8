/* From SIGKILL of a service to the first line of its on_exit hook, against a bare loop that is woken by the pidfd of
 * its child; in turns within one run. And what a tick of an idle ward.every costs in CPU time, beside one of a bare
 * loop that a timer wakes as often.
 *
 *	hook_bench [ROUNDS]		from the top of a built tree; $WARD_BIN is the ward
 */
#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bind/budget.h"
#include "loop/loop.h"

#define ROUNDS_MAX   10000
#define BARE_TICKS   2000
#define GOAL_HOOK_US 50.0
#define GOAL_TICK_US 5.0
#define GOAL_BUDGET  3.0 /* per cent */

/* A supervisor that says on its pipe which child to kill ("PID n"), and when it noticed ("AT seconds"). */
struct contender {
	pid_t pid;
	FILE *says;
	double us[ROUNDS_MAX];
};

static char dir[] = "/tmp/ward-hook-bench-XXXXXX";
static struct contender bare, ward;

static void
end(struct contender *c, int sig)
{
	if (c->pid > 0) {
		(void)kill(c->pid, sig);
		(void)waitpid(c->pid, NULL, 0);
	}
	if (c->says)
		(void)fclose(c->says);
	*c = (struct contender){ 0 };
}

static void
clean_up(void)
{
	char command[256];

	end(&bare, SIGKILL);
	end(&ward, SIGTERM);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	(void)!system(command);
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "hook_bench: %s\n", what);
	clean_up();
	exit(1);
}

static void
bare_supervisor(void)
{
	for (;;) {
		pid_t parent = getpid(), pid = fork();
		struct pollfd p = { .events = POLLIN };
		uint64_t at;

		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() == parent)
				(void)execlp("sleep", "sleep", "1000", (char *)NULL);
			_exit(1);
		}
		p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		(void)dprintf(2, "PID %d\n", (int)pid);
		(void)poll(&p, 1, -1);
		at = ward_now_ns();
		(void)waitpid(pid, NULL, 0);
		(void)close(p.fd);
		(void)dprintf(2, "AT %.9f\n", (double)at / 1e9);
	}
}

/* Sleeps, is woken by its timer and sets it again. */
static void
bare_ticker(void)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 2000000 };
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), epfd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) < 0)
		_exit(1);
	(void)dprintf(2, "AT 0\n");
	for (int i = 0; i < BARE_TICKS; i++) {
		(void)timerfd_settime(fd, 0, &soon, NULL);
		(void)epoll_wait(epfd, &e, 1, -1);
	}
	(void)dprintf(2, "PID %d\n", BARE_TICKS);
	(void)pause();
}

/* @run: what it does, or NULL for a ward with @script. */
static void
start(struct contender *c, void (*run)(void), const char *script)
{
	const char *bin = getenv("WARD_BIN");
	int fds[2];

	if (pipe(fds) < 0)
		die("no pipe");
	c->pid = fork();
	if (c->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(fds[1], 2);
		(void)close(fds[0]);
		(void)close(fds[1]);
		if (run)
			run();
		(void)execl(bin ? bin : "build/ward", "ward", "run", script, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	c->says = fdopen(fds[0], "r");
	if (!c->says)
		die("no stream");
}

/* The number behind the next @word that it says. */
static double
next(const struct contender *c, const char *word)
{
	char line[512];

	while (fgets(line, sizeof(line), c->says)) {
		const char *at = strstr(line, word);

		if (at)
			return strtod(at + strlen(word), NULL);
	}
	die("a supervisor has ended");
	return 0;
}

static void
round_of(struct contender *c, int i)
{
	pid_t victim = (pid_t)next(c, "PID ");
	struct timespec rest = { .tv_nsec = 2000000 };
	double from;

	(void)nanosleep(&rest, NULL); /* it sleeps again */
	from = (double)ward_now_ns() / 1e9;
	(void)kill(victim, SIGKILL);
	c->us[i] = (next(c, "AT ") - from) * 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile(struct contender *c, int n, double q)
{
	qsort(c->us, (size_t)n, sizeof(c->us[0]), compare);
	return c->us[(int)((n - 1) * q)];
}

static char *
write_script(const char *text)
{
	static char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/script.lua", dir);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		die("cannot write the script");
	return path;
}

static double
cpu_us(pid_t pid)
{
	char path[64], text[128] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		die("no schedstat");
	(void)fclose(f);
	return strtod(text, NULL) / 1e3;
}

#define SERVICE(keys)                                                                       \
	"local ward = require 'ward'\n"                                                     \
	"ward.service { name = 'a', cmd = { 'sleep', '1000' }, session = true, " keys ",\n" \
	"  on_exit = function() print(('AT %.9f'):format(ward.now())) end,\n"               \
	"  on_ready = function(self) print('PID ' .. self:status().pid) end }\n"

static void
bench_hooks(int rounds, const char *what, const char *script)
{
	double base, hook;

	start(&bare, bare_supervisor, NULL);
	start(&ward, NULL, write_script(script));
	for (int i = 0; i < rounds; i++) {
		round_of(&bare, i);
		round_of(&ward, i);
	}
	base = quantile(&bare, rounds, 0.5);
	hook = quantile(&ward, rounds, 0.5);
	printf("exit to a pidfd wake-up, bare        %7.1f us (p95 %.1f)\n", base,
	       quantile(&bare, rounds, 0.95));
	printf("exit to the first line of on_exit    %7.1f us (p95 %.1f), %s: %.1f us more, goal "
	       "%.0f: %s\n",
	       hook, quantile(&ward, rounds, 0.95), what, hook - base, GOAL_HOOK_US,
	       hook - base <= GOAL_HOOK_US ? "met" : "missed");
	end(&bare, SIGKILL);
	end(&ward, SIGTERM);
}

/* CPU time of each tick until it says how many there were. */
static double
cpu_of_tick(const struct contender *c)
{
	double before, ticks;

	(void)next(c, "AT ");
	before = cpu_us(c->pid);
	ticks = next(c, "PID ");
	return (cpu_us(c->pid) - before) / ticks;
}

/* What schedstat says is only as new as the last tick of the scheduler. */
static double
own_cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* What it costs in CPU time to put one entry under a budget: the mean of many, for the clock may be a coarse one. */
static double
budget_us(void)
{
	enum { ENTRIES = 300000 };
	struct ward_budget budget = { 0 };
	lua_State *L = luaL_newstate();
	double from;

	if (!L || ward_budget_open(&budget) < 0)
		die("no budget");
	*(struct ward_budget **)lua_getextraspace(L) = &budget;
	from = own_cpu_us();
	for (int i = 0; i < ENTRIES; i++) {
		ward_budget_begin(&budget, L, 100000000, 5000000000);
		ward_budget_end(&budget, L);
	}
	from = own_cpu_us() - from;
	ward_budget_close(&budget);
	lua_close(L);
	return from / ENTRIES;
}

static void
bench_ticks(void)
{
	double base, each, budget = budget_us();

	start(&bare, bare_ticker, NULL);
	base = cpu_of_tick(&bare);
	end(&bare, SIGKILL);
	start(&ward, NULL,
	      write_script("local ward = require 'ward'\n"
			   "local n = 0\n"
			   "ward.every('1ms', function() n = n + 1 end)\n"
			   "ward.after('100ms', function() n = 0 print 'AT 0' end)\n"
			   "ward.after('4100ms', function() print('PID ' .. n) end)\n"));
	each = cpu_of_tick(&ward);
	printf("a tick of a bare timer               %7.1f us of CPU time\n", base);
	printf("a tick of an idle ward.every         %7.1f us of CPU time, %.1f us more, goal "
	       "%.0f: "
	       "%s\n",
	       each, each - base, GOAL_TICK_US, each <= GOAL_TICK_US ? "met" : "missed");
	printf("  of that for the budget             %7.2f us, %.1f %%, goal %.0f: %s\n", budget,
	       100 * budget / each, GOAL_BUDGET,
	       100 * budget / each <= GOAL_BUDGET ? "met" : "missed");
	end(&ward, SIGTERM);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1000;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		rounds = 1000;
	if (!mkdtemp(dir))
		return 1;
	(void)setenv("WARD_RUNTIME_DIR", dir, 1);
	(void)setenv("WARD_LOG_DIR", dir, 1);
	bench_hooks(rounds, "restarted",
		    SERVICE("restart = { on = 'always', backoff = { from = 0 } }"));
	/* Started again by a hook. */
	bench_hooks(rounds, "not restarted",
		    SERVICE("restart = { on = 'never', backoff = { from = 0 } }, "
			    "on_fail = function(self) self:start() end"));
	bench_ticks();
	clean_up();
	return 0;
}
