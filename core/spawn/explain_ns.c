/* Words for namespaces and mounts. */
#include "spawn/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>

#include "linux/uapi.h"
#include "spawn/plan.h"

/* Appends at *at, as far as there is room. */
__attribute__((format(printf, 4, 5))) static void
say(char *buf, size_t size, size_t *at, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (*at >= size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(buf + *at, size - *at, fmt, ap);
	va_end(ap);
	if (n > 0)
		*at += (size_t)n;
}

static const struct {
	uint64_t flag;
	const char *name;
} names[] = {
	{ WARD_CLONE_NEWCGROUP, "cgroup" }, { WARD_CLONE_NEWIPC, "ipc" },
	{ WARD_CLONE_NEWNS, "mount" },	    { WARD_CLONE_NEWNET, "net" },
	{ WARD_CLONE_NEWPID, "pid" },	    { WARD_CLONE_NEWTIME, "time" },
	{ WARD_CLONE_NEWUSER, "user" },	    { WARD_CLONE_NEWUTS, "uts" },
};

int
ward_explain_names(uint64_t flags, char *buf, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & names[i].flag)
			say(buf, size, &at, " %s", names[i].name);
	}
	return (int)at;
}

static int
explain_namespaces(uint64_t flags, char *buf, size_t size)
{
	char list[80] = "";

	(void)ward_explain_names(flags, list, sizeof(list));
	return snprintf(buf, size, "own%s", list);
}

/* The lines of a map, separated by commas. */
static void
say_map(char *buf, size_t size, size_t *at, const char *map, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (map[i] != '\n')
			say(buf, size, at, "%c", map[i]);
		else if (i + 1 < n)
			say(buf, size, at, ", ");
	}
}

static int
explain_user(const struct ward_step *s, char *buf, size_t size)
{
	const struct ward_maps *maps = s->p;
	size_t at = 0;

	say(buf, size, &at, "own user namespace");
	if (s->a < 0)
		return (int)at;
	say(buf, size, &at, ", entered after the mounts: users ");
	say_map(buf, size, &at, maps->uid, maps->nuid);
	say(buf, size, &at, "; groups ");
	say_map(buf, size, &at, maps->gid, maps->ngid);
	if (!maps->nested)
		say(buf, size, &at, "; none below it");
	return (int)at;
}

static void
say_attr(char *buf, size_t size, size_t *at, uint32_t attr)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {
		{ MOUNT_ATTR_RDONLY, "read-only" },
		{ MOUNT_ATTR_NOSUID, "nosuid" },
		{ MOUNT_ATTR_NODEV, "nodev" },
		{ MOUNT_ATTR_NOEXEC, "noexec" },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (attr & flags[i].flag)
			say(buf, size, at, " %s", flags[i].name);
	}
}

static int
explain_make(const struct ward_mount *m, char *buf, size_t size)
{
	size_t at = 0;

	if (!m->type) {
		say(buf, size, &at, "%s for %s%s", m->source, m->target,
		    m->optional ? ", if it is there" : "");
		return (int)at;
	}
	say(buf, size, &at, "a new %s for %s", m->type, m->target);
	for (const char *const *o = m->options; *o; o += 2)
		say(buf, size, &at, "%s%s=%s", o == m->options ? ": " : ", ", o[0], o[1]);
	say_attr(buf, size, &at, m->attr & ~(uint32_t)MOUNT_ATTR_RDONLY);
	return (int)at;
}

/* @target: of the mount that gets it, q of the step */
static int
explain_fill(const struct ward_fill *f, const char *target, char *buf, size_t size)
{
	const char *slash = target[1] ? "/" : "";

	if (f->kind == WARD_FILL_LINK)
		return snprintf(buf, size, "%s%s%s, a link to %s", target, slash, f->path, f->to);
	if (f->kind == WARD_FILL_DIR)
		return snprintf(buf, size, "%s%s%s, mode %04o", target, slash, f->path, f->mode);
	return snprintf(buf, size, "%s%s%s", target, slash, f->path);
}

static int
explain_attr(const struct ward_step *s, char *buf, size_t size)
{
	size_t at = 0;

	say(buf, size, &at, "%s%s:", (const char *)s->p, s->n ? " and below" : "");
	say_attr(buf, size, &at, (uint32_t)s->b);
	return (int)at;
}

int
ward_explain_ns(const struct ward_step *s, char *buf, size_t size)
{
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_USERNS:
		return explain_user(s, buf, size);
	case WARD_STAGE_ID_MAP:
		return snprintf(buf, size, "\"%.*s\" to %s",
				(int)s->n - (((const char *)s->q)[s->n - 1] == '\n'),
				(const char *)s->q, (const char *)s->p);
	case WARD_STAGE_NESTED:
		return snprintf(buf, size, "no user namespaces of its own");
	case WARD_STAGE_NAMESPACES:
		return explain_namespaces((uint32_t)s->a, buf, size);
	case WARD_STAGE_HOSTNAME:
		return snprintf(buf, size, "%s", (const char *)s->p);
	case WARD_STAGE_LOOPBACK:
		return snprintf(buf, size, "lo up");
	case WARD_STAGE_PRIVATE:
		return snprintf(buf, size, "mounts do not pass between it and the host");
	case WARD_STAGE_MOUNT_MAKE:
		return explain_make(s->p, buf, size);
	case WARD_STAGE_MOUNT_FILL:
		return explain_fill(s->p, s->q, buf, size);
	case WARD_STAGE_MOUNT_ATTR:
		return explain_attr(s, buf, size);
	case WARD_STAGE_PIVOT:
		return snprintf(buf, size, "%s is the root; the host's is gone",
				(const char *)s->p);
	case WARD_STAGE_MOUNT:
		return snprintf(buf, size, "%s", (const char *)s->p);
	default:
		return snprintf(buf, size, "enter the user namespace");
	}
}

int
ward_plan_explain_birth(const struct ward_plan *plan, char *buf, size_t size)
{
	static const char *const modes[] = {
		[WARD_CLONE_SHARED] = "shared: in the supervisor's memory, which goes on",
		[WARD_CLONE_VFORKED] = "vfork: in the supervisor's memory, which waits until exec",
		[WARD_CLONE_COPY] = "copy: in a copy of the supervisor's memory",
	};
	size_t at = 0;

	say(buf, size, &at, "%s", modes[plan->clone]);
	if (plan->clone_flags && at < size) {
		say(buf, size, &at, "; ");
		at += (size_t)explain_namespaces(plan->clone_flags, buf + (at < size ? at : size),
						 at < size ? size - at : 0);
	}
	return (int)at;
}
