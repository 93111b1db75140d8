/* Children of ward that are not in the process table: descendants of services whose own parents ended, which
 * fall to ward as a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER). They are reaped here; those that a dead service
 * left in its session are killed. */
#ifndef WARD_LOOP_ORPHANS_H
#define WARD_LOOP_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/map.h"
#include "loop/loop.h"

struct ward_orphans;

/* Told of a child that has ended and is in the table after all, with its value there: reaps it. Returns false when
 * it did not. */
typedef bool ward_orphans_own_fn(void *value);

/* Takes and blocks SIGCHLD, and becomes a subreaper. Children that ward has already are never touched but reaped.
 * @table, borrowed, holds ward's own by pid. *out is owned. Returns 0 or -errno (ENOTSUP: /proc is missing or
 * of another pid namespace). */
int ward_orphans_new(struct ward_loop *loop, const struct ward_map *table, ward_orphans_own_fn *own,
		     struct ward_orphans **out);

/* NULL is allowed. */
void ward_orphans_free(struct ward_orphans *o);

/* The leader of the session @sid has ended: what it left there is killed soon. */
void ward_orphans_note_session(struct ward_orphans *o, pid_t sid);

/* How many there are; with @kill, sends SIGKILL to each and its descendants. */
int ward_orphans_count(struct ward_orphans *o, bool kill);

#endif
