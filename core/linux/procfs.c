#include "linux/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

static ssize_t
read_some(const char *path, char *buf, size_t size)
{
	WARD_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

int
ward_procfs_stat(pid_t pid, struct ward_procstat *out)
{
	struct ward_procstat st = { 0 };
	char path[64], buf[1024];
	const char *after_name;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = read_some(path, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	/* The name may hold anything, also ')': the last one ends it. */
	after_name = strrchr(buf, ')');
	if (!after_name ||
	    sscanf(after_name + 1,
		   " %c %d %d %d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lu",
		   &st.state, &st.ppid, &st.pgrp, &st.session, &st.flags, &st.start_ticks) != 6)
		return -EIO;
	*out = st;
	return 0;
}

int
ward_procfs_children(pid_t pid, pid_t *out, size_t max)
{
	char path[320];
	struct dirent *e;
	size_t n = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		FILE *f;
		int child;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid,
			       e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		while (fscanf(f, "%d", &child) == 1) {
			if (n < max)
				out[n] = child;
			n++;
		}
		(void)fclose(f);
	}
	(void)closedir(dir);
	return (int)n;
}

void
ward_procfs_hide_memory(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool
ward_procfs_is_own(void)
{
	char self[32];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	return atoi(self) == getpid();
}

bool
ward_procfs_is_kernels(int dir)
{
	static const long own[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC, DEVPTS_SUPER_MAGIC,
				    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC };
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (fs.f_type == own[i])
			return true;
	}
	return false;
}

int
ward_procfs_set_oom_score_adj(pid_t pid, int value)
{
	char path[64], text[16];
	WARD_AUTO_FD int fd = -1;
	int n = snprintf(text, sizeof(text), "%d", value);

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return ward_fd_write_all(fd, text, (size_t)n);
}

int
ward_procfs_open_suid_dumpable(void)
{
	int fd = open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
ward_procfs_suid_dumpable(int fd)
{
	char buf[16] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	return n < 0 ? -errno : atoi(buf) == 1;
}
