/* core.out(fd) -> writer, and core.log{...} -> log: a service's output into its file and, line by
 * line, onto the console. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/plan.h"
#include "loop/logpump.h"
#include "loop/out.h"

#define WRITER "ward.writer"
#define LOG    "ward.log"

/* The longest console line: a log line of 8 KiB in which every byte is escaped, and its head. */
#define CONSOLE_MAX (2 * 8192 + 512)

struct writer {
	struct ward_out *out; /* NULL once closed */
};

struct log {
	struct ward_log *log; /* NULL once closed */
	struct writer *echo;  /* NULL, or kept alive as the first user value */
	bool escape;	      /* the console is a terminal: control bytes become visible */
	char label[192];      /* "web     | ", ready to print */
};

static int
out_new(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	int fd = (int)luaL_checkinteger(L, 1), r;
	struct writer *w = lua_newuserdatauv(L, sizeof(*w), 0);

	w->out = NULL;
	luaL_setmetatable(L, WRITER);
	r = ward_out_new(core->loop, fd, &w->out);
	if (r < 0)
		return ward_bind_fail_errno(L, -r, "cannot write to descriptor %d", fd);
	return 1;
}

/* writer:write(s) */
static int
writer_write(lua_State *L)
{
	struct writer *w = luaL_checkudata(L, 1, WRITER);
	size_t n;
	const char *s = luaL_checklstring(L, 2, &n);

	luaL_argcheck(L, w->out, 1, "the writer is closed");
	ward_out_write(w->out, s, n);
	return 0;
}

static int
writer_close(lua_State *L)
{
	struct writer *w = luaL_checkudata(L, 1, WRITER);

	ward_out_free(w->out);
	w->out = NULL;
	return 0;
}

/* Length of the colour sequence (ESC [ digits and ; m) at @s, or 0: the one escape that a service
 * may send to ward's terminal. */
static size_t
colour_sequence(const char *s, size_t n)
{
	size_t i = 2;

	if (n < 3 || s[0] != '\033' || s[1] != '[')
		return 0;
	while (i < n && (strchr("0123456789;", s[i]) && s[i]))
		i++;
	return i < n && s[i] == 'm' ? i + 1 : 0;
}

/* Copies a line for a terminal: a service must not move the cursor or retitle the window. */
static size_t
escape_line(char *to, const char *line, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];
		size_t colour = colour_sequence(line + i, n - i);

		if (colour) {
			memcpy(to + at, line + i, colour);
			at += colour;
			i += colour - 1;
		} else if (c == '\r' && i + 1 == n) {
			break;
		} else if ((c < 0x20 && c != '\t') || c == 0x7f) {
			to[at++] = '^';
			to[at++] = (char)(c ^ 0x40);
		} else {
			to[at++] = (char)c;
		}
	}
	return at;
}

static void
on_line(void *arg, const char *line, size_t n)
{
	struct log *log = arg;
	char text[CONSOLE_MAX];
	time_t now = time(NULL);
	struct tm tm;
	size_t at;

	if (!log->echo->out)
		return;
	(void)localtime_r(&now, &tm);
	at = (size_t)snprintf(text, 512, "%02d:%02d:%02d %s", tm.tm_hour, tm.tm_min, tm.tm_sec,
			      log->label);
	if (log->escape) {
		at += escape_line(text + at, line, n);
	} else {
		memcpy(text + at, line, n);
		at += n;
	}
	text[at++] = '\n';
	ward_out_write(log->echo->out, text, at);
}

/* The terminal in field @key of the table on top, if it has come through a re-exec, else -1. */
static int
kept_terminal(lua_State *L, const char *key)
{
	int fd = ward_bind_kept_if_there(L, lua_gettop(L), key);

	return fd >= 0 && isatty(fd) ? fd : -1;
}

/* Takes the terminals of a log that came through a re-exec: a list of { master =, other = } on top. One that was gone by
 * then is passed over. */
static void
adopt_terminals(lua_State *L, struct ward_log *log)
{
	lua_Integer n = lua_istable(L, -1) ? luaL_len(L, -1) : 0;

	for (lua_Integer i = 1; i <= n; i++) {
		struct ward_log_terminal *unused;
		int r, master, other;

		lua_rawgeti(L, -1, i);
		luaL_checktype(L, -1, LUA_TTABLE);
		master = kept_terminal(L, "master");
		other = kept_terminal(L, "other");
		lua_pop(L, 1);
		r = master < 0 ? 0 : ward_log_add_terminal(log, master, other, &unused);
		if (r < 0)
			luaL_error(L, "cannot take over a terminal: %s", strerror(-r));
	}
}

