/* Filters are compiled, compared with what their rules say, and with what the kernel does. */
#include <stdio.h>
#include <stdlib.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "tests/core/linux/seccomp_kit.h"
#include "tests/core/tap.h"

#define E(e) (SECCOMP_RET_ERRNO | (e))

static uint32_t native;

static struct seccomp_data
call(int nr)
{
	return (struct seccomp_data){ .nr = nr, .arch = native };
}

static uint32_t
verdict(const struct ward_seccomp_filter *f, struct seccomp_data data)
{
	uint32_t action = 0xdead;

	return ward_seccomp_verdict(f->insns, f->n, &data, &action) == 0 ? action : 0xbad;
}

static struct ward_seccomp_filter
compile(uint32_t default_action, const struct ward_seccomp_rule *rules, size_t n)
{
	struct ward_seccomp_request q = { default_action, rules, n, false, false, NULL, 0 };
	struct ward_seccomp_filter f = { 0 };
	struct ward_err err = { 0 };

	if (ward_seccomp_compile(&q, &f, &err) < 0)
		printf("# %s\n", err.detail);
	return f;
}

static void
refused(const struct ward_seccomp_rule *rules, size_t n, int want, const char *sentence)
{
	struct ward_seccomp_request q = { SECCOMP_RET_ALLOW, rules, n, false, false, NULL, 0 };
	struct ward_seccomp_filter f = { .n = 77 };
	struct ward_err err = { 0 };
	int r = ward_seccomp_compile(&q, &f, &err);

	ok(r == -want && err.err == want && f.n == 77 && strcmp(err.detail, sentence) == 0,
	   "refused: %s", err.detail);
}

static void
test_actions(void)
{
	static const char *const names[] = { "allow",	     "log",   "trap",	"kill_thread",
					     "kill_process", "EPERM", "ENOSYS", "EHWPOISON" };
	static const char *const wrong[] = {
		"",	  "kill",     "eperm",	    "notify",	"trace",   "errno",	  "0",
		"errno:", "errno:-1", "errno:4096", "errno:1 ", "errno:x", "trace:65536",
	};
	uint32_t action = 5;
	int bad = 0;

	for (size_t i = 0; i < COUNT(names); i++) {
		bad += ward_seccomp_action(names[i], &action) != 0;
		bad += strcmp(ward_seccomp_action_name(action), names[i]) != 0;
	}
	ok(bad == 0, "actions have names that lead back");
	ok(ward_seccomp_action("EWOULDBLOCK", &action) == 0 && action == E(EAGAIN) &&
		   ward_seccomp_action("ENOTSUP", &action) == 0 && action == E(EOPNOTSUPP),
	   "second names of an errno are known");
	ok(ward_seccomp_action("errno:4095", &action) == 0 && action == E(4095) &&
		   ward_seccomp_action("trace:65535", &action) == 0 &&
		   action == (SECCOMP_RET_TRACE | 65535) &&
		   ward_seccomp_action("errno:0", &action) == 0 && action == E(0),
	   "an action can have a number");
	for (size_t i = 0; i < COUNT(wrong); i++)
		bad += ward_seccomp_action(wrong[i], &action) != -EINVAL;
	ok(bad == 0 && action == E(0), "other words are refused");
	ok(strcmp(ward_seccomp_action_name(E(4000)), "errno") == 0 &&
		   strcmp(ward_seccomp_action_name(SECCOMP_RET_USER_NOTIF), "notify") == 0 &&
		   strcmp(ward_seccomp_action_name(SECCOMP_RET_TRACE | 7), "trace") == 0 &&
		   strcmp(ward_seccomp_action_name(0x12340000), "kill_process") == 0,
	   "any action has a name");
}

static void
test_names(void)
{
	struct ward_seccomp_rule rules[] = {
		{ "getppid", E(EPERM), NULL, 0, false },
		{ "no_such_call", E(EPERM), NULL, 0, false },
		{ "s390_sthyi", E(EPERM), NULL, 0, false },
	};
	struct ward_seccomp_filter f;

	is_int(ward_seccomp_syscall("getppid"), SYS_getppid, "a name has a number");
	is_int(ward_seccomp_syscall("s390_sthyi"), -ENOSYS, "one of another architecture has none");
	is_int(ward_seccomp_syscall("no_such_call"), -ENOENT, "nor has what nobody knows");
	refused(rules, 3, ENOENT, "unknown system call \"no_such_call\"");
	rules[1].optional = true;
	f = compile(SECCOMP_RET_ALLOW, rules, 3);
	ok(f.insns && f.unknown == 1 && verdict(&f, call(SYS_getppid)) == E(EPERM) &&
		   verdict(&f, call(SYS_getpid)) == SECCOMP_RET_ALLOW,
	   "an optional rule is left out and counted");
	ward_seccomp_free(&f);
	ok(!f.insns && f.n == 0, "a freed filter is empty");
}

