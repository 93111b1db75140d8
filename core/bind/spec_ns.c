/* The keys of a sandbox that namespaces and mounts are made of. lua/ward/schema/tree.lua has turned what users
 * write about mounts into the list that is read here. */
#include <lauxlib.h>
#include <string.h>
#include <sys/mount.h>

#include "bind/spec.h"
#include "linux/caps.h"

static uint64_t
namespace_flag(lua_State *L, const char *name)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} known[] = {
		{ "cgroup", WARD_CLONE_NEWCGROUP }, { "ipc", WARD_CLONE_NEWIPC },
		{ "mount", WARD_CLONE_NEWNS },	    { "net", WARD_CLONE_NEWNET },
		{ "pid", WARD_CLONE_NEWPID },	    { "time", WARD_CLONE_NEWTIME },
		{ "user", WARD_CLONE_NEWUSER },	    { "uts", WARD_CLONE_NEWUTS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].flag;
	}
	return (uint64_t)luaL_error(L, "spec.sandbox.namespaces: unknown namespace \"%s\"", name);
}

static bool
read_flag(lua_State *L, int table, const char *key)
{
	bool set;

	(void)lua_getfield(L, table, key);
	set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set;
}

static const char *
read_optional(lua_State *L, int table, const char *key)
{
	bool there = lua_getfield(L, table, key) != LUA_TNIL;

	lua_pop(L, 1);
	return there ? ward_spec_string(L, table, key) : NULL;
}

/* Pushes the list in field @key and returns its length; 0 for none. */
static lua_Integer
push_list(lua_State *L, int table, const char *key)
{
	if (lua_getfield(L, table, key) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_newtable(L);
	}
	luaL_checktype(L, -1, LUA_TTABLE);
	return luaL_len(L, -1);
}

/* Pushes table @i of the list on top and returns its index. */
static int
push_row(lua_State *L, lua_Integer i)
{
	(void)lua_rawgeti(L, -1, i);
	luaL_checktype(L, -1, LUA_TTABLE);
	return lua_gettop(L);
}

static uint32_t
read_number(lua_State *L, int table, const char *key)
{
	lua_Integer n;

	(void)lua_getfield(L, table, key);
	n = luaL_checkinteger(L, -1);
	luaL_argcheck(L, n >= 0 && n <= UINT32_MAX, 1, "spec.sandbox: a number is out of range");
	lua_pop(L, 1);
	return (uint32_t)n;
}

