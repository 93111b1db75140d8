#include "linux/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define ARGS	  6
#define ERRNO_MAX 4095 /* the kernel cuts what is higher */
#define LOW_HALF  UINT64_C(0xffffffff)

static const struct {
	const char *name;
	uint32_t action;
} actions[] = {
	{ "allow", SECCOMP_RET_ALLOW },
	{ "log", SECCOMP_RET_LOG },
	{ "trap", SECCOMP_RET_TRAP },
	{ "kill_thread", SECCOMP_RET_KILL_THREAD },
	{ "kill_process", SECCOMP_RET_KILL_PROCESS },
	/* Second names of an errno; the first names are libc's. */
	{ "EWOULDBLOCK", SECCOMP_RET_ERRNO | EWOULDBLOCK },
	{ "EDEADLOCK", SECCOMP_RET_ERRNO | EDEADLOCK },
	{ "ENOTSUP", SECCOMP_RET_ERRNO | ENOTSUP },
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

int
ward_seccomp_action(const char *name, uint32_t *action)
{
	for (size_t i = 0; i < ACTIONS; i++) {
		if (strcmp(actions[i].name, name) == 0) {
			*action = actions[i].action;
			return 0;
		}
	}
	for (int e = 1; e <= ERRNO_MAX; e++) {
		const char *known = strerrorname_np(e);

		if (known && strcmp(known, name) == 0) {
			*action = SECCOMP_RET_ERRNO | (uint32_t)e;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
ward_seccomp_action_name(uint32_t action)
{
	const char *name;

	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
		return "allow";
	case SECCOMP_RET_LOG:
		return "log";
	case SECCOMP_RET_TRACE:
		return "trace";
	case SECCOMP_RET_USER_NOTIF:
		return "notify";
	case SECCOMP_RET_ERRNO:
		name = strerrorname_np((int)(action & SECCOMP_RET_DATA));
		return name ? name : "errno";
	case SECCOMP_RET_TRAP:
		return "trap";
	case SECCOMP_RET_KILL_THREAD:
		return "kill_thread";
	default: /* the kernel takes what it does not know for this */
		return "kill_process";
	}
}

int
ward_seccomp_syscall(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == -1)
		return -ENOENT;
	return nr < 0 ? -ENOSYS : nr;
}

/* Which bits of its argument a condition compares for equality; 0 when it is another comparison. */
static uint64_t
equal_bits(const struct ward_seccomp_cond *c)
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
	else if (c->narrow && !equal)
		fault = "is compared in 32 bits, which only == and the masked == can do";
	else if (equal && !equal_bits(c))
		fault = "is compared under an empty mask";
	else if (equal && c->value & ~equal_bits(c))
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

/* Can no call meet both conditions of some argument? */
static bool
disjoint(const struct ward_seccomp_rule *a, const struct ward_seccomp_rule *b)
{
	for (size_t i = 0; i < a->nconds; i++) {
		for (size_t j = 0; j < b->nconds; j++) {
			const struct ward_seccomp_cond *x = &a->conds[i], *y = &b->conds[j];

			if (x->arg == y->arg &&
			    (x->value ^ y->value) & equal_bits(x) & equal_bits(y))
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
		if (!equal_bits(&r->conds[i]))
			return false;
	}
	return true;
}

/* What is wrong with two rules for one system call, or NULL. libseccomp says nothing of either: it
 * lets the wider of two contradicting rules win, even when that is the one that allows; and when it
 * merges rules with <, <=, or != into one tree, it loses some of what they say (2.5.4; equalities
 * come out right, and so does any rule that is alone). */
static const char *
conflict(const struct ward_seccomp_rule *a, const struct ward_seccomp_rule *b)
{
	if (a->action != b->action && !disjoint(a, b))
		return "contradict";
	if (a->nconds && b->nconds && !(equalities(a) && equalities(b)))
		return "cannot be merged: several with conditions may only use == and the masked "
		       "==";
	return NULL;
}

static int
check_rule(const struct ward_seccomp_request *q, const int *numbers, size_t i, struct ward_err *err)
{
	const struct ward_seccomp_rule *r = &q->rules[i];

	for (size_t k = 0; k < r->nconds; k++) {
		int bad = check_cond(r, &r->conds[k], err);

		if (bad)
			return bad;
	}
	for (size_t k = 0; k < i; k++) {
		const char *fault = numbers[i] < 0 || numbers[k] != numbers[i]
					    ? NULL
					    : conflict(&q->rules[k], r);

		if (fault)
			return ward_err_set(err, 0, EINVAL, "two seccomp rules for %s (%s, %s) %s",
					    r->name, ward_seccomp_action_name(q->rules[k].action),
					    ward_seccomp_action_name(r->action), fault);
	}
	return 0;
}

/* Checks the rules and fills @numbers with their system calls; negative: left out. */
static int
resolve(const struct ward_seccomp_request *q, int *numbers, size_t *unknown, struct ward_err *err)
{
	for (size_t i = 0; i < q->nrules; i++) {
		int bad;

		numbers[i] = ward_seccomp_syscall(q->rules[i].name);
		if (numbers[i] == -ENOENT) {
			if (!q->rules[i].optional)
				return ward_err_set(err, 0, ENOENT, "unknown system call \"%s\"",
						    q->rules[i].name);
			(*unknown)++;
		}
		bad = check_rule(q, numbers, i, err);
		if (bad)
			return bad;
	}
	return 0;
}

static struct scmp_arg_cmp
to_cmp(const struct ward_seccomp_cond *c)
{
	static const enum scmp_compare ops[] = {
		[WARD_SECCOMP_EQ] = SCMP_CMP_EQ, [WARD_SECCOMP_NE] = SCMP_CMP_NE,
		[WARD_SECCOMP_LT] = SCMP_CMP_LT, [WARD_SECCOMP_LE] = SCMP_CMP_LE,
		[WARD_SECCOMP_GE] = SCMP_CMP_GE, [WARD_SECCOMP_GT] = SCMP_CMP_GT,
	};

	if (c->op == WARD_SECCOMP_MASKED_EQ || c->narrow)
		return (struct scmp_arg_cmp){ c->arg, SCMP_CMP_MASKED_EQ, equal_bits(c), c->value };
	return (struct scmp_arg_cmp){ c->arg, ops[c->op], c->value, 0 };
}

/* -EEXIST: a rule that adds nothing to those before it. */
static int
add_rules(scmp_filter_ctx ctx, const struct ward_seccomp_request *q, const int *numbers,
	  struct ward_err *err)
{
	for (size_t i = 0; i < q->nrules; i++) {
		const struct ward_seccomp_rule *rule = &q->rules[i];
		struct scmp_arg_cmp cmp[ARGS];
		int r;

		if (numbers[i] < 0 || rule->action == q->default_action)
			continue; /* libseccomp calls the latter an error */
		for (size_t k = 0; k < rule->nconds; k++)
			cmp[k] = to_cmp(&rule->conds[k]);
		r = seccomp_rule_add_array(ctx, rule->action, numbers[i],
					   (unsigned int)rule->nconds, cmp);
		if (r < 0 && r != -EEXIST)
			return ward_err_set(err, 0, -r, "seccomp rule for %s: %s", rule->name,
					    strerror(-r));
	}
	return 0;
}

/* Has libseccomp write the program to a file in memory, and reads it back. */
static int export(scmp_filter_ctx ctx, struct ward_seccomp_filter *out, struct ward_err *err)
{
	WARD_AUTO_FD int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter *insns;
	struct stat st;
	size_t size;
	int r;

	if (fd < 0)
		return ward_err_set(err, 0, errno, "cannot make a file in memory: %s",
				    strerror(errno));
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0 || fstat(fd, &st) < 0)
		return ward_err_set(err, 0, r < 0 ? -r : errno, "cannot compile the filter: %s",
				    strerror(r < 0 ? -r : errno));
	size = (size_t)st.st_size;
	if (size / sizeof(*insns) > BPF_MAXINSNS)
		return ward_err_set(err, 0, E2BIG, "the filter has more than %d instructions",
				    BPF_MAXINSNS);
	insns = malloc(size);
	if (!insns)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	if (pread(fd, insns, size, 0) != (ssize_t)size) {
		free(insns);
		return ward_err_set(err, 0, EIO, "cannot read the filter back");
	}
	out->insns = insns;
	out->n = (unsigned short)(size / sizeof(*insns));
	return 0;
}

static int
build(const struct ward_seccomp_request *q, const int *numbers, struct ward_seccomp_filter *out,
      struct ward_err *err)
{
	static const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} attrs[] = {
		{ SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
		{ SCMP_FLTATR_CTL_NNP, 0 },	 /* a step of its own */
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 }, /* a binary tree of numbers */
	};
	scmp_filter_ctx ctx = seccomp_init(q->default_action);
	int r = 0;

	if (!ctx)
		return ward_err_set(err, 0, EINVAL,
				    "libseccomp refuses the default action of the filter");
	for (size_t i = 0; r == 0 && i < sizeof(attrs) / sizeof(attrs[0]); i++)
		r = seccomp_attr_set(ctx, attrs[i].attr, attrs[i].value);
	if (r < 0)
		r = ward_err_set(err, 0, -r, "cannot prepare the filter: %s", strerror(-r));
	else
		r = add_rules(ctx, q, numbers, err);
	if (r == 0)
		r = export(ctx, out, err);
	seccomp_release(ctx);
	return r;
}

int
ward_seccomp_compile(const struct ward_seccomp_request *request, struct ward_seccomp_filter *out,
		     struct ward_err *err)
{
	struct ward_seccomp_filter made = { 0 };
	int *numbers = calloc(request->nrules + 1, sizeof(*numbers));
	int r;

	if (!numbers)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	r = resolve(request, numbers, &made.unknown, err);
	if (r == 0)
		r = build(request, numbers, &made, err);
	free(numbers);
	if (r == 0)
		*out = made;
	return r;
}

void
ward_seccomp_free(struct ward_seccomp_filter *filter)
{
	free(filter->insns);
	*filter = (struct ward_seccomp_filter){ 0 };
}
