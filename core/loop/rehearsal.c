#include "loop/rehearsal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOKS 500 /* of 10 ms, until it is given up */

bool
ward_rehearse(const char *file, char *name, char *const *envp)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char verb[] = "rehearse", *argv[] = { name, verb, NULL };
	int status = 0, none;
	pid_t pid = vfork();

	if (pid == 0) {
		none = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd <= 2; fd++)
			(void)dup2(none, fd);
		(void)execve(file, argv, envp);
		_exit(127);
	}
	if (pid < 0)
		return true;
	for (int looks = 0; waitpid(pid, &status, WNOHANG) == 0; looks++) {
		if (looks == LOOKS)
			(void)kill(pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 127);
}
