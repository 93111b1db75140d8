/* What the clone child reads and writes. See child_noheap.c for the rules it lives by. */
#ifndef WARD_SPAWN_CHILD_NOHEAP_H
#define WARD_SPAWN_CHILD_NOHEAP_H

#include <stddef.h>
#include <stdint.h>

#include "spawn/stage.h"

/* One step; the meaning of the operands by stage:
 *
 *	SIGNALS	-
 *	LEASH	as DEATHSIG
 *	SESSION	-
 *	PGROUP	-
 *	TTY	a: work slot of the terminal
 *	IOPRIO	a: IOPRIO_PRIO_VALUE of ioprio_set(2)
 *	NICE	a: -20..19
 *	SCHED	a: policy, b: priority
 *	AFFINITY p: bit mask of n bytes, for sched_setaffinity(2)
 *	UMASK	a: mask
 *	LIMIT, NOFILE a: resource, p: uint64_t[2], soft and hard
 *	USERNS	-
 *	ID_MAP	p: path, q: n bytes to write there
 *	NAMESPACES a: CLONE_NEW* flags
 *	ROOT	p: path
 *	FD_OPEN	a: work slot, p: path, b: flags of open(2)
 *	FD_LIFT	p: int32_t[], the target of each work slot: every other source goes above every target
 *	FD_MOVE	a: work slot, b: target
 *	FD_BLOCK a: target
 *	FD_CLOSE p: int[n], targets in rising order
 *	BOUNDING a: the last capability, p: struct ward_caps, what stays, q: uint64_t, what may be there
 *	SECUREBITS a: bits
 *	KEEPCAPS -
 *	GROUPS	p: uint32_t[n]
 *	GID, UID a: id
 *	CAPS	p: struct ward_caps
 *	AMBIENT	a: the last capability, p: struct ward_caps
 *	IDS_CHECK p: struct ward_ids
 *	CAPS_CHECK a: the last capability, p: struct ward_caps
 *	CWD	p: path
 *	DEATHSIG a: signal or 0, b: 1 when the parent's pid cannot be seen (pid namespace)
 *	NNP	-
 *	LANDLOCK a: work slot of the ruleset
 *	MASK	-
 *	SECCOMP	p: struct sock_fprog
 *	EXEC	p: NULL-terminated candidate paths
 */
struct ward_step {
	uint16_t stage;
	uint16_t soft; /* a failure is noted in the record and the walk goes on */
	int32_t a, b;
	uint32_t n;
	const void *p, *q;
};

/* The ids that the program must have; a flag says whether each was set at all. */
struct ward_ids {
	uint32_t uid, gid;
	uint32_t ngroups;
	uint32_t set_uid, set_gid, set_groups;
	const uint32_t *groups;
};

/* The five capability sets of capabilities(7); bit n is capability n. */
enum ward_capset {
	WARD_CAP_BOUNDING,
	WARD_CAP_PERMITTED,
	WARD_CAP_INHERITABLE,
	WARD_CAP_EFFECTIVE,
	WARD_CAP_AMBIENT,
	WARD_CAP_SETS
};

struct ward_caps {
	uint64_t set[WARD_CAP_SETS];
	uint32_t given; /* bit s: set s is to be as here; the others are left alone */
};

/* Written by the child, read by the parent, in a MAP_SHARED page so that all clone modes report the
 * same way and without a system call. While err is 0 the child has not failed. */
struct ward_record {
	volatile uint32_t stage;  /* the step being taken */
	volatile int32_t err;	  /* errno of the step that failed */
	volatile uint32_t step;	  /* its index in the plan */
	volatile int32_t operand; /* which of its operands: work slot, descriptor, candidate */
	volatile int32_t soft_err[WARD_STAGE_COUNT]; /* errno of soft steps that failed */
	/* Set to 0 by the kernel when the child leaves shared memory (CLONE_CHILD_CLEARTID). */
	uint32_t here;
};

/* All that the child may touch besides its stack. Lives until the report pipe's end-of-file. */
struct ward_child {
	const struct ward_step *steps;
	uint32_t nsteps;
	uint32_t nwork;
	int32_t *work;	   /* source descriptor of each fd rule; the child's own copy */
	uint32_t *scratch; /* room for the groups that IDS_CHECK reads back */
	int32_t highest;   /* the highest target */
	int32_t ruleset;   /* work slot of the Landlock ruleset, or -1 */
	int32_t report;	   /* write end of the report pipe */
	int32_t parent;	   /* pid of the supervisor */
	uint64_t reset;	   /* signals whose disposition must be reset, bit n-1 for signal n */
	struct ward_record *record;
	const char *const *argv;
	const char *const *envp;
};

/* The child's whole life; @child is a struct ward_child. Never returns. */
void ward_child_main(void *child);

#endif
