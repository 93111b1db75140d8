/* Calls that only ward has a name for are judged by rules that name them, wherever they run, and by no others. */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/core/linux/seccomp_kit.h"
#include "tests/core/tap.h"

#define X32_BIT	  0x40000000
#define E(errno_) (SECCOMP_RET_ERRNO | (errno_))

static struct seccomp_data
call(int nr)
{
	return (struct seccomp_data){ .nr = nr, .arch = ward_seccomp_native() };
}

static uint32_t
verdict(const struct ward_seccomp_filter *f, struct seccomp_data data)
{
	uint32_t action = 0;

	return ward_seccomp_verdict(f->insns, f->n, &data, &action) < 0 ? 0 : action;
}

int
main(void)
{
	static const struct {
		const char *name;
		int number;
	} calls[] = { { "cachestat", 451 },  { "fchmodat2", 452 },	{ "mseal", 462 },
		      { "setxattrat", 463 }, { "open_tree_attr", 467 }, { "file_setattr", 469 } };
	static const char *const x32[] = { "x32" };
	struct ward_seccomp_cond cond = { 1, WARD_SECCOMP_EQ, false, 7, 0 };
	struct ward_seccomp_rule rules[] = { { "setxattrat", SECCOMP_RET_ALLOW, &cond, 1, false },
					     { "setxattrat", E(EACCES), NULL, 0, false },
					     { "mseal", SECCOMP_RET_ALLOW, NULL, 0, false } };
	struct seccomp_data d = call(463);
	struct ward_seccomp_filter f = { 0 };
	struct ward_seccomp_request listed = { E(EPERM), rules,	    3, true, WARD_NEWER_NOT_DENIED,
					       x32,	 COUNT(x32) };
	struct ward_seccomp_request guard = { SECCOMP_RET_ALLOW, rules, 3, true,
					      WARD_NEWER_ABSENT, NULL,	0 };
	struct ward_err err = { 0 };
	int wrong = 0;
	char name[64];

	for (size_t i = 0; i < COUNT(calls); i++) {
		wrong += ward_seccomp_syscall(calls[i].name) != calls[i].number;
		ward_seccomp_name(ward_seccomp_native(), calls[i].number, name, sizeof(name));
		wrong += strcmp(name, calls[i].name) != 0;
	}
	ok(wrong == 0, "calls newer than libseccomp have names and numbers");

	wrong = ward_seccomp_compile(&listed, &f, &err) < 0 || verdict(&f, d) != E(EACCES);
	d.nr |= X32_BIT;
	wrong += verdict(&f, d) != E(EACCES);
	d.args[1] = 7;
	wrong += verdict(&f, d) != SECCOMP_RET_ALLOW;
	d.nr = 463;
	wrong += verdict(&f, d) != SECCOMP_RET_ALLOW;
	wrong += verdict(&f, call(462)) != SECCOMP_RET_ALLOW;
	ok(wrong == 0, "and rules, also for x32");
	wrong = 0;
	for (int nr = 464; nr <= 470; nr++) {
		char *known = seccomp_syscall_resolve_num_arch(ward_seccomp_native(), nr);

		wrong += verdict(&f, call(nr)) != (known ? E(EPERM) : E(ENOSYS));
		free(known);
	}
	ok(wrong == 0, "those without a rule are ENOSYS as all that is newer");
	ward_seccomp_free(&f);

	wrong = ward_seccomp_compile(&guard, &f, &err) < 0 ||
		verdict(&f, call(469)) != SECCOMP_RET_ALLOW ||
		verdict(&f, call(470)) != E(ENOSYS) || verdict(&f, call(463)) != E(EACCES);
	ok(wrong == 0, "a filter that knows them all judges them all");
	ward_seccomp_free(&f);
	return done_testing();
}
