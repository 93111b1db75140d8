/* What a child in a whole sandbox costs, from its start until it is reaped, in microseconds: with user, pid, mount,
 * net, ipc, uts and cgroup namespaces, a read-only tree of the host with empty places, /proc and a minimal /dev, no
 * capability, a seccomp filter as long as a profile's, and an init. ward, with Landlock and as nobody besides, beside
 * bwrap(1), which has neither.
 *
 * Both take turns in short rounds; each round of ward's is compared with bwrap's in the same turn, and medians are
 * shown.
 *
 *	sandbox_bench [ROUNDS]	from the top of a built tree, as root; 21 rounds of 20
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/landlock.h"
#include "linux/seccomp.h"
#include "linux/uapi.h"
#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/signals.h"

#define ROUNDS_MAX 1000
#define ONES	   20
#define GOAL	   "0.50"
#define NOBODY	   65534

static char dir[] = "/tmp/ward-bench-XXXXXX";
static char program[sizeof(dir) + 8];
static struct ward_seccomp_filter filter;

static void
die(const char *what)
{
	(void)fprintf(stderr, "sandbox_bench: %s\n", what);
	exit(1);
}

static bool
is_in(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

#define CALLS_MAX 512

/* A filter as long as a profile's: a list of what may be called, without what no program needs. */
static void
compile_filter(void)
{
	static const char *const without[] = {
		"acct",		  "bpf",
		"clock_settime",  "delete_module",
		"finit_module",	  "init_module",
		"io_uring_setup", "kexec_load",
		"keyctl",	  "mount",
		"move_mount",	  "open_by_handle_at",
		"pivot_root",	  "perf_event_open",
		"ptrace",	  "reboot",
		"setns",	  "swapon",
		"unshare",	  "userfaultfd",
	};
	static struct ward_seccomp_rule rules[CALLS_MAX];
	struct ward_seccomp_request request = { .rules = rules };
	struct ward_err err;
	uint32_t allow = 0;

	(void)ward_seccomp_action("EPERM", &request.default_action);
	(void)ward_seccomp_action("allow", &allow);
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		/* Kept as long as the filter, which is as long as we are. */
		const char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name && !is_in(without, sizeof(without) / sizeof(without[0]), name))
			rules[request.nrules++] =
				(struct ward_seccomp_rule){ name, allow, NULL, 0, true };
	}
	if (ward_seccomp_compile(&request, &filter, &err) < 0)
		die(err.detail);
}

/* ---- bwrap ---- */

static int filter_fd = -1;

static void
open_filter(void)
{
	size_t size = filter.n * sizeof(*filter.insns);

	filter_fd = memfd_create("filter", 0);
	if (filter_fd < 0 || write(filter_fd, filter.insns, size) != (ssize_t)size)
		die("no filter for bwrap");
}

static void
with_bwrap(int n)
{
	char fd[16];
	const char *argv[] = { "bwrap",
			       "--unshare-all",
			       "--unshare-user",
			       "--ro-bind",
			       "/",
			       "/",
			       "--tmpfs",
			       "/run",
			       "--tmpfs",
			       "/var/tmp",
			       "--tmpfs",
			       "/mnt",
			       "--proc",
			       "/proc",
			       "--dev",
			       "/dev",
			       "--tmpfs",
			       "/dev/shm",
			       "--cap-drop",
			       "ALL",
			       "--new-session",
			       "--die-with-parent",
			       "--seccomp",
			       fd,
			       "--",
			       program,
			       NULL };
	const char *envp[] = { "PATH=/usr/bin:/bin", NULL };

	(void)snprintf(fd, sizeof(fd), "%d", filter_fd);
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid;

		(void)lseek(filter_fd, 0, SEEK_SET);
		if (posix_spawn(&pid, "/usr/bin/bwrap", NULL, NULL, (char **)(uintptr_t)argv,
				(char **)(uintptr_t)envp) != 0)
			die("no bwrap: install bubblewrap");
		if (waitpid(pid, &status, 0) != pid || status != 0)
			die("bwrap's child failed");
	}
}

/* ---- ward ---- */

static struct {
	struct ward_loop *loop;
	struct ward_signals *signals;
	struct ward_procs *procs;
	struct ward_plan *plan;
	int left;
} ward;

static void ward_next(void);

static void
on_started(void *arg, struct ward_proc *p)
{
	(void)arg;
	(void)p;
}

