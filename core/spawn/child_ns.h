/* Part of child_noheap.c: the steps that make namespaces and what stands in them. */
#ifndef WARD_SPAWN_CHILD_NS_H
#define WARD_SPAWN_CHILD_NS_H

#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <linux/wait.h>

#include "linux/sys.h"
#include "linux/sys_init.h"
#include "spawn/child_noheap.h"
#include "spawn/child_outcome.h"

#define NESTED_LIMIT "/proc/sys/user/max_user_namespaces"

/* The one-line files that configure a namespace take a single write. */
static long
write_file(const char *path, const void *bytes, size_t n)
{
	long fd = ward_sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	long r;

	if (fd < 0)
		return fd;
	r = ward_sys_write((int)fd, bytes, n);
	(void)ward_sys_close((int)fd);
	return r;
}

static char *
append(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	*to = '\0';
	return to;
}

static char *
append_number(char *to, unsigned long n)
{
	char digits[24];
	int len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while (n /= 10);
	while (len > 0)
		*to++ = digits[--len];
	*to = '\0';
	return to;
}

/* ---- the user namespace of a privileged supervisor ---- */

struct helper {
	const struct ward_maps *maps;
	int parent;
	volatile long r; /* the namespace as a descriptor, which we share */
};

/* Is born in the new namespace, and stops when it is done. What it may do there, nobody else may yet: look at its
 * namespace, too, for which some kernels want more of others. It stops rather than ends, since the files of a process
 * that has ended belong to the host's root, whom a container does not know. */
static void
helper_main(void *arg)
{
	struct helper *h = arg;

	(void)ward_sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (ward_sys_getppid() == h->parent) {
		h->r = h->maps->nested ? 0 : write_file(NESTED_LIMIT, "0", 1);
		if (h->r >= 0)
			h->r = ward_sys_openat(AT_FDCWD, "/proc/self/ns/user", O_RDONLY | O_CLOEXEC,
					       0);
		while (h->r >= 0) /* until it is killed */
			(void)ward_sys_kill((int)ward_sys_getpid(), SIGSTOP);
	}
	for (;;)
		(void)ward_sys_exit_group(0);
}

/* The directory of our only child in /proc, which may number it otherwise than we do. */
static long
find_child(char *to)
{
	char digits[24], *end;
	long fd = ward_sys_openat(AT_FDCWD, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return fd;
	n = ward_sys_read((int)fd, digits, sizeof(digits) - 1);
	(void)ward_sys_close((int)fd);
	if (n <= 0)
		return n < 0 ? n : -ESRCH;
	digits[n] = '\0';
	for (end = digits; *end >= '0' && *end <= '9'; end++)
		;
	*end = '\0';
	(void)append(append(to, "/proc/"), digits);
	return 0;
}

/* Maps of more than oneself are written from above, by somebody with privilege there. */
static struct outcome
write_maps(const struct ward_maps *maps)
{
	char path[64], *end;
	long r = find_child(path);

	if (r < 0)
		return result(r, 0);
	for (end = path; *end; end++)
		;
	(void)append(end, "/uid_map");
	r = write_file(path, maps->uid, maps->nuid);
	if (r < 0)
		return result(r, 1);
	(void)append(end, "/gid_map");
	return result(write_file(path, maps->gid, maps->ngid), 2);
}

static struct outcome
make_user_namespace(struct ward_child *c, int slot, const struct ward_maps *maps)
{
	struct helper h = { maps, (int)ward_sys_getpid(), -ESRCH };
	struct outcome o;
	long pid;

	if (slot < 0)
		return result(ward_sys_unshare(WARD_CLONE_NEWUSER), 0);
	pid = ward_sys_clone(WARD_CLONE_VM | WARD_CLONE_FILES | WARD_CLONE_NEWUSER | SIGCHLD,
			     c->stack + WARD_STACK_HELPER, NULL, helper_main, &h);
	if (pid < 0)
		return result(pid, 0);
	(void)ward_sys_wait4((int)pid, NULL, WUNTRACED);
	c->work[slot] = (int32_t)h.r;
	o = h.r < 0 ? result(h.r, 3) : write_maps(maps);
	(void)ward_sys_kill((int)pid, SIGKILL);
	(void)ward_sys_wait4((int)pid, NULL, 0);
	return o;
}

static struct outcome
enter_user_namespace(int32_t *ns)
{
	long r = ward_sys_setns(*ns, WARD_CLONE_NEWUSER);

	(void)ward_sys_close(*ns);
	*ns = -1;
	return result(r, 0);
}

/* ---- the maps of a supervisor without privilege ---- */

struct mapper {
	const struct ward_step *steps; /* three */
	int program;
};

/* The files of the maps belong to the user only while he may look into the process, and with that take it over. So
 * it is one that has nothing of ours, and may do nothing else. */
static void
mapper_main(void *arg)
{
	const struct mapper *m = arg;
	const struct ward_step *s = m->steps;
	const char *argv[] = { "ward-map", s[0].p, s[0].q, s[1].p, s[1].q, s[2].p, s[2].q, NULL };
	const char *envp[] = { NULL };
	long r = ward_sys_dup3(m->program, 0, O_CLOEXEC);

	if (r >= 0)
		r = ward_sys_close_range(1, ~0u, 0);
	if (r >= 0)
		r = ward_sys_keep_mapper_caps();
	if (r >= 0)
		r = ward_sys_filter_mapper();
	if (r >= 0)
		r = ward_sys_execveat(0, "", argv, envp, AT_EMPTY_PATH);
	for (;;)
		(void)ward_sys_exit_group((int)-r & WARD_MAP_ERRNO);
}

/* Returns 0 or -errno; *at is which of the three. */
static long
write_own_maps(struct ward_child *c, const struct ward_step *s, uint32_t *at)
{
	struct mapper m = { s, c->work[s->a] };
	int status = 0;
	long pid = ward_sys_clone(WARD_CLONE_VM | WARD_CLONE_VFORK | SIGCHLD,
				  c->stack + WARD_STACK_HELPER, NULL, mapper_main, &m);

	c->work[s->a] = -1;
	if (pid > 0)
		pid = ward_sys_wait4((int)pid, &status, 0);
	if (pid < 0)
		return pid;
	if (status & 0x7f)
		return -EPERM; /* somebody killed it */
	*at = (uint32_t)status >> 8 >> WARD_MAP_SHIFT;
	return -(status >> 8 & WARD_MAP_ERRNO);
}

static struct outcome
take_map_step(struct ward_child *c, const struct ward_step *s)
{
	uint32_t at = 0;
	long r = s->a < 0 ? 0 : write_own_maps(c, s, &at);

	c->record->step += r < 0 ? at : 0;
	return result(r, 0);
}

/* ---- net ---- */

static struct outcome
loopback_up(void)
{
	enum { AF_INET = 2, SOCK_DGRAM = 2, IFF_UP = 1 };
	struct ward_ifreq req = { .name = "lo" };
	long fd = ward_sys_socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), r;

	if (fd < 0)
		return result(fd, 0);
	r = ward_sys_ioctl((int)fd, SIOCGIFFLAGS, WARD_PTR(&req));
	req.u.flags |= IFF_UP;
	if (r >= 0)
		r = ward_sys_ioctl((int)fd, SIOCSIFFLAGS, WARD_PTR(&req));
	(void)ward_sys_close((int)fd);
	return result(r, 0);
}

