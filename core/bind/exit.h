/* The end of a child as Lua hears of it. */
#ifndef WARD_BIND_EXIT_H
#define WARD_BIND_EXIT_H

#include <lua.h>

struct ward_ended;

struct ward_bind_news {
	const struct ward_ended *how;
	const char *list; /* of what it called; NULL: it was not learned */
	int learned;	  /* how many names, or -errno of writing them */
};

/* A lua_CFunction (news, fn): calls fn(exit). It builds the exit inside the protected call, because building allocates;
 * @news is a light userdata. */
int ward_bind_call_exit(lua_State *L);

/* A lua_CFunction (p), a light userdata, for within `started` of loop/proc.h: the sandbox steps that failed and were allowed
 * to, a list of { stage, errno, message }, or nil. */
int ward_bind_degraded(lua_State *L);

#endif
