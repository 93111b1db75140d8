#include "loop/learn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "linux/seccomp_listen.h"
#include "loop/handover.h"

/* More of them wait for the next turn of the loop: a child that calls without end must not hold it up. */
#define CALLS_A_TURN 64

/* As many as a group can have made before it was killed. */
#define CALLS_AT_END 65536

struct ward_learn {
	struct ward_loop *loop;
	struct ward_watch watch;
	int fd;
	void (*heard)(void *arg, uint32_t arch, int nr); /* NULL: only answer */
	void *arg;
	struct ward_learn **self;	   /* where the owner keeps it; NULL: left */
	struct ward_learn *next, **before; /* in the list of those left */
};

/* Answers up to @most calls. Returns false when nobody can call any more, or listening fails. */
static bool
answer(struct ward_learn *l, int most)
{
	for (int i = 0; i < most; i++) {
		uint32_t arch;
		int nr, r = ward_seccomp_listen(l->fd, &arch, &nr);

		if (r == 0)
			return true;
		if (r < 0 && r != -EAGAIN)
			return false;
		if (r > 0 && l->heard)
			l->heard(l->arg, arch, nr);
	}
	return true;
}

static void
on_calls(struct ward_watch *w, uint32_t events)
{
	struct ward_learn *l = ward_container_of(w, struct ward_learn, watch);

	(void)events;
	if (!answer(l, CALLS_A_TURN))
		ward_learn_free(l);
}

int
ward_learn_new(struct ward_loop *loop, int fd, void (*heard)(void *arg, uint32_t arch, int nr),
	       void *arg, struct ward_learn **self)
{
	struct ward_learn *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = ward_watch_add(loop, &l->watch, fd, EPOLLIN, on_calls);
	if (r < 0) {
		free(l);
		return r;
	}
	l->loop = loop;
	l->fd = fd;
	l->heard = heard;
	l->arg = arg;
	l->self = self;
	*self = l;
	ward_handover_add(fd);
	ward_handover_take(fd);
	return 0;
}

int
ward_learn_fd(const struct ward_learn *l)
{
	return l->fd;
}

void
ward_learn_leave(struct ward_learn *l, struct ward_learn **rest)
{
	if (!l)
		return;
	if (!answer(l, CALLS_AT_END)) {
		ward_learn_free(l);
		return;
	}
	*l->self = NULL;
	l->self = NULL;
	l->heard = NULL;
	l->next = *rest;
	l->before = rest;
	if (l->next)
		l->next->before = &l->next;
	*rest = l;
}

void
ward_learn_free_all(struct ward_learn **rest)
{
	while (*rest)
		ward_learn_free(*rest);
}

void
ward_learn_free(struct ward_learn *l)
{
	if (!l)
		return;
	if (l->self)
		*l->self = NULL;
	if (l->before)
		*l->before = l->next;
	if (l->next)
		l->next->before = l->before;
	ward_watch_del(l->loop, &l->watch);
	ward_handover_close(&l->fd);
	free(l);
}
