/* Real children through plan, launch, child and process table. The program of most of them is this
 * test itself, called with "report": it writes what it sees to a file. */
#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/pidfd.h"
#include "linux/procfs.h"
#include "proc_kit.h"

static char self[4096], dir[] = "/tmp/ward-proc-test-XXXXXX";
static char report_path[4200];

/* ---- the child's side: what it sees, as one number after another ---- */

static int
report(const char *path)
{
	struct stat st;
	unsigned long mask = 0, ignored = 0;
	char line[256];
	FILE *f, *status = fopen("/proc/self/status", "re");
	struct {
		int fd;
		unsigned long ino;
	} seen[256];
	int n = 0;
	mode_t um = umask(0);

	while (status && fgets(line, sizeof(line), status)) {
		(void)sscanf(line, "SigBlk: %lx", &mask);
		(void)sscanf(line, "SigIgn: %lx", &ignored);
	}
	if (status)
		(void)fclose(status);
	for (int fd = 0; fd < 256; fd++) {
		if (fstat(fd, &st) == 0) {
			seen[n].fd = fd;
			seen[n++].ino = st.st_ino;
		}
	}
	f = fopen(path, "we");
	if (!f)
		return 1;
	(void)fprintf(f, "%lx %lx %o %d %d %d %d\n", mask, ignored, um, (int)getuid(),
		      (int)getgid(), getsid(0) == getpid(), getpgid(0) == getpid());
	(void)fprintf(f, "%d\n", n);
	for (int i = 0; i < n; i++)
		(void)fprintf(f, "%d %lu\n", seen[i].fd, seen[i].ino);
	return fclose(f) ? 1 : 0;
}

struct seen {
	unsigned long mask, ignored;
	unsigned int umask;
	int uid, gid, leads_session, leads_group, nfds;
	unsigned long ino[256];
};

static struct seen
read_report(void)
{
	struct seen s = { 0 };
	FILE *f = fopen(report_path, "re");

	if (!f)
		return s;
	if (fscanf(f, "%lx %lx %o %d %d %d %d %d", &s.mask, &s.ignored, &s.umask, &s.uid, &s.gid,
		   &s.leads_session, &s.leads_group, &s.nfds) == 8) {
		int fd;
		unsigned long ino;

		while (fscanf(f, "%d %lu", &fd, &ino) == 2)
			s.ino[fd] = ino;
	}
	(void)fclose(f);
	(void)unlink(report_path);
	return s;
}

static struct ward_draft
reporting(void)
{
	return draft_of(self, words("probe", "report", report_path));
}

/* ---- the tests ---- */

static void
test_plain(void)
{
	struct ward_draft d = reporting();
	struct outcome o;
	struct seen s;

	(void)signal(SIGHUP, SIG_IGN); /* as under nohup; the launcher was made after this */
	d.umask = 027;
	o = run(&d);
	s = read_report();
	ok(o.started == 1 && o.ended == 1, "started and ended are told once each");
	ok(!o.how.spawn_failed && o.how.exit.code == 0 && o.how.exit.signal == 0, "exit 0");
	ok(s.nfds == 3 && s.ino[0] && s.ino[1] && s.ino[2], "descriptors 0, 1, 2 and no other");
	ok(s.mask == 0, "no signal is blocked in the program");
	ok(s.ignored == 0, "no signal is ignored in the program");
	ok(s.umask == 027, "the umask is set");
	ok(s.leads_session && s.leads_group, "the program leads its session");
	d.session = false;
	(void)run(&d);
	s = read_report();
	ok(!s.leads_session && s.leads_group, "without a session it leads a process group");
}

static void
test_mask_restored(void)
{
	sigset_t before = { 0 }, after = { 0 };
	struct ward_draft d = draft_of("/nonexistent/program", words("x", NULL, NULL));

	(void)sigprocmask(SIG_SETMASK, NULL, &before);
	(void)run(&d);
	(void)sigprocmask(SIG_SETMASK, NULL, &after);
	ok(memcmp(&before, &after, sizeof(before)) == 0, "the parent's signal mask is as before");
}

