#include "linux/seccomp_rules.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "linux/syscall_names.h"

#define ARGS	 6
#define LOW_HALF UINT64_C(0xffffffff)

uint64_t
ward_seccomp_equal_bits(const struct ward_seccomp_cond *c)
{
	uint64_t bits = c->op == WARD_SECCOMP_EQ	  ? UINT64_MAX
			: c->op == WARD_SECCOMP_MASKED_EQ ? c->mask
							  : 0;

	return c->narrow ? bits & LOW_HALF : bits;
}

static int
check_cond(const struct ward_seccomp_rule *r, const struct ward_seccomp_cond *c,
	   struct ward_err *err)
{
	const char *fault = NULL;
	bool equal = c->op == WARD_SECCOMP_EQ || c->op == WARD_SECCOMP_MASKED_EQ;

	if (c->arg >= ARGS)
		fault = "has no such argument";
	else if (equal && !ward_seccomp_equal_bits(c))
		fault = "is compared under an empty mask";
	else if ((equal && c->value & ~ward_seccomp_equal_bits(c)) ||
		 (c->narrow && c->value > LOW_HALF))
		fault = "is compared with a value that it can never have";
	for (const struct ward_seccomp_cond *b = r->conds; !fault && b < c; b++) {
		if (b->arg == c->arg) /* libseccomp has no way to say it */
			fault = "has two conditions";
	}
	if (!fault)
		return 0;
	return ward_err_set(err, 0, EINVAL, "seccomp rule for %s: argument %u %s", r->name, c->arg,
			    fault);
}

/* The values that meet a comparison of all bits other than !=: from *low to *high. False when there is none, or
 * they are no range. */
static bool
range(const struct ward_seccomp_cond *c, uint64_t *low, uint64_t *high)
{
	*low = 0;
	*high = c->narrow ? LOW_HALF : UINT64_MAX;
	switch (c->op) {
	case WARD_SECCOMP_EQ:
		*low = *high = c->value;
		return true;
	case WARD_SECCOMP_LT:
		*high = c->value - 1;
		return c->value > 0;
	case WARD_SECCOMP_LE:
		*high = c->value;
		return true;
	case WARD_SECCOMP_GE:
		*low = c->value;
		return true;
	case WARD_SECCOMP_GT:
		*low = c->value + 1;
		return c->value < *high;
	default:
		return false;
	}
}

/* Is there no value that meets both conditions, which are on one argument? */
static bool
exclude(const struct ward_seccomp_cond *x, const struct ward_seccomp_cond *y)
{
	uint64_t low[2], high[2];

	if ((x->value ^ y->value) & ward_seccomp_equal_bits(x) & ward_seccomp_equal_bits(y))
		return true;
	if (x->narrow != y->narrow) /* of different numbers */
		return false;
	if ((x->op == WARD_SECCOMP_EQ && y->op == WARD_SECCOMP_NE) ||
	    (x->op == WARD_SECCOMP_NE && y->op == WARD_SECCOMP_EQ))
		return x->value == y->value;
	return range(x, &low[0], &high[0]) && range(y, &low[1], &high[1]) &&
	       (high[0] < low[1] || high[1] < low[0]);
}

/* Can no call meet both conditions of some argument? */
static bool
disjoint(const struct ward_seccomp_rule *a, const struct ward_seccomp_rule *b)
{
	for (size_t i = 0; i < a->nconds; i++) {
		for (size_t j = 0; j < b->nconds; j++) {
			const struct ward_seccomp_cond *x = &a->conds[i], *y = &b->conds[j];

			if (x->arg == y->arg && exclude(x, y))
				return true;
		}
	}
	return false;
}

/* Are all comparisons for equality? */
static bool
equalities(const struct ward_seccomp_rule *r)
{
	for (size_t i = 0; i < r->nconds; i++) {
		if (!ward_seccomp_equal_bits(&r->conds[i]))
			return false;
	}
	return true;
}

/* Does libseccomp say what a rule says, when it is alone? */
static bool
expressible(const struct ward_seccomp_rule *r)
{
	for (size_t i = 0; i < r->nconds; i++) {
		if (r->conds[i].narrow && !ward_seccomp_equal_bits(&r->conds[i]))
			return false;
	}
	return true;
}

/* Does it say what two rules for one call say together? It lets the wider of two contradicting rules win, even
 * when that is the one that allows; and when it merges rules with <, <=, or != into one tree, it loses some
 * of what they say (2.5.4; equalities come out right). */
static bool
mergeable(const struct ward_seccomp_rule *a, const struct ward_seccomp_rule *b)
{
	if (a->action != b->action && !disjoint(a, b))
		return false;
	return !a->nconds || !b->nconds || (equalities(a) && equalities(b));
}

