/* The steps that make the child the one it is to be: ids, capability sets and securebits. */
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

/* What is in the bounding set when the child comes to drop from it: at most what is in ours, which never grows,
 * unless a user namespace of its own has filled it again. */
static const uint64_t *
pack_bounding(struct ward_build *b, const struct ward_draft *d)
{
	uint64_t most = d->sandbox.namespaces & WARD_CLONE_NEWUSER
				? ~UINT64_C(0)
				: ward_cap_bounding(d->sandbox.last_cap);

	return ward_pack_copy(&b->pack, &most, sizeof(most), _Alignof(uint64_t));
}

/* Would exec give the program more than it is to have? It gives uid 0 what is in the bounding or the inheritable set
 * (capabilities(7)), with no_new_privs only what was permitted before. A set that was not asked for may hold anything. */
static bool
regains(const struct ward_draft *d, const struct ward_caps *caps, const struct ward_ids *ids)
{
	uint64_t set[WARD_CAP_SETS], by_exec;
	bool root = ids->set_uid ? ids->uid == 0
				 : geteuid() == 0 || d->sandbox.namespaces & WARD_CLONE_NEWUSER;

	for (int i = 0; i < WARD_CAP_SETS; i++)
		set[i] = given(caps, (enum ward_capset)i) ? caps->set[i] : ~UINT64_C(0);
	by_exec = set[WARD_CAP_BOUNDING] | set[WARD_CAP_INHERITABLE];
	if (d->sandbox.no_new_privs)
		by_exec &= set[WARD_CAP_PERMITTED];
	by_exec &= (UINT64_C(2) << d->sandbox.last_cap) - 1;
	return root && by_exec & ~(set[WARD_CAP_PERMITTED] & set[WARD_CAP_EFFECTIVE]);
}

/* The securebits of the child: those that were asked for, or those that keep uid 0 from regaining what it is not to
 * have. Returns -1 when ours stay. */
static int
securebits(const struct ward_draft *d, const struct ward_caps *caps, const struct ward_ids *ids)
{
	int own;

	if (d->sandbox.set_securebits)
		return d->sandbox.securebits;
	if (!regains(d, caps, ids))
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
	const struct ward_caps own = ward_build_caps(&d->sandbox), *caps = &own;
	const void *c = ward_pack_copy(&b->pack, caps, sizeof(*caps), _Alignof(struct ward_caps));
	uint64_t kept = caps->set[WARD_CAP_PERMITTED] | caps->set[WARD_CAP_EFFECTIVE] |
			caps->set[WARD_CAP_AMBIENT];
	struct ward_ids ids = ward_build_ids(d), *packed;
	uint32_t *groups = ward_pack_copy(&b->pack, ids.groups, ids.ngroups * sizeof(uint32_t),
					  _Alignof(uint32_t));
	int last = d->sandbox.last_cap, bits = securebits(d, caps, &ids);

	ids.groups = groups;
	if (groups && ids.ngroups)
		ward_build_sort_groups(&d->sandbox, groups, ids.ngroups);
	packed = ward_pack_copy(&b->pack, &ids, sizeof(ids), _Alignof(struct ward_ids));

	b->soft = soft;
	if (given(caps, WARD_CAP_BOUNDING))
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_BOUNDING,
						      .a = last,
						      .p = c,
						      .q = pack_bounding(b, d) });
	if (bits >= 0)
		ward_build_number(b, WARD_STAGE_SECUREBITS, bits);
	if (ids.set_uid && kept && !keeps_already(bits))
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_KEEPCAPS });
	b->soft = false;
	if (ids.set_groups)
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