static void
failure(const char *name, const struct ward_draft *d, int stage, int err, const char *sentence)
{
	struct outcome o = run(d);

	ok(o.ended == 1 && o.started == 0 && o.how.spawn_failed && o.how.err.stage == stage &&
		   o.how.err.err == err,
	   "%s: stage %s, errno %d (got %s, %d)", name, ward_stage_name(stage), err,
	   ward_stage_name(o.how.err.stage), o.how.err.err);
	ok(!sentence || strcmp(o.how.err.detail, sentence) == 0, "and says: %s", o.how.err.detail);
}

static void
test_failures(void)
{
	struct ward_fd_rule fds[3];
	const struct ward_mount no_root = { .source = "/nonexistent", .target = "/" };
	struct ward_draft d = draft_of("/nonexistent/program", words("x", NULL, NULL));

	failure("no such program", &d, WARD_STAGE_EXEC, ENOENT,
		"cannot exec /nonexistent/program: No such file or directory (stage exec)");
	d.file = "nonexistent";
	failure("not in PATH", &d, WARD_STAGE_EXEC, ENOENT,
		"cannot exec nonexistent: No such file or directory (stage exec)");
	d.file = "/etc/passwd";
	failure("not executable", &d, WARD_STAGE_EXEC, EACCES,
		"cannot exec /etc/passwd: Permission denied (stage exec)");
	d.file = report_path;
	(void)close(open(report_path, O_CREAT | O_WRONLY, 0755));
	failure("no program inside: no shell fallback", &d, WARD_STAGE_EXEC, ENOEXEC, NULL);
	(void)unlink(report_path);
	d = reporting();
	d.cwd = "/nonexistent";
	failure("no such directory", &d, WARD_STAGE_CWD, ENOENT,
		"cannot change to directory /nonexistent: No such file or directory (stage cwd)");
	if (geteuid() == 0) {
		d = reporting();
		d.sandbox.namespaces = WARD_CLONE_NEWNS;
		d.sandbox.mounts = &no_root;
		d.sandbox.nmounts = 1;
		failure("no such root", &d, WARD_STAGE_MOUNT_MAKE, ENOENT,
			"cannot make the mount for / of /nonexistent: No such file or directory "
			"(stage mount_make)");
	}
	d = reporting();
	memcpy(fds, null_fds, sizeof(fds));
	fds[1].path = "/nonexistent/log";
	d.fds = fds;
	failure("a path that cannot be opened", &d, WARD_STAGE_FD_OPEN, ENOENT,
		"cannot open /nonexistent/log: No such file or directory (stage fd_open)");
	fds[1] = (struct ward_fd_rule){ 1, WARD_SOURCE_FD, 999, NULL, 0, false };
	failure("a source that is closed", &d, WARD_STAGE_FD_MOVE, EBADF,
		"cannot place descriptor 1: Bad file descriptor (stage fd_move)");
}

static void
test_ids(void)
{
	uint32_t groups[] = { 65533, 4, 27 };
	char copy[4200], command[9000];
	struct ward_draft d = reporting();
	struct outcome o;
	struct seen s;

	if (geteuid() != 0) {
		skip("ids change only as root");
		return;
	}
	/* The tree may lie in a directory that is closed to that user. */
	(void)chmod(dir, 0777);
	(void)snprintf(copy, sizeof(copy), "%s/program", dir);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", self, copy);
	if (system(command) != 0)
		skip("the test program cannot be copied");
	d.file = copy;
	d.ids = (struct ward_ids){ .uid = 65534,
				   .gid = 65534,
				   .set_uid = 1,
				   .set_gid = 1,
				   .set_groups = 1,
				   .ngroups = 3,
				   .groups = groups };
	o = run(&d);
	s = read_report();
	ok(!o.how.spawn_failed && s.uid == 65534 && s.gid == 65534, "uid and gid are taken");
	ok(prctl(PR_GET_DUMPABLE) == 1, "the parent is dumpable again");
	(void)unlink(copy);
}

