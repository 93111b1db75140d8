/* core.launch(plan, { log =, cgroup =, listening = fn(), started = fn(pid, degraded), exit = fn(exit) }) -> proc, stdin,
 * stdout, stderr: a child of the process table as a Lua value, and our ends of the pipes that the plan wants, else nil.
 * listening: of a plan that learns, when proc:handover() has the listener; its program begins after that. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/exit.h"
#include "bind/plan.h"
#include "linux/names.h"
#include "linux/pty.h"
#include "loop/proc.h"
#include "spawn/stage.h"

#define PROC "ward.proc"

/* A child that has not exec'd by then hangs in an open, a mount or a stopped process. */
#define LAUNCH_TIMEOUT_NS UINT64_C(10000000000)

/* User values of the userdata: what must live as long as the child. */
enum {
	KEEP_PLAN = 1,
	KEEP_LOG,
	KEEP_CGROUP,
	KEEP_LISTENS,
	KEEP_STARTED,
	KEEP_EXIT,
	KEEPS = KEEP_EXIT
};

struct child {
	struct ward_core *core;
	struct ward_proc *proc;		    /* NULL once it has ended */
	struct ward_log_terminal *terminal; /* NULL, or its own, in its log while that is open */
	int self;			    /* keeps the userdata while the child lives */
	struct ward_learned *learned;	    /* the plan's, or NULL */
};

static void
push_child_value(struct child *c, int keep)
{
	lua_State *L = c->core->lua;

	(void)lua_rawgeti(L, LUA_REGISTRYINDEX, c->self);
	(void)lua_getiuservalue(L, -1, keep);
	lua_remove(L, -2);
}

/* Pushes what is to be called, unless there is nothing. */
static bool
push_callback(struct child *c, int keep)
{
	push_child_value(c, keep);
	if (!lua_isnil(c->core->lua, -1))
		return true;
	lua_pop(c->core->lua, 1);
	return false;
}

static void
on_started(void *arg, struct ward_proc *p)
{
	struct child *c = arg;
	lua_State *L = c->core->lua;

	if (!push_callback(c, KEEP_STARTED))
		return;
	lua_pushinteger(L, ward_proc_pid(p));
	lua_pushcfunction(L, ward_bind_degraded);
	lua_pushlightuserdata(L, p);
	if (ward_bind_call(L, 1, 1, "a start") < 0)
		lua_pushnil(L);
	(void)ward_bind_call(L, 2, 0, "a start");
}

static void
on_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct child *c = arg;
	lua_State *L = c->core->lua;
	int self = c->self;
	struct ward_bind_news news = { .how = how };

	(void)p;
	c->proc = NULL;
	if (c->learned &&
	    !how->spawn_failed) { /* else it would be a list of the search for the program */
		news.list = ward_learned_path(c->learned);
		news.learned = ward_learned_write(c->learned);
	}
	/* What the child wrote comes before the news of its end. */
	push_child_value(c, KEEP_LOG);
	if (!lua_isnil(L, -1)) {
		struct ward_log *log = ward_bind_log_at(L, -1);

		if (log && c->terminal)
			ward_log_end_terminal(c->terminal);
		if (log)
			(void)ward_log_drain(log);
	}
	lua_pop(L, 1);
	push_child_value(c, KEEP_EXIT);
	lua_pushcfunction(L, ward_bind_call_exit);
	lua_insert(L, -2);
	lua_pushlightuserdata(L, &news);
	lua_insert(L, -2);
	(void)ward_bind_call(L, 2, 0, "an exit");
	c->self = LUA_NOREF;
	luaL_unref(L, LUA_REGISTRYINDEX, self);
}

static void
on_called(void *arg, uint32_t arch, int nr)
{
	const struct child *c = arg;

	if (c->learned) /* a successor may have no plan for it any more */
		ward_learned_note(c->learned, arch, nr);
}

static void
on_listening(void *arg)
{
	struct child *c = arg;

	if (push_callback(c, KEEP_LISTENS))
		(void)ward_bind_call(c->core->lua, 0, 0, "a listener");
}

static const struct ward_proc_fns child_fns = { on_started, on_ended, on_called, on_listening };

