/* What stands in front of a program of libseccomp because that has no way to say it, or says it
 * wrong: rules of one call that overlap and have an order, comparisons in 32 bits other than
 * equality, several comparisons with < or != for one call (of which 2.5.4 loses some when it merges
 * them into one tree), and everything about numbers that nobody knows. */
#ifndef WARD_LINUX_SECCOMP_STUB_H
#define WARD_LINUX_SECCOMP_STUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/seccomp.h"

/* A program without an end: what it decides returns, and what it does not falls out of its bottom. */
struct ward_seccomp_stub {
	struct sock_filter *insns; /* owned by free(3) */
	size_t n;
};

/* Makes the stub of a request whose conditions are sound. @ours: for each rule, whether its call is
 * decided here; @arches: every architecture of the filter. Returns 0, or -ENOMEM or -E2BIG. */
int ward_seccomp_stub_make(const struct ward_seccomp_request *request, const bool *ours,
			   const uint32_t *arches, size_t narches, struct ward_seccomp_stub *out);

#endif