/* core.log{ path =, echo = writer|nil, label = "web     | ", escape = bool, adopt = } -> log | nil, err; adopt: what
 * log:handover() returned before a re-exec */
static int
log_new(lua_State *L)
{
	struct ward_core *core = ward_core_need(L);
	struct ward_log_kept kept = { -1, -1 };
	bool adopts;
	struct ward_err err;
	const char *path;
	struct log *log;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	log = lua_newuserdatauv(L, sizeof(*log), 1);
	memset(log, 0, sizeof(*log));
	luaL_setmetatable(L, LOG);
	if (lua_getfield(L, 1, "echo") != LUA_TNIL)
		log->echo = luaL_checkudata(L, -1, WRITER);
	(void)lua_setiuservalue(L, 2, 1);
	(void)lua_getfield(L, 1, "escape");
	log->escape = lua_toboolean(L, -1);
	(void)lua_getfield(L, 1, "label");
	(void)snprintf(log->label, sizeof(log->label), "%s", luaL_optstring(L, -1, ""));
	(void)lua_getfield(L, 1, "path");
	path = luaL_checkstring(L, -1);
	adopts = lua_getfield(L, 1, "adopt") != LUA_TNIL;
	if (adopts) {
		int adopt = lua_gettop(L);

		luaL_checktype(L, adopt, LUA_TTABLE);
		kept.reader = ward_bind_kept(L, adopt, "reader");
		kept.writer = ward_bind_kept(L, adopt, "writer");
	}
	if (ward_log_adopt(core->loop, path, adopts ? &kept : NULL, log->echo ? on_line : NULL, log,
			   &log->log, &err) < 0)
		return ward_bind_fail(L, &err);
	if (adopts && lua_getfield(L, -1, "terminals") != LUA_TNIL)
		adopt_terminals(L, log->log);
	lua_settop(L, 2);
	return 1;
}

struct ward_log *
ward_bind_log_at(lua_State *L, int index)
{
	return ((struct log *)luaL_checkudata(L, index, LOG))->log;
}

/* log:drain() -> true when every byte taken is in the file */
static int
log_drain(lua_State *L)
{
	struct ward_log *log = ward_bind_log_at(L, 1);

	luaL_argcheck(L, log, 1, "the log is closed");
	lua_pushboolean(L, ward_log_drain(log));
	return 1;
}

/* log:handover() -> { reader =, writer =, terminals = { { master =, other = }, ... } }: numbers of descriptors, for
 * core.log's `adopt` after a re-exec. The terminals are those of children that live, and others that are still open. */
static int
log_handover(lua_State *L)
{
	struct ward_log *log = ward_bind_log_at(L, 1);
	struct ward_log_kept kept;
	int master, other;

	luaL_argcheck(L, log, 1, "the log is closed");
	kept = ward_log_kept(log);
	lua_createtable(L, 0, 3);
	ward_bind_set_fd(L, "reader", kept.reader);
	ward_bind_set_fd(L, "writer", kept.writer);
	lua_newtable(L);
	for (int i = 0; ward_log_terminal_at(log, i, &master, &other); i++) {
		lua_createtable(L, 0, 2);
		ward_bind_set_fd(L, "master", master);
		ward_bind_set_fd(L, "other", other);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "terminals");
	return 1;
}

static int
log_close(lua_State *L)
{
	struct log *log = luaL_checkudata(L, 1, LOG);

	ward_log_free(log->log);
	log->log = NULL;
	return 0;
}

void
ward_bind_log(lua_State *L)
{
	static const luaL_Reg writer_methods[] = {
		{ "write", writer_write },
		{ "close", writer_close },
		{ "__gc", writer_close },
		{ NULL, NULL },
	};
	static const luaL_Reg log_methods[] = {
		{ "drain", log_drain }, { "handover", log_handover },
		{ "close", log_close }, { "__gc", log_close },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "out", out_new },
		{ "log", log_new },
		{ NULL, NULL },
	};

	ward_bind_class(L, WRITER, writer_methods);
	ward_bind_class(L, LOG, log_methods);
	luaL_setfuncs(L, functions, 0);
}
