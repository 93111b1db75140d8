/* What a filter answers: its program is run, over what is known of a system call. What is not known
 * makes both ways of a jump possible. Jumps only go forward, so one pass over the program sees every
 * instruction after all that lead to it. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "linux/seccomp.h"

#define WORDS (sizeof(struct seccomp_data) / 4)

/* A value, if one is known. */
struct value {
	uint32_t v;
	bool known;
};

/* The state before an instruction. */
struct facts {
	bool reached;
	struct value a, x, mem[BPF_MEMWORDS];
};

struct run {
	const struct sock_filter *insns;
	size_t n;
	struct value data[WORDS];
	struct facts *facts; /* one for each instruction */
	uint32_t strictest;  /* of all actions that are possible */
};

static const struct value unknown = { 0, false };

static struct value
known(uint32_t v)
{
	return (struct value){ v, true };
}

/* The kernel's seccomp_check_filter: instruction @i, whose code is one that a filter may have, is
 * sound among @n. */
static bool
sound(const struct sock_filter *f, size_t i, size_t n)
{
	size_t after = n - i - 1; /* instructions */

	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return f->k < sizeof(struct seccomp_data) && f->k % 4 == 0 && after;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return f->k < BPF_MEMWORDS && after;
	case BPF_ALU | BPF_DIV | BPF_K:
		return f->k != 0 && after;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return f->k < 32 && after;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_ALU | BPF_NEG:
	case BPF_ALU | BPF_ADD | BPF_K:
	case BPF_ALU | BPF_ADD | BPF_X:
	case BPF_ALU | BPF_SUB | BPF_K:
	case BPF_ALU | BPF_SUB | BPF_X:
	case BPF_ALU | BPF_MUL | BPF_K:
	case BPF_ALU | BPF_MUL | BPF_X:
	case BPF_ALU | BPF_DIV | BPF_X:
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_ALU | BPF_AND | BPF_X:
	case BPF_ALU | BPF_OR | BPF_K:
	case BPF_ALU | BPF_OR | BPF_X:
	case BPF_ALU | BPF_XOR | BPF_K:
	case BPF_ALU | BPF_XOR | BPF_X:
	case BPF_ALU | BPF_LSH | BPF_X:
	case BPF_ALU | BPF_RSH | BPF_X:
		return after;
	case BPF_JMP | BPF_JA:
		return f->k < after;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_X:
	case BPF_JMP | BPF_JSET | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_X:
		return f->jt < after && f->jf < after;
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
		return true;
	default:
		return false;
	}
}

/* What is true on both ways to an instruction. */
static struct value
join(struct value a, struct value b)
{
	return a.known && b.known && a.v == b.v ? a : unknown;
}

static void
reach(struct run *run, size_t at, const struct facts *from)
{
	struct facts *to = &run->facts[at];

	if (!to->reached) {
		*to = *from;
		return;
	}
	to->a = join(to->a, from->a);
	to->x = join(to->x, from->x);
	for (size_t i = 0; i < BPF_MEMWORDS; i++)
		to->mem[i] = join(to->mem[i], from->mem[i]);
}

static struct value
alu(unsigned int op, struct value a, struct value b)
{
	if (!a.known || !b.known)
		return unknown;
	switch (op) {
	case BPF_ADD:
		return known(a.v + b.v);
	case BPF_SUB:
		return known(a.v - b.v);
	case BPF_MUL:
		return known(a.v * b.v);
	case BPF_DIV:
		return known(a.v / b.v);
	case BPF_AND:
		return known(a.v & b.v);
	case BPF_OR:
		return known(a.v | b.v);
	case BPF_XOR:
		return known(a.v ^ b.v);
	case BPF_LSH:
		return known(a.v << (b.v & 31));
	case BPF_RSH:
		return known(a.v >> (b.v & 31));
	default: /* BPF_NEG */
		return known(0u - a.v);
	}
}

static struct value
load(const struct run *run, const struct facts *s, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		return run->data[f->k / 4];
	case BPF_LEN:
		return known(sizeof(struct seccomp_data));
	case BPF_MEM:
		return s->mem[f->k];
	default: /* BPF_IMM */
		return known(f->k);
	}
}

/* The kernel's order: as signed numbers, the stricter action is the lower. */
static void
end(struct run *run, uint32_t action)
{
	if ((int32_t)(action & SECCOMP_RET_ACTION_FULL) <
	    (int32_t)(run->strictest & SECCOMP_RET_ACTION_FULL))
		run->strictest = action;
}