/* A path that blocks in open: the loop goes on, the launch ends with its stage. */
static void
test_hanging_open(void)
{
	char fifo[4200];
	struct ward_fd_rule fds[3];
	struct ward_draft d = reporting();
	struct outcome o;
	uint64_t from;

	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	(void)mkfifo(fifo, 0600);
	memcpy(fds, null_fds, sizeof(fds));
	fds[1].path = fifo;
	fds[1].flags = O_WRONLY;
	d.fds = fds;
	from = ward_now_ns();
	o = run_plan(plan_of(&d), SECOND / 10);
	ok(o.how.spawn_failed && o.how.err.stage == WARD_STAGE_FD_OPEN &&
		   o.how.err.err == ETIMEDOUT,
	   "an open that blocks is ended: %s", o.how.err.detail);
	ok(ward_now_ns() - from >= SECOND / 10, "and not before its time");
}

/* Does process @pid run the program at @path? */
static bool
runs(pid_t pid, const char *path)
{
	char link[64], now[4096] = "", want[4096];

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	return readlink(link, now, sizeof(now) - 1) > 0 && realpath(path, want) &&
	       strcmp(now, want) == 0;
}

/* Launches that hang, each with its own time: the later one's is over first. */
static void
test_hanging_together(void)
{
	static const uint64_t limits[3] = { SECOND / 2, SECOND / 10, SECOND / 4 };
	char fifo[4200];
	struct ward_fd_rule fds[3];
	struct ward_draft d = reporting();
	struct outcome o[3] = { 0 };
	struct ward_plan *plan;
	int wrong = 0;

	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	memcpy(fds, null_fds, sizeof(fds));
	fds[1].path = fifo;
	fds[1].flags = O_WRONLY;
	d.fds = fds;
	plan = plan_of(&d);
	for (int i = 0; i < 3; i++) {
		struct ward_proc *p;
		struct ward_err err;

		(void)ward_proc_start(procs, plan, no_slots, limits[i], &fns, &o[i], &p, &err);
	}
	while (ward_procs_count(procs) > 0)
		turn(10);
	for (int i = 0; i < 3; i++)
		wrong += o[i].ended != 1 || o[i].how.err.err != ETIMEDOUT ||
			 o[i].how.uptime_ns < limits[i];
	ok(wrong == 0 && o[1].how.uptime_ns < o[2].how.uptime_ns &&
		   o[2].how.uptime_ns < o[0].how.uptime_ns,
	   "three launches that hang end each at its own time");
	ward_plan_free(plan);
}

/* Starts without a turn of the loop between them. */
static void
test_burst(void)
{
	struct ward_draft d = draft_of("/bin/sleep", words("sleep", "1000", NULL));
	struct ward_plan *plan = plan_of(&d);
	struct outcome o[2] = { 0 };
	struct ward_proc *p[2];
	struct ward_err err;
	size_t before = open_fds(), after;

	if (syscall(SYS_clone3, NULL, 0) == 0 || errno != EINVAL) {
		skip("only clone3 tells of the end of a launch without a turn of the loop");
		ward_plan_free(plan);
		return;
	}
	(void)ward_proc_start(procs, plan, no_slots, 10 * SECOND, &fns, &o[0], &p[0], &err);
	for (uint64_t from = ward_now_ns(); !runs(ward_proc_pid(p[0]), d.file);) {
		if (ward_now_ns() - from > 20 * SECOND)
			give_up(NULL);
	}
	(void)ward_proc_start(procs, plan, no_slots, 10 * SECOND, &fns, &o[1], &p[1], &err);
	after = open_fds();
	ok(after == before + 3, "a launch ends in the next start: two pidfds and one pipe (%zu)",
	   after - before);
	ok(o[0].started == 0, "and is told of only in the loop");
	for (int turns = 0; turns < 2000 && (o[0].started == 0 || o[1].started == 0); turns++)
		turn(10);
	for (int i = 0; i < 2; i++)
		(void)ward_proc_signal(p[i], SIGKILL);
	while (ward_procs_count(procs) > 0)
		turn(10);
	ok(o[0].started == 1 && o[1].started == 1 && o[0].ended == 1 && o[1].ended == 1 &&
		   !o[0].how.spawn_failed && o[0].how.exit.signal == SIGKILL,
	   "both are told once each");
	ward_plan_free(plan);
}

static void
kill_pending(void *arg)
{
	(void)ward_proc_signal(*(struct ward_proc **)arg, SIGKILL);
}

