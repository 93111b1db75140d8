/* The steps that namespaces and mounts take. Where the user namespace stands among them decides who owns the
 * rest: a privileged supervisor's comes last, so that it owns no mount that its program could undo; without
 * privilege it comes first, because it gives the rights that the rest needs (user_namespaces(7)). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "linux/caps.h"
#include "linux/uapi.h"
#include "spawn/plan_build.h"
#include "spawn/stage.h"

/* Lines that the kernel takes in one map. */
#define MAP_LINES_MAX 340

/* Whom a user namespace does not know (/proc/sys/kernel/overflowuid). */
#define OVERFLOW_UID 65534

static bool
has_user(const struct ward_draft_sandbox *s)
{
	return s->namespaces & WARD_CLONE_NEWUSER;
}

bool
ward_build_enters_late(const struct ward_draft_sandbox *s)
{
	return has_user(s) && s->privileged;
}

uint32_t
ward_build_root(const struct ward_draft_sandbox *s, bool entered)
{
	/* With a pid namespace it is born there. */
	entered |= s->namespaces & WARD_CLONE_NEWPID;
	return entered && has_user(s) && !s->privileged ? OVERFLOW_UID : 0;
}

struct ward_ids
ward_build_ids(const struct ward_draft *d)
{
	struct ward_ids ids = d->ids;

	if (!ward_build_enters_late(&d->sandbox))
		return ids;
	/* Whoever enters stays who he was outside, which the map may not know: root would remain root. */
	if (!ids.set_uid)
		ids.uid = d->sandbox.nuid_map ? 0 : geteuid();
	if (!ids.set_gid)
		ids.gid = d->sandbox.ngid_map ? 0 : getegid();
	ids.set_uid = ids.set_gid = ids.set_groups = 1;
	return ids;
}

/* What root could undo the sandbox with, unless it is asked for by name. */
static uint64_t
undoing(const struct ward_draft_sandbox *s)
{
	uint64_t set = 0;

	/* Capabilities that it gives a file as the host's root count outside of its namespace, too. */
	if (s->no_setuid_files && (has_user(s) || s->privileged))
		set |= UINT64_C(1) << WARD_CAP_SETFCAP;
	if (has_user(s) && !s->privileged) /* it would own its mounts */
		set |= UINT64_C(1) << WARD_CAP_SYS_ADMIN;
	if (has_user(s) &&
	    !s->nested) /* it could raise the limit: /proc/sys may be the host's, and writable */
		set |= UINT64_C(1) << WARD_CAP_SYS_RESOURCE;
	for (int i = 0; i < WARD_CAP_SETS; i++)
		set &= ~s->caps.set[i];
	return set;
}

struct ward_caps
ward_build_caps(const struct ward_draft_sandbox *s)
{
	struct ward_caps caps = s->caps;

	if (undoing(s) && !(caps.given >> WARD_CAP_BOUNDING & 1)) {
		/* In a user namespace it begins with all of them. */
		caps.set[WARD_CAP_BOUNDING] =
			(has_user(s) ? ~UINT64_C(0) : ward_cap_bounding(s->last_cap)) & ~undoing(s);
		caps.given |= 1u << WARD_CAP_BOUNDING;
	}
	return caps;
}

/* ---- maps of ids ---- */

/* Line @i of the map of users or of groups; false behind the last. Without a map, exactly the ids that the
 * program has are known, each as itself. */
static bool
range_at(const struct ward_draft *d, bool groups, size_t i, struct ward_id_range *out)
{
	const struct ward_draft_sandbox *s = &d->sandbox;
	const struct ward_id_range *map = groups ? s->gid_map : s->uid_map;
	size_t n = groups ? s->ngid_map : s->nuid_map;
	const struct ward_ids ids = ward_build_ids(d);
	uint32_t id;

	if (n > 0) {
		if (i < n)
			*out = map[i];
		return i < n;
	}
	if (!s->privileged)
		id = groups ? getegid() : geteuid();
	else
		id = groups ? ids.gid : ids.uid;
	if (i > 0) {
		size_t k = 0;

		for (; s->privileged && groups && k < ids.ngroups; k++) {
			if (ids.groups[k] != id && --i == 0)
				break;
		}
		if (i > 0)
			return false;
		id = ids.groups[k];
	}
	*out = (struct ward_id_range){ id, id, 1 };
	return true;
}

bool
ward_build_is_root(const struct ward_draft *d)
{
	const struct ward_ids ids = ward_build_ids(d);
	struct ward_id_range own;

	if (ids.set_uid)
		return ids.uid == 0;
	return has_user(&d->sandbox) && range_at(d, false, 0, &own) ? own.inside == 0
								    : geteuid() == 0;
}

