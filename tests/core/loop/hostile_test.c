/* Children that hang or are attacked before exec: the loop never waits for one, a launch that takes too
 * long is ended and says where it was, and nobody of the child's own uid reaches the memory that it
 * shares with the supervisor.
 *
 *	WARD_SPAWNS=N	children in the storm and in the test of growth; 10,000 and 100,000
 */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "late_kit.h"

#define ATTACKER 54321 /* a uid and gid that nobody has */

static char tiny[4096], dir[] = "/tmp/ward-hostile-test-XXXXXX", fifo[64];

/* The test of a uid that nobody may enter its directory. */
static char program[64];

static void
end_process(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* ---- launches in any number ---- */

struct crowd {
	const struct ward_plan *plan;
	long to_start, running, ended, timed_out, other;
	long at_once;
	uint64_t timeout_ns;
	bool kill_started;
	int stages[WARD_STAGE_COUNT]; /* in which they timed out */
};

static void
crowd_started(void *arg, struct ward_proc *p)
{
	const struct crowd *c = arg;

	if (c->kill_started)
		(void)ward_proc_signal(p, SIGKILL);
}

static void crowd_start(struct crowd *c);

static void
crowd_ended(void *arg, struct ward_proc *p, const struct ward_ended *how)
{
	struct crowd *c = arg;

	(void)p;
	c->running--;
	c->ended++;
	if (how->spawn_failed && how->err.err == ETIMEDOUT) {
		c->timed_out++;
		c->stages[how->err.stage]++;
	} else if (how->spawn_failed && how->err.err != 0) {
		c->other++;
		printf("# %s\n", how->err.detail);
	}
	crowd_start(c);
}

static const struct ward_proc_fns crowd_fns = { crowd_started, crowd_ended, NULL, NULL };

static void
crowd_start(struct crowd *c)
{
	struct ward_proc *p;
	struct ward_err err;

	while (c->to_start > 0 && c->running < c->at_once) {
		if (ward_proc_start(procs, c->plan, no_slots, c->timeout_ns, &crowd_fns, c, &p,
				    &err) < 0) {
			printf("Bail out! start: %s\n", err.detail);
			exit(1);
		}
		c->to_start--;
		c->running++;
	}
	if (c->running == 0)
		ward_loop_stop(loop);
}

static long
number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

static struct ward_draft
as_attacker(void)
{
	static const uint32_t groups[] = { ATTACKER };
	struct ward_draft d = draft_of(program, words("tiny", NULL, NULL));

	d.ids = (struct ward_ids){ .uid = ATTACKER,
				   .gid = ATTACKER,
				   .set_uid = 1,
				   .set_gid = 1,
				   .set_groups = 1,
				   .ngroups = 1,
				   .groups = groups };
	return d;
}

/* ---- the loop never waits ---- */

static void
run_crowd(struct crowd *c, struct ticker *t)
{
	crowd_start(c); /* many at once, before the loop runs */
	ticker_begin(t);
	ward_loop_run(loop);
	ticker_end(t);
}

static void
dawdle(void *arg)
{
	(void)arg;
	(void)usleep(20000);
}

/* A loop that waits is found out, however busy the machine is. */
static void
test_measure(void)
{
	struct ward_draft d = draft_of(tiny, words("tiny", NULL, NULL));
	struct ward_plan *plan = plan_of(&d);
	struct crowd c = { .plan = plan, .to_start = 200, .at_once = 4, .timeout_ns = 10 * SECOND };
	struct ward_timer *once = ward_timer_new(loop, dawdle, NULL);
	struct ticker t;

	ward_timer_arm(once, ward_now_ns() + SECOND / 200);
	run_crowd(&c, &t);
	ward_timer_free(once);
	ok(t.worst > LATE_NS, "a loop that waits for 20 ms is late (%.1f ms)",
	   (double)t.worst / 1e6);
	ward_plan_free(plan);
}

static void
test_fifo(void)
{
	struct ward_fd_rule fds[3];
	struct ward_draft d = draft_of(tiny, words("tiny", NULL, NULL));
	struct ward_plan *plan;
	struct crowd c = { .to_start = 20, .at_once = 20, .timeout_ns = SECOND / 5 };
	struct ticker t;

	memcpy(fds, null_fds, sizeof(fds));
	fds[1].path = fifo;
	fds[1].flags = O_WRONLY;
	d.fds = fds;
	c.plan = plan = plan_of(&d);
	run_crowd(&c, &t);
	judge(&t, "stdout on a FIFO that nobody reads");
	ok(c.timed_out == 20 && c.stages[WARD_STAGE_FD_OPEN] == 20,
	   "each launch ends in time, and names the open");
	ok(ward_procs_count(procs) == 0, "and its process is gone");
	ward_plan_free(plan);
}

/* Stops whatever it may, as fast as it can. */
static pid_t
storm_begin(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setgid(ATTACKER) < 0 || setuid(ATTACKER) < 0)
			_exit(1);
		for (;;)
			(void)kill(-1, SIGSTOP);
	}
	return pid;
}

