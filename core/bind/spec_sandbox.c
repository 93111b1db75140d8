/* The sandbox of a spec: read from Lua into requests, then, without Lua, made into kernel objects and a plan. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bind/spec.h"
#include "linux/caps.h"
#include "linux/uapi.h"
#include "spawn/stage.h"

static int
read_words(lua_State *L, int table, const char *key, const char *const *words, int otherwise)
{
	int found = otherwise;

	if (lua_getfield(L, table, key) != LUA_TNIL) {
		const char *word = luaL_checkstring(L, -1);

		for (found = 0; words[found] && strcmp(words[found], word) != 0; found++)
			;
		if (!words[found])
			return luaL_error(L, "spec.sandbox.%s: unknown word \"%s\"", key, word);
	}
	lua_pop(L, 1);
	return found;
}

/* Calls @each for every string of the list in field @key. */
static void
each_string(lua_State *L, int table, const char *key,
	    void (*each)(lua_State *, const char *, void *), void *arg)
{
	if (lua_getfield(L, table, key) != LUA_TNIL) {
		luaL_checktype(L, -1, LUA_TTABLE);
		for (lua_Integer i = 1, n = luaL_len(L, -1); i <= n; i++) {
			(void)lua_rawgeti(L, -1, i);
			each(L, luaL_checkstring(L, -1), arg);
			lua_pop(L, 1);
		}
	}
	lua_pop(L, 1);
}

/* ---- capabilities ---- */

