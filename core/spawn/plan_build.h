/* Between the files that lay a plan out. The same code runs twice: to measure, and to fill. */
#ifndef WARD_SPAWN_PLAN_BUILD_H
#define WARD_SPAWN_PLAN_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pack.h"
#include "spawn/plan.h"

/* A plan being built, in either pass. */
struct ward_build {
	struct ward_pack pack;
	struct ward_step *steps; /* NULL while measuring */
	uint32_t nsteps;
	uint32_t nwork;	   /* work slots taken so far; those of the fd rules come first */
	int32_t mapper;	   /* the plan's, until a step has it */
	bool soft;	   /* what is added now may fail without ending the launch */
	bool keeps_groups; /* the draft's groups are ours, which it may not set */
};

void ward_build_add(struct ward_build *b, struct ward_step step);

/* A step of one number. */
void ward_build_number(struct ward_build *b, int stage, int number);

/* Steps that the namespaces and mounts of a draft take at most. */
size_t ward_build_sandbox_max(const struct ward_draft_sandbox *s);

/* Does the child enter its user namespace last, through a work slot? */
bool ward_build_enters_late(const struct ward_draft_sandbox *s);

/* From the user namespace to the last mount; a user namespace that comes late is last. */
void ward_build_sandbox(struct ward_build *b, const struct ward_draft *d);

/* The ids that the program gets: the draft's, or the root of a user namespace that is entered late. */
struct ward_ids ward_build_ids(const struct ward_draft *d);

/* Is the program uid 0 where it runs? */
bool ward_build_is_root(const struct ward_draft *d);

/* From the bounding set to the comparison with what the kernel says; the sets may fail if @soft. Returns the ids. */
struct ward_ids ward_build_identity(struct ward_build *b, const struct ward_draft *d, bool soft);

/* Without CAP_SETGID nobody may set groups, not even those that he has. Where the draft asks for those, this puts them
 * into it as the kernel lists them, in *own, owned, which may be set in any case, and returns true. */
bool ward_build_keeps_groups(struct ward_draft *d, uint32_t **own);

/* May we give the program its ids? @keeps_groups: as above. As ward_build_check. */
int ward_build_check_rights(const struct ward_draft *d, bool keeps_groups, struct ward_err *err);

/* Do the capability sets contradict each other, or what stays as ward has it? As ward_build_check. */
int ward_build_check_identity(const struct ward_draft *d, struct ward_err *err);

/* The capability sets that the program gets. */
struct ward_caps ward_build_caps(const struct ward_draft_sandbox *s);

/* The uid that root has for the child: before the steps of the sandbox, or when it has @entered its namespaces. */
uint32_t ward_build_root(const struct ward_draft_sandbox *s, bool entered);

/* Does the program get another root? */
bool ward_build_has_root(const struct ward_draft_sandbox *s);

/* Sorts groups as getgroups(2) lists them: by what they are outside of the user namespace. */
void ward_build_sort_groups(const struct ward_draft_sandbox *s, uint32_t *groups, uint32_t n);

/* What the user @uid of the program is outside of its user namespace. */
uint32_t ward_build_owner(const struct ward_draft_sandbox *s, uint32_t uid);

/* Does the sandbox contradict itself? Returns 0, or -errno with a sentence in *err. */
int ward_build_check(const struct ward_draft *d, struct ward_err *err);

#endif
