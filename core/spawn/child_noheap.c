/* The clone child: from clone to execve, in memory that it may share with the running supervisor.
 *
 * Rules, each with a test:
 * 1. No libc call, only linux/sys.h: libc's state belongs to the parent.
 * 2. It writes only its own stack and its own launch record and work slots; what it clones in turn has a
 *    part of that stack.
 * 3. It reads only the launch that it was given.
 * 4. Every step has a row in stage.h.
 * 5. All failures leave through one function that writes the record and ends the process.
 * 6. The order is security: it changes only with a test.
 */
#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/socket.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/ioprio.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>
#include <linux/wait.h>

#include <stdbool.h>

#include "linux/sys.h"
#include "spawn/child_fd.h"
#include "spawn/child_mount.h"
#include "spawn/child_noheap.h"
#include "spawn/child_ns.h"
#include "spawn/child_outcome.h"
#include "spawn/stage.h"

#define MSG_NOSIGNAL 0x4000 /* of libc's sys/socket.h */

static struct outcome
reset_signals(uint64_t set)
{
	const struct ward_ksigaction dfl = { 0 };

	for (int sig = 1; sig <= WARD_NSIG; sig++) {
		long r;

		if (!(set >> (sig - 1) & 1))
			continue;
		r = ward_sys_rt_sigaction(sig, &dfl, NULL);
		if (r < 0 && r != -EINVAL) /* KILL and STOP have none */
			return result(r, sig);
	}
	return done;
}

/* Each costs the kernel a copy of the credentials: what cannot be in the set is not dropped. */
static struct outcome
drop_bounding(uint64_t keep, uint64_t most, int last)
{
	for (int cap = 0; cap <= last; cap++) {
		long r = (most & ~keep) >> cap & 1 ? ward_sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)
						   : 0;

		if (r < 0)
			return result(r, cap);
	}
	return done;
}

struct kernel_caps {
	struct __user_cap_header_struct head;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

static void
address_caps(struct kernel_caps *k)
{
	k->head.version = _LINUX_CAPABILITY_VERSION_3;
	k->head.pid = 0;
}

static long
get_caps(struct kernel_caps *k)
{
	address_caps(k);
	return ward_sys_capget(&k->head, k->data);
}

static bool
given(const struct ward_caps *caps, enum ward_capset set)
{
	return caps->given >> set & 1;
}

/* One call for three sets: written one after the other, each would be refused by what the others
 * still are. */
static struct outcome
set_caps(const struct ward_caps *caps)
{
	const uint32_t three =
		1u << WARD_CAP_PERMITTED | 1u << WARD_CAP_INHERITABLE | 1u << WARD_CAP_EFFECTIVE;
	struct kernel_caps k;
	long r = 0;

	if ((caps->given & three) == three)
		address_caps(&k);
	else
		r = get_caps(&k);
	if (r < 0)
		return result(r, 0);
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		int shift = 32 * i;

		if (given(caps, WARD_CAP_PERMITTED))
			k.data[i].permitted = (uint32_t)(caps->set[WARD_CAP_PERMITTED] >> shift);
		if (given(caps, WARD_CAP_INHERITABLE))
			k.data[i].inheritable =
				(uint32_t)(caps->set[WARD_CAP_INHERITABLE] >> shift);
		if (given(caps, WARD_CAP_EFFECTIVE))
			k.data[i].effective = (uint32_t)(caps->set[WARD_CAP_EFFECTIVE] >> shift);
	}
	return result(ward_sys_capset(&k.head, k.data), 0);
}

static struct outcome
raise_ambient(uint64_t set, int last)
{
	long r = ward_sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

	if (r < 0)
		return result(r, -1);
	for (int cap = 0; cap <= last; cap++) {
		r = set >> cap & 1 ? ward_sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0)
				   : 0;
		if (r < 0)
			return result(r, cap);
	}
	return done;
}

/* Asks the kernel for the sets that were given and compares. Not asked for is what the kernel rules out:
 * no capability is ambient that is not both permitted and inheritable (capabilities(7)). */
