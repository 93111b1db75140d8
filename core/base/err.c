#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
ward_err_set(struct ward_err *e, int stage, int err, const char *fmt, ...)
{
	va_list ap;

	e->stage = stage;
	e->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	return err ? -err : -EINVAL;
}
