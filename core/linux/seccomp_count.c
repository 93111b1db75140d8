#include "linux/seccomp_count.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

#include "linux/seccomp.h"
#include "linux/syscall_names.h"

/* Numbers above are of no architecture that ward runs on; 512 to 547 are x32's. */
#define NUMBERS 512

static bool
passes(const struct ward_seccomp_loaded *filter, const struct seccomp_data *data)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (filter->n == 0)
		return true;
	if (ward_seccomp_verdict(filter->insns, filter->n, data, &action) < 0)
		return false;
	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       action == SECCOMP_RET_USER_NOTIF; /* as a program is learned */
}

static bool
lets(const struct ward_seccomp_loaded *filters, size_t count, int number)
{
	const struct seccomp_data data = { .nr = number, .arch = seccomp_arch_native() };

	for (size_t i = 0; i < count; i++) {
		if (!passes(&filters[i], &data))
			return false;
	}
	return true;
}

size_t
ward_seccomp_count(const struct ward_seccomp_loaded *filters, size_t count)
{
	size_t total = 0;

	for (int number = 0; number < NUMBERS; number++) {
		char *name = ward_syscall_name(seccomp_arch_native(), number);

		if (name && lets(filters, count, number))
			total++;
		free(name);
	}
	return total;
}

size_t
ward_seccomp_known(void)
{
	return ward_seccomp_count(NULL, 0);
}

bool
ward_seccomp_lets(const struct ward_seccomp_loaded *filters, size_t count, const char *name)
{
	int number = ward_seccomp_syscall(name);

	return number >= 0 && lets(filters, count, number);
}