static struct outcome
check_caps(const struct ward_caps *want, int last)
{
	struct kernel_caps k;
	uint64_t have[WARD_CAP_SETS] = { 0 };
	uint64_t known = last >= 63 ? ~UINT64_C(0) : (UINT64_C(1) << (last + 1)) - 1;
	long r = get_caps(&k);

	if (r < 0)
		return result(r, 0);
	have[WARD_CAP_PERMITTED] = (uint64_t)k.data[1].permitted << 32 | k.data[0].permitted;
	have[WARD_CAP_INHERITABLE] = (uint64_t)k.data[1].inheritable << 32 | k.data[0].inheritable;
	have[WARD_CAP_EFFECTIVE] = (uint64_t)k.data[1].effective << 32 | k.data[0].effective;
	for (int cap = 0; cap <= last; cap++) {
		if (given(want, WARD_CAP_BOUNDING) &&
		    ward_sys_prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			have[WARD_CAP_BOUNDING] |= UINT64_C(1) << cap;
		if (given(want, WARD_CAP_AMBIENT) &&
		    (have[WARD_CAP_PERMITTED] & have[WARD_CAP_INHERITABLE]) >> cap & 1 &&
		    ward_sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			have[WARD_CAP_AMBIENT] |= UINT64_C(1) << cap;
	}
	for (int set = 0; set < WARD_CAP_SETS; set++) {
		if (given(want, (enum ward_capset)set) && (have[set] ^ want->set[set]) & known)
			return result(-EPERM, set);
	}
	return done;
}

/* Is the parent dead? From within a pid namespace it has no number, but its pidfd tells: as soon as the kernel has both
 * given away its children and marked it dead, which it does under a lock that wait4 waits for. */
static bool
parent_is_gone(const struct ward_child *c, int slot)
{
	static const int64_t at_once[2];
	struct pollfd parent = { .events = POLLIN };

	if (slot < 0)
		return ward_sys_getppid() != c->parent;
	parent.fd = c->work[slot];
	(void)ward_sys_wait4(-1, NULL, WNOHANG);
	return ward_sys_ppoll(&parent, 1, at_once) != 0;
}

/* The signal is sent when the parent dies from now on: one that is dead already sent none. */
static struct outcome
tie_to_parent(const struct ward_child *c, int sig, int slot)
{
	long r = ward_sys_prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0);

	if (r < 0)
		return result(r, 0);
	return sig && parent_is_gone(c, slot) ? result(-ESRCH, 0) : done;
}

/* Believes nothing: what the program would run as is asked of the kernel and compared. */
static struct outcome
check_ids(const struct ward_ids *want, uint32_t *scratch)
{
	uint32_t r, e, s;
	long n;

	if (want->set_uid) {
		n = ward_sys_getresuid(&r, &e, &s);
		if (n < 0 || r != want->uid || e != want->uid || s != want->uid)
			return result(-EPERM, 0);
	}
	if (want->set_gid) {
		n = ward_sys_getresgid(&r, &e, &s);
		if (n < 0 || r != want->gid || e != want->gid || s != want->gid)
			return result(-EPERM, 1);
	}
	if (want->set_groups) {
		/* The count if there should be none; an error if there are more than should be. */
		n = ward_sys_getgroups((int)want->ngroups, want->ngroups ? scratch : NULL);
		if (n != (long)want->ngroups)
			return result(-EPERM, 2);
		/* Both sorted: the plan by the parent, the list by the kernel. */
		for (uint32_t i = 0; i < want->ngroups; i++) {
			if (scratch[i] != want->groups[i])
				return result(-EPERM, 2);
		}
	}
	return done;
}

/* Does the result of execve say that there is no such file? Then the search goes on, as in execvp(3). */
static bool
is_absent(long r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG || r == -ELOOP || r == -ESTALE ||
	       r == -ENODEV || r == -ETIMEDOUT;
}

/* A filter that only marks the sandbox may be left out, where nobody can load one. */
static struct outcome
load_guard(const struct ward_step *s)
{
	long r = ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, s->p);

	return result(s->a ? 0 : r, 0);
}

/* Loads the filter; a listener that it makes goes to the parent, which must have it before execve: the filter holds
 * up every call but this one until somebody answers. */
