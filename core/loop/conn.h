/* The connections of a server (loop/server.h has what their owner may do with one). */
#ifndef WARD_LOOP_CONN_H
#define WARD_LOOP_CONN_H

#include "loop/server.h"

struct ward_conns;

/* An empty set; NULL when memory ran out. Owned, ended by ward_conns_end. Config is copied. */
struct ward_conns *ward_conns_new(struct ward_loop *loop, const struct ward_server_config *config,
				  void *arg);

/* Closes every connection and frees the set, later if this is called from one of its callbacks.
 * NULL is allowed. */
void ward_conns_end(struct ward_conns *set);

/* A connection for the accepted socket @fd, which is moved: it is closed at once when its peer may
 * not speak to us, when there are too many, or when memory ran out. */
void ward_conns_take(struct ward_conns *set, int fd);

#endif
