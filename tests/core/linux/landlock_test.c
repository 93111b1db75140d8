/* Rulesets are built, and enforced in a forked child that tries what they forbid. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "linux/landlock.h"
#include "linux/sys.h"
#include "linux/uapi.h"
#include "tests/core/tap.h"

#define RIGHT(name) WARD_LANDLOCK_ACCESS_FS_##name

/* In a child under @ruleset, runs @act and returns what it returns: 0 or an errno; -1 when the
 * ruleset could not be enforced. */
static int
under(int ruleset, int (*act)(const void *), const void *arg)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (syscall(__NR_landlock_restrict_self, ruleset, 0) != 0)
			_exit(255);
		_exit(act(arg));
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

static int
act_read(const void *path)
{
	return open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int
act_write(const void *path)
{
	return open(path, O_WRONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int
act_create(const void *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int
act_truncate(const void *path)
{
	return truncate(path, 0) < 0 ? errno : 0;
}

static int
act_exec(const void *path)
{
	execl(path, path, (char *)NULL);
	return errno;
}

/* @arg: two paths */
static int
act_rename(const void *arg)
{
	const char *const *paths = arg;

	return rename(paths[0], paths[1]) < 0 ? errno : 0;
}

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int
act_bind(const void *port)
{
	struct sockaddr_in sa = loopback(*(const uint16_t *)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
}

static int
act_connect(const void *port)
{
	struct sockaddr_in sa = loopback(*(const uint16_t *)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? errno : 0;
}

static int
act_signal_parent(const void *arg)
{
	(void)arg;
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static void
make_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	(void)fputs(text, f);
	(void)fclose(f);
}

/* A ruleset over all file rights with one rule. */
static struct ward_landlock_request
request_of(const struct ward_landlock_path *paths, size_t n)
{
	return (struct ward_landlock_request){ .handled_fs = WARD_LANDLOCK_FS_ALL,
					       .paths = paths,
					       .npaths = n };
}

static void
refused(const struct ward_landlock_request *r, int abi, int want, const char *sentence)
{
	struct ward_landlock_report report = { .abi = 77 };
	struct ward_err err = { 0 };
	int got = ward_landlock_build(r, abi, &report, &err);

	if (got >= 0)
		(void)close(got);
	ok(got == -want && err.err == want && report.abi == 77 && strcmp(err.detail, sentence) == 0,
	   "refused: %s", err.detail);
}

static void
test_names(void)
{
	uint64_t r = 0, w = 0, x = 0, old = 0, all = 0;
	int bad = 0;

	for (int i = 0; i < 16; i++)
		bad += ward_landlock_fs_bit(ward_landlock_fs_name(i)) != i;
	for (int i = 0; i < 2; i++)
		bad += ward_landlock_scope_bit(ward_landlock_scope_name(i)) != i;
	ok(bad == 0, "names of rights and scopes lead back");
	ok(UINT64_C(1) << ward_landlock_fs_bit("refer") == RIGHT(REFER) &&
		   UINT64_C(1) << ward_landlock_fs_bit("ioctl_dev") == RIGHT(IOCTL_DEV) &&
		   UINT64_C(1) << ward_landlock_fs_bit("make_sym") == RIGHT(MAKE_SYM) &&
		   UINT64_C(1) << ward_landlock_scope_bit("signal") == WARD_LANDLOCK_SCOPE_SIGNAL &&
		   strcmp(ward_landlock_net_name(1), "connect_tcp") == 0,
	   "and are those of their bits");
	ok(!ward_landlock_fs_name(16) && !ward_landlock_fs_name(-1) && !ward_landlock_net_name(2) &&
		   !ward_landlock_scope_name(2) && ward_landlock_fs_bit("Execute") == -1 &&
		   ward_landlock_scope_bit("signals") == -1,
	   "there are no others");

	(void)ward_landlock_letters("r", 7, &r);
	(void)ward_landlock_letters("w", 7, &w);
	(void)ward_landlock_letters("x", 7, &x);
	(void)ward_landlock_letters("xwr", 7, &all);
	(void)ward_landlock_letters("w", 1, &old);
	ok((r | w | x) == all &&
		   all == (WARD_LANDLOCK_FS_ALL &
			   ~(RIGHT(MAKE_CHAR) | RIGHT(MAKE_BLOCK) | RIGHT(IOCTL_DEV))),
	   "rwx is all but devices");
	ok(!(r & w) && !(w & x) && x == RIGHT(EXECUTE) &&
		   r == (RIGHT(READ_FILE) | RIGHT(READ_DIR)) && old == (w & ~RIGHT(REFER)),
	   "each right has one letter");
	ok(ward_landlock_letters("rq", 7, &all) == -EINVAL &&
		   ward_landlock_letters("", 7, &all) == -EINVAL && all == (r | w | x),
	   "other letters are refused, and none");
}

static void
test_refusals(void)
{
	struct ward_landlock_path path = { .path = "/usr", .rights = RIGHT(READ_FILE) };
	struct ward_landlock_path refer = { .path = "/tmp", .rights = RIGHT(REFER) };
	struct ward_landlock_request r = { 0 };

	refused(&r, 7, ENOMSG, "the Landlock ruleset restricts nothing");
	r = request_of(&path, 1);
	refused(&r, -ENOSYS, ENOSYS, "this kernel has no Landlock");
	refused(&r, -EOPNOTSUPP, EOPNOTSUPP, "Landlock is disabled in this kernel");
	r.handled_fs = RIGHT(EXECUTE);
	refused(&r, 7, EINVAL, "fs[\"/usr\"]: it allows what is not restricted");
	r.handled_fs = UINT64_C(1) << 16;
	refused(&r, 7, EINVAL, "the Landlock ruleset has unknown rights");
	r = request_of(&path, 1);
	path.rights = 0;
	refused(&r, 7, EINVAL, "fs[\"/usr\"]: it allows nothing");
	path = (struct ward_landlock_path){ .path = "/no/such", .rights = RIGHT(READ_FILE) };
	refused(&r, 1, ENOENT, "fs[\"/no/such\"]: No such file or directory");
	path = (struct ward_landlock_path){ .path = "/etc/passwd", .rights = RIGHT(READ_DIR) };
	refused(&r, 1, EINVAL, "fs[\"/etc/passwd\"]: it has rights for directories only");
	r = request_of(&refer, 1);
	r.strict = true;
	refused(&r, 1, EOPNOTSUPP, "Landlock has refer from ABI 2 on, and this kernel has ABI 1");
	r = (struct ward_landlock_request){ .scoped = WARD_LANDLOCK_SCOPE_SIGNAL };
	refused(&r, 5, EOPNOTSUPP, "Landlock ABI 5 has nothing of what the ruleset restricts");
}

/* What ABI lacks, with a request for everything, strict and not. */
static void
test_abi(int abi, int have)
{
	static const uint64_t lacks_fs[] = { 0, 0xe000, 0xc000, 0x8000, 0x8000, 0, 0, 0 };
	static const char *const first[] = { "",	  "refer",     "truncate",
					     "ioctl_dev", "ioctl_dev", "abstract_unix_socket" };
	static const int first_abi[] = { 0, 2, 3, 5, 5, 6 };
	struct ward_landlock_path path = { "/usr", RIGHT(READ_FILE) | RIGHT(TRUNCATE), false };
	struct ward_landlock_path lost = { "/usr", RIGHT(IOCTL_DEV), false };
	struct ward_landlock_request r = request_of((struct ward_landlock_path[]){ path, lost }, 2);
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	char sentence[120];
	int fd;

	if (abi > have) {
		skip("this kernel's Landlock is older");
		return;
	}
	r.bind.handled = r.connect.handled = true;
	r.scoped = WARD_LANDLOCK_SCOPE_SIGNAL | WARD_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET;
	fd = ward_landlock_build(&r, abi, &report, &err);
	ok(fd >= 0 && report.abi == abi && report.lacks_fs == lacks_fs[abi] &&
		   report.lacks_net == (abi < 4 ? 3 : 0) && report.lacks_scope == (abi < 6 ? 3 : 0),
	   "ABI %d, best effort: what is lacking is told", abi);
	ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "ABI %d: the ruleset is close-on-exec",
	   abi);
	if (fd >= 0)
		(void)close(fd);

	r.strict = true;
	if (abi >= 6) {
		fd = ward_landlock_build(&r, abi, &report, &err);
		ok(fd >= 0, "ABI %d, strict: nothing is lacking", abi);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	(void)snprintf(sentence, sizeof(sentence),
		       "Landlock has %s from ABI %d on, and this kernel has ABI %d", first[abi],
		       first_abi[abi], abi);
	refused(&r, abi, EOPNOTSUPP, sentence);
}

static void
test_files(int abi)
{
	struct ward_landlock_path paths[] = {
		{ "/", RIGHT(EXECUTE) | RIGHT(READ_FILE) | RIGHT(READ_DIR), false },
		{ "file", WARD_LANDLOCK_FS_ALL & ~RIGHT(REFER), false },
		{ "/no/such/file", RIGHT(READ_FILE), true },
		{ "/etc/passwd/below", RIGHT(READ_FILE), true },
		{ "fifo", RIGHT(READ_FILE), false }, /* opening it for real would block */
	};
	struct ward_landlock_request r = request_of(paths, 5);
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	int fd = ward_landlock_build(&r, abi, &report, &err);

	ok(fd >= 0 && report.absent == 2, "optional rules without a path are left out, %s",
	   err.detail);
	is_int(under(fd, act_read, "other"), 0, "a read is allowed below /");
	is_int(under(fd, act_write, "other"), EACCES, "a write is not");
	is_int(under(fd, act_create, "new"), EACCES, "nor a new file");
	is_int(under(fd, act_write, "file"), 0,
	       "a file takes what means something on a file, and only that");
	is_int(under(fd, act_truncate, "other"), abi < 3 ? 0 : EACCES,
	       "truncate(2) is denied, from ABI 3 on");
	is_int(under(fd, act_exec, "/bin/true"), 0, "a program may run where it is allowed");
	(void)close(fd);

	paths[0].rights = RIGHT(READ_FILE);
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_exec, "/bin/true"), EACCES, "and not where it is not");
	is_int(under(fd, act_read, "/tmp"), EACCES, "a directory is not listed without read_dir");
	(void)close(fd);
}

static void
test_refer(int abi)
{
	struct ward_landlock_path paths[] = { { ".", 0, false } };
	struct ward_landlock_request r = request_of(paths, 1);
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	const char *move[] = { "a/moves", "b/moves" };
	int fd;

	(void)ward_landlock_letters("rw", abi, &paths[0].rights);
	paths[0].rights &= ~RIGHT(REFER);
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_rename, move), EXDEV, "no rename crosses directories without refer");
	(void)close(fd);
	if (abi < 2) {
		skip("ABI 1 has no refer");
		return;
	}
	paths[0].rights |= RIGHT(REFER);
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_rename, move), 0, "with it one does");
	(void)close(fd);
}