/* ---- pid ---- */

/* What the program's process needs to go on with the steps. */
struct program {
	struct ward_child *child;
	uint32_t from; /* the step after INIT */
	int ready;     /* a byte comes when init can no longer be looked into */
};

/* We become init: its program with three descriptors and nothing else of ours. Returns on failure only. */
static long
become_init(const struct ward_child *c, const struct ward_step *s, int ready, long pid)
{
	char number[24];
	const char *argv[] = { "ward-init", number, NULL }, *envp[] = { NULL };
	const int program = c->work[s->a], status = c->work[s->b];
	long r;

	(void)append_number(number, (unsigned long)pid);
	/* These three lie above every target, and 0 to 2 are always targets. */
	r = ward_sys_dup3(status, 0, 0);
	if (r >= 0)
		r = ward_sys_dup3(ready, 1, 0);
	if (r >= 0)
		r = ward_sys_dup3(program, 2, O_CLOEXEC);
	if (r >= 0)
		r = ward_sys_close_range(3, ~0u, 0);
	return r < 0 ? r : ward_sys_execveat(2, "", argv, envp, AT_EMPTY_PATH);
}

/* The first process of the pid namespace clones the one that goes on with the steps, and turns into init.
 * @main goes on; it waits until init has memory of its own that nobody may ptrace. */
static struct outcome
start_init(struct ward_child *c, const struct ward_step *s, void (*main)(void *),
	   struct program *program)
{
	int ready[2];
	long r = ward_sys_pipe2(ready, O_CLOEXEC);

	if (r < 0)
		return result(r, 0);
	program->ready = ready[0];
	r = ward_sys_clone(WARD_CLONE_VM | SIGCHLD, c->stack + WARD_STACK_PROGRAM, NULL, main,
			   program);
	return result(r < 0 ? r : become_init(c, s, ready[1], r), 1);
}

static struct outcome
take_namespace_step(struct ward_child *c, const struct ward_step *s)
{
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_USERNS:
		return make_user_namespace(c, s->a, s->p);
	case WARD_STAGE_ID_MAP:
		return take_map_step(c, s);
	case WARD_STAGE_NESTED:
		return result(write_file(s->p, s->q, s->n), 0);
	case WARD_STAGE_NAMESPACES:
		return result(ward_sys_unshare((uint32_t)s->a), 0);
	case WARD_STAGE_HOSTNAME: /* never the host's */
		return c->record->lost & WARD_CLONE_NEWUTS
			       ? result(-EPERM, 0)
			       : result(ward_sys_sethostname(s->p, s->n), 0);
	case WARD_STAGE_LOOPBACK:
		return c->record->lost & WARD_CLONE_NEWNET ? done : loopback_up();
	default:
		return enter_user_namespace(&c->work[s->a]);
	}
}

#endif
