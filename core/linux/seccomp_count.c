#include "linux/seccomp_count.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

#include "linux/seccomp.h"

/* Numbers above are of no architecture that ward runs on; 512 to 547 are x32's. */
#define NUMBERS 512

static bool
lets(const struct sock_filter *insns, size_t n, int number)
{
	const struct seccomp_data data = { .nr = number, .arch = seccomp_arch_native() };
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (n == 0)
		return true;
	if (ward_seccomp_verdict(insns, n, &data, &action) < 0)
		return false;
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

static size_t
count(const struct sock_filter *insns, size_t n)
{
	size_t total = 0;

	for (int number = 0; number < NUMBERS; number++) {
		char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number);

		if (name && lets(insns, n, number))
			total++;
		free(name);
	}
	return total;
}

size_t
ward_seccomp_known(void)
{
	return count(NULL, 0);
}

size_t
ward_seccomp_count(const struct sock_filter *insns, size_t n)
{
	return count(insns, n);
}

bool
ward_seccomp_lets(const struct sock_filter *insns, size_t n, const char *name)
{
	int number = ward_seccomp_syscall(name);

	return number >= 0 && lets(insns, n, number);
}