static void
test_bad_conditions(void)
{
	struct ward_seccomp_cond c[2] = { { .arg = 6 }, { .arg = 1 } };
	struct ward_seccomp_rule rule = { "ioctl", E(EPERM), c, 1, false };

	refused(&rule, 1, EINVAL, "seccomp rule for ioctl: argument 6 has no such argument");
	c[0] = (struct ward_seccomp_cond){ 1, WARD_SECCOMP_GT, true, UINT64_C(1) << 32, 0 };
	refused(&rule, 1, EINVAL,
		"seccomp rule for ioctl: argument 1 is compared with a value that it can never "
		"have");
	c[0] = (struct ward_seccomp_cond){ 1, WARD_SECCOMP_MASKED_EQ, false, 0, 0 };
	refused(&rule, 1, EINVAL,
		"seccomp rule for ioctl: argument 1 is compared under an empty mask");
	c[0] = (struct ward_seccomp_cond){ 1, WARD_SECCOMP_EQ, true, UINT64_C(1) << 32, 0 };
	refused(&rule, 1, EINVAL,
		"seccomp rule for ioctl: argument 1 is compared with a value that it can never "
		"have");
	c[0].value = 1;
	rule.nconds = 2;
	refused(&rule, 1, EINVAL, "seccomp rule for ioctl: argument 1 has two conditions");
}

static void
test_contradictions(void)
{
	struct ward_seccomp_cond one = { 1, WARD_SECCOMP_EQ, true, 1, 0 };
	struct ward_seccomp_cond two = { 1, WARD_SECCOMP_EQ, false, 2, 0 };
	struct ward_seccomp_cond more = { 1, WARD_SECCOMP_GT, false, 0, 0 };
	struct ward_seccomp_rule rules[] = {
		{ "ioctl", E(EPERM), &one, 1, false },
		{ "ioctl", E(ENOTTY), NULL, 0, false },
	};
	struct ward_seccomp_filter f;
	struct seccomp_data d = call(SYS_ioctl);

	refused(rules, 2, EINVAL, "two seccomp rules for ioctl (EPERM, ENOTTY) contradict");
	rules[1].action =
		SECCOMP_RET_ALLOW; /* the default's, which is left out: still a conflict */
	refused(rules, 2, EINVAL, "two seccomp rules for ioctl (EPERM, allow) contradict");
	rules[1] = (struct ward_seccomp_rule){ "ioctl", E(ENOTTY), &more, 1, false };
	refused(rules, 2, EINVAL, "two seccomp rules for ioctl (EPERM, ENOTTY) contradict");
	rules[1].action = rules[0].action;
	f = compile(SECCOMP_RET_ALLOW, rules, 2);
	d.args[1] = 7;
	ok(verdict(&f, d) == E(EPERM), "what libseccomp could not merge is merged");
	d.args[1] = 0;
	ok(verdict(&f, d) == SECCOMP_RET_ALLOW, "and says no more than its rules");
	ward_seccomp_free(&f);
	rules[1].action = E(ENOTTY);
	rules[1].conds = &two;
	f = compile(SECCOMP_RET_ALLOW, rules, 2);
	d.args[1] = 1;
	ok(verdict(&f, d) == E(EPERM), "rules that cannot meet may differ: one");
	d.args[1] = 2;
	ok(verdict(&f, d) == E(ENOTTY), "and the other");
	ward_seccomp_free(&f);
	rules[1] = rules[0];
	f = compile(SECCOMP_RET_ALLOW, rules, 2);
	ok(f.insns != NULL, "the same rule twice is no harm");
	ward_seccomp_free(&f);
	rules[1] = (struct ward_seccomp_rule){ "getppid", SECCOMP_RET_ALLOW, NULL, 0, false };
	f = compile(SECCOMP_RET_ALLOW, rules, 2);
	ok(verdict(&f, call(SYS_getppid)) == SECCOMP_RET_ALLOW, "nor one that says the default");
	ward_seccomp_free(&f);
	rules[1] = (struct ward_seccomp_rule){ "ioctl", E(EPERM), NULL, 0, false };
	f = compile(SECCOMP_RET_ALLOW, rules, 2);
	d.args[1] = 99;
	ok(verdict(&f, d) == E(EPERM), "nor is one with conditions beside one without");
	ward_seccomp_free(&f);
}

