/* Writes to a console without ever waiting for whoever reads it.
 *
 * A terminal that is stopped with Ctrl-S, a pager, a slow pipe: what they do not take is queued up
 * to WARD_OUT_QUEUE bytes, then whole writes are dropped, and when there is room again a line tells
 * how many bytes are missing. A reader that is gone for good (EPIPE, EIO) makes the writer quiet.
 * The process must ignore SIGPIPE. */
#ifndef WARD_LOOP_OUT_H
#define WARD_LOOP_OUT_H

#include <stddef.h>

#include "loop/loop.h"

#define WARD_OUT_QUEUE (1u << 20)

struct ward_out;

/* A writer to what @fd refers to. @fd is borrowed for the call only and stays as it is: pipes and
 * terminals are opened again through /proc/self/fd, because O_NONBLOCK on @fd itself would reach
 * every process that shares it. Where that is not allowed (a terminal of another user), each write
 * waits for poll(2) to report room first. Regular files, and whatever else epoll refuses, are
 * written to directly. *out is owned, ended by ward_out_free. Returns 0, or -errno: EBADF when @fd
 * is not open for writing. */
int ward_out_new(struct ward_loop *loop, int fd, struct ward_out **out);

/* Writes, queues or drops @n bytes; never blocks and never fails. A write is queued or dropped as a
 * whole, but one that has been taken in part is always finished. */
void ward_out_write(struct ward_out *out, const void *bytes, size_t n);

/* Gives what is queued up to 200 ms to leave, then frees. NULL is allowed. */
void ward_out_free(struct ward_out *out);

#endif