/* A kernel of ABI 1 lets nobody have it. */
static void
test_refer_lacking(void)
{
	struct ward_landlock_path path = { ".", RIGHT(READ_FILE) | RIGHT(REFER), false };
	struct ward_landlock_request r = request_of(&path, 1);
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	int fd = ward_landlock_build(&r, 1, &report, &err);

	ok(fd >= 0 && report.lacks_fs & RIGHT(REFER), "ABI 1 does without refer, and that is told");
	(void)close(fd);
}

static void
test_stale(int abi)
{
	struct ward_landlock_path paths[] = { { "there", RIGHT(READ_FILE), false },
					      { "later", RIGHT(READ_FILE), true } };
	struct ward_landlock_request r = request_of(paths, 2);
	struct ward_landlock_request *kept;
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	int fd;

	(void)mkdir("there", 0700);
	kept = ward_landlock_keep(&r);
	fd = ward_landlock_build(kept, abi, &report, &err);
	ok(fd >= 0 && !ward_landlock_is_stale(kept), "a ruleset is as new as its paths");
	(void)rmdir("there");
	ok(ward_landlock_is_stale(kept), "it is stale when one has gone");
	(void)mkdir("there", 0700);
	ok(ward_landlock_is_stale(kept), "and when it has been made anew, whatever its number");
	(void)close(fd);
	fd = ward_landlock_build(kept, abi, &report, &err);
	ok(fd >= 0 && !ward_landlock_is_stale(kept), "but not once it is built again");
	(void)mkdir("later", 0700);
	ok(ward_landlock_is_stale(kept), "it is stale when one has come");
	(void)close(fd);
	free(kept);
	(void)rmdir("there");
	(void)rmdir("later");
}

