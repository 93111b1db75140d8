/* Children that are taken over: made here by fork(2), they stand for those that came through a re-exec. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux/pidfd.h"
#include "tests/core/loop/proc_kit.h"

/* What a child waits for, and what its program says when it runs; the reader is the report of a launch. */
struct born {
	pid_t pid;
	int pidfd, report, go;
};

/* A child that waits until @go is closed or has a byte, and then runs `sh -c @script`, or ends with 1 without one. */
static struct born
bear(const char *script)
{
	int report[2], go[2];
	struct born b;
	char byte;

	if (pipe2(report, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		exit(1);
	b.pid = fork();
	if (b.pid == 0) {
		(void)close(go[1]);
		(void)!read(go[0], &byte, 1);
		if (script)
			(void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(1);
	}
	(void)close(report[1]);
	(void)close(go[0]);
	b.pidfd = ward_pidfd_open(b.pid);
	b.report = report[0];
	b.go = go[1];
	return b;
}

static struct ward_proc_kept
kept_of(const struct born *b)
{
	return (struct ward_proc_kept){ .pid = b->pid,
					.pidfd = b->pidfd,
					.report = b->report,
					.status = -1,
					.listener = -1,
					.started_ns = ward_now_ns() };
}

static bool
adopt(const struct born *b, const struct ward_plan *plan, uint64_t timeout_ns, struct outcome *o)
{
	struct ward_proc_kept kept = kept_of(b);
	struct ward_proc *p;
	bool running = true;

	*o = (struct outcome){ .stop_loop = true };
	if (!is_int(ward_proc_adopt(procs, &kept, plan, -1, timeout_ns, &fns, o, &p, &running), 0,
		    "a child is taken over"))
		return false;
	return ok(!running, "whose program has not begun");
}

static void
test_begins(void)
{
	struct born b = bear("exit 7");
	struct outcome o;

	if (!adopt(&b, NULL, 10 * SECOND, &o))
		return;
	ward_fd_close(&b.go);
	ward_loop_run(loop);
	is_int(o.started, 1, "when it begins, that is told, once");
	is_int(o.how.exit.code, 7, "and how it ends");
	ok(!o.how.spawn_failed && !o.how.unknown, "as the end of a program");
	is_int((int)ward_procs_count(procs), 0, "then it is gone from the table");
}

/* As ended does of a child that cannot run its program: without one. */
static void
check_failed(const struct outcome *o, int err, const char *what)
{
	ok(o->how.spawn_failed && !o->how.unknown, "%s: a failed spawn", what);
	is_int(o->how.err.stage, 0, "%s: of no stage", what);
	is_int(o->how.err.err, err, "%s: with the errno that is known", what);
	is_int(o->started, 0, "%s: that never began", what);
	is_int(o->ended, 1, "%s: and is told once", what);
}

static void
test_fails(void)
{
	struct born b = bear(NULL);
	struct outcome o;

	if (!adopt(&b, NULL, 10 * SECOND, &o))
		return;
	ward_fd_close(&b.go);
	ward_loop_run(loop);
	check_failed(&o, 0, "a step fails");
	is_int(o.how.exit.code, 1, "its status is there, too");
}

static void
test_killed(void)
{
	struct born b = bear("exit 7");
	struct outcome o;

	if (!adopt(&b, NULL, 10 * SECOND, &o))
		return;
	(void)kill(b.pid, SIGKILL);
	ward_loop_run(loop);
	ward_fd_close(&b.go);
	check_failed(&o, 0, "killed");
	is_int(o.how.exit.signal, SIGKILL, "its signal is told");
}

static void
test_dead(void)
{
	struct born b = bear(NULL);
	struct ward_proc_kept kept;
	struct outcome o = { .stop_loop = true };
	struct ward_proc *p;
	siginfo_t info;
	bool running = true;

	ward_fd_close(&b.go);
	(void)waitid(P_PID, (id_t)b.pid, &info, WEXITED | WNOWAIT);
	ward_fd_close(&b.report);
	kept = kept_of(&b);
	is_int(ward_proc_adopt(procs, &kept, NULL, -1, 10 * SECOND, &fns, &o, &p, &running), 0,
	       "one that ended meanwhile, and has no report any more, is taken over");
	ward_loop_run(loop);
	check_failed(&o, 0, "ended meanwhile");
}

static void
test_times_out(void)
{
	struct born b = bear("exit 7");
	struct outcome o;

	if (!adopt(&b, NULL, SECOND / 50, &o))
		return;
	ward_loop_run(loop);
	ward_fd_close(&b.go);
	check_failed(&o, ETIMEDOUT, "timed out");
}

static int
read_oom(pid_t pid)
{
	char path[64];
	int value = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &value) != 1)
		value = -1;
	if (f)
		(void)fclose(f);
	return value;
}

/* Reads it while the child lives, and ends it. */
static void
on_begun(void *arg, struct ward_proc *p)
{
	struct outcome *o = arg;

	o->started = read_oom(ward_proc_pid(p));
	ward_proc_kill_tree(p);
}

static void
test_plan(void)
{
	static const struct ward_proc_fns begun = { on_begun, on_ended, NULL, NULL };
	struct ward_draft d = draft_of("/bin/sleep", words("sleep", "1000", NULL));
	struct born b = bear("exec sleep 1000");
	struct ward_proc_kept kept = kept_of(&b);
	struct outcome o = { .stop_loop = true };
	struct ward_plan *plan;
	struct ward_proc *p;
	bool running;

	d.process.set_oom = true;
	d.process.oom_score_adj = 612;
	plan = plan_of(&d);
	is_int(ward_proc_adopt(procs, &kept, plan, -1, 10 * SECOND, &begun, &o, &p, &running), 0,
	       "with its plan");
	ward_fd_close(&b.go);
	ward_loop_run(loop);
	is_int(o.started, 612, "what is left to do when the program runs is done");
	is_int(o.how.exit.signal, SIGKILL, "and its tree can be killed");
	ward_plan_free(plan);
}

static void
test_runs(void)
{
	struct born b = bear("exec sleep 1000");
	struct ward_proc_kept kept = kept_of(&b);
	struct outcome o = { .stop_loop = true };
	struct ward_proc *p;
	bool running = false;
	char byte;

	ward_fd_close(&b.go);
	(void)!read(b.report, &byte, 1); /* its end: the program runs */
	ward_fd_close(&b.report);
	kept.report = -1;
	kept.started_ns = ward_now_ns() - 5 * SECOND;
	is_int(ward_proc_adopt(procs, &kept, NULL, -1, 10 * SECOND, &fns, &o, &p, &running), 0,
	       "one whose program runs is taken over");
	ok(running, "and is known to");
	is_int(ward_proc_kept(p).report, -1, "it has no report");
	is_int(ward_proc_kept(p).pidfd, b.pidfd, "the descriptor is the one that it had");
	is_int(ward_proc_stop(p, SIGTERM), 0, "it is asked to stop");
	ward_loop_run(loop);
	is_int(o.how.exit.signal, SIGTERM, "and does, as it is told to");
	is_int(o.started, 0, "its start is not told again");
	ok(o.how.uptime_ns >= 5 * SECOND, "its uptime counts from its real start");
}

static void
test_strangers(void)
{
	struct born b = bear(NULL), other = bear(NULL);
	struct ward_proc_kept kept = kept_of(&b);
	struct outcome o = { 0 };
	struct ward_proc *p;
	bool running;
	size_t before = open_fds();

	kept.pidfd = other.pidfd;
	is_int(ward_proc_adopt(procs, &kept, NULL, -1, SECOND, &fns, &o, &p, &running), -ESRCH,
	       "the descriptor of another child is refused");
	kept.pidfd = b.report;
	is_int(ward_proc_adopt(procs, &kept, NULL, -1, SECOND, &fns, &o, &p, &running), -ESRCH,
	       "so is what is none of a child");
	kept = kept_of(&b);
	kept.pid = getppid();
	is_int(ward_proc_adopt(procs, &kept, NULL, -1, SECOND, &fns, &o, &p, &running), -ESRCH,
	       "and who is no child");
	is_int((int)ward_procs_count(procs), 0, "nobody is in the table");
	is_int((int)open_fds(), (int)before, "and no descriptor was closed");
	for (int i = 0; i < 2; i++) {
		struct born *each = i ? &other : &b;

		(void)kill(each->pid, SIGKILL);
		ward_fd_close(&each->go);
		(void)waitpid(each->pid, &(int){ 0 }, 0);
		ward_fd_close(&each->pidfd);
		ward_fd_close(&each->report);
	}
}

int
main(void)
{
	struct ward_timer *limit;
	size_t before;

	kit_begin();
	limit = ward_timer_new(loop, give_up, NULL);
	ward_timer_arm(limit, ward_now_ns() + 20 * SECOND);
	before = open_fds();
	test_begins();
	test_fails();
	test_killed();
	test_dead();
	test_times_out();
	test_plan();
	test_runs();
	test_strangers();
	is_int((int)open_fds(), (int)before, "all that was taken over is closed");
	ward_timer_free(limit);
	kit_end();
	return done_testing();
}
