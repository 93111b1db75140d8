/* core.plan(spec) -> plan: a canonical spec (lua/ward/schema.lua) becomes a draft of borrowed
 * pointers, and the draft a plan. The schema has checked the spec; what is read here is checked
 * again, because a wrong type must be an error and never a crash. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/plan.h"
#include "bind/spec.h"
#include "spawn/stage.h"

#define PLAN "ward.plan"

/* Room for descriptors that only steps need: the terminal and the Landlock ruleset. */
#define EXTRA_FDS 2

void *
ward_spec_scratch(lua_State *L, size_t n, size_t size)
{
	return memset(lua_newuserdatauv(L, (n ? n : 1) * size, 0), 0, (n ? n : 1) * size);
}

const char *
ward_spec_string(lua_State *L, int table, const char *key)
{
	const char *s;

	if (lua_getfield(L, table, key) != LUA_TSTRING)
		luaL_error(L, "spec.%s: a string is needed, got %s", key, luaL_typename(L, -1));
	s = lua_tostring(L, -1);
	if (strlen(s) != lua_rawlen(L, -1))
		luaL_error(L, "spec.%s: holds a NUL byte", key);
	lua_pop(L, 1); /* the table keeps it */
	return s;
}

static const char *const *
read_argv(lua_State *L, int spec)
{
	const char **argv;
	lua_Integer n;

	luaL_argcheck(L, lua_getfield(L, spec, "cmd") == LUA_TTABLE, 1, "spec.cmd must be a list");
	n = luaL_len(L, -1);
	luaL_argcheck(L, n > 0, 1, "spec.cmd is empty");
	argv = ward_spec_scratch(L, (size_t)n + 1, sizeof(*argv));
	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, -2, i) != LUA_TSTRING)
			luaL_error(L, "spec.cmd[%d]: a string is needed", (int)i);
		argv[i - 1] = lua_tostring(L, -1);
		if (strlen(argv[i - 1]) != lua_rawlen(L, -1))
			luaL_error(L, "spec.cmd[%d]: holds a NUL byte", (int)i);
		lua_pop(L, 1);
	}
	return argv; /* the scratch and the list stay on the stack */
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ward's own environment less what the spec sets or removes, then what it sets, sorted: the same
 * spec gives the same bytes. */
static const char *const *
read_env(lua_State *L, int spec)
{
	int table, strings;
	size_t inherited = 0, added = 0, n = 0;
	const char **envp;
	bool clear;

	(void)lua_getfield(L, spec, "env_clear");
	clear = lua_toboolean(L, -1);
	luaL_argcheck(L, lua_getfield(L, spec, "env") == LUA_TTABLE, 1, "spec.env must be a table");
	table = lua_gettop(L);
	lua_newtable(L);
	strings = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING)
			luaL_error(L, "spec.env: a name must be a string");
		if (lua_type(L, -1) != LUA_TSTRING)
			continue; /* false: removed */
		lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
		lua_rawseti(L, strings, (lua_Integer)++added);
	}
	while (!clear && environ[inherited])
		inherited++;
	envp = ward_spec_scratch(L, inherited + added + 1, sizeof(*envp));
	for (size_t i = 0; i < inherited; i++) {
		const char *eq = strchr(environ[i], '=');

		lua_pushlstring(L, environ[i], eq ? (size_t)(eq - environ[i]) : strlen(environ[i]));
		if (lua_rawget(L, table) == LUA_TNIL)
			envp[n++] = environ[i];
		lua_pop(L, 1);
	}
	for (size_t i = 1; i <= added; i++) {
		(void)lua_rawgeti(L, strings, (lua_Integer)i);
		envp[n++] = lua_tostring(L, -1); /* `strings` keeps it */
		lua_pop(L, 1);
	}
	qsort(envp + n - added, added, sizeof(*envp), compare_strings);
	return envp;
}

static uint32_t
need_id(lua_State *L, int index, const char *what)
{
	int ok;
	lua_Integer id = lua_tointegerx(L, index, &ok);

	/* (uint32_t)-1 means "leave it" to the kernel: never an id. */
	if (!ok || id < 0 || id >= UINT32_MAX)
		luaL_error(L, "spec.ids: %s must be a number from 0 to 4294967294", what);
	return (uint32_t)id;
}

