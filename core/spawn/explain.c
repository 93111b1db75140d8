/* Words for the steps of a plan: what `ward explain` prints and what error messages name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "linux/caps.h"
#include "linux/names.h"
#include "linux/trusted.h"
#include "spawn/explain.h"
#include "spawn/plan.h"
#include "spawn/stage.h"

static const struct {
	const char *name, *sentence;
} stages[] = { [WARD_STAGE_NONE] = { "none", "do anything" },
#define X(id, name, sentence) [WARD_STAGE_##id] = { name, sentence },
	       WARD_STAGES(X)
#undef X
};

_Static_assert(sizeof(stages) / sizeof(stages[0]) == WARD_STAGE_COUNT, "a row for each stage");

const char *
ward_stage_name(int stage)
{
	return stages[stage > 0 && stage < WARD_STAGE_COUNT ? stage : 0].name;
}

const char *
ward_stage_sentence(int stage)
{
	return stages[stage > 0 && stage < WARD_STAGE_COUNT ? stage : 0].sentence;
}

const char *
ward_stage_reason(int stage, int err)
{
	bool walks = stage == WARD_STAGE_FD_OPEN || stage == WARD_STAGE_MOUNT ||
		     stage == WARD_STAGE_MOUNT_MAKE;

	return walks ? ward_trusted_reason(err) : strerror(err);
}

static const char *
access_word(int flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return "for reading";
	case O_WRONLY:
		return flags & O_APPEND ? "for appending" : "for writing";
	default:
		return "for reading and writing";
	}
}

static const char *const slots[WARD_SLOTS] = {
	[WARD_SLOT_LOG] = "the log pipe",	   [WARD_SLOT_TTY] = "the terminal",
	[WARD_SLOT_STDIN] = "a pipe to read from", [WARD_SLOT_STDOUT] = "a pipe to write to",
	[WARD_SLOT_STDERR] = "a pipe to write to",
};

static int
explain_source(const struct ward_plan *plan, const struct ward_fd_rule *f, char *buf, size_t size)
{
	switch (f->source) {
	case WARD_SOURCE_FD:
		return snprintf(buf, size, "descriptor %d: the supervisor's %d", f->target,
				f->number);
	case WARD_SOURCE_PATH:
		return snprintf(buf, size, "descriptor %d: %s", f->target, f->path);
	case WARD_SOURCE_SLOT:
		return snprintf(buf, size, "descriptor %d: %s", f->target, slots[f->number]);
	case WARD_SOURCE_SAME:
		return snprintf(buf, size, "descriptor %d: the same as %d", f->target,
				plan->fds[f->number].target);
	}
	return 0;
}

static int
explain_list(char *buf, size_t size, const char *head, const uint32_t *v, uint32_t n)
{
	int at = snprintf(buf, size, "%s", head);

	for (uint32_t i = 0; i < n && (size_t)at < size; i++)
		at += snprintf(buf + at, size - (size_t)at, " %u", v[i]);
	return at;
}

static const char *const limit_names[] = {
	[RLIMIT_AS] = "as",
	[RLIMIT_CORE] = "core",
	[RLIMIT_CPU] = "cpu",
	[RLIMIT_DATA] = "data",
	[RLIMIT_FSIZE] = "fsize",
	[RLIMIT_LOCKS] = "locks",
	[RLIMIT_MEMLOCK] = "memlock",
	[RLIMIT_MSGQUEUE] = "msgqueue",
	[RLIMIT_NICE] = "nice",
	[RLIMIT_NOFILE] = "nofile",
	[RLIMIT_NPROC] = "nproc",
	[RLIMIT_RSS] = "rss",
	[RLIMIT_RTPRIO] = "rtprio",
	[RLIMIT_RTTIME] = "rttime",
	[RLIMIT_SIGPENDING] = "sigpending",
	[RLIMIT_STACK] = "stack",
};

#define LIMITS (int)(sizeof(limit_names) / sizeof(limit_names[0]))

int
ward_limit_number(const char *name)
{
	for (int i = 0; i < LIMITS; i++) {
		if (limit_names[i] && strcmp(limit_names[i], name) == 0)
			return i;
	}
	return -1;
}

static const char *
limit_name(int resource)
{
	return resource >= 0 && resource < LIMITS ? limit_names[resource] : "?";
}

static int
explain_limit(char *buf, size_t size, const struct ward_step *s)
{
	const uint64_t *v = s->p;
	char part[2][24];

	for (int i = 0; i < 2; i++) {
		if (v[i] == UINT64_MAX)
			(void)snprintf(part[i], sizeof(part[i]), "unlimited");
		else
			(void)snprintf(part[i], sizeof(part[i]), "%llu", (unsigned long long)v[i]);
	}
	return snprintf(buf, size, "%s: soft %s, hard %s", limit_name(s->a), part[0], part[1]);
}

static int
explain_affinity(char *buf, size_t size, const struct ward_step *s)
{
	const unsigned char *mask = s->p;
	int at = snprintf(buf, size, "CPUs");

	for (uint32_t bit = 0; bit < s->n * 8 && (size_t)at < size; bit++) {
		if (mask[bit / 8] >> (bit % 8) & 1)
			at += snprintf(buf + at, size - (size_t)at, " %u", bit);
	}
	return at;
}

static int
explain_capset(char *buf, size_t size, const struct ward_caps *caps, enum ward_capset set)
{
	static const char *const names[] = {
		[WARD_CAP_BOUNDING] = "bounding",	[WARD_CAP_PERMITTED] = "permitted",
		[WARD_CAP_INHERITABLE] = "inheritable", [WARD_CAP_EFFECTIVE] = "effective",
		[WARD_CAP_AMBIENT] = "ambient",
	};

	int at;

	if (size == 0 || !(caps->given >> set & 1))
		return 0;
	at = snprintf(buf, size, "%s", names[set]);
	if (caps->set[set] == 0)
		at += snprintf(buf + at, size - (size_t)at, " none");
	for (int cap = 0; cap < 64 && (size_t)at < size; cap++) {
		const char *name = ward_cap_name(cap);

		if (caps->set[set] >> cap & 1)
			at += snprintf(buf + at, size - (size_t)at, " %s", name ? name : "?");
	}
	if ((size_t)at < size)
		at += snprintf(buf + at, size - (size_t)at, "; ");
	return at;
}

static int
explain_caps(char *buf, size_t size, const struct ward_step *s)
{
	const struct ward_caps *caps = s->p;
	int at = 0;

	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_BOUNDING:
		at = explain_capset(buf, size, caps, WARD_CAP_BOUNDING);
		if (at == 0) /* ward_build_identity() */
			at = snprintf(
				buf, size,
				"bounding as ward has it, who lacks CAP_SETPCAP: with no_new_privs "
				"the program gains nothing by it");
		break;
	case WARD_STAGE_AMBIENT:
		at = explain_capset(buf, size, caps, WARD_CAP_AMBIENT);
		break;
	default:
		for (int set = WARD_CAP_PERMITTED; set <= WARD_CAP_EFFECTIVE; set++)
			at += explain_capset(buf + at, (size_t)at < size ? size - (size_t)at : 0,
					     caps, (enum ward_capset)set);
	}
	if (at >= 2 && (size_t)at < size && buf[at - 1] == ' ')
		buf[at -= 2] = '\0'; /* the last separator */
	return at;
}

