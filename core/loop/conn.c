#include "loop/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "linux/confined.h"
#include "linux/pidfd.h"

#define READ_CHUNK    16384 /* one recv(2) */
#define READ_TURN     65536 /* a turn and connection */
#define HOLD_BACK     65536 /* with more replies than this waiting no further line is taken */
#define CLOSE_TIME_NS 5000000000u
#define SPARES	      2 /* what it takes to look at a peer: itself, and a file about it */

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum conn_state {
	CONN_OPEN,
	CONN_DISCARDING, /* a line was too long: flush, then read the rest away until the peer ends
			  */
	CONN_CLOSING,	 /* flush, then close */
	CONN_DEAD,	 /* closed; in the graveyard */
};

struct ward_conn {
	struct ward_watch watch;
	struct ward_conns *set;
	struct ward_conn *next, **link; /* in set->live, or next in set->graveyard */
	struct ward_timer *deadline;	/* of closing; NULL before */
	struct ward_buf in, out;
	size_t scanned; /* of in: no line end before this */
	size_t owed;	/* lines not answered yet */
	void *data;
	int fd;
	uid_t uid;
	pid_t pid;
	enum conn_state state;
	bool busy; /* in conn_ready, which settles everything at its end */
	bool eof;  /* the peer sends nothing more */
	bool deaf; /* the peer reads nothing more */
	bool shut; /* we said that we send nothing more */
};

struct ward_conns {
	struct ward_loop *loop;
	struct ward_server_config config;
	void *arg;
	struct ward_conn *live;
	struct ward_conn *graveyard; /* freed when nobody can be inside one */
	size_t count;		     /* of live */
	int entered; /* functions of this file that run now and may still touch a connection */
	bool ended;
	int spares[SPARES]; /* given up to look at a peer when there are no descriptors */
};

