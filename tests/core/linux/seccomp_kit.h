/* What the seccomp tests share: a system call under a filter, for real. */
#ifndef WARD_TESTS_SECCOMP_KIT_H
#define WARD_TESTS_SECCOMP_KIT_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/seccomp.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { KILLED = -1, BROKEN = -2 };

/* Loads @insns in a forked child, which then is @act(arg). Returns its exit status, KILLED when
 * SIGSYS ended it, BROKEN when the filter did not load or another signal came. */
__attribute__((unused)) static int
under(const struct sock_filter *insns, size_t n, int (*act)(const void *), const void *arg)
{
	struct sock_fprog prog = { (unsigned short)n, (struct sock_filter *)insns };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) != 0)
			_exit(255);
		_exit(act(arg));
	}
	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
	return WEXITSTATUS(status) == 255 ? BROKEN : WEXITSTATUS(status);
}

/* Makes the call that @data describes; returns 0 or its errno. */
__attribute__((unused)) static int
act_call(const void *data)
{
	const struct seccomp_data *d = data;
	long r = syscall(d->nr, d->args[0], d->args[1], d->args[2], d->args[3], d->args[4],
			 d->args[5]);

	return r < 0 ? errno : 0;
}

#endif