static void
test_killed_before_exec(void)
{
	char fifo[4200];
	struct ward_fd_rule fds[3];
	struct ward_draft d = reporting();
	struct outcome o = { .stop_loop = true };
	struct ward_plan *plan;
	struct ward_proc *p;
	struct ward_err err;
	struct ward_timer *t = ward_timer_new(loop, kill_pending, &p);

	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	memcpy(fds, null_fds, sizeof(fds));
	fds[1].path = fifo;
	fds[1].flags = O_WRONLY;
	d.fds = fds;
	plan = plan_of(&d);
	(void)ward_proc_start(procs, plan, no_slots, 10 * SECOND, &fns, &o, &p, &err);
	ward_timer_arm(t, ward_now_ns() + SECOND / 50);
	ward_loop_run(loop);
	ok(o.started == 0 && o.how.spawn_failed && o.how.err.stage == WARD_STAGE_FD_OPEN &&
		   o.how.err.err == 0 && o.how.exit.signal == SIGKILL,
	   "death before exec is told with stage and signal: %s", o.how.err.detail);
	ward_timer_free(t);
	ward_plan_free(plan);
}

/* What tells a program that runs from a child that is dying. */
static void
test_memory(void)
{
	pid_t pid = fork();
	int fd, before, by_signal;

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	fd = ward_pidfd_open(pid);
	before = ward_pidfd_has_memory(fd);
	(void)ward_pidfd_signal(fd, SIGKILL);
	while (ward_pidfd_ended(fd, &by_signal) == 0)
		(void)sched_yield();
	ok(before < 0 || (before == 1 && ward_pidfd_has_memory(fd) == 0),
	   "a process has memory, and a zombie none (%d)", before);
	(void)waitpid(pid, NULL, 0);
	ward_fd_close(&fd);
}

/* Many at once, each with its own status, while orphans end around them. */
static void
test_statuses(void)
{
	enum { CHILDREN = 100 };
	static struct outcome o[CHILDREN];
	struct ward_plan *plan[CHILDREN];
	char script[CHILDREN][64];
	int wrong = 0;
	size_t before = open_fds();

	for (int i = 0; i < CHILDREN; i++) {
		struct ward_draft d;
		struct ward_proc *p;
		struct ward_err err;

		/* The subshell's child is orphaned, falls to us and ends at some moment. */
		(void)snprintf(script[i], sizeof(script[i]), "(/bin/true &); exit %d", i);
		d = draft_of("/bin/sh", words("sh", "-c", script[i]));
		plan[i] = plan_of(&d);
		o[i] = (struct outcome){ 0 };
		(void)ward_proc_start(procs, plan[i], no_slots, 10 * SECOND, &fns, &o[i], &p, &err);
	}
	while (ward_procs_count(procs) > 0)
		turn(10);
	for (int i = 0; i < CHILDREN; i++) {
		wrong += o[i].ended != 1 || o[i].started != 1 || o[i].how.exit.code != i;
		ward_plan_free(plan[i]);
	}
	ok(wrong == 0, "%d children: each status is its own, each told once", CHILDREN);
	ok(open_fds() == before, "no descriptor is left open");
}

static void
until_no_orphans(void)
{
	struct ward_timer *t = ward_timer_new(loop, give_up, NULL);

	ward_timer_arm(t, ward_now_ns() + 20 * SECOND);
	while (ward_procs_orphans(procs, false) > 0)
		turn(5);
	ward_timer_free(t);
}

static void
test_group_dies_with_leader(void)
{
	struct ward_draft d = draft_of("/bin/sh", words("sh", "-c", "sleep 1000 & exit 0"));

	(void)run(&d);
	until_no_orphans();
	ok(true, "what the program left in its process group is killed");
	d.argv = words("sh", "-c", "set -m; sleep 1000 & exit 0");
	(void)run(&d);
	until_no_orphans();
	ok(true, "and what it left in its session");
}

static void
kill_tree(void *arg)
{
	ward_proc_kill_tree(*(struct ward_proc **)arg);
}

