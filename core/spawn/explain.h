/* Between the files that put a plan into words. */
#ifndef WARD_SPAWN_EXPLAIN_H
#define WARD_SPAWN_EXPLAIN_H

#include <stddef.h>

#include "spawn/child_noheap.h"

/* The names of namespaces (CLONE_NEW*), with a space before each; as snprintf(3). */
int ward_explain_names(uint64_t flags, char *buf, size_t size);

/* Words for the steps from USERNS to USER_ENTER; as snprintf(3). */
int ward_explain_ns(const struct ward_step *s, char *buf, size_t size);

#endif
