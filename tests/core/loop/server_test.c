/* The line server and one peer: lines, replies, and every way to end. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server_kit.h"

static void
test_lines(void)
{
	static const char split[] = "hello\r\nworld\n\n";
	static char many[1000 * 9 + 1];
	bool same = true;

	listen_at(path);
	peer_open();
	for (size_t i = 0; i < sizeof(split) - 1; i++) {
		(void)send(peer.fd, split + i, 1, 0);
		run_until(never, NULL, 2);
	}
	ok(peer_gets(13) && strcmp(peer.bytes, "hello\nworld\n\n") == 0,
	   "a request that comes byte by byte; both line ends; an empty line");
	peer.n = 0;
	for (int i = 0; i < 1000; i++)
		(void)snprintf(many + i * 9, 10, "line%04d\n", i);
	peer_send(many);
	same = peer_gets(9000) && strcmp(peer.bytes, many) == 0;
	ok(same && lines == 1003, "1000 lines in one write, answered in order");
	peer_send("no end");
	ward_fd_close(&peer.fd);
	ok(run_to(&closeds, 1) && lines == 1003, "what is left unended is no line");
	end_server();
	ok(closeds == 1, "closed comes once");
}

static void
test_oversize(void)
{
	char line[MAX_LINE + 3];

	listen_at(path);
	peer_open();
	memset(line, 'a', sizeof(line));
	memcpy(line + MAX_LINE, "\r\n", 3);
	peer_send(line);
	ok(peer_gets(MAX_LINE + 1) && oversizes == 0 && longest == MAX_LINE,
	   "a line of exactly the limit");
	peer.n = 0;
	memcpy(line + MAX_LINE, "b\n", 3);
	peer_send(line);
	peer_send("next\n");
	ok(peer_gets(100) && peer.end && strcmp(peer.bytes, "too large\n") == 0 && oversizes == 1 &&
		   lines == 1,
	   "one byte more: one answer, then the end, and nothing after it is a request");
	ward_fd_close(&peer.fd);
	ok(run_to(&closeds, 1), "and the connection is gone");
	end_server();
}

/* A peer that only sends, far more than fits anywhere, and reads when it is done. */
static void
test_oversize_blocking(void)
{
	int status = -1, dead = 0;
	pid_t pid;

	listen_at(path);
	pid = fork();
	if (pid == 0) {
		static char blob[4 << 20];
		char answer[64] = "";
		int fd = dial(path);
		size_t n = 0;
		ssize_t k;

		memset(blob, 'x', sizeof(blob));
		if (ward_fd_write_all(fd, blob, sizeof(blob)) < 0)
			_exit(1);
		while ((k = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
			n += (size_t)k;
		_exit(k == 0 && strcmp(answer, "too large\n") == 0 ? 0 : 2);
	}
	dead = run_to(&closeds, 1);
	(void)waitpid(pid, &status, 0);
	ok(dead && status == 0 && oversizes == 1,
	   "a peer that sends 4 MiB without a line end can still read its answer");
	end_server();
}

static void
test_oversize_deadline(void)
{
	uint64_t start;
	char line[MAX_LINE * 2];

	listen_at(path);
	peer_open();
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	peer_send(line);
	start = ward_now_ns();
	run_to(&oversizes, 1);
	run_until(never, NULL, 200);
	ok(closeds == 0, "a peer that keeps its end open after that gets some time");
	while (closeds == 0 && ward_now_ns() - start < 8000000000u)
		run_until(never, NULL, 100);
	ok(closeds == 1 && ward_now_ns() - start > 4900000000u, "and is closed after five seconds");
	ward_fd_close(&peer.fd);
	end_server();
}

static void
test_stalled(void)
{
	struct peer *other = calloc(1, sizeof(*other));
	int dropped = 0;

	listen_at(path);
	peer_open();
	mode = BIG;
	for (int i = 0; i < 100; i++)
		peer_send("x\n");
	run_until(never, NULL, 50);
	ok(closeds == 0 && lines > 0 && lines < 20,
	   "a peer that sends requests and reads no replies is not listened to further");
	mode = ECHO;
	other->fd = dial(path);
	(void)send(other->fd, "hi\n", 3, 0);
	other->want = 3;
	ok(run_until(peer_has, other, 5000) && strcmp(other->bytes, "hi\n") == 0,
	   "others do not notice");
	mode = BIG;
	while (lines < 101 && !peer.end && !peer.err) {
		peer.n = 0;
		if (!peer_gets(1))
			break;
	}
	ok(lines == 101 && closeds == 0, "when it reads again, it is");
	peer.n = 0;
	mode = SILENT;
	ward_fd_close(&peer.fd);
	run_to(&closeds, 1);

	peer_open();
	peer_send("x\n");
	last = NULL;
	while (!last)
		run_until(never, NULL, 2);
	for (int i = 0; i < 30 && !dropped; i++)
		dropped = ward_conn_send(last, big, sizeof(big)) == -ENOBUFS;
	ok(dropped && closeds == 1, "replies beyond 1 MiB: the send says so, closed comes later");
	ok(run_to(&closeds, 2), "and the peer is dropped");
	ward_fd_close(&peer.fd);
	ward_fd_close(&other->fd);
	free(other);
	end_server();
	ok(closeds == 3, "closed comes once for each");
}

static void
test_close_in_callback(void)
{
	listen_at(path);
	mode = CLOSE;
	peer_open();
	peer_send("one\ntwo\nthree\n");
	ok(peer_gets(100) && strcmp(peer.bytes, "bye\n") == 0 && lines == 1,
	   "closing in a callback flushes, and no further line comes");
	ok(last_send == -EPIPE, "sending after it is refused");
	ok(run_to(&closeds, 1), "closed comes");
	ward_fd_close(&peer.fd);

	mode = FREE;
	peer_open();
	peer_send("one\ntwo\nthree\n");
	ok(peer_gets(100) && lines == 2 && closeds == 2 && !server && last_send == -EPIPE,
	   "the server can be freed in a callback");
	ward_fd_close(&peer.fd);
	ok(access(path, F_OK) < 0, "and its socket is removed");
}

static void
test_half_close(void)
{
	static const char *const text = "one\ntwo\n";

	listen_at(path);
	peer_open();
	peer_send(text);
	shutdown(peer.fd, SHUT_WR);
	ok(peer_gets(100) && strcmp(peer.bytes, text) == 0 && peer.end,
	   "a half-closed peer gets its replies, then the end");
	ward_fd_close(&peer.fd);
	run_to(&closeds, 1);

	mode = LATER;
	peer_open();
	peer_send("wait\n");
	shutdown(peer.fd, SHUT_WR);
	run_to(&lines, 3);
	run_until(never, NULL, 20);
	ok(closeds == 1 && last, "and is kept while an answer is owed");
	ward_conn_send(last, "done\n", 5);
	ok(closeds == 1, "(closed never comes inside a send)");
	ok(peer_gets(100) && strcmp(peer.bytes, "done\n") == 0 && peer.end, "which it gets");
	ward_fd_close(&peer.fd);
	run_to(&closeds, 2);

	peer_open();
	peer_send("wait\n");
	run_to(&lines, 4);
	ward_fd_close(&peer.fd);
	ok(run_to(&closeds, 3), "a peer that goes away is noticed though an answer is owed");

	mode = BIG;
	peer_open();
	peer_send("a\nb\nc\n");
	shutdown(peer.fd, SHUT_WR);
	for (size_t sum = 0; !peer.end; sum += peer.n, peer.n = 0) {
		if (!peer_gets(1))
			break;
		if (peer.end)
			ok(sum + peer.n == 3 * sizeof(big), "replies larger than the socket holds");
	}
	ward_fd_close(&peer.fd);
	end_server();
	ok(closeds == 4, "closed comes once for each");
}

static void
test_tell(void)
{
	int sent = 0;

	listen_at(path);
	mode = LATER;
	peer_open();
	peer_send("wait\n");
	shutdown(peer.fd, SHUT_WR);
	run_to(&lines, 1);
	is_int(ward_conn_tell(last, "news\n", 5), 0, "a peer can be told things");
	ok(peer_gets(5) && !peer.end && closeds == 0, "which are no answer");
	ok(ward_conn_queued(last) == 0, "what was taken does not wait");
	is_int(draineds, 0, "what never waited is not drained");
	while (ward_conn_queued(last) == 0 && ++sent < 100)
		(void)ward_conn_tell(last, big, sizeof(big));
	ok(ward_conn_queued(last) <= sizeof(big), "what the peer does not take is counted");
	peer.n = 0;
	while (draineds == 0 && peer_gets(1))
		peer.n = 0;
	is_int(draineds, 1, "when all of it is taken, that is told");
	is_int(last_send, 0, "and more may be said in it");
	ward_conn_send(last, "done\n", 5);
	while (!peer.end && peer_gets(sizeof(peer.bytes) - 1))
		if (!peer.end)
			peer.n = 0;
	ok(peer.end && peer.n >= 10 && strcmp(peer.bytes + peer.n - 10, "more\ndone\n") == 0,
	   "the answer comes last, and then the end");
	ward_fd_close(&peer.fd);
	end_server();
	is_int(closeds, 1, "closed comes once");
}

int
main(void)
{
	kit_open();
	test_lines();
	test_oversize();
	test_oversize_blocking();
	test_oversize_deadline();
	test_stalled();
	test_close_in_callback();
	test_half_close();
	test_tell();
	return kit_close();
}
