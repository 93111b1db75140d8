/* The steps that make the child the one it is to be: ids, capability sets and securebits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "linux/caps.h"
#include "linux/uapi.h"
#include "spawn/plan_build.h"
#include "spawn/stage.h"

static bool
given(const struct ward_caps *caps, enum ward_capset set)
{
	return caps->given >> set & 1;
}

static bool
has_user(const struct ward_draft *d)
{
	return d->sandbox.namespaces & WARD_CLONE_NEWUSER;
}

/* What is in the bounding set when the child comes to drop from it: at most what is in ours, which never grows,
 * unless a user namespace of its own has filled it again. Nothing is dropped where it @stays. */
static const uint64_t *
pack_bounding(struct ward_build *b, const struct ward_draft *d, bool stays)
{
	uint64_t most = stays	      ? 0
			: has_user(d) ? ~UINT64_C(0)
				      : ward_cap_bounding(d->sandbox.last_cap);

	return ward_pack_copy(&b->pack, &most, sizeof(most), _Alignof(uint64_t));
}

/* Is more in our bounding set than the child is to have, and not ours to drop? */
static bool
cannot_drop(const struct ward_draft *d, const struct ward_caps *caps)
{
	struct ward_capsets own;

	if (!given(caps, WARD_CAP_BOUNDING) || has_user(d))
		return false;
	ward_caps_own(&own);
	return !(own.effective >> WARD_CAP_SETPCAP & 1) &&
	       ward_cap_bounding(d->sandbox.last_cap) & ~caps->set[WARD_CAP_BOUNDING];
}

/* Does exec give the program nothing of the bounding set that it is not to have? With no_new_privs it gives what was
 * permitted before, at most. */
static bool
may_stay(const struct ward_draft *d, const struct ward_caps *caps)
{
	struct ward_capsets own;
	uint64_t permitted = caps->set[WARD_CAP_PERMITTED];

	if (!given(caps, WARD_CAP_PERMITTED)) {
		ward_caps_own(&own);
		permitted = own.permitted;
	}
	return d->sandbox.no_new_privs && !(permitted & ~caps->set[WARD_CAP_BOUNDING]);
}

/* Would exec give the program more than it is to have? It gives uid 0 what is in the bounding or the inheritable set
 * (capabilities(7)), with no_new_privs only what was permitted before. A set that was not asked for may hold anything. */
static bool
regains(const struct ward_draft *d, const struct ward_caps *caps)
{
	uint64_t set[WARD_CAP_SETS], by_exec;

	for (int i = 0; i < WARD_CAP_SETS; i++)
		set[i] = given(caps, (enum ward_capset)i) ? caps->set[i] : ~UINT64_C(0);
	by_exec = set[WARD_CAP_BOUNDING] | set[WARD_CAP_INHERITABLE];
	if (d->sandbox.no_new_privs)
		by_exec &= set[WARD_CAP_PERMITTED];
	by_exec &= (UINT64_C(2) << d->sandbox.last_cap) - 1;
	return ward_build_is_root(d) &&
	       by_exec & ~(set[WARD_CAP_PERMITTED] & set[WARD_CAP_EFFECTIVE]);
}

/* The securebits of the child: those that were asked for, or those that keep uid 0 from regaining what it is not to
 * have. Returns -1 when ours stay. */
static int
securebits(const struct ward_draft *d, const struct ward_caps *caps)
{
	int own;

	if (d->sandbox.set_securebits)
		return d->sandbox.securebits;
	if (!regains(d, caps))
		return -1;
	own = prctl(PR_GET_SECUREBITS);
	if (own < 0)
		own = 0;
	return own & WARD_SECBIT_NOROOT ? -1 : own | WARD_SECBIT_NOROOT | WARD_SECBIT_NOROOT_LOCKED;
}

/* With the bit locked, asking for it again is an error, though it is there. */
static bool
keeps_already(int bits)
{
	if (bits < 0)
		bits = prctl(PR_GET_SECUREBITS);
	return bits >= 0 && bits & WARD_SECBIT_KEEP_CAPS;
}