/* Makes the pipe of a slot: one end for the child, the other for the stream. */
static int
open_pipe(struct ward_loop *loop, enum ward_slot slot, int slots[WARD_SLOTS],
	  struct ward_stream **stream)
{
	int ends[2], ours = slot == WARD_SLOT_STDIN ? 1 : 0, r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	slots[slot] = ends[!ours];
	/* For whoever opens /dev/stdout, which opens the pipe anew: only those who hold it come to that. */
	(void)!fchmod(slots[slot], 0666);
	r = fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = ward_stream_new(loop, ends[ours], stream);
	if (r < 0)
		ward_fd_close(&ends[ours]);
	return r;
}

static bool
wants(const struct ward_plan *plan, enum ward_slot slot)
{
	return plan->slots >> slot & 1;
}

/* What the plan wants of each launch: the log's pipe, a new terminal that goes to the log, too, and pipes
 * whose other ends go to the streams. Only those are then the caller's to close. */
static int
fill_slots(const struct ward_plan *plan, struct ward_loop *loop, struct ward_log *log,
	   struct ward_stream **const streams[3], int slots[WARD_SLOTS],
	   struct ward_log_terminal **terminal, struct ward_err *err)
{
	WARD_AUTO_FD int master = -1;
	WARD_AUTO_FD int other = -1;
	int r;

	slots[WARD_SLOT_LOG] = log ? ward_log_writer(log) : -1;
	for (int i = 0; i < 3; i++) {
		enum ward_slot slot = (enum ward_slot)(WARD_SLOT_STDIN + i);

		r = wants(plan, slot) ? open_pipe(loop, slot, slots, streams[i]) : 0;
		if (r < 0)
			return ward_err_set(err, WARD_STAGE_PREPARE, -r, "cannot make a pipe: %s",
					    strerror(-r));
	}
	if (!wants(plan, WARD_SLOT_TTY))
		return 0;
	r = ward_pty_open(plan->tty_rows, plan->tty_cols, &master, &other);
	/* So that the user may open /dev/tty's real name, as after a login. */
	if (r == 0 && plan->ids.set_uid)
		(void)!fchown(other, plan->owner, (gid_t)-1);
	if (r == 0)
		r = ward_log_add_terminal(log, master, other, terminal);
	if (r < 0)
		return ward_err_set(err, WARD_STAGE_PREPARE, -r, "cannot make a terminal: %s",
				    strerror(-r));
	(void)ward_fd_steal(&master);
	slots[WARD_SLOT_TTY] = ward_fd_steal(&other);
	return 0;
}

/* Starts the child of @c, or closes everything that was opened for it. */
static int
start(struct child *c, const struct ward_plan *plan, struct ward_log *log, int cgroup,
      struct ward_stream **const streams[3], struct ward_err *err)
{
	int slots[WARD_SLOTS], r;

	for (int slot = 0; slot < WARD_SLOTS; slot++)
		slots[slot] = -1;
	slots[WARD_SLOT_CGROUP] = cgroup;
	r = fill_slots(plan, c->core->loop, log, streams, slots, &c->terminal, err);
	if (r == 0)
		r = ward_proc_start(c->core->procs, plan, slots, LAUNCH_TIMEOUT_NS, &child_fns, c,
				    &c->proc, err);
	for (int slot = WARD_SLOT_STDIN; slot <= WARD_SLOT_STDERR; slot++)
		ward_fd_close(&slots[slot]); /* the child has its own by now */
	if (r < 0 && c->terminal)
		ward_log_end_terminal(c->terminal);
	for (int i = 0; i < 3 && r < 0; i++) {
		if (streams[i]) {
			ward_stream_free(*streams[i]);
			*streams[i] = NULL;
		}
	}
	return r;
}

/* Stores what must live as long as the child in the userdata at index 3; returns the log or NULL. */
static struct ward_log *
keep(lua_State *L)
{
	struct ward_log *log = NULL;

	lua_pushvalue(L, 1);
	(void)lua_setiuservalue(L, 3, KEEP_PLAN);
	if (lua_getfield(L, 2, "log") != LUA_TNIL) {
		log = ward_bind_log_at(L, -1);
		luaL_argcheck(L, log, 2, "the log is closed");
	}
	(void)lua_setiuservalue(L, 3, KEEP_LOG);
	(void)lua_getfield(L, 2, "listening");
	(void)lua_setiuservalue(L, 3, KEEP_LISTENS);
	(void)lua_getfield(L, 2, "started");
	(void)lua_setiuservalue(L, 3, KEEP_STARTED);
	if (lua_getfield(L, 2, "exit") != LUA_TFUNCTION)
		luaL_error(L, "exit must be a function");
	(void)lua_setiuservalue(L, 3, KEEP_EXIT);
	return log;
}