static const char *
pack_map(struct ward_build *b, const struct ward_draft *d, bool groups, uint32_t *n)
{
	struct ward_id_range r;
	size_t size = 0, at = 0;
	char *to;

	for (size_t i = 0; range_at(d, groups, i, &r); i++)
		size += (size_t)snprintf(NULL, 0, "%u %u %u\n", r.inside, r.outside, r.count);
	to = ward_pack_take(&b->pack, size + 1, 1);
	for (size_t i = 0; to && range_at(d, groups, i, &r); i++)
		at += (size_t)snprintf(to + at, size + 1 - at, "%u %u %u\n", r.inside, r.outside,
				       r.count);
	*n = (uint32_t)size;
	return to;
}

static bool
is_mapped(const struct ward_draft *d, bool groups, uint32_t id)
{
	struct ward_id_range r;

	for (size_t i = 0; range_at(d, groups, i, &r); i++) {
		if (id >= r.inside && id - r.inside < r.count)
			return true;
	}
	return false;
}

struct map {
	const struct ward_id_range *ranges;
	size_t n;
};

static uint32_t
outside(const struct map *map, uint32_t id)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct ward_id_range *r = &map->ranges[i];

		if (id >= r->inside && id - r->inside < r->count)
			return r->outside + (id - r->inside);
	}
	return id;
}

static int
compare_groups(const void *a, const void *b, void *order)
{
	uint32_t x = outside(order, *(const uint32_t *)a);
	uint32_t y = outside(order, *(const uint32_t *)b);

	return (x > y) - (x < y);
}

void
ward_build_sort_groups(const struct ward_draft_sandbox *s, uint32_t *groups, uint32_t n)
{
	struct map order = { s->gid_map, has_user(s) ? s->ngid_map : 0 };

	qsort_r(groups, n, sizeof(*groups), compare_groups, &order);
}

uint32_t
ward_build_owner(const struct ward_draft_sandbox *s, uint32_t uid)
{
	struct map map = { s->uid_map, has_user(s) ? s->nuid_map : 0 };

	return outside(&map, uid);
}

/* ---- steps ---- */

static void
add_bytes(struct ward_build *b, enum ward_stage stage, const char *path, const char *text, size_t n)
{
	ward_build_add(b, (struct ward_step){ .stage = (uint16_t)stage,
					      .a = b->mapper,
					      .n = (uint32_t)n,
					      .p = path ? ward_pack_str(&b->pack, path) : text,
					      .q = path ? text : NULL });
	b->mapper = -1;
}

static void
add_text(struct ward_build *b, enum ward_stage stage, const char *path, const char *text)
{
	add_bytes(b, stage, path, ward_pack_str(&b->pack, text), strlen(text));
}

/* In front: without privilege, by the child itself. The first of the maps brings all three. */
static void
add_user_first(struct ward_build *b, const struct ward_draft *d)
{
	const char *map;
	uint32_t n;

	/* With a pid namespace it is born in both: the one gives the right to the other. */
	if (!(d->sandbox.namespaces & WARD_CLONE_NEWPID))
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_USERNS, .a = -1 });
	add_text(b, WARD_STAGE_ID_MAP, "/proc/self/setgroups", "deny");
	map = pack_map(b, d, false, &n);
	add_bytes(b, WARD_STAGE_ID_MAP, "/proc/self/uid_map", map, n);
	map = pack_map(b, d, true, &n);
	add_bytes(b, WARD_STAGE_ID_MAP, "/proc/self/gid_map", map, n);
	if (!d->sandbox.nested)
		add_text(b, WARD_STAGE_NESTED, "/proc/sys/user/max_user_namespaces", "0");
}

/* Returns the work slot from which it is entered. */
static int32_t
add_user_late(struct ward_build *b, const struct ward_draft *d)
{
	struct ward_maps maps = { .nested = d->sandbox.nested };

	maps.uid = pack_map(b, d, false, &maps.nuid);
	maps.gid = pack_map(b, d, true, &maps.ngid);
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_USERNS,
					      .a = (int32_t)b->nwork,
					      .p = ward_pack_copy(&b->pack, &maps, sizeof(maps),
								  _Alignof(struct ward_maps)) });
	return (int32_t)b->nwork++;
}

static bool
is_root(const struct ward_mount *m)
{
	return strcmp(m->target, "/") == 0;
}