static void
test_narrow(void)
{
	struct ward_seccomp_cond c = { 1, WARD_SECCOMP_EQ, false, 0x5412, 0 };
	struct ward_seccomp_rule rule = { "ioctl", E(EPERM), &c, 1, false };
	struct seccomp_data d = call(SYS_ioctl);
	struct ward_seccomp_filter f = compile(SECCOMP_RET_ALLOW, &rule, 1);

	d.args[1] = UINT64_C(0x100005412);
	ok(verdict(&f, d) == SECCOMP_RET_ALLOW, "64 bits: a high bit evades TIOCSTI's rule");
	ward_seccomp_free(&f);
	c.narrow = true;
	f = compile(SECCOMP_RET_ALLOW, &rule, 1);
	ok(verdict(&f, d) == E(EPERM), "32 bits: it does not");
	d.args[0] = (uint64_t)-1;
	is_int(under(f.insns, f.n, act_call, &d), EPERM, "nor in the kernel");
	d.args[1] = 0x5413;
	is_int(under(f.insns, f.n, act_call, &d), EBADF, "another request is not meant");
	ward_seccomp_free(&f);
}

/* The rules as the header states them. */
static bool
holds(const struct ward_seccomp_cond *c, uint64_t arg)
{
	uint64_t mask = c->op == WARD_SECCOMP_MASKED_EQ ? c->mask : UINT64_MAX;

	if (c->narrow)
		mask &= UINT32_MAX;
	if (c->narrow)
		arg &= UINT32_MAX;
	switch (c->op) {
	case WARD_SECCOMP_NE:
		return arg != c->value;
	case WARD_SECCOMP_LT:
		return arg < c->value;
	case WARD_SECCOMP_LE:
		return arg <= c->value;
	case WARD_SECCOMP_GE:
		return arg >= c->value;
	case WARD_SECCOMP_GT:
		return arg > c->value;
	default:
		return (arg & mask) == c->value;
	}
}

static uint32_t
model(uint32_t otherwise, const struct ward_seccomp_rule *rules, size_t n,
      const struct seccomp_data *d)
{
	for (size_t i = 0; i < n; i++) {
		bool all = ward_seccomp_syscall(rules[i].name) == d->nr;

		for (size_t k = 0; all && k < rules[i].nconds; k++)
			all = holds(&rules[i].conds[k], d->args[rules[i].conds[k].arg]);
		if (all)
			return rules[i].action;
	}
	return otherwise;
}

static unsigned int seed = 1;

