#include "loop/dirwatch.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"

#define EVENTS                                                                              \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | \
	 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)
#define READ_TURN 8192 /* bytes of events a turn */

struct ward_dirwatch {
	struct ward_dirwatches *set;
	struct ward_dirwatch *next, **link; /* in set->first */
	ward_dirwatch_fn *fn;
	void *arg;
	int wd; /* -1: the directory is gone */
};

struct ward_dirwatches {
	struct ward_loop *loop;
	struct ward_watch watch;
	struct ward_dirwatch *first;
	struct ward_dirwatch
		*following; /* of the one that is being told; freeing it moves this on */
	int fd;
};

/* Tells all that watch @wd, or all there are when it is -1. */
static void
tell(struct ward_dirwatches *set, int wd, enum ward_dirwatch_what what, const char *name)
{
	struct ward_dirwatch *w = set->first;

	while (w) {
		set->following = w->next;
		if (w->wd >= 0 && (w->wd == wd || wd == -1)) {
			if (what == WARD_DIR_GONE)
				w->wd = -1;
			w->fn(w->arg, what, name);
		}
		w = set->following;
	}
	set->following = NULL;
}

static void
take(struct ward_dirwatches *set, const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW) {
		tell(set, -1, WARD_DIR_LOST, NULL);
	} else if (e->mask & IN_MOVE_SELF) {
		/* It lives on under another name, which is not the one that was asked for. */
		(void)inotify_rm_watch(set->fd, e->wd);
		tell(set, e->wd, WARD_DIR_GONE, NULL);
	} else if (e->mask & IN_IGNORED) {
		tell(set, e->wd, WARD_DIR_GONE, NULL);
	} else if (e->len > 0) {
		tell(set, e->wd, WARD_DIR_CHANGED, e->name);
	}
}

static void
on_readable(struct ward_watch *watch, uint32_t events)
{
	struct ward_dirwatches *set = ward_container_of(watch, struct ward_dirwatches, watch);
	alignas(struct inotify_event) char bytes[READ_TURN];
	ssize_t n = read(set->fd, bytes, sizeof(bytes));

	(void)events;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(bytes + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		take(set, e);
	}
}

int
ward_dirwatches_new(struct ward_loop *loop, struct ward_dirwatches **out)
{
	struct ward_dirwatches *set = calloc(1, sizeof(*set));
	int r;

	if (!set)
		return -ENOMEM;
	set->loop = loop;
	set->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	r = set->fd < 0 ? -errno : ward_watch_add(loop, &set->watch, set->fd, EPOLLIN, on_readable);
	if (r < 0) {
		ward_fd_close(&set->fd);
		free(set);
		return r;
	}
	*out = set;
	return 0;
}

void
ward_dirwatches_free(struct ward_dirwatches *set)
{
	if (!set)
		return;
	ward_watch_del(set->loop, &set->watch);
	ward_fd_close(&set->fd);
	free(set);
}

int
ward_dirwatch_new(struct ward_dirwatches *set, const char *path, ward_dirwatch_fn *fn, void *arg,
		  struct ward_dirwatch **out)
{
	struct ward_dirwatch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->wd = inotify_add_watch(set->fd, path, EVENTS);
	if (w->wd < 0) {
		int r = -errno;

		free(w);
		return r;
	}
	w->set = set;
	w->fn = fn;
	w->arg = arg;
	w->next = set->first;
	w->link = &set->first;
	if (w->next)
		w->next->link = &w->next;
	set->first = w;
	*out = w;
	return 0;
}

void
ward_dirwatch_free(struct ward_dirwatch *w)
{
	bool shared = false;

	if (!w)
		return;
	if (w->set->following == w)
		w->set->following = w->next;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	for (const struct ward_dirwatch *each = w->set->first; each; each = each->next)
		shared = shared || each->wd == w->wd;
	if (!shared && w->wd >= 0)
		(void)inotify_rm_watch(w->set->fd, w->wd);
	free(w);
}
