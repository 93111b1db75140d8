/* The console writer: it never waits, keeps whole writes in order, and says what is missing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/loop.h"
#include "loop/out.h"
#include "tests/core/tap.h"

static struct ward_loop *loop;

/* Reads from a descriptor whenever the loop runs, until @want bytes are there. */
struct reader {
	struct ward_timer *poll;
	int fd;
	char *bytes;
	size_t n, want;
	uint64_t deadline;
};

#define READER_MAX (8u << 20)

static void
reader_poll(void *arg)
{
	struct reader *r = arg;
	ssize_t k;

	while ((k = recv(r->fd, r->bytes + r->n, READER_MAX - r->n, MSG_DONTWAIT)) > 0 ||
	       (k < 0 && errno == ENOTSOCK &&
		(k = read(r->fd, r->bytes + r->n, READER_MAX - r->n)) > 0))
		r->n += (size_t)k;
	if (r->n >= r->want || ward_now_ns() > r->deadline)
		ward_loop_stop(loop);
	else
		ward_timer_arm(r->poll, ward_now_ns() + 1000000);
}

/* Runs the loop until @want bytes were read from @fd or five seconds have passed. */
static struct reader
read_with_loop(int fd, size_t want)
{
	struct reader r = { .fd = fd, .want = want, .deadline = ward_now_ns() + 5000000000u };

	r.bytes = malloc(READER_MAX + 1);
	r.poll = ward_timer_new(loop, reader_poll, &r);
	ward_timer_arm(r.poll, ward_now_ns());
	ward_loop_run(loop);
	ward_timer_free(r.poll);
	r.bytes[r.n] = '\0';
	return r;
}

/* Writes lines of 64 bytes, numbered, until @total bytes. */
static void
write_lines(struct ward_out *out, size_t total)
{
	char line[65];

	for (size_t i = 0; i * 64 < total; i++) {
		(void)snprintf(line, sizeof(line), "%08zu%55s\n", i, "");
		ward_out_write(out, line, 64);
	}
}

/* Checks that @p holds numbered lines without a gap save at the note; returns the bytes that the
 * note counts, or -1 when something is wrong. */
static long
check_lines(const char *p)
{
	static const char note[] = "... ";
	unsigned long next = 0;
	long missing = 0;

	while (*p) {
		if (strncmp(p, note, 4) == 0) {
			char *end;
			unsigned long n = strtoul(p + 4, &end, 10);

			if (n == 0 || n % 64 != 0 ||
			    strncmp(end, " bytes of output were dropped: the reader was too slow\n",
				    55) != 0)
				return -1;
			missing += (long)n;
			next += n / 64;
			p = strchr(p, '\n') + 1;
			continue;
		}
		if (strlen(p) < 64 || p[63] != '\n' || strtoul(p, NULL, 10) != next)
			return -1;
		next++;
		p += 64;
	}
	return missing;
}

/* @far is the reader's end, non-blocking; @near the writer's, blocking. */
static void
test_stall(int near, int far, const char *what)
{
	struct ward_out *out = NULL;
	struct reader r;
	uint64_t start = ward_now_ns();
	long missing;

	ok(ward_out_new(loop, near, &out) == 0, "%s", what);
	write_lines(out, 4u << 20);
	ok(ward_now_ns() - start < 2000000000u, "4 MiB to a reader that sleeps do not wait");
	ok((fcntl(near, F_GETFL) & O_NONBLOCK) == 0, "the shared description still blocks");
	/* The note comes last: its digits are not known, its shape is. */
	r = read_with_loop(far, WARD_OUT_QUEUE - 64 + 60);
	for (int i = 0; i < 50 && !strstr(r.bytes, "too slow"); i++) {
		struct reader more = read_with_loop(far, 1);

		memcpy(r.bytes + r.n, more.bytes, more.n + 1);
		r.n += more.n;
		free(more.bytes);
	}
	missing = check_lines(r.bytes);
	ok(missing > 0, "whole lines are dropped, and a note says how many bytes");
	ok((size_t)missing + r.n > (4u << 20) && (size_t)missing + r.n < (4u << 20) + 100,
	   "what came and what is missing make the whole");
	free(r.bytes);
	ward_out_write(out, "again\n", 6);
	r = read_with_loop(far, 6);
	ok(strcmp(r.bytes, "again\n") == 0, "and then it goes on");
	free(r.bytes);
	ward_out_free(out);
}

