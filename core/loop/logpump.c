#include "loop/logpump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/handover.h"

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
	int copy; /* of that, in a file in memory that a re-exec keeps; -1: of nothing, or it could not be made */
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

/* By which the successor finds it. */
static void
copy_name(const struct ward_log *log, char name[32])
{
	(void)snprintf(name, 32, "ward-log-%d", log->pipe.fd);
}

/* What is held is to outlive this program. */
static void
copy_held(struct ward_log *log)
{
	char name[32];

	ward_handover_close(&log->copy);
	if (log->nheld == 0)
		return;
	copy_name(log, name);
	log->copy = memfd_create(name, MFD_CLOEXEC);
	ward_handover_add(log->copy);
	if (log->copy >= 0 && ward_fd_write_all(log->copy, log->held, log->nheld) < 0)
		ward_handover_close(&log->copy);
}

/* Keeps what the file did not take, and stops reading until it does. */
static void
hold(struct ward_log *log, const char *bytes, size_t n)
{
	memmove(log->held, bytes, n);
	log->nheld = n;
	copy_held(log);
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
	copy_held(log);
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
	ward_handover_close(&t->source.fd);
	ward_handover_close(&t->held);
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

/* Whether it is new or came through a re-exec. */
static void
keep(int fd)
{
	ward_handover_add(fd);
	ward_handover_take(fd);
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
	keep(master);
	keep(other);
	*out = t;
	return 0;
}

void
ward_log_end_terminal(struct ward_log_terminal *t)
{
	ward_handover_close(&t->held);
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

/* Makes both ends. Returns 0 or -errno. */
static int
make_pipe(struct ward_log_kept *ends)
{
	int made[2];

	if (pipe2(made, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	ends->reader = made[0];
	/* For whoever opens /dev/stdout, which opens the pipe anew: only those who hold it come to that. */
	(void)!fchmod(made[1], 0666);
	ends->writer = open_writer(made[1]);
	ward_fd_close(&made[1]);
	return ends->writer < 0 ? ends->writer : 0;
}

/* Takes over what the predecessor held, and tries to write it in the next turn. */
static void
take_held(struct ward_log *log)
{
	char name[32];
	ssize_t n;
	int fd;

	copy_name(log, name);
	fd = ward_handover_find(name, -1);
	n = fd < 0 ? 0 : pread(fd, log->held, CHUNK, 0);
	if (n <= 0)
		return;
	log->nheld = (size_t)n;
	log->copy = fd;
	keep(fd);
	set_reading(log, 0);
	ward_timer_arm(log->retry, ward_now_ns());
}

int
ward_log_new(struct ward_loop *loop, const char *path, ward_log_line_fn *line, void *arg,
	     struct ward_log **out, struct ward_err *err)
{
	return ward_log_adopt(loop, path, NULL, line, arg, out, err);
}

int
ward_log_adopt(struct ward_loop *loop, const char *path, const struct ward_log_kept *kept,
	       ward_log_line_fn *line, void *arg, struct ward_log **out, struct ward_err *err)
{
	struct ward_log *log = calloc(1, sizeof(*log));
	struct ward_log_kept ends = { -1, -1 };
	int r = -ENOMEM;

	if (!log)
		return ward_err_set(err, 0, ENOMEM, "not enough memory for a log");
	log->loop = loop;
	log->pipe = (struct source){ .log = log, .fd = -1 };
	log->writer = log->file = log->copy = -1;
	log->line_fn = line;
	log->line_arg = arg;
	log->path = strdup(path);
	log->held = malloc(CHUNK);
	log->retry = ward_timer_new(loop, on_retry, log);
	if (!log->path || !log->held || !log->retry)
		goto fail;
	log->file =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	r = log->file < 0 ? -errno : 0;
	if (r == 0 && kept)
		ends = *kept;
	else if (r == 0)
		r = make_pipe(&ends);
	if (r == 0)
		r = ward_watch_add(loop, &log->pipe.watch, ends.reader, EPOLLIN, on_source);
	if (r < 0)
		goto fail;
	log->pipe.fd = ends.reader;
	log->writer = ends.writer;
	keep(log->pipe.fd);
	keep(log->writer);
	if (kept)
		take_held(log);
	*out = log;
	return 0;

fail:
	if (!kept) {
		ward_fd_close(&ends.reader);
		ward_fd_close(&ends.writer);
	}
	ward_err_set(err, 0, -r, "cannot open the log %s: %s", path, strerror(-r));
	ward_log_free(log);
	return r;
}

struct ward_log_kept
ward_log_kept(const struct ward_log *log)
{
	return (struct ward_log_kept){ log->pipe.fd, log->writer };
}

struct ward_log_terminal *
ward_log_terminal_at(const struct ward_log *log, int i, int *master, int *other)
{
	struct ward_log_terminal *t = log->terminals;

	for (; t; t = t->next) {
		if (t->source.fd >= 0 && i-- == 0)
			break;
	}
	if (t) {
		*master = t->source.fd;
		*other = t->held;
	}
	return t;
}

int
ward_log_terminal_master(const struct ward_log_terminal *t)
{
	return t->source.fd;
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
	ward_handover_close(&log->pipe.fd);
	ward_handover_close(&log->writer);
	ward_handover_close(&log->copy);
	ward_fd_close(&log->file);
	free(log->held);
	free(log->path);
	free(log);
}
