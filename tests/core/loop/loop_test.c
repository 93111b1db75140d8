/* The loop: watches that come and go inside one turn, and timers that are never early. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/loop.h"
#include "tests/core/tap.h"

static struct ward_loop *loop;

static void
stop(void *arg)
{
	(void)arg;
	ward_loop_stop(loop);
}

/* Runs the loop for @ms at most. */
static void
run_for(unsigned ms)
{
	struct ward_timer *t = ward_timer_new(loop, stop, NULL);

	ward_timer_arm(t, ward_now_ns() + ms * 1000000ull);
	ward_loop_run(loop);
	ward_timer_free(t);
}

#define PEERS 8

struct peer {
	struct ward_watch watch;
	int fd, far;
	int calls;
};

static struct peer peers[PEERS];

static void
open_peer(struct peer *p)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		exit(1);
	*p = (struct peer){ .fd = pipe_fds[0], .far = pipe_fds[1] };
}

static void
close_peer(struct peer *p)
{
	ward_watch_del(loop, &p->watch);
	ward_fd_close(&p->fd);
	ward_fd_close(&p->far);
}

/* Whoever comes first closes all the others, which are ready in the same turn. */
static void
first_closes_others(struct ward_watch *w, uint32_t events)
{
	struct peer *p = ward_container_of(w, struct peer, watch);

	(void)events;
	p->calls++;
	for (int i = 0; i < PEERS; i++) {
		if (&peers[i] != p)
			close_peer(&peers[i]);
	}
	ward_loop_stop(loop);
}

static void
test_delete_in_batch(void)
{
	int calls = 0;

	for (int i = 0; i < PEERS; i++) {
		open_peer(&peers[i]);
		ward_watch_add(loop, &peers[i].watch, peers[i].fd, EPOLLIN, first_closes_others);
		ward_fd_write_all(peers[i].far, "x", 1);
	}
	ward_loop_run(loop);
	for (int i = 0; i < PEERS; i++) {
		calls += peers[i].calls;
		close_peer(&peers[i]);
	}
	ok(calls == 1, "a watch deleted in the turn in which it is ready is not called");
}

static int frees;

static void
frees_itself(struct ward_watch *w, uint32_t events)
{
	struct peer *p = ward_container_of(w, struct peer, watch);

	(void)events;
	close_peer(p);
	free(p);
	if (++frees == PEERS)
		ward_loop_stop(loop);
}

static void
test_free_in_callback(void)
{
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = malloc(sizeof(*p));

		open_peer(p);
		ward_watch_add(loop, &p->watch, p->fd, EPOLLIN, frees_itself);
		ward_fd_write_all(p->far, "x", 1);
	}
	ward_loop_run(loop);
	ok(frees == PEERS, "a watch can be freed in its own callback");
}

static void
count_and_drain(struct ward_watch *w, uint32_t events)
{
	struct peer *p = ward_container_of(w, struct peer, watch);
	char c[16];

	(void)events;
	p->calls++;
	if (read(p->fd, c, sizeof(c)) < 0)
		p->calls = -1;
}

/* Deletes the other and opens it anew, with what is likely the same number. */
static void
reopens_other(struct ward_watch *w, uint32_t events)
{
	struct peer *p = ward_container_of(w, struct peer, watch);
	struct peer *other = &peers[p == &peers[0]];
	char c;

	(void)events;
	if (read(p->fd, &c, 1) < 0)
		abort();
	close_peer(other);
	open_peer(other);
	ward_watch_add(loop, &other->watch, other->fd, EPOLLIN, count_and_drain);
}

