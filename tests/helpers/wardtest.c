/* wardtest: what tests need of the system and Lua does not have. A Lua C module for specs and for
 * tests/run. Failures of the world are nil and a message; misuse raises.
 *
 *	spawn(argv [, opts]) -> pid [, terminal]
 *		opts: env = { K = "v", GONE = false } over the caller's, env_clear, cwd,
 *		stdin = path (default /dev/null), stdout = path, stderr = path or "stdout"
 *		(default: inherited), pty = true: the three are a new controlling terminal, whose
 *		other end is returned as a connection
 *	wait(pid, seconds) -> { code = n } | { signal = "TERM" } | { gone = true } (no child of ours)
 *		| nil when it still runs after that time
 *	kill(pid, signal) -> true; signal: number or name; a negative pid is a process group
 *	alive(pid) -> bool; a zombie is dead
 *	children(pid) -> { pid ... }: in rising order, without zombies
 *	marked("K=v") -> { pid ... }: every process that has this in its environment, but the caller
 *	adopt(): orphaned descendants become children of the caller (prctl(2), subreaper)
 *	reap(pid): collects the children that have ended, all but this one
 *	pid(), now() (monotonic seconds), sleep_ms(n)
 *	connect(path) -> connection to a unix stream socket
 *		connection:send(s) -> true; connection:recv(seconds) -> bytes, "" at the end, or
 *		nil, "timeout"; connection:close()
 *	mkdtemp([prefix]) -> path, under $TMPDIR or /tmp; mkfifo(path, mode); chmod(path, mode)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <utmp.h>
#include <unistd.h>

#define CONNECTION "wardtest.connection"

extern char **environ;

int luaopen_wardtest(lua_State *L);

static int
fail(lua_State *L, const char *what)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", what, strerror(errno));
	return 2;
}

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
l_now(lua_State *L)
{
	lua_pushnumber(L, now());
	return 1;
}

static int
l_sleep_ms(lua_State *L)
{
	(void)poll(NULL, 0, (int)luaL_checkinteger(L, 1));
	return 0;
}

static int
l_pid(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

/* True when @fd is readable (or at its end) before the deadline. A signal ends the wait early, so
 * that the interpreter can handle Ctrl-C. */
static bool
readable_within(int fd, double seconds)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)fmin(ceil(seconds * 1000), INT_MAX)) == 1;
}

/* Connections ---------------------------------------------------------------------------------- */

static int *
new_connection(lua_State *L)
{
	int *fd = lua_newuserdatauv(L, sizeof(*fd), 0);

	*fd = -1;
	luaL_setmetatable(L, CONNECTION);
	return fd;
}

static int
connection_fd(lua_State *L)
{
	int fd = *(int *)luaL_checkudata(L, 1, CONNECTION);

	if (fd < 0)
		luaL_error(L, "the connection is closed");
	return fd;
}

static int
connection_close(lua_State *L)
{
	int *fd = luaL_checkudata(L, 1, CONNECTION);

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	return 0;
}