static unsigned int
below(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

/* Few values, close together, in both halves. */
static uint64_t
some_value(void)
{
	return (uint64_t)below(3) << 32 | below(4);
}

static struct ward_seccomp_cond
some_cond(unsigned int arg)
{
	struct ward_seccomp_cond c = { arg, (enum ward_seccomp_op)below(7), false, some_value(),
				       0 };

	if (c.op == WARD_SECCOMP_MASKED_EQ) {
		c.mask = some_value() | 1;
		c.value &= c.mask;
	}
	if (below(2)) {
		c.narrow = true;
		c.value &= UINT32_MAX;
	}
	return c;
}

static const char *const some_calls[] = { "getppid", "getpid", "getuid",  "getgid",
					  "geteuid", "ioctl",  "getegid", "dup" };

struct random_filter {
	struct ward_seccomp_cond conds[12][3];
	struct ward_seccomp_rule rules[12];
	size_t n;
};

static void
some_filter(struct random_filter *r)
{
	static const uint32_t actions[] = { E(EPERM), E(ENOSYS), SECCOMP_RET_LOG };

	r->n = 1 + below(COUNT(r->rules));
	for (size_t i = 0; i < r->n; i++) {
		size_t conds = below(4);
		unsigned int first = below(4);

		for (unsigned int k = 0; k < conds; k++)
			r->conds[i][k] = some_cond(first + k);
		r->rules[i] = (struct ward_seccomp_rule){ some_calls[below(COUNT(some_calls))],
							  actions[below(COUNT(actions))],
							  r->conds[i], conds, false };
	}
}

static int
differences(const struct random_filter *r, const struct ward_seccomp_filter *f, uint32_t otherwise)
{
	int wrong = 0;

	for (int i = 0; i < 100; i++) {
		struct seccomp_data d =
			call(ward_seccomp_syscall(some_calls[below(COUNT(some_calls))]));

		for (int k = 0; k < 6; k++)
			d.args[k] = some_value();
		wrong += verdict(f, d) != model(otherwise, r->rules, r->n, &d);
	}
	return wrong;
}

/* Random filters against the model. One that contradicts itself is refused unless its rules have an order; all
 * others must mean exactly what their rules say, also what libseccomp's tree of arguments cannot hold. */
static void
test_model(bool ordered)
{
	static const uint32_t defaults[] = { SECCOMP_RET_ALLOW, E(EACCES), E(EPERM) };
	struct random_filter r;
	int compiled = 0, contradict = 0, wrong = 0;

	for (int round = 0; round < 10000; round++) {
		struct ward_seccomp_filter f = { 0 };
		struct ward_seccomp_request q = {
			defaults[below(3)], r.rules, 0, ordered, false, NULL, 0
		};
		struct ward_err err = { 0 };
		int before = wrong;

		some_filter(&r);
		q.nrules = r.n;
		if (ward_seccomp_compile(&q, &f, &err) < 0) {
			contradict += strstr(err.detail, ") contradict") != NULL;
			continue;
		}
		compiled++;
		wrong += differences(&r, &f, q.default_action);
		if (wrong > before)
			printf("# round %d differs\n", round);
		ward_seccomp_free(&f);
	}
	ok(wrong == 0 && compiled > 1000, "%d random filters mean what their rules say", compiled);
	ok(ordered ? contradict == 0 : contradict > 1000 && compiled + contradict == 10000,
	   "%d are refused as contradictions", contradict);
}

static const char *const sixty[] = {
	"access",	   "arch_prctl",     "brk",	     "clock_gettime", "clone",
	"close",	   "connect",	     "dup",	     "dup3",	      "epoll_create1",
	"epoll_ctl",	   "epoll_wait",     "execve",	     "exit",	      "exit_group",
	"faccessat2",	   "fcntl",	     "fstat",	     "futex",	      "getcwd",
	"getdents64",	   "getegid",	     "geteuid",	     "getgid",	      "getpid",
	"getrandom",	   "getrlimit",	     "getuid",	     "ioctl",	      "lseek",
	"lstat",	   "madvise",	     "mmap",	     "mprotect",      "mremap",
	"munmap",	   "nanosleep",	     "newfstatat",   "open",	      "openat",
	"pipe2",	   "poll",	     "prctl",	     "pread64",	      "prlimit64",
	"pwrite64",	   "read",	     "readlink",     "rseq",	      "recvfrom",
	"rt_sigaction",	   "rt_sigprocmask", "rt_sigreturn", "sendto",	      "set_robust_list",
	"set_tid_address", "sigaltstack",    "socket",	     "statx",	      "write",
};

static bool
is_listed(int nr)
{
	for (size_t i = 0; i < COUNT(sixty); i++) {
		if (ward_seccomp_syscall(sixty[i]) == nr)
			return true;
	}
	return false;
}

static int
act_exec_true(const void *arg)
{
	(void)arg;
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static struct ward_seccomp_filter
allow_list(uint32_t otherwise)
{
	struct ward_seccomp_rule rules[COUNT(sixty)];

	for (size_t i = 0; i < COUNT(sixty); i++)
		rules[i] =
			(struct ward_seccomp_rule){ sixty[i], SECCOMP_RET_ALLOW, NULL, 0, false };
	return compile(otherwise, rules, COUNT(rules));
}

static void
test_allow_list(void)
{
	struct ward_seccomp_filter f = allow_list(E(ENETDOWN));
	struct ward_err err = { 0 };
	struct seccomp_data d = call(SYS_getppid);
	int wrong = 0;

	_Static_assert(COUNT(sixty) == 60, "the test says so");
	for (int nr = 0; nr < 1000; nr++)
		wrong += verdict(&f, call(nr)) != (is_listed(nr) ? SECCOMP_RET_ALLOW : E(ENETDOWN));
	ok(f.insns && wrong == 0, "60 allowed system calls are those, of 1,000");
	is_int(ward_seccomp_check(f.insns, f.n, &err), 0, "the child can live with it");
	is_int(under(f.insns, f.n, act_exec_true, NULL), 0, "so can a program");
	is_int(under(f.insns, f.n, act_call, &d), ENETDOWN, "one that is not listed is denied");
	d = call(-1);
	ok(verdict(&f, d) == E(ENETDOWN), "-1, which a tracer uses to skip, gets the default");
	ward_seccomp_free(&f);
}

/* The kernel against the interpreter, call by call. */
static void
test_kernel(void)
{
	struct ward_seccomp_cond vsock = { 0, WARD_SECCOMP_EQ, true, AF_VSOCK, 0 };
	struct ward_seccomp_cond high = { 0, WARD_SECCOMP_GE, false, UINT64_C(1) << 32, 0 };
	struct ward_seccomp_cond flags = { 1, WARD_SECCOMP_MASKED_EQ, false, 4, 12 };
	struct ward_seccomp_rule rules[] = {
		{ "getppid", E(ENETDOWN), NULL, 0, false },
		{ "socket", E(EXFULL), &vsock, 1, false },
		{ "getuid", SECCOMP_RET_LOG, NULL, 0, false },
		{ "getgid", SECCOMP_RET_TRAP, NULL, 0, false },
		{ "geteuid", SECCOMP_RET_KILL_PROCESS, NULL, 0, false },
		{ "getpgid", E(EUCLEAN), &high, 1, false },
		{ "umask", E(ENOANO), &flags, 1, false },
	};
	static const int numbers[] = { SYS_getppid, SYS_socket,	 SYS_getuid, SYS_getgid,
				       SYS_geteuid, SYS_getpgid, SYS_umask,  SYS_getpid };
	static const uint64_t values[] = {
		0, 4, 8, 12, AF_VSOCK, UINT64_C(1) << 32, UINT64_C(1) << 32 | AF_VSOCK
	};
	struct ward_seccomp_filter f = compile(SECCOMP_RET_ALLOW, rules, COUNT(rules));
	int wrong = 0, denied = 0;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		for (size_t k = 0; k < COUNT(values); k++) {
			struct seccomp_data d = call(numbers[i]);
			uint32_t action;
			int got;

			d.args[0] = d.args[1] = values[k];
			action = verdict(&f, d);
			got = under(f.insns, f.n, act_call, &d);
			if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
				wrong += got != (int)(action & SECCOMP_RET_DATA);
			else if (action == SECCOMP_RET_TRAP || action == SECCOMP_RET_KILL_PROCESS)
				wrong += got != KILLED;
			else /* what the call itself says */
				wrong += got == KILLED || got == BROKEN || got == ENETDOWN ||
					 got == EXFULL || got == EUCLEAN || got == ENOANO;
			denied += action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG;
		}
	}
	ok(f.insns && wrong == 0, "the kernel does what the interpreter says, in %zu calls",
	   COUNT(numbers) * COUNT(values));
	is_int(denied, 7 + 2 + 7 + 7 + 2 + 1, "as many are denied as should be");
	ward_seccomp_free(&f);
}

#ifdef __x86_64__
static int
act_int80(const void *arg)
{
	int nr = 20, r; /* getpid of i386 */

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr) : "memory", "r8", "r9", "r10", "r11");
	return r > 0 ? 0 : 1;
}
#endif

