/* Seccomp filters: compiled once in the parent, loaded raw by the child, and understood well enough
 * here to know beforehand what they will answer (seccomp(2)). Actions are the kernel's
 * SECCOMP_RET_* with their data. */
#ifndef WARD_LINUX_SECCOMP_H
#define WARD_LINUX_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sock_filter;  /* linux/filter.h */
struct seccomp_data; /* linux/seccomp.h */

enum ward_seccomp_op {
	WARD_SECCOMP_EQ,
	WARD_SECCOMP_NE,
	WARD_SECCOMP_LT,
	WARD_SECCOMP_LE,
	WARD_SECCOMP_GE,
	WARD_SECCOMP_GT,
	WARD_SECCOMP_MASKED_EQ, /* (argument & mask) == value */
};

/* A condition on one argument, compared unsigned. */
struct ward_seccomp_cond {
	unsigned int arg; /* 0 .. 5 */
	enum ward_seccomp_op op;
	/* The kernel looks only at the low half of this argument (an int, an ioctl request): then a
	 * comparison of all 64 bits is evaded by any bit in the high half. */
	bool narrow;
	uint64_t value;
	uint64_t mask;
};

/* Applies when all conditions hold. */
struct ward_seccomp_rule {
	const char *name;
	uint32_t action;
	const struct ward_seccomp_cond *conds;
	size_t nconds;
	bool optional; /* a name that nobody knows is left out */
};

/* What is answered to a call with a number above all that are known. */
enum ward_seccomp_newer {
	WARD_NEWER_BY_DEFAULT,
	WARD_NEWER_NOT_DENIED, /* ENOSYS where the default denies: programs do without, as on an older kernel */
	WARD_NEWER_ABSENT, /* ENOSYS: what is not known cannot be judged */
};

/* A filter to be, for system calls of the native architecture and of those named; all others kill
 * the process, x32 among them. Every pointer is borrowed for the call. */
struct ward_seccomp_request {
	uint32_t default_action;
	const struct ward_seccomp_rule *rules;
	size_t nrules;
	/* Of several rules that apply to a call the first decides; otherwise the rules stand in any
	 * order, and none may contradict another. */
	bool ordered;
	enum ward_seccomp_newer newer;
	const char *const
		*arches; /* as ward_seccomp_arch; those that never run here are left out */
	size_t narches;
};

struct ward_seccomp_filter {
	struct sock_filter *insns; /* owned; 1 .. 4096 */
	unsigned short n;
	size_t unknown; /* optional rules left out */
};

/* Parses "allow", "log", "trap", "kill_thread", "kill_process", the name of an errno ("EPERM"), or
 * "errno:N" and "trace:N" with the data of the action. Returns 0, or -EINVAL and *action untouched. */
int ward_seccomp_action(const char *name, uint32_t *action);

/* The reverse; also "trace", "notify" and "errno" (one without a name). Static. */
const char *ward_seccomp_action_name(uint32_t action);

/* The number of a system call, 0 or more; -ENOSYS when only other architectures have it (such a rule
 * is left out of a filter), -ENOENT when nobody knows it. */
int ward_seccomp_syscall(const char *name);

/* Writes the name of system call @nr of @arch (AUDIT_ARCH_*; an x32 call has its bit in @nr) to
 * @name, or its number when it has none. */
void ward_seccomp_name(uint32_t arch, int nr, char *name, size_t size);

/* AUDIT_ARCH_* or libseccomp's number for "x86", "x32", "arm" ...; 0 when there is none. */
uint32_t ward_seccomp_arch(const char *name);

/* "x86_64" for a number of ward_seccomp_arch; "?" when there is none. Static. */
const char *ward_seccomp_arch_name(uint32_t arch);

/* The machine's own. */
uint32_t ward_seccomp_native(void);

/* Compiles a filter with libseccomp; what that cannot express stands in front (seccomp_stub.h). *out
 * is owned, ended by ward_seccomp_free. Returns 0, or -errno with a sentence in *err and *out untouched: ENOENT (unknown name), EINVAL (a condition makes no
 * sense; two rules with different actions can apply to one call, and they have no order; a condition
 * on what another architecture hides behind a pointer), E2BIG (more instructions than
 * the kernel takes), ENOMEM and others of memfd_create(2). Not for several threads at a time. */
int ward_seccomp_compile(const struct ward_seccomp_request *request,
			 struct ward_seccomp_filter *out, struct ward_err *err);

/* The filter that allows everything and has the supervisor told of every call (SECCOMP_RET_USER_NOTIF), but for
 * the sendmsg(2) that hands the listener over: see WARD_LEARN_MARK. Returns 0 or -ENOMEM. */
int ward_seccomp_learner(struct ward_seccomp_filter *out);

void ward_seccomp_free(struct ward_seccomp_filter *filter);

/* What a filter answers to one system call. Returns 0, or -errno and *action untouched: EINVAL (a
 * program that the kernel would not load), ENOMEM. */
int ward_seccomp_verdict(const struct sock_filter *insns, size_t n, const struct seccomp_data *data,
			 uint32_t *action);

/* Refuses a filter under which the child could not end well: execve and exit_group must be allowed
 * (or logged) whatever their arguments are. Returns 0, or -errno with a sentence in *err: EINVAL,
 * ENOMEM. */
int ward_seccomp_check(const struct sock_filter *insns, size_t n, struct ward_err *err);

#endif
