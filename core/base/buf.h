/* A byte queue: filled at its end, emptied from its front. */
#ifndef WARD_BASE_BUF_H
#define WARD_BASE_BUF_H

#include <stddef.h>

/* A zeroed struct is an empty queue. The @n bytes that wait begin at bytes + at. */
struct ward_buf {
	char *bytes; /* owned; NULL while nothing is held */
	size_t at, n, cap;
};

/* Returns a place behind the last byte where at least @want bytes (1 or more) can be written, or
 * NULL when memory ran out (queue untouched); the writer adds what it wrote to @n. Borrowed until
 * the next call on the queue. */
char *ward_buf_room(struct ward_buf *b, size_t want);

/* Appends @n bytes. Returns 0 or -ENOMEM (queue untouched). */
int ward_buf_add(struct ward_buf *b, const void *bytes, size_t n);

/* Drops the first @n bytes, which must be there. An emptied queue that had grown large gives its
 * memory back. */
void ward_buf_take(struct ward_buf *b, size_t n);

/* Frees the memory. The queue is empty afterwards and can be used again. */
void ward_buf_free(struct ward_buf *b);

#endif