static void
test_foreign(void)
{
	static const uint32_t arches[] = { SCMP_ARCH_X86,     SCMP_ARCH_X86_64,	 SCMP_ARCH_ARM,
					   SCMP_ARCH_AARCH64, SCMP_ARCH_RISCV64, 0 };
	struct ward_seccomp_filter filters[] = { allow_list(E(EPERM)), { 0 }, { 0 } };
	struct ward_seccomp_rule rule = { "getppid", E(EPERM), NULL, 0, false };
	int wrong = 0;

	filters[1] = compile(SECCOMP_RET_ALLOW, &rule, 1);
	filters[2] = compile(SECCOMP_RET_ALLOW, NULL, 0);
	for (size_t k = 0; k < COUNT(filters); k++) {
		for (size_t i = 0; i < COUNT(arches); i++) {
			struct seccomp_data d = call(SYS_read);

			d.arch = arches[i];
			wrong += d.arch != native &&
				 verdict(&filters[k], d) != SECCOMP_RET_KILL_PROCESS;
		}
	}
	ok(wrong == 0, "calls of other architectures kill the process");
	ok(verdict(&filters[2], call(SYS_read)) == SECCOMP_RET_ALLOW,
	   "those of its own are the default's when there is no rule");
#ifdef __x86_64__
	for (size_t k = 0; k < COUNT(filters); k++) {
		struct seccomp_data d = call(0x40000000 | SYS_getpid);

		wrong += verdict(&filters[k], d) != SECCOMP_RET_KILL_PROCESS;
		wrong += verdict(&filters[k], call(0x7fffffff)) != SECCOMP_RET_KILL_PROCESS;
		wrong += under(filters[k].insns, filters[k].n, act_call, &d) != KILLED;
	}
	ok(wrong == 0, "so do those of x32, in the kernel too");
	if (under((struct sock_filter[]){ { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } }, 1,
		  act_int80, NULL) == 0)
		is_int(under(filters[1].insns, filters[1].n, act_int80, NULL), KILLED,
		       "and those of i386");
	else
		skip("this kernel runs no i386 system calls");
#else
	skip("x32 is a matter of x86_64");
#endif
	for (size_t k = 0; k < COUNT(filters); k++)
		ward_seccomp_free(&filters[k]);
}