/* The calls that some 32-bit architectures make through one call with a pointer to the arguments. */
static bool
multiplexed(const char *name)
{
	static const char *const names[] = {
		"accept",     "accept4",  "bind",    "connect",	 "getpeername", "getsockname",
		"getsockopt", "listen",	  "msgctl",  "msgget",	 "msgrcv",	"msgsnd",
		"recv",	      "recvfrom", "recvmsg", "recvmmsg", "semctl",	"semget",
		"semop",      "send",	  "sendmsg", "sendmmsg", "sendto",	"setsockopt",
		"semtimedop", "shmat",	  "shmctl",  "shmdt",	 "shmget",	"shutdown",
		"socketpair", "socket",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* On these architectures a condition on such a call could be walked around. A profile in no order is taken at
 * its word. */
static int
check_multiplexed(const struct ward_seccomp_request *q, const struct ward_seccomp_rule *r,
		  struct ward_err *err)
{
	static const char *const archs[] = { "x86", "s390", "ppc", "mips", "mipsel" };

	if (!q->ordered || !r->nconds || !multiplexed(r->name))
		return 0;
	for (size_t i = 0; i < q->narches; i++) {
		for (size_t k = 0; k < sizeof(archs) / sizeof(archs[0]); k++) {
			if (strcmp(q->arches[i], archs[k]) == 0)
				return ward_err_set(
					err, 0, EINVAL,
					"seccomp rule for %s: on %s its arguments are behind a "
					"pointer, where no condition can see them",
					r->name, archs[k]);
		}
	}
	return 0;
}

/* Checks rule @i by itself and against those before it. */
static int
check_rule(const struct ward_seccomp_request *q, struct ward_seccomp_calls *calls, size_t i,
	   struct ward_err *err)
{
	const struct ward_seccomp_rule *r = &q->rules[i];
	int bad = check_multiplexed(q, r, err);

	for (size_t k = 0; k < r->nconds && bad == 0; k++)
		bad = check_cond(r, &r->conds[k], err);
	if (bad)
		return bad;
	calls->ours[i] = !expressible(r) || ward_syscall_is_newer(r->name);
	for (size_t k = 0; k < i; k++) {
		const struct ward_seccomp_rule *b = &q->rules[k];

		if (calls->numbers[i] == WARD_NO_CALL || calls->numbers[k] != calls->numbers[i])
			continue;
		if (q->ordered && !b->nconds) { /* nothing gets here */
			calls->numbers[i] = WARD_NO_CALL;
			return 0;
		}
		if (!q->ordered && b->action != r->action && !disjoint(b, r))
			return ward_err_set(err, 0, EINVAL,
					    "two seccomp rules for %s (%s, %s) contradict", r->name,
					    ward_seccomp_action_name(b->action),
					    ward_seccomp_action_name(r->action));
		calls->ours[i] |= calls->ours[k] || !mergeable(b, r);
	}
	return 0;
}

/* One rule of a call in the stub: all of them. */
static void
spread(const struct ward_seccomp_request *q, struct ward_seccomp_calls *calls)
{
	for (size_t i = q->nrules; i-- > 0;) {
		if (calls->numbers[i] == WARD_NO_CALL)
			calls->ours[i] = false;
		for (size_t k = 0; calls->ours[i] && k < i; k++)
			calls->ours[k] |= calls->numbers[k] == calls->numbers[i];
	}
}

int
ward_seccomp_resolve(const struct ward_seccomp_request *q, struct ward_seccomp_calls *out,
		     struct ward_err *err)
{
	out->numbers = calloc(q->nrules + 1, sizeof(*out->numbers));
	out->ours = calloc(q->nrules + 1, sizeof(*out->ours));
	if (!out->numbers || !out->ours)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	for (size_t i = 0; i < q->nrules; i++) {
		int bad;

		out->numbers[i] = ward_syscall_number(seccomp_arch_native(), q->rules[i].name);
		if (out->numbers[i] == WARD_NO_CALL) {
			if (!q->rules[i].optional)
				return ward_err_set(err, 0, ENOENT, "unknown system call \"%s\"",
						    q->rules[i].name);
			out->unknown++;
		}
		bad = check_rule(q, out, i, err);
		if (bad)
			return bad;
	}
	spread(q, out);
	return 0;
}

void
ward_seccomp_calls_free(struct ward_seccomp_calls *calls)
{
	free(calls->numbers);
	free(calls->ours);
	*calls = (struct ward_seccomp_calls){ 0 };
}
