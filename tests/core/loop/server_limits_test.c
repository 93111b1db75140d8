/* The line server and the system: its path, its peers, and what happens when they are too many. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server_kit.h"

static void
test_many(void)
{
	static int fds[WARD_SERVER_CONNS + 4];
	int good = 0, refused = 0;
	char c;

	listen_at(path);
	for (size_t i = 0; i < WARD_SERVER_CONNS + 4; i++) {
		fds[i] = dial(path);
		if (i % 64 == 63)
			run_until(never, NULL, 10);
		if (send(fds[i], "x\n", 2, MSG_NOSIGNAL) < 0)
			continue;
	}
	run_to(&lines, WARD_SERVER_CONNS);
	run_until(never, NULL, 20);
	for (size_t i = 0; i < WARD_SERVER_CONNS + 4; i++) {
		ssize_t k = recv(fds[i], &c, 1, MSG_DONTWAIT);

		good += k == 1;
		refused += k == 0 || (k < 0 && errno == ECONNRESET);
		ward_fd_close(&fds[i]);
	}
	ok(good == WARD_SERVER_CONNS && refused == 4, "256 connections, and the rest is refused");
	ok(run_to(&closeds, WARD_SERVER_CONNS), "all of them end");
	peer_open();
	peer_send("x\n");
	ok(peer_gets(2) && peer.n == 2, "and there is room again");
	ward_fd_close(&peer.fd);
	end_server();
}

static void
test_exhaustion(void)
{
	struct rlimit old, low;
	int fds[64], n = 0, extra, status;
	uint64_t cpu;
	struct rusage a, b;
	int gate[2];
	pid_t pid;

	listen_at(path);
	if (pipe2(gate, O_CLOEXEC) < 0)
		exit(1);
	/* The peer is a process of its own, so that the limit is felt by the server alone. */
	pid = fork();
	if (pid == 0) {
		char c;
		int fd;

		(void)!read(gate[0], &c, 1);
		fd = dial(path);
		_exit(fd >= 0 && read(fd, &c, 1) == 0 ? 0 : 1);
	}
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &low);
	while (n < 64 && (extra = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		fds[n++] = extra;
	getrusage(RUSAGE_SELF, &a);
	ward_fd_write_all(gate[1], "x", 1);
	run_until(never, NULL, 500);
	getrusage(RUSAGE_SELF, &b);
	(void)waitpid(pid, &status, 0);
	cpu = (uint64_t)(b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000u +
	      (uint64_t)(b.ru_utime.tv_usec - a.ru_utime.tv_usec) +
	      (uint64_t)(b.ru_stime.tv_sec - a.ru_stime.tv_sec) * 1000000u +
	      (uint64_t)(b.ru_stime.tv_usec - a.ru_stime.tv_usec);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	   "without a free descriptor a peer is refused, not left waiting");
	ok(cpu < 250000, "and the loop does not spin");
	while (n > 0)
		ward_fd_close(&fds[--n]);
	ward_fd_close(&gate[0]);
	ward_fd_close(&gate[1]);
	setrlimit(RLIMIT_NOFILE, &old);
	peer_open();
	peer_send("x\n");
	ok(peer_gets(2) && peer.n == 2, "and afterwards all is well");
	ward_fd_close(&peer.fd);
	end_server();
}

static void
test_path(void)
{
	struct ward_server *second = NULL;
	char other[128], deep[400] = "";
	struct ward_err err;
	struct stat st;
	int fd;

	listen_at(path);
	ok(lstat(path, &st) == 0 && (st.st_mode & 07777) == 0600, "the socket has mode 0600");
	ok(ward_server_new(loop, path, &config, NULL, &second, &err) == -EADDRINUSE && !second,
	   "a second server on the same path is refused");
	printf("# %s\n", err.detail);
	peer_open();
	peer_send("x\n");
	ok(peer_gets(2) && peer.n == 2, "and the first goes on");
	ward_fd_close(&peer.fd);
	(void)snprintf(other, sizeof(other), "%s.old", path);
	(void)rename(path, other);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	end_server();
	ok(access(path, F_OK) == 0, "what is not ours is not removed");
	ok(listen_at(path) == -EEXIST, "a file is not replaced");
	(void)unlink(path);
	ward_fd_close(&fd);
	(void)rename(other, path);
	ok(listen_at(path) == 0, "a stale socket is replaced");
	end_server();
	ok(access(path, F_OK) < 0, "and removed at the end");

	(void)snprintf(deep, sizeof(deep), "%s/%0120d", dir, 0);
	(void)mkdir(deep, 0700);
	(void)strcat(deep, "/control.sock");
	ok(listen_at(deep) == 0 && lstat(deep, &st) == 0 && (st.st_mode & 07777) == 0600,
	   "a path longer than an address holds");
	fd = dial(deep);
	ok(fd >= 0, "can be connected to");
	ward_fd_close(&fd);
	ok(ward_server_new(loop, deep, &config, NULL, &second, &err) == -EADDRINUSE,
	   "and is seen to be in use");
	end_server();
	ok(access(deep, F_OK) < 0, "and is removed");
	*strrchr(deep, '/') = '\0';
	(void)rmdir(deep);
	(void)snprintf(deep, sizeof(deep), "%s/%0120d", dir, 0);
	ok(listen_at(deep) == -ENAMETOOLONG, "a name that is too long for any address is an error");
	ok(listen_at("/nonexistent/x.sock") == -ENOENT, "a directory that is not there, too");
}

/* Another user gets nothing, even where the mode would let it in. */
static void
test_other_user(void)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		skip("another user: needs root");
		return;
	}
	listen_at(path);
	(void)chmod(dir, 0755);
	(void)chmod(path, 0666);
	pid = fork();
	if (pid == 0) {
		char c;
		int fd;

		if (setuid(65534) < 0)
			_exit(3);
		fd = dial(path);
		if (fd < 0)
			_exit(2);
		(void)send(fd, "x\n", 2, MSG_NOSIGNAL);
		_exit(recv(fd, &c, 1, 0) <= 0 ? 0 : 1);
	}
	run_until(never, NULL, 200);
	(void)waitpid(pid, &status, 0);
	ok(status == 0 && lines == 0, "another user is closed without being heard");
	end_server();
}