static void
test_add_in_batch(void)
{
	struct peer *other;

	for (int i = 0; i < 2; i++) {
		open_peer(&peers[i]);
		ward_watch_add(loop, &peers[i].watch, peers[i].fd, EPOLLIN, reopens_other);
		ward_fd_write_all(peers[i].far, "x", 1);
	}
	run_for(20);
	other = peers[0].watch.ready == count_and_drain ? &peers[0] : &peers[1];
	ok(other->calls == 0, "a watch made in the turn does not get the event of the one before");
	ward_fd_write_all(other->far, "x", 1);
	run_for(20);
	ok(other->calls == 1, "and gets its own later");
	ok(ward_watch_mod(loop, &other->watch, 0) == 0, "a watch can be told to wait for nothing");
	ward_fd_write_all(other->far, "x", 1);
	run_for(20);
	ok(other->calls == 1, "and is not called then");
	close_peer(&peers[0]);
	close_peer(&peers[1]);
}

static void
test_bad_watch(void)
{
	struct ward_watch w = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ok(ward_watch_add(loop, &w, fd, EPOLLIN, count_and_drain) == -EPERM && !w.ready,
	   "a regular file cannot be watched, and that is only an error");
	ward_watch_del(loop, &w);
	ward_fd_close(&fd);
}

#define TIMERS 2000

struct alarm {
	struct ward_timer *timer;
	uint64_t at, fired;
	int calls;
};

static struct alarm alarms[TIMERS];
static int fired;

static void
on_alarm(void *arg)
{
	struct alarm *a = arg;

	a->fired = ward_now_ns();
	a->calls++;
	ward_timer_free(a->timer);
	if (++fired == TIMERS - TIMERS / 10)
		ward_loop_stop(loop);
}

/* Every tenth is disarmed, every seventh is armed twice; times are not whole milliseconds. */
static void
test_timers(void)
{
	uint64_t start = ward_now_ns(), late = 0;
	int early = 0, wrong = 0;

	for (int i = 0; i < TIMERS; i++) {
		struct alarm *a = &alarms[i];

		a->timer = ward_timer_new(loop, on_alarm, a);
		a->at = start + (uint64_t)(i * 7919 % 200) * 1000003u + (uint64_t)i;
		if (i % 7 == 0)
			ward_timer_arm(a->timer, start);
		ward_timer_arm(a->timer, a->at);
		if (i % 10 == 0)
			ward_timer_disarm(a->timer);
	}
	ward_loop_run(loop);
	for (int i = 0; i < TIMERS; i++) {
		struct alarm *a = &alarms[i];

		wrong += a->calls != (i % 10 != 0);
		if (i % 10 == 0) {
			ward_timer_free(a->timer);
			continue;
		}
		early += a->fired < a->at;
		if (a->fired > a->at && a->fired - a->at > late)
			late = a->fired - a->at;
	}
	ok(wrong == 0, "2000 timers fire once each, and those that are disarmed do not");
	ok(early == 0, "no timer fires early");
	printf("# the latest was %.1f ms late\n", (double)late / 1e6);
}

struct eager {
	struct ward_timer *timer;
	int calls;
};

static void
arms_itself(void *arg)
{
	struct eager *e = arg;

	if (++e->calls < 100000)
		ward_timer_arm(e->timer, ward_now_ns());
	else
		ward_loop_stop(loop);
}

static void
stops(struct ward_watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	ward_loop_stop(loop);
}

static void
test_eager_timer(void)
{
	struct eager e = { 0 };
	struct peer *p = &peers[0];

	open_peer(p);
	ward_watch_add(loop, &p->watch, p->fd, EPOLLIN, stops);
	ward_fd_write_all(p->far, "x", 1);
	e.timer = ward_timer_new(loop, arms_itself, &e);
	ward_timer_arm(e.timer, ward_now_ns());
	ward_loop_run(loop);
	ok(e.calls < 10, "a timer that is always due does not starve the descriptors");
	ward_timer_free(e.timer);
	close_peer(p);
}

int
main(void)
{
	if (ward_loop_new(&loop) < 0)
		return 1;
	test_delete_in_batch();
	test_free_in_callback();
	test_add_in_batch();
	test_bad_watch();
	test_timers();
	test_eager_timer();
	ward_loop_free(loop);
	return done_testing();
}
