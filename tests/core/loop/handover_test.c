/* loop/handover.h: this program forks, and the child executes itself again; what its successor finds comes back
 * through a pipe. */
#include "loop/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/core/tap.h"

/* Numbers that are the same on both sides. */
enum { INHERITED = 50, FACTS, KEPT = 60, NOT_KEPT, REMOVED, LEFT, FIRST_CHURNED = 100 };

#define CHURNED	 48
#define ROUNDS	 40
#define DEADLINE 20000 /* ms */

struct facts {
	pid_t pid, foreign;
	char reason[32], journal[64], name[32], exe[256];
	bool blocked, terminated, stale, variable, subreaper;
	bool inherited, kept, cloexec, has_kept, not_kept, removed, left, left_closed;
	bool in_set, kept_in_set, pending, pending_after;
	int stable,
		churned_unknown; /* of the churned: how many that never change are there; strays */
	int failed;		 /* what a failed exec returned */
	bool failed_cloexec, failed_mask;
};

static struct facts facts;

static bool
is_open(int fd)
{
	return ward_fd_is_open(fd);
}

static void
place(int number)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd != number) {
		(void)dup3(fd, number, O_CLOEXEC);
		(void)close(fd);
	}
}

static void
send_facts(void)
{
	_exit(write(FACTS, &facts, sizeof(facts)) == (ssize_t)sizeof(facts) ? 0 : 1);
}

/* ---- the successor ---- */

static void
look_at_signals(void)
{
	sigset_t mask, pending;

	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	(void)sigpending(&pending);
	facts.blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1 &&
			sigismember(&mask, SIGRTMIN + 4) == 1 && sigismember(&mask, SIGSEGV) == 0;
	facts.terminated = sigismember(&pending, SIGTERM) == 1;
	facts.stale = sigismember(&pending, SIGRTMIN + 4) == 1;
}

static void
succeed(const struct ward_fdset *inherited)
{
	int subreaper = 0;

	facts.pid = getpid();
	facts.foreign = ward_handover_is_foreign(4242) ? 4242 : 0;
	(void)snprintf(facts.reason, sizeof(facts.reason), "%s",
		       ward_handover_predecessor()->reason);
	(void)snprintf(facts.journal, sizeof(facts.journal), "%.*s", (int)sizeof(facts.journal) - 1,
		       ward_handover_predecessor()->journal);
	(void)prctl(PR_GET_NAME, facts.name);
	(void)!readlink("/proc/self/exe", facts.exe, sizeof(facts.exe) - 1);
	(void)prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	facts.subreaper = subreaper == 1;
	facts.variable = getenv("WARD_HANDOVER") != NULL;
	look_at_signals();
	facts.pending = ward_handover_pending();
	facts.inherited = is_open(INHERITED) && !(fcntl(INHERITED, F_GETFD) & FD_CLOEXEC);
	facts.in_set = ward_fdset_has(inherited, INHERITED);
	facts.kept = is_open(KEPT);
	facts.cloexec = fcntl(KEPT, F_GETFD) == FD_CLOEXEC;
	facts.has_kept = ward_handover_has(KEPT) && !ward_handover_has(NOT_KEPT) &&
			 !ward_handover_has(INHERITED);
	facts.kept_in_set = ward_fdset_has(inherited, KEPT);
	facts.not_kept = is_open(NOT_KEPT);
	facts.removed = is_open(REMOVED);
	facts.left = is_open(LEFT);
	for (int i = 0; i < CHURNED; i++) {
		int fd = FIRST_CHURNED + i;

		facts.stable += i % 2 == 0 && ward_handover_has(fd);
		facts.churned_unknown += is_open(fd) != ward_handover_has(fd);
	}
	ward_handover_take(KEPT);
	ward_handover_end();
	facts.pending_after = ward_handover_pending();
	facts.left_closed = !is_open(LEFT) && is_open(KEPT) && !ward_handover_has(KEPT);
	send_facts();
}

/* ---- what executes itself ---- */

