/* Ward's own Lua library as script states load it: compiled once for all of them. The chunks were dumped by this process
 * and never leave it; what a script brings is text. */
#ifndef WARD_BIND_LIBRARY_H
#define WARD_BIND_LIBRARY_H

#include <lua.h>

struct ward_library;

/* The library of a trusted state, made when there is none. May raise. *borrowed until the state is closed*; who keeps it
 * longer takes a reference. */
struct ward_library *ward_library_of(lua_State *L);

/* Another user, on whatever thread; each one calls unref, after which it is gone when it was the last. NULL is allowed in
 * unref. */
struct ward_library *ward_library_ref(struct ward_library *lib);
void ward_library_unref(struct ward_library *lib);

/* Pushes the chunk @name as a function, or nil when it is not known. May raise, as lua_load does. */
void ward_library_get(struct ward_library *lib, lua_State *L, const char *name);

/* Keeps the Lua function on top of the stack as @name, unless there is no memory for it. Never raises. */
void ward_library_put(struct ward_library *lib, lua_State *L, const char *name);

#endif