/* A launch that failed in the supervisor is told as one that failed in the child: with its stage at the end. */
static int
fail_launch(lua_State *L, const struct ward_err *err)
{
	struct ward_err told = *err;

	if (!strstr(err->detail, " (stage "))
		(void)ward_err_set(&told, err->stage, err->err, "%.200s (stage %s)", err->detail,
				   ward_stage_name(err->stage));
	return ward_bind_fail(L, &told);
}

static int
launch(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	const struct ward_plan *plan = ward_bind_plan(L, 1);
	struct ward_stream **streams[3];
	struct ward_log *log;
	struct ward_err err;
	struct child *c;
	int cgroup = -1;

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	c = lua_newuserdatauv(L, sizeof(*c), KEEPS);
	*c = (struct child){ .core = core,
			     .self = LUA_NOREF,
			     .learned = ward_bind_plan_learned(L, 1) };
	luaL_setmetatable(L, PROC);
	log = keep(L);
	luaL_argcheck(L, log || !(wants(plan, WARD_SLOT_LOG) || wants(plan, WARD_SLOT_TTY)), 2,
		      "the plan needs a log");
	for (int i = 0; i < 3; i++) {
		if (wants(plan, (enum ward_slot)(WARD_SLOT_STDIN + i))) {
			streams[i] = ward_bind_stream_push(L);
		} else {
			streams[i] = NULL;
			lua_pushnil(L);
		}
	}
	if (lua_getfield(L, 2, "cgroup") != LUA_TNIL)
		cgroup = ward_bind_cgroup_at(L, -1);
	(void)lua_setiuservalue(L, 3, KEEP_CGROUP);
	lua_pushvalue(L, 3);
	c->self = luaL_ref(L, LUA_REGISTRYINDEX);
	if (ward_bind_plan_renew(L, 1, &err) < 0 ||
	    start(c, plan, log, cgroup, streams, &err) < 0) {
		luaL_unref(L, LUA_REGISTRYINDEX, c->self);
		c->self = LUA_NOREF;
		return fail_launch(L, &err);
	}
	lua_settop(L, 6);
	return 4;
}

/* The terminal of the log at index @log whose one end is the number @master; NULL when it was not taken over. */
static struct ward_log_terminal *
terminal_of(struct ward_log *log, lua_Integer master)
{
	struct ward_log_terminal *t = NULL;
	int one, other, i = 0;

	if (!log || master == 0)
		return NULL;
	do
		t = ward_log_terminal_at(log, i++, &one, &other);
	while (t && one != master);
	return t;
}

static lua_Number
number_field(lua_State *L, const char *key)
{
	lua_Number n;

	(void)lua_getfield(L, 2, key);
	n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return n;
}

/* core.adopt{ pid =, pidfd =, report =, status =, listener =, terminal =, started_at =, plan =, log =, cgroup =, listening =,
 * started =, exit = } -> proc, running | nil, err: takes over a child after a re-exec. The fields up to started_at are what
 * proc:handover() returned before; the others are as for core.launch, but no plan need be given. The child's
 * terminal is looked for in the log. Only for a child that is not `running`, whose program has not begun, `started` is to come;
 * when it does not begin, the exit is a failed spawn without a stage. */