static void
jump(struct run *run, size_t i, const struct facts *s, struct value b)
{
	const struct sock_filter *f = &run->insns[i];
	bool sure = s->a.known && b.known, taken = false;

	switch (BPF_OP(f->code)) {
	case BPF_JA:
		reach(run, i + 1 + f->k, s);
		return;
	case BPF_JEQ:
		taken = s->a.v == b.v;
		break;
	case BPF_JGE:
		taken = s->a.v >= b.v;
		break;
	case BPF_JGT:
		taken = s->a.v > b.v;
		break;
	default: /* BPF_JSET */
		taken = s->a.v & b.v;
	}
	if (taken || !sure)
		reach(run, i + 1 + f->jt, s);
	if (!taken || !sure)
		reach(run, i + 1 + f->jf, s);
}

static void
step(struct run *run, size_t i)
{
	const struct sock_filter *f = &run->insns[i];
	struct facts s = run->facts[i];
	struct value b = BPF_SRC(f->code) == BPF_X ? s.x : known(f->k);

	switch (BPF_CLASS(f->code)) {
	case BPF_RET:
		b = BPF_RVAL(f->code) == BPF_A ? s.a : known(f->k);
		end(run, b.known ? b.v : SECCOMP_RET_KILL_PROCESS);
		return;
	case BPF_JMP:
		jump(run, i, &s, b);
		return;
	case BPF_LD:
		s.a = load(run, &s, f);
		break;
	case BPF_LDX:
		s.x = load(run, &s, f);
		break;
	case BPF_ST:
		s.mem[f->k] = s.a;
		break;
	case BPF_STX:
		s.mem[f->k] = s.x;
		break;
	case BPF_ALU:
		if (BPF_OP(f->code) == BPF_DIV && (!b.known || b.v == 0)) {
			end(run, SECCOMP_RET_KILL_THREAD); /* the program ends there with 0 */
			if (b.known)
				return;
		}
		s.a = alu(BPF_OP(f->code), s.a, b);
		break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(f->code) == BPF_TAX)
			s.x = s.a;
		else
			s.a = s.x;
	}
	reach(run, i + 1, &s);
}

/* Runs the program; the strictest action that is possible goes to *action. */
static int
run_program(struct run *run, uint32_t *action)
{
	if (run->n == 0 || run->n > BPF_MAXINSNS ||
	    BPF_CLASS(run->insns[run->n - 1].code) != BPF_RET)
		return -EINVAL;
	for (size_t i = 0; i < run->n; i++) {
		if (!sound(&run->insns[i], i, run->n))
			return -EINVAL;
	}
	run->facts = calloc(run->n, sizeof(*run->facts));
	if (!run->facts)
		return -ENOMEM;
	run->strictest = SECCOMP_RET_ALLOW;
	run->facts[0] = (struct facts){ .reached = true, .a = known(0), .x = known(0) };
	for (size_t i = 0; i < run->n; i++) {
		if (run->facts[i].reached)
			step(run, i);
	}
	free(run->facts);
	*action = run->strictest;
	return 0;
}

int
ward_seccomp_verdict(const struct sock_filter *insns, size_t n, const struct seccomp_data *data,
		     uint32_t *action)
{
	struct run run = { .insns = insns, .n = n };
	uint32_t words[WORDS];

	memcpy(words, data, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		run.data[i] = known(words[i]);
	return run_program(&run, action);
}

int
ward_seccomp_check(const struct sock_filter *insns, size_t n, struct ward_err *err)
{
	static const char *const needed[] = { "execve", "exit_group" };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct run run = { .insns = insns, .n = n };
		uint32_t action = 0;
		int r;

		run.data[offsetof(struct seccomp_data, nr) / 4] =
			known((uint32_t)seccomp_syscall_resolve_name(needed[i]));
		run.data[offsetof(struct seccomp_data, arch) / 4] = known(seccomp_arch_native());
		r = run_program(&run, &action);
		if (r == -EINVAL)
			return ward_err_set(err, 0, EINVAL, "the filter is no seccomp program");
		if (r < 0)
			return ward_err_set(err, 0, -r, "out of memory");
		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG)
			return ward_err_set(
				err, 0, EINVAL,
				"the seccomp filter can answer %s with %s; the child needs it",
				needed[i], ward_seccomp_action_name(action));
	}
	return 0;
}
