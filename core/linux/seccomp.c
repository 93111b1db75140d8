#include "linux/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/seccomp_rules.h"
#include "linux/seccomp_stub.h"
#include "linux/syscall_names.h"
#include "linux/uapi.h"

#define ARGS	  6
#define ERRNO_MAX 4095 /* the kernel cuts what is higher */

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

/* "errno:38": an action with a number as its data. */
static bool
with_data(const char *name, uint32_t *action)
{
	static const struct {
		const char *prefix;
		uint32_t action, most;
	} forms[] = { { "errno:", SECCOMP_RET_ERRNO, ERRNO_MAX },
		      { "trace:", SECCOMP_RET_TRACE, SECCOMP_RET_DATA } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t n = strlen(forms[i].prefix);
		unsigned long data;
		char *end;

		if (strncmp(name, forms[i].prefix, n) != 0 || name[n] < '0' || name[n] > '9')
			continue;
		data = strtoul(name + n, &end, 10);
		if (*end != '\0' || data > forms[i].most)
			return false;
		*action = forms[i].action | (uint32_t)data;
		return true;
	}
	return false;
}

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
	return with_data(name, action) ? 0 : -EINVAL;
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
	int nr = ward_syscall_number(seccomp_arch_native(), name);

	if (nr == WARD_NO_CALL)
		return -ENOENT;
	return nr < 0 ? -ENOSYS : nr;
}

/* Those of this machine, by libseccomp's names; what a kernel runs besides its own. */
static const struct {
	const char *name;
	uint32_t arch, host; /* host: whose kernel runs it */
} arches[] = {
	{ "x86", SCMP_ARCH_X86, SCMP_ARCH_X86_64 },
	{ "x86_64", SCMP_ARCH_X86_64, SCMP_ARCH_X86_64 },
	{ "x32", SCMP_ARCH_X32, SCMP_ARCH_X86_64 },
	{ "arm", SCMP_ARCH_ARM, SCMP_ARCH_AARCH64 },
	{ "aarch64", SCMP_ARCH_AARCH64, SCMP_ARCH_AARCH64 },
	{ "mips", SCMP_ARCH_MIPS, SCMP_ARCH_MIPS64 },
	{ "mips64", SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS64 },
	{ "mips64n32", SCMP_ARCH_MIPS64N32, SCMP_ARCH_MIPS64 },
	{ "mipsel", SCMP_ARCH_MIPSEL, SCMP_ARCH_MIPSEL64 },
	{ "mipsel64", SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64 },
	{ "mipsel64n32", SCMP_ARCH_MIPSEL64N32, SCMP_ARCH_MIPSEL64 },
	{ "ppc", SCMP_ARCH_PPC, SCMP_ARCH_PPC64 },
	{ "ppc64", SCMP_ARCH_PPC64, SCMP_ARCH_PPC64 },
	{ "ppc64le", SCMP_ARCH_PPC64LE, SCMP_ARCH_PPC64LE },
	{ "s390", SCMP_ARCH_S390, SCMP_ARCH_S390X },
	{ "s390x", SCMP_ARCH_S390X, SCMP_ARCH_S390X },
	{ "parisc", SCMP_ARCH_PARISC, SCMP_ARCH_PARISC64 },
	{ "parisc64", SCMP_ARCH_PARISC64, SCMP_ARCH_PARISC64 },
	{ "riscv64", SCMP_ARCH_RISCV64, SCMP_ARCH_RISCV64 },
};

#define ARCHES (sizeof(arches) / sizeof(arches[0]))

uint32_t
ward_seccomp_native(void)
{
	return seccomp_arch_native();
}

uint32_t
ward_seccomp_arch(const char *name)
{
	for (size_t i = 0; i < ARCHES; i++) {
		if (strcmp(arches[i].name, name) == 0)
			return arches[i].arch;
	}
	return 0;
}

const char *
ward_seccomp_arch_name(uint32_t arch)
{
	for (size_t i = 0; i < ARCHES; i++) {
		if (arches[i].arch == arch)
			return arches[i].name;
	}
	return "?";
}

void
ward_seccomp_name(uint32_t arch, int nr, char *name, size_t size)
{
	char *known = ward_syscall_name(arch, nr);

	if (known)
		(void)snprintf(name, size, "%s", known);
	else
		(void)snprintf(name, size, "%d", nr);
	free(known);
}

/* The architectures of a request, the native one first; @list has room for all. Returns how many. */
static size_t
list_arches(const struct ward_seccomp_request *q, uint32_t *list)
{
	size_t n = 0;

	list[n++] = seccomp_arch_native();
	for (size_t i = 0; i < q->narches; i++) {
		uint32_t arch = ward_seccomp_arch(q->arches[i]), host = 0;

		for (size_t k = 0; k < ARCHES; k++) {
			if (arch && arches[k].arch == arch)
				host = arches[k].host;
		}
		for (size_t k = 0; k < n; k++) {
			if (list[k] == arch)
				host = 0;
		}
		if (host == list[0] && n < ARCHES)
			list[n++] = arch;
	}
	return n;
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
		return (struct scmp_arg_cmp){ c->arg, SCMP_CMP_MASKED_EQ,
					      ward_seccomp_equal_bits(c), c->value };
	return (struct scmp_arg_cmp){ c->arg, ops[c->op], c->value, 0 };
}

