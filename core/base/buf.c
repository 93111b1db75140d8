#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAP	 512
#define KEEP_CAP 65536 /* an empty queue keeps no more than this */

char *
ward_buf_room(struct ward_buf *b, size_t want)
{
	size_t cap;
	char *p;

	if (b->cap - b->at - b->n >= want)
		return b->bytes + b->at + b->n;
	/* Moved down only when at least as much was taken as is moved: else a queue that is kept
	 * full and emptied byte by byte would be copied for every byte. */
	if (b->at >= b->n && b->cap - b->n >= want) {
		if (b->n)
			memmove(b->bytes, b->bytes + b->at, b->n);
		b->at = 0;
		return b->bytes + b->n;
	}
	if (want > SIZE_MAX / 4 - b->n)
		return NULL;
	cap = 2 * (b->n + want);
	if (cap < MIN_CAP)
		cap = MIN_CAP;
	p = malloc(cap);
	if (!p)
		return NULL;
	if (b->n)
		memcpy(p, b->bytes + b->at, b->n);
	free(b->bytes);
	*b = (struct ward_buf){ .bytes = p, .n = b->n, .cap = cap };
	return p + b->n;
}

int
ward_buf_add(struct ward_buf *b, const void *bytes, size_t n)
{
	char *p;

	if (n == 0)
		return 0;
	p = ward_buf_room(b, n);
	if (!p)
		return -ENOMEM;
	memcpy(p, bytes, n);
	b->n += n;
	return 0;
}

void
ward_buf_take(struct ward_buf *b, size_t n)
{
	b->at += n;
	b->n -= n;
	if (b->n > 0)
		return;
	b->at = 0;
	if (b->cap > KEEP_CAP)
		ward_buf_free(b);
}

void
ward_buf_free(struct ward_buf *b)
{
	free(b->bytes);
	*b = (struct ward_buf){ 0 };
}
