/* Plain Lua values as bytes, and back. Within one run of one program: the bytes are not for other machines. */
#ifndef WARD_BIND_PACK_H
#define WARD_BIND_PACK_H

#include <lua.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the @n values at @index and above it to *to: nil, booleans, numbers (integers and floats stay what they are,
 * to the bit), strings, tables of these; at most 64 levels and 64 MiB, no cycles. Of a table with a metatable what it holds is
 * packed, without that; one that occurs twice is packed twice. Returns 0, or -EINVAL or -ENOMEM with a sentence in *err; *to is then as before. Never
 * raises. */
int ward_pack(lua_State *L, int index, int n, struct ward_buf *to, struct ward_err *err);

/* Pushes the values that @bytes hold and returns their number, or returns -EINVAL with nothing pushed and a sentence in
 * *err: any bytes may come. Raises when memory runs out. */
int ward_unpack(lua_State *L, const char *bytes, size_t n, struct ward_err *err);

#endif
