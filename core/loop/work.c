#include "loop/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

/* Under way: not told yet, and not abandoned. */
static struct ward_link live = { &live, &live };

struct ward_work {
	struct ward_link link;
	struct ward_loop *loop;
	struct ward_watch ended; /* an eventfd */
	pthread_t thread;
	ward_work_fn *run, *done;
	void *arg;
	atomic_int
		parted; /* the thread has ended, or was abandoned: the second of both frees this */
};

static void *
work(void *arg)
{
	struct ward_work *w = arg;
	const uint64_t one = 1;
	int fd = w->ended.fd; /* whoever abandons this takes the watch away, not the descriptor */

	w->run(w->arg);
	if (atomic_exchange(&w->parted, 1)) {
		(void)close(fd);
		free(w);
		return NULL;
	}
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static void
release(struct ward_work *w)
{
	int fd = w->ended.fd;

	ward_list_leave(&w->link);
	ward_watch_del(w->loop, &w->ended);
	(void)close(fd);
	free(w);
}

static void
on_end(struct ward_watch *watch, uint32_t events)
{
	struct ward_work *w = ward_container_of(watch, struct ward_work, ended);
	ward_work_fn *done = w->done;
	void *arg = w->arg;

	(void)events;
	(void)pthread_join(w->thread, NULL);
	release(w);
	done(arg);
}

/* A new thread has the mask of the one that makes it. */
static int
start_thread(struct ward_work *w)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, work, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int
ward_work_start(struct ward_loop *loop, ward_work_fn *run, ward_work_fn *done, void *arg,
		struct ward_work **out)
{
	struct ward_work *w = malloc(sizeof(*w));
	int fd, r;

	if (!w)
		return -ENOMEM;
	*w = (struct ward_work){ .loop = loop, .run = run, .done = done, .arg = arg };
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = fd < 0 ? -errno : ward_watch_add(loop, &w->ended, fd, EPOLLIN, on_end);
	if (r < 0)
		goto fail;
	r = start_thread(w);
	if (r == 0) {
		ward_list_append(&live, &w->link);
		*out = w;
		return 0;
	}
	ward_watch_del(loop, &w->ended);
fail:
	if (fd >= 0)
		(void)close(fd);
	free(w);
	return r;
}

bool
ward_work_abandon(struct ward_work *w, unsigned ms)
{
	const struct sched_param none = { 0 };
	pthread_t thread = w->thread;
	int fd = w->ended.fd;
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	if (pthread_timedjoin_np(w->thread, NULL, &until) == 0) {
		release(w);
		return true;
	}
	ward_list_leave(&w->link);
	ward_watch_del(w->loop, &w->ended);
	(void)pthread_setschedparam(thread, SCHED_IDLE,
				    &none); /* what nobody waits for takes no time from others */
	if (!atomic_exchange(&w->parted, 1)) {
		(void)pthread_detach(thread);
		return false;
	}
	(void)pthread_join(thread, NULL); /* it has ended just now */
	(void)close(fd);
	free(w);
	return true;
}

void
ward_work_join_all(void)
{
	while (!ward_list_empty(&live)) {
		struct ward_work *w = ward_container_of(live.next, struct ward_work, link);

		(void)pthread_join(w->thread, NULL);
		release(w);
	}
}