/* The steps that descriptors take. */
static int
explain_fd(const struct ward_plan *plan, const struct ward_step *s, char *buf, size_t size)
{
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_FD_OPEN:
		return snprintf(buf, size, "open %s %s", (const char *)s->p, access_word(s->b));
	case WARD_STAGE_FD_LIFT:
		return snprintf(buf, size, "move what is in the way above descriptor %d",
				plan->highest);
	case WARD_STAGE_FD_MOVE:
		/* The target names the rule: several may share a source. */
		for (uint32_t k = 0; k < plan->nfds; k++) {
			if (plan->fds[k].target == s->b)
				return explain_source(plan, &plan->fds[k], buf, size);
		}
		return 0;
	case WARD_STAGE_FD_BLOCK:
		return snprintf(buf, size, "clear O_NONBLOCK of descriptor %d", s->a);
	default:
		return explain_list(buf, size, "close all but", s->p, s->n);
	}
}

static int
explain_securebits(char *buf, size_t size, int bits)
{
	int n = snprintf(buf, size, bits ? "securebits" : "no securebits");

	for (int bit = 0; bit < 8; bit++) {
		if (bits >> bit & 1 && n >= 0 && (size_t)n < size)
			n += snprintf(buf + n, size - (size_t)n, " %s", ward_securebit_name(bit));
	}
	return n;
}