static void
prepare(void)
{
	for (int fd = KEPT; fd <= LEFT; fd++) {
		place(fd);
		ward_handover_add(fd);
	}
	ward_handover_remove(NOT_KEPT);
	ward_handover_close(&(int){ REMOVED });
	ward_handover_add(-1);
	ward_handover_remove(-1);
	ward_handover_add_foreign(4242);
	ward_handover_add_foreign(4243);
	ward_handover_remove_foreign(4243);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (ward_handover_arm("/run/a:b/journal") < 0)
		_exit(2);
}

/* Stands for the handler of a CPU timer, whose next signal is pending when the process executes itself. */
static void
on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	(void)raise(SIGTERM);
	(void)raise(SIGRTMIN + 4);
	(void)ward_handover_exec("deadline", "");
	_exit(3);
}

static void
run_from_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO };

	prepare();
	(void)sigaddset(&action.sa_mask, SIGTERM);
	(void)sigaction(SIGRTMIN + 4, &action, NULL);
	(void)raise(SIGRTMIN + 4);
	_exit(4);
}

static void
on_alarm(int sig)
{
	(void)sig;
	(void)ward_handover_exec("churn", "");
	_exit(3);
}

/* Opens and closes until a signal comes in between. Every second descriptor stays. */
static void
run_churn(long us)
{
	const struct itimerval in = { .it_value = { 0, us } };

	prepare();
	for (int i = 0; i < CHURNED; i++) {
		place(FIRST_CHURNED + i);
		ward_handover_add(FIRST_CHURNED + i);
	}
	(void)signal(SIGALRM, on_alarm);
	(void)setitimer(ITIMER_REAL, &in, NULL);
	for (unsigned int i = 0;; i++) {
		int fd = FIRST_CHURNED + (int)(i * 2 % CHURNED) + 1, gone = fd;

		ward_handover_close(&gone);
		place(fd);
		ward_handover_add(fd);
	}
}

/* The file of the program is gone: then there is nothing to upgrade to, and the same program goes on. */
static void
run_deleted(const char *path)
{
	sigset_t after;

	prepare();
	(void)unlink(path);
	facts.failed = ward_handover_exec("upgrade", "");
	(void)sigprocmask(SIG_BLOCK, NULL, &after);
	facts.failed_cloexec = fcntl(KEPT, F_GETFD) == FD_CLOEXEC;
	facts.failed_mask = sigismember(&after, SIGTERM) == 0;
	if (facts.failed != -ENOENT || !facts.failed_cloexec || !facts.failed_mask)
		_exit(5);
	(void)ward_handover_exec("deadline", "");
	_exit(3);
}

/* Executed by a link, which then leads elsewhere. */
static void
run_linked(const char *path)
{
	char copy[300];

	prepare();
	if (!ward_handover_predecessor())
		(void)ward_handover_exec("deadline", "");
	(void)snprintf(copy, sizeof(copy), "%s_copy", path);
	(void)unlink(path);
	if (symlink(copy, path) == 0)
		(void)ward_handover_exec("upgrade", "");
	_exit(3);
}

static void
run_forged(void)
{
	facts.has_kept = ward_handover_predecessor() != NULL;
	facts.variable = getenv("WARD_HANDOVER") != NULL;
	send_facts();
}

/* ---- the test ---- */

/* Runs @file in a new process with @what as its role. Returns whether facts came, and from that process. */
static bool
run(const char *file, const char *what, const char *variable)
{
	int ends[2], status = -1, inherited;
	bool same;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		inherited = open("/dev/null", O_RDONLY);
		(void)dup2(inherited, INHERITED);
		(void)close(inherited);
		(void)dup2(ends[1], FACTS);
		if (variable)
			(void)setenv("WARD_HANDOVER", variable, 1);
		(void)execl(file, file, what, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	facts = (struct facts){ 0 };
	if (poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, DEADLINE) != 1)
		(void)kill(pid, SIGKILL);
	status = read(ends[0], &facts, sizeof(facts)) == (ssize_t)sizeof(facts) ? 0 : -1;
	(void)close(ends[0]);
	same = facts.pid == pid || facts.pid == 0;
	return waitpid(pid, &(int){ 0 }, 0) == pid && status == 0 && same;
}

