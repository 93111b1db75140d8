/* What a request's rules mean together, before there is a program. */
#ifndef WARD_LINUX_SECCOMP_RULES_H
#define WARD_LINUX_SECCOMP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/seccomp.h"

/* The system call of each rule. */
struct ward_seccomp_calls {
	int *numbers;	/* owned; as ward_syscall_number() has them, WARD_NO_CALL: left out */
	bool *ours;	/* owned; the stub decides this call, and libseccomp hears nothing of it */
	size_t unknown; /* optional rules left out */
};

/* Checks a request and fills *out, which is owned, ended by ward_seccomp_calls_free also after a failure.
 * Returns 0, or -errno with a sentence in *err, as ward_seccomp_compile. */
int ward_seccomp_resolve(const struct ward_seccomp_request *request, struct ward_seccomp_calls *out,
			 struct ward_err *err);

void ward_seccomp_calls_free(struct ward_seccomp_calls *calls);

/* Which bits of its argument a condition compares for equality; 0 when it is another comparison. */
uint64_t ward_seccomp_equal_bits(const struct ward_seccomp_cond *cond);

#endif
