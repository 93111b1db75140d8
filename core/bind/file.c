/* Files and locks of ward.core. */
#include "bind/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "bind/bind.h"
#include "linux/trusted.h"
#include "loop/handover.h"

#define FILE_TYPE "ward.file"
#define LOCK_TYPE "ward.lock"

#define READ_MAX   (1 << 20)  /* file:read in one call */
#define READ_WHOLE (16 << 20) /* core.read unless told otherwise */
#define READ_STEP  65536

/* A path or name for the kernel: no NUL inside. */
static const char *
check_path(lua_State *L, int arg)
{
	size_t n;
	const char *s = luaL_checklstring(L, arg, &n);

	if (strlen(s) != n)
		luaL_argerror(L, arg, "contains a NUL byte");
	return s;
}

/* ---- files and locks: both are a descriptor in a userdata ---- */

/* Pushes a closed one; what is opened into it cannot leak any more. */
static int *
new_fd(lua_State *L, const char *type)
{
	int *fd = lua_newuserdatauv(L, sizeof(*fd), 0);

	*fd = -1;
	luaL_setmetatable(L, type);
	return fd;
}

static int
check_fd(lua_State *L, const char *type)
{
	const int *fd = luaL_checkudata(L, 1, type);

	if (*fd < 0)
		luaL_argerror(L, 1, "already closed");
	return *fd;
}

static int
file_close(lua_State *L)
{
	ward_fd_close(luaL_checkudata(L, 1, FILE_TYPE));
	return 0;
}

static int
lock_close(lua_State *L)
{
	ward_handover_close(luaL_checkudata(L, 1, LOCK_TYPE));
	return 0;
}

/* O_NONBLOCK: opening a FIFO must not wait for somebody to write to it. */
static int
open_for_reading(const char *path)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static int
sys_open(lua_State *L)
{
	const char *path = check_path(L, 1);
	int *fd = new_fd(L, FILE_TYPE);

	*fd = open_for_reading(path);
	if (*fd < 0)
		return ward_bind_fail_errno(L, errno, "cannot open %s", path);
	return 1;
}

/* Reads up to @n bytes into a place of @b. Returns what read(2) does. */
static ssize_t
read_some(luaL_Buffer *b, int fd, size_t n)
{
	char *p = luaL_prepbuffsize(b, n);
	ssize_t k;

	do
		k = read(fd, p, n);
	while (k < 0 && errno == EINTR);
	if (k > 0)
		luaL_addsize(b, (size_t)k);
	return k;
}

static int
write_whole(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, text, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		text += k;
		n -= (size_t)k;
	}
	return 0;
}

/* write_file(path, text) -> true | nil, err: mode 0600, whole or not at all: a new file takes its place. */
static int
sys_write_file(lua_State *L)
{
	const char *path = check_path(L, 1), *fresh;
	size_t n;
	const char *text = luaL_checklstring(L, 2, &n);
	int *fd = new_fd(L, FILE_TYPE), r;

	fresh = lua_pushfstring(L, "%s.new", path);
	(void)unlink(fresh);
	*fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return ward_bind_fail_errno(L, errno, "cannot create %s", fresh);
	r = write_whole(*fd, text, n);
	ward_fd_close(fd);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(fresh);
		return ward_bind_fail_errno(L, -r, "cannot write %s", path);
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int
file_read(lua_State *L)
{
	int fd = check_fd(L, FILE_TYPE);
	lua_Integer n = luaL_checkinteger(L, 2);
	luaL_Buffer b;

	luaL_argcheck(L, n >= 0, 2, "negative size");
	if (n > READ_MAX)
		n = READ_MAX;
	luaL_buffinit(L, &b);
	if (read_some(&b, fd, (size_t)n) < 0)
		return ward_bind_fail_errno(L, errno, "cannot read");
	luaL_pushresult(&b);
	return 1;
}

static int
file_seek(lua_State *L)
{
	int fd = check_fd(L, FILE_TYPE);
	off_t at = lseek(fd, luaL_checkinteger(L, 2), SEEK_SET);

	if (at < 0)
		return ward_bind_fail_errno(L, errno, "cannot seek");
	lua_pushinteger(L, at);
	return 1;
}

static const char *
type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "link";
	case S_IFSOCK:
		return "socket";
	case S_IFIFO:
		return "fifo";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return "unknown";
	}
}

