/* Every step between "start this service" and the first instruction of its program has a row here.
 * A plan is a list of steps, each with one of these stages; the child walks that list; a failure is
 * reported as {stage, errno}; `ward explain` prints the same list.
 *
 *	X(ID, name, sentence)	the sentence completes "cannot ..."
 *
 * The rows stand in the order in which the child takes them. The order is security: a row moves only
 * together with a test that shows why. */
#ifndef WARD_SPAWN_STAGE_H
#define WARD_SPAWN_STAGE_H

#define WARD_STAGES(X)                                                   \
	/* in the parent */                                              \
	X(PREPARE, "prepare", "prepare the launch")                      \
	X(CGROUP, "cgroup", "prepare the control group")                 \
	X(CLONE, "clone", "create the process")                          \
	/* in the child */                                               \
	X(SIGNALS, "signals", "reset the signal dispositions")           \
	X(LEASH, "leash", "tie its life to the supervisor's until exec") \
	X(SESSION, "session", "start a session")                         \
	X(PGROUP, "pgroup", "start a process group")                     \
	X(TTY, "tty", "take the controlling terminal")                   \
	/* these need privilege, or are inherited by what follows */     \
	X(IOPRIO, "ioprio", "set the I/O priority")                      \
	X(NICE, "nice", "set the niceness")                              \
	X(SCHED, "sched", "set the scheduling policy")                   \
	X(AFFINITY, "affinity", "set the CPU affinity")                  \
	X(UMASK, "umask", "set the umask")                               \
	X(LIMIT, "limit", "set the limit")                               \
	/* paths are the host's: before the root changes */              \
	X(FD_OPEN, "fd_open", "open")                                    \
	/* without privilege the user namespace gives what follows */    \
	X(USERNS, "userns", "make the user namespace")                   \
	X(ID_MAP, "id_map", "write")                                     \
	X(NESTED, "nested", "forbid user namespaces of its own")         \
	X(NAMESPACES, "namespaces", "make the namespaces")               \
	X(HOSTNAME, "hostname", "set the host name")                     \
	X(LOOPBACK, "loopback", "bring up the loopback device")          \
	/* every source is taken while the host is in sight */           \
	X(PRIVATE, "private", "keep its mounts to itself")               \
	X(MOUNT_MAKE, "mount_make", "make the mount for")                \
	X(MOUNT_FILL, "mount_fill", "create the mount point")            \
	X(MOUNT_ATTR, "mount_attr", "set the attributes of the mount")   \
	X(PIVOT, "pivot", "change the root to")                          \
	X(MOUNT, "mount", "mount on")                                    \
	/* with privilege it is last, so that it owns no mount */        \
	X(USER_ENTER, "user_enter", "enter the user namespace")          \
	X(FD_LIFT, "fd_lift", "take over")                               \
	X(FD_MOVE, "fd_move", "place descriptor")                        \
	X(FD_BLOCK, "fd_block", "clear O_NONBLOCK of descriptor")        \
	X(FD_CLOSE, "fd_close", "close all other descriptors")           \
	X(NOFILE, "nofile", "set the limit")                             \
	/* without no_new_privs it needs CAP_SYS_ADMIN */                \
	X(MARK, "mark", "mark the sandbox with a filter")                \
	/* both need CAP_SETPCAP, which the uid change takes */          \
	X(BOUNDING, "bounding", "drop from the bounding set capability") \
	X(SECUREBITS, "securebits", "set the securebits")                \
	X(KEEPCAPS, "keepcaps", "keep capabilities over the uid change") \
	/* who it is: always fatal */                                    \
	X(GROUPS, "groups", "set the supplementary groups")              \
	X(GID, "gid", "set the group id")                                \
	X(UID, "uid", "set the user id")                                 \
	X(CAPS, "caps", "set the capability sets")                       \
	X(AMBIENT, "ambient", "raise ambient capability")                \
	X(IDS_CHECK, "ids_check", "confirm the user and group ids")      \
	X(CAPS_CHECK, "caps_check", "confirm the capability sets")       \
	/* as that user */                                               \
	X(CWD, "cwd", "change to directory")                             \
	X(DEATHSIG, "deathsig", "tie its life to the supervisor's")      \
	X(INIT, "init", "start the init of the pid namespace")           \
	X(NNP, "nnp", "set no_new_privs")                                \
	X(LANDLOCK, "landlock", "enforce the Landlock ruleset")          \
	X(MASK, "mask", "empty the signal mask")                         \
	X(GUARD, "guard", "load ward's own seccomp filter")              \
	X(SECCOMP, "seccomp", "load the seccomp filter")                 \
	X(EXEC, "exec", "exec")                                          \
	/* in the parent again: shared memory forbids it before exec */  \
	X(OOM, "oom", "set oom_score_adj")

enum ward_stage {
	WARD_STAGE_NONE,
#define X(id, name, sentence) WARD_STAGE_##id,
	WARD_STAGES(X)
#undef X
		WARD_STAGE_COUNT
};

#endif
