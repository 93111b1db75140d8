/* What a child calls, while it is learned: a listener in the loop that lets every call go on. */
#ifndef WARD_LOOP_LEARN_H
#define WARD_LOOP_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"

struct ward_learn;

/* Listens at @fd (moved on success) and tells of each call through @heard, in turns of the loop. *self is owned by the
 * caller until ward_learn_free or ward_learn_leave; when nobody is left who could call, the listener ends itself, and
 * *self is NULL from then on. Returns 0 or -errno, and nothing moved. */
int ward_learn_new(struct ward_loop *loop, int fd, void (*heard)(void *arg, uint32_t arch, int nr),
		   void *arg, struct ward_learn **self);

/* The listener, which is kept through a re-exec (loop/handover.h); borrowed. */
int ward_learn_fd(const struct ward_learn *l);

/* Answers what waits now; from then on it tells of nothing, but what the child left behind is answered until the last
 * of it is gone. Moves it from its owner to the list @rest. NULL is allowed. */
void ward_learn_leave(struct ward_learn *l, struct ward_learn **rest);

/* Ends those of a list: who still calls gets ENOSYS. */
void ward_learn_free_all(struct ward_learn **rest);

/* Ends one. NULL is allowed. */
void ward_learn_free(struct ward_learn *l);

#endif
