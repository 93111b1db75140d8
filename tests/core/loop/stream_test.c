/* Streams: bytes only when asked for, writes that wait for room, and every callback from the loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "loop/stream.h"

struct seen {
	struct ward_loop *loop;
	struct ward_stream *stream;
	char bytes[WARD_STREAM_READ];
	ssize_t n;
	int err, calls;
	bool free_it;
};

static void
on_read(void *arg, const char *bytes, ssize_t n)
{
	struct seen *s = arg;

	s->n = n;
	s->calls++;
	if (n > 0)
		memcpy(s->bytes, bytes, (size_t)n);
	if (s->free_it)
		ward_stream_free(s->stream);
	ward_loop_stop(s->loop);
}

static void
on_wrote(void *arg, int err)
{
	struct seen *s = arg;

	s->err = err;
	s->calls++;
	if (s->free_it)
		ward_stream_free(s->stream);
	ward_loop_stop(s->loop);
}

static void
on_late(void *arg)
{
	ward_loop_stop(arg);
}

/* Runs the loop until something happened, or for @ms. */
static void
turn(struct ward_loop *loop, uint64_t ms)
{
	struct ward_timer *t = ward_timer_new(loop, on_late, loop);

	ward_timer_arm(t, ward_now_ns() + ms * 1000000);
	ward_loop_run(loop);
	ward_timer_free(t);
}

/* A pipe whose end @ours (0 or 1) is a stream; the other end is returned. */
static int
open_pipe(struct seen *s, int ours)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ||
	    ward_stream_new(s->loop, ends[ours], &s->stream) < 0)
		abort();
	return ends[!ours];
}

static void
test_read(struct ward_loop *loop)
{
	static struct seen s;
	int theirs;

	s = (struct seen){ .loop = loop };
	theirs = open_pipe(&s, 0);
	(void)!write(theirs, "abc", 3);
	turn(loop, 20);
	ok(s.calls == 0, "nothing is read unasked");
	ok(ward_stream_read(s.stream, on_read, &s) == 0 && s.calls == 0, "no callback from inside");
	ok(ward_stream_read(s.stream, on_read, &s) == -EBUSY, "one read at a time");
	turn(loop, 5000);
	ok(s.calls == 1 && s.n == 3 && memcmp(s.bytes, "abc", 3) == 0, "what is there comes");
	(void)!write(theirs, "d", 1);
	turn(loop, 20);
	ok(s.calls == 1, "and no more than was asked for");
	ok(ward_stream_read(s.stream, on_read, &s) == 0, "asked again");
	turn(loop, 5000);
	ok(s.calls == 2 && s.n == 1, "the rest");
	(void)close(theirs);
	(void)ward_stream_read(s.stream, on_read, &s);
	turn(loop, 5000);
	ok(s.calls == 3 && s.n == 0, "the end of file is 0");
	s.free_it = true;
	(void)ward_stream_read(s.stream, on_read, &s);
	turn(loop, 5000);
	ok(s.calls == 4, "freed in its callback");
}

static void
test_write(struct ward_loop *loop)
{
	static struct seen s;
	static char big[300000], back[sizeof(big)];
	size_t got = 0;
	int theirs;

	s = (struct seen){ .loop = loop };
	theirs = open_pipe(&s, 1);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	ok(ward_stream_write(s.stream, big, sizeof(big), on_wrote, &s) == 0,
	   "more than a pipe holds");
	ok(ward_stream_write(s.stream, "x", 1, on_wrote, &s) == -EBUSY, "one write at a time");
	turn(loop, 20);
	ok(s.calls == 0, "it is not done while nobody reads");
	while (got < sizeof(back)) {
		ssize_t n = read(theirs, back + got, sizeof(back) - got);

		if (n <= 0)
			break;
		got += (size_t)n;
		turn(loop, 5);
	}
	ok(got == sizeof(big) && memcmp(big, back, got) == 0, "every byte arrives, in order");
	ok(s.calls == 1 && s.err == 0, "then it is done");
	ok(ward_stream_write(s.stream, "", 0, on_wrote, &s) == 0, "nothing can be written, too");
	turn(loop, 5000);
	ok(s.calls == 2 && s.err == 0, "and is done at once");
	(void)close(theirs);
	s.free_it = true;
	(void)ward_stream_write(s.stream, "x", 1, on_wrote, &s);
	turn(loop, 5000);
	ok(s.calls == 3 && s.err == -EPIPE, "nobody reads any more: EPIPE; freed in its callback");
}

static void
test_free(struct ward_loop *loop)
{
	static struct seen s;
	int theirs;

	s = (struct seen){ .loop = loop };
	theirs = open_pipe(&s, 0);
	(void)ward_stream_read(s.stream, on_read, &s);
	(void)!write(theirs, "abc", 3);
	ward_stream_free(s.stream);
	turn(loop, 20);
	ok(s.calls == 0, "no callback after the end");
	ok(write(theirs, "x", 1) < 0 && errno == EPIPE, "its end of the pipe is closed");
	(void)close(theirs);
	ward_stream_free(NULL);
}

int
main(void)
{
	struct ward_loop *loop;

	(void)signal(SIGPIPE, SIG_IGN);
	if (ward_loop_new(&loop) < 0)
		return 1;
	test_read(loop);
	test_write(loop);
	test_free(loop);
	ward_loop_free(loop);
	return done_testing();
}
