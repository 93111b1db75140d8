#include "bind/budget.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/handover.h"

/* bits/types/sigevent_t.h of glibc before 2.38 has no public name for it. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* A real-time signal: it has no other user here, and none is lost when several are pending. */
#define BUDGET_SIGNAL (SIGRTMIN + 4)

/* Of CPU time, from signal to signal. They go on after the time is up: Lua writes the flag that a hook
 * relies on without knowing of signal handlers, so that one setting of it may be overwritten. */
#define TICK_NS 10000000L

/* Of an entry that is past its deadline, between attempts to execute the process again: a second. */
#define RETRY_TICKS 100

#define MAX_LEVELS 64 /* of the stack, searched for the culprit */

void
ward_budget_where(const struct ward_budget *b, char *out, size_t size)
{
	lua_State *L = b->running;
	lua_Debug ar;

	for (int level = 0; L && level < MAX_LEVELS && lua_getstack(L, level, &ar); level++) {
		if (!lua_getinfo(L, "Sl", &ar) || ar.currentline <= 0 || *ar.source != '@')
			continue;
		(void)snprintf(out, size, "%s:%d", ar.source + 1, ar.currentline);
		return;
	}
}

/* Notes where the time ran out. */
static void
note_where(struct ward_budget *b)
{
	ward_budget_where(b, b->where, sizeof(b->where));
}

static void
on_instruction(lua_State *L, lua_Debug *ar)
{
	struct ward_budget *b = ward_budget_of(L);

	(void)ar;
	if (!b->where[0])
		note_where(b);
	lua_pushliteral(L, "used its CPU budget");
	lua_error(L);
}

/* Safe in a signal handler (lua.c does the same on SIGINT). Calls count, too: a library function that calls C functions
 * (__index, a comparison, a reader) runs no instruction. */
static void
arm(lua_State *L)
{
	lua_sethook(L, on_instruction, LUA_MASKCOUNT | LUA_MASKCALL, 1);
}

/* Signals after which an entry that the hook has not ended is said to be in a C function. */
#define STUCK_TICKS   10
#define OVERDUE_TICKS 100

bool
ward_budget_overdue(const struct ward_budget *b)
{
	return b->spent && b->ticks - b->most >= OVERDUE_TICKS;
}

/* A command that does nothing but load cannot go on. */
static void
give_up(const struct ward_budget *b)
{
	char line[sizeof(b->where) + 64];
	int n = snprintf(line, sizeof(line), "%s%sa call does not return while loading\n", b->where,
			 b->where[0] ? ": " : "ward: ");

	ward_fd_say(STDERR_FILENO, line, (size_t)n);
	_exit(1);
}

/* The time is up since a while, and the hook has not ended the entry: it is deep in a C function. In what runs on its
 * behalf meanwhile, a launch for instance, nothing is interrupted. */
static void
enforce_deadline(struct ward_budget *b, int n)
{
	if (b->away || b->deadline == 0)
		return;
	b->own += n;
	if (!b->spent || b->own < b->deadline)
		return;
	if (b->alone)
		give_up(b);
	if (ward_handover_exec("deadline", b->where) < 0)
		b->own = b->deadline - RETRY_TICKS;
}

static void
on_signal(int sig, siginfo_t *info, void *context)
{
	struct ward_budget *b;

	(void)sig;
	(void)context;
	if (info->si_code != SI_TIMER)
		return; /* somebody's kill(1): the value is not a pointer of ours */
	b = info->si_value.sival_ptr;
	if (!b->running) {
		const struct itimerspec never = { 0 };

		(void)timer_settime(b->timer, 0, &never, NULL);
		b->ticking = 0;
		return;
	}
	b->ticks += 1 + info->si_overrun;
	enforce_deadline(b, 1 + info->si_overrun);
	if (b->ticks < b->most && !atomic_load(&b->expired))
		return;
	b->spent = 1;
	arm(b->running);
	/* This only reads, and no frame changes in a C call. */
	if (!b->where[0] && b->ticks - b->most >= STUCK_TICKS)
		note_where(b);
}

int
ward_budget_open(struct ward_budget *b)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID,
				  .sigev_signo = BUDGET_SIGNAL,
				  .sigev_value.sival_ptr = b };
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t only;

	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &b->timer) < 0)
		return -errno;
	b->open = true;
	b->ticking = 0;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(BUDGET_SIGNAL, &action, NULL);
	/* Whoever started ward may have left it blocked. */
	(void)sigemptyset(&only);
	(void)sigaddset(&only, BUDGET_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &only, NULL);
	return 0;
}

void
ward_budget_close(struct ward_budget *b)
{
	/* A signal that is pending is delivered at the latest when this returns. */
	if (b->open)
		(void)timer_delete(b->timer);
	b->open = false;
}

void
ward_budget_expire(struct ward_budget *b)
{
	const struct itimerspec now = { .it_value = { 0, 1 }, .it_interval = { 0, TICK_NS } };

	atomic_store(&b->expired, true);
	(void)timer_settime(b->timer, 0, &now, NULL);
}