static void
test_net(int abi)
{
	struct sockaddr_in sa = loopback(0);
	socklen_t len = sizeof(sa);
	WARD_AUTO_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t open_port, other = 0;
	struct ward_landlock_request r = { 0 };
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	int fd;

	if (abi < 4) {
		skip("Landlock has no TCP ports before ABI 4");
		return;
	}
	(void)bind(listener, (struct sockaddr *)&sa, sizeof(sa));
	(void)listen(listener, 1);
	(void)getsockname(listener, (struct sockaddr *)&sa, &len);
	open_port = ntohs(sa.sin_port);

	r.connect = (struct ward_landlock_ports){ true, &open_port, 1 };
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_connect, &open_port), 0, "an allowed port is reached");
	is_int(under(fd, act_bind, &other), 0, "bind is left alone when it is not handled");
	(void)close(fd);

	r.bind = (struct ward_landlock_ports){ true, &other, 1 };
	r.connect.n = 0;
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_connect, &open_port), EACCES, "no port is reached when none is named");
	is_int(under(fd, act_bind, &other), 0, "port 0 can be allowed: one of the kernel's choice");
	is_int(under(fd, act_bind, &open_port), EACCES, "another port cannot be bound");
	is_int(under(fd, act_write, "/dev/null"), 0, "files are left alone");
	(void)close(fd);
}