static int
connection_send(lua_State *L)
{
	int fd = connection_fd(L);
	size_t size;
	const char *data = luaL_checklstring(L, 2, &size);

	while (size > 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == ENOTSOCK) /* a terminal */
			n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return fail(L, "send");
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int
connection_recv(lua_State *L)
{
	int fd = connection_fd(L);
	char buf[65536];
	ssize_t n;

	if (!readable_within(fd, luaL_checknumber(L, 2))) {
		lua_pushnil(L);
		lua_pushliteral(L, "timeout");
		return 2;
	}
	n = read(fd, buf, sizeof(buf));
	if (n < 0 && errno == EIO) /* a terminal whose last user has gone */
		n = 0;
	if (n < 0)
		return fail(L, "recv");
	lua_pushlstring(L, buf, (size_t)n);
	return 1;
}

static int
l_connect(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int *fd = new_connection(L);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return fail(L, path);
	}
	(void)strcpy(addr.sun_path, path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail(L, path);
	return 1;
}

/* Processes ------------------------------------------------------------------------------------ */

struct child {
	char **argv, **envp;
	const char *cwd, *paths[3]; /* NULL: as it is */
	bool merge;		    /* stderr goes where stdout goes */
	int terminal;		    /* or -1 */
};

static const char *
opt_string(lua_State *L, const char *key)
{
	const char *s;

	lua_getfield(L, 2, key);
	s = luaL_optstring(L, -1, NULL);
	lua_pop(L, 1); /* the table of options keeps it */
	return s;
}

static bool
opt_flag(lua_State *L, const char *key)
{
	bool set;

	lua_getfield(L, 2, key);
	set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set;
}

/* An array of @n pointers that lives as long as the userdata that is left on the stack. */
static char **
new_vector(lua_State *L, size_t n)
{
	return lua_newuserdatauv(L, n * sizeof(char *), 0);
}

static char **
read_argv(lua_State *L)
{
	size_t n = lua_rawlen(L, 1);
	char **argv = new_vector(L, n + 1);

	luaL_argcheck(L, n > 0, 1, "empty command");
	for (size_t i = 0; i < n; i++) {
		if (lua_rawgeti(L, 1, (lua_Integer)i + 1) != LUA_TSTRING)
			luaL_argerror(L, 1, "strings expected");
		argv[i] = (char *)lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	argv[n] = NULL;
	return argv;
}

/* Leaves a table K -> "K=v" on the stack: the caller's environment with opts.env over it. */
static void
merge_env(lua_State *L)
{
	lua_newtable(L);
	for (char **e = opt_flag(L, "env_clear") ? NULL : environ; e && *e; e++) {
		const char *eq = strchr(*e, '=');

		if (!eq)
			continue;
		lua_pushlstring(L, *e, (size_t)(eq - *e));
		lua_pushstring(L, *e);
		lua_rawset(L, -3);
	}
	lua_getfield(L, 2, "env");
	if (lua_isnil(L, -1))
		lua_newtable(L);
	else
		lua_pushvalue(L, -1);
	lua_remove(L, -2);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		if (lua_toboolean(L, -2))
			lua_pushfstring(L, "%s=%s", luaL_checkstring(L, -3),
					luaL_checkstring(L, -2));
		else
			lua_pushnil(L);
		lua_rawset(L, -6);
	}
	lua_pop(L, 1);
}

static char **
read_env(lua_State *L)
{
	size_t n = 0;
	char **envp;

	merge_env(L);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		n++;
	envp = new_vector(L, n + 1);
	n = 0;
	for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1))
		envp[n++] = (char *)lua_tostring(L, -1);
	envp[n] = NULL;
	return envp;
}

/* In the child: the standard descriptors; false with errno. */
static bool
place_stdio(const struct child *c)
{
	static const int flags[] = { O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
				     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND };

	if (c->terminal >= 0)
		return login_tty(c->terminal) == 0;
	for (int i = 0; i < 3; i++) {
		int fd;

		if (!c->paths[i])
			continue;
		fd = open(c->paths[i], flags[i] | O_CLOEXEC, 0644);
		if (fd < 0 || dup2(fd, i) < 0)
			return false;
		if (fd > 2)
			(void)close(fd);
	}
	return !c->merge || dup2(1, 2) >= 0;
}

/* Forks and executes; an errno of the child comes back through @report, which execve closes. */
static pid_t
start(const struct child *c)
{
	int report[2], err = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (place_stdio(c) && (!c->cwd || chdir(c->cwd) == 0))
			(void)execvpe(c->argv[0], c->argv, c->envp);
		err = errno;
		(void)!write(report[1], &err, sizeof(err));
		_exit(127);
	}
	(void)close(report[1]);
	if (pid > 0 && read(report[0], &err, sizeof(err)) > 0) {
		(void)waitpid(pid, NULL, 0);
		errno = err;
		pid = -1;
	}
	(void)close(report[0]);
	return pid;
}

