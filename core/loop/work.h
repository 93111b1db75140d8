/* Work that would keep the loop for too long, on a thread of its own. Not libuv's pool: it aborts the process when the
 * system refuses a thread. */
#ifndef WARD_LOOP_WORK_H
#define WARD_LOOP_WORK_H

#include <stdbool.h>

#include "loop/loop.h"

struct ward_work;
typedef void ward_work_fn(void *arg);

/* Calls @run(@arg) on a new thread, which has every signal blocked, and then @done(@arg) in the loop, once. *out is
 * the loop's, and gone when @done is called. Returns 0 or -errno (pthread_create(3): EAGAIN; eventfd(2)). */
int ward_work_start(struct ward_loop *loop, ward_work_fn *run, ward_work_fn *done, void *arg,
		    struct ward_work **out);

/* Waits at most @ms milliseconds for the thread; @done is not called any more. Returns false when it still runs: then
 * it is left alone with what it uses, until the process ends, and gets a processor only when nobody else wants it. */
bool ward_work_abandon(struct ward_work *w, unsigned ms);

/* Waits for all threads that were not abandoned; nothing is told any more. For when the loop has ended. */
void ward_work_join_all(void);

#endif
