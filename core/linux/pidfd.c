#include "linux/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/sys.h"

int
ward_pidfd_open(pid_t pid)
{
	return (int)ward_sys_pidfd_open(pid, 0); /* always close-on-exec */
}

int
ward_pidfd_pid(int fd)
{
	char path[48], text[512];
	const char *line;
	WARD_AUTO_FD int info = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	line = strstr(text, "\nPid:");
	return line ? atoi(line + 5) : -EBADF;
}

int
ward_pidfd_signal(int pidfd, int sig)
{
	return (int)ward_sys_pidfd_send_signal(pidfd, sig, 0);
}

int
ward_pidfd_signal_group(int pidfd, pid_t pgid, int sig)
{
	long r = ward_sys_pidfd_send_signal(pidfd, sig, WARD_PIDFD_SIGNAL_PROCESS_GROUP);

	if (r != -EINVAL)
		return (int)r;
	return kill(-pgid, sig) < 0 ? -errno : 0;
}

int
ward_pidfd_ended(int pidfd, int *by_signal)
{
	siginfo_t info = { 0 };
	long r = ward_sys_waitid(WARD_P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);

	if (r < 0)
		return (int)r;
	*by_signal = info.si_code != CLD_EXITED;
	return info.si_pid != 0;
}

int
ward_pidfd_has_memory(int pidfd)
{
	long r = ward_sys_process_mrelease(pidfd, 0);

	if (r == 0 || r == -EINVAL)
		return 1;
	return r == -ESRCH ? 0 : (int)r;
}

static uint64_t
micros(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

int
ward_pidfd_exit(int pidfd, bool reap, struct ward_exit *out)
{
	int options = WEXITED | WNOHANG | (reap ? 0 : WNOWAIT);
	siginfo_t info = { 0 };
	struct rusage usage = { 0 };
	long r = ward_sys_waitid(WARD_P_PIDFD, pidfd, &info, options, &usage);
	bool exited = info.si_code == CLD_EXITED;

	if (r < 0)
		return (int)r;
	if (info.si_pid == 0)
		return -EAGAIN;
	*out = (struct ward_exit){
		.pid = info.si_pid,
		.code = exited ? info.si_status : -1,
		.signal = exited ? 0 : info.si_status,
		.core = info.si_code == CLD_DUMPED,
		.user_us = micros(usage.ru_utime),
		.system_us = micros(usage.ru_stime),
		.maxrss = (uint64_t)usage.ru_maxrss * 1024,
	};
	return 0;
}

void
ward_exit_ask_init(int status, struct ward_exit *e)
{
	int how;

	if (status < 0 || recv(status, &how, sizeof(how), MSG_PEEK) != (ssize_t)sizeof(how))
		return;
	e->code = WIFEXITED(how) ? WEXITSTATUS(how) : -1;
	e->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
	e->core = WCOREDUMP(how);
}
