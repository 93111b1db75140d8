/* One generation of a user's script: its state, what it may use, and what it left to be entered by. Private to
 * script.c, which makes and calls it, and scriptfn.c and entry.c, which show it to the trusted state. */
#ifndef WARD_BIND_SCRIPT_H
#define WARD_BIND_SCRIPT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "bind/bind.h"
#include "bind/budget.h"
#include "loop/work.h"

struct ward_library;

struct ward_script {
	lua_State *L;
	struct ward_core *core; /* borrowed */
	struct ward_library *library;
	struct ward_budget budget;
	lua_State *trusted; /* whose call entered it; NULL between entries */
	bool requested;	    /* it has asked for something since it was entered */
	int server;	    /* reference there: what host.request calls */
	struct ward_work
		*work; /* the load, or an entry, on a thread of its own; NULL when it is over */
	int loaded;    /* what it returned */
	int done, box; /* references there while it lasts: whom to tell, and the userdata */
	double cpu;    /* seconds that what has a thread of its own may use */
	struct ward_passed passed; /* of the bundle so far */
	size_t used, limit;	   /* bytes of Lua memory */
	size_t reserve;		   /* bytes above the limit that are open now */
	bool apart;		   /* services and tree are taken one by one */
	bool refused;		   /* the cap was met at least once */
	char refused_at[192];	   /* "file:line" of the last time, or "" */
	const char *code;	   /* after a failure: a word for it, and the sentence */
	char message[4096];
	char path[]; /* of the script */
};

/* Where a script's own stack keeps what boot.lua left to enter it by, and, until it is taken, the bundle: without its
 * services and their tree, which are large. */
enum { WARD_SCRIPT_ENTRY = 1, WARD_SCRIPT_BUNDLE, WARD_SCRIPT_SERVICES, WARD_SCRIPT_TREE };

/* Makes a state without libraries. @core: borrowed; @library: it takes a reference; @memory: bytes; @cpu: seconds that the load may use. Returns
 * 0 or -ENOMEM; *out is owned. */
int ward_script_new(struct ward_core *core, struct ward_library *library, const char *path,
		    size_t memory, double cpu, struct ward_script **out);

/* NULL is allowed. */
void ward_script_free(struct ward_script *s);

/* Loads the script on the calling thread. Its stack is empty, or holds one table: texts by path, which stand for all
 * files that there are. Returns 0 with entry, bundle, services and tree on its stack, or -EINVAL with code and message set. Never
 * raises. */
int ward_script_load(struct ward_script *s);

/* Makes the calling thread the one that enters a script whose budget was closed. Returns 0, or -EINVAL with code and
 * message set. */
int ward_script_attach(struct ward_script *s);

/* Calls the function below @nargs arguments on the script's stack for at most @cpu seconds of the thread. @when: the
 * end of a sentence about the budget. Returns 0 with its results on top, or -EINVAL with code and message set. Never
 * raises. */
int ward_script_call(struct ward_script *s, int nargs, double cpu, const char *when);

#define WARD_SCRIPT_MOST_CPU 86400.0 /* seconds of a load or an entry */

/* The script whose userdata is argument 1; raises unless it can be entered now. */
struct ward_script *ward_script_check(lua_State *L);

/* Calls @there on a thread of its own and @after in the loop; until then the userdata at @box of the stack and the function at
 * @done are kept in `box` and `done`. Returns 0, or how many values pushed to @L say why not. */
int ward_script_start(lua_State *L, struct ward_script *s, int box, int done, ward_work_fn *there,
		      ward_work_fn *after);

/* Nobody waits for that any more. */
void ward_script_forget(lua_State *L, struct ward_script *s);

/* script:enter(cpu, ...) -> true, results | nil, err: calls its entry with plain data */
int ward_script_enter(lua_State *L);

/* script:enter_apart(cpu, done, ...) -> true | nil, err: the same on a thread of its own, where it can ask for nothing;
 * later done(true, results) or done(nil, err) is called. Until then the script can only be closed, and asked whether it is
 * overdue. */
int ward_script_enter_apart(lua_State *L);

#endif
