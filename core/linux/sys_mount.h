/* Raw system calls of file systems: as linux/sys.h, of which it is a part. fsopen(2) and its kin came with Linux
 * 5.2, openat2(2) with 5.6, mount_setattr(2) with 5.12. */
#ifndef WARD_LINUX_SYS_MOUNT_H
#define WARD_LINUX_SYS_MOUNT_H

#include "linux/sys.h"

WARD_SYS long
ward_sys_fsopen(const char *type, unsigned int flags)
{
	return ward_sys6(__NR_fsopen, WARD_PTR(type), (long)flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_fsconfig(int fd, unsigned int cmd, const char *key, const char *value)
{
	return ward_sys6(__NR_fsconfig, fd, (long)cmd, WARD_PTR(key), WARD_PTR(value), 0, 0);
}

WARD_SYS long
ward_sys_fsmount(int fd, unsigned int flags, unsigned int attr)
{
	return ward_sys6(__NR_fsmount, fd, (long)flags, (long)attr, 0, 0, 0);
}

WARD_SYS long
ward_sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return ward_sys6(__NR_open_tree, dirfd, WARD_PTR(path), (long)flags, 0, 0, 0);
}

WARD_SYS long
ward_sys_move_mount(int from, const char *from_path, int to, const char *to_path,
		    unsigned int flags)
{
	return ward_sys6(__NR_move_mount, from, WARD_PTR(from_path), to, WARD_PTR(to_path),
			 (long)flags, 0);
}

/* @attr: struct mount_attr of @size bytes */
WARD_SYS long
ward_sys_mount_setattr(int dirfd, const char *path, unsigned int flags, const void *attr,
		       size_t size)
{
	return ward_sys6(__NR_mount_setattr, dirfd, WARD_PTR(path), (long)flags, WARD_PTR(attr),
			 (long)size, 0);
}

/* @how: struct open_how of @size bytes */
WARD_SYS long
ward_sys_openat2(int dirfd, const char *path, const void *how, size_t size)
{
	return ward_sys6(__NR_openat2, dirfd, WARD_PTR(path), WARD_PTR(how), (long)size, 0, 0);
}

WARD_SYS long
ward_sys_pivot_root(const char *new_root, const char *put_old)
{
	return ward_sys6(__NR_pivot_root, WARD_PTR(new_root), WARD_PTR(put_old), 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_umount2(const char *path, int flags)
{
	return ward_sys6(__NR_umount2, WARD_PTR(path), flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_mkdirat(int dirfd, const char *path, unsigned int mode)
{
	return ward_sys6(__NR_mkdirat, dirfd, WARD_PTR(path), (long)mode, 0, 0, 0);
}

WARD_SYS long
ward_sys_fchmodat(int dirfd, const char *path, unsigned int mode)
{
	return ward_sys6(__NR_fchmodat, dirfd, WARD_PTR(path), (long)mode, 0, 0, 0);
}

WARD_SYS long
ward_sys_symlinkat(const char *to, int dirfd, const char *path)
{
	return ward_sys6(__NR_symlinkat, WARD_PTR(to), dirfd, WARD_PTR(path), 0, 0, 0);
}

WARD_SYS long
ward_sys_readlinkat(int dirfd, const char *path, char *to, size_t size)
{
	return ward_sys6(__NR_readlinkat, dirfd, WARD_PTR(path), WARD_PTR(to), (long)size, 0, 0);
}

/* The magic number of the file system that @fd is on (statfs(2)). */
WARD_SYS long
ward_sys_fs_type(int fd)
{
	long buf[32] = { 0 }; /* struct statfs begins with it */
	long r = ward_sys6(__NR_fstatfs, fd, WARD_PTR(buf), 0, 0, 0, 0);

	return r < 0 ? r : buf[0];
}

/* @out: struct statx */
WARD_SYS long
ward_sys_statx(int dirfd, const char *path, int flags, unsigned int mask, void *out)
{
	return ward_sys6(__NR_statx, dirfd, WARD_PTR(path), flags, (long)mask, WARD_PTR(out), 0);
}

#endif
