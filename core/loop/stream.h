/* Our end of a pipe to or from a child.
 *
 * Bytes are taken from the pipe only when they are asked for: what nobody reads waits in the kernel
 * and holds up its writer alone. Nothing here blocks, and every callback comes from the loop, never
 * from inside a function below. */
#ifndef WARD_LOOP_STREAM_H
#define WARD_LOOP_STREAM_H

#include <stddef.h>
#include <sys/types.h>

#include "loop/loop.h"

/* The most that one read brings: what a pipe holds by default (pipe(7)). */
#define WARD_STREAM_READ 65536u

struct ward_stream;

/* @n > 0: bytes, borrowed until it returns; 0: end of file; < 0: -errno. The stream may be freed in
 * it. */
typedef void ward_stream_read_fn(void *arg, const char *bytes, ssize_t n);

/* @err: 0 when every byte is in the pipe, else -errno (EPIPE: nobody reads any more). The stream may
 * be freed in it. */
typedef void ward_stream_write_fn(void *arg, int err);

/* @fd: non-blocking, moved to the stream on success. *out is owned, ended by ward_stream_free.
 * Returns 0 or -errno. */
int ward_stream_new(struct ward_loop *loop, int fd, struct ward_stream **out);

/* Asks for the next bytes; @fn comes once. Returns 0; -EBUSY while something is under way; -errno
 * (epoll_ctl(2)). */
int ward_stream_read(struct ward_stream *s, ward_stream_read_fn *fn, void *arg);

/* Writes @n bytes, which are copied; @fn comes once, when all are in the pipe or never will be.
 * Returns 0; -EBUSY, -ENOMEM or -errno as above. */
int ward_stream_write(struct ward_stream *s, const void *bytes, size_t n, ward_stream_write_fn *fn,
		      void *arg);

/* Closes and frees; what was not written by now is dropped and no callback comes. NULL is allowed. */
void ward_stream_free(struct ward_stream *s);

#endif
