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
	 * comparison of all 64 bits is evaded by any bit in the high half. EQ and MASKED_EQ only. */
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

/* A filter to be, for system calls of the native architecture; all others kill the process, x32
 * among them. Every pointer is borrowed for the call. */
struct ward_seccomp_request {
	uint32_t default_action;
	const struct ward_seccomp_rule *rules; /* in any order: none may contradict another */
	size_t nrules;
};

struct ward_seccomp_filter {
	struct sock_filter *insns; /* owned; 1 .. 4096 */
	unsigned short n;
	size_t unknown; /* optional rules left out */
};

/* Parses "allow", "log", "trap", "kill_thread", "kill_process" or the name of an errno ("EPERM").
 * Returns 0, or -EINVAL and *action untouched. */
int ward_seccomp_action(const char *name, uint32_t *action);

/* The reverse; also "trace", "notify" and "errno" (one without a name). Static. */
const char *ward_seccomp_action_name(uint32_t action);

/* The number of a system call, 0 or more; -ENOSYS when only other architectures have it (such a rule
 * is left out of a filter), -ENOENT when nobody knows it. */
int ward_seccomp_syscall(const char *name);

/* Compiles a filter with libseccomp; *out is owned, ended by ward_seccomp_free. Returns 0, or -errno
 * with a sentence in *err and *out untouched: ENOENT (unknown name), EINVAL (a condition makes no
 * sense; two rules with different actions can apply to one call; several rules for one call have
 * conditions, and not all of them are equalities), E2BIG (more instructions than
 * the kernel takes), ENOMEM and others of memfd_create(2). Not for several threads at a time. */
int ward_seccomp_compile(const struct ward_seccomp_request *request,
			 struct ward_seccomp_filter *out, struct ward_err *err);

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