static void
test_kill_tree(void)
{
	struct ward_draft d = draft_of(
		"/bin/sh", words("sh", "-c", "setsid sh -c 'sleep 1000 & wait' & sleep 1000; :"));
	struct outcome o = { .stop_loop = true };
	struct ward_plan *plan = plan_of(&d);
	struct ward_proc *p;
	struct ward_err err;
	struct ward_timer *t = ward_timer_new(loop, kill_tree, &p);

	(void)ward_proc_start(procs, plan, no_slots, 10 * SECOND, &fns, &o, &p, &err);
	ward_timer_arm(t, ward_now_ns() + SECOND / 5);
	ward_loop_run(loop);
	ok(o.how.exit.signal == SIGKILL, "the leader is killed");
	until_no_orphans();
	ok(true, "and every descendant, in other sessions too");
	ward_timer_free(t);
	ward_plan_free(plan);
}

/* A program that runs, and whose owner starts the next one when it is told so. */
struct chain {
	struct outcome first, next;
	struct ward_plan *plan;
};

static void
chain_started(void *arg, struct ward_proc *p)
{
	struct chain *c = arg;
	struct ward_err err;

	on_started(&c->first, p);
	(void)ward_proc_start(procs, c->plan, no_slots, SECOND, &fns, &c->next, &p, &err);
}

static void
chain_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	on_ended(&((struct chain *)arg)->first, p, how);
}

/* A launch ends those before it whose programs run; one that is being told of must not be told of again. */
static void
test_started_in_started(void)
{
	static const struct ward_proc_fns chain_fns = { chain_started, chain_ended, NULL, NULL };
	struct ward_draft d = draft_of("/bin/sleep", words("sleep", "0.05", NULL));
	struct chain c = { .first.stop_loop = true };
	struct ward_proc *p;
	struct ward_err err;

	c.plan = plan_of(&d);
	(void)ward_proc_start(procs, c.plan, no_slots, SECOND, &chain_fns, &c, &p, &err);
	ward_loop_run(loop);
	if (!c.next.ended) {
		c.next.stop_loop = true;
		ward_loop_run(loop);
	}
	ok(c.first.started == 1 && c.first.ended == 1 && c.next.started == 1 && c.next.ended == 1,
	   "a start within a start: each is told once (%d, %d)", c.first.started, c.next.started);
	ward_plan_free(c.plan);
}

/* Programs that run until they are killed; the first two of which it is told start one more each. */
struct crowd {
	struct ward_plan *plan;
	struct ward_proc *procs[5];
	int n, told, ended;
};

static void crowd_start(struct crowd *c);

static void
stop_waiting(void *arg)
{
	(void)arg;
	ward_loop_stop(loop);
}

static void
crowd_started(void *arg, struct ward_proc *p)
{
	struct crowd *c = arg;

	(void)p;
	if (c->told++ < 2)
		crowd_start(c);
	if (c->told == 5)
		ward_loop_stop(loop);
}

static void
crowd_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct crowd *c = arg;

	(void)p;
	(void)how;
	if (++c->ended == c->n)
		ward_loop_stop(loop);
}

/* Returns when the program runs: the next start settles this launch. */
static void
crowd_start(struct crowd *c)
{
	static const struct ward_proc_fns crowd_fns = { crowd_started, crowd_ended, NULL, NULL };
	uint64_t end = ward_now_ns() + 10 * SECOND;
	struct ward_procstat st = { 0 };
	struct ward_proc **p = &c->procs[c->n];
	struct ward_err err;

	if (ward_proc_start(procs, c->plan, no_slots, 10 * SECOND, &crowd_fns, c, p, &err) < 0)
		return;
	c->n++;
	do
		(void)sched_yield();
	while (ward_procfs_stat(ward_proc_pid(*p), &st) == 0 && (st.flags & WARD_PF_FORKNOEXEC) &&
	       ward_now_ns() < end);
}

/* A launch that is settled while others are told of is told of as well, and soon. */
static void
test_started_while_told(void)
{
	struct ward_draft d = draft_of("/bin/sleep", words("sleep", "1000", NULL));
	struct crowd c = { .plan = plan_of(&d) };
	struct ward_timer *t = ward_timer_new(loop, stop_waiting, NULL);

	for (int i = 0; i < 3; i++)
		crowd_start(&c);
	ward_timer_arm(t, ward_now_ns() + 10 * SECOND);
	ward_loop_run(loop);
	is_int(c.told, 5, "launches settled while others are told of are told of too");
	for (int i = 0; i < c.n; i++)
		(void)ward_proc_signal(c.procs[i], SIGKILL);
	ward_timer_arm(t, ward_now_ns() + 10 * SECOND);
	while (c.ended < c.n)
		ward_loop_run(loop);
	ward_timer_free(t);
	ward_plan_free(c.plan);
}

