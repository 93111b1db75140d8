/* The log pipe: every byte of a service reaches its file, or waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/logpump.h"
#include "loop/loop.h"
#include "tests/core/tap.h"

#define MILLISECOND UINT64_C(1000000)

static struct ward_loop *loop;
static char dir[] = "/tmp/ward-logpump-test-XXXXXX";

static struct {
	int n;
	size_t longest;
	char last[64];
} lines;

static void
on_line(void *arg, const char *line, size_t n)
{
	(void)arg;
	lines.n++;
	if (n > lines.longest)
		lines.longest = n;
	(void)snprintf(lines.last, sizeof(lines.last), "%.*s", (int)(n < 60 ? n : 60), line);
}

static struct ward_log *
open_log(const char *path)
{
	struct ward_log *log;
	struct ward_err err;

	memset(&lines, 0, sizeof(lines));
	if (ward_log_new(loop, path, on_line, NULL, &log, &err) < 0) {
		printf("Bail out! %s\n", err.detail);
		exit(1);
	}
	return log;
}

static void
turn(uint64_t ns)
{
	struct ward_timer *t = ward_timer_new(loop, (ward_timer_fn *)ward_loop_stop, loop);

	ward_timer_arm(t, ward_now_ns() + ns);
	ward_loop_run(loop);
	ward_timer_free(t);
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* A child that writes @mib MiB of lines as fast as it can. */
static pid_t
flood(struct ward_log *log, int mib)
{
	pid_t pid = fork();

	if (pid == 0) {
		static char block[65536];

		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = i % 64 == 63 ? '\n' : 'x';
		for (int i = 0; i < mib * 16; i++) {
			if (write(ward_log_writer(log), block, sizeof(block)) != sizeof(block))
				_exit(1);
		}
		_exit(0);
	}
	return pid;
}

static void
test_flood(const char *path)
{
	struct ward_log *log = open_log(path);
	pid_t pid = flood(log, 16);
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0)
		turn(MILLISECOND);
	ok(status == 0, "a writer of 16 MiB ends");
	ok(ward_log_drain(log), "the rest is drained at once");
	ok(size_of(path) == 16 << 20, "every byte is in the file");
	ok(lines.n == 16 << 14 && lines.longest == 63, "and every line was told");
	ward_log_free(log);
}

static void
test_lines(const char *path)
{
	struct ward_log *log = open_log(path);
	static char longline[20000];
	ssize_t put = 0;

	memset(longline, 'y', sizeof(longline));
	put += write(ward_log_writer(log), "one\ntw", 6);
	turn(20 * MILLISECOND);
	ok(lines.n == 1 && strcmp(lines.last, "one") == 0, "an unfinished line waits");
	put += write(ward_log_writer(log), "o\nrest", 6);
	turn(20 * MILLISECOND);
	ok(lines.n == 2 && strcmp(lines.last, "two") == 0, "until its newline comes");
	(void)ward_log_drain(log);
	ok(lines.n == 3 && strcmp(lines.last, "rest") == 0, "or the service has ended");
	put += write(ward_log_writer(log), longline, sizeof(longline));
	(void)ward_log_drain(log);
	ok(put == 12 + (ssize_t)sizeof(longline) && lines.n == 6 && lines.longest == 8192,
	   "a line of 20,000 bytes is told in pieces of 8,192");
	ward_log_free(log);
	ok(size_of(path) == put, "the file has the bytes as they came");
}

/* The pipe without any reader: what is in it is kept, and the writer never gets SIGPIPE. */
static void
test_writer_end(const char *path)
{
	struct ward_log *log = open_log(path);
	int flags = fcntl(ward_log_writer(log), F_GETFL);

	ok((flags & O_ACCMODE) == O_RDWR && !(flags & O_NONBLOCK),
	   "children get a blocking read-write end");
	ok(fcntl(ward_log_writer(log), F_GETFD) & FD_CLOEXEC, "which no exec leaks");
	ward_log_free(log);
}

/* A full file system: nothing is dropped, the pipe waits, and all arrives when there is room. */
static void
test_full(void)
{
	char mount_dir[128], path[160], ballast[160];
	struct ward_log *log;
	int fd, status = -1, saved;
	pid_t pid;
	static char block[1 << 16];

	(void)snprintf(mount_dir, sizeof(mount_dir), "%s/small", dir);
	(void)snprintf(path, sizeof(path), "%s/log", mount_dir);
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", mount_dir);
	(void)mkdir(mount_dir, 0700);
	if (mount("tmpfs", mount_dir, "tmpfs", 0, "size=2m") < 0) {
		skip("a small tmpfs cannot be mounted here");
		(void)rmdir(mount_dir);
		return;
	}
	fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	(void)close(fd);
	log = open_log(path);
	fflush(stdout);
	saved = dup(2);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	(void)dup2(fd, 2); /* the complaint is expected */
	pid = flood(log, 1);
	turn(100 * MILLISECOND);
	ok(waitpid(pid, &status, WNOHANG) == 0, "the writer waits while the disk is full");
	ok(!ward_log_drain(log), "drain says that bytes are held");
	(void)unlink(ballast);
	while (waitpid(pid, &status, WNOHANG) == 0)
		turn(MILLISECOND);
	ok(ward_log_drain(log) && status == 0 && size_of(path) == 1 << 20,
	   "when there is room every byte arrives, in order and once");
	(void)dup2(saved, 2);
	(void)close(saved);
	(void)close(fd);
	ward_log_free(log);
	(void)umount(mount_dir);
	(void)rmdir(mount_dir);
}

int
main(void)
{
	char path[128];
	struct ward_log *log;
	struct ward_err err;

	if (!mkdtemp(dir) || ward_loop_new(&loop) < 0)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	test_flood(path);
	(void)unlink(path);
	test_lines(path);
	test_writer_end(path);
	test_full();
	ok(ward_log_new(loop, "/nonexistent/log", NULL, NULL, &log, &err) == -ENOENT,
	   "no such directory: %s", err.detail);
	(void)unlink(path);
	(void)rmdir(dir);
	ward_loop_free(loop);
	return done_testing();
}
