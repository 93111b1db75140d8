/* Plain data on a Lua stack, as it is copied to another state (transfer.c) or packed (pack.c): nil, booleans, numbers,
 * strings, and tables of these without cycles. */
#ifndef WARD_BIND_PLAIN_H
#define WARD_BIND_PLAIN_H

#include <lua.h>
#include <stdbool.h>

#include "base/err.h"

#define WARD_PLAIN_DEPTH 64
#define WARD_PLAIN_BYTES ((size_t)64 << 20)

/* A walk over values. What it reads it reads through functions that neither raise nor allocate. */
struct ward_plain {
	lua_State *L;
	struct ward_err *err;
	const char *cannot; /* "leave the script": what a value that is refused cannot do */
};

/* A table that is being walked over, on top of those that hold it. */
struct ward_level {
	const struct ward_level *up;
	const void *table;
	int key; /* where the stack has the key of the value that is looked at */
	int depth;
};

/* Says in the walk's error why the value at @at (its keys from the root) cannot pass; returns false. */
bool ward_plain_refuse(const struct ward_plain *p, const struct ward_level *at, const char *why);

/* The same for a value of a Lua type that never passes. */
bool ward_plain_refuse_type(const struct ward_plain *p, const struct ward_level *at, int type);

/* Enters the table at @index, which is at @up: fills *here, and makes room for a key and its value at
 * here->key. False, and refused, when it holds itself or is nested too deep. */
bool ward_plain_enter(const struct ward_plain *p, int index, const struct ward_level *up,
		      struct ward_level *here);

/* Is the value at here->key one that a key of a plain table may be? Else it is refused. */
bool ward_plain_key(const struct ward_plain *p, const struct ward_level *here);

#endif
