#include "linux/seccomp_stub.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "linux/syscall_names.h"

#define X32_BIT 0x40000000u

/* No architecture has numbers above this, less x32's bit. */
#define NUMBERS 1024

/* Jumps of a condition whose target is not there yet. No rule is as long as this. */
enum { HOLDS = 0xfe, FAILS = 0xff };

struct code {
	struct sock_filter *insns;
	size_t n, room;
	int err;
};

static void
emit(struct code *c, unsigned int op, unsigned int jt, unsigned int jf, uint32_t k)
{
	if (c->err)
		return;
	if (c->n == BPF_MAXINSNS) {
		c->err = -E2BIG;
		return;
	}
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct sock_filter *more = realloc(c->insns, room * sizeof(*more));

		if (!more) {
			c->err = -ENOMEM;
			return;
		}
		c->insns = more;
		c->room = room;
	}
	c->insns[c->n++] = (struct sock_filter){ (uint16_t)op, (uint8_t)jt, (uint8_t)jf, k };
}

static void
load(struct code *c, size_t offset)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void
compare(struct code *c, unsigned int op, uint32_t k, unsigned int jt, unsigned int jf)
{
	emit(c, BPF_JMP | op | BPF_K, jt, jf, k);
}

/* Ends with a far jump that is taken unless the accumulator compares with @k; returns its place. */
static size_t
skip_unless(struct code *c, unsigned int op, uint32_t k)
{
	compare(c, op, k, 1, 0);
	emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
	return c->n - 1;
}

static void
land(struct code *c, size_t jump)
{
	if (!c->err)
		c->insns[jump].k = (uint32_t)(c->n - jump - 1);
}

/* Gives the jumps since @from that are to reach @which the end of the code as their target. */
static void
resolve(struct code *c, size_t from, unsigned int which)
{
	for (size_t i = from; i < c->n && !c->err; i++) {
		struct sock_filter *f = &c->insns[i];
		uint8_t distance = (uint8_t)(c->n - i - 1);

		if (BPF_CLASS(f->code) != BPF_JMP || BPF_OP(f->code) == BPF_JA)
			continue;
		if (f->jt == which)
			f->jt = distance;
		if (f->jf == which)
			f->jf = distance;
	}
}

/* Half of an argument: 0 is the low one. */
static void
load_half(struct code *c, unsigned int arg, int high)
{
	int second = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? high : !high;

	load(c, offsetof(struct seccomp_data, args) + 8 * (size_t)arg + 4 * (size_t)second);
}

/* Compares the low half, when the high one has not decided. */
static void
low_half(struct code *c, const struct ward_seccomp_cond *cond)
{
	uint32_t v = (uint32_t)cond->value;

	load_half(c, cond->arg, 0);
	switch (cond->op) {
	case WARD_SECCOMP_EQ:
		compare(c, BPF_JEQ, v, HOLDS, FAILS);
		break;
	case WARD_SECCOMP_NE:
		compare(c, BPF_JEQ, v, FAILS, HOLDS);
		break;
	case WARD_SECCOMP_LT:
		compare(c, BPF_JGE, v, FAILS, HOLDS);
		break;
	case WARD_SECCOMP_LE:
		compare(c, BPF_JGT, v, FAILS, HOLDS);
		break;
	case WARD_SECCOMP_GE:
		compare(c, BPF_JGE, v, HOLDS, FAILS);
		break;
	case WARD_SECCOMP_GT:
		compare(c, BPF_JGT, v, HOLDS, FAILS);
		break;
	case WARD_SECCOMP_MASKED_EQ:
		emit(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, (uint32_t)cond->mask);
		compare(c, BPF_JEQ, v, HOLDS, FAILS);
		break;
	}
}

/* Goes on behind its own end when the condition holds, and to FAILS when not. */
static void
condition(struct code *c, const struct ward_seccomp_cond *cond)
{
	size_t from = c->n;
	uint32_t v = (uint32_t)(cond->value >> 32);

	if (!cond->narrow) {
		load_half(c, cond->arg, 1);
		switch (cond->op) {
		case WARD_SECCOMP_EQ:
			compare(c, BPF_JEQ, v, 0, FAILS);
			break;
		case WARD_SECCOMP_NE:
			compare(c, BPF_JEQ, v, 0, HOLDS);
			break;
		case WARD_SECCOMP_LT:
		case WARD_SECCOMP_LE:
			compare(c, BPF_JGT, v, FAILS, 0);
			compare(c, BPF_JEQ, v, 0, HOLDS);
			break;
		case WARD_SECCOMP_GE:
		case WARD_SECCOMP_GT:
			compare(c, BPF_JGT, v, HOLDS, 0);
			compare(c, BPF_JEQ, v, 0, FAILS);
			break;
		case WARD_SECCOMP_MASKED_EQ:
			emit(c, BPF_ALU | BPF_AND | BPF_K, 0, 0, (uint32_t)(cond->mask >> 32));
			compare(c, BPF_JEQ, v, 0, FAILS);
			break;
		}
	}
	low_half(c, cond);
	resolve(c, from, HOLDS);
}