static struct ward_ids
read_ids(lua_State *L, int spec)
{
	struct ward_ids ids = { 0 };
	uint32_t *groups;
	int table;

	if (lua_getfield(L, spec, "ids") == LUA_TNIL)
		return ids;
	luaL_checktype(L, -1, LUA_TTABLE);
	table = lua_gettop(L);
	if (lua_getfield(L, table, "uid") != LUA_TNIL) {
		ids.uid = need_id(L, -1, "uid");
		ids.set_uid = 1;
	}
	if (lua_getfield(L, table, "gid") != LUA_TNIL) {
		ids.gid = need_id(L, -1, "gid");
		ids.set_gid = 1;
	}
	if (lua_getfield(L, table, "groups") != LUA_TTABLE)
		luaL_error(L, "spec.ids.groups must be a list");
	ids.ngroups = (uint32_t)luaL_len(L, -1);
	ids.set_groups = 1;
	groups = ward_spec_scratch(L, ids.ngroups, sizeof(*groups));
	for (uint32_t i = 0; i < ids.ngroups; i++) {
		(void)lua_rawgeti(L, -2, (lua_Integer)i + 1);
		groups[i] = need_id(L, -1, "a group");
		lua_pop(L, 1);
	}
	ids.groups = groups;
	return ids;
}

/* A descriptor that ward was started with: its own are nobody's business. */
static int
need_inherited(lua_State *L, int table, const char *what)
{
	lua_Integer fd;
	int ok;

	(void)lua_getfield(L, table, "fd");
	fd = lua_tointegerx(L, -1, &ok);
	if (ok && fd >= WARD_FDSET_MAX)
		luaL_error(L, "%s: descriptor %I: only those below %d can be handed on", what,
			   (LUAI_UACINT)fd, WARD_FDSET_MAX);
	if (!ok || fd < 0 || !ward_fdset_has(&ward_bind_core(L)->inherited, (int)fd))
		luaL_error(L, "%s: ward was not started with a descriptor %s", what,
			   luaL_tolstring(L, -1, NULL));
	lua_pop(L, 1);
	return (int)fd;
}

/* One of stdin, stdout, stderr. */
static struct ward_fd_rule
read_stdio(lua_State *L, int spec, int target)
{
	static const char *const keys[] = { "stdin", "stdout", "stderr" };
	struct ward_fd_rule rule = { .target = target };
	const char *kind;
	int table;

	if (lua_getfield(L, spec, keys[target]) != LUA_TTABLE)
		luaL_error(L, "spec.%s must be a table", keys[target]);
	table = lua_gettop(L);
	kind = ward_spec_string(L, table, "kind");
	rule.flags = target == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND;
	if (strcmp(kind, "null") == 0) {
		rule.source = WARD_SOURCE_PATH;
		rule.path = "/dev/null";
		rule.flags = O_RDWR;
	} else if (strcmp(kind, "path") == 0) {
		rule.source = WARD_SOURCE_PATH;
		rule.path = ward_spec_string(L, table, "path");
	} else if (strcmp(kind, "inherit") == 0) {
		rule.source = WARD_SOURCE_FD;
		rule.number = target;
		rule.as_it_is = true;
	} else if (strcmp(kind, "fd") == 0) {
		rule.source = WARD_SOURCE_FD;
		rule.number = need_inherited(L, table, keys[target]);
		rule.as_it_is = true;
	} else if (strcmp(kind, "log") == 0 && target > 0) {
		rule.source = WARD_SOURCE_SLOT;
		rule.number = WARD_SLOT_LOG;
	} else if (strcmp(kind, "pipe") == 0) {
		rule.source = WARD_SOURCE_SLOT;
		rule.number = WARD_SLOT_STDIN + target;
	} else if (strcmp(kind, "tty") == 0) {
		rule.source = WARD_SOURCE_SLOT;
		rule.number = WARD_SLOT_TTY;
	} else if (strcmp(kind, "stdout") == 0 && target == 2) {
		rule.source = WARD_SOURCE_SAME;
		rule.number = 1;
	} else {
		luaL_error(L, "spec.%s: unknown kind \"%s\"", keys[target], kind);
	}
	return rule;
}

/* Every descriptor of the child; @tty: it has a terminal, which a step needs even where no
 * descriptor is it. */