static const struct ward_mount *
pack_mount(struct ward_pack *p, const struct ward_mount *m)
{
	struct ward_mount v = *m;

	v.type = m->type ? ward_pack_str(p, m->type) : NULL;
	v.source = m->source ? ward_pack_str(p, m->source) : NULL;
	v.target = ward_pack_str(p, m->target);
	v.options = m->options ? ward_pack_strv(p, m->options) : NULL;
	v.fills = NULL; /* each is a step of its own */
	return ward_pack_copy(p, &v, sizeof(v), _Alignof(struct ward_mount));
}

static void
add_fills(struct ward_build *b, const struct ward_mount *m, int32_t slot, int32_t first)
{
	for (uint32_t i = 0; i < m->nfills; i++) {
		struct ward_fill v = m->fills[i];

		v.path = ward_pack_str(&b->pack, v.path);
		v.to = v.to ? ward_pack_str(&b->pack, v.to) : NULL;
		ward_build_add(b,
			       (struct ward_step){
				       .stage = WARD_STAGE_MOUNT_FILL,
				       .a = slot,
				       .b = v.kind == WARD_FILL_LIKE ? first + (int32_t)v.like : -1,
				       .p = ward_pack_copy(&b->pack, &v, sizeof(v),
							   _Alignof(struct ward_fill)),
				       .q = ward_pack_str(&b->pack, m->target) });
	}
}

static void
add_attr(struct ward_build *b, int32_t slot, uint32_t attr, const char *path, bool below)
{
	if (attr)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_MOUNT_ATTR,
						      .a = slot,
						      .b = (int32_t)attr,
						      .n = below,
						      .p = ward_pack_str(&b->pack, path) });
}

static void
add_mounts(struct ward_build *b, const struct ward_draft_sandbox *s)
{
	int32_t first = (int32_t)b->nwork;
	uint32_t owner;
	bool root = false;

	b->nwork += (uint32_t)s->nmounts;
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_PRIVATE });
	for (size_t i = 0; i < s->nmounts; i++)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_MOUNT_MAKE,
						      .a = first + (int32_t)i,
						      .n = ward_build_root(s, true),
						      .p = pack_mount(&b->pack, &s->mounts[i]) });
	for (size_t i = 0; i < s->nmounts; i++)
		add_fills(b, &s->mounts[i], first + (int32_t)i, first);
	for (size_t i = 0; i < s->nmounts; i++) {
		const struct ward_mount *m = &s->mounts[i];

		root |= is_root(m);
		add_attr(b, first + (int32_t)i, m->type ? m->attr & MOUNT_ATTR_RDONLY : m->attr,
			 m->target, !m->type);
	}
	if (!root)
		add_attr(b, -1, s->host_attr, "/", true);
	/* In a root of its own its own root may lay links, too: they lead nowhere outside. */
	owner = root && ward_build_enters_late(s) ? ward_build_owner(s, 0)
						  : ward_build_root(s, true);
	for (int pivot = 1; pivot >= 0; pivot--) {
		for (size_t i = 0; i < s->nmounts; i++) {
			const struct ward_mount *m = &s->mounts[i];
			const char *what = !pivot ? m->target : m->type ? m->type : m->source;

			if (is_root(m) == (pivot == 1))
				ward_build_add(b, (struct ward_step){
							  .stage = pivot ? WARD_STAGE_PIVOT
									 : WARD_STAGE_MOUNT,
							  .a = first + (int32_t)i,
							  .n = owner,
							  .p = ward_pack_str(&b->pack, what) });
		}
	}
}

/* Those that a program may do without: the rest is what it sees as it is with them. A half-built root would be
 * the host's, and so would its own user. */
#define SOFT_NAMESPACES                                                                      \
	(WARD_CLONE_NEWCGROUP | WARD_CLONE_NEWIPC | WARD_CLONE_NEWNET | WARD_CLONE_NEWTIME | \
	 WARD_CLONE_NEWUTS)

static void
add_unshare(struct ward_build *b, uint64_t flags)
{
	if (flags)
		ward_build_number(b, WARD_STAGE_NAMESPACES, (int)flags);
}

/* All at once; or, where some may be missing, each of these by itself. */
static void
add_namespaces(struct ward_build *b, const struct ward_draft_sandbox *s, uint64_t flags)
{
	b->soft = s->on_failure != WARD_FAIL_ERROR;
	for (uint64_t rest = b->soft ? flags & SOFT_NAMESPACES : 0; rest; rest &= rest - 1) {
		add_unshare(b, rest & -rest);
		flags &= ~(rest & -rest);
	}
	b->soft = false;
	add_unshare(b, flags);
}