/* Frees the plan of the child that has ended, and starts the next one, while it is told of the end. */
struct relay {
	struct outcome o;
	struct ward_plan *plan;
	int left;
	int zombies, reaped; /* as it was told, and when the next had been launched */
};

static void relay_start(struct relay *r);

static void
relay_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct relay *r = arg;

	ward_plan_free(r->plan);
	r->o.stop_loop = r->left == 0;
	on_ended(&r->o, p, how);
	r->zombies += kill(how->exit.pid, 0) == 0;
	if (r->left-- > 0)
		relay_start(r);
	r->reaped += kill(how->exit.pid, 0) < 0;
}

static const struct ward_proc_fns relay_fns = { on_started, relay_ended, NULL, NULL };

static void
relay_start(struct relay *r)
{
	bool good = r->left % 2 == 0;
	struct ward_draft d = draft_of(good ? "/bin/true" : "/nowhere/x", words("x", NULL, NULL));
	struct ward_proc *p;
	struct ward_err err;

	r->plan = plan_of(&d);
	if (ward_proc_start(procs, r->plan, no_slots, SECOND, &relay_fns, r, &p, &err) < 0)
		ward_loop_stop(loop);
}

static void
test_plan_freed_at_end(void)
{
	struct relay r = { .left = 9 };

	relay_start(&r);
	ward_loop_run(loop);
	ok(r.o.ended == 10 && r.o.started == 5,
	   "ends that free their plan and start the next child (%d, %d)", r.o.ended, r.o.started);
	ok(r.zombies == 10 && r.reaped == 9 && kill(r.o.how.exit.pid, 0) < 0,
	   "a child is reaped before the next launch, at the latest when its end is told (%d, %d)",
	   r.zombies, r.reaped);
}

static void
test_no_growth(void)
{
	size_t before = open_fds();
	struct ward_draft d = draft_of("/bin/true", words("true", NULL, NULL));

	for (int i = 0; i < 300; i++)
		(void)run(&d);
	ok(open_fds() == before, "300 launches leave as many descriptors open as before");
}

static void
stop_at_once(void *arg, struct ward_proc *p)
{
	on_started(arg, p);
	(void)ward_proc_stop(p, SIGTERM);
}

/* Whoever is told that the program runs may ask it to stop: it gets that signal, and no KILL. */
static void
test_stop_when_told(void)
{
	static const struct ward_proc_fns stopping = { stop_at_once, on_ended, NULL, NULL };
	struct outcome o = { .stop_loop = true };
	struct ward_draft d = draft_of("/bin/sleep", words("sleep", "100", NULL));
	struct ward_plan *plan = plan_of(&d);
	struct ward_proc *p;
	struct ward_err err;

	if (ward_proc_start(procs, plan, no_slots, 10 * SECOND, &stopping, &o, &p, &err) == 0)
		ward_loop_run(loop);
	ward_plan_free(plan);
	ok(o.started == 1 && o.ended == 1 && o.how.exit.signal == SIGTERM,
	   "a stop from the report of the start is the signal it says");
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "report") == 0)
		return report(argv[2]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || !mkdtemp(dir))
		return 1;
	(void)snprintf(report_path, sizeof(report_path), "%s/report", dir);
	(void)signal(SIGHUP, SIG_IGN);
	kit_begin();

	test_plain();
	test_mask_restored();
	test_failures();
	test_ids();
	test_hanging_open();
	test_hanging_together();
	test_killed_before_exec();
	test_memory();
	test_burst();
	test_statuses();
	test_group_dies_with_leader();
	test_kill_tree();
	test_started_in_started();
	test_started_while_told();
	test_plan_freed_at_end();
	test_no_growth();

	test_stop_when_told();
	kit_end();
	(void)snprintf(report_path, sizeof(report_path), "%s/fifo", dir);
	(void)unlink(report_path);
	(void)rmdir(dir);
	return done_testing();
}
