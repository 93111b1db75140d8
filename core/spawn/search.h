/* The PATH search of execvp(3), done beforehand: in the child's own PATH, and without a shell. */
#ifndef WARD_SPAWN_SEARCH_H
#define WARD_SPAWN_SEARCH_H

#include <stdint.h>

#include "base/pack.h"

/* Packs the paths at which @file is to be tried, NULL-terminated: itself when it holds a slash, else one for each
 * entry of PATH in @envp (an empty entry is the working directory). Sets *count. NULL while measuring. */
const char *const *ward_search_pack(struct ward_pack *p, const char *file, const char *const *envp,
				    uint32_t *count);

#endif