static void
read_fds(lua_State *L, int spec, bool tty, struct ward_draft *d)
{
	struct ward_fd_rule *fds;
	lua_Integer n;

	if (lua_getfield(L, spec, "fds") == LUA_TNIL)
		lua_newtable(L);
	n = luaL_len(L, -1);
	fds = ward_spec_scratch(L, (size_t)n + 3 + EXTRA_FDS, sizeof(*fds));
	for (int i = 0; i < 3; i++)
		fds[d->nfds++] = read_stdio(L, spec, i);
	(void)lua_getfield(L, spec, "fds");
	for (lua_Integer i = 1; i <= n; i++) {
		(void)lua_rawgeti(L, -1, i);
		luaL_checktype(L, -1, LUA_TTABLE);
		(void)lua_getfield(L, -1, "target");
		fds[d->nfds] = (struct ward_fd_rule){
			.target = (int)luaL_checkinteger(L, -1),
			.source = WARD_SOURCE_FD,
			.as_it_is = true,
		};
		lua_pop(L, 1);
		luaL_argcheck(L, fds[d->nfds].target > 2, 1, "spec.fds: a target must be above 2");
		fds[d->nfds++].number = need_inherited(L, lua_gettop(L), "fds");
		lua_pop(L, 1);
	}
	if (tty)
		fds[d->nfds++] = (struct ward_fd_rule){ .target = -1,
							.source = WARD_SOURCE_SLOT,
							.number = WARD_SLOT_TTY };
	d->fds = fds;
}

static void
read_tty(lua_State *L, int spec, struct ward_draft *d)
{
	if (lua_getfield(L, spec, "tty") != LUA_TTABLE)
		return;
	(void)lua_getfield(L, -1, "rows");
	(void)lua_getfield(L, -2, "cols");
	d->tty_rows = (uint16_t)luaL_checkinteger(L, -2);
	d->tty_cols = (uint16_t)luaL_checkinteger(L, -1);
}

static enum ward_clone_mode
read_clone(lua_State *L, int spec)
{
	static const char *const modes[] = { [WARD_CLONE_SHARED] = "shared",
					     [WARD_CLONE_VFORKED] = "vfork",
					     [WARD_CLONE_COPY] = "copy",
					     NULL };

	(void)lua_getfield(L, spec, "clone");
	return (enum ward_clone_mode)luaL_checkoption(L, -1, "shared", modes);
}

/* A plan as a Lua value. Its user values are the seccomp filters, which the plan only borrows. */
struct box {
	struct ward_plan *plan;
	struct ward_learned *learned; /* NULL unless it learns */
	struct ward_spec_landlock landlock;
};

static struct box *
push_box(lua_State *L)
{
	struct box *box = lua_newuserdatauv(L, sizeof(*box), 2);

	memset(box, 0, sizeof(*box));
	luaL_setmetatable(L, PLAN);
	return box;
}

/* Runs protected, so that a wrong spec is `nil, err` and not a raise into the supervisor. */
static int
make_plan(lua_State *L)
{
	struct box *box;
	struct ward_spec_sandbox sandbox;
	struct ward_draft d = { 0 };
	struct ward_fd_rule *spare;
	struct ward_err err;
	const char **argv;

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checkstack(L, 64, "a spec");
	box = push_box(L);
	argv = (const char **)(uintptr_t)read_argv(L, 1);
	d.file = argv[0];
	argv[0] = ward_spec_string(L, 1, "arg0");
	d.argv = argv;
	d.envp = read_env(L, 1);
	d.cwd = ward_spec_string(L, 1, "cwd");
	(void)lua_getfield(L, 1, "umask");
	d.umask = (unsigned int)luaL_checkinteger(L, -1) & 0777;
	(void)lua_getfield(L, 1, "session");
	d.session = lua_toboolean(L, -1);
	(void)lua_getfield(L, 1, "foreground"); /* no key of scripts: of ward exec */
	d.foreground = lua_toboolean(L, -1);
	d.ids = read_ids(L, 1);
	d.clone = read_clone(L, 1);
	read_tty(L, 1, &d);
	read_fds(L, 1, d.tty_rows > 0, &d);
	ward_spec_process(L, 1, &d.process);
	ward_spec_sandbox_read(L, 1, &sandbox, &d.sandbox);
	/* The list of descriptors has room for what steps need (EXTRA_FDS), and is ours to fill. */
	spare = (struct ward_fd_rule *)(uintptr_t)(d.fds + d.nfds);
	if (sandbox.learn) {
		int r = ward_learned_check(sandbox.learn);

		if (r < 0)
			return luaL_error(L, "sandbox.seccomp.learn: cannot write %s: %s",
					  sandbox.learn, strerror(-r));
		box->learned = ward_learned_new(sandbox.learn);
		if (!box->learned)
			return luaL_error(L, "not enough memory");
	}
	if (ward_spec_sandbox_plan(&sandbox, &d, spare, &box->plan, &err) < 0) {
		err.stage =
			WARD_STAGE_PREPARE; /* also of the Landlock ruleset, which knows of no stages */
		return ward_bind_fail(L, &err);
	}
	box->landlock = sandbox.made;
	if (sandbox.program) {
		lua_pushvalue(L, sandbox.program);
		(void)lua_setiuservalue(L, 2, 1);
	}
	if (sandbox.guard) {
		lua_pushvalue(L, sandbox.guard);
		(void)lua_setiuservalue(L, 2, 2);
	}
	lua_settop(L, 2);
	return 1;
}

