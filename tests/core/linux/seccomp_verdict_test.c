/* The interpreter against the kernel, on programs of all instructions; and what it finds out about
 * filters that the child could not live with. */
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tests/core/linux/seccomp_kit.h"
#include "tests/core/tap.h"

#define NR     0
#define ARG(i) (16 + 8 * (i)) /* its low half; little-endian */

#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static unsigned int seed = 7;

static uint32_t
below(uint32_t n)
{
	return (uint32_t)rand_r(&seed) % n;
}

static uint32_t
some_word(void)
{
	switch (below(3)) {
	case 0:
		return below(5);
	case 1:
		return UINT32_MAX - below(5);
	default:
		return (uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed);
	}
}

/* One random instruction that leaves a value; a jump passes over one or two of the next. */
static struct sock_filter
some_insn(void)
{
	static const uint16_t ops[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
					BPF_OR,	 BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JSET };
	uint16_t src = below(2) ? BPF_K : BPF_X;
	uint16_t op = ops[below(COUNT(ops))];
	uint32_t k = some_word();

	switch (below(10)) {
	case 0:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4 * (4 + below(12)));
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_MISC | (below(2) ? BPF_TAX : BPF_TXA), 0);
	case 2:
		return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, k);
	case 3:
		return (struct sock_filter)BPF_STMT((below(2) ? BPF_LD : BPF_LDX) | BPF_MEM,
						    below(BPF_MEMWORDS));
	case 4:
		return (struct sock_filter)BPF_STMT(below(2) ? BPF_ST : BPF_STX,
						    below(BPF_MEMWORDS));
	case 5:
		return (struct sock_filter)BPF_STMT((below(2) ? BPF_LD : BPF_LDX) | BPF_W | BPF_LEN,
						    0);
	case 6:
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[below(COUNT(jumps))] | src, k,
						    (uint8_t)below(3), (uint8_t)below(3));
	case 7:
		return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, below(3));
	default:
		if (src == BPF_K && (op == BPF_LSH || op == BPF_RSH))
			k %= 32;
		if (src == BPF_K && op == BPF_DIV && k == 0)
			k = 1;
		return (struct sock_filter)BPF_STMT(BPF_ALU | op | (op == BPF_NEG ? 0 : src), k);
	}
}

enum { HEAD = 3 + 2 * BPF_MEMWORDS, BODY = 24, TAIL = 3 };

/* getppid() fails with an errno that depends on all that was computed; other calls are let through. */
static size_t
some_program(struct sock_filter *f)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
		ALLOW,
	};
	const struct sock_filter tail[] = {
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7f),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	size_t n = 0;

	for (size_t i = 0; i < COUNT(head); i++)
		f[n++] = head[i];
	for (uint32_t i = 0; i < BPF_MEMWORDS; i++) { /* the kernel wants each written first */
		f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, some_word());
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ST, i);
	}
	for (size_t i = 0; i < BODY; i++)
		f[n++] = some_insn();
	for (size_t i = 0; i < 2; i++) /* where the last jumps land */
		f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0);
	for (size_t i = 0; i < COUNT(tail); i++)
		f[n++] = tail[i];
	return n;
}

static void
test_kernel(void)
{
	struct sock_filter f[HEAD + BODY + 2 + TAIL];
	int wrong = 0, killed = 0, different[128] = { 0 }, answers = 0;

	for (int round = 0; round < 1000; round++) {
		struct seccomp_data d = { .nr = SYS_getppid, .arch = seccomp_arch_native() };
		size_t n = some_program(f);
		uint32_t action = 0;
		int got, want;

		for (int i = 0; i < 6; i++)
			d.args[i] = (uint64_t)some_word() << 32 | some_word();
		if (ward_seccomp_verdict(f, n, &d, &action) < 0) {
			wrong++;
			continue;
		}
		want = action == SECCOMP_RET_KILL_THREAD ? KILLED
							 : (int)(action & SECCOMP_RET_DATA);
		got = under(f, n, act_call, &d);
		if (got != want)
			printf("# round %d: kernel %d, interpreter %d\n", round, got, want);
		wrong += got != want;
		killed += got == KILLED;
		if (got >= 0 && got < 128)
			answers += different[got]++ == 0;
	}
	ok(wrong == 0, "1,000 random programs answer as in the kernel");
	ok(killed > 0 && answers > 30, "some divide by zero (%d); %d different errnos", killed,
	   answers);
}

static void
unsound(const char *why, struct sock_filter insn)
{
	struct sock_filter f[] = { insn, ALLOW };
	struct seccomp_data d = { 0 };
	struct ward_err err = { 0 };
	uint32_t action = 77;
	int r = ward_seccomp_verdict(f, 2, &d, &action);

	ok(r == -EINVAL && action == 77 && ward_seccomp_check(f, 2, &err) == -EINVAL &&
		   under(f, 2, act_call, &d) == BROKEN,
	   "not run, here nor there: %s", why);
}

