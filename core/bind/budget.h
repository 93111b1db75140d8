/* The CPU time that one entry into a script state may use.
 *
 * Nothing is paid while the time lasts: a timer on the thread's CPU clock sends a real-time signal
 * for each 10 ms, which an entry counts, and only when its time is used up the handler sets a hook
 * that raises an error at every instruction of the coroutine that runs. The hook stays until the entry
 * ends, so that a loop around pcall ends too. The timer runs on from entry to entry, because to set it
 * twice for each would cost more than many an entry; a signal that finds no entry stops it.
 *
 * A hook belongs to one coroutine, and hooks are off in finalizers and in what runs because a hook
 * raised an error: a message handler, or a __close in a coroutine that died of it. Therefore a
 * state under a budget has its own coroutine.resume, wrap and close (they also say which coroutine
 * runs), xpcall and setmetatable. What a single C function does for long, such as a pathological
 * pattern, is not reached: an entry that goes on so past its hard deadline is ended by a re-exec of the process
 * (loop/handover.h). */
#ifndef WARD_BIND_BUDGET_H
#define WARD_BIND_BUDGET_H

#include <lua.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The extra space of a script state points to it. Zeroed: no entry is active. */
struct ward_budget {
	lua_State *volatile running;   /* the coroutine that runs; NULL between entries */
	volatile sig_atomic_t spent;   /* the time is used up */
	volatile sig_atomic_t ticking; /* the timer runs */
	volatile sig_atomic_t ticks;   /* signals in this entry */
	int most;		       /* as many use the time up */
	volatile sig_atomic_t away;    /* what the script waits for runs: the time is not its own */
	volatile sig_atomic_t own;     /* signals in this entry that came while it was not */
	int deadline; /* as many of these, and the process executes itself again; 0: never */
	bool alone; /* nothing but this entry is there: past the deadline the process ends instead */
	atomic_bool expired; /* from another thread: no time is left */
	char where[192];     /* "file:line" where the time ran out, or "" */
	timer_t timer;
	bool open;
};

static inline struct ward_budget *
ward_budget_of(lua_State *L)
{
	return *(struct ward_budget **)lua_getextraspace(L);
}

/* Replaces what would let code of @L escape its budget; base and coroutine are open. May raise. */
void ward_budget_guard(lua_State *L);

/* Makes the timer, and this thread take its signal from now on: it has no other use in the process.
 * Returns 0 or -errno (timer_create(2): EAGAIN). */
int ward_budget_open(struct ward_budget *b);

/* Ends what open made. Harmless when it failed, or was never called on a zeroed budget. */
void ward_budget_close(struct ward_budget *b);

/* Has an entry gone on for a second of its thread's time after its time was up? It is in a C function, then, and `where` says
 * which line has called that, if any. For another thread, too. */
bool ward_budget_overdue(const struct ward_budget *b);

/* Writes "file:line" of the innermost line of a file's code that runs (ward's own chunks are named "=[ward...]"); @out
 * is untouched when there is none. It only reads: also for a signal handler, and within lua_Alloc. */
void ward_budget_where(const struct ward_budget *b, char *out, size_t size);

/* Ends the time of the entry that another thread is in. */
void ward_budget_expire(struct ward_budget *b);

/* Starts an entry of @ns nanoseconds (not 0) of this thread's CPU time, which is stopped at the latest
 * one period of the timer, and the kernel's tick, after that; @L is the main thread of the state. When nothing has
 * stopped it for @deadline ns of its own time (0: never), the process executes itself again: only for the thread that runs
 * main, and only when that is armed. */
void ward_budget_begin(struct ward_budget *b, lua_State *L, uint64_t ns, uint64_t deadline);

/* Ends the entry. spent and where stay to be read until the next one begins. */
void ward_budget_end(struct ward_budget *b, lua_State *L);

#endif
