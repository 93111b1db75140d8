#include "loop/out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define LAST_FLUSH_NS 200000000u

enum out_kind {
	OUT_NONBLOCK, /* our own non-blocking description */
	OUT_SOCKET,   /* shared, MSG_DONTWAIT */
	OUT_POLLED,   /* shared and blocking: a little at a time, after poll(2) */
	OUT_DIRECT,   /* never waits for a reader */
	OUT_QUIET,    /* nobody reads any more */
};

struct ward_out {
	struct ward_watch watch; /* active while something is queued */
	struct ward_loop *loop;
	struct ward_buf queue;
	uint64_t dropped; /* bytes since the last note */
	enum out_kind kind;
	int fd;
};

/* Returns what was written, at least 1, or -EAGAIN, or another -errno. */
static ssize_t
out_try(const struct ward_out *o, const char *p, size_t n)
{
	ssize_t k;

	do {
		if (o->kind == OUT_SOCKET) {
			k = send(o->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		} else if (o->kind == OUT_POLLED) {
			struct pollfd room = { .fd = o->fd, .events = POLLOUT };

			if (poll(&room, 1, 0) == 0)
				return -EAGAIN;
			/* A pipe that polls writable takes this much without waiting. */
			k = write(o->fd, p, n < PIPE_BUF ? n : PIPE_BUF);
		} else {
			k = write(o->fd, p, n);
		}
	} while (k < 0 && errno == EINTR);
	if (k == 0)
		return -EIO;
	return k < 0 ? -errno : k;
}

static void
out_quiet(struct ward_out *o)
{
	ward_watch_del(o->loop, &o->watch);
	ward_buf_free(&o->queue);
	ward_fd_close(&o->fd);
	o->kind = OUT_QUIET;
}

/* Puts the line about what is missing at the end of the queue, which is where it is missing: all
 * that came after it was dropped as well. */
static void
out_note(struct ward_out *o)
{
	char line[96];
	int n;

	if (o->dropped == 0)
		return;
	n = snprintf(line, sizeof(line),
		     "... %" PRIu64 " bytes of output were dropped: the reader was too slow\n",
		     o->dropped);
	if (ward_buf_add(&o->queue, line, (size_t)n) == 0)
		o->dropped = 0;
}

/* Writes from the queue until it is empty (0) or the reader takes no more (-EAGAIN). */
static int
out_flush(struct ward_out *o)
{
	for (;;) {
		ssize_t k;

		/* Not as soon as there is a little room: a reader that is always behind would
		 * get more of these lines than of anything else. */
		if (o->queue.n <= WARD_OUT_QUEUE / 2)
			out_note(o);
		if (o->queue.n == 0)
			return 0;
		k = out_try(o, o->queue.bytes + o->queue.at, o->queue.n);
		if (k == -EAGAIN)
			return -EAGAIN;
		if (k < 0) {
			out_quiet(o);
			return 0;
		}
		ward_buf_take(&o->queue, (size_t)k);
	}
}

static void
out_ready(struct ward_watch *w, uint32_t events)
{
	struct ward_out *o = ward_container_of(w, struct ward_out, watch);

	(void)events;
	if (out_flush(o) == 0)
		ward_watch_del(o->loop, &o->watch);
}

/* A disk that is full today may not be tomorrow: only a descriptor that is of no use is given up.
 */
static void
out_direct(struct ward_out *o, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = out_try(o, p, n);

		if (k == -EPIPE || k == -EIO || k == -EBADF)
			out_quiet(o);
		if (k < 0)
			return;
		p += k;
		n -= (size_t)k;
	}
}

void
ward_out_write(struct ward_out *o, const void *bytes, size_t n)
{
	const char *p = bytes;
	bool begun = false;

	if (o->kind == OUT_QUIET || n == 0)
		return;
	if (o->kind == OUT_DIRECT) {
		out_direct(o, p, n);
		return;
	}
	while (o->queue.n == 0 && o->dropped == 0 && n > 0) {
		ssize_t k = out_try(o, p, n);

		if (k == -EAGAIN)
			break;
		if (k < 0) {
			out_quiet(o);
			return;
		}
		begun = true;
		p += k;
		n -= (size_t)k;
	}
	if (n == 0)
		return;
	/* Once something is dropped all is, until the note about it is in the queue. */
	if (o->dropped > 0 || (!begun && n > WARD_OUT_QUEUE - o->queue.n) ||
	    ward_buf_add(&o->queue, p, n) < 0)
		o->dropped += n;
	if (!o->watch.ready && ward_watch_add(o->loop, &o->watch, o->fd, EPOLLOUT, out_ready) < 0) {
		/* Nothing will tell when the reader is back: the next write tries. */
		o->dropped += o->queue.n;
		ward_buf_free(&o->queue);
	}
}

/* Opens what @fd refers to once more, without blocking; -1 when that cannot be. */
static int
open_again(int fd, int flags)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (flags & O_APPEND));
}

static int
out_open(struct ward_out *o, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH))
		return -EBADF;
	o->kind = S_ISSOCK(st.st_mode) ? OUT_SOCKET : OUT_POLLED;
	/* Files keep sharing their offset with whoever else writes to them. */
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
		o->fd = open_again(fd, flags);
		if (o->fd >= 0)
			o->kind = OUT_NONBLOCK;
	}
	if (o->fd < 0)
		o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return o->fd < 0 ? -errno : 0;
}

int
ward_out_new(struct ward_loop *loop, int fd, struct ward_out **out)
{
	struct ward_out *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->loop = loop;
	o->fd = -1;
	r = out_open(o, fd);
	if (r < 0)
		goto fail;
	r = ward_watch_add(loop, &o->watch, o->fd, EPOLLOUT, out_ready);
	if (r == -EPERM)
		o->kind = OUT_DIRECT;
	else if (r < 0)
		goto fail;
	ward_watch_del(loop, &o->watch);
	*out = o;
	return 0;

fail:
	ward_fd_close(&o->fd);
	free(o);
	return r;
}

void
ward_out_free(struct ward_out *o)
{
	uint64_t end = ward_now_ns() + LAST_FLUSH_NS, now;

	if (!o)
		return;
	while (o->kind != OUT_QUIET && (o->queue.n > 0 || o->dropped > 0)) {
		struct pollfd room = { .fd = o->fd, .events = POLLOUT };

		if (out_flush(o) == 0)
			break;
		now = ward_now_ns();
		if (now >= end)
			break;
		(void)poll(&room, 1, (int)((end - now) / 1000000 + 1));
	}
	ward_watch_del(o->loop, &o->watch);
	ward_buf_free(&o->queue);
	ward_fd_close(&o->fd);
	free(o);
}