static int
plan_new(lua_State *L)
{
	lua_settop(L, 1);
	lua_pushcfunction(L, make_plan);
	lua_insert(L, 1);
	if (lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK)
		return lua_gettop(L);
	return ward_bind_fail_code(L, "spec", "%s", luaL_tolstring(L, -1, NULL));
}

const struct ward_plan *
ward_bind_plan(lua_State *L, int index)
{
	const struct ward_plan *plan = ((struct box *)luaL_checkudata(L, index, PLAN))->plan;

	luaL_argcheck(L, plan, index, "the plan is closed");
	return plan;
}

struct ward_learned *
ward_bind_plan_learned(lua_State *L, int index)
{
	return ((struct box *)luaL_checkudata(L, index, PLAN))->learned;
}

int
ward_bind_plan_renew(lua_State *L, int index, struct ward_err *err)
{
	struct box *box = luaL_checkudata(L, index, PLAN);

	return ward_spec_landlock_renew(&box->landlock, box->plan->ruleset_fd, err);
}

/* Adds { stage =, text = } to the list on top. */
static void
push_step(lua_State *L, int stage, const char *text)
{
	lua_createtable(L, 0, 2);
	(void)lua_pushstring(L, ward_stage_name(stage));
	lua_setfield(L, -2, "stage");
	(void)lua_pushstring(L, text);
	lua_setfield(L, -2, "text");
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
}

/* However long it is: thousands of groups, a search through many directories. */
static void
push_plan_step(lua_State *L, const struct ward_plan *plan, uint32_t i)
{
	for (size_t size = 1024;; size *= 2) {
		char *text = lua_newuserdatauv(L, size, 0);
		int n = ward_plan_explain(plan, i, text, size);

		lua_pushvalue(L, -2); /* the list, on top of the text */
		if (n >= 0 && (size_t)n < size - 1)
			push_step(L, (int)plan->steps[i].stage, text);
		lua_pop(L, 2);
		if (n < 0 || (size_t)n < size - 1)
			return;
	}
}

/* plan:explain() -> { { stage =, text = }, ... } in the order in which the child takes them */
static int
plan_explain(lua_State *L)
{
	const struct ward_plan *plan = ward_bind_plan(L, 1);
	char text[256];

	lua_createtable(L, (int)plan->nsteps + 2, 0);
	(void)ward_plan_explain_birth(plan, text, sizeof(text));
	push_step(L, WARD_STAGE_CLONE, text);
	for (uint32_t i = 0; i < plan->nsteps; i++)
		push_plan_step(L, plan, i);
	if (plan->set_oom) {
		(void)snprintf(text, sizeof(text), "oom_score_adj %d, by the supervisor after exec",
			       plan->oom_score_adj);
		push_step(L, WARD_STAGE_OOM, text);
	}
	return 1;
}

/* plan:lacks() -> { { stage =, errno =, message = }, ... }: what was asked for and this machine does not have */
static int
plan_lacks(lua_State *L)
{
	const struct box *box = luaL_checkudata(L, 1, PLAN);

	ward_spec_push_lacks(L, &box->landlock);
	return 1;
}

/* plan:landlock() -> the ABI that its ruleset was made for; nil without one */
static int
plan_landlock(lua_State *L)
{
	const struct box *box = luaL_checkudata(L, 1, PLAN);

	if (!box->landlock.kept)
		return 0;
	lua_pushinteger(L, box->landlock.report.abi);
	return 1;
}

/* plan:close(): its descriptors do not wait for the collector, to which they are a few bytes. Only once no child of the
 * plan lives. */
static int
plan_close(lua_State *L)
{
	struct box *box = luaL_checkudata(L, 1, PLAN);

	ward_plan_free(box->plan);
	ward_learned_free(box->learned);
	free(box->landlock.kept);
	memset(box, 0, sizeof(*box));
	return 0;
}

void
ward_bind_spec(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "explain", plan_explain },
		{ "lacks", plan_lacks },
		{ "landlock", plan_landlock },
		{ "syscalls", ward_spec_syscalls },
		{ "close", plan_close },
		{ "__gc", plan_close },
		{ NULL, NULL },
	};

	ward_bind_class(L, PLAN, methods);
	lua_pushcfunction(L, plan_new);
	lua_setfield(L, -2, "plan");
}
