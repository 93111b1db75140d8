/* A server on a unix stream socket that speaks in lines: the control socket without its protocol.
 *
 * Nothing here blocks, and no peer can hold up another: reads are bounded a turn, replies are
 * queued, and a peer that does not take them is dropped. Only processes of our own effective uid or
 * root are listened to (SO_PEERCRED), and of those nobody in a sandbox, whoever made it (linux/confined.h), nor whom
 * /proc tells nothing about; others are closed without a byte. SIGPIPE is never raised. */
#ifndef WARD_LOOP_SERVER_H
#define WARD_LOOP_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"

#define WARD_SERVER_CONNS 256	     /* more than this many are closed at once */
#define WARD_CONN_QUEUE	  (1u << 20) /* bytes of replies after which one peer gets no more */

struct ward_server;
struct ward_conn;

/* In each of these any function below may be called, on any connection and on the server. */
struct ward_server_config {
	size_t max_line; /* bytes a line may have, without its end */

	/* A line without its '\n' or "\r\n"; @bytes are borrowed until it returns and not
	 * NUL-terminated. What a peer leaves unended when it goes is no line. */
	void (*line)(struct ward_conn *conn, const char *bytes, size_t n);

	/* A line was longer than max_line. Comes once; nothing more is read as lines, and the
	 * connection is closed when what was sent until now is flushed. May be NULL. */
	void (*oversize)(struct ward_conn *conn);

	/* What waited for the peer is taken, all of it. Comes in the turn of the connection, never
	 * from inside a function below. May be NULL. */
	void (*drained)(struct ward_conn *conn);

	/* Comes exactly once for each connection, last of all; the connection can still be asked
	 * for its data, and is gone when this returns. Never comes from inside ward_conn_send
	 * or ward_conn_close. May be NULL. */
	void (*closed)(struct ward_conn *conn);
};

/* Listens at @path with mode 0600. A socket that is there and that nobody answers on is replaced;
 * anything else that is there is an error. Two servers that start at the same moment are not told
 * apart: the caller holds the instance's lock. Config is copied; *out is owned, ended by
 * ward_server_free. Returns 0, or -errno with a sentence in *err: EADDRINUSE when somebody answers,
 * EEXIST when it is not a socket, ENAMETOOLONG, and what bind(2) says. */
int ward_server_new(struct ward_loop *loop, const char *path,
		    const struct ward_server_config *config, void *arg, struct ward_server **out,
		    struct ward_err *err);

/* The same for the socket @fd that listens at @path already, kept through a re-exec (loop/handover.h): moved on success. */
int ward_server_adopt(struct ward_loop *loop, const char *path, int fd,
		      const struct ward_server_config *config, void *arg, struct ward_server **out,
		      struct ward_err *err);

/* Its socket, which is kept through a re-exec; borrowed. */
int ward_server_fd(const struct ward_server *server);

/* The same for the socket @fd that listens at @path already, kept through a re-exec (loop/handover.h): moved on success;
 * -1: none is there. */
int ward_server_adopt(struct ward_loop *loop, const char *path, int fd,
		      const struct ward_server_config *config, void *arg, struct ward_server **out,
		      struct ward_err *err);

/* Its socket, which is kept through a re-exec; borrowed. */
int ward_server_fd(const struct ward_server *server);

/* Closes every connection (replies that wait are lost, closed callbacks come) and removes the
 * socket if it is still ours. NULL is allowed. */
void ward_server_free(struct ward_server *server);

/* Sends, or queues what the peer does not take now. Each send counts as the answer to one line: a
 * peer that has shut down its side for writing is closed when it has an answer for every line.
 * Returns 0; -EPIPE when the connection is closing or nobody reads; -ENOBUFS or -ENOMEM when the
 * peer had too much waiting: it is dropped then. */
int ward_conn_send(struct ward_conn *conn, const void *bytes, size_t n);

/* The same for what answers no line. */
int ward_conn_tell(struct ward_conn *conn, const void *bytes, size_t n);

/* Bytes that wait because the peer does not take them. */
size_t ward_conn_queued(const struct ward_conn *conn);

/* Reads no more, and closes when the replies that wait are flushed or after five seconds. */
void ward_conn_close(struct ward_conn *conn);

uid_t ward_conn_uid(const struct ward_conn *conn);
pid_t ward_conn_pid(const struct ward_conn *conn);

/* The @arg of the server. */
void *ward_conn_arg(const struct ward_conn *conn);

/* One pointer for the owner, borrowed; NULL at first. */
void *ward_conn_data(const struct ward_conn *conn);
void ward_conn_set_data(struct ward_conn *conn, void *data);

#endif