/* -EEXIST: a rule that adds nothing to those before it. */
static int
add_rules(scmp_filter_ctx ctx, const struct ward_seccomp_request *q,
	  const struct ward_seccomp_calls *calls, struct ward_err *err)
{
	for (size_t i = 0; i < q->nrules; i++) {
		const struct ward_seccomp_rule *rule = &q->rules[i];
		struct scmp_arg_cmp cmp[ARGS];
		int r, nr = calls->numbers[i];

		/* libseccomp calls it an error to say the default; a negative number is that of a
		 * call that only others of the architectures have. */
		if (nr == WARD_NO_CALL || calls->ours[i] || rule->action == q->default_action)
			continue;
		for (size_t k = 0; k < rule->nconds; k++)
			cmp[k] = to_cmp(&rule->conds[k]);
		r = seccomp_rule_add_array(ctx, rule->action, nr, (unsigned int)rule->nconds, cmp);
		if (r < 0 && r != -EEXIST)
			return ward_err_set(err, 0, -r, "seccomp rule for %s: %s", rule->name,
					    strerror(-r));
	}
	return 0;
}

/* Has libseccomp write the program to a file in memory, and reads it back behind the stub. */
static int export(scmp_filter_ctx ctx, const struct ward_seccomp_stub *stub,
		  struct ward_seccomp_filter *out, struct ward_err *err)
{
	WARD_AUTO_FD int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter *insns;
	struct stat st;
	size_t size, n;
	int r;

	if (fd < 0)
		return ward_err_set(err, 0, errno, "cannot make a file in memory: %s",
				    strerror(errno));
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0 || fstat(fd, &st) < 0)
		return ward_err_set(err, 0, r < 0 ? -r : errno, "cannot compile the filter: %s",
				    strerror(r < 0 ? -r : errno));
	size = (size_t)st.st_size;
	n = stub->n + size / sizeof(*insns);
	if (n > BPF_MAXINSNS)
		return ward_err_set(err, 0, E2BIG, "the filter has more than %d instructions",
				    BPF_MAXINSNS);
	insns = calloc(n, sizeof(*insns));
	if (!insns)
		return ward_err_set(err, 0, ENOMEM, "out of memory");
	if (stub->n)
		memcpy(insns, stub->insns, stub->n * sizeof(*insns));
	if (pread(fd, insns + stub->n, size, 0) != (ssize_t)size) {
		free(insns);
		return ward_err_set(err, 0, EIO, "cannot read the filter back");
	}
	out->insns = insns;
	out->n = (unsigned short)n;
	return 0;
}

static scmp_filter_ctx
make_context(const struct ward_seccomp_request *q, const uint32_t *list, size_t n,
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

	if (!ctx) {
		(void)ward_err_set(err, 0, EINVAL,
				   "libseccomp refuses the default action of the filter");
		return NULL;
	}
	for (size_t i = 0; r == 0 && i < sizeof(attrs) / sizeof(attrs[0]); i++)
		r = seccomp_attr_set(ctx, attrs[i].attr, attrs[i].value);
	for (size_t i = 1; r == 0 && i < n; i++)
		r = seccomp_arch_add(ctx, list[i]);
	if (r == 0)
		return ctx;
	(void)ward_err_set(err, 0, -r, "cannot prepare the filter: %s", strerror(-r));
	seccomp_release(ctx);
	return NULL;
}

static int
build(const struct ward_seccomp_request *q, const struct ward_seccomp_calls *calls,
      struct ward_seccomp_filter *out, struct ward_err *err)
{
	struct ward_seccomp_stub stub = { 0 };
	uint32_t list[ARCHES];
	size_t n = list_arches(q, list);
	scmp_filter_ctx ctx = make_context(q, list, n, err);
	int r;

	if (!ctx)
		return -err->err;
	r = add_rules(ctx, q, calls, err);
	if (r == 0) {
		r = ward_seccomp_stub_make(q, calls->ours, list, n, &stub);
		if (r < 0)
			r = ward_err_set(err, 0, -r, "cannot compile the filter: %s", strerror(-r));
	}
	if (r == 0)
		r = export(ctx, &stub, out, err);
	free(stub.insns);
	seccomp_release(ctx);
	return r;
}

int
ward_seccomp_compile(const struct ward_seccomp_request *request, struct ward_seccomp_filter *out,
		     struct ward_err *err)
{
	struct ward_seccomp_filter made = { 0 };
	struct ward_seccomp_calls calls = { 0 };
	int r = ward_seccomp_resolve(request, &calls, err);

	if (r == 0)
		r = build(request, &calls, &made, err);
	made.unknown = calls.unknown;
	ward_seccomp_calls_free(&calls);
	if (r == 0)
		*out = made;
	return r;
}

int
ward_seccomp_learner(struct ward_seccomp_filter *out)
{
	const size_t high = offsetof(struct seccomp_data, args) +
			    (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 4 : 0);
	const struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 (uint32_t)seccomp_syscall_resolve_name("sendmsg"), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)high),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WARD_LEARN_MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_filter *made = malloc(sizeof(insns));

	if (!made)
		return -ENOMEM;
	memcpy(made, insns, sizeof(insns));
	*out = (struct ward_seccomp_filter){ .insns = made, .n = sizeof(insns) / sizeof(insns[0]) };
	return 0;
}

void
ward_seccomp_free(struct ward_seccomp_filter *filter)
{
	free(filter->insns);
	*filter = (struct ward_seccomp_filter){ 0 };
}