static int
push_stat(lua_State *L, const struct stat *st)
{
	const struct {
		const char *name;
		lua_Integer value;
	} numbers[] = {
		{ "size", st->st_size },
		{ "mode", st->st_mode & 07777 },
		{ "uid", st->st_uid },
		{ "gid", st->st_gid },
		{ "ino", (lua_Integer)st->st_ino },
		{ "dev", (lua_Integer)st->st_dev },
	};

	lua_createtable(L, 0, 8);
	lua_pushstring(L, type_name(st->st_mode));
	lua_setfield(L, -2, "type");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushinteger(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	lua_pushnumber(L, (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9);
	lua_setfield(L, -2, "mtime");
	return 1;
}

static int
file_stat(lua_State *L)
{
	struct stat st;

	if (fstat(check_fd(L, FILE_TYPE), &st) < 0)
		return ward_bind_fail_errno(L, errno, "cannot stat");
	return push_stat(L, &st);
}

/* chmod(path, mode) -> true | nil, err */
static int
sys_chmod(lua_State *L)
{
	const char *path = check_path(L, 1);
	lua_Integer mode = luaL_checkinteger(L, 2);

	luaL_argcheck(L, mode >= 0 && mode <= 07777, 2, "not a mode");
	if (chmod(path, (mode_t)mode) < 0)
		return ward_bind_fail_errno(L, errno, "cannot change the mode of %s", path);
	lua_pushboolean(L, 1);
	return 1;
}

static int
sys_stat(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct stat st;

	if (stat(path, &st) < 0)
		return ward_bind_fail_errno(L, errno, "cannot stat %s", path);
	return push_stat(L, &st);
}

/* The same of a symbolic link itself. */
static int
sys_lstat(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct stat st;

	if (lstat(path, &st) < 0)
		return ward_bind_fail_errno(L, errno, "cannot stat %s", path);
	return push_stat(L, &st);
}

/* trusted(path): it is there, and no link on the way lies where others may change it -> true | nil, err */
static int
sys_trusted(lua_State *L)
{
	const char *path = check_path(L, 1);
	WARD_AUTO_FD int fd = ward_trusted_open(path, O_PATH);

	if (fd < 0)
		return ward_bind_fail_errno(L, -fd, "cannot open %s", path);
	lua_pushboolean(L, true);
	return 1;
}

/* readlink(path) -> where a symbolic link leads | nil, err */
static int
sys_readlink(lua_State *L)
{
	const char *path = check_path(L, 1);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0)
		return ward_bind_fail_errno(L, errno, "cannot read the link %s", path);
	lua_pushlstring(L, target, (size_t)n);
	return 1;
}

/* read(path [, max]): the whole of a regular file; files under /proc tell no size, so it is
 * counted. */
static int
sys_read(lua_State *L)
{
	const char *path = check_path(L, 1);
	lua_Integer max = luaL_optinteger(L, 2, READ_WHOLE);
	int *fd = new_fd(L, FILE_TYPE);
	luaL_Buffer b;
	struct stat st;
	ssize_t k;

	*fd = open_for_reading(path);
	if (*fd < 0)
		return ward_bind_fail_errno(L, errno, "cannot open %s", path);
	if (fstat(*fd, &st) < 0)
		return ward_bind_fail_errno(L, errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode)) {
		ward_fd_close(fd);
		if (S_ISDIR(st.st_mode))
			return ward_bind_fail_errno(L, EISDIR, "cannot read %s", path);
		return ward_bind_fail_code(L, "not_regular", "%s is not a regular file", path);
	}
	luaL_buffinit(L, &b);
	do
		k = read_some(&b, *fd, READ_STEP);
	while (k > 0 && (lua_Integer)luaL_bufflen(&b) <= max);
	if (k < 0) {
		int err = errno;

		ward_fd_close(fd);
		return ward_bind_fail_errno(L, err, "cannot read %s", path);
	}
	ward_fd_close(fd);
	if ((lua_Integer)luaL_bufflen(&b) > max)
		return ward_bind_fail_errno(L, EFBIG, "cannot read %s", path);
	luaL_pushresult(&b);
	return 1;
}

