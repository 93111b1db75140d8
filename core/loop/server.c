#include "loop/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/unixaddr.h"
#include "loop/conn.h"
#include "loop/handover.h"

#define BACKLOG	 128
#define ACCEPTS	 32 /* a turn */
#define PAUSE_NS 100000000u

struct ward_server {
	struct ward_watch watch;
	struct ward_loop *loop;
	struct ward_conns *conns;
	struct ward_timer *resume; /* ends a pause of accepting */
	char *name;		   /* of the socket in dir */
	dev_t dev;
	ino_t ino; /* 0: nothing bound yet */
	int fd, dir;
	int spare; /* given up to be able to refuse a peer when there are no descriptors */
};

static int
open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without a free descriptor a peer cannot be accepted, and the listening socket would be ready
 * for ever: the spare one is given up for the time it takes to refuse it. False when that is not
 * possible either. */
static bool
server_refuse_one(struct ward_server *s)
{
	int fd;

	if (s->spare < 0)
		s->spare = open_spare();
	if (s->spare < 0)
		return false;
	ward_fd_close(&s->spare);
	fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	ward_fd_close(&fd);
	s->spare = open_spare();
	return true;
}

static void
on_resume(void *arg)
{
	struct ward_server *s = arg;

	if (ward_watch_mod(s->loop, &s->watch, EPOLLIN) < 0)
		ward_timer_arm(s->resume, ward_now_ns() + PAUSE_NS);
}

static void
server_ready(struct ward_watch *w, uint32_t events)
{
	struct ward_server *s = ward_container_of(w, struct ward_server, watch);

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			ward_conns_take(s->conns, fd);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if ((errno == EMFILE || errno == ENFILE) && server_refuse_one(s))
			continue;
		/* No memory, or no descriptor at all: peers wait in the backlog meanwhile. */
		if (ward_watch_mod(s->loop, &s->watch, 0) == 0)
			ward_timer_arm(s->resume, ward_now_ns() + PAUSE_NS);
		return;
	}
}

/* Removes what is at the address if it is a socket that nobody answers on. */
static int
remove_stale(const struct ward_unixaddr *a, const char *path, struct ward_err *err)
{
	WARD_AUTO_FD int fd = -1;
	struct stat st;

	if (fstatat(a->dir, a->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : ward_err_set(err, 0, errno, "cannot look at %s: %s", path,
						      strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return ward_err_set(err, 0, EEXIST, "%s exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ward_err_set(err, 0, errno, "cannot make a socket: %s", strerror(errno));
	/* EAGAIN is a full backlog and EPROTOTYPE another kind of socket: both have an owner. */
	if (connect(fd, (const struct sockaddr *)&a->sa, sizeof(a->sa)) == 0 || errno == EAGAIN ||
	    errno == EPROTOTYPE)
		return ward_err_set(err, 0, EADDRINUSE, "another process listens on %s", path);
	if (errno == ENOENT)
		return 0;
	if (errno != ECONNREFUSED)
		return ward_err_set(err, 0, errno, "cannot tell whether anybody listens on %s",
				    path);
	if (unlinkat(a->dir, a->name, 0) < 0 && errno != ENOENT)
		return ward_err_set(err, 0, errno, "cannot remove the stale socket %s: %s", path,
				    strerror(errno));
	return 0;
}

/* What is removed at the end must be the file that is there now. */
static int
server_note(struct ward_server *s, const struct ward_unixaddr *a, const char *path,
	    struct ward_err *err)
{
	struct stat st;

	if (fstatat(a->dir, a->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ward_err_set(err, 0, errno, "cannot look at %s: %s", path, strerror(errno));
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

/* Binds s->fd with mode 0600 from the first moment: the umask applies to the inode that bind(2)
 * makes (unix(7)), a later chmod would leave a gap. */
static int
server_bind(struct ward_server *s, const struct ward_unixaddr *a, const char *path,
	    struct ward_err *err)
{
	int r;

	for (int attempt = 0;; attempt++) {
		mode_t mask = umask(0177);

		r = bind(s->fd, (const struct sockaddr *)&a->sa, sizeof(a->sa)) < 0 ? -errno : 0;
		(void)umask(mask);
		if (r == 0)
			break;
		if (r != -EADDRINUSE || attempt > 0)
			return ward_err_set(err, 0, -r, "cannot make the socket %s: %s", path,
					    strerror(-r));
		r = remove_stale(a, path, err);
		if (r < 0)
			return r;
	}
	r = server_note(s, a, path, err);
	if (r == 0 && listen(s->fd, BACKLOG) < 0)
		return ward_err_set(err, 0, errno, "cannot listen on %s: %s", path,
				    strerror(errno));
	return r;
}

/* @kept: the socket, or -1 to make one. */
static int
server_listen(struct ward_server *s, const char *path, int kept, struct ward_err *err)
{
	struct ward_unixaddr a;
	int r = ward_unixaddr_init(&a, path);

	if (r == -ENAMETOOLONG)
		return ward_err_set(err, 0, -r, "the name of the socket %s is too long", path);
	if (r < 0)
		return ward_err_set(err, 0, -r, "cannot open the directory of %s: %s", path,
				    strerror(-r));
	s->dir = a.dir;
	s->name = strdup(a.name);
	s->resume = ward_timer_new(s->loop, on_resume, s);
	if (!s->conns || !s->name || !s->resume)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	s->spare = open_spare();
	if (kept < 0)
		s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->spare < 0 || (kept < 0 && s->fd < 0))
		return ward_err_set(err, 0, errno, "cannot make a socket: %s", strerror(errno));
	r = kept < 0 ? server_bind(s, &a, path, err) : 0;
	if (r < 0)
		return r;
	r = ward_watch_add(s->loop, &s->watch, kept < 0 ? s->fd : kept, EPOLLIN, server_ready);
	if (r < 0)
		return ward_err_set(err, 0, -r, "cannot watch %s: %s", path, strerror(-r));
	if (kept >= 0) {
		r = server_note(s, &a, path, err);
		if (r < 0)
			return r;
		s->fd = kept;
	}
	ward_handover_add(s->fd);
	ward_handover_take(s->fd);
	return 0;
}

int
ward_server_new(struct ward_loop *loop, const char *path, const struct ward_server_config *config,
		void *arg, struct ward_server **out, struct ward_err *err)
{
	return ward_server_adopt(loop, path, -1, config, arg, out, err);
}

int
ward_server_fd(const struct ward_server *server)
{
	return server->fd;
}

int
ward_server_adopt(struct ward_loop *loop, const char *path, int fd,
		  const struct ward_server_config *config, void *arg, struct ward_server **out,
		  struct ward_err *err)
{
	struct ward_server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	s->loop = loop;
	s->conns = ward_conns_new(loop, config, arg);
	s->fd = s->dir = s->spare = -1;
	r = server_listen(s, path, fd, err);
	if (r < 0) {
		ward_server_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void
ward_server_free(struct ward_server *s)
{
	struct stat st;

	if (!s)
		return;
	ward_watch_del(s->loop, &s->watch);
	ward_timer_free(s->resume);
	/* Removed before it is closed: a peer then finds no socket rather than one that refuses. */
	if (s->ino != 0 && fstatat(s->dir, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlinkat(s->dir, s->name, 0);
	ward_handover_close(&s->fd);
	ward_fd_close(&s->spare);
	ward_fd_close(&s->dir);
	ward_conns_end(s->conns);
	free(s->name);
	free(s);
}