static void
on_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	(void)arg;
	(void)p;
	if (how->spawn_failed)
		die(how->err.detail);
	if (how->exit.code != 0 || how->exit.signal != 0)
		die("ward's child failed");
	ward_next();
}

static const struct ward_proc_fns fns = { .started = on_started, .ended = on_ended };

static void
ward_next(void)
{
	int slots[WARD_SLOTS];
	struct ward_proc *p;
	struct ward_err err;

	for (int i = 0; i < WARD_SLOTS; i++)
		slots[i] = -1;
	if (ward.left-- == 0)
		ward_loop_stop(ward.loop);
	else if (ward_proc_start(ward.procs, ward.plan, slots, UINT64_C(10000000000), &fns, NULL,
				 &p, &err) < 0)
		die(err.detail);
}

static void
with_ward(int n)
{
	ward.left = n;
	ward_next();
	ward_loop_run(ward.loop);
}

#define NODE	    (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
#define FILE_SYSTEM (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static const char *const tmp_options[] = { "mode", "1777", NULL };
static const char *const dev_options[] = { "mode", "0755", "size", "65536", NULL };
static const char *const pts_options[] = { "ptmxmode", "0666", "mode", "0620", NULL };
static const char *const no_options[] = { NULL };

/* What lua/ward/schema/tree.lua makes of dev = "minimal": places for what is mounted there, and links. */
static const struct ward_fill dev_fills[] = {
	{ WARD_FILL_LINK, "fd", "/proc/self/fd", 0, 0 },
	{ WARD_FILL_LINK, "ptmx", "pts/ptmx", 0, 0 },
	{ WARD_FILL_LINK, "stderr", "/proc/self/fd/2", 0, 0 },
	{ WARD_FILL_LINK, "stdin", "/proc/self/fd/0", 0, 0 },
	{ WARD_FILL_LINK, "stdout", "/proc/self/fd/1", 0, 0 },
	{ WARD_FILL_LIKE, "full", NULL, 0, 1 },
	{ WARD_FILL_LIKE, "null", NULL, 0, 2 },
	{ WARD_FILL_DIR, "pts", NULL, 0755, 0 },
	{ WARD_FILL_LIKE, "random", NULL, 0, 4 },
	{ WARD_FILL_DIR, "shm", NULL, 0755, 0 },
	{ WARD_FILL_LIKE, "tty", NULL, 0, 6 },
	{ WARD_FILL_LIKE, "urandom", NULL, 0, 7 },
	{ WARD_FILL_LIKE, "zero", NULL, 0, 8 },
};

static const struct ward_mount mounts[] = {
	{ "tmpfs", NULL, "/dev", FILE_SYSTEM | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, false,
	  dev_options, dev_fills, sizeof(dev_fills) / sizeof(dev_fills[0]) },
	{ NULL, "/dev/full", "/dev/full", NODE, false, no_options, NULL, 0 },
	{ NULL, "/dev/null", "/dev/null", NODE, false, no_options, NULL, 0 },
	{ "devpts", NULL, "/dev/pts", NODE, false, pts_options, NULL, 0 },
	{ NULL, "/dev/random", "/dev/random", NODE, false, no_options, NULL, 0 },
	{ "tmpfs", NULL, "/dev/shm", FILE_SYSTEM | MOUNT_ATTR_NOEXEC, false, tmp_options, NULL, 0 },
	{ NULL, "/dev/tty", "/dev/tty", NODE, false, no_options, NULL, 0 },
	{ NULL, "/dev/urandom", "/dev/urandom", NODE, false, no_options, NULL, 0 },
	{ NULL, "/dev/zero", "/dev/zero", NODE, false, no_options, NULL, 0 },
	{ "tmpfs", NULL, "/mnt", FILE_SYSTEM, false, tmp_options, NULL, 0 },
	{ "proc", NULL, "/proc", FILE_SYSTEM | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, false,
	  no_options, NULL, 0 },
	{ "tmpfs", NULL, "/run", FILE_SYSTEM, false, tmp_options, NULL, 0 },
	{ "tmpfs", NULL, "/var/tmp", FILE_SYSTEM, false, tmp_options, NULL, 0 },
};

