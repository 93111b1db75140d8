/* Raw system calls, inline: no errno, no cancellation point, no libc state. Results are the
 * kernel's: a value, or -errno. With sys_mount.h the only home of assembler and of system call numbers.
 *
 * The clone child uses nothing but this header, so every function here must be safe in a process
 * that shares its memory with a running parent. */
#ifndef WARD_LINUX_SYS_H
#define WARD_LINUX_SYS_H

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/uapi.h"

#define WARD_SYS __attribute__((always_inline)) static inline

/* What a filter names by its number. */
enum {
	WARD_NR_EXECVEAT = __NR_execveat,
	WARD_NR_OPENAT = __NR_openat,
	WARD_NR_WRITE = __NR_write,
	WARD_NR_CLOSE = __NR_close,
	WARD_NR_KILL = __NR_kill,
	WARD_NR_WAIT4 = __NR_wait4,
	WARD_NR_SIGWAIT = __NR_rt_sigtimedwait,
	WARD_NR_EXIT_GROUP = __NR_exit_group
};

#if defined(__x86_64__)

WARD_SYS long
ward_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* A cloning system call whose child calls fn(arg) and never returns: on the stack that the call
 * gave it, or on its own copy of this one. */
WARD_SYS long
ward_sys_cloning(long nr, long a, long b, long c, void (*fn)(void *), void *arg)
{
	register void (*child_fn)(void *) __asm__("r12") = fn;
	register void *child_arg __asm__("r13") = arg;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "and $-16, %%rsp\n\t"
			 "mov %[arg], %%rdi\n\t"
			 "call *%[fn]\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10),
			   "r"(r8), [fn] "r"(child_fn), [arg] "r"(child_arg)
			 : "rcx", "r11", "cc", "memory");
	return ret;
}

/* The entry of a program without libc: fn(stack), the stack as the kernel has laid it out. */
#define WARD_SYS_ENTRY(fn)                                                                 \
	__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, " \
		"%rsp\n\tcall " #fn "\n\thlt\n")

#elif defined(__aarch64__)

WARD_SYS long
ward_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "cc", "memory");
	return x0;
}

WARD_SYS long
ward_sys_cloning(long nr, long a, long b, long c, void (*fn)(void *), void *arg)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register void (*child_fn)(void *) __asm__("x9") = fn;
	register void *child_arg __asm__("x10") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, #0\n\t"
			 "mov x0, %[arg]\n\t"
			 "blr %[fn]\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3),
			   "r"(x4), [fn] "r"(child_fn), [arg] "r"(child_arg)
			 : "cc", "memory");
	return x0;
}

#define WARD_SYS_ENTRY(fn) __asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl " #fn "\n\tbrk #1\n")

#else
#error "ward knows the system call convention of x86_64 and aarch64"
#endif

#define WARD_PTR(p) ((long)(uintptr_t)(p))

/* clone3(2). @a->stack 0: the child runs on a copy of the caller's stack (no CLONE_VM then). */
WARD_SYS long
ward_sys_clone3(const struct ward_clone_args *a, void (*fn)(void *), void *arg)
{
	return ward_sys_cloning(__NR_clone3, WARD_PTR(a), (long)sizeof(*a), 0, fn, arg);
}

/* clone(2), for where clone3 is missing or filtered. @stack_top: 16-byte aligned, or 0. */
WARD_SYS long
ward_sys_clone(uint64_t flags, void *stack_top, int *pidfd, void (*fn)(void *), void *arg)
{
	return ward_sys_cloning(__NR_clone, (long)flags, WARD_PTR(stack_top), WARD_PTR(pidfd), fn,
				arg);
}