static struct outcome
load_filter(const struct ward_child *c, const struct ward_step *s)
{
	struct ward_fdmsg rights = { WARD_FDMSG_SIZE, SOL_SOCKET, 1 /* SCM_RIGHTS */, -1, 0 };
	struct ward_iovec byte = { &rights, 1 };
	struct ward_msghdr msg = {
		.parts = &byte, .nparts = 1, .control = &rights, .control_size = sizeof(rights)
	};
	unsigned int flags = (unsigned int)s->a;
	long r;

	if (!s->b)
		return result(ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, s->p), 0);
	flags |= WARD_SECCOMP_FLAG_NEW_LISTENER;
	r = ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, flags | WARD_SECCOMP_FLAG_WAIT_KILLABLE,
			     s->p);
	if (r == -EINVAL) /* before 5.19 */
		r = ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, s->p);
	if (r < 0)
		return result(r, 0);
	rights.fd = (int32_t)r;
	r = ward_sys_sendmsg((long)((uint64_t)WARD_LEARN_MARK << 32 | (uint32_t)c->report), &msg,
			     MSG_NOSIGNAL);
	return result(r, 0);
}

/* Tries each candidate of the PATH search as execvp(3) does, but without its shell fallback.
 * Returns only on failure; a candidate that may not be executed outweighs those that do not exist.
 */
static struct outcome
exec_first(const struct ward_child *c, const char *const *candidates)
{
	struct outcome o = { ENOENT, 0 };

	for (int i = 0; candidates[i]; i++) {
		long r = ward_sys_execve(candidates[i], c->argv, c->envp);

		if (is_absent(r)) {
			if (!candidates[1])
				o.err = (int)-r; /* no search, no summary */
			continue;
		}
		o = (struct outcome){ (int)-r, i };
		if (r != -EACCES)
			break;
	}
	return o;
}

/* From below a root of its own, a directory that lies outside shows as "(unreachable)". */
static struct outcome
change_directory(const char *path, bool below_root)
{
	char cwd[4096]; /* PATH_MAX */
	long r = ward_sys_chdir(path);

	if (r < 0 || !below_root)
		return result(r, 0);
	r = ward_sys_getcwd(cwd, sizeof(cwd));
	return result(r >= 0 && cwd[0] != '/' ? -EXDEV : r, 0);
}

static struct outcome
take_identity_step(const struct ward_child *c, const struct ward_step *s)
{
	const struct ward_caps *caps = s->p;
	uint32_t id = (uint32_t)s->a;

	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_BOUNDING:
		return drop_bounding(caps->set[WARD_CAP_BOUNDING], *(const uint64_t *)s->q, s->a);
	case WARD_STAGE_SECUREBITS:
		return result(ward_sys_prctl(PR_SET_SECUREBITS, s->a, 0, 0, 0), 0);
	case WARD_STAGE_KEEPCAPS:
		return result(ward_sys_prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
	case WARD_STAGE_GROUPS:
		return result(ward_sys_setgroups(s->n, s->p), 0);
	case WARD_STAGE_GID:
		return result(ward_sys_setresgid(id, id, id), 0);
	case WARD_STAGE_UID:
		return result(ward_sys_setresuid(id, id, id), 0);
	case WARD_STAGE_CAPS:
		return set_caps(caps);
	case WARD_STAGE_AMBIENT:
		return raise_ambient(caps->set[WARD_CAP_AMBIENT], s->a);
	case WARD_STAGE_IDS_CHECK:
		return check_ids(s->p, c->scratch);
	case WARD_STAGE_CAPS_CHECK:
		return check_caps(caps, s->a);
	default:
		return result(-ENOSYS, 0); /* a stage without a step in the child */
	}
}