static int
l_spawn(lua_State *L)
{
	struct child c = { .terminal = -1 };
	int *terminal = NULL;
	pid_t pid;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_newtable(L);
		lua_replace(L, 2);
	}
	c.argv = read_argv(L);
	c.envp = read_env(L);
	c.cwd = opt_string(L, "cwd");
	c.paths[0] = opt_string(L, "stdin");
	c.paths[1] = opt_string(L, "stdout");
	c.paths[2] = opt_string(L, "stderr");
	if (!c.paths[0])
		c.paths[0] = "/dev/null";
	c.merge = c.paths[2] && strcmp(c.paths[2], "stdout") == 0;
	if (c.merge)
		c.paths[2] = NULL;
	if (opt_flag(L, "pty")) {
		terminal = new_connection(L);
		if (openpty(terminal, &c.terminal, NULL, NULL, NULL) < 0)
			return fail(L, "openpty");
		(void)fcntl(*terminal, F_SETFD, FD_CLOEXEC);
	}
	pid = start(&c);
	if (c.terminal >= 0)
		(void)close(c.terminal);
	if (pid < 0)
		return fail(L, c.argv[0]);
	lua_pushinteger(L, pid);
	if (!terminal)
		return 1;
	lua_insert(L, -2); /* pid below the connection */
	return 2;
}

static int
signal_number(lua_State *L, int index)
{
	const char *name;

	if (lua_isinteger(L, index))
		return (int)lua_tointeger(L, index);
	name = luaL_checkstring(L, index);
	for (int sig = 1; sig < NSIG; sig++) {
		const char *known = sigabbrev_np(sig);

		if (known && strcmp(known, name) == 0)
			return sig;
	}
	return luaL_argerror(L, index, "no such signal");
}

static int
l_kill(lua_State *L)
{
	if (kill((pid_t)luaL_checkinteger(L, 1), signal_number(L, 2)) < 0)
		return fail(L, "kill");
	lua_pushboolean(L, 1);
	return 1;
}

static int
l_wait(lua_State *L)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	double seconds = luaL_checknumber(L, 2);
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	siginfo_t info = { 0 };
	bool over;

	if (fd < 0 && errno != ESRCH)
		return fail(L, "pidfd_open");
	over = fd < 0 || readable_within(fd, seconds);
	if (fd >= 0)
		(void)close(fd);
	if (!over) {
		lua_pushnil(L);
		return 1;
	}
	lua_newtable(L);
	/* It has ended; a tracer may have to be told before us. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0) {
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "gone");
	} else if (info.si_code == CLD_EXITED) {
		lua_pushinteger(L, info.si_status);
		lua_setfield(L, -2, "code");
	} else {
		const char *name = sigabbrev_np(info.si_status);

		lua_pushstring(L, name ? name : "unknown");
		lua_setfield(L, -2, "signal");
	}
	return 1;
}

/* Reads /proc/@pid/@name into @buf, NUL-terminated; the number of bytes, or -1. */
static ssize_t
read_proc(const char *pid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t used = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += (size_t)n;
	(void)close(fd);
	buf[used] = '\0';
	return (ssize_t)used;
}

/* State letter and parent of a process: proc(5), behind the name in parentheses. */
static bool
read_stat(const char *pid, char *state, int *parent)
{
	char buf[1024], *p;

	if (read_proc(pid, "stat", buf, sizeof(buf)) <= 0)
		return false;
	p = strrchr(buf, ')');
	return p && sscanf(p + 1, " %c %d", state, parent) == 2;
}

static bool
is_alive(const char *pid)
{
	char state;
	int parent;

	return read_stat(pid, &state, &parent) && state != 'Z' && state != 'X';
}