static void
test_storm(void)
{
	struct ward_draft d = as_attacker();
	long all = number("WARD_SPAWNS", 10000);
	struct crowd c = {
		.to_start = all, .at_once = 16, .timeout_ns = SECOND / 20, .kill_started = true
	};
	struct ward_plan *plan;
	struct ticker t;
	pid_t storm = storm_begin();

	/* The lock of the memory that they share with us may be held by one that gets no processor. */
	d.process.set_nice = true;
	d.process.nice = -20;
	c.plan = plan = plan_of(&d);
	run_crowd(&c, &t);
	judge(&t, "a storm of SIGSTOP from the child's uid");
	/* A storm that hits nobody would prove nothing. */
	ok(c.ended == all && c.other == 0 && (c.timed_out > 0 || all < 1000),
	   "%ld launches end: %ld were stopped before exec and timed out", all, c.timed_out);
	end_process(storm);
	ok(ward_procs_count(procs) == 0 && prctl(PR_GET_DUMPABLE) == 1,
	   "no process is left, and the supervisor is dumpable again");
	ward_plan_free(plan);
}

/* ---- execve that is held up, by a filter which asks us ---- */

/* Children ask for each execve from here on. Returns the descriptor of their questions. */
static int
hold_execve(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(*code), code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &prog);
}

/* What an attacker gets hold of in @pid; 0 when nothing. @address is readable there. */
enum { GOT_PTRACE = 1, GOT_MEM = 2, GOT_READV = 4, GOT_FDS = 8, GOT_ALL = 15 };

static int
attack(pid_t pid, const void *address)
{
	char path[64], buf[8];
	struct iovec to = { buf, sizeof(buf) }, from = { (void *)(uintptr_t)address, sizeof(buf) };
	int got = 0, fd;
	DIR *fds;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
		got |= GOT_PTRACE;
		(void)kill(pid, SIGCONT);
		(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		(void)waitpid(pid, NULL, __WALL);
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (pread(fd, buf, sizeof(buf), (off_t)(uintptr_t)address) == (ssize_t)sizeof(buf))
			got |= GOT_MEM;
		(void)close(fd);
	}
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) > 0)
		got |= GOT_READV;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fds = opendir(path);
	if (fds) {
		got |= GOT_FDS;
		(void)closedir(fds);
	}
	return got;
}

/* The same from a process of that uid. */
static int
attack_as(pid_t pid, const void *address)
{
	pid_t attacker = fork();
	int status = 0;

	if (attacker == 0) {
		if (setgid(ATTACKER) < 0 || setuid(ATTACKER) < 0)
			_exit(99);
		_exit(attack(pid, address));
	}
	(void)waitpid(attacker, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const int secret = 4711;

/* A plain process of that uid, which ward knows nothing of. */
static pid_t
victim_begin(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setgid(ATTACKER) < 0 || setuid(ATTACKER) < 0)
			_exit(1);
		(void)prctl(PR_SET_DUMPABLE, 1);
		for (;;)
			(void)pause();
	}
	while (kill(pid, 0) == 0) { /* until it is that uid's */
		char path[64];
		struct stat st;

		(void)snprintf(path, sizeof(path), "/proc/%d", pid);
		if (stat(path, &st) == 0 && st.st_uid == ATTACKER)
			break;
		(void)usleep(1000);
	}
	return pid;
}

static struct ward_proc *
start(const struct ward_plan *plan, struct outcome *o, uint64_t timeout_ns)
{
	struct ward_proc *p;
	struct ward_err err;

	if (ward_proc_start(procs, plan, no_slots, timeout_ns, &fns, o, &p, &err) < 0) {
		printf("Bail out! start: %s\n", err.detail);
		exit(1);
	}
	return p;
}

/* The next child that asks for execve. */
static struct seccomp_notif
next_question(int listener)
{
	struct seccomp_notif q = { 0 };

	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &q);
	return q;
}