static void
read_caps(lua_State *L, int sandbox, struct ward_draft_sandbox *out)
{
	static const char *const sets[] = {
		[WARD_CAP_BOUNDING] = "bounding",	[WARD_CAP_PERMITTED] = "permitted",
		[WARD_CAP_INHERITABLE] = "inheritable", [WARD_CAP_EFFECTIVE] = "effective",
		[WARD_CAP_AMBIENT] = "ambient",
	};

	out->last_cap = ward_cap_last();
	if (lua_getfield(L, sandbox, "caps") == LUA_TNIL) {
		lua_pop(L, 1);
		return;
	}
	luaL_checktype(L, -1, LUA_TTABLE);
	if (out->last_cap < 0)
		luaL_error(L, "spec.sandbox.caps: the kernel's capabilities are unknown: %s",
			   strerror(-out->last_cap));
	for (int set = 0; set < WARD_CAP_SETS; set++) {
		if (lua_getfield(L, -1, sets[set]) != LUA_TNIL) {
			luaL_checktype(L, -1, LUA_TTABLE);
			out->caps.given |= 1u << set;
			for (lua_Integer i = 1, n = luaL_len(L, -1); i <= n; i++) {
				lua_Integer cap;

				(void)lua_rawgeti(L, -1, i);
				cap = luaL_checkinteger(L, -1);
				luaL_argcheck(L, cap >= 0 && cap < 64, 1,
					      "spec.sandbox.caps: no such capability");
				/* What this kernel does not have, nobody has. */
				if (cap <= out->last_cap)
					out->caps.set[set] |= UINT64_C(1) << cap;
				lua_pop(L, 1);
			}
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* ---- Landlock ---- */

static void
add_right(lua_State *L, const char *name, void *arg)
{
	int bit = ward_landlock_fs_bit(name);

	if (bit < 0)
		luaL_error(L, "spec.sandbox.landlock.fs: unknown right \"%s\"", name);
	*(uint64_t *)arg |= UINT64_C(1) << bit;
}

static void
add_scope(lua_State *L, const char *name, void *arg)
{
	int bit = ward_landlock_scope_bit(name);

	if (bit < 0)
		luaL_error(L, "spec.sandbox.landlock.scope: unknown scope \"%s\"", name);
	*(uint64_t *)arg |= UINT64_C(1) << bit;
}

static void
read_paths(lua_State *L, int landlock, struct ward_landlock_request *out)
{
	struct ward_landlock_path *paths;
	lua_Integer n;
	int list;

	if (lua_getfield(L, landlock, "fs") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	list = lua_gettop(L);
	n = luaL_len(L, list);
	if (n == 0) /* files are left alone */
		return;
	paths = ward_spec_scratch(L, (size_t)n, sizeof(*paths));
	for (lua_Integer i = 1; i <= n; i++) {
		int rule;

		(void)lua_rawgeti(L, list, i);
		luaL_checktype(L, -1, LUA_TTABLE);
		rule = lua_gettop(L);
		paths[i - 1].path = ward_spec_string(L, rule, "path");
		each_string(L, rule, "rights", add_right, &paths[i - 1].rights);
		(void)lua_getfield(L, rule, "optional");
		paths[i - 1].optional = lua_toboolean(L, -1);
		lua_settop(L, rule - 1);
	}
	out->handled_fs = WARD_LANDLOCK_FS_ALL;
	out->paths = paths;
	out->npaths = (size_t)n;
}

static void
read_ports(lua_State *L, int net, const char *key, struct ward_landlock_ports *out)
{
	uint16_t *ports;
	lua_Integer n;

	if (lua_getfield(L, net, key) == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	n = luaL_len(L, -1);
	ports = ward_spec_scratch(L, (size_t)n, sizeof(*ports));
	for (lua_Integer i = 1; i <= n; i++) {
		lua_Integer port;

		(void)lua_rawgeti(L, -2, i);
		port = luaL_checkinteger(L, -1);
		luaL_argcheck(L, port >= 0 && port <= UINT16_MAX, 1,
			      "spec.sandbox.landlock.net: no such port");
		ports[i - 1] = (uint16_t)port;
		lua_pop(L, 1);
	}
	*out = (struct ward_landlock_ports){ .handled = true, .ports = ports, .n = (size_t)n };
}

static void
read_landlock(lua_State *L, int sandbox, struct ward_spec_sandbox *out)
{
	static const char *const compat[] = { "best_effort", "strict", NULL };
	int landlock;

	if (lua_getfield(L, sandbox, "landlock") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	landlock = lua_gettop(L);
	out->made.given = true;
	out->landlock.strict = read_words(L, landlock, "compat", compat, 0) == 1;
	each_string(L, landlock, "scope", add_scope, &out->landlock.scoped);
	read_paths(L, landlock, &out->landlock);
	if (lua_getfield(L, landlock, "net") != LUA_TNIL) {
		int net = lua_gettop(L);

		luaL_checktype(L, -1, LUA_TTABLE);
		read_ports(L, net, "bind", &out->landlock.bind);
		read_ports(L, net, "connect", &out->landlock.connect);
	}
}

void
ward_spec_sandbox_read(lua_State *L, int spec, struct ward_spec_sandbox *out,
		       struct ward_draft_sandbox *draft)
{
	static const char *const on_failure[] = { [WARD_FAIL_ERROR] = "error",
						  [WARD_FAIL_WARN] = "warn",
						  [WARD_FAIL_SILENT] = "silent",
						  NULL };
	int sandbox;

	memset(out, 0, sizeof(*out));
	if (lua_getfield(L, spec, "sandbox") == LUA_TNIL)
		return;
	luaL_checktype(L, -1, LUA_TTABLE);
	sandbox = lua_gettop(L);
	draft->given = true;
	draft->on_failure =
		(enum ward_on_failure)read_words(L, sandbox, "on_failure", on_failure, 0);
	(void)lua_getfield(L, sandbox, "no_new_privs");
	draft->no_new_privs = lua_toboolean(L, -1);
	(void)lua_getfield(L, sandbox, "no_setuid_files");
	draft->no_setuid_files = lua_toboolean(L, -1);
	if (lua_getfield(L, sandbox, "securebits") != LUA_TNIL)
		draft->securebits = (int)luaL_checkinteger(L, -1);
	draft->set_securebits = !lua_isnil(L, -1);
	read_caps(L, sandbox, draft);
	ward_spec_namespaces(L, sandbox, draft);
	read_landlock(L, sandbox, out);
	ward_spec_seccomp_read(L, sandbox, out, draft);
}

/* ---- kernel objects ---- */

static int
refuse_ruleset(const struct ward_err *why, struct ward_err *err)
{
	return ward_err_set(err, why->stage, why->err, "sandbox.landlock%s%s",
			    strncmp(why->detail, "fs[", 3) == 0 ? "." : ": ", why->detail);
}

/* Makes the ruleset; none where this kernel cannot restrict anything of it, and that is good enough. */
static int
make_ruleset(struct ward_spec_sandbox *sb, int *out, struct ward_err *err)
{
	struct ward_landlock_request *kept = ward_landlock_keep(&sb->landlock);
	struct ward_err why;
	int r;

	if (!kept)
		return ward_err_set(err, 0, ENOMEM, "sandbox.landlock: not enough memory");
	r = ward_landlock_build(kept, ward_landlock_abi(), &sb->made.report, &why);
	if (r >= 0) {
		sb->made.kept = kept;
		*out = r;
		return 0;
	}
	free(kept);
	if ((r == -ENOSYS || r == -EOPNOTSUPP) && !sb->landlock.strict) {
		sb->made.none = why;
		return 0;
	}
	return refuse_ruleset(&why, err);
}

int
ward_spec_landlock_renew(struct ward_spec_landlock *landlock, int ruleset, struct ward_err *err)
{
	struct ward_landlock_report report;
	struct ward_err why;
	WARD_AUTO_FD int fd = -1;

	if (!landlock->kept || !ward_landlock_is_stale(landlock->kept))
		return 0;
	fd = ward_landlock_build(landlock->kept, ward_landlock_abi(), &report, &why);
	if (fd < 0) {
		why.stage = WARD_STAGE_PREPARE;
		return refuse_ruleset(&why, err);
	}
	if (dup3(fd, ruleset, O_CLOEXEC) < 0) /* children have descriptors of their own */
		return ward_err_set(err, WARD_STAGE_PREPARE, errno,
				    "sandbox.landlock: cannot renew it: %s", strerror(errno));
	landlock->report = report;
	return 0;
}

int
ward_spec_sandbox_plan(struct ward_spec_sandbox *sb, struct ward_draft *d,
		       struct ward_fd_rule *spare, struct ward_plan **out, struct ward_err *err)
{
	WARD_AUTO_FD int ruleset = -1;
	int r = sb->made.given ? make_ruleset(sb, &ruleset, err) : 0;

	if (r < 0)
		return r;
	if (ruleset >= 0) {
		*spare = (struct ward_fd_rule){ .target = -1,
						.source = WARD_SOURCE_FD,
						.number = ruleset };
		d->nfds++;
		d->sandbox.ruleset = ruleset;
		d->sandbox.has_ruleset = true;
	}
	r = ward_plan_new(d, out, err);
	if (r == 0) {
		(void)ward_fd_steal(&ruleset); /* the plan's now */
	} else {
		free(sb->made.kept);
		sb->made.kept = NULL;
	}
	return r;
}

/* ---- what is missing ---- */

/* Adds { stage =, errno =, message = } to the list below the message, which is on top, and takes that off. */
static void
add_lack(lua_State *L, int err)
{
	lua_createtable(L, 0, 3);
	(void)lua_pushstring(L, ward_stage_name(WARD_STAGE_LANDLOCK));
	lua_setfield(L, -2, "stage");
	lua_pushinteger(L, err);
	lua_setfield(L, -2, "errno");
	lua_insert(L, -2);
	lua_setfield(L, -2, "message");
	lua_rawseti(L, -2, luaL_len(L, -2) + 1);
}

static void
add_rights(lua_State *L, const struct ward_landlock_report *report, uint64_t bits,
	   const char *(*name)(int bit))
{
	for (int bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1) || !name(bit))
			continue;
		(void)lua_pushfstring(L, "Landlock ABI %d of this kernel does not restrict %s",
				      report->abi, name(bit));
		add_lack(L, ENOSYS);
	}
}

static void
push_absent(lua_State *L, const struct ward_landlock_request *kept)
{
	const char *between = "optional paths of landlock.fs that are not there: ";
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (size_t i = 0; i < kept->npaths; i++) {
		if (kept->found[i].inode)
			continue;
		luaL_addstring(&b, between);
		luaL_addstring(&b, kept->paths[i].path);
		between = ", ";
	}
	luaL_pushresult(&b);
}

void
ward_spec_push_lacks(lua_State *L, const struct ward_spec_landlock *landlock)
{
	const struct ward_landlock_report *report = &landlock->report;

	lua_newtable(L);
	if (landlock->none.err) {
		(void)lua_pushstring(L, landlock->none.detail);
		add_lack(L, landlock->none.err);
		return;
	}
	if (!landlock->given)
		return;
	/* Of this one it gives less, not more. */
	if (report->lacks_fs & WARD_LANDLOCK_ACCESS_FS_REFER) {
		(void)lua_pushfstring(L, "Landlock ABI %d of this kernel allows nobody refer",
				      report->abi);
		add_lack(L, ENOSYS);
	}
	add_rights(L, report, report->lacks_fs & ~WARD_LANDLOCK_ACCESS_FS_REFER,
		   ward_landlock_fs_name);
	add_rights(L, report, report->lacks_net, ward_landlock_net_name);
	add_rights(L, report, report->lacks_scope, ward_landlock_scope_name);
	if (report->absent) {
		push_absent(L, landlock->kept);
		add_lack(L, ENOENT);
	}
}