/* Everything may be read and executed, nothing may be written; and no signal or socket leads out. */
static int
make_ruleset(void)
{
	struct ward_landlock_path root = { "/", 0, false };
	struct ward_landlock_request request = {
		.handled_fs = WARD_LANDLOCK_FS_ALL,
		.paths = &root,
		.npaths = 1,
		.scoped = UINT64_C(1) << ward_landlock_scope_bit("signal"),
	};
	struct ward_landlock_report report;
	struct ward_err err;
	int fd;

	(void)ward_landlock_letters("rx", ward_landlock_abi(), &root.rights);
	fd = ward_landlock_build(&request, ward_landlock_abi(), &report, &err);
	if (fd < 0)
		die(err.detail);
	return fd;
}

static void
prepare_ward(void)
{
	static const char *argv[] = { "tiny", NULL }, *envp[] = { NULL };
	struct ward_fd_rule fds[4] = {
		{ 0, WARD_SOURCE_FD, 0, NULL, 0, true },
		{ 1, WARD_SOURCE_FD, 1, NULL, 0, true },
		{ 2, WARD_SOURCE_FD, 2, NULL, 0, true },
		{ -1, WARD_SOURCE_FD, make_ruleset(), NULL, 0, false },
	};
	struct ward_draft d = { .file = program,
				.argv = argv,
				.envp = envp,
				.cwd = "/",
				.ids = { .uid = NOBODY,
					 .gid = NOBODY,
					 .set_uid = 1,
					 .set_gid = 1,
					 .set_groups = 1 },
				.umask = 022,
				.session = true,
				.fds = fds,
				.nfds = 4 };
	struct ward_err err;

	d.sandbox = (struct ward_draft_sandbox){
		.no_new_privs = true,
		.namespaces = WARD_CLONE_NEWUSER | WARD_CLONE_NEWPID | WARD_CLONE_NEWNS |
			      WARD_CLONE_NEWNET | WARD_CLONE_NEWIPC | WARD_CLONE_NEWUTS |
			      WARD_CLONE_NEWCGROUP,
		.privileged = true,
		.mounts = mounts,
		.nmounts = sizeof(mounts) / sizeof(mounts[0]),
		.host_attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		.caps = { .given = 31 }, /* all five sets, empty */
		.last_cap = 40,
		.has_ruleset = true,
		.ruleset = fds[3].number,
		.filter = (const struct ward_bpf *)(const void *)filter.insns,
		.nfilter = filter.n,
	};
	if (ward_loop_new(&ward.loop) < 0 || ward_signals_new(ward.loop, &ward.signals) < 0 ||
	    ward_procs_new(ward.loop, &ward.procs) < 0)
		die("cannot make the loop");
	if (ward_plan_new(&d, &ward.plan, &err) < 0)
		die(err.detail);
}

/* ---- taking turns ---- */

static double
measure(void (*run)(int))
{
	uint64_t from = ward_now_ns();

	run(ONES);
	return (double)(ward_now_ns() - from) / 1e3 / ONES;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static void
copy_program(void)
{
	char tiny[PATH_MAX], command[2 * PATH_MAX];

	if (!realpath("build/tests/tiny", tiny))
		die("no build/tests/tiny: run make helpers");
	if (!mkdtemp(dir))
		die("no temporary directory");
	(void)snprintf(program, sizeof(program), "%s/tiny", dir);
	(void)snprintf(command, sizeof(command), "chmod 755 %s && cp '%s' %s", dir, tiny, program);
	if (system(command) != 0)
		die("the program cannot be copied");
}

int
main(int argc, char **argv)
{
	static double own[ROUNDS_MAX], other[ROUNDS_MAX], ratio[ROUNDS_MAX];
	int rounds = argc > 1 ? atoi(argv[1]) : 21;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: sandbox_bench [ROUNDS]");
	(void)printf("%-40s %8s %7s %6s\n", "a whole sandbox, start to reaping", "us", "ratio",
		     "goal");
	if (geteuid() != 0) {
		(void)printf("needs root\n");
		return 0;
	}
	copy_program();
	compile_filter();
	open_filter();
	/* bwrap comes first: what ward's loop makes of SIGCHLD is not for others. */
	for (int r = -1; r < rounds; r++) { /* the first is for warmth */
		int at = r < 0 ? 0 : r;

		other[at] = measure(with_bwrap);
		if (r < 0)
			prepare_ward();
		own[at] = measure(with_ward);
		ratio[at] = own[at] / other[at];
	}
	(void)printf("%-40s %8.1f\n", "bwrap", median(other, rounds));
	(void)printf("%-40s %8.1f %7.2f %6s\n", "ward, with Landlock", median(own, rounds),
		     median(ratio, rounds), GOAL);
	(void)unlink(program);
	(void)rmdir(dir);
	return 0;
}
