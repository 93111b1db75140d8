/* One generation of a user's script: its state, what it may use, and what it left to be entered by. Private to
 * script.c, which makes and calls it, and scriptfn.c, which shows it to the trusted state. */
#ifndef WARD_BIND_SCRIPT_H
#define WARD_BIND_SCRIPT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "bind/bind.h"
#include "bind/budget.h"

struct ward_library;
struct ward_work;

struct ward_script {
	lua_State *L;
	struct ward_core *core; /* borrowed */
	struct ward_library *library;
	struct ward_budget budget;
	lua_State *trusted;	/* whose call entered it; NULL between entries */
	bool requested;		/* it has asked for something since it was entered */
	int server;		/* reference there: what host.request calls */
	struct ward_work *work; /* the load on a thread of its own; NULL when it is over */
	int loaded;		/* what it returned */
	int done, box; /* references there while it lasts: whom to tell, and the userdata */
	double cpu;    /* seconds that one load may use */
	struct ward_passed passed; /* of the bundle so far */
	size_t used, limit;	   /* bytes of Lua memory */
	size_t reserve;		   /* bytes above the limit that are open now */
	bool apart;		   /* services and tree are taken one by one */
	bool refused;		   /* the cap was met at least once */
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

#endif
