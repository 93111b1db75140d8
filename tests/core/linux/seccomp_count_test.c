#include <linux/filter.h>
#include <linux/seccomp.h>

#include "linux/seccomp.h"
#include "linux/seccomp_count.h"
#include "tests/core/tap.h"

int
main(void)
{
	struct ward_seccomp_rule rules[] = { { .name = "read" }, { .name = "bpf" } };
	struct ward_seccomp_request request = { .rules = rules, .nrules = 2 };
	struct ward_seccomp_filter filter = { 0 };
	struct ward_seccomp_loaded loaded;
	struct ward_err err;
	size_t known = ward_seccomp_known();

	ok(known > 300, "this machine has more than 300 system calls");
	ok(ward_seccomp_count(NULL, 0) == known, "no filter lets all through");
	ok(ward_seccomp_lets(NULL, 0, "read") && !ward_seccomp_lets(NULL, 0, "no_such_call"),
	   "no filter lets a call through, but none that there is not");
	for (size_t i = 0; i < 2; i++)
		(void)ward_seccomp_action("EPERM", &rules[i].action);
	(void)ward_seccomp_action("allow", &request.default_action);
	ok(ward_seccomp_compile(&request, &filter, &err) == 0, "a filter that denies two");
	loaded = (struct ward_seccomp_loaded){ filter.insns, filter.n };
	ok(ward_seccomp_count(&loaded, 1) == known - 2, "lets all but two through");
	ok(!ward_seccomp_lets(&loaded, 1, "bpf") && ward_seccomp_lets(&loaded, 1, "write"),
	   "and tells which");
	ward_seccomp_free(&filter);
	return done_testing();
}