static void
let_go(int listener, uint64_t id)
{
	struct seccomp_notif_resp r = { .id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* In a process of its own: the filter stays for good. */
static void
test_held(void)
{
	pid_t victim = victim_begin(), self = getpid();
	int listener = hold_execve();
	struct ward_draft d = as_attacker();
	struct ward_plan *plan = plan_of(&d);
	struct outcome a = { .stop_loop = true }, b = { .stop_loop = true };
	struct seccomp_notif q;
	struct ticker t;
	struct ward_proc *p;

	if (listener < 0) {
		skip("seccomp has no user notification here");
		return;
	}
	p = start(plan, &a, SECOND);
	q = next_question(listener);
	ok((pid_t)q.pid == ward_proc_pid(p), "a child of another uid waits in execve");
	ok(attack_as(victim, &secret) == GOT_ALL,
	   "a plain process of that uid is taken over by its like");
	ok(attack_as(ward_proc_pid(p), &secret) == 0,
	   "the child is not: no ptrace, memory, descriptors");
	ok(attack_as(self, &secret) == 0, "nor is the supervisor");
	/* Another launch begins and ends meanwhile. */
	(void)start(plan, &b, 10 * SECOND);
	q = next_question(listener);
	let_go(listener, q.id);
	ward_loop_run(loop);
	ok(b.ended == 1 && !b.how.spawn_failed && a.ended == 0 && prctl(PR_GET_DUMPABLE) == 0 &&
		   attack_as(ward_proc_pid(p), &secret) == 0,
	   "nor while others come and go");
	(void)prctl(PR_SET_DUMPABLE, 1);
	ok(attack_as(ward_proc_pid(p), &secret) & GOT_MEM,
	   "it would be, were the supervisor dumpable");
	(void)prctl(PR_SET_DUMPABLE, 0);
	ticker_begin(&t);
	ward_loop_run(loop);
	ticker_end(&t);
	judge(&t, "an execve that is held up");
	ok(a.started == 0 && a.how.spawn_failed && a.how.err.stage == WARD_STAGE_EXEC &&
		   a.how.err.err == ETIMEDOUT,
	   "it times out: %s", a.how.err.detail);
	ok(kill((pid_t)a.how.exit.pid, 0) < 0 && errno == ESRCH, "and its process is gone");
	ok(prctl(PR_GET_DUMPABLE) == 1, "then the supervisor is dumpable again");
	ward_plan_free(plan);
	end_process(victim);
}

static void
test_held_elsewhere(void)
{
	pid_t pid;
	int status = 0;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		kit_begin();
		test_held();
		kit_end();
		(void)fflush(stdout);
		_exit(tap_failed ? 100 : tap_run);
	}
	(void)waitpid(pid, &status, 0);
	tap_run = WIFEXITED(status) ? WEXITSTATUS(status) : tap_run;
	ok(WIFEXITED(status) && WEXITSTATUS(status) < 100, "all of that held");
}

/* ---- no growth ---- */

/* The heap that is in use, where a sanitizer counts it: what its allocator keeps at hand is not ours. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static long
used_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f;

	if (__sanitizer_get_current_allocated_bytes)
		return (long)(__sanitizer_get_current_allocated_bytes() / 1024);
	f = fopen("/proc/self/statm", "re");
	if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		(void)fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
test_growth(void)
{
	struct crowd c = { .at_once = 16, .timeout_ns = 10 * SECOND };
	struct ward_draft d = draft_of(tiny, words("tiny", NULL, NULL));
	struct ward_plan *plan = plan_of(&d);
	long spawns = number("WARD_SPAWNS", 100000), before, after;
	size_t fds;

	c.plan = plan;
	c.to_start = 1000;
	crowd_start(&c);
	ward_loop_run(loop);
	before = used_kib();
	fds = open_fds();
	c.to_start = spawns;
	crowd_start(&c);
	ward_loop_run(loop);
	after = used_kib();
	ok(c.ended == spawns + 1000 && c.timed_out == 0 && c.other == 0, "%ld children", spawns);
	ok(open_fds() == fds, "as many descriptors are open as after the first thousand");
	ok(after - before <= 128, "and as much memory is used: %ld KiB, then %ld KiB", before,
	   after);
	ward_plan_free(plan);
}

int
main(void)
{
	char command[8400];

	if (!realpath("build/tests/tiny", tiny) || !mkdtemp(dir))
		return 1;
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	(void)snprintf(program, sizeof(program), "%s/tiny", dir);
	(void)snprintf(command, sizeof(command), "cp '%s' %s && chmod 755 %s %s", tiny, program,
		       dir, program);
	if (mkfifo(fifo, 0600) < 0 || system(command) != 0)
		return 1;
	if (geteuid() == 0)
		test_held_elsewhere();
	else
		skip("ids change only as root");
	kit_begin();
	test_measure();
	test_fifo();
	if (geteuid() == 0)
		test_storm();
	else
		skip("ids change only as root");
	test_growth();
	kit_end();
	(void)unlink(fifo);
	(void)unlink(program);
	(void)rmdir(dir);
	return done_testing();
}
