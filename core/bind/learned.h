/* What the children of a plan have called, for the list that seccomp = { learn = PATH } writes. */
#ifndef WARD_BIND_LEARNED_H
#define WARD_BIND_LEARNED_H

#include <stdint.h>

struct ward_learned;

/* @path is copied. Returns an owned list, or NULL without memory. */
struct ward_learned *ward_learned_new(const char *path);

/* NULL is allowed. */
void ward_learned_free(struct ward_learned *l);

/* Where the list is to be; borrowed. */
const char *ward_learned_path(const struct ward_learned *l);

/* Adds a call of @arch (AUDIT_ARCH_*). What does not fit into memory is missing from the list. */
void ward_learned_note(struct ward_learned *l, uint32_t arch, int nr);

/* Could a list be written there? Returns 0 or -errno: of access(2), EISDIR, ELOOP (through a symbolic link). */
int ward_learned_check(const char *path);

/* Puts what was called so far in the place of the file at the path: a Lua module that returns the sorted names of the native
 * calls, and of those that every program needs; others stand there as comments. Returns the number of names, 0 with nothing
 * written when there was no call, or -errno: open(2), write(2), rename(2), ENOMEM. */
int ward_learned_write(struct ward_learned *l);

#endif
