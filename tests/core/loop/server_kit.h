/* A line server that behaves as it is told, and a peer of it, in one process: for server_*test.c. */
#ifndef TESTS_SERVER_KIT_H
#define TESTS_SERVER_KIT_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/unixaddr.h"
#include "loop/loop.h"
#include "loop/server.h"
#include "tests/core/tap.h"

#define MAX_LINE 1024

static struct ward_loop *loop;
static struct ward_server *server;
static char dir[] = "/tmp/ward-server-XXXXXX", path[64];

/* What the server saw, and how it is to behave. */
static int lines, oversizes, draineds, closeds;
static size_t longest;
static enum { ECHO, CLOSE, LATER, SILENT, FREE, BIG } mode;
static struct ward_conn *last;
static int last_send;
static char big[100000];

static void
on_line(struct ward_conn *c, const char *bytes, size_t n)
{
	lines++;
	last = c;
	if (n > longest)
		longest = n;
	switch (mode) {
	case ECHO:
		ward_conn_send(c, bytes, n);
		ward_conn_send(c, "\n", 1);
		break;
	case CLOSE:
		ward_conn_send(c, "bye\n", 4);
		ward_conn_close(c);
		ward_conn_close(c);
		last_send = ward_conn_send(c, "more\n", 5);
		break;
	case BIG:
		last_send = ward_conn_send(c, big, sizeof(big));
		break;
	case FREE:
		ward_server_free(server);
		server = NULL;
		last_send = ward_conn_send(c, "more\n", 5);
		break;
	case LATER:
	case SILENT:
		break;
	}
}

static void
on_oversize(struct ward_conn *c)
{
	oversizes++;
	ward_conn_send(c, "too large\n", 10);
}

static void
on_drained(struct ward_conn *c)
{
	draineds++;
	if (mode == LATER)
		last_send = ward_conn_queued(c) == 0 ? ward_conn_tell(c, "more\n", 5) : -EBUSY;
}

static void
on_closed(struct ward_conn *c)
{
	closeds++;
	if (last == c)
		last = NULL;
	(void)ward_conn_send(c, "x", 1);
	ward_conn_close(c);
}

static const struct ward_server_config config = {
	.max_line = MAX_LINE,
	.line = on_line,
	.oversize = on_oversize,
	.drained = on_drained,
	.closed = on_closed,
};

static int
listen_at(const char *where)
{
	struct ward_err err;

	lines = oversizes = draineds = closeds = 0;
	longest = 0;
	mode = ECHO;
	last = NULL;
	return ward_server_new(loop, where, &config, NULL, &server, &err);
}

static void
end_server(void)
{
	ward_server_free(server);
	server = NULL;
}

/* ---- the loop, until something is true ---- */

typedef bool condition(void *arg);

struct wait {
	struct ward_timer *timer;
	condition *done;
	void *arg;
	uint64_t deadline;
};

static void
on_wait(void *arg)
{
	struct wait *w = arg;

	if (w->done(w->arg) || ward_now_ns() > w->deadline)
		ward_loop_stop(loop);
	else
		ward_timer_arm(w->timer, ward_now_ns() + 1000000);
}

/* Runs the loop until @done, at most @ms; returns whether it is. */
static bool
run_until(condition *done, void *arg, unsigned ms)
{
	struct wait w = { .done = done, .arg = arg, .deadline = ward_now_ns() + ms * 1000000ull };

	w.timer = ward_timer_new(loop, on_wait, &w);
	ward_timer_arm(w.timer, ward_now_ns());
	ward_loop_run(loop);
	ward_timer_free(w.timer);
	return done(arg);
}

struct count {
	const int *counter;
	int n;
};

static bool
reached(void *arg)
{
	const struct count *c = arg;

	return *c->counter >= c->n;
}

/* Until *counter is @n. */
static bool
run_to(const int *counter, int n)
{
	struct count arg = { counter, n };

	return run_until(reached, &arg, 5000);
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

/* ---- a peer in this process ---- */

struct peer {
	int fd;
	bool end; /* end of file was read */
	int err;  /* or an error */
	size_t n, want;
	char bytes[1 << 16];
};

static struct peer peer;

static int
dial(const char *where)
{
	struct ward_unixaddr a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (ward_unixaddr_init(&a, where) < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&a.sa, sizeof(a.sa)) < 0)
		ward_fd_close(&fd);
	ward_unixaddr_free(&a);
	return fd;
}

static bool
peer_has(void *arg)
{
	struct peer *p = arg;
	ssize_t k;

	while (p->n < sizeof(p->bytes) - 1 && !p->end && !p->err) {
		k = recv(p->fd, p->bytes + p->n, sizeof(p->bytes) - 1 - p->n, MSG_DONTWAIT);
		if (k > 0)
			p->n += (size_t)k;
		else if (k == 0)
			p->end = true;
		else if (errno == EAGAIN)
			break;
		else
			p->err = errno;
	}
	p->bytes[p->n] = '\0';
	return p->n >= p->want || p->end || p->err;
}

/* Runs the loop until the peer has @want bytes or its end. */
static bool
peer_gets(size_t want)
{
	peer.want = want;
	return run_until(peer_has, &peer, 5000);
}

static void
peer_open(void)
{
	memset(&peer, 0, sizeof(peer));
	peer.fd = dial(path);
}

static void
peer_send(const char *s)
{
	if (send(peer.fd, s, strlen(s), MSG_NOSIGNAL) != (ssize_t)strlen(s))
		peer.err = errno;
}

/* Before and after the tests. */
static void
kit_open(void)
{
	if (!mkdtemp(dir) || ward_loop_new(&loop) < 0)
		exit(1);
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	memset(big, 'b', sizeof(big));
}

static int
kit_close(void)
{
	ward_loop_free(loop);
	(void)rmdir(dir);
	return done_testing();
}

#endif
