/* Opening a path of the host that somebody else may change meanwhile: links on the way are followed only where nobody
 * but root and we can put one. Heap-free, of raw system calls, and so for the clone child as well. */
#ifndef WARD_LINUX_WALK_H
#define WARD_LINUX_WALK_H

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/sys_mount.h"

/* As the kernel's own walk has them (path_resolution(7)). */
#define WARD_WALK_NAME	256
#define WARD_WALK_PATH	4096
#define WARD_WALK_LINKS 40

/* Of linux/stat.h, which keeps them back where libc's headers are. */
#define WARD_WALK_TYPE	  0170000
#define WARD_WALK_SYMLINK 0120000
#define WARD_WALK_OTHERS  0022 /* who may write */
#define WARD_WALK_STICKY  01000

#define WARD_WALK_PROC	    0x9fa0 /* PROC_SUPER_MAGIC */
#define WARD_WALK_PROC_ROOT 1	   /* its root's inode; links below it lead past all names */

struct ward_walk {
	uint32_t root; /* the uid that root has here: in a user namespace of our own, nobody's */
	bool magic;    /* links such as /proc/self/fd/1 are followed, too */
};

/* Can nobody but root and us have put @link into @dir? In a sticky directory it is theirs who owns it, as the kernel's
 * own protected_symlinks has it (proc(5)). */
static inline long
ward_walk_trusts(const struct ward_walk *w, const struct statx *link, int dir, struct statx *st)
{
	uint32_t real, uid, saved, owners[2];
	long r = ward_sys_statx(dir, "", AT_EMPTY_PATH,
				STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO, st);

	if (r >= 0)
		r = ward_sys_getresuid(&real, &uid, &saved);
	if (r < 0)
		return r;
	owners[0] = st->stx_uid;
	owners[1] = st->stx_mode & WARD_WALK_OTHERS ? link->stx_uid : uid;
	for (int i = 0; i < 2; i++) {
		if (owners[i] != uid && owners[i] != 0 && owners[i] != w->root)
			return -ELOOP;
	}
	return st->stx_mode & WARD_WALK_OTHERS && !(st->stx_mode & WARD_WALK_STICKY) ? -ELOOP : 0;
}

/* Takes the next name of *path into @name. Returns its length, 0 at the end, or -ENAMETOOLONG. */
static inline long
ward_walk_next(const char **path, char *name)
{
	const char *p = *path;
	long n = 0;

	while (*p == '/')
		p++;
	for (; *p && *p != '/'; p++) {
		if (n == WARD_WALK_NAME - 1)
			return -ENAMETOOLONG;
		name[n++] = *p;
	}
	name[n] = '\0';
	*path = p;
	return n;
}

/* Writes where the open @link leads, and then @rest, to @to. */
static inline long
ward_walk_follow(int link, const char *rest, char *to)
{
	long n = ward_sys_readlinkat(link, "", to, WARD_WALK_PATH);

	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	do {
		if (n >= WARD_WALK_PATH)
			return -ENAMETOOLONG;
		to[n++] = *rest;
	} while (*rest++);
	return 0;
}

/* What a name in *dir turned out to be. */
enum ward_walk_found { WARD_WALK_ENDS, WARD_WALK_GOES_ON, WARD_WALK_LINK };

/* Looks at @name in *dir. ENDS: *fd is the end of the walk or -errno; GOES_ON: it is now *dir; LINK: it is a link to
 * follow, open as *fd. */
static inline enum ward_walk_found
ward_walk_look(const struct ward_walk *w, int *dir, const char *name, bool last, int flags,
	       unsigned int mode, long *fd)
{
	struct statx st, above;
	long r;

	*fd = ward_sys_openat(*dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (*fd == -ENOENT && last)
		*fd = ward_sys_openat(*dir, name, flags | O_NOFOLLOW, mode);
	else if (*fd >= 0)
		goto found;
	return WARD_WALK_ENDS;

found:
	r = ward_sys_statx((int)*fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_UID, &st);
	if (r >= 0 && (st.stx_mode & WARD_WALK_TYPE) == WARD_WALK_SYMLINK) {
		r = ward_walk_trusts(w, &st, *dir, &above);
		if (r >= 0 && (ward_sys_fs_type((int)*fd) != WARD_WALK_PROC ||
			       above.stx_ino == WARD_WALK_PROC_ROOT))
			return WARD_WALK_LINK;
		(void)ward_sys_close((int)*fd);
		*fd = r < 0 ? r
		      : w->magic
			      ? ward_sys_openat(*dir, name, last ? flags : O_PATH | O_CLOEXEC, mode)
			      : -ELOOP;
		last |= *fd < 0;
	} else if (r < 0 || (last && flags != (O_PATH | O_CLOEXEC))) {
		(void)ward_sys_close((int)*fd);
		*fd = r < 0 ? r : ward_sys_openat(*dir, name, flags | O_NOFOLLOW, mode);
		last = true;
	}
	if (last)
		return WARD_WALK_ENDS;
	(void)ward_sys_close(*dir);
	*dir = (int)*fd;
	return WARD_WALK_GOES_ON;
}

static inline long
ward_walk_root(void)
{
	return ward_sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

/* By hand, name by name. Not inlined: its texts are on the stack once, and only while it walks. */
static __attribute__((noinline, unused)) long
ward_walk_names(const struct ward_walk *w, const char *path, int flags, unsigned int mode)
{
	char name[WARD_WALK_NAME], text[2][WARD_WALK_PATH];
	long r = ward_walk_root(), fd;
	int dir = (int)r, links = 0;

	while (r >= 0) {
		enum ward_walk_found found;

		r = ward_walk_next(&path, name);
		if (r <= 0) {
			if (r == 0)
				r = ward_sys_openat(dir, ".", flags, mode);
			break;
		}
		found = ward_walk_look(w, &dir, name, !*path, flags, mode, &fd);
		if (found == WARD_WALK_GOES_ON)
			continue;
		if (found == WARD_WALK_ENDS) {
			r = fd;
			break;
		}
		r = links == WARD_WALK_LINKS ? -ELOOP
					     : ward_walk_follow((int)fd, path, text[links & 1]);
		(void)ward_sys_close((int)fd);
		path = text[links++ & 1];
		if (r < 0 || *path != '/')
			continue;
		(void)ward_sys_close(dir);
		r = dir = (int)ward_walk_root();
	}
	if (dir >= 0)
		(void)ward_sys_close(dir);
	return r;
}

/* Opens an absolute path with flags and mode as open(2). Returns a descriptor, owned, or -errno: ELOOP where a link lies
 * in a directory that others may change, and those of open(2). */
static inline long
ward_walk_open(const struct ward_walk *w, const char *path, int flags, unsigned int mode)
{
	const struct open_how how = {
		.flags = (uint32_t)flags,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long r = ward_sys_openat2(AT_FDCWD, path, &how, sizeof(how));

	/* Most paths have no link. Old kernels and filters do not know the call. */
	return r == -ELOOP || r == -ENOSYS || r == -EPERM ? ward_walk_names(w, path, flags, mode)
							  : r;
}

#endif