/* A process that asks, confined or not; it ends with 0 when it was answered, 1 when it was closed. */
static pid_t
asker(int gate, bool confined)
{
	pid_t pid = fork();
	char c;
	int fd;

	if (pid != 0)
		return pid;
	if (read(gate, &c, 1) < 0 || (confined && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		_exit(3);
	fd = dial(path);
	if (fd < 0)
		_exit(2);
	(void)send(fd, "x\n", 2, MSG_NOSIGNAL);
	_exit(recv(fd, &c, 1, 0) == 1 ? 0 : 1);
}

struct asking {
	pid_t pid;
	int status;
};

static bool
has_ended(void *arg)
{
	struct asking *a = arg;

	return a->pid == 0 || (waitpid(a->pid, &a->status, WNOHANG) == a->pid && !(a->pid = 0));
}

/* How such a process ends, with the last free descriptor taken for the connection when @exhausted. */
static int
ask(bool confined, bool exhausted)
{
	struct asking a = { .status = -1 };
	struct rlimit old, low;
	int gate[2], fds[64], n = 0, extra;

	if (pipe2(gate, O_CLOEXEC) < 0)
		exit(1);
	a.pid = asker(gate[0], confined);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 64;
	if (exhausted) {
		setrlimit(RLIMIT_NOFILE, &low);
		while (n < 64 && (extra = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
			fds[n++] = extra;
		ward_fd_close(&fds[--n]);
	}
	ward_fd_write_all(gate[1], "x", 1);
	run_until(has_ended, &a, 5000);
	if (a.pid != 0) {
		(void)kill(a.pid, SIGKILL);
		(void)waitpid(a.pid, NULL, 0);
	}
	while (n > 0)
		ward_fd_close(&fds[--n]);
	setrlimit(RLIMIT_NOFILE, &old);
	ward_fd_close(&gate[0]);
	ward_fd_close(&gate[1]);
	return a.status;
}

/* Who is in a sandbox is not heard, and whoever takes away the descriptors that it takes to see that, gains nothing. */
static void
test_confined(void)
{
	listen_at(path);
	ok(ask(false, false) == 0, "a process of ours is heard");
	ok(ask(true, false) == 1 << 8, "but not one that gave up privileges");
	ok(ask(true, true) == 1 << 8, "not even when the descriptors run out");
	ok(ask(false, true) == 0, "when the others still are");
	end_server();
}

int
main(void)
{
	kit_open();
	test_confined();
	test_many();
	test_exhaustion();
	test_path();
	test_other_user();
	return kit_close();
}
