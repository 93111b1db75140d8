/* core.connect: the blocking client of a line server, for commands that wait for their answer. */
#include "bind/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "linux/unixaddr.h"

#define CLIENT_TYPE	"ward.client"
#define INTERRUPTS_TYPE "ward.interrupts"

#define MAX_LINE     (16u << 20)
#define READ_CHUNK   65536
#define CONNECT_TIME 5 /* seconds that a full backlog is waited for */

struct client {
	int fd; /* -1: closed */
	struct ward_buf in;
	size_t scanned; /* of in: no line end before this */
};

/* While one lives, SIGINT ends waits that are given it, and nothing else. */
struct interrupts {
	int fd; /* a signalfd; -1: closed */
	sigset_t before;
};

static int
client_close(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_TYPE);

	ward_fd_close(&c->fd);
	ward_buf_free(&c->in);
	c->scanned = 0;
	return 0;
}

static int
fail_closed(lua_State *L)
{
	return ward_bind_fail_code(L, "closed", "the connection is closed");
}

/* Takes a SIGINT that has come. */
static bool
take_interrupt(const struct interrupts *i)
{
	struct signalfd_siginfo info;

	return i && i->fd >= 0 && read(i->fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* Waits for @events, or a signal of @i, which may be NULL, until @deadline (monotonic seconds; infinite
 * when there is none). False when it has passed. */
static bool
wait_for(int fd, short events, double deadline, const struct interrupts *i)
{
	for (;;) {
		struct pollfd p[] = { { .fd = fd, .events = events },
				      { .fd = i ? i->fd : -1, .events = POLLIN } };
		double left = deadline - (double)ward_now_ns() / 1e9;
		int ms = -1, r;

		/* Rounded up: a timeout must not come before its time. */
		if (left < 86400)
			ms = left > 0 ? (int)(left * 1000) + 1 : 0;
		else if (isfinite(left))
			ms = 86400 * 1000;
		r = poll(p, 2, ms);
		if (r > 0)
			return true;
		if (r == 0 && left < 86400)
			return false;
	}
}

static double
opt_deadline(lua_State *L, int arg)
{
	double d = luaL_optnumber(L, arg, HUGE_VAL);

	luaL_argcheck(L, !isnan(d), arg, "not a time");
	return d;
}

static int
fail_timeout(lua_State *L)
{
	return ward_bind_fail_code(L, "timeout", "no answer in time");
}

/* conn:send(s [, deadline]) -> true | nil, err */
static int
client_send(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_TYPE);
	size_t n;
	const char *p = luaL_checklstring(L, 2, &n);
	double deadline = opt_deadline(L, 3);

	if (c->fd < 0)
		return fail_closed(L);
	while (n > 0) {
		ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k >= 0) {
			p += k;
			n -= (size_t)k;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return fail_closed(L);
		} else if (errno == EAGAIN) {
			if (!wait_for(c->fd, POLLOUT, deadline, NULL))
				return fail_timeout(L);
		} else if (errno != EINTR) {
			return ward_bind_fail_errno(L, errno, "cannot send");
		}
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* Pushes the next line that is complete; 0 when there is none. */
static int
take_line(lua_State *L, struct client *c)
{
	const char *line, *end;
	size_t n;

	if (c->in.n == 0)
		return 0;
	line = c->in.bytes + c->in.at;
	end = memchr(line + c->scanned, '\n', c->in.n - c->scanned);
	if (!end) {
		c->scanned = c->in.n;
		return 0;
	}
	n = (size_t)(end - line);
	lua_pushlstring(L, line, n > 0 && line[n - 1] == '\r' ? n - 1 : n);
	ward_buf_take(&c->in, n + 1);
	c->scanned = 0;
	return 1;
}

/* conn:recv([deadline [, interrupts]]) -> line without its end | nil, err */
static int
client_recv(lua_State *L)
{
	struct client *c = luaL_checkudata(L, 1, CLIENT_TYPE);
	double deadline = opt_deadline(L, 2);
	struct interrupts *i =
		lua_isnoneornil(L, 3) ? NULL : luaL_checkudata(L, 3, INTERRUPTS_TYPE);

	if (c->fd < 0)
		return fail_closed(L);
	while (!take_line(L, c)) {
		char *room;
		ssize_t k;

		if (c->in.n > MAX_LINE)
			return ward_bind_fail_errno(L, EMSGSIZE, "the answer has no end");
		room = ward_buf_room(&c->in, READ_CHUNK);
		if (!room)
			return ward_bind_fail_errno(L, ENOMEM, "cannot receive");
		k = recv(c->fd, room, READ_CHUNK, MSG_DONTWAIT);
		if (k > 0) {
			c->in.n += (size_t)k;
		} else if (k == 0 || errno == ECONNRESET) {
			return fail_closed(L);
		} else if (errno == EAGAIN) {
			if (take_interrupt(i))
				return ward_bind_fail_code(L, "interrupted", "interrupted");
			if (!wait_for(c->fd, POLLIN, deadline, i))
				return fail_timeout(L);
		} else if (errno != EINTR) {
			return ward_bind_fail_errno(L, errno, "cannot receive");
		}
	}
	return 1;
}

/* Connects c->fd; a full backlog is waited for, as SO_SNDTIMEO makes connect(2) do. */
static int
client_open(struct client *c, const char *path)
{
	const struct timeval limit = { .tv_sec = CONNECT_TIME };
	struct ward_unixaddr a;
	int r = ward_unixaddr_init(&a, path);

	if (r < 0)
		return r;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		r = -errno;
	while (r == 0 && connect(c->fd, (const struct sockaddr *)&a.sa, sizeof(a.sa)) < 0) {
		if (errno != EINTR)
			r = -errno;
	}
	ward_unixaddr_free(&a);
	return r;
}

/* connect(path) -> conn | nil, err (err.errno ENOENT or ECONNREFUSED: nobody listens) */
static int
client_connect(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct client *c = lua_newuserdatauv(L, sizeof(*c), 0);
	int r;

	*c = (struct client){ .fd = -1 };
	luaL_setmetatable(L, CLIENT_TYPE);
	r = client_open(c, path);
	if (r < 0) {
		ward_fd_close(&c->fd);
		return ward_bind_fail_errno(L, -r, "cannot connect to %s", path);
	}
	return 1;
}

static int
interrupts_close(lua_State *L)
{
	struct interrupts *i = luaL_checkudata(L, 1, INTERRUPTS_TYPE);

	if (i->fd < 0)
		return 0;
	while (take_interrupt(i)) /* it was meant for what is over */
		continue;
	ward_fd_close(&i->fd);
	(void)sigprocmask(SIG_SETMASK, &i->before, NULL);
	return 0;
}

/* interrupts() -> interrupts, to be closed | nil, err */
static int
client_interrupts(lua_State *L)
{
	struct interrupts *i = lua_newuserdatauv(L, sizeof(*i), 0);
	sigset_t set;
	int e;

	*i = (struct interrupts){ .fd = -1 };
	luaL_setmetatable(L, INTERRUPTS_TYPE);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, &i->before) < 0)
		return ward_bind_fail_errno(L, errno, "cannot block SIGINT");
	i->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (i->fd < 0) {
		e = errno;
		(void)sigprocmask(SIG_SETMASK, &i->before, NULL);
		return ward_bind_fail_errno(L, e, "cannot watch SIGINT");
	}
	return 1;
}

void
ward_bind_client(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "send", client_send },  { "recv", client_recv },     { "close", client_close },
		{ "__gc", client_close }, { "__close", client_close }, { NULL, NULL },
	};

	static const luaL_Reg of_interrupts[] = {
		{ "__gc", interrupts_close },
		{ "__close", interrupts_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, CLIENT_TYPE, methods);
	ward_bind_class(L, INTERRUPTS_TYPE, of_interrupts);
	lua_pushcfunction(L, client_connect);
	lua_setfield(L, -2, "connect");
	lua_pushcfunction(L, client_interrupts);
	lua_setfield(L, -2, "interrupts");
}
