/* What changes in directories, by inotify(7): one instance for all, one watch a directory.
 *
 * Directories, not files: a file that is replaced by rename(2), as careful programs do, is another one
 * afterwards, and a watch of the first would see nothing more. */
#ifndef WARD_LOOP_DIRWATCH_H
#define WARD_LOOP_DIRWATCH_H

#include "loop/loop.h"

struct ward_dirwatches;
struct ward_dirwatch;

enum ward_dirwatch_what {
	WARD_DIR_CHANGED, /* something with the name that comes along appeared, went or changed */
	WARD_DIR_LOST,	  /* there were too many events: anything may have changed */
	WARD_DIR_GONE,	  /* the path leads to it no more; this comes once, last of all */
};

/* @name is borrowed until it returns, NULL but for WARD_DIR_CHANGED. Any watch may be freed in it. */
typedef void ward_dirwatch_fn(void *arg, enum ward_dirwatch_what what, const char *name);

/* *out is owned. Returns 0 or -errno (inotify_init1(2): EMFILE at the limit of instances). */
int ward_dirwatches_new(struct ward_loop *loop, struct ward_dirwatches **out);

/* Every watch must be gone. NULL is allowed. */
void ward_dirwatches_free(struct ward_dirwatches *set);

/* Watches the directory at @path, links followed; several may watch the same one. *out is owned. Returns
 * 0 or -errno (inotify_add_watch(2): ENOENT, ENOTDIR, EACCES, ENOSPC at the limit of watches). */
int ward_dirwatch_new(struct ward_dirwatches *set, const char *path, ward_dirwatch_fn *fn,
		      void *arg, struct ward_dirwatch **out);

/* No callback comes after it. NULL is allowed. */
void ward_dirwatch_free(struct ward_dirwatch *w);

#endif
