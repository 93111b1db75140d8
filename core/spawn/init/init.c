/* The init of a pid namespace: reaps orphans, passes signals on to the program, and ends with it.
 *
 *	ward-init PID	0: socket for the program's wait status, 1: pipe that takes a byte when init is ready
 *	ward-map [PATH TEXT]...	writes each text to its file, and ends
 *
 * It is a program of its own, without libc, that ward carries inside and executes from memory: so it holds
 * nothing of the supervisor's. The program, which may run as the same user, must not look into it; and as one
 * with CAP_SYS_PTRACE does so nevertheless, nothing must be won by it: what the sandbox holds back, and more,
 * is given up before the byte. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "linux/sys.h"
#include "linux/sys_init.h"

/* siginfo's code of signals that the kernel sends by itself */
#define FROM_KERNEL 0x80

static void
end(int status)
{
	int sig = status & 0x7f;

	(void)ward_sys_write(0, &status, sizeof(status));
	for (;;)
		(void)ward_sys_exit_group(sig ? 128 + sig : status >> 8 & 0xff);
}

/* Waits for all that have ended; when the program is among them, the rest ends with us. */
static void
reap(int program)
{
	for (;;) {
		int status = 0;
		long pid = ward_sys_wait4(-1, &status, WNOHANG | __WALL);

		if (pid <= 0)
			return;
		if (pid == program)
			end(status);
	}
}

/* A terminal tells its whole foreground group, to which the program belongs, too. */
static int
told_already(const struct ward_ksiginfo *info)
{
	switch (info->signo) {
	case SIGINT:
	case SIGQUIT:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
	case SIGWINCH:
		return info->code == FROM_KERNEL;
	default:
		return 0;
	}
}

static int
number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (*s - '0');
	return n;
}

static long
write_text(const char *path, const char *text)
{
	long fd = ward_sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	size_t n = 0;

	while (text[n])
		n++;
	return fd < 0 ? fd : ward_sys_write((int)fd, text, n);
}

static void
map(const char *const *files)
{
	int status = 0;

	for (int i = 0; files[0] && status == 0; i++, files += 2) {
		long r = write_text(files[0], files[1]);

		status = r < 0 ? i << WARD_MAP_SHIFT | (int)-r : 0;
	}
	for (;;)
		(void)ward_sys_exit_group(status);
}

__attribute__((noreturn)) void ward_init_main(const long *args);
WARD_SYS_ENTRY(ward_init_main);

/* @args: the stack as the kernel lays it out: argc, argv */
__attribute__((noreturn, used)) void
ward_init_main(const long *args)
{
	const char *const *argv = (const char *const *)(args + 1);
	const uint64_t all = ~UINT64_C(0);
	int program = args[0] == 2 ? number(argv[1]) : 0;

	if (args[0] > 2)
		map(argv + 1);
	(void)ward_sys_rt_sigprocmask(SIG_BLOCK, &all, NULL);
	if (program <= 1 || ward_sys_confine_init(program) < 0 || ward_sys_write(1, "", 1) != 1)
		end(127 << 8);
	(void)ward_sys_close(1);
	for (;;) {
		struct ward_ksiginfo info;

		reap(program);
		if (ward_sys_sigwaitinfo(&all, &info) > 0 && info.signo != SIGCHLD &&
		    !told_already(&info))
			(void)ward_sys_kill(program, info.signo);
	}
}
