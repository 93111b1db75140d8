/* What the clone child reads and writes. See child_noheap.c for the rules it lives by. */
#ifndef WARD_SPAWN_CHILD_NOHEAP_H
#define WARD_SPAWN_CHILD_NOHEAP_H

#include <stddef.h>
#include <stdint.h>

#include "spawn/mount.h"
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
 *	FD_OPEN	a: work slot, p: path, b: flags of open(2), n: as MOUNT_MAKE
 *	USERNS	a: work slot for it, p: struct ward_maps; a < 0: own now, p unused
 *	ID_MAP	p: path, q: text to write there; a: work slot of the init program, which writes this and the next
 *		two; or -1: it has
 *	NESTED	p: path, q: n bytes to write there
 *	NAMESPACES a: CLONE_NEW* flags
 *	HOSTNAME p: n bytes
 *	LOOPBACK -
 *	PRIVATE	-
 *	MOUNT_MAKE a: work slot for it, p: struct ward_mount, n: the uid that root has where the step is taken
 *	MOUNT_FILL a: work slot of the mount, p: struct ward_fill, b: work slot of what it is like
 *	MOUNT_ATTR a: work slot of the mount, or -1: everything in sight, b: MOUNT_ATTR_*, p: path,
 *		n: 1: also on every mount below it
 *	PIVOT	a: work slot of the new root, p: its source
 *	MOUNT	a: work slot of the mount, p: target, n: as MOUNT_MAKE
 *	USER_ENTER a: work slot of the user namespace
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
 *	CWD	p: path, a: 1 when it must be below the root
 *	DEATHSIG a: signal or 0, b: work slot of a pidfd of the parent, or -1: its pid can be seen
 *	INIT	a: work slot of its program, b: work slot of the pipe for the status
 *	NNP	-
 *	LANDLOCK a: work slot of the ruleset
 *	MASK	-
 *	GUARD	a: 1: no matter if it fails, p: struct sock_fprog
 *	SECCOMP	a: flags of seccomp(2), b: make a listener and hand it over, p: struct sock_fprog
 *	EXEC	p: NULL-terminated candidate paths
 */
struct ward_step {
	uint16_t stage;
	uint16_t soft; /* a failure is noted in the record and the walk goes on */
	int32_t a, b;
	uint32_t n;
	const void *p, *q;
};

/* What a helper's user namespace gets written (user_namespaces(7)). */
struct ward_maps {
	const char *uid, *gid;
	uint32_t nuid, ngid; /* bytes */
	uint32_t nested;     /* 0: user namespaces below it are forbidden */
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

/* A soft step that failed. */
struct ward_missed {
	volatile uint32_t step;
	volatile int32_t err, operand;
};

/* At least as many as a plan has soft steps. */
#define WARD_MISSED_MAX 24

/* Written by the child, read by the parent, in a MAP_SHARED page so that all clone modes report the
 * same way and without a system call. While err is 0 the child has not failed. */
struct ward_record {
	volatile uint32_t stage;  /* the step being taken */
	volatile int32_t err;	  /* errno of the step that failed */
	volatile uint32_t step;	  /* its index in the plan */
	volatile int32_t operand; /* which of its operands: work slot, descriptor, candidate */
	volatile uint32_t lost;	  /* CLONE_NEW* of the namespaces that it has not got */
	volatile uint32_t nmissed;
	struct ward_missed missed[WARD_MISSED_MAX];
	/* Set to 0 by the kernel when the program's process leaves shared memory (CLONE_CHILD_CLEARTID). */
	uint32_t here;
};

/* The child's stack, from the lowest address. Its upper half is the child's own; below stands what the
 * child clones in turn: the program of a pid namespace with an init, and for a moment a helper, which makes
 * a user namespace while the child waits. */
#define WARD_STACK_SIZE	   ((size_t)64 * 1024)
#define WARD_STACK_PROGRAM ((size_t)32 * 1024)
#define WARD_STACK_HELPER  ((size_t)8 * 1024)

/* Work slots that stay open until execve closes them. */
#define WARD_KEPT 4

/* All that the child may touch besides its stack. Lives until the report pipe's end-of-file. */
struct ward_child {
	const struct ward_step *steps;
	uint32_t nsteps;
	uint32_t nwork;
	int32_t *work;		 /* source descriptor of each fd rule; the child's own copy */
	uint32_t *scratch;	 /* room for the groups that IDS_CHECK reads back */
	int32_t highest;	 /* the highest target */
	int32_t kept[WARD_KEPT]; /* work slots, or -1: ruleset, init, status, parent */
	int32_t report;		 /* write end of the report pipe */
	int32_t parent;		 /* pid of the supervisor */
	char *stack;		 /* WARD_STACK_SIZE bytes, lowest address */
	uint64_t reset;		 /* signals whose disposition must be reset, bit n-1 for signal n */
	struct ward_record *record;
	const char *const *argv;
	const char *const *envp;
};

/* The child's whole life; @child is a struct ward_child. Never returns. */
void ward_child_main(void *child);

#endif