static int
l_alive(lua_State *L)
{
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "%d", (int)luaL_checkinteger(L, 1));
	lua_pushboolean(L, is_alive(pid));
	return 1;
}

static bool
is_child_of(const char *pid, const void *arg)
{
	char state;
	int parent;

	return read_stat(pid, &state, &parent) && state != 'Z' && state != 'X' &&
	       parent == *(const int *)arg;
}

static bool
has_in_env(const char *pid, const void *arg)
{
	static char buf[1 << 20];
	ssize_t n = atoi(pid) == getpid() ? -1 : read_proc(pid, "environ", buf, sizeof(buf));

	for (const char *p = buf; n > 0 && p < buf + n; p += strlen(p) + 1) {
		if (strcmp(p, arg) == 0)
			return is_alive(pid);
	}
	return false;
}

/* A list of the processes that @want accepts. /proc is read in the order of pids. */
static int
list_processes(lua_State *L, bool (*want)(const char *pid, const void *arg), const void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	lua_Integer n = 0;

	if (!proc)
		return fail(L, "/proc");
	lua_newtable(L);
	while ((d = readdir(proc))) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9' || !want(d->d_name, arg))
			continue;
		lua_pushinteger(L, atoi(d->d_name));
		lua_rawseti(L, -2, ++n);
	}
	(void)closedir(proc);
	return 1;
}

static int
l_children(lua_State *L)
{
	int parent = (int)luaL_checkinteger(L, 1);

	return list_processes(L, is_child_of, &parent);
}

static int
l_marked(lua_State *L)
{
	return list_processes(L, has_in_env, luaL_checkstring(L, 1));
}

static int
l_adopt(lua_State *L)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return fail(L, "prctl");
	lua_pushboolean(L, 1);
	return 1;
}

/* Looks before it reaps: the one that the caller waits for keeps its status. It then hides those
 * behind it, until the caller has collected it. */
static int
l_reap(lua_State *L)
{
	pid_t keep = (pid_t)luaL_optinteger(L, 1, 0);
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
		    info.si_pid == keep)
			return 0;
		(void)waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

/* Files ---------------------------------------------------------------------------------------- */

static int
l_mkdtemp(lua_State *L)
{
	const char *prefix = luaL_optstring(L, 1, "ward-");
	const char *base = getenv("TMPDIR");
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%sXXXXXX", base && *base ? base : "/tmp", prefix) >=
	    (int)sizeof(path))
		return luaL_error(L, "TMPDIR is too long");
	if (!mkdtemp(path))
		return fail(L, path);
	lua_pushstring(L, path);
	return 1;
}

static int
l_mkfifo(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	if (mkfifo(path, (mode_t)luaL_optinteger(L, 2, 0600)) < 0)
		return fail(L, path);
	lua_pushboolean(L, 1);
	return 1;
}

static int
l_chmod(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	if (chmod(path, (mode_t)luaL_checkinteger(L, 2)) < 0)
		return fail(L, path);
	lua_pushboolean(L, 1);
	return 1;
}

int
luaopen_wardtest(lua_State *L)
{
	static const luaL_Reg connection[] = {
		{ "send", connection_send },	 { "recv", connection_recv },
		{ "close", connection_close },	 { "__gc", connection_close },
		{ "__close", connection_close }, { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "spawn", l_spawn },	  { "wait", l_wait },	      { "kill", l_kill },
		{ "alive", l_alive },	  { "children", l_children }, { "marked", l_marked },
		{ "adopt", l_adopt },	  { "reap", l_reap },	      { "pid", l_pid },
		{ "now", l_now },	  { "sleep_ms", l_sleep_ms }, { "connect", l_connect },
		{ "mkdtemp", l_mkdtemp }, { "mkfifo", l_mkfifo },     { "chmod", l_chmod },
		{ NULL, NULL },
	};

	luaL_newmetatable(L, CONNECTION);
	luaL_setfuncs(L, connection, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}
