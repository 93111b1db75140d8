/* Control groups, version 2 (cgroups(7); Documentation/admin-guide/cgroup-v2.rst of the kernel). A group is
 * a directory; @dir is a descriptor of one (O_PATH is enough). */
#ifndef WARD_LINUX_CGROUP_H
#define WARD_LINUX_CGROUP_H

#include <stddef.h>

/* Writes the directory of this process's own group to @path, as it is mounted; on a hybrid system that
 * of the v2 hierarchy. Returns 0 or -errno: ENOENT (no v2 hierarchy is mounted), ENAMETOOLONG. */
int ward_cgroup_own(char *path, size_t size);

/* Returns an owned CLOEXEC descriptor of the directory, or -errno: ENOTSUP when it is none of cgroup v2. */
int ward_cgroup_open(const char *path);

/* Writes @text to a file of the group, in one write. Returns 0 or -errno: ENOENT (the controller is not
 * enabled), EINVAL, ERANGE, EBUSY and others of write(2). */
int ward_cgroup_write(int dir, const char *file, const char *text);

/* Reads a file of the group, NUL-terminated; what does not fit is cut. Returns its length or -errno. */
int ward_cgroup_read(int dir, const char *file, char *buf, size_t size);

/* The number behind "@key " in cgroup.events ("populated", "frozen"); -errno. */
int ward_cgroup_event(int dir, const char *key);

/* SIGKILL to every process in the group and below, also to those that are being forked (cgroup.kill, 5.14).
 * Returns 0 or -errno. */
int ward_cgroup_kill(int dir);

/* Takes the group for this process, until the owned CLOEXEC descriptor that is returned is closed, however that
 * happens (flock(2)). -errno: EWOULDBLOCK when another process has it. */
int ward_cgroup_lock(int dir);

#endif