static struct outcome
take(struct ward_child *c, const struct ward_step *s)
{
	static const uint64_t none;

	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_SIGNALS:
		return reset_signals(c->reset);
	case WARD_STAGE_LEASH:
	case WARD_STAGE_DEATHSIG:
		return tie_to_parent(c, s->a, s->b);
	case WARD_STAGE_SESSION:
		return result(ward_sys_setsid(), 0);
	case WARD_STAGE_PGROUP:
		return result(ward_sys_setpgid(0, 0), 0);
	case WARD_STAGE_TTY:
		return result(ward_sys_ioctl(c->work[s->a], TIOCSCTTY, 0), 0);
	case WARD_STAGE_IOPRIO:
		return result(ward_sys_ioprio_set(IOPRIO_WHO_PROCESS, 0, s->a), 0);
	case WARD_STAGE_NICE:
		return result(ward_sys_setpriority(PRIO_PROCESS, 0, s->a), 0);
	case WARD_STAGE_SCHED:
		return result(ward_sys_sched_setscheduler(0, s->a, &s->b), 0);
	case WARD_STAGE_AFFINITY:
		return result(ward_sys_sched_setaffinity(0, s->n, s->p), 0);
	case WARD_STAGE_UMASK:
		return result(ward_sys_umask((unsigned int)s->a), 0);
	case WARD_STAGE_LIMIT:
	case WARD_STAGE_NOFILE:
		return result(ward_sys_setrlimit(s->a, s->p), s->a);
	case WARD_STAGE_CWD:
		return change_directory(s->p, s->a);
	case WARD_STAGE_NNP:
		return result(ward_sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	case WARD_STAGE_LANDLOCK:
		return result(ward_sys_landlock_restrict_self(c->work[s->a], 0), 0);
	case WARD_STAGE_MASK:
		return result(ward_sys_rt_sigprocmask(SIG_SETMASK, &none, NULL), 0);
	case WARD_STAGE_MARK:
	case WARD_STAGE_GUARD:
		return load_guard(s);
	case WARD_STAGE_SECCOMP:
		return load_filter(c, s);
	case WARD_STAGE_EXEC:
		return exec_first(c, s->p);
	default:
		break;
	}
	/* The ranges of stage.h's order. */
	if (s->stage >= WARD_STAGE_PRIVATE && s->stage <= WARD_STAGE_MOUNT)
		return take_mount_step(c, s);
	if (s->stage >= WARD_STAGE_USERNS && s->stage <= WARD_STAGE_USER_ENTER)
		return take_namespace_step(c, s);
	if (s->stage == WARD_STAGE_FD_OPEN ||
	    (s->stage >= WARD_STAGE_FD_LIFT && s->stage <= WARD_STAGE_FD_CLOSE))
		return take_fd_step(c, s);
	return take_identity_step(c, s);
}

static void program_main(void *arg);

static void
fail(struct ward_record *rec, struct outcome o)
{
	rec->operand = o.operand;
	rec->err = o.err ? o.err : ENOEXEC;
	for (;;) {
		(void)ward_sys_exit_group(127);
		__builtin_trap();
	}
}

/* A mount that is left out where there is nothing to mount. */
static bool
nothing_to_mount(const struct ward_step *s, int err)
{
	return s->stage == WARD_STAGE_MOUNT_MAKE && ((const struct ward_mount *)s->p)->optional &&
	       (err == ENOENT || err == ENOTDIR);
}

/* Goes on without a soft step. What stands in a namespace that was not made is left out with it. */
static bool
miss(struct ward_record *rec, const struct ward_step *s, struct outcome o)
{
	struct ward_missed *m = &rec->missed[rec->nmissed];
	bool absent = nothing_to_mount(s, o.err);

	if (!s->soft && !absent)
		return false;
	if (rec->nmissed == WARD_MISSED_MAX)
		return absent;
	if (s->stage == WARD_STAGE_NAMESPACES)
		rec->lost |= (uint32_t)s->a;
	m->step = rec->step;
	m->err = o.err;
	m->operand = o.operand;
	rec->nmissed++;
	return true;
}

/* Takes the steps from @from on. Never returns. */
static void
walk(struct ward_child *c, uint32_t from)
{
	struct ward_record *rec = c->record;
	struct outcome o = { ENOEXEC, 0 }; /* a plan that does not end in exec */

	for (uint32_t i = from; i < c->nsteps; i++) {
		const struct ward_step *s = &c->steps[i];
		struct program program = { c, i + 1, -1 };

		rec->step = i;
		rec->stage = s->stage;
		o = s->stage == WARD_STAGE_INIT ? start_init(c, s, program_main, &program)
						: take(c, s);
		if (o.err && !miss(rec, s, o))
			break;
	}
	fail(rec, o);
}

/* The process that init was cloned from it for. When init fails, the kernel ends us with it. */
static void
program_main(void *arg)
{
	const struct program *p = arg;
	struct ward_child *c = p->child;
	uint32_t from = p->from;
	char byte;
	long n = ward_sys_read(p->ready, &byte, 1);

	(void)ward_sys_set_tid_address(&c->record->here);
	if (n != 1)
		fail(c->record, result(n < 0 ? n : -EPIPE, 0));
	walk(c, from);
}

void
ward_child_main(void *arg)
{
	walk(arg, 0);
}
