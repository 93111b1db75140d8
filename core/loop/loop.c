#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/fd.h"

/* Few a turn: each may cost a launch, and timers have their turn only between batches. */
#define BATCH 16

struct ward_loop {
	uv_loop_t uv; /* timers only: it is given its turns by hand, and never waits */
	int epfd;
	bool stopped;
	/* Wakes epoll_wait for libuv's timers. A timeout of epoll_wait would do, but start and end with each wait:
	 * on a virtual machine to program the clock can cost more than all other calls of a turn. */
	struct ward_watch clock;
	int clockfd;
	uint64_t wake_at; /* when it will, in ms of uv_now; UINT64_MAX: never */
	/* What epoll_wait returned and is being worked off: a watch that is deleted meanwhile is
	 * taken out of it here. */
	struct epoll_event batch[BATCH];
	int batch_at, batch_n;
	int in_timer; /* a timer's callback runs */
};

struct ward_timer {
	uv_timer_t uv;
	struct ward_loop *loop;
	ward_timer_fn *fn;
	void *arg;
};

uint64_t
ward_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The turn has begun with the timers, and will again. Nothing is read: the watch is edge-triggered, and to set the
 * clock again clears what it counted. */
static void
on_clock(struct ward_watch *w, uint32_t events)
{
	struct ward_loop *loop = ward_container_of(w, struct ward_loop, clock);

	(void)events;
	loop->wake_at = UINT64_MAX;
}

/* libuv aborts where it gets no descriptors for itself (an epoll, a pipe for signals, an event): are there any? */
static int
check_room(int fd)
{
	int spare[5], n = 0, r = 0;

	for (; n < 5 && r == 0; n++) {
		spare[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (spare[n] < 0)
			r = -errno;
	}
	while (n-- > 0)
		ward_fd_close(&spare[n]);
	return r;
}

int
ward_loop_new(struct ward_loop **out)
{
	struct ward_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		r = -errno;
		goto fail_alloc;
	}
	loop->wake_at = UINT64_MAX;
	loop->clockfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->clockfd < 0) {
		r = -errno;
		goto fail_epfd;
	}
	r = ward_watch_add(loop, &loop->clock, loop->clockfd, EPOLLIN | EPOLLET, on_clock);
	if (r < 0)
		goto fail_clock;
	r = check_room(loop->clockfd);
	if (r == 0)
		r = uv_loop_init(&loop->uv);
	if (r < 0)
		goto fail_clock;
	*out = loop;
	return 0;

fail_clock:
	ward_fd_close(&loop->clockfd);
fail_epfd:
	ward_fd_close(&loop->epfd);
fail_alloc:
	free(loop);
	return r;
}

void
ward_loop_free(struct ward_loop *loop)
{
	if (!loop)
		return;
	/* Runs the close callbacks of all timers freed before. */
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop->uv);
	ward_fd_close(&loop->clockfd);
	ward_fd_close(&loop->epfd);
	free(loop);
}

/* Runs the timers that are due, and has epoll_wait woken for the next. */
static void
run_timers(struct ward_loop *loop)
{
	struct itimerspec in = { 0 };
	uint64_t ms;

	if (!uv_loop_alive(&loop->uv)) /* nothing is armed, and nothing waits to be freed */
		return;
	uv_update_time(&loop->uv);
	if (uv_backend_timeout(&loop->uv) == 0)
		(void)uv_run(&loop->uv, UV_RUN_NOWAIT);
	if (!uv_loop_alive(&loop->uv))
		return;
	ms = (uint64_t)uv_backend_timeout(&loop->uv);
	/* Woken early is woken for nothing; that is cheaper than to put it off each time. */
	if (uv_now(&loop->uv) + ms >= loop->wake_at)
		return;
	loop->wake_at = uv_now(&loop->uv) + ms;
	in.it_value.tv_sec = (time_t)(ms / 1000);
	in.it_value.tv_nsec = ms ? (long)(ms % 1000) * 1000000 : 1; /* 0 would disarm it */
	(void)timerfd_settime(loop->clockfd, 0, &in, NULL);
}

static void
run_watches(struct ward_loop *loop)
{
	loop->batch_n = epoll_wait(loop->epfd, loop->batch, BATCH, loop->stopped ? 0 : -1);
	for (loop->batch_at = 0; loop->batch_at < loop->batch_n; loop->batch_at++) {
		struct epoll_event *e = &loop->batch[loop->batch_at];
		struct ward_watch *w = e->data.ptr;

		if (w)
			w->ready(w, e->events);
	}
	loop->batch_at = loop->batch_n = 0;
}

void
ward_loop_run(struct ward_loop *loop)
{
	while (!loop->stopped) {
		run_timers(loop);
		run_watches(loop);
	}
	loop->stopped = false;
}

void
ward_loop_stop(struct ward_loop *loop)
{
	loop->stopped = true;
}

int
ward_watch_add(struct ward_loop *loop, struct ward_watch *w, int fd, uint32_t events,
	       ward_watch_fn *ready)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	*w = (struct ward_watch){ .ready = ready, .fd = fd, .events = events };
	return 0;
}

int
ward_watch_mod(struct ward_loop *loop, struct ward_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (w->events == events)
		return 0;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_MOD, w->fd, &e) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void
ward_watch_del(struct ward_loop *loop, struct ward_watch *w)
{
	struct epoll_event unused = { 0 };

	if (!w->ready)
		return;
	/* Explicit, not left to close(2): a child that has not exec'd yet holds a copy of every
	 * descriptor, and epoll would go on reporting for it. */
	(void)epoll_ctl(loop->epfd, EPOLL_CTL_DEL, w->fd, &unused);
	for (int i = loop->batch_at; i < loop->batch_n; i++) {
		if (loop->batch[i].data.ptr == w)
			loop->batch[i].data.ptr = NULL;
	}
	*w = (struct ward_watch){ 0 };
}

static void
on_timer(uv_timer_t *handle)
{
	struct ward_timer *t = handle->data;
	struct ward_loop *loop = t->loop; /* the callback may free the timer */

	loop->in_timer = 1;
	t->fn(t->arg);
	loop->in_timer = 0;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

struct ward_timer *
ward_timer_new(struct ward_loop *loop, ward_timer_fn *fn, void *arg)
{
	struct ward_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->loop = loop;
	t->fn = fn;
	t->arg = arg;
	(void)uv_timer_init(&loop->uv, &t->uv); /* cannot fail: it only sets fields */
	t->uv.data = t;
	return t;
}

void
ward_timer_arm(struct ward_timer *t, uint64_t at_ns)
{
	uint64_t now, ms = 0;

	uv_update_time(t->uv.loop);
	now = ward_now_ns();
	/* libuv counts whole milliseconds from a clock that it rounds down: one more keeps a
	 * timer from firing early. */
	if (at_ns > now)
		ms = (at_ns - now + 999999) / 1000000 + 1;
	/* libuv 1.44 runs timers until none is due: one that arms a due timer again would never let
	 * a descriptor have its turn. */
	else if (t->loop->in_timer)
		ms = 1;
	(void)uv_timer_start(&t->uv, on_timer, ms, 0);
}

void
ward_timer_disarm(struct ward_timer *t)
{
	(void)uv_timer_stop(&t->uv);
}

void
ward_timer_free(struct ward_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, on_timer_closed);
}
