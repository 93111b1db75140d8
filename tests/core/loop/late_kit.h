/* How late a timer of the loop comes by the loop's own doing.
 *
 * On a busy machine a timer is late because its thread has to wait for a processor. What the kernel counts
 * of that (/proc/PID/schedstat) can miss some milliseconds at a time, so the thread does not wait at all:
 * it has a priority that only a control on each processor exceeds. The control waits for the same time,
 * in the same interval; if it is late, the processor stood still, as that of a virtual machine does. The
 * rest is the loop's. */
#ifndef WARD_TESTS_LATE_KIT_H
#define WARD_TESTS_LATE_KIT_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc_kit.h"

#define LATE_NS	 (SECOND / 100)
#define TICK_NS	 (SECOND / 1000)
#define NOISE_NS (SECOND / 2000) /* what a timer takes anyway */
#define CPUS	 256

struct control {
	pid_t pid;		      /* 0: none on this processor */
	_Atomic uint64_t stood_still; /* for so long in all */
};

struct ticker {
	struct ward_timer *timer;
	struct control *controls; /* by processor; shared with them */
	uint64_t due, stood_still, worst;
	int cpu;    /* where it was armed */
	bool first; /* before all others */
	long ticks;
};

/* Children begin without it. */
static bool
priority(int policy, int level)
{
	const struct sched_param param = { .sched_priority = level };

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param) == 0;
}

static _Noreturn void
control_run(struct control *c, int cpu)
{
	cpu_set_t set;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0 || !priority(SCHED_FIFO, 2))
		_exit(1);
	for (;;) {
		uint64_t due = ward_now_ns() + TICK_NS, late;
		struct timespec ts = { (time_t)(due / SECOND), (long)(due % SECOND) };

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		late = ward_now_ns() - due;
		if (late > NOISE_NS)
			atomic_fetch_add(&c->stood_still, late);
	}
}

static void
controls_begin(struct control *controls)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		controls[cpu].pid = fork();
		if (controls[cpu].pid == 0)
			control_run(&controls[cpu], cpu);
	}
}

static uint64_t
stood_still(const struct ticker *t, int cpu)
{
	return cpu >= 0 && cpu < CPUS ? atomic_load(&t->controls[cpu].stood_still) : 0;
}

static void
ticker_wait(struct ticker *t)
{
	t->cpu = sched_getcpu();
	t->stood_still = stood_still(t, t->cpu);
	t->due = ward_now_ns() + TICK_NS;
	ward_timer_arm(t->timer, t->due);
}

static void
tick(void *arg)
{
	struct ticker *t = arg;
	uint64_t late = ward_now_ns() - t->due, excused = stood_still(t, t->cpu) - t->stood_still;

	if (late > excused && late - excused > t->worst)
		t->worst = late - excused;
	t->ticks++;
	ticker_wait(t);
}

static void
ticker_begin(struct ticker *t)
{
	*t = (struct ticker){ .timer = ward_timer_new(loop, tick, t) };
	t->controls = mmap(NULL, CPUS * sizeof(struct control), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->controls == MAP_FAILED) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	t->first = priority(SCHED_FIFO, 1);
	controls_begin(t->controls);
	ticker_wait(t);
}

static void
ticker_end(struct ticker *t)
{
	(void)priority(SCHED_OTHER, 0);
	ward_timer_free(t->timer);
	for (int cpu = 0; cpu < CPUS; cpu++) {
		if (t->controls[cpu].pid > 0) {
			(void)kill(t->controls[cpu].pid, SIGKILL);
			(void)waitpid(t->controls[cpu].pid, NULL, 0);
		}
	}
	(void)munmap(t->controls, CPUS * sizeof(struct control));
}

/* After ticker_end. */
static void
judge(const struct ticker *t, const char *name)
{
	if (t->first)
		ok(t->ticks > 10 && t->worst < LATE_NS,
		   "%s: the loop was never late by 10 ms (%.1f ms)", name, (double)t->worst / 1e6);
	else
		skip("how late the loop is cannot be told without a priority (CAP_SYS_NICE)");
}

#endif