/* Who the program is: ids are always fatal, capabilities as the sandbox says. */
struct ward_ids
ward_build_identity(struct ward_build *b, const struct ward_draft *d, bool soft)
{
	struct ward_caps own = ward_build_caps(&d->sandbox), *caps = &own;
	bool bounded = given(caps, WARD_CAP_BOUNDING),
	     stays = cannot_drop(d, caps) && may_stay(d, caps);
	int last = d->sandbox.last_cap, bits = securebits(d, caps);
	const void *c;
	uint64_t kept = caps->set[WARD_CAP_PERMITTED] | caps->set[WARD_CAP_EFFECTIVE] |
			caps->set[WARD_CAP_AMBIENT];
	struct ward_ids ids = ward_build_ids(d), *packed;
	uint32_t *groups = ward_pack_copy(&b->pack, ids.groups, ids.ngroups * sizeof(uint32_t),
					  _Alignof(uint32_t));

	if (stays)
		own.given &= ~(1u << WARD_CAP_BOUNDING);
	c = ward_pack_copy(&b->pack, caps, sizeof(*caps), _Alignof(struct ward_caps));
	ids.groups = groups;
	if (groups && ids.ngroups)
		ward_build_sort_groups(&d->sandbox, groups, ids.ngroups);
	packed = ward_pack_copy(&b->pack, &ids, sizeof(ids), _Alignof(struct ward_ids));

	b->soft = soft;
	if (bounded)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_BOUNDING,
						      .a = last,
						      .p = c,
						      .q = pack_bounding(b, d, stays) });
	if (bits >= 0)
		ward_build_number(b, WARD_STAGE_SECUREBITS, bits);
	if (ids.set_uid && kept && !keeps_already(bits))
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_KEEPCAPS });
	b->soft = false;
	if (ids.set_groups && !b->keeps_groups)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_GROUPS,
						      .n = ids.ngroups,
						      .p = groups });
	if (ids.set_gid)
		ward_build_number(b, WARD_STAGE_GID, (int32_t)ids.gid);
	if (ids.set_uid)
		ward_build_number(b, WARD_STAGE_UID, (int32_t)ids.uid);
	b->soft = soft;
	if (caps->given & ~(1u << WARD_CAP_BOUNDING | 1u << WARD_CAP_AMBIENT))
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_CAPS, .p = c });
	if (given(caps, WARD_CAP_AMBIENT))
		ward_build_add(
			b, (struct ward_step){ .stage = WARD_STAGE_AMBIENT, .a = last, .p = c });
	b->soft = false;
	if (ids.set_groups || ids.set_gid || ids.set_uid)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_IDS_CHECK, .p = packed });
	b->soft = soft;
	if (caps->given)
		ward_build_add(
			b, (struct ward_step){ .stage = WARD_STAGE_CAPS_CHECK, .a = last, .p = c });
	b->soft = false;
	return ids;
}

/* ---- without privilege ---- */

