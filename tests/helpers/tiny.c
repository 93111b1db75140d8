/* The smallest program: what benchmarks start, so that its own cost does not hide that of the start.
 *
 *	tiny			exits with 0 at once
 *	tiny FD|PATH		first writes CLOCK_MONOTONIC (int64_t, ns) to the descriptor or to
 *				the beginning of the file
 *	tiny FD|PATH hold	then waits for a signal
 *	tiny PATH fds		writes the inode of each of its descriptors 0 to 127 (uint64_t, 0
 *				where there is none) to the beginning of the file
 *
 * No libc: its first instruction is ours. */
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>

#include "linux/sys.h"

#define CLOCK_MONOTONIC 1

struct kernel_timespec {
	int64_t sec, nsec;
};

void tiny_main(const long *stack);

/* Stack at the entry of a program: argc, then the argv pointers (System V ABI). */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall tiny_main\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl tiny_main\n");
#endif

static int64_t
now(void)
{
	struct kernel_timespec ts = { 0, 0 };

	(void)ward_sys6(__NR_clock_gettime, CLOCK_MONOTONIC, WARD_PTR(&ts), 0, 0, 0, 0);
	return ts.sec * 1000000000 + ts.nsec;
}

static int
target(const char *arg)
{
	int fd = 0;

	for (const char *p = arg; *p; p++) {
		if (*p < '0' || *p > '9')
			return (int)ward_sys_openat(AT_FDCWD, arg, O_WRONLY, 0);
		fd = fd * 10 + (*p - '0');
	}
	return fd;
}

/* Asked for before the file is opened. */
static bool
report_fds(const char *path)
{
	uint64_t ino[128];

	for (int fd = 0; fd < 128; fd++) {
		struct statx st;

		st.stx_ino = 0;
		ino[fd] = ward_sys6(__NR_statx, fd, WARD_PTR(""), AT_EMPTY_PATH, STATX_INO,
				    WARD_PTR(&st), 0) < 0
				  ? 0
				  : st.stx_ino;
	}
	return ward_sys6(__NR_write, ward_sys_openat(AT_FDCWD, path, O_WRONLY, 0), WARD_PTR(ino),
			 sizeof(ino), 0, 0, 0) == (long)sizeof(ino);
}

void
tiny_main(const long *stack)
{
	long argc = stack[0];
	const char *const *argv = (const char *const *)(stack + 1);
	int64_t at = argc > 1 ? now() : 0;
	bool ok = true;

	if (argc > 2 && argv[2][0] == 'f') {
		(void)ward_sys_exit_group(report_fds(argv[1]) ? 0 : 1);
		__builtin_trap();
	}
	if (argc > 1)
		ok = ward_sys6(__NR_write, target(argv[1]), WARD_PTR(&at), sizeof(at), 0, 0, 0) ==
		     (long)sizeof(at);
	while (argc > 2) /* ppoll without descriptors and without a timeout */
		(void)ward_sys6(__NR_ppoll, 0, 0, 0, 0, 0, 0);
	(void)ward_sys_exit_group(ok ? 0 : 1);
	__builtin_trap();
}