static void
test_from_handler(const char *self)
{
	if (!ok(run(self, "handler", NULL), "a program executes itself from a signal handler"))
		return;
	is_str(facts.reason, "deadline", "its successor is told why");
	is_str(facts.journal, "/run/a:b/journal", "and of the journal");
	is_str(facts.name, "handover_test", "it has the name that it had");
	ok(!facts.variable, "the variable is gone from its environment");
	ok(facts.kept && facts.has_kept, "what was added is open, and waits");
	ok(facts.cloexec, "and is close-on-exec again");
	ok(!facts.not_kept && !facts.removed, "what was not, or not any more, is closed");
	ok(facts.inherited && facts.in_set, "what it was first started with is what it was");
	ok(!facts.kept_in_set, "and what was kept does not pass for that");
	ok(facts.pending && !facts.pending_after,
	   "it is a successor until it has taken everything");
	ok(facts.left && facts.left_closed, "then what nobody took is closed, and only that");
	ok(facts.blocked, "all signals are blocked, but for faults");
	ok(facts.terminated, "one that came before waits");
	ok(!facts.stale, "one of a timer of the program before is gone");
	ok(facts.subreaper, "it is a subreaper still");
	is_int(facts.foreign, 4242, "it knows who was a child before all this");
}

static void
test_churn(const char *self)
{
	int good = 0;
	char role_of[32];

	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(role_of, sizeof(role_of), "churn %d", 100 + i * 37);
		good += run(self, role_of, NULL) && facts.stable == CHURNED / 2 &&
			facts.churned_unknown == 0;
	}
	is_int(good, ROUNDS,
	       "at whatever moment of a change, what stays is kept, and nothing else is open");
}

static void
copy_self(const char *self, const char *to)
{
	char command[600];

	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", self, to);
	if (system(command) != 0)
		exit(1);
}

static void
test_deleted(const char *self)
{
	const char *dir = getenv("TMPDIR");
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/handover_copy", dir ? dir : "/tmp");
	copy_self(self, path);
	if (!ok(run(path, "deleted", NULL), "without its file, an upgrade fails and leaves all as "
					    "it was, and a re-exec does not"))
		return;
	ok(facts.kept && facts.has_kept, "and what was added is open");
}

static void
test_linked(const char *self)
{
	const char *dir = getenv("TMPDIR");
	char path[256], copy[300];

	(void)snprintf(path, sizeof(path), "%s/handover_link", dir ? dir : "/tmp");
	(void)snprintf(copy, sizeof(copy), "%s_copy", path);
	copy_self(self, copy);
	ok(symlink(self, path) == 0 && run(path, "linked", NULL),
	   "a link can lead to a new program");
	(void)unlink(path);
	(void)unlink(copy);
	is_str(facts.exe, copy, "which an upgrade then runs, also after a re-exec of the old one");
	is_str(facts.journal, "/run/a:b/journal", "and tells of the journal");
}

static void
test_forged(const char *self)
{
	ok(run(self, "forged", "1:00:deadline::/tmp/x") && !facts.has_kept && !facts.variable,
	   "the variable of another process is ignored, and removed");
	ok(run(self, "forged", "::::") && !facts.has_kept && !facts.variable, "so is an empty one");
	ok(run(self, "forged", "nonsense") && !facts.has_kept && !facts.variable, "so is nonsense");
}

static void
test_unarmed(void)
{
	is_int(ward_handover_exec("deadline", ""), -EINVAL,
	       "a program that is not armed does not execute itself");
}

int
main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : NULL;
	struct ward_fdset inherited;
	char self[256];
	ssize_t n;

	if (role && strcmp(role, "rehearse") == 0)
		return 0;
	ward_handover_begin(argv, &inherited);
	if (role && strcmp(role, "linked") == 0 &&
	    (!ward_handover_predecessor() ||
	     strcmp(ward_handover_predecessor()->reason, "upgrade") != 0))
		run_linked(argv[0]);
	if (ward_handover_predecessor())
		succeed(&inherited);
	if (role && strcmp(role, "handler") == 0)
		run_from_handler();
	if (role && strncmp(role, "churn ", 6) == 0)
		run_churn(atol(role + 6));
	if (role && strcmp(role, "deleted") == 0)
		run_deleted(argv[0]);
	if (role && strcmp(role, "forged") == 0)
		run_forged();
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	test_unarmed();
	test_from_handler(self);
	test_churn(self);
	test_deleted(self);
	test_linked(self);
	test_forged(self);
	return done_testing();
}