/* Decides one call, whose number is in the accumulator, by its rules in their order. */
static void
decide(struct code *c, const struct ward_seccomp_request *q, const bool *ours, const char *name,
       uint32_t nr)
{
	size_t skip = skip_unless(c, BPF_JEQ, nr);

	for (size_t i = 0; i < q->nrules; i++) {
		const struct ward_seccomp_rule *r = &q->rules[i];
		size_t from = c->n;

		if (!ours[i] || strcmp(r->name, name) != 0)
			continue;
		for (size_t k = 0; k < r->nconds; k++)
			condition(c, &r->conds[k]);
		emit(c, BPF_RET | BPF_K, 0, 0, r->action);
		resolve(c, from, FAILS);
	}
	emit(c, BPF_RET | BPF_K, 0, 0, q->default_action);
	land(c, skip);
}

/* x86_64 and x32 are one to the kernel; a bit in the number tells. */
static uint32_t
audit_arch(uint32_t arch)
{
	return arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch;
}

/* The last number that a filter judges. What only ward has a name for is judged where that name stands in a rule, or
 * where all that can be told of a call is in the rules (WARD_NEWER_ABSENT): else programs do better without it. */
static uint32_t
newest(const struct ward_seccomp_request *q, uint32_t arch)
{
	uint32_t bit = arch == SCMP_ARCH_X32 ? X32_BIT : 0;
	uint32_t last = q->newer == WARD_NEWER_ABSENT ? ward_syscall_last(arch) : 0;

	for (uint32_t nr = NUMBERS; nr > 0; nr--) {
		char *name = seccomp_syscall_resolve_num_arch(arch, (int)(bit | nr));

		if (name) {
			free(name);
			return last > (bit | nr) ? last : bit | nr;
		}
	}
	return UINT32_MAX;
}

static bool
wants_newer(const struct ward_seccomp_request *q)
{
	uint32_t action = q->default_action & SECCOMP_RET_ACTION_FULL;

	return q->newer == WARD_NEWER_ABSENT ||
	       (q->newer == WARD_NEWER_NOT_DENIED && action != SECCOMP_RET_ALLOW &&
		action != SECCOMP_RET_LOG && q->default_action != (SECCOMP_RET_ERRNO | ENOSYS));
}

static void
one_arch(struct code *c, const struct ward_seccomp_request *q, const bool *ours, uint32_t arch)
{
	size_t other, abi = 0;
	bool x86_64 = audit_arch(arch) == SCMP_ARCH_X86_64;

	load(c, offsetof(struct seccomp_data, arch));
	other = skip_unless(c, BPF_JEQ, audit_arch(arch));
	load(c, offsetof(struct seccomp_data, nr));
	if (x86_64 && arch == SCMP_ARCH_X32) {
		abi = skip_unless(c, BPF_JGE, X32_BIT);
	} else if (x86_64) {
		compare(c, BPF_JGE, X32_BIT, 0, 1);
		emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
		abi = c->n - 1;
	}
	for (size_t i = 0; i < q->nrules; i++) {
		const char *name = q->rules[i].name;
		bool seen = !ours[i];
		int nr = seen ? -1 : ward_syscall_number(arch, name);

		for (size_t k = 0; k < i && !seen; k++)
			seen = ours[k] && strcmp(q->rules[k].name, name) == 0;
		if (!seen && nr >= 0)
			decide(c, q, ours, name, (uint32_t)nr);
	}
	if (wants_newer(q)) {
		/* -1 is how a tracer skips a call: it never runs, and the default is for it. */
		compare(c, BPF_JEQ, UINT32_MAX, 2, 0);
		compare(c, BPF_JGT, newest(q, arch), 0, 1);
		emit(c, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
	}
	land(c, other);
	if (x86_64)
		land(c, abi);
}

int
ward_seccomp_stub_make(const struct ward_seccomp_request *request, const bool *ours,
		       const uint32_t *arches, size_t narches, struct ward_seccomp_stub *out)
{
	struct code c = { 0 };
	bool needed = wants_newer(request);

	for (size_t i = 0; i < request->nrules; i++)
		needed |= ours[i];
	for (size_t i = 0; i < narches && needed; i++)
		one_arch(&c, request, ours, arches[i]);
	if (c.err) {
		free(c.insns);
		return c.err;
	}
	*out = (struct ward_seccomp_stub){ c.insns, c.n };
	return 0;
}