static const struct ward_id_range *
read_map(lua_State *L, int sandbox, const char *key, size_t *count)
{
	lua_Integer n = push_list(L, sandbox, key);
	struct ward_id_range *map = ward_spec_scratch(L, (size_t)n, sizeof(*map));

	lua_insert(L, -2); /* the scratch stays below the list */
	for (lua_Integer i = 1; i <= n; i++) {
		int row = push_row(L, i);

		map[i - 1] = (struct ward_id_range){ read_number(L, row, "inside"),
						     read_number(L, row, "outside"),
						     read_number(L, row, "count") };
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = (size_t)n;
	return map;
}

static const char *const *
read_options(lua_State *L, int row)
{
	lua_Integer n = push_list(L, row, "options");
	const char **list = ward_spec_scratch(L, (size_t)n + 1, sizeof(*list));

	luaL_argcheck(L, n % 2 == 0, 1, "spec.sandbox.tree: an option without a value");
	for (lua_Integer i = 1; i <= n; i++) {
		(void)lua_rawgeti(L, -2, i);
		list[i - 1] = luaL_checkstring(L, -1); /* the list keeps it */
		lua_pop(L, 1);
	}
	return list;
}

static const struct ward_fill *
read_fills(lua_State *L, int row, lua_Integer nmounts, uint32_t *count)
{
	static const char *const kinds[] = {
		[WARD_FILL_DIR] = "dir", [WARD_FILL_LINK] = "link", [WARD_FILL_LIKE] = "like", NULL
	};
	lua_Integer n = push_list(L, row, "fills");
	struct ward_fill *fills = ward_spec_scratch(L, (size_t)n, sizeof(*fills));

	lua_insert(L, -2);
	for (lua_Integer i = 1; i <= n; i++) {
		struct ward_fill *f = &fills[i - 1];
		int fill = push_row(L, i);

		(void)lua_getfield(L, fill, "kind");
		f->kind = (enum ward_fill_kind)luaL_checkoption(L, -1, NULL, kinds);
		lua_pop(L, 1);
		f->path = ward_spec_string(L, fill, "path");
		f->mode = 0755;
		if (f->kind == WARD_FILL_DIR)
			f->mode = read_number(L, fill, "mode");
		else if (f->kind == WARD_FILL_LINK)
			f->to = ward_spec_string(L, fill, "to");
		else
			f->like = read_number(L, fill, "like") - 1;
		luaL_argcheck(L, f->like < nmounts, 1, "spec.sandbox.tree: like no mount");
		lua_pop(L, 1);
	}
	*count = (uint32_t)n;
	return fills;
}

static uint32_t
read_attr(lua_State *L, int row)
{
	return (read_flag(L, row, "readonly") ? MOUNT_ATTR_RDONLY : 0) |
	       (read_flag(L, row, "nosuid") ? MOUNT_ATTR_NOSUID : 0) |
	       (read_flag(L, row, "nodev") ? MOUNT_ATTR_NODEV : 0) |
	       (read_flag(L, row, "noexec") ? MOUNT_ATTR_NOEXEC : 0);
}

/* What it reads stays on the stack, or in the spec. */
static void
read_mounts(lua_State *L, int tree, struct ward_draft_sandbox *out)
{
	lua_Integer n = push_list(L, tree, "mounts");
	struct ward_mount *mounts = ward_spec_scratch(L, (size_t)n, sizeof(*mounts));
	int list = lua_gettop(L) - 1;

	for (lua_Integer i = 1; i <= n; i++) {
		struct ward_mount *m = &mounts[i - 1];
		int row;

		luaL_checkstack(L, 16, "a mount");
		lua_pushvalue(L, list);
		row = push_row(L, i);
		m->type = read_optional(L, row, "type");
		m->target = ward_spec_string(L, row, "target");
		luaL_argcheck(L, m->target[0] == '/', 1, "spec.sandbox.tree: a relative target");
		if (!m->type)
			m->source = ward_spec_string(L, row, "source");
		m->attr = read_attr(L, row);
		m->optional = read_flag(L, row, "optional");
		m->options = read_options(L, row);
		m->fills = read_fills(L, row, n, &m->nfills);
	}
	out->mounts = mounts;
	out->nmounts = (size_t)n;
	if (lua_getfield(L, tree, "host") != LUA_TNIL)
		out->host_attr = read_attr(L, lua_gettop(L));
}

void
ward_spec_namespaces(lua_State *L, int sandbox, struct ward_draft_sandbox *out)
{
	struct ward_capsets own;

	out->privileged = ward_caps_read(&own) == 0 && own.effective >> WARD_CAP_SYS_ADMIN & 1;
	for (lua_Integer i = 1, n = push_list(L, sandbox, "namespaces"); i <= n; i++) {
		(void)lua_rawgeti(L, -1, i);
		out->namespaces |= namespace_flag(L, luaL_checkstring(L, -1));
		lua_pop(L, 1);
	}
	if (!out->namespaces)
		return;
	out->nested = read_flag(L, sandbox, "nested");
	out->pid1 = read_flag(L, sandbox, "pid1");
	out->hostname = read_optional(L, sandbox, "hostname");
	out->uid_map = read_map(L, sandbox, "uid_map", &out->nuid_map);
	out->gid_map = read_map(L, sandbox, "gid_map", &out->ngid_map);
	if (lua_getfield(L, sandbox, "tree") != LUA_TNIL)
		read_mounts(L, lua_gettop(L), out);
}
