/* How much a seccomp filter leaves open. */
#ifndef WARD_LINUX_SECCOMP_COUNT_H
#define WARD_LINUX_SECCOMP_COUNT_H

#include <stdbool.h>
#include <stddef.h>

struct sock_filter; /* linux/filter.h */

/* The native system calls that libseccomp knows by name. */
size_t ward_seccomp_known(void);

/* How many of them the filter lets through, all arguments 0; @n 0: no filter, all. */
size_t ward_seccomp_count(const struct sock_filter *insns, size_t n);

/* Does it let this one through? False for a name that is no native system call. */
bool ward_seccomp_lets(const struct sock_filter *insns, size_t n, const char *name);

#endif