/* Who the process is and what it may. */
static int
explain_identity(const struct ward_step *s, char *buf, size_t size)
{
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_SECUREBITS:
		return explain_securebits(buf, size, s->a);
	case WARD_STAGE_KEEPCAPS:
		return snprintf(buf, size, "keep capabilities over the uid change");
	case WARD_STAGE_GROUPS:
		return explain_list(buf, size, s->n ? "groups" : "no groups", s->p, s->n);
	case WARD_STAGE_GID:
		return snprintf(buf, size, "gid %u", (uint32_t)s->a);
	case WARD_STAGE_UID:
		return snprintf(buf, size, "uid %u", (uint32_t)s->a);
	case WARD_STAGE_BOUNDING:
	case WARD_STAGE_CAPS:
	case WARD_STAGE_AMBIENT:
		return explain_caps(buf, size, s);
	case WARD_STAGE_IDS_CHECK:
		return snprintf(buf, size, "ask the kernel for the ids and compare");
	default:
		return snprintf(buf, size, "ask the kernel for the capability sets and compare");
	}
}

static int
explain_process(const struct ward_step *s, char *buf, size_t size)
{
	static const char *const policies[] = { "other", "fifo", "rr", "batch", "", "idle" };
	static const char *const classes[] = { "none", "realtime", "best-effort", "idle" };

	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_SIGNALS:
		return snprintf(buf, size, "every signal to its default disposition");
	case WARD_STAGE_LEASH:
		return snprintf(buf, size, "killed if the supervisor dies before exec");
	case WARD_STAGE_SESSION:
		return snprintf(buf, size, "a session and process group of its own");
	case WARD_STAGE_PGROUP:
		return snprintf(buf, size, "a process group of its own");
	case WARD_STAGE_TTY:
		return snprintf(buf, size, "a terminal of its own as the controlling one");
	case WARD_STAGE_IOPRIO:
		return snprintf(buf, size, "%s, level %d", classes[s->a >> 13 & 3], s->a & 7);
	case WARD_STAGE_NICE:
		return snprintf(buf, size, "nice %d", s->a);
	case WARD_STAGE_SCHED:
		return snprintf(buf, size, "%s, priority %d", policies[s->a % 6], s->b);
	case WARD_STAGE_AFFINITY:
		return explain_affinity(buf, size, s);
	case WARD_STAGE_UMASK:
		return snprintf(buf, size, "umask %03o", (unsigned int)s->a);
	default:
		return explain_limit(buf, size, s);
	}
}

/* Appends to what has @at characters already, as far as there is room; counts on as snprintf(3) does. */
static int
append(char *buf, size_t size, int at, const char *before, const char *text, const char *after)
{
	size_t used = (size_t)at < size ? (size_t)at : size;

	return at + snprintf(buf + used, size - used, "%s%s%s", before, text, after);
}

/* Every path that is tried, then what the program is given. */
static int
explain_exec(const struct ward_plan *plan, const struct ward_step *s, char *buf, size_t size)
{
	const char *const *paths = s->p;
	char count[48];
	int at = 0;
	unsigned int variables = 0;

	for (uint32_t i = 0; paths[i]; i++)
		at = append(buf, size, at, i ? ", else " : "", paths[i], "");
	for (uint32_t i = 0; plan->argv[i]; i++)
		at = append(buf, size, at, i ? " \"" : "; arguments \"", plan->argv[i], "\"");
	while (plan->envp[variables])
		variables++;
	(void)snprintf(count, sizeof(count), "%u", variables);
	return append(buf, size, at, "; ", count,
		      variables == 1 ? " environment variable" : " environment variables");
}

static int
explain_confinement(const struct ward_plan *plan, const struct ward_step *s, char *buf, size_t size)
{
	const struct ward_bpf_prog *prog = s->p;
	const char *name;

	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_CWD:
		return snprintf(buf, size, "%s", (const char *)s->p);
	case WARD_STAGE_DEATHSIG:
		if (!s->a)
			return snprintf(buf, size, "it outlives the supervisor");
		name = ward_signal_name(s->a);
		return snprintf(buf, size, "%s when the supervisor dies", name ? name : "a signal");
	case WARD_STAGE_INIT:
		return snprintf(buf, size, "an init as process 1; the program is its child");
	case WARD_STAGE_NNP:
		return snprintf(buf, size, "no_new_privs");
	case WARD_STAGE_LANDLOCK:
		return snprintf(buf, size, "restrict itself by the ruleset");
	case WARD_STAGE_MASK:
		return snprintf(buf, size, "no signal blocked");
	case WARD_STAGE_MARK:
	case WARD_STAGE_GUARD:
		return snprintf(
			buf, size,
			s->a || s->stage == WARD_STAGE_MARK
				? "a filter that allows everything, as the mark of a sandbox"
				: "ward's own filter, of %u instructions",
			prog->len);
	case WARD_STAGE_SECCOMP:
		return snprintf(buf, size, "a filter of %u instructions", prog->len);
	default:
		return explain_exec(plan, s, buf, size);
	}
}