static struct ward_seccomp_filter
compile_for(uint32_t otherwise, const struct ward_seccomp_rule *rules, size_t n,
	    const char *const *arches, size_t narches)
{
	struct ward_seccomp_request q = { otherwise, rules, n, true, true, arches, narches };
	struct ward_seccomp_filter f = { 0 };
	struct ward_err err = { 0 };

	if (ward_seccomp_compile(&q, &f, &err) < 0)
		printf("# %s\n", err.detail);
	return f;
}

/* What is newer than anything known is ENOSYS where the default denies. */
static void
test_newer(void)
{
	static const uint32_t defaults[] = { E(EPERM),	SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP,
					     E(ENOSYS), SECCOMP_RET_ALLOW,	  SECCOMP_RET_LOG };
	struct ward_seccomp_rule rule = { "getppid", SECCOMP_RET_ALLOW, NULL, 0, false };
	int last = 1023, wrong = 0;
	char name[64];

	for (; last > 0; last--) {
		char *known = seccomp_syscall_resolve_num_arch(native, last);

		if (!known)
			continue;
		(void)snprintf(name, sizeof(name), "%s", known);
		free(known);
		break;
	}
	for (size_t i = 0; i < COUNT(defaults); i++) {
		uint32_t newer = i < 4 ? E(ENOSYS) : defaults[i];
		struct ward_seccomp_filter f = compile_for(defaults[i], &rule, 1, NULL, 0);

		wrong += verdict(&f, call(last)) != defaults[i];
		wrong += verdict(&f, call(last + 1)) != newer;
		wrong += verdict(&f, call(100000)) != newer;
		wrong += verdict(&f, call(-1)) != defaults[i];
		wrong += verdict(&f, call(SYS_getppid)) != SECCOMP_RET_ALLOW;
		ward_seccomp_free(&f);
	}
	ok(wrong == 0, "what is newer than %s (%d) is ENOSYS, unless the default allows", name,
	   last);
}

