#include "linux/trusted.h"

#include <string.h>

#include "linux/walk.h"

int
ward_trusted_open(const char *path, int flags)
{
	const struct ward_walk walk = { 0, true };

	return (int)ward_walk_open(&walk, path, flags | O_CLOEXEC, 0);
}

const char *
ward_trusted_reason(int err)
{
	return err == ELOOP ? WARD_TRUSTED_LOOP : strerror(err);
}
