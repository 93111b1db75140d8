/* The parts of ward_bind_sys. */
#ifndef WARD_BIND_SYS_H
#define WARD_BIND_SYS_H

#include <lua.h>

/* Adds read, stat, mkdir, unlink, rmdir, open, access_x and lock to the table on top: file.c. */
void ward_bind_files(lua_State *L);

#endif
