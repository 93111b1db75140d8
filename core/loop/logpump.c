#include "loop/logpump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"

#define CHUNK	 ((size_t)65536) /* a pipe's default capacity */
#define LINE_MAX ((size_t)8192)
#define RETRY_NS UINT64_C(1000000000)

/* Where bytes come from: the pipe, or for a while the terminal of a child. */
struct source {
	struct ward_log *log;
	struct ward_watch watch;
	int fd;
};

/* The terminal of one child. It goes when the child has ended and nobody has it open any more. */
struct ward_log_terminal {
	struct source source; /* fd -1: nobody has it open */
	struct ward_log_terminal *next;
	int held; /* the other end, while the child lives, or -1 */
};

struct ward_log {
	struct ward_loop *loop;
	struct source pipe;
	struct ward_log_terminal *terminals; /* newest first */
	int writer;			     /* read-write end for children */
	int file;
	char *path;
	struct ward_timer *retry;
	char *held; /* what a full file did not take: then the pipe is left alone */
	size_t nheld;
	bool complained;
	ward_log_line_fn *line_fn;
	void *line_arg;
	char line[LINE_MAX];
	size_t nline;
};

static void
feed_lines(struct ward_log *log, const char *bytes, size_t n)
{
	if (!log->line_fn)
		return;
	while (n > 0) {
		const char *nl = memchr(bytes, '\n', n);
		size_t len = nl ? (size_t)(nl - bytes) : n;
		size_t room = LINE_MAX - log->nline;
		size_t take = len < room ? len : room;

		memcpy(log->line + log->nline, bytes, take);
		log->nline += take;
		if (take == len && nl)
			take++; /* the newline itself */
		else if (log->nline < LINE_MAX)
			return;
		log->line_fn(log->line_arg, log->line, log->nline);
		log->nline = 0;
		bytes += take;
		n -= take;
	}
}

static void
flush_line(struct ward_log *log)
{
	if (log->nline > 0)
		log->line_fn(log->line_arg, log->line, log->nline);
	log->nline = 0;
}

static void
complain(struct ward_log *log, int err)
{
	char msg[512];
	int n;

	if (log->complained)
		return;
	log->complained = true;
	n = snprintf(
		msg, sizeof(msg),
		"ward: cannot write %s: %s; the service's output waits, trying again each second\n",
		log->path, strerror(err));
	ward_fd_say(2, msg, n > 0 && (size_t)n < sizeof(msg) ? (size_t)n : sizeof(msg) - 1);
}

/* Writes to the file; returns how much it took. */
static size_t
write_file(struct ward_log *log, const char *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t k = write(log->file, bytes + at, n - at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			complain(log, k < 0 ? errno : ENOSPC);
			return at;
		}
		at += (size_t)k;
	}
	log->complained = false;
	return at;
}

static void
set_reading(struct ward_log *log, uint32_t events)
{
	(void)ward_watch_mod(log->loop, &log->pipe.watch, events);
	for (struct ward_log_terminal *t = log->terminals; t; t = t->next) {
		if (t->source.fd >= 0)
			(void)ward_watch_mod(log->loop, &t->source.watch, events);
	}
}

/* Keeps what the file did not take, and stops reading until it does. */
static void
hold(struct ward_log *log, const char *bytes, size_t n)
{
	memmove(log->held, bytes, n);
	log->nheld = n;
	set_reading(log, 0);
	ward_timer_arm(log->retry, ward_now_ns() + RETRY_NS);
}

static void
on_retry(void *arg)
{
	struct ward_log *log = arg;
	size_t took = write_file(log, log->held, log->nheld);

	if (took < log->nheld) {
		hold(log, log->held + took, log->nheld - took);
		return;
	}
	log->nheld = 0;
	set_reading(log, EPOLLIN);
}

/* Moves up to @max bytes; returns how many left the source, or -1 at its end. */
static ssize_t
pump(struct source *from, size_t max)
{
	struct ward_log *log = from->log;
	ssize_t n = read(from->fd, log->held, max < CHUNK ? max : CHUNK);
	size_t took;

	if (n <= 0)
		return n == 0 || errno != EAGAIN ? -1 : 0;
	took = write_file(log, log->held, (size_t)n);
	feed_lines(log, log->held, (size_t)n);
	if (took < (size_t)n)
		hold(log, log->held + took, (size_t)n - took);
	return n;
}

static void
close_terminal(struct ward_log_terminal *t)
{
	ward_watch_del(t->source.log->loop, &t->source.watch);
	ward_fd_close(&t->source.fd);
	ward_fd_close(&t->held);
}