static bool
holds(const uint32_t *groups, size_t n, uint32_t gid)
{
	for (size_t i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* Are all of @a among @b? The group id itself gives what it would give once more among them. */
static bool
within(const uint32_t *a, size_t na, const uint32_t *b, size_t nb, uint32_t gid)
{
	for (size_t i = 0; i < na; i++) {
		if (a[i] != gid && !holds(b, nb, a[i]))
			return false;
	}
	return true;
}

bool
ward_build_keeps_groups(struct ward_draft *d, uint32_t **own)
{
	uint32_t gid = d->ids.set_gid ? d->ids.gid : getegid();
	uint64_t setgid = UINT64_C(1) << WARD_CAP_SETGID;
	struct ward_capsets caps;
	int n;

	ward_caps_own(&caps);
	if (!d->ids.set_groups || has_user(d) || gid != getegid() || caps.effective & setgid)
		return false;
	n = getgroups(0, NULL);
	*own = n < 0 ? NULL : calloc((size_t)n + 1, sizeof(**own));
	if (!*own || getgroups(n, *own) != n)
		return false;
	if (!within(d->ids.groups, d->ids.ngroups, *own, (size_t)n, gid) ||
	    !within(*own, (size_t)n, d->ids.groups, d->ids.ngroups, gid))
		return false;
	d->ids.groups = *own;
	d->ids.ngroups = (uint32_t)n;
	return true;
}

/* A set*id call without privilege may give what one of the caller's three ids is (setresuid(2)). */
static bool
is_own(uint32_t id, uint32_t real, uint32_t effective, uint32_t saved)
{
	return id == real || id == effective || id == saved;
}

static int
lacks(const char *who, const char *cap, const char *what, struct ward_err *err)
{
	return ward_err_set(err, WARD_STAGE_PREPARE, EPERM, "%s %s%s, which ward does not have",
			    who, cap, what);
}

/* The maps of a user namespace that is entered late are written by us: of the users, one line of our own is free. */
static int
check_map_rights(const struct ward_draft *d, bool setuid, bool setgid, struct ward_err *err)
{
	static const char *const who = "sandbox.namespaces: user needs",
				 *const what = " for its maps of users and groups";

	if (!setuid && (d->sandbox.nuid_map || ward_build_ids(d).uid != geteuid()))
		return lacks(who, "CAP_SETUID", what, err);
	return setgid ? 0 : lacks(who, "CAP_SETGID", what, err);
}

int
ward_build_check_rights(const struct ward_draft *d, bool keeps_groups, struct ward_err *err)
{
	const struct ward_ids *ids = &d->ids;
	struct ward_capsets own;
	uid_t ur, ue, us;
	gid_t gr, ge, gs;
	bool setuid, setgid;
	char what[64];

	ward_caps_own(&own);
	setuid = own.effective >> WARD_CAP_SETUID & 1;
	setgid = own.effective >> WARD_CAP_SETGID & 1;
	if (ward_build_enters_late(&d->sandbox))
		return check_map_rights(d, setuid, setgid, err);
	/* One that comes first gives all of this. */
	if (has_user(d) || getresuid(&ur, &ue, &us) < 0 || getresgid(&gr, &ge, &gs) < 0)
		return 0;
	(void)snprintf(what, sizeof(what), " to become user %u", ids->uid);
	if (ids->set_uid && !setuid && !is_own(ids->uid, ur, ue, us))
		return lacks("user: needs", "CAP_SETUID", what, err);
	(void)snprintf(what, sizeof(what), " to have group %u", ids->gid);
	if (ids->set_gid && !setgid && !is_own(ids->gid, gr, ge, gs))
		return lacks("group: needs", "CAP_SETGID", what, err);
	if (ids->set_groups && !setgid && !keeps_groups)
		return lacks("groups: needs", "CAP_SETGID", " to be other than ward's own", err);
	return 0;
}

/* ---- contradictions ---- */

/* Refuses @set if it holds what is not in @outer; @why ends the sentence. */
static int
check_subset(enum ward_capset set, uint64_t inner, uint64_t outer, const char *why,
	     struct ward_err *err)
{
	static const char *const names[] = {
		[WARD_CAP_BOUNDING] = "bounding",	[WARD_CAP_PERMITTED] = "permitted",
		[WARD_CAP_INHERITABLE] = "inheritable", [WARD_CAP_EFFECTIVE] = "effective",
		[WARD_CAP_AMBIENT] = "ambient",
	};

	if (!(inner & ~outer))
		return 0;
	return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL, "sandbox.caps.%s: holds %s, %s",
			    names[set], ward_cap_name(__builtin_ctzll(inner & ~outer)), why);
}

/* Does its uid change empty the effective set? */
static bool
leaves_root(const struct ward_draft *d)
{
	int bits = d->sandbox.set_securebits ? d->sandbox.securebits : prctl(PR_GET_SECUREBITS);

	return d->ids.set_uid && d->ids.uid != 0 && geteuid() == 0 &&
	       !(bits > 0 && bits & WARD_SECBIT_NO_SETUID_FIXUP);
}

/* Both are for those who can gain nothing by exec, and for CAP_SYS_ADMIN (seccomp(2), landlock_restrict_self(2)). */
static int
check_confinement(const struct ward_draft *d, const struct ward_caps *caps, struct ward_err *err)
{
	const struct ward_draft_sandbox *s = &d->sandbox;
	struct ward_capsets own;
	uint64_t effective;

	if (s->no_new_privs || s->on_failure != WARD_FAIL_ERROR ||
	    (!s->filter && !s->guard && !s->has_ruleset))
		return 0;
	ward_caps_own(&own);
	effective = has_user(d) ? ~UINT64_C(0) : leaves_root(d) ? 0 : own.effective;
	if (given(caps, WARD_CAP_EFFECTIVE))
		effective = caps->set[WARD_CAP_EFFECTIVE];
	if (effective >> WARD_CAP_SYS_ADMIN & 1)
		return 0;
	return ward_err_set(err, WARD_STAGE_PREPARE, EPERM,
			    "sandbox.no_new_privs: false needs CAP_SYS_ADMIN for %s, which the "
			    "program is not to have",
			    s->filter	     ? "seccomp"
			    : s->has_ruleset ? "Landlock"
					     : "no_setuid_files");
}

/* What the kernel would refuse whoever has no more than we. */
static int
check_caps_rights(const struct ward_draft *d, const struct ward_caps *caps,
		  const struct ward_capsets *own, struct ward_err *err)
{
	if (cannot_drop(d, caps) && !may_stay(d, caps))
		return ward_err_set(err, WARD_STAGE_PREPARE, EPERM,
				    "sandbox.caps: less in the bounding set than ward has needs "
				    "CAP_SETPCAP, which ward does not have, or no_new_privs and no "
				    "more in the permitted set");
	if (!given(caps, WARD_CAP_PERMITTED) || has_user(d))
		return 0;
	return check_subset(WARD_CAP_PERMITTED, caps->set[WARD_CAP_PERMITTED], own->permitted,
			    "which ward does not have", err);
}

int
ward_build_check_identity(const struct ward_draft *d, struct ward_err *err)
{
	const struct ward_caps caps = ward_build_caps(&d->sandbox);
	struct ward_capsets own;
	int bits = d->sandbox.set_securebits ? d->sandbox.securebits : prctl(PR_GET_SECUREBITS);
	uint64_t known = (UINT64_C(2) << d->sandbox.last_cap) - 1, inherited;
	int r = check_confinement(d, &caps, err);

	if (r < 0 || !caps.given)
		return r;
	ward_caps_own(&own);
	if (d->sandbox.on_failure == WARD_FAIL_ERROR)
		r = check_caps_rights(d, &caps, &own, err);
	if (r < 0)
		return r;
	if (given(&caps, WARD_CAP_AMBIENT) && bits >= 0 && bits & WARD_SECBIT_NO_AMBIENT_RAISE)
		r = check_subset(WARD_CAP_AMBIENT, caps.set[WARD_CAP_AMBIENT], 0,
				 "which the securebit no_cap_ambient_raise forbids", err);
	/* Whoever enters a user namespace inherits nothing. */
	inherited = has_user(d) ? 0 : own.inheritable;
	if (r == 0 && given(&caps, WARD_CAP_AMBIENT) && !given(&caps, WARD_CAP_INHERITABLE))
		r = check_subset(WARD_CAP_AMBIENT, caps.set[WARD_CAP_AMBIENT], inherited,
				 "which inheritable, left as ward has it, does not", err);
	if (r == 0 && given(&caps, WARD_CAP_INHERITABLE) && given(&caps, WARD_CAP_BOUNDING))
		r = check_subset(WARD_CAP_INHERITABLE, caps.set[WARD_CAP_INHERITABLE],
				 caps.set[WARD_CAP_BOUNDING] | inherited, "which bounding does not",
				 err);
	/* A uid change empties it. */
	if (r == 0 && given(&caps, WARD_CAP_PERMITTED) && !given(&caps, WARD_CAP_EFFECTIVE) &&
	    !leaves_root(d))
		r = check_subset(WARD_CAP_EFFECTIVE, has_user(d) ? known : own.effective,
				 caps.set[WARD_CAP_PERMITTED],
				 "as ward has it, which permitted does not: name it, too", err);
	return r;
}
