/* Test Anything Protocol for the C tests: checks in any number, then `return done_testing();`.
 *
 * A test of core/DIR/NAME.c is tests/core/DIR/NAME_test.c. It is linked with all of core but main.c
 * and prints nothing on stdout but through these. The last arguments of a check are a printf format
 * and what it takes: the check's name. Checks return whether they held. */
#ifndef WARD_TESTS_TAP_H
#define WARD_TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TAP_UNUSED __attribute__((unused)) static

/* Is @good true? */
#define ok(good, ...) tap_check(!!(good), __FILE__, __LINE__, __VA_ARGS__)

/* Are two integers equal? */
#define is_int(got, want, ...) tap_check_int((got), (want), __FILE__, __LINE__, __VA_ARGS__)

/* Are two strings equal? Either may be NULL. */
#define is_str(got, want, ...) tap_check_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)

static int tap_run, tap_failed;

TAP_UNUSED bool
tap_result(bool good, const char *file, int line, const char *name, va_list ap)
{
	printf("%sok %d - ", good ? "" : "not ", ++tap_run);
	(void)vprintf(name, ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("# %s:%d\n", file, line);
	}
	(void)fflush(stdout); /* the next statement may crash, or fork */
	return good;
}

__attribute__((format(printf, 4, 5))) TAP_UNUSED bool
tap_check(bool good, const char *file, int line, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	(void)tap_result(good, file, line, name, ap);
	va_end(ap);
	return good;
}

__attribute__((format(printf, 5, 6))) TAP_UNUSED bool
tap_check_int(intmax_t got, intmax_t want, const char *file, int line, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	if (!tap_result(got == want, file, line, name, ap))
		printf("# got %" PRIdMAX ", want %" PRIdMAX "\n", got, want);
	va_end(ap);
	return got == want;
}

__attribute__((format(printf, 5, 6))) TAP_UNUSED bool
tap_check_str(const char *got, const char *want, const char *file, int line, const char *name, ...)
{
	bool same = got && want ? strcmp(got, want) == 0 : got == want;
	va_list ap;

	va_start(ap, name);
	if (!tap_result(same, file, line, name, ap))
		printf("# got \"%s\", want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
	va_end(ap);
	return same;
}

/* A check that this machine cannot make, with the reason. */
TAP_UNUSED void
skip(const char *reason)
{
	printf("ok %d # SKIP %s\n", ++tap_run, reason);
}

/* Prints the plan; returns main's exit status. */
TAP_UNUSED int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed ? 1 : 0;
}

#endif
