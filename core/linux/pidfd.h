/* pidfds: watching, signalling and reaping a process without its reusable number. */
#ifndef WARD_LINUX_PIDFD_H
#define WARD_LINUX_PIDFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How a process ended. */
struct ward_exit {
	pid_t pid;
	int code;		     /* exit status 0..255, or -1 when a signal ended it */
	int signal;		     /* the signal that ended it, or 0 */
	bool core;		     /* it dumped core */
	uint64_t user_us, system_us; /* CPU time in microseconds, with its waited-for children */
	uint64_t maxrss;	     /* peak resident set in bytes */
};

/* Returns a CLOEXEC pidfd, owned, or -errno (pidfd_open(2): ESRCH). */
int ward_pidfd_open(pid_t pid);

/* The number of the process, also of a zombie; -1 when it was reaped; or -errno, EBADF when @fd is no pidfd. */
int ward_pidfd_pid(int fd);

/* Sends @sig to the process. Returns 0 or -errno (ESRCH once it was reaped). */
int ward_pidfd_signal(int pidfd, int sig);

/* Sends @sig to the process group that the process leads; it may be a zombie. @pgid is its number,
 * used only where the kernel (before 6.9) lacks the flag; the caller must not have reaped it. */
int ward_pidfd_signal_group(int pidfd, pid_t pgid, int sig);

/* Tells whether a child has ended, without reaping it: 1 (and whether a signal did it), 0 or -errno. */
int ward_pidfd_ended(int pidfd, int *by_signal);

/* Has a process memory still? One that is dying gives it up before it closes its descriptors, and long before it can
 * be waited for. 1, 0, or -errno where that cannot be told (process_mrelease(2), since Linux 5.15: it refuses one that
 * is not dying). */
int ward_pidfd_has_memory(int pidfd);

/* How a child has ended (waitid(2), P_PIDFD); with @reap, it is reaped. Returns 0 with *out filled, -EAGAIN when it
 * still runs, or -errno. */
int ward_pidfd_exit(int pidfd, bool reap, struct ward_exit *out);

/* Where @status is a socket from an init (spawn/init/init.c): if it told how its program ended, that is what
 * *e says. It ends like it as far as it can, but cannot die of a signal; killed itself, it has told nothing.
 * @status -1: there is no init. Nothing is taken from it: who comes after us may ask again. */
void ward_exit_ask_init(int status, struct ward_exit *e);

#endif