static int
adopt(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	struct ward_proc_kept kept;
	const struct ward_plan *plan = NULL;
	struct ward_log *log;
	struct child *c;
	bool running = true;
	int cgroup = -1, r;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	if (lua_getfield(L, 1, "plan") != LUA_TNIL)
		plan = ward_bind_plan(L, 2);
	lua_insert(L, 1);
	kept = (struct ward_proc_kept){
		.pid = (pid_t)number_field(L, "pid"),
		.pidfd = ward_bind_kept(L, 2, "pidfd"),
		.report = ward_bind_kept_if_there(L, 2, "report"),
		.status = ward_bind_kept_if_there(L, 2, "status"),
		.listener = ward_bind_kept_if_there(L, 2, "listener"),
		.started_ns = (uint64_t)(number_field(L, "started_at") * 1e9),
	};
	c = lua_newuserdatauv(L, sizeof(*c), KEEPS);
	*c = (struct child){ .core = core,
			     .self = LUA_NOREF,
			     .learned = plan ? ward_bind_plan_learned(L, 1) : NULL };
	luaL_setmetatable(L, PROC);
	log = keep(L);
	c->terminal = terminal_of(log, (lua_Integer)number_field(L, "terminal"));
	if (lua_getfield(L, 2, "cgroup") != LUA_TNIL)
		cgroup = ward_bind_cgroup_at(L, -1);
	(void)lua_setiuservalue(L, 3, KEEP_CGROUP);
	lua_pushvalue(L, 3);
	c->self = luaL_ref(L, LUA_REGISTRYINDEX);
	r = ward_proc_adopt(core->procs, &kept, plan, cgroup, LAUNCH_TIMEOUT_NS, &child_fns, c,
			    &c->proc, &running);
	if (r < 0) {
		ward_bind_unref(L, &c->self);
		return ward_bind_fail_errno(L, -r, "cannot take over process %d", (int)kept.pid);
	}
	lua_pushboolean(L, running);
	return 2;
}

static struct child *
check_child(lua_State *L)
{
	return luaL_checkudata(L, 1, PROC);
}

/* proc:pid() -> integer, or nil once it has ended */
static int
child_pid(lua_State *L)
{
	const struct child *c = check_child(L);

	if (c->proc)
		lua_pushinteger(L, ward_proc_pid(c->proc));
	else
		lua_pushnil(L);
	return 1;
}

/* proc:handover() -> { pid =, started_at =, pidfd =, report =, status =, listener =, terminal = }: plain data for core.adopt after a
 * re-exec; nil once it has ended. The report goes when the program runs. */
static int
child_handover(lua_State *L)
{
	const struct child *c = check_child(L);
	struct ward_proc_kept kept;
	struct ward_log *log;

	if (!c->proc) {
		lua_pushnil(L);
		return 1;
	}
	kept = ward_proc_kept(c->proc);
	(void)lua_getiuservalue(L, 1, KEEP_LOG);
	log = lua_isnil(L, -1) ? NULL : ward_bind_log_at(L, -1);
	lua_createtable(L, 0, 7);
	lua_pushinteger(L, kept.pid);
	lua_setfield(L, -2, "pid");
	lua_pushnumber(L, (lua_Number)kept.started_ns / 1e9);
	lua_setfield(L, -2, "started_at");
	ward_bind_set_fd(L, "pidfd", kept.pidfd);
	ward_bind_set_fd(L, "report", kept.report);
	ward_bind_set_fd(L, "status", kept.status);
	ward_bind_set_fd(L, "listener", kept.listener);
	if (log && c->terminal)
		ward_bind_set_fd(L, "terminal", ward_log_terminal_master(c->terminal));
	return 1;
}

static int
send(lua_State *L, int (*how)(struct ward_proc *, int))
{
	const struct child *c = check_child(L);
	const char *name = luaL_checkstring(L, 2);
	int sig = ward_signal_number(name), r;

	luaL_argcheck(L, sig > 0, 2, "unknown signal");
	if (!c->proc)
		return ward_bind_fail_errno(L, ESRCH, "cannot send %s: it has ended", name);
	r = how(c->proc, sig);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot send %s", name);
	lua_pushboolean(L, 1);
	return 1;
}

/* proc:signal("TERM") -> true | nil, err */
static int
child_signal(lua_State *L)
{
	return send(L, ward_proc_signal);
}

/* proc:stop("TERM") -> true | nil, err: a signal of the stop ladder */
static int
child_stop(lua_State *L)
{
	return send(L, ward_proc_stop);
}

/* proc:kill_tree() */
static int
child_kill_tree(lua_State *L)
{
	const struct child *c = check_child(L);

	if (c->proc)
		ward_proc_kill_tree(c->proc);
	return 0;
}

void
ward_bind_proc(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "pid", child_pid },
		{ "handover", child_handover },
		{ "signal", child_signal },
		{ "stop", child_stop },
		{ "kill_tree", child_kill_tree },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "launch", launch },
		{ "adopt", adopt },
		{ NULL, NULL },
	};

	ward_bind_class(L, PROC, methods);
	luaL_setfuncs(L, functions, 0);
}