/* The word that the kernel sets to 0 when the caller leaves memory that it shares. Returns its pid. */
WARD_SYS long
ward_sys_set_tid_address(uint32_t *word)
{
	return ward_sys6(__NR_set_tid_address, WARD_PTR(word), 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_exit_group(int code)
{
	return ward_sys6(__NR_exit_group, code, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_execve(const char *path, const char *const *argv, const char *const *envp)
{
	return ward_sys6(__NR_execve, WARD_PTR(path), WARD_PTR(argv), WARD_PTR(envp), 0, 0, 0);
}

WARD_SYS long
ward_sys_openat(int dirfd, const char *path, int flags, unsigned int mode)
{
	return ward_sys6(__NR_openat, dirfd, WARD_PTR(path), flags, (long)mode, 0, 0);
}

WARD_SYS long
ward_sys_dup3(int from, int to, int flags)
{
	return ward_sys6(__NR_dup3, from, to, flags, 0, 0, 0);
}

WARD_SYS long
ward_sys_fcntl(int fd, int cmd, long arg)
{
	return ward_sys6(__NR_fcntl, fd, cmd, arg, 0, 0, 0);
}

WARD_SYS long
ward_sys_close(int fd)
{
	return ward_sys6(__NR_close, fd, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_close_range(unsigned int first, unsigned int last, unsigned int flags)
{
	return ward_sys6(__NR_close_range, (long)first, (long)last, (long)flags, 0, 0, 0);
}

WARD_SYS long
ward_sys_chdir(const char *path)
{
	return ward_sys6(__NR_chdir, WARD_PTR(path), 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_umask(unsigned int mask)
{
	return ward_sys6(__NR_umask, (long)mask, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_fchdir(int fd)
{
	return ward_sys6(__NR_fchdir, fd, 0, 0, 0, 0, 0);
}

/* Returns the length with the NUL, or -errno. */
WARD_SYS long
ward_sys_getcwd(char *buf, size_t size)
{
	return ward_sys6(__NR_getcwd, WARD_PTR(buf), (long)size, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_read(int fd, void *bytes, size_t n)
{
	return ward_sys6(__NR_read, fd, WARD_PTR(bytes), (long)n, 0, 0, 0);
}

WARD_SYS long
ward_sys_write(int fd, const void *bytes, size_t n)
{
	return ward_sys6(__NR_write, fd, WARD_PTR(bytes), (long)n, 0, 0, 0);
}

WARD_SYS long
ward_sys_ioctl(int fd, unsigned int request, long arg)
{
	return ward_sys6(__NR_ioctl, fd, (long)request, arg, 0, 0, 0);
}

WARD_SYS long
ward_sys_unshare(uint64_t flags)
{
	return ward_sys6(__NR_unshare, (long)flags, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_setns(int fd, uint64_t flags)
{
	return ward_sys6(__NR_setns, fd, (long)flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_sethostname(const char *name, size_t n)
{
	return ward_sys6(__NR_sethostname, WARD_PTR(name), (long)n, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_socket(int family, int type, int protocol)
{
	return ward_sys6(__NR_socket, family, type, protocol, 0, 0, 0);
}

/* @fds: two ints */
WARD_SYS long
ward_sys_pipe2(int *fds, int flags)
{
	return ward_sys6(__NR_pipe2, WARD_PTR(fds), flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_execveat(int dirfd, const char *path, const char *const *argv, const char *const *envp,
		  int flags)
{
	return ward_sys6(__NR_execveat, dirfd, WARD_PTR(path), WARD_PTR(argv), WARD_PTR(envp),
			 flags, 0);
}

/* @status: the status of wait(2), or NULL. Returns a pid, 0 (WNOHANG), or -errno. */
WARD_SYS long
ward_sys_wait4(int pid, int *status, int options)
{
	return ward_sys6(__NR_wait4, pid, WARD_PTR(status), options, 0, 0, 0);
}

/* @fds: struct pollfd[n] of <asm/poll.h>; @timeout: seconds and nanoseconds. */
WARD_SYS long
ward_sys_ppoll(void *fds, unsigned int n, const int64_t timeout[2])
{
	return ward_sys6(__NR_ppoll, WARD_PTR(fds), (long)n, WARD_PTR(timeout), 0, 0, 0);
}

/* Records of <dirent.h>'s struct dirent64 into an aligned buffer. */
WARD_SYS long
ward_sys_getdents64(int fd, void *to, size_t size)
{
	return ward_sys6(__NR_getdents64, fd, WARD_PTR(to), (long)size, 0, 0, 0);
}

WARD_SYS long
ward_sys_kill(int pid, int sig)
{
	return ward_sys6(__NR_kill, pid, sig, 0, 0, 0, 0);
}

/* Waits without end for a signal of @set, which must be blocked; @info: siginfo_t. Returns its
 * number, or -errno. */
WARD_SYS long
ward_sys_sigwaitinfo(const uint64_t *set, void *info)
{
	return ward_sys6(__NR_rt_sigtimedwait, WARD_PTR(set), WARD_PTR(info), 0, sizeof(uint64_t),
			 0, 0);
}

WARD_SYS long
ward_sys_getpid(void)
{
	return ward_sys6(__NR_getpid, 0, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_getppid(void)
{
	return ward_sys6(__NR_getppid, 0, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_setpriority(int which, int who, int nice)
{
	return ward_sys6(__NR_setpriority, which, who, nice, 0, 0, 0);
}

WARD_SYS long
ward_sys_ioprio_set(int which, int who, int ioprio)
{
	return ward_sys6(__NR_ioprio_set, which, who, ioprio, 0, 0, 0);
}

/* @priority: struct sched_param, one int */
WARD_SYS long
ward_sys_sched_setscheduler(int pid, int policy, const int *priority)
{
	return ward_sys6(__NR_sched_setscheduler, pid, policy, WARD_PTR(priority), 0, 0, 0);
}

WARD_SYS long
ward_sys_sched_setaffinity(int pid, size_t size, const void *mask)
{
	return ward_sys6(__NR_sched_setaffinity, pid, (long)size, WARD_PTR(mask), 0, 0, 0);
}

/* @limit: struct rlimit64, two uint64_t: soft, hard */
WARD_SYS long
ward_sys_setrlimit(int resource, const uint64_t *limit)
{
	return ward_sys6(__NR_prlimit64, 0, resource, WARD_PTR(limit), 0, 0, 0);
}

WARD_SYS long
ward_sys_prctl(int option, long a, long b, long c, long d)
{
	return ward_sys6(__NR_prctl, option, a, b, c, d, 0);
}

/* @header, @data: struct __user_cap_header_struct and two __user_cap_data_struct (capset(2)) */
WARD_SYS long
ward_sys_capget(void *header, void *data)
{
	return ward_sys6(__NR_capget, WARD_PTR(header), WARD_PTR(data), 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_capset(void *header, const void *data)
{
	return ward_sys6(__NR_capset, WARD_PTR(header), WARD_PTR(data), 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_landlock_restrict_self(int ruleset, unsigned int flags)
{
	return ward_sys6(__NR_landlock_restrict_self, ruleset, (long)flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_seccomp(unsigned int operation, unsigned int flags, const void *arg)
{
	return ward_sys6(__NR_seccomp, (long)operation, (long)flags, WARD_PTR(arg), 0, 0, 0);
}

/* @fd with its high half, of which the kernel takes no notice. */
WARD_SYS long
ward_sys_sendmsg(long fd, const void *msg, unsigned int flags)
{
	return ward_sys6(__NR_sendmsg, fd, WARD_PTR(msg), (long)flags, 0, 0, 0);
}

WARD_SYS long
ward_sys_setsid(void)
{
	return ward_sys6(__NR_setsid, 0, 0, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_setpgid(int pid, int pgid)
{
	return ward_sys6(__NR_setpgid, pid, pgid, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_setgroups(size_t n, const uint32_t *gids)
{
	return ward_sys6(__NR_setgroups, (long)n, WARD_PTR(gids), 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_getgroups(int n, uint32_t *gids)
{
	return ward_sys6(__NR_getgroups, n, WARD_PTR(gids), 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_setresgid(uint32_t r, uint32_t e, uint32_t s)
{
	return ward_sys6(__NR_setresgid, (long)r, (long)e, (long)s, 0, 0, 0);
}

WARD_SYS long
ward_sys_setresuid(uint32_t r, uint32_t e, uint32_t s)
{
	return ward_sys6(__NR_setresuid, (long)r, (long)e, (long)s, 0, 0, 0);
}

WARD_SYS long
ward_sys_getresgid(uint32_t *r, uint32_t *e, uint32_t *s)
{
	return ward_sys6(__NR_getresgid, WARD_PTR(r), WARD_PTR(e), WARD_PTR(s), 0, 0, 0);
}

WARD_SYS long
ward_sys_getresuid(uint32_t *r, uint32_t *e, uint32_t *s)
{
	return ward_sys6(__NR_getresuid, WARD_PTR(r), WARD_PTR(e), WARD_PTR(s), 0, 0, 0);
}

WARD_SYS long
ward_sys_rt_sigaction(int sig, const struct ward_ksigaction *act, struct ward_ksigaction *old)
{
	return ward_sys6(__NR_rt_sigaction, sig, WARD_PTR(act), WARD_PTR(old), sizeof(uint64_t), 0,
			 0);
}

WARD_SYS long
ward_sys_rt_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
	return ward_sys6(__NR_rt_sigprocmask, how, WARD_PTR(set), WARD_PTR(old), sizeof(uint64_t),
			 0, 0);
}

WARD_SYS long
ward_sys_pidfd_open(int pid, unsigned int flags)
{
	return ward_sys6(__NR_pidfd_open, pid, (long)flags, 0, 0, 0, 0);
}

WARD_SYS long
ward_sys_pidfd_send_signal(int pidfd, int sig, unsigned int flags)
{
	return ward_sys6(__NR_pidfd_send_signal, pidfd, sig, 0, (long)flags, 0, 0);
}

WARD_SYS long
ward_sys_process_mrelease(int pidfd, unsigned int flags)
{
	return ward_sys6(__NR_process_mrelease, pidfd, (long)flags, 0, 0, 0, 0);
}

/* @info: siginfo_t; @usage: struct rusage or NULL (the fifth argument that libc's waitid hides) */
WARD_SYS long
ward_sys_waitid(int idtype, int id, void *info, int options, void *usage)
{
	return ward_sys6(__NR_waitid, idtype, id, WARD_PTR(info), options, WARD_PTR(usage), 0);
}

/* @attr NULL, @size 0 and @flags WARD_LANDLOCK_CREATE_RULESET_VERSION ask for the ABI. */
WARD_SYS long
ward_sys_landlock_create_ruleset(const struct ward_landlock_ruleset_attr *attr, size_t size,
				 unsigned int flags)
{
	return ward_sys6(__NR_landlock_create_ruleset, WARD_PTR(attr), (long)size, (long)flags, 0,
			 0, 0);
}

/* @attr: struct ward_landlock_path_beneath_attr or ward_landlock_net_port_attr, as @type says */
WARD_SYS long
ward_sys_landlock_add_rule(int ruleset, unsigned int type, const void *attr)
{
	return ward_sys6(__NR_landlock_add_rule, ruleset, (long)type, WARD_PTR(attr), 0, 0, 0);
}

#endif
