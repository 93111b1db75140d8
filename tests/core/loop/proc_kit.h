/* Running plans in tests: one loop, one process table, and the outcome of a child. */
#ifndef WARD_TESTS_PROC_KIT_H
#define WARD_TESTS_PROC_KIT_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/signals.h"
#include "spawn/stage.h"
#include "tests/core/tap.h"

#define SECOND UINT64_C(1000000000)

static struct ward_loop *loop;
static struct ward_signals *signals;
static struct ward_procs *procs;
static const int no_slots[WARD_SLOTS] = { -1, -1, -1, -1, -1, -1 };

/* What became of one child. */
struct outcome {
	int started, ended;
	struct ward_ended how;
	bool stop_loop; /* when it has ended */
};

static void
on_started(void *arg, struct ward_proc *p)
{
	(void)p;
	((struct outcome *)arg)->started++;
}

static void
on_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct outcome *o = arg;

	(void)p;
	o->ended++;
	o->how = *how;
	if (o->stop_loop)
		ward_loop_stop(loop);
}

static const struct ward_proc_fns fns = { on_started, on_ended, NULL, NULL };

TAP_UNUSED void
give_up(void *arg)
{
	(void)arg;
	printf("Bail out! a condition did not come true in 20 seconds\n");
	exit(1);
}

TAP_UNUSED struct ward_plan *
plan_of(const struct ward_draft *d)
{
	struct ward_plan *plan = NULL;
	struct ward_err err = { 0 };

	if (ward_plan_new(d, &plan, &err) < 0) {
		printf("Bail out! plan: %s\n", err.detail);
		exit(1);
	}
	return plan;
}

TAP_UNUSED const char *const *
words(const char *a, const char *b, const char *c)
{
	static const char *v[4];

	v[0] = a;
	v[1] = b;
	v[2] = c;
	return v;
}

static const char *plain_env[] = { "PATH=/usr/bin:/bin", NULL };

/* A draft of `self report PATH`, with the standard descriptors on /dev/null. */
static struct ward_fd_rule null_fds[3] = {
	{ 0, WARD_SOURCE_PATH, 0, "/dev/null", O_RDWR, false },
	{ 1, WARD_SOURCE_PATH, 0, "/dev/null", O_RDWR, false },
	{ 2, WARD_SOURCE_PATH, 0, "/dev/null", O_RDWR, false },
};

TAP_UNUSED struct ward_draft
draft_of(const char *file, const char *const *argv)
{
	return (struct ward_draft){ .file = file,
				    .argv = argv,
				    .envp = plain_env,
				    .cwd = "/",
				    .umask = 022,
				    .session = true,
				    .fds = null_fds,
				    .nfds = 3 };
}

TAP_UNUSED struct outcome
run_plan(struct ward_plan *plan, uint64_t timeout_ns)
{
	struct outcome o = { .stop_loop = true };
	struct ward_proc *p;
	struct ward_err err;

	if (ward_proc_start(procs, plan, no_slots, timeout_ns, &fns, &o, &p, &err) < 0) {
		printf("Bail out! start: %s\n", err.detail);
		exit(1);
	}
	ward_loop_run(loop);
	ward_plan_free(plan);
	return o;
}

TAP_UNUSED struct outcome
run(const struct ward_draft *d)
{
	return run_plan(plan_of(d), 10 * SECOND);
}

/* Lets the loop run for @ms, or until something stops it. */
TAP_UNUSED void
turn(uint64_t ms)
{
	struct ward_timer *t = ward_timer_new(loop, (ward_timer_fn *)ward_loop_stop, loop);

	ward_timer_arm(t, ward_now_ns() + ms * 1000000);
	ward_loop_run(loop);
	ward_timer_free(t);
}

TAP_UNUSED size_t
open_fds(void)
{
	struct ward_fdset set;
	size_t n = 0;

	ward_fdset_open_now(&set);
	for (int fd = 0; fd < WARD_FDSET_MAX; fd++)
		n += ward_fdset_has(&set, fd);
	return n;
}

/* Makes loop, signals and procs, or ends the test. */
TAP_UNUSED void
kit_begin(void)
{
	if (ward_loop_new(&loop) == 0 && ward_signals_new(loop, &signals) == 0 &&
	    ward_procs_new(loop, &procs) == 0)
		return;
	printf("Bail out! cannot make the loop\n");
	exit(1);
}

TAP_UNUSED void
kit_end(void)
{
	ward_procs_free(procs);
	ward_signals_free(signals);
	ward_loop_free(loop);
}

#endif