static void
test_unsound(void)
{
	struct sock_filter no_end[] = { BPF_STMT(BPF_LD | BPF_IMM, 0) };
	struct sock_filter *long_one = calloc(BPF_MAXINSNS + 1, sizeof(*long_one));
	struct seccomp_data d = { .nr = SYS_getppid };
	uint32_t action = 77;

	unsound("a load behind the end",
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64));
	unsound("an odd load", (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2));
	unsound("a load of a byte", (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0));
	unsound("an indirect load", (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0));
	unsound("a jump out", (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
	unsound("a jump far out", (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX));
	unsound("a branch out", (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1));
	unsound("scratch 16", (struct sock_filter)BPF_STMT(BPF_ST, 16));
	unsound("scratch 16, read", (struct sock_filter)BPF_STMT(BPF_LDX | BPF_MEM, 16));
	unsound("division by 0", (struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0));
	unsound("a shift by 32", (struct sock_filter)BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32));
	unsound("a remainder", (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3));
	unsound("an unknown code", (struct sock_filter){ 0xffff, 0, 0, 0 });
	ok(ward_seccomp_verdict(no_end, 1, &d, &action) == -EINVAL &&
		   ward_seccomp_verdict(no_end, 0, &d, &action) == -EINVAL && action == 77,
	   "not run: a program without end, and none");
	for (size_t i = 0; i <= BPF_MAXINSNS; i++)
		long_one[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
	long_one[BPF_MAXINSNS] = long_one[BPF_MAXINSNS - 1] = (struct sock_filter)ALLOW;
	ok(ward_seccomp_verdict(long_one, BPF_MAXINSNS + 1, &d, &action) == -EINVAL &&
		   ward_seccomp_verdict(long_one, BPF_MAXINSNS, &d, &action) == 0 &&
		   action == SECCOMP_RET_ALLOW,
	   "4,096 instructions are run, 4,097 are not");
	free(long_one);
}

/* Compiles one rule over a default and checks the filter. NULL: it is fit for the child. */
static void
check(uint32_t otherwise, struct ward_seccomp_rule rule, const char *sentence)
{
	struct ward_seccomp_request q = { otherwise, &rule, 1, false, false, NULL, 0 };
	struct ward_seccomp_filter f = { 0 };
	struct ward_err err = { 0 };
	int r = ward_seccomp_compile(&q, &f, &err);

	if (r == 0)
		r = ward_seccomp_check(f.insns, f.n, &err);
	ok(sentence ? r == -EINVAL && strcmp(err.detail, sentence) == 0 : r == 0, "%s: %s",
	   sentence ? "refused" : "fit", sentence ? err.detail : rule.name);
	ward_seccomp_free(&f);
}

static void
test_check(void)
{
	const uint32_t eperm = SECCOMP_RET_ERRNO | EPERM, allow = SECCOMP_RET_ALLOW;
	const struct ward_seccomp_cond null = { 2, WARD_SECCOMP_EQ, false, 0, 0 };
	const struct ward_seccomp_cond five = { 2, WARD_SECCOMP_EQ, false, 5, 0 };

#define RULE(name, action) ((struct ward_seccomp_rule){ name, action, NULL, 0, false })
#define IF_NULL(name, act) ((struct ward_seccomp_rule){ name, act, &null, 1, false })
	check(allow, RULE("execveat", eperm), NULL);
	check(allow, RULE("rt_sigprocmask", SECCOMP_RET_KILL_PROCESS), NULL);
	check(allow, RULE("execve", SECCOMP_RET_LOG), NULL);
	check(SECCOMP_RET_LOG, RULE("execve", allow), NULL);
	check(allow, IF_NULL("ioctl", eperm), NULL);
	check(allow, RULE("execve", eperm),
	      "the seccomp filter can answer execve with EPERM; the child needs it");
	check(allow, RULE("execve", SECCOMP_RET_KILL_PROCESS),
	      "the seccomp filter can answer execve with kill_process; the child needs it");
	check(allow, RULE("execve", SECCOMP_RET_USER_NOTIF),
	      "the seccomp filter can answer execve with notify; the child needs it");
	check(allow, RULE("exit_group", SECCOMP_RET_TRAP),
	      "the seccomp filter can answer exit_group with trap; the child needs it");
	check(eperm, RULE("execve", allow),
	      "the seccomp filter can answer exit_group with EPERM; the child needs it");
	check(SECCOMP_RET_KILL_THREAD, RULE("exit_group", allow),
	      "the seccomp filter can answer execve with kill_thread; the child needs it");
	/* For some arguments is as bad as always. */
	check(allow, (struct ward_seccomp_rule){ "exit_group", eperm, &five, 1, false },
	      "the seccomp filter can answer exit_group with EPERM; the child needs it");
	check(allow, IF_NULL("execve", eperm),
	      "the seccomp filter can answer execve with EPERM; the child needs it");
	check(eperm, IF_NULL("execve", allow),
	      "the seccomp filter can answer execve with EPERM; the child needs it");
}

/* Programs that libseccomp would not write. */
static void
test_check_paths(void)
{
	struct sock_filter same[] = {
		/* X is 1 on both ways, so that the last branch is decided. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 2),
		BPF_STMT(BPF_LDX | BPF_IMM, 1),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_STMT(BPF_LDX | BPF_IMM, 1),
		BPF_STMT(BPF_LD | BPF_IMM, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
		ALLOW,
		DENY,
	};
	struct sock_filter from_data[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0)),
					   BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_filter divided[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARG(0)),
					 BPF_STMT(BPF_MISC | BPF_TAX, 0),
					 BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), ALLOW };
	struct ward_err err = { 0 };

	is_int(ward_seccomp_check(same, COUNT(same), &err), 0,
	       "what is the same on all ways is known: %s", err.detail);
	same[4].k = 2;
	is_int(ward_seccomp_check(same, COUNT(same), &err), -EINVAL, "what differs is not");
	is_int(ward_seccomp_check(from_data, COUNT(from_data), &err), -EINVAL,
	       "an answer that comes from an argument is refused");
	is_int(ward_seccomp_check(divided, COUNT(divided), &err), -EINVAL,
	       "so is a division by one, which may be zero");
}

int
main(void)
{
	test_kernel();
	test_unsound();
	test_check();
	test_check_paths();
	return done_testing();
}
