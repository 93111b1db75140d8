#include "linux/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

/* The first mount of type cgroup2 in mountinfo (proc_pid_mountinfo(5)): sets @root, what of the hierarchy
 * is mounted, and @point, where. */
static int
find_mount(char root[PATH_MAX], char point[PATH_MAX])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int found = -ENOENT;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	while (found < 0 && getline(&line, &size, f) > 0) {
		const char *type = strstr(line, " - ");

		if (type && strncmp(type, " - cgroup2 ", 11) == 0 &&
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) == 2)
			found = 0;
	}
	free(line);
	(void)fclose(f);
	return found;
}

/* The line "0::PATH" of /proc/self/cgroup. */
static int
find_own(char path[PATH_MAX])
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	int found = -ENOENT;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return -errno;
	while (found < 0 && getline(&line, &size, f) > 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		found = snprintf(path, PATH_MAX, "%s", line + 3) < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	free(line);
	(void)fclose(f);
	return found;
}

int
ward_cgroup_own(char *path, size_t size)
{
	char root[PATH_MAX], point[PATH_MAX], own[PATH_MAX];
	const char *below = own;
	int r = find_mount(root, point), n;

	if (r == 0)
		r = find_own(own);
	if (r < 0)
		return r;
	/* In a container the mount may show only a part of the hierarchy, from our namespace's root on. */
	if (strcmp(root, "/") != 0 && strncmp(own, root, strlen(root)) == 0)
		below = own + strlen(root);
	n = snprintf(path, size, "%s%s", point, strcmp(below, "/") == 0 ? "" : below);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
ward_cgroup_open(const char *path)
{
	WARD_AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOTSUP;
	return ward_fd_steal(&fd);
}

int
ward_cgroup_write(int dir, const char *file, const char *text)
{
	WARD_AUTO_FD int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int
ward_cgroup_read(int dir, const char *file, char *buf, size_t size)
{
	WARD_AUTO_FD int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return (int)n;
}

int
ward_cgroup_event(int dir, const char *key)
{
	char text[256], *line = text, *end;
	int r = ward_cgroup_read(dir, "cgroup.events", text, sizeof(text));
	size_t n = strlen(key);

	if (r < 0)
		return r;
	for (; *line; line = end) {
		end = strchrnul(line, '\n');
		if (*end)
			*end++ = '\0';
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return atoi(line + n + 1);
	}
	return -ENOENT;
}

int
ward_cgroup_kill(int dir)
{
	return ward_cgroup_write(dir, "cgroup.kill", "1");
}

int
ward_cgroup_lock(int dir)
{
	WARD_AUTO_FD int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return ward_fd_steal(&fd);
}
