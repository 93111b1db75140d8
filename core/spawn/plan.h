/* A plan: everything the child will do, flat and immutable, built once per service and used for
 * every start of it. One allocation owns all of its bytes. */
#ifndef WARD_SPAWN_PLAN_H
#define WARD_SPAWN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "linux/uapi.h"
#include "spawn/child_noheap.h"
#include "spawn/mount.h"

/* Where a descriptor of the child comes from. */
enum ward_source {
	WARD_SOURCE_FD,	  /* a descriptor that the supervisor itself was started with */
	WARD_SOURCE_PATH, /* opened by the child, so that a slow open never holds up the loop */
	WARD_SOURCE_SLOT, /* handed over with each launch (a log pipe) */
	WARD_SOURCE_SAME, /* the same as another rule's, opened once */
};

struct ward_fd_rule {
	int target; /* 0 .. RLIMIT_NOFILE - 1, each once; -1: needed by a step, not by the program */
	enum ward_source source;
	int number; /* FD: the descriptor; SLOT: index into the launch's slots; SAME: of the rule */
	const char *path; /* PATH */
	int flags;	  /* PATH: of open(2); created with mode 0666 less the umask */
	bool as_it_is;	  /* leave O_NONBLOCK alone: others use the same open file description */
};

/* What the slots of a launch are. */
enum ward_slot {
	WARD_SLOT_LOG,	  /* writing end of the log pipe */
	WARD_SLOT_TTY,	  /* terminal end of a pty */
	WARD_SLOT_STDIN,  /* the child's ends of pipes to it ... */
	WARD_SLOT_STDOUT, /* ... and from it */
	WARD_SLOT_STDERR,
	WARD_SLOT_CGROUP, /* directory of the control group to be born in; never the child's */
	WARD_SLOTS
};

/* How the child comes to be; all three walk the same steps and report the same way. */
enum ward_clone_mode {
	WARD_CLONE_SHARED,  /* CLONE_VM: nothing is copied, and nobody waits */
	WARD_CLONE_VFORKED, /* CLONE_VM | CLONE_VFORK: the supervisor waits until exec */
	WARD_CLONE_COPY,    /* memory of its own, copied on write */
};

/* What a failed sandbox step does. */
enum ward_on_failure { WARD_FAIL_ERROR, WARD_FAIL_WARN, WARD_FAIL_SILENT };

struct ward_limit {
	int resource;	   /* RLIMIT_* */
	uint64_t value[2]; /* soft, hard; UINT64_MAX: unlimited */
};

/* Optional numbers of a draft; a flag says whether each is given. */
struct ward_draft_process {
	bool set_nice, set_ioprio, set_sched, set_oom;
	int nice;	      /* -20 .. 19 */
	int ioprio;	      /* IOPRIO_PRIO_VALUE of ioprio_set(2) */
	int policy, priority; /* sched_setscheduler(2) */
	int oom_score_adj;    /* -1000 .. 1000; written by the supervisor after exec */
	int deathsig;	      /* 0: outlive the supervisor */
	const void *affinity; /* bit mask for sched_setaffinity(2); NULL: inherit */
	size_t affinity_size; /* bytes */
	const struct ward_limit *limits;
	size_t nlimits;
};

struct ward_draft_sandbox {
	enum ward_on_failure on_failure;
	bool no_new_privs;
	bool no_setuid_files; /* nor capabilities of files, which no filter sees; the rest is the guard's */
	uint64_t namespaces; /* WARD_CLONE_NEW* */
	bool privileged; /* the supervisor has CAP_SYS_ADMIN: its user namespaces come last, else first */
	bool nested; /* user namespaces below its own may be made */
	bool pid1;   /* the program is the first process of its pid namespace, without an init */
	const struct ward_id_range *uid_map,
		*gid_map; /* of the user namespace; none: see plan_ns.c */
	size_t nuid_map, ngid_map;
	const char *hostname;		 /* NULL: unchanged */
	const struct ward_mount *mounts; /* in the order in which they are placed */
	size_t nmounts;
	uint32_t host_attr; /* MOUNT_ATTR_* for the host's tree, where no mount is the root */
	struct ward_caps caps;
	int last_cap; /* the kernel's last capability; used when caps are given */
	bool set_securebits, has_ruleset;
	int securebits; /* of capabilities(7) */
	int ruleset; /* Landlock; moved to the plan on success; also the rule with target -1 and source FD */
	bool given;		      /* a sandbox is asked for at all */
	const struct ward_bpf *guard; /* ward's own filter, as below; NULL: a mark alone */
	uint16_t nguard;
	const struct ward_bpf *filter; /* seccomp; NULL: none; borrowed as long as the plan lives */
	uint16_t nfilter;
	uint32_t filter_flags; /* WARD_SECCOMP_FLAG_LOG or 0 */
	bool learn;	       /* the filter tells of every call: the supervisor has to listen */
};

