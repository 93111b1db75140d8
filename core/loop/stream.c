#include "loop/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"

struct ward_stream {
	struct ward_loop *loop;
	int fd;
	struct ward_watch watch; /* active while something is under way */
	ward_stream_read_fn *on_read;
	ward_stream_write_fn *on_write;
	void *arg;
	char *pending; /* owned: what is being written */
	size_t size, at;
};

int
ward_stream_new(struct ward_loop *loop, int fd, struct ward_stream **out)
{
	struct ward_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->fd = fd;
	*out = s;
	return 0;
}

static void
on_readable(struct ward_watch *w, uint32_t events)
{
	struct ward_stream *s = ward_container_of(w, struct ward_stream, watch);
	char bytes[WARD_STREAM_READ];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n = n < 0 ? -errno : n;
	ward_watch_del(s->loop, &s->watch);
	s->on_read(s->arg, bytes, n);
}

int
ward_stream_read(struct ward_stream *s, ward_stream_read_fn *fn, void *arg)
{
	int r;

	if (s->watch.ready)
		return -EBUSY;
	r = ward_watch_add(s->loop, &s->watch, s->fd, EPOLLIN, on_readable);
	if (r < 0)
		return r;
	s->on_read = fn;
	s->arg = arg;
	return 0;
}

static void
on_writable(struct ward_watch *w, uint32_t events)
{
	struct ward_stream *s = ward_container_of(w, struct ward_stream, watch);
	ssize_t n = write(s->fd, s->pending + s->at, s->size - s->at);
	int err = n < 0 ? -errno : 0;

	(void)events;
	if (err == -EAGAIN || err == -EINTR)
		return;
	if (err == 0) {
		s->at += (size_t)n;
		if (s->at < s->size)
			return;
	}
	ward_watch_del(s->loop, &s->watch);
	free(s->pending);
	s->pending = NULL;
	s->on_write(s->arg, err);
}

int
ward_stream_write(struct ward_stream *s, const void *bytes, size_t n, ward_stream_write_fn *fn,
		  void *arg)
{
	char *copy;
	int r;

	if (s->watch.ready)
		return -EBUSY;
	copy = malloc(n ? n : 1);
	if (!copy)
		return -ENOMEM;
	r = ward_watch_add(s->loop, &s->watch, s->fd, EPOLLOUT, on_writable);
	if (r < 0) {
		free(copy);
		return r;
	}
	if (n > 0)
		memcpy(copy, bytes, n);
	s->pending = copy;
	s->size = n;
	s->at = 0;
	s->on_write = fn;
	s->arg = arg;
	return 0;
}

void
ward_stream_free(struct ward_stream *s)
{
	if (!s)
		return;
	ward_watch_del(s->loop, &s->watch);
	ward_fd_close(&s->fd);
	free(s->pending);
	free(s);
}