/* Further architectures have the same rules, by name. */
static void
test_arches(void)
{
#ifdef __x86_64__
	static const char *const arches[] = { "x86", "arm", "x86_64", "x32", "x86" };
	struct ward_seccomp_cond tiocsti = { 1, WARD_SECCOMP_EQ, true, 0x5412, 0 };
	struct ward_seccomp_cond inet = { 0, WARD_SECCOMP_EQ, true, AF_INET, 0 };
	struct ward_seccomp_rule rules[] = {
		{ "ioctl", E(ENOTTY), &tiocsti, 1, false },
		{ "ioctl", SECCOMP_RET_ALLOW, NULL, 0, false },
		{ "getuid32", SECCOMP_RET_ALLOW, NULL, 0, false },
	};
	static const struct {
		uint32_t arch;
		int nr;
		uint64_t arg;
		uint32_t want;
	} cases[] = {
		{ SCMP_ARCH_X86_64, SYS_ioctl, 0x5412, E(ENOTTY) },
		{ SCMP_ARCH_X86_64, SYS_ioctl, 0x5413, SECCOMP_RET_ALLOW },
		{ SCMP_ARCH_X86_64, SYS_getuid, 0, E(EPERM) },
		{ SCMP_ARCH_X86_64, 0x40000000 | 514, UINT64_C(0x700005412), E(ENOTTY) },
		{ SCMP_ARCH_X86_64, 0x40000000 | 514, 1, SECCOMP_RET_ALLOW },
		{ SCMP_ARCH_X86_64, 0x40000000 | 16, 1, E(EPERM) },
		{ SCMP_ARCH_X86_64, 514, 1, E(ENOSYS) },
		{ SCMP_ARCH_X86_64, 0x40000000 | 999, 1, E(ENOSYS) },
		{ SCMP_ARCH_X86, 54, 0x5412, E(ENOTTY) },
		{ SCMP_ARCH_X86, 54, 1, SECCOMP_RET_ALLOW },
		{ SCMP_ARCH_X86, 16, 1, E(EPERM) },
		{ SCMP_ARCH_X86, 199, 0, SECCOMP_RET_ALLOW },
		{ SCMP_ARCH_X86, 9999, 0, E(ENOSYS) },
		{ SCMP_ARCH_X86, -1, 0, E(EPERM) },
		{ SCMP_ARCH_ARM, 54, 1, SECCOMP_RET_KILL_PROCESS },
		{ SCMP_ARCH_AARCH64, 29, 1, SECCOMP_RET_KILL_PROCESS },
	};
	struct ward_seccomp_filter f =
		compile_for(E(EPERM), rules, COUNT(rules), arches, COUNT(arches));
	struct ward_seccomp_rule hidden = { "socket", E(EPERM), &inet, 1, false };
	struct ward_seccomp_request q = { SECCOMP_RET_ALLOW, &hidden, 1, true, true, arches, 1 };
	struct ward_err err = { 0 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct seccomp_data d = { .nr = cases[i].nr, .arch = cases[i].arch };

		d.args[1] = cases[i].arg;
		ok(verdict(&f, d) == cases[i].want, "%#x %#x (%#llx): %s", d.arch,
		   (unsigned int)d.nr, (unsigned long long)cases[i].arg,
		   ward_seccomp_action_name(cases[i].want));
	}
	ward_seccomp_free(&f);
	ok(ward_seccomp_compile(&q, &f, &err) == -EINVAL &&
		   strcmp(err.detail, "seccomp rule for socket: on x86 its arguments are behind a "
				      "pointer, where no condition can see them") == 0,
	   "refused: %s", err.detail);
#else
	skip("written for x86_64");
#endif
}

static void
test_too_long(void)
{
	static struct ward_seccomp_cond conds[4096];
	static struct ward_seccomp_rule rules[COUNT(conds)];

	for (size_t i = 0; i < COUNT(conds); i++) {
		conds[i] = (struct ward_seccomp_cond){ 1, WARD_SECCOMP_EQ, false, i, 0 };
		rules[i] = (struct ward_seccomp_rule){ "ioctl", E(EPERM), &conds[i], 1, false };
	}
	refused(rules, COUNT(rules), E2BIG, "the filter has more than 4096 instructions");
}

static void
test_no_leak(void)
{
	struct ward_seccomp_rule rules[] = { { "getppid", E(EPERM), NULL, 0, false },
					     { "no_such_call", E(EPERM), NULL, 0, false } };
	struct ward_seccomp_request q = { SECCOMP_RET_ALLOW, rules, 1, false, false, NULL, 0 };
	struct ward_fdset before, after;
	int wrong = 0;

	ward_fdset_open_now(&before);
	for (int i = 0; i < 1000; i++) {
		struct ward_seccomp_filter f = { 0 };
		struct ward_err err;

		q.nrules = 1 + (size_t)i % 2;
		wrong += ward_seccomp_compile(&q, &f, &err) != (i % 2 ? -ENOENT : 0);
		ward_seccomp_free(&f);
	}
	ward_fdset_open_now(&after);
	ok(wrong == 0 && memcmp(&before, &after, sizeof(after)) == 0,
	   "1,000 filters leave no descriptor open");
}

int
main(void)
{
	native = seccomp_arch_native();
	test_actions();
	test_names();
	test_bad_conditions();
	test_contradictions();
	test_narrow();
	test_model(false);
	test_model(true);
	test_newer();
	test_arches();
	test_allow_list();
	test_kernel();
	test_foreign();
	test_too_long();
	test_no_leak();
	return done_testing();
}
