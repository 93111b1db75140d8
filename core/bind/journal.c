/* core.journal(path) -> journal, and core.journal_read(path, record): what a successor reads. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/pack.h"
#include "loop/journal.h"

#define JOURNAL "ward.journal"
#define READER	"ward.journal_reader"

/* A buffer that a snapshot has made large is given back. */
#define KEEP_CAP 65536

struct journal {
	struct ward_journal *file; /* NULL once closed */
	struct ward_buf buf;	   /* empty between calls */
};

/* journal(path): nothing is written before the first snapshot */
static int
journal_new(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct journal *j = lua_newuserdatauv(L, sizeof(*j), 0);
	int r;

	*j = (struct journal){ 0 };
	luaL_setmetatable(L, JOURNAL);
	r = ward_journal_new(path, &j->file);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot make a journal");
	return 1;
}

static struct journal *
check_journal(lua_State *L)
{
	struct journal *j = luaL_checkudata(L, 1, JOURNAL);

	luaL_argcheck(L, j->file, 1, "the journal is closed");
	return j;
}

/* Packs the arguments and hands the bytes to @write. Whatever fails, what is on disk is not all that happened. */
static int
put(lua_State *L, int (*write)(struct ward_journal *j, const void *bytes, size_t n))
{
	struct journal *j = check_journal(L);
	struct ward_err err;
	int r = ward_pack(L, 2, lua_gettop(L) - 1, &j->buf, &err);

	if (r < 0) {
		ward_journal_end(j->file);
		return ward_bind_fail(L, &err);
	}
	r = write(j->file, j->buf.bytes + j->buf.at, j->buf.n);
	j->buf.n = 0;
	if (j->buf.cap > KEEP_CAP)
		ward_buf_free(&j->buf);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot write the journal");
	lua_pushboolean(L, 1);
	lua_pushboolean(L, ward_journal_is_long(j->file));
	if (!ward_journal_lacks(j->file))
		return 2;
	lua_pushstring(L, strerror(ward_journal_lacks(j->file)));
	return 3;
}

/* journal:snapshot(...) -> as append: the file has this record only */
static int
journal_snapshot(lua_State *L)
{
	return put(L, ward_journal_snapshot);
}

/* journal:append(...) -> true, long, lacks | nil, err; long: it is time for a snapshot; lacks: why it is in memory, or
 * nil */
static int
journal_append(lua_State *L)
{
	return put(L, ward_journal_append);
}

/* journal:place() -> the path by which this process can read it */
static int
journal_place(lua_State *L)
{
	char place[PATH_MAX];

	if (ward_journal_place(check_journal(L)->file, place, sizeof(place)) < 0)
		place[0] = '\0'; /* nothing is there */
	lua_pushstring(L, place);
	return 1;
}

/* journal:remove(): there is nothing to succeed to any more */
static int
journal_remove(lua_State *L)
{
	ward_journal_end(check_journal(L)->file);
	return 0;
}

static int
journal_close(lua_State *L)
{
	struct journal *j = luaL_checkudata(L, 1, JOURNAL);

	ward_journal_free(j->file);
	j->file = NULL;
	ward_buf_free(&j->buf);
	return 0;
}

static int
reader_close(lua_State *L)
{
	struct ward_journal_reader **r = luaL_checkudata(L, 1, READER);

	ward_journal_close(*r);
	*r = NULL;
	return 0;
}

/* Pushes why the reading ended early, and at which byte. */
static int
torn(lua_State *L, size_t at, const char *why)
{
	lua_pushboolean(L, 1);
	lua_pushfstring(L, "the journal ends early, at byte %I: %s", (LUAI_UACINT)at, why);
	return 2;
}

/* journal_read(path, record) -> true, torn | nil, err: record(...) is called with what each record holds; torn says where
 * the file was cut or is corrupt, nil when it is whole. */
static int
journal_read(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1), *bytes;
	struct ward_journal_reader **reader;
	struct ward_err err;
	size_t n, at;
	int r;

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	reader = lua_newuserdatauv(L, sizeof(struct ward_journal_reader *), 0);
	*reader = NULL;
	luaL_setmetatable(L, READER);
	r = ward_journal_open(path, reader);
	if (r == -EBADMSG || r == -EPROTONOSUPPORT)
		return ward_bind_fail_code(L, "invalid",
					   r == -EBADMSG ? "%s is no journal"
							 : "%s is the journal of another version",
					   path);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot read %s", path);
	for (;;) {
		at = ward_journal_at(*reader);
		r = ward_journal_next(*reader, &bytes, &n);
		if (r <= 0)
			break;
		lua_pushvalue(L, 2);
		r = ward_unpack(L, bytes, n, &err);
		if (r < 0)
			return torn(L, at, err.detail);
		lua_call(L, r, 0);
	}
	if (r < 0)
		return torn(L, at, "a record is cut or corrupt");
	lua_pushboolean(L, 1);
	return 1;
}

void
ward_bind_journal(lua_State *L)
{
	static const luaL_Reg journal[] = {
		{ "snapshot", journal_snapshot },
		{ "append", journal_append },
		{ "place", journal_place },
		{ "remove", journal_remove },
		{ "close", journal_close },
		{ "__gc", journal_close },
		{ NULL, NULL },
	};
	static const luaL_Reg reader[] = { { "__gc", reader_close }, { NULL, NULL } };
	static const luaL_Reg functions[] = { { "journal", journal_new },
					      { "journal_read", journal_read },
					      { NULL, NULL } };

	ward_bind_class(L, JOURNAL, journal);
	ward_bind_class(L, READER, reader);
	luaL_setfuncs(L, functions, 0);
}