/* true, or the failure of a call that returned @r. */
static int
push_done(lua_State *L, int r, const char *what, const char *path)
{
	if (r < 0)
		return ward_bind_fail_errno(L, errno, "cannot %s %s", what, path);
	lua_pushboolean(L, 1);
	return 1;
}

static int
sys_mkdir(lua_State *L)
{
	const char *path = check_path(L, 1);
	mode_t mode = (mode_t)luaL_optinteger(L, 2, 0777);

	return push_done(L, mkdir(path, mode), "make the directory", path);
}

static int
sys_unlink(lua_State *L)
{
	const char *path = check_path(L, 1);

	return push_done(L, unlink(path), "remove", path);
}

/* core.rmdir(path) -> true | nil, err */
static int
sys_rmdir(lua_State *L)
{
	const char *path = check_path(L, 1);

	return push_done(L, rmdir(path), "remove", path);
}

static int
sys_access_x(lua_State *L)
{
	const char *path = check_path(L, 1);
	struct stat st;

	lua_pushboolean(L, stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
				   faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0);
	return 1;
}

/* The message about a lock that somebody holds; its file says who. */
static int
fail_locked(lua_State *L, int *fd, const char *path)
{
	struct ward_err err;
	char pid[24];
	ssize_t n = pread(*fd, pid, sizeof(pid) - 1, 0);

	ward_handover_close(fd);
	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	(void)ward_err_set(&err, 0, EAGAIN, "%s%s holds %s", *pid ? "process " : "another process",
			   pid, path);
	return ward_bind_fail(L, &err);
}

/* lock(path [, { adopt = number }]): flock(2), so it ends with the process however that dies, but not in a re-exec. */
static int
sys_lock(lua_State *L)
{
	const char *path = check_path(L, 1);
	int kept = lua_istable(L, 2) ? ward_bind_kept(L, 2, "adopt") : -1;
	int *fd = new_fd(L, LOCK_TYPE);
	char pid[24];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	*fd = kept >= 0 ? kept
			: open(path,
			       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
			       0600);
	ward_handover_take(kept);
	if (*fd < 0)
		return ward_bind_fail_errno(L, errno, "cannot open %s", path);
	if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		int err = errno;

		if (err == EWOULDBLOCK)
			return fail_locked(L, fd, path);
		ward_handover_close(fd);
		return ward_bind_fail_errno(L, err, "cannot lock %s", path);
	}
	/* The lock counts, the number is for people: a full disk does not stop us. */
	if (ftruncate(*fd, 0) == 0)
		(void)!pwrite(*fd, pid, (size_t)n, 0);
	ward_handover_add(*fd);
	return 1;
}

/* lock:handover() -> the number of its descriptor, for lock's { adopt = number } after a re-exec */
static int
lock_handover(lua_State *L)
{
	lua_pushinteger(L, check_fd(L, LOCK_TYPE));
	return 1;
}

void
ward_bind_files(lua_State *L)
{
	static const luaL_Reg file[] = {
		{ "read", file_read },	 { "seek", file_seek },	 { "stat", file_stat },
		{ "close", file_close }, { "__gc", file_close }, { "__close", file_close },
		{ NULL, NULL },
	};
	static const luaL_Reg lock[] = {
		{ "close", lock_close }, { "handover", lock_handover },
		{ "__gc", lock_close },	 { "__close", lock_close },
		{ NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "read", sys_read },	  { "stat", sys_stat },
		{ "lstat", sys_lstat },	  { "trusted", sys_trusted },
		{ "mkdir", sys_mkdir },	  { "chmod", sys_chmod },
		{ "unlink", sys_unlink }, { "readlink", sys_readlink },
		{ "rmdir", sys_rmdir },	  { "write_file", sys_write_file },
		{ "open", sys_open },	  { "access_x", sys_access_x },
		{ "lock", sys_lock },	  { NULL, NULL },
	};

	ward_bind_class(L, FILE_TYPE, file);
	ward_bind_class(L, LOCK_TYPE, lock);
	luaL_setfuncs(L, functions, 0);
}