void
ward_build_sandbox(struct ward_build *b, const struct ward_draft *d)
{
	const struct ward_draft_sandbox *s = &d->sandbox;
	uint64_t flags = s->namespaces & ~(WARD_CLONE_NEWUSER | WARD_CLONE_NEWPID);
	bool late = ward_build_enters_late(s);
	int32_t slot = -1;

	if (late)
		slot = add_user_late(b, d);
	else if (has_user(s))
		add_user_first(b, d);
	add_namespaces(b, s, flags);
	b->soft = s->on_failure != WARD_FAIL_ERROR;
	if (s->hostname)
		add_text(b, WARD_STAGE_HOSTNAME, NULL, s->hostname);
	if (flags & WARD_CLONE_NEWNET)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_LOOPBACK });
	b->soft = false;
	if (flags & WARD_CLONE_NEWNS)
		add_mounts(b, s);
	if (late)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_USER_ENTER, .a = slot });
}

size_t
ward_build_sandbox_max(const struct ward_draft_sandbox *s)
{
	size_t n = 3 + 5; /* three files of the user namespace, and soft namespaces */

	/* Each mount is made, gets attributes and is placed; and the host's tree gets attributes. */
	for (size_t i = 0; i < s->nmounts; i++)
		n += 3 + s->mounts[i].nfills;
	return n + 1;
}

bool
ward_build_has_root(const struct ward_draft_sandbox *s)
{
	for (size_t i = 0; i < s->nmounts; i++) {
		if (is_root(&s->mounts[i]))
			return true;
	}
	return false;
}

/* ---- contradictions ---- */

static int
check_alone(const struct ward_draft *d, struct ward_err *err)
{
	const struct ward_draft_sandbox *s = &d->sandbox;
	struct ward_id_range u, g;

	if (d->ids.set_uid || d->ids.set_gid || d->ids.set_groups)
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "%s: without CAP_SYS_ADMIN a user namespace knows one user, so "
				    "user, group and groups cannot be given",
				    d->ids.set_uid   ? "user"
				    : d->ids.set_gid ? "group"
						     : "groups");
	if (s->nuid_map > 1 || s->ngid_map > 1 || !range_at(d, false, 0, &u) ||
	    !range_at(d, true, 0, &g) || u.count != 1 || g.count != 1 || u.outside != geteuid() ||
	    g.outside != getegid())
		return ward_err_set(err, WARD_STAGE_PREPARE, EPERM,
				    "sandbox.uid_map: without CAP_SYS_ADMIN a user namespace can "
				    "only map user %u "
				    "and group %u, each in one line with count = 1",
				    geteuid(), getegid());
	return 0;
}

static int
check_maps(const struct ward_draft *d, struct ward_err *err)
{
	const struct ward_ids ids = ward_build_ids(d);
	struct ward_id_range unused;

	if (range_at(d, false, MAP_LINES_MAX, &unused) || range_at(d, true, MAP_LINES_MAX, &unused))
		return ward_err_set(err, WARD_STAGE_PREPARE, E2BIG,
				    "sandbox.uid_map: a map of ids can have at most %d lines",
				    MAP_LINES_MAX);
	if (!is_mapped(d, false, ids.uid))
		return ward_err_set(
			err, WARD_STAGE_PREPARE, EINVAL,
			"sandbox.uid_map: no user is %u inside, which the program is to be",
			ids.uid);
	if (!is_mapped(d, true, ids.gid))
		return ward_err_set(
			err, WARD_STAGE_PREPARE, EINVAL,
			"sandbox.gid_map: no group is %u inside, which the program is to have",
			ids.gid);
	for (uint32_t i = 0; i < ids.ngroups; i++) {
		if (!is_mapped(d, true, ids.groups[i]))
			return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
					    "sandbox.gid_map: no group is %u inside, which the "
					    "program is to have",
					    ids.groups[i]);
	}
	return 0;
}

int
ward_build_check(const struct ward_draft *d, struct ward_err *err)
{
	const struct ward_draft_sandbox *s = &d->sandbox;

	if ((s->nmounts > 0 || s->host_attr) && !(s->namespaces & WARD_CLONE_NEWNS))
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "sandbox.mounts: mounts need a mount namespace");
	if (s->hostname && !(s->namespaces & WARD_CLONE_NEWUTS))
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "sandbox.hostname: a host name needs a uts namespace");
	if (!has_user(s))
		return 0;
	return ward_build_enters_late(s) ? check_maps(d, err) : check_alone(d, err);
}