static void
test_scope(int abi)
{
	struct ward_landlock_request r = { .scoped = WARD_LANDLOCK_SCOPE_SIGNAL };
	struct ward_landlock_report report = { 0 };
	struct ward_err err = { 0 };
	int fd;

	if (abi < 6) {
		skip("Landlock has no scopes before ABI 6");
		return;
	}
	fd = ward_landlock_build(&r, abi, &report, &err);
	is_int(under(fd, act_signal_parent, NULL), EPERM, "signals stay inside their scope");
	(void)close(fd);
}

static void
test_no_leak(int abi)
{
	struct ward_landlock_path good[] = { { "/usr", RIGHT(READ_FILE), false },
					     { "/etc/passwd", RIGHT(READ_FILE), false } };
	struct ward_landlock_path bad[] = { good[0], { "/no/such", RIGHT(READ_FILE), false } };
	struct ward_landlock_request r = request_of(good, 2);
	struct ward_landlock_report report;
	struct ward_err err;
	struct ward_fdset before, after;
	int wrong = 0;

	ward_fdset_open_now(&before);
	for (int i = 0; i < 1000; i++) {
		int fd = ward_landlock_build(&r, abi, &report, &err);

		wrong += fd < 0 || close(fd) != 0;
		r.paths = bad;
		wrong += ward_landlock_build(&r, abi, &report, &err) != -ENOENT;
		r.paths = good;
	}
	ward_fdset_open_now(&after);
	ok(wrong == 0 && memcmp(&before, &after, sizeof(after)) == 0,
	   "1,000 rulesets built and 1,000 refused leave no descriptor open");
}

int
main(void)
{
	int have = ward_landlock_abi();
	int abi = have < WARD_LANDLOCK_ABI ? have : WARD_LANDLOCK_ABI;
	char dir[] = "/tmp/ward-landlock-XXXXXX";

	test_names();
	if (have < 1) {
		skip("this kernel has no Landlock");
		return done_testing();
	}
	if (!mkdtemp(dir) || chdir(dir) < 0 || mkdir("a", 0700) < 0 || mkdir("b", 0700) < 0)
		return 1;
	if (mkfifo("fifo", 0600) < 0)
		return 1;
	make_file("file", "text");
	make_file("other", "text");
	make_file("a/moves", "text");

	test_refusals();
	for (int i = 1; i <= WARD_LANDLOCK_ABI; i++)
		test_abi(i, have);
	test_files(abi);
	if (abi > 1)
		test_files(1);
	test_refer(abi);
	test_refer_lacking();
	test_stale(abi);
	test_net(abi);
	test_scope(abi);
	test_no_leak(abi);

	(void)unlink("fifo");
	(void)unlink("file");
	(void)unlink("other");
	(void)unlink("a/moves");
	(void)unlink("b/moves");
	(void)rmdir("a");
	(void)rmdir("b");
	(void)rmdir(dir);
	return done_testing();
}