void
ward_budget_begin(struct ward_budget *b, lua_State *L, uint64_t ns, uint64_t deadline)
{
	const struct itimerspec ticks = { .it_value = { 0, TICK_NS },
					  .it_interval = { 0, TICK_NS } };

	b->where[0] = '\0';
	b->spent = 0;
	b->ticks = 0;
	b->own = 0;
	b->deadline = (int)((deadline + TICK_NS - 1) / TICK_NS);
	/* The first may come at once: it counts for nothing. */
	b->most = (int)((ns + TICK_NS - 1) / TICK_NS) + 1;
	b->running = L;
	/* From here on the handler does not stop the timer. */
	if (b->ticking)
		return;
	b->ticking = 1;
	(void)timer_settime(b->timer, 0, &ticks, NULL);
}

void
ward_budget_end(struct ward_budget *b, lua_State *L)
{
	/* From here on the handler touches no state. */
	b->running = NULL;
	if (b->spent)
		lua_sethook(L, NULL, 0, 0);
}

/* Says that @L runs now; returns what ran before. A signal between the store and the test arms @L
 * twice, which is harmless. */
static lua_State *
enter(struct ward_budget *b, lua_State *L)
{
	lua_State *before = b->running;

	b->running = L;
	if (b->spent && L)
		arm(L);
	return before;
}

static lua_State *
check_coroutine(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);

	luaL_argexpected(L, co, 1, "coroutine");
	return co;
}

/* Resumes @co with the @nargs values on top of @L. Returns the number of results, or -1 with the
 * error on top. */
static int
resume(lua_State *L, lua_State *co, int nargs)
{
	struct ward_budget *b = ward_budget_of(L);
	lua_State *before;
	int status, n;

	if (!lua_checkstack(co, nargs)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, nargs);
	before = enter(b, co);
	status = lua_resume(co, L, nargs, &n);
	(void)enter(b, before);
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_xmove(co, L, 1);
		return -1;
	}
	if (!lua_checkstack(L, n + 1)) {
		lua_pop(co, n);
		lua_pushliteral(L, "too many results to resume");
		return -1;
	}
	lua_xmove(co, L, n);
	return n;
}

static int
guarded_resume(lua_State *L)
{
	lua_State *co = check_coroutine(L);
	int n = resume(L, co, lua_gettop(L) - 1);

	lua_pushboolean(L, n >= 0);
	if (n < 0)
		n = 1;
	lua_insert(L, -(n + 1));
	return n + 1;
}

/* Closes @co; returns lua_resetthread's status, the error then on top of @co. Once the time is up
 * nothing is closed: a coroutine that ended by our hook has hooks off for good, and a __close in it
 * could run for ever. */
static int
reset(struct ward_budget *b, lua_State *co)
{
	lua_State *before = enter(b, co);
	int status = lua_resetthread(co);

	(void)enter(b, before);
	return status;
}

static int
wrapped(lua_State *L)
{
	struct ward_budget *b = ward_budget_of(L);
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	int n = resume(L, co, lua_gettop(L)), status;

	if (n >= 0)
		return n;
	status = lua_status(co);
	if (!b->spent && status != LUA_OK && status != LUA_YIELD) {
		status = reset(b, co);
		lua_xmove(co, L, 1);
	}
	if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int
guarded_wrap(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, wrapped, 1);
	return 1;
}

static int
guarded_close(lua_State *L)
{
	struct ward_budget *b = ward_budget_of(L);
	lua_State *co = check_coroutine(L);
	int status = lua_status(co);
	lua_Debug ar;

	if (co == L)
		return luaL_error(L, "cannot close a running coroutine");
	if (status == LUA_OK && lua_getstack(co, 0, &ar))
		return luaL_error(L, "cannot close a normal coroutine");
	if (b->spent)
		return luaL_error(L, "used its CPU budget");
	status = reset(b, co);
	lua_pushboolean(L, status == LUA_OK);
	if (status == LUA_OK)
		return 1;
	lua_xmove(co, L, 1);
	return 2;
}

/* The message handler of xpcall. Hooks are off in one that our hook's error reaches: it must not
 * run then. */
static int
handle_message(lua_State *L)
{
	if (ward_budget_of(L)->spent)
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

static int
finish_xpcall(lua_State *L, int status, lua_KContext below)
{
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_pushboolean(L, 0);
		lua_pushvalue(L, -2);
		return 2;
	}
	return lua_gettop(L) - (int)below;
}

static int
guarded_xpcall(lua_State *L)
{
	int nargs = lua_gettop(L) - 2;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, handle_message, 1);
	lua_replace(L, 2);
	lua_pushboolean(L, 1); /* the first result, when all goes well */
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2); /* both below the arguments */
	return finish_xpcall(L, lua_pcallk(L, nargs, LUA_MULTRET, 2, 2, finish_xpcall), 2);
}

/* Finalizers run with hooks off. Lua looks for __gc only here, when the metatable is set. */
static int
guarded_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	lua_settop(L, 2);
	if (type == LUA_TTABLE) {
		lua_pushliteral(L, "__gc");
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "a script cannot have finalizers (__gc); use <close>");
		lua_pop(L, 1);
	}
	lua_setmetatable(L, 1);
	return 1;
}

void
ward_budget_guard(lua_State *L)
{
	static const luaL_Reg coroutines[] = {
		{ "resume", guarded_resume },
		{ "wrap", guarded_wrap },
		{ "close", guarded_close },
		{ NULL, NULL },
	};

	lua_getglobal(L, LUA_COLIBNAME);
	luaL_setfuncs(L, coroutines, 0);
	lua_pop(L, 1);
	lua_register(L, "xpcall", guarded_xpcall);
	lua_register(L, "setmetatable", guarded_setmetatable);
}