static void
test_pipe(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
	test_stall(p[1], p[0], "a pipe");
	close(p[0]);
	close(p[1]);
}

static void
test_socket(void)
{
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) < 0)
		exit(1);
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK);
	test_stall(p[1], p[0], "a socket");
	close(p[0]);
	close(p[1]);
}

/* A terminal that is stopped with Ctrl-S takes nothing. */
static void
test_terminal(void)
{
	int far = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), near;
	struct ward_out *out = NULL;
	struct reader r;

	if (far < 0 || grantpt(far) < 0 || unlockpt(far) < 0 ||
	    (near = open(ptsname(far), O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
		skip("a terminal: no pseudo-terminal here");
		return;
	}
	ok(ward_out_new(loop, near, &out) == 0, "a terminal");
	for (int i = 0; i < 1000; i++)
		ward_out_write(out, "0123456789012345678901234567890123456789\n", 41);
	ok((fcntl(near, F_GETFL) & O_NONBLOCK) == 0, "it still blocks for others");
	r = read_with_loop(far, 42000); /* each line end becomes CR LF */
	ok(r.n == 42000, "and all comes when it is read");
	free(r.bytes);
	close(far);
	ward_out_write(out, "x", 1);
	ward_out_write(out, "x", 1);
	ok(true, "writing to a terminal that has hung up is harmless");
	ward_out_free(out);
	close(near);
}

/* The file offset and O_APPEND are those of the descriptor that was given. */
static void
test_file(void)
{
	char path[] = "/tmp/ward-out-XXXXXX", text[32] = "";
	int fd = mkostemp(path, O_CLOEXEC);
	struct ward_out *out = NULL;

	ward_fd_write_all(fd, "one\n", 4);
	ok(ward_out_new(loop, fd, &out) == 0, "a regular file");
	ward_out_write(out, "two\n", 4);
	ward_fd_write_all(fd, "three\n", 6);
	ward_out_free(out);
	ok(pread(fd, text, sizeof(text) - 1, 0) == 14 && strcmp(text, "one\ntwo\nthree\n") == 0,
	   "shares its offset with others");
	close(fd);
	unlink(path);
}

static void
test_gone(void)
{
	struct ward_out *out = NULL;
	int p[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t start;

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	ok(ward_out_new(loop, p[0], &out) == -EBADF && !out, "a descriptor for reading is refused");
	(void)ward_out_new(loop, p[1], &out);
	write_lines(out, 256u << 10); /* more than the pipe holds */
	close(p[0]);
	ward_out_write(out, "x\n", 2);
	ward_out_write(out, "x\n", 2);
	ward_out_free(out);
	close(p[1]);
	ok(true, "a reader that goes away is survived");

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	(void)ward_out_new(loop, p[1], &out);
	write_lines(out, 256u << 10);
	start = ward_now_ns();
	ward_out_free(out);
	ok(ward_now_ns() - start >= 190000000u && ward_now_ns() - start < 1000000000u,
	   "the end waits 200 ms for a reader that sleeps, not longer");
	close(p[0]);
	close(p[1]);

	ok(ward_out_new(loop, null, &out) == 0, "/dev/null");
	write_lines(out, 1u << 20);
	ward_out_free(out);
	close(null);
}

/* A pipe or terminal of another user cannot be opened again: poll(2) has to tell when there is room. */
static void
test_not_ours(void)
{
	int p[2], status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		skip("a pipe of another user: needs root");
		return;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		struct ward_loop *own;
		struct ward_out *out;

		if (setuid(65534) < 0 || ward_loop_new(&own) < 0 ||
		    ward_out_new(own, p[1], &out) < 0)
			_exit(1);
		(void)alarm(5); /* a write that blocks ends here */
		write_lines(out, 4u << 20);
		ward_out_free(out);
		_exit(fcntl(p[1], F_GETFL) & O_NONBLOCK ? 2 : 0);
	}
	(void)waitpid(pid, &status, 0);
	ok(status == 0, "a pipe of another user that nobody reads does not block either");
	close(p[0]);
	close(p[1]);
}

int
main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (ward_loop_new(&loop) < 0)
		return 1;
	test_pipe();
	test_socket();
	test_terminal();
	test_file();
	test_gone();
	test_not_ours();
	ward_loop_free(loop);
	return done_testing();
}