/* What a service wants, still loose: every pointer is borrowed until ward_plan_new returns. */
struct ward_draft {
	const char *file;	 /* looked up in the PATH of envp unless it holds a slash */
	const char *const *argv; /* NULL-terminated, at least argv[0] */
	const char *const *envp; /* NULL-terminated "KEY=value" */
	const char *cwd;	 /* absolute */
	unsigned int umask;	 /* 0 .. 0777 */
	bool session;		 /* setsid; else a process group of its own */
	bool foreground; /* stays in our session and group: what a terminal says reaches both */
	uint16_t tty_rows,
		tty_cols; /* rows 0: no terminal; else slot WARD_SLOT_TTY is the controlling one */
	enum ward_clone_mode clone;
	struct ward_ids ids;
	const struct ward_fd_rule *fds;
	size_t nfds;
	struct ward_draft_process process;
	struct ward_draft_sandbox sandbox;
};

struct ward_plan {
	const struct ward_step *steps;
	uint32_t nsteps;
	const char *file; /* as given, before the PATH search */
	const char *const *argv;
	const char *const *envp;
	const struct ward_fd_rule *fds; /* one work slot each, same index */
	uint32_t nfds;
	uint32_t nwork;	 /* work slots: nfds, and those that steps fill */
	uint32_t slots;	 /* bit s: a launch must bring slot s */
	int32_t highest; /* highest target, -1 without any */
	int32_t ruleset; /* work slot of the Landlock ruleset, or -1 */
	int ruleset_fd;	 /* owned, or -1 */
	int32_t init;	 /* work slot of the init program, the next one the pipe to it; or -1 */
	int32_t parent;	 /* work slot of a pidfd of the supervisor; -1: the child can see its pid */
	int32_t mapper;	 /* work slot of the init program, where it maps its own user; or -1 */
	enum ward_clone_mode clone;
	uint64_t clone_flags; /* WARD_CLONE_NEWPID, with it WARD_CLONE_NEWUSER, or 0 */
	enum ward_on_failure on_failure;
	bool learn; /* a launch brings a listener, which must be served until the child ends */
	uint16_t tty_rows, tty_cols; /* of the terminal in slot WARD_SLOT_TTY */
	bool set_oom;
	int oom_score_adj;
	struct ward_ids ids; /* as the program sees them */
	uint32_t owner;	     /* its user as we see him, when ids has one: whose its terminal is */
};

/* Builds a plan; *out is owned, ended by ward_plan_free. Returns 0, or -errno with a sentence in
 * *err: EINVAL (a rule contradicts another), E2BIG (too many descriptors), ENOMEM. */
int ward_plan_new(const struct ward_draft *draft, struct ward_plan **out, struct ward_err *err);
void ward_plan_free(struct ward_plan *plan);

/* Does the child of this plan change its uid, gid or groups? */
bool ward_plan_changes_ids(const struct ward_plan *plan);

/* The word for a stage ("exec"), and the end of "cannot ..."; never NULL. */
const char *ward_stage_name(int stage);
const char *ward_stage_sentence(int stage);

/* What it means that a step of this stage failed with @err. */
const char *ward_stage_reason(int stage, int err);

/* Writes how the child is born, before its steps: the mode, and namespaces. As snprintf(3). */
int ward_plan_explain_birth(const struct ward_plan *plan, char *buf, size_t size);

/* RLIMIT_* for a name of prlimit(1) ("nofile"), or -1. */
int ward_limit_number(const char *name);

/* Writes what step @i of the plan does, with its values, as snprintf(3) does. */
int ward_plan_explain(const struct ward_plan *plan, uint32_t i, char *buf, size_t size);

/* Writes what step @i worked on when it failed with @err, with a leading space: the path, descriptor
 * or id for an error message; empty when the step has no operand. @operand as in the record. */
void ward_plan_operand(const struct ward_plan *plan, uint32_t i, int err, int operand, char *buf,
		       size_t size);

#endif