static void
free_terminal(struct ward_log_terminal *t)
{
	struct ward_log_terminal **at = &t->source.log->terminals;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	close_terminal(t);
	free(t);
}

/* Nobody has it open: mostly after its child has ended, but a child may hang its own terminal up. */
static void
end_source(struct ward_log_terminal *t)
{
	if (t->held < 0)
		free_terminal(t);
	else
		close_terminal(t);
}

static void
on_source(struct ward_watch *w, uint32_t events)
{
	struct source *from = ward_container_of(w, struct source, watch);

	(void)events;
	if (from->log->nheld)
		return;
	/* One chunk a turn: a child that floods its log holds up nobody else. A terminal ends (EIO)
	 * when its last user has closed it; the pipe never does. */
	if (pump(from, CHUNK) < 0 && from != &from->log->pipe)
		end_source(ward_container_of(from, struct ward_log_terminal, source));
}

/* What was in the source at the call. */
static void
drain_source(struct source *from)
{
	int left = 0;

	if (from->fd < 0 || ioctl(from->fd, FIONREAD, &left) < 0)
		return;
	while (left > 0 && from->log->nheld == 0) {
		ssize_t n = pump(from, (size_t)left);

		if (n <= 0)
			break;
		left -= (int)n;
	}
}

bool
ward_log_drain(struct ward_log *log)
{
	if (log->nheld)
		on_retry(log);
	for (struct ward_log_terminal *t = log->terminals; t; t = t->next)
		drain_source(&t->source);
	drain_source(&log->pipe);
	if (log->line_fn)
		flush_line(log);
	return log->nheld == 0;
}

int
ward_log_add_terminal(struct ward_log *log, int master, int other, struct ward_log_terminal **out)
{
	struct ward_log_terminal *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->source.log = log;
	r = ward_watch_add(log->loop, &t->source.watch, master, log->nheld ? 0 : EPOLLIN,
			   on_source);
	if (r < 0) {
		free(t);
		return r;
	}
	t->source.fd = master;
	t->held = other;
	t->next = log->terminals;
	log->terminals = t;
	*out = t;
	return 0;
}

void
ward_log_end_terminal(struct ward_log_terminal *t)
{
	ward_fd_close(&t->held);
	if (t->source.fd < 0)
		free_terminal(t);
}

/* A second open file description of the same pipe, for reading and writing. */
static int
open_writer(int pipe_fd)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pipe_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
ward_log_new(struct ward_loop *loop, const char *path, ward_log_line_fn *line, void *arg,
	     struct ward_log **out, struct ward_err *err)
{
	struct ward_log *log = calloc(1, sizeof(*log));
	int ends[2], r = -ENOMEM;

	if (!log)
		return ward_err_set(err, 0, ENOMEM, "not enough memory for a log");
	log->loop = loop;
	log->pipe = (struct source){ .log = log, .fd = -1 };
	log->writer = log->file = -1;
	log->line_fn = line;
	log->line_arg = arg;
	log->path = strdup(path);
	log->held = malloc(CHUNK);
	log->retry = ward_timer_new(loop, on_retry, log);
	if (!log->path || !log->held || !log->retry)
		goto fail;
	log->file =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (log->file < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		goto fail;
	}
	log->pipe.fd = ends[0];
	log->writer = open_writer(ends[1]);
	ward_fd_close(&ends[1]);
	if (log->writer < 0) {
		r = log->writer;
		goto fail;
	}
	r = ward_watch_add(loop, &log->pipe.watch, log->pipe.fd, EPOLLIN, on_source);
	if (r < 0)
		goto fail;
	*out = log;
	return 0;

fail:
	ward_err_set(err, 0, -r, "cannot open the log %s: %s", path, strerror(-r));
	ward_log_free(log);
	return r;
}

int
ward_log_writer(const struct ward_log *log)
{
	return log->writer;
}

void
ward_log_free(struct ward_log *log)
{
	if (!log)
		return;
	if (log->pipe.watch.ready && !ward_log_drain(log)) {
		char msg[512];
		int n = snprintf(msg, sizeof(msg),
				 "ward: %s takes no more: the last %zu bytes of output are lost\n",
				 log->path, log->nheld);

		ward_fd_say(2, msg, (size_t)n < sizeof(msg) ? (size_t)n : sizeof(msg) - 1);
	}
	while (log->terminals)
		free_terminal(log->terminals);
	ward_watch_del(log->loop, &log->pipe.watch);
	ward_timer_free(log->retry);
	ward_fd_close(&log->pipe.fd);
	ward_fd_close(&log->writer);
	ward_fd_close(&log->file);
	free(log->held);
	free(log->path);
	free(log);
}