static void
conns_spare(struct ward_conns *s)
{
	for (size_t i = 0; i < SPARES; i++) {
		if (s->spares[i] < 0)
			s->spares[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
}

static void
conns_leave(struct ward_conns *s)
{
	if (--s->entered > 0)
		return;
	while (s->graveyard) {
		struct ward_conn *c = s->graveyard;

		s->graveyard = c->next;
		ward_buf_free(&c->in);
		ward_buf_free(&c->out);
		free(c);
	}
	if (!s->ended)
		return;
	for (size_t i = 0; i < SPARES; i++)
		ward_fd_close(&s->spares[i]);
	free(s);
}

static void
conn_finish(struct ward_conn *c)
{
	struct ward_conns *s = c->set;

	c->state = CONN_DEAD;
	ward_watch_del(s->loop, &c->watch);
	/* close(2) alone would leave it open to the peer while a child that has not exec'd yet
	 * holds a copy. */
	(void)shutdown(c->fd, SHUT_RDWR);
	ward_fd_close(&c->fd);
	ward_timer_free(c->deadline);
	c->deadline = NULL;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	s->count--;
	c->next = s->graveyard;
	s->graveyard = c;
	if (s->config.closed)
		s->config.closed(c);
}

static void
conn_deafen(struct ward_conn *c)
{
	c->deaf = true;
	ward_buf_free(&c->out);
}

/* Nothing is left to do but to close. */
static bool
conn_is_over(const struct ward_conn *c)
{
	switch (c->state) {
	case CONN_OPEN:
		return c->eof && (c->deaf || (c->out.n == 0 && c->owed == 0));
	case CONN_DISCARDING:
		return c->eof;
	case CONN_CLOSING:
		return c->out.n == 0;
	case CONN_DEAD:
		break;
	}
	return false;
}

static bool
conn_wants_input(const struct ward_conn *c)
{
	if (c->eof)
		return false;
	return c->state == CONN_DISCARDING || (c->state == CONN_OPEN && c->out.n < HOLD_BACK);
}

/* After anything that may have changed what the connection waits for. It is never closed here,
 * where its owner may be in the middle of something: shutdown(2) makes the kernel report a hang-up,
 * and the connection ends in its own turn. */
static void
conn_settle(struct ward_conn *c)
{
	uint32_t events = 0;

	if (c->busy || c->state == CONN_DEAD)
		return;
	if (c->state == CONN_DISCARDING && c->out.n == 0 && !c->shut) {
		(void)shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
	if (conn_wants_input(c))
		events |= EPOLLIN;
	if (c->out.n > 0)
		events |= EPOLLOUT;
	if (ward_watch_mod(c->set->loop, &c->watch, events) < 0) {
		conn_deafen(c);
		c->state = CONN_CLOSING;
	}
	if (conn_is_over(c))
		(void)shutdown(c->fd, SHUT_RDWR);
}

static void
on_deadline(void *arg)
{
	struct ward_conn *c = arg;
	struct ward_conns *s = c->set;

	s->entered++;
	conn_finish(c);
	conns_leave(s);
}

/* From now on the connection has a limited time to end. */
static void
conn_begin_end(struct ward_conn *c, enum conn_state state)
{
	c->state = state;
	if (!c->deadline)
		c->deadline = ward_timer_new(c->set->loop, on_deadline, c);
	if (c->deadline) {
		ward_timer_arm(c->deadline, ward_now_ns() + CLOSE_TIME_NS);
	} else {
		conn_deafen(c);
		c->state = CONN_CLOSING;
	}
}

static void
conn_flush(struct ward_conn *c)
{
	while (c->out.n > 0) {
		ssize_t n = send(c->fd, c->out.bytes + c->out.at, c->out.n,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			ward_buf_take(&c->out, (size_t)n);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			/* Gone for reading; what it sent before is still taken as lines. */
			conn_deafen(c);
			return;
		}
	}
}

static void
conn_oversize(struct ward_conn *c)
{
	conn_begin_end(c, CONN_DISCARDING);
	if (c->set->config.oversize)
		c->set->config.oversize(c);
}

/* Hands out the lines that are there, as long as the peer takes the replies. */
static void
conn_lines(struct ward_conn *c)
{
	const struct ward_server_config *config = &c->set->config;

	while (c->in.n > 0 && c->state == CONN_OPEN && c->out.n < HOLD_BACK) {
		const char *line = c->in.bytes + c->in.at;
		const char *end = memchr(line + c->scanned, '\n', c->in.n - c->scanned);
		size_t n, whole;

		if (!end) {
			c->scanned = c->in.n;
			/* One more than a line may have can still be the '\r' before its end. */
			if (c->in.n > config->max_line + 1)
				conn_oversize(c);
			return;
		}
		n = (size_t)(end - line);
		whole = n + 1;
		if (n > 0 && line[n - 1] == '\r')
			n--;
		if (n > config->max_line) {
			conn_oversize(c);
			return;
		}
		c->scanned = 0;
		c->owed++;
		config->line(c, line, n);
		ward_buf_take(&c->in, whole);
	}
}

static void
conn_read(struct ward_conn *c)
{
	size_t left = READ_TURN;

	while (left > 0 && conn_wants_input(c)) {
		char *room = ward_buf_room(&c->in, READ_CHUNK);
		ssize_t n;

		if (!room) {
			conn_deafen(c);
			c->state = CONN_CLOSING;
			return;
		}
		n = recv(c->fd, room, READ_CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			c->eof = true;
			if (n < 0)
				conn_deafen(c);
			return;
		}
		c->in.n += (size_t)n;
		left -= (size_t)n;
		conn_lines(c);
		if (c->state == CONN_DISCARDING)
			ward_buf_take(&c->in, c->in.n);
		if (n < READ_CHUNK)
			return;
	}
}

static void
conn_ready(struct ward_watch *w, uint32_t events)
{
	struct ward_conn *c = ward_container_of(w, struct ward_conn, watch);
	struct ward_conns *s = c->set;
	bool waited;

	s->entered++;
	c->busy = true;
	if (events & (EPOLLHUP | EPOLLERR))
		conn_deafen(c);
	waited = c->out.n > 0;
	conn_flush(c);
	if (waited && c->out.n == 0 && !c->deaf && s->config.drained)
		s->config.drained(c);
	conn_lines(c); /* those that were held back */
	/* A peer that is gone may have left requests behind: they count. */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(c);
	c->busy = false;
	if (conn_is_over(c))
		conn_finish(c);
	else
		conn_settle(c);
	conns_leave(s);
}

/* Can nothing be asked for that would lead the peer out of a sandbox? Whom nothing is known of is not trusted, nor who
 * has no number here, which is in another container. */
static bool
peer_is_free(int fd, pid_t pid, int *err)
{
	WARD_AUTO_FD int pidfd = -1;
	socklen_t size = sizeof(pidfd);
	int r;

	*err = 0;
	if (pid <= 0)
		return false;
	/* Held while we look, so that the number is not another's meanwhile. Before Linux 6.5 there is none. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
		pidfd = -1;
		*err = errno;
		if (errno != ENOPROTOOPT)
			return false;
	}
	r = ward_confined(pid);
	*err = r < 0 ? -r : 0;
	return r == 0 && (pidfd < 0 || ward_pidfd_signal(pidfd, 0) != -ESRCH);
}

/* The same, with the descriptors that it takes kept back for it. */
static bool
conns_trust(struct ward_conns *s, int fd, pid_t pid)
{
	int err;
	bool is_free = peer_is_free(fd, pid, &err);

	if (err != EMFILE && err != ENFILE)
		return is_free;
	for (size_t i = 0; i < SPARES; i++)
		ward_fd_close(&s->spares[i]);
	is_free = peer_is_free(fd, pid, &err);
	conns_spare(s);
	return is_free;
}

void
ward_conns_take(struct ward_conns *s, int taken)
{
	WARD_AUTO_FD int fd = taken;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct ward_conn *c;

	if (s->count >= WARD_SERVER_CONNS)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return;
	if (peer.uid != geteuid() && peer.uid != 0)
		return;
	if (!conns_trust(s, fd, peer.pid))
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->set = s;
	c->uid = peer.uid;
	c->pid = peer.pid;
	if (ward_watch_add(s->loop, &c->watch, fd, EPOLLIN, conn_ready) < 0) {
		free(c);
		return;
	}
	c->fd = ward_fd_steal(&fd);
	c->next = s->live;
	c->link = &s->live;
	if (c->next)
		c->next->link = &c->next;
	s->live = c;
	s->count++;
}

struct ward_conns *
ward_conns_new(struct ward_loop *loop, const struct ward_server_config *config, void *arg)
{
	struct ward_conns *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = loop;
	s->config = *config;
	s->arg = arg;
	for (size_t i = 0; i < SPARES; i++)
		s->spares[i] = -1;
	conns_spare(s);
	return s;
}

void
ward_conns_end(struct ward_conns *s)
{
	if (!s)
		return;
	s->entered++;
	while (s->live)
		conn_finish(s->live);
	s->ended = true;
	conns_leave(s);
}

int
ward_conn_send(struct ward_conn *c, const void *bytes, size_t n)
{
	if (c->owed > 0)
		c->owed--;
	return ward_conn_tell(c, bytes, n);
}

int
ward_conn_tell(struct ward_conn *c, const void *bytes, size_t n)
{
	int r = 0;

	if (c->deaf || c->shut || c->state == CONN_CLOSING || c->state == CONN_DEAD)
		return -EPIPE;
	/* Too much is what waits already: one answer may be longer than the queue. */
	r = c->out.n > WARD_CONN_QUEUE ? -ENOBUFS : ward_buf_add(&c->out, bytes, n);
	if (r < 0) {
		conn_deafen(c);
		c->state = CONN_CLOSING;
	} else if (c->out.n == n) {
		conn_flush(c);
	}
	conn_settle(c);
	return r;
}

size_t
ward_conn_queued(const struct ward_conn *c)
{
	return c->out.n;
}

void
ward_conn_close(struct ward_conn *c)
{
	if (c->state == CONN_CLOSING || c->state == CONN_DEAD)
		return;
	conn_begin_end(c, CONN_CLOSING);
	conn_settle(c);
}

uid_t
ward_conn_uid(const struct ward_conn *c)
{
	return c->uid;
}

pid_t
ward_conn_pid(const struct ward_conn *c)
{
	return c->pid;
}

void *
ward_conn_arg(const struct ward_conn *c)
{
	return c->set->arg;
}

void *
ward_conn_data(const struct ward_conn *c)
{
	return c->data;
}

void
ward_conn_set_data(struct ward_conn *c, void *data)
{
	c->data = data;
}