int
ward_plan_explain(const struct ward_plan *plan, uint32_t i, char *buf, size_t size)
{
	const struct ward_step *s = &plan->steps[i];
	enum ward_stage stage = (enum ward_stage)s->stage;

	/* The ranges of stage.h's order. */
	if (stage <= WARD_STAGE_LIMIT)
		return explain_process(s, buf, size);
	if (stage >= WARD_STAGE_USERNS && stage <= WARD_STAGE_USER_ENTER)
		return ward_explain_ns(s, buf, size);
	if (stage <= WARD_STAGE_FD_CLOSE)
		return explain_fd(plan, s, buf, size);
	if (stage == WARD_STAGE_NOFILE)
		return explain_limit(buf, size, s);
	if (stage >= WARD_STAGE_BOUNDING && stage <= WARD_STAGE_CAPS_CHECK)
		return explain_identity(s, buf, size);
	return explain_confinement(plan, s, buf, size);
}

/* What is in a work slot, with a leading space; @slot is negative for the report pipe. */
static void
name_work(const struct ward_plan *plan, int slot, char *buf, size_t size)
{
	const struct ward_fd_rule *f = plan->fds;

	if (slot < 0) {
		(void)snprintf(buf, size, " the report pipe");
		return;
	}
	f += slot;
	if (slot == plan->ruleset)
		(void)snprintf(buf, size, " the Landlock ruleset");
	else if ((uint32_t)slot >= plan->nfds)
		(void)snprintf(buf, size, " what its namespaces need");
	else if (f->source == WARD_SOURCE_PATH)
		(void)snprintf(buf, size, " %s", f->path);
	else if (f->source == WARD_SOURCE_SLOT)
		(void)snprintf(buf, size, " %s", slots[f->number]);
	else
		(void)snprintf(buf, size, " descriptor %d", f->number);
}

void
ward_plan_operand(const struct ward_plan *plan, uint32_t i, int err, int operand, char *buf,
		  size_t size)
{
	const struct ward_step *s = &plan->steps[i];

	static const char *const user_files[] = { "", ": uid_map", ": gid_map", ": its limit" };
	const struct ward_mount *m = s->p;

	buf[0] = '\0';
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_FD_OPEN:
	case WARD_STAGE_CWD:
	case WARD_STAGE_ID_MAP:
	case WARD_STAGE_MOUNT_ATTR:
	case WARD_STAGE_PIVOT:
	case WARD_STAGE_MOUNT:
		(void)snprintf(buf, size, " %s", (const char *)s->p);
		break;
	case WARD_STAGE_USERNS:
		(void)snprintf(buf, size, "%s", user_files[operand & 3]);
		break;
	case WARD_STAGE_NAMESPACES:
		(void)snprintf(buf, size, ":");
		(void)ward_explain_names((uint32_t)s->a, buf + 1, size - 1);
		break;
	case WARD_STAGE_MOUNT_MAKE:
		(void)snprintf(buf, size, " %s of %s", m->target, m->type ? m->type : m->source);
		break;
	case WARD_STAGE_MOUNT_FILL:
		(void)snprintf(buf, size, " %s in %s", ((const struct ward_fill *)s->p)->path,
			       (const char *)s->q);
		break;
	case WARD_STAGE_LIMIT:
	case WARD_STAGE_NOFILE:
		(void)snprintf(buf, size, " %s", limit_name(s->a));
		break;
	case WARD_STAGE_FD_LIFT:
		name_work(plan, operand, buf, size);
		break;
	case WARD_STAGE_FD_MOVE:
	case WARD_STAGE_FD_BLOCK:
		(void)snprintf(buf, size, " %d", operand);
		break;
	case WARD_STAGE_BOUNDING:
	case WARD_STAGE_AMBIENT:
		if (operand >= 0)
			(void)snprintf(buf, size, " %s", ward_cap_name(operand));
		break;
	case WARD_STAGE_GID:
	case WARD_STAGE_UID:
		(void)snprintf(buf, size, " to %u", (uint32_t)s->a);
		break;
	case WARD_STAGE_EXEC:
		/* When nothing was found, the name says more than the last directory tried. */
		(void)snprintf(buf, size, " %s",
			       err == ENOENT ? plan->file : ((const char *const *)s->p)[operand]);
		break;
	default:
		break;
	}
}
