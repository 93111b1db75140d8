/* The few facts that only /proc tells (proc(5)). */
#ifndef WARD_LINUX_PROCFS_H
#define WARD_LINUX_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc/PID/stat says. */
struct ward_procstat {
	char state; /* R S D Z T ... */
	pid_t ppid;
	pid_t pgrp;
	pid_t session;
	unsigned long flags;  /* PF_*: fork without exec is WARD_PF_FORKNOEXEC */
	uint64_t start_ticks; /* since boot, in clock ticks */
};

/* Returns 0 or -errno (ESRCH, ENOENT: no such process; EIO: not understood). */
int ward_procfs_stat(pid_t pid, struct ward_procstat *out);

/* Lists the children of @pid (all its threads; /proc/PID/task/TID/children, which needs
 * CONFIG_PROC_CHILDREN) into @out, at most @max. Returns how many there are, or -errno. Children
 * that start or end meanwhile may be missed: repeat until the answer no longer changes. */
int ward_procfs_children(pid_t pid, pid_t *out, size_t max);

/* From here on no process of our user may ptrace us, or open /proc/PID/mem, fd or cwd: what a sandbox of files or calls
 * alone does not keep it from. execve(2) undoes it. */
void ward_procfs_hide_memory(void);

/* Is /proc there, and that of this process's pid namespace? */
bool ward_procfs_is_own(void);

/* Is @dir, open, on a file system of the kernel's own (proc, sysfs and the like), where nobody can make a file although
 * root may write? */
bool ward_procfs_is_kernels(int dir);

/* Writes /proc/PID/oom_score_adj (proc(5)). Returns 0 or -errno (EACCES: lowering it without CAP_SYS_RESOURCE;
 * ENOENT, ESRCH: gone). */
int ward_procfs_set_oom_score_adj(pid_t pid, int value);

/* Returns an owned descriptor of fs.suid_dumpable, or -errno. */
int ward_procfs_open_suid_dumpable(void);

/* Returns 1 when fs.suid_dumpable, open as @fd, is 1 now, 0 when it is not, or -errno. */
int ward_procfs_suid_dumpable(int fd);

#endif
