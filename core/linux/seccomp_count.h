/* How much a seccomp filter leaves open. */
#ifndef WARD_LINUX_SECCOMP_COUNT_H
#define WARD_LINUX_SECCOMP_COUNT_H

#include <stdbool.h>
#include <stddef.h>

struct sock_filter; /* linux/filter.h */

/* The native system calls that libseccomp knows by name. */
size_t ward_seccomp_known(void);

struct ward_seccomp_loaded {
	const struct sock_filter *insns;
	size_t n; /* 0: none, which lets all through */
};

/* How many of them @count filters let through, all arguments 0. */
size_t ward_seccomp_count(const struct ward_seccomp_loaded *filters, size_t count);

/* Do they let this one through? False for a name that is no native system call. */
bool ward_seccomp_lets(const struct ward_seccomp_loaded *filters, size_t count, const char *name);

#endif
