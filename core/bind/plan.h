/* What the binding files hand each other in C. */
#ifndef WARD_BIND_PLAN_H
#define WARD_BIND_PLAN_H

#include <lua.h>

#include "bind/learned.h"
#include "loop/logpump.h"
#include "loop/stream.h"
#include "spawn/plan.h"

/* The plan or log of the userdata at @index, borrowed as long as that lives; raises when it is
 * something else, or a plan that was closed. The log is NULL once it was closed. */
const struct ward_plan *ward_bind_plan(lua_State *L, int index);
struct ward_log *ward_bind_log_at(lua_State *L, int index);

/* The list of what the children of the plan at @index call, borrowed as long as that lives; NULL unless it learns. */
struct ward_learned *ward_bind_plan_learned(lua_State *L, int index);

/* To be called before each launch of the plan at @index: its Landlock rules are for what lies at their paths now. Returns 0,
 * or -errno with a sentence in *err. */
int ward_bind_plan_renew(lua_State *L, int index, struct ward_err *err);

/* The directory of the control group at @index, -1 once closed; raises when it is something else. */
int ward_bind_cgroup_at(lua_State *L, int index);

/* Pushes a stream that is still closed; what is stored in the result is owned by the userdata. */
struct ward_stream **ward_bind_stream_push(lua_State *L);

#endif
