/* What a program may try that wants out of its sandbox. Each attack says on stdout what became of it, and ends
 * with 0 when it succeeded, 1 when it did not:
 *
 *	attack VERB [ARGUMENT]...
 *
 * The same attack is made outside by the tests, where it must succeed: else it would prove nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FDS 1024

static bool
failed(const char *what)
{
	(void)printf("%s: %s\n", what, strerror(errno));
	return false;
}

static bool
read_at(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	char byte;
	bool got = fd >= 0 && read(fd, &byte, 1) == 1;

	if (fd >= 0)
		(void)close(fd);
	return got ? true : failed(path);
}

/* read PATH: of a file, directly or through a link of /proc */
static bool
attack_read(char **argv)
{
	return read_at(AT_FDCWD, argv[0]);
}

/* fds PATH: PATH, relative, from whatever directory is open by accident */
static bool
attack_fds(char **argv)
{
	for (int fd = 0; fd < FDS; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 && read_at(fd, argv[0]))
			return true;
	}
	return false;
}

/* write PATH: a new file */
static bool
attack_write(char **argv)
{
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return failed(argv[0]);
	return close(fd) == 0;
}

/* mount DIR: something on it */
static bool
attack_mount(char **argv)
{
	return mount("none", argv[0], "tmpfs", 0, NULL) == 0 ? true : failed("mount");
}

/* writable PATH: makes its mount writable, and writes */
static bool
attack_writable(char **argv)
{
	char dir[4096];

	(void)snprintf(dir, sizeof(dir), "%s", argv[0]);
	*strrchr(dir, '/') = '\0';
	if (mount("none", dir[0] ? dir : "/", NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
		(void)failed("remount");
	return attack_write(argv);
}

/* unmount PATH FILE: takes away what hides FILE */
static bool
attack_unmount(char **argv)
{
	if (umount2(argv[0], MNT_DETACH) < 0)
		(void)failed("umount");
	return read_at(AT_FDCWD, argv[1]);
}

/* mknod PATH: the kernel's null device, opened through a node of our own */
static bool
attack_mknod(char **argv)
{
	if (mknod(argv[0], S_IFCHR | 0666, makedev(1, 3)) < 0)
		return failed("mknod");
	return open(argv[0], O_RDWR | O_CLOEXEC) >= 0 ? true : failed("open");
}

/* device PATH: a node that is there already */
static bool
attack_device(char **argv)
{
	return open(argv[0], O_RDWR | O_CLOEXEC) >= 0 ? true : failed("open");
}

/* signal PID */
static bool
attack_signal(char **argv)
{
	return kill(atoi(argv[0]), SIGCONT) == 0 ? true : failed("kill");
}

/* ptrace PID */
static bool
attack_ptrace(char **argv)
{
	pid_t pid = atoi(argv[0]);

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
		return failed("ptrace");
	(void)waitpid(pid, NULL, __WALL);
	return ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0;
}

/* look PID: into its memory, or where it is, or at what it has open */
static bool
attack_look(char **argv)
{
	char path[64], link[256];
	bool got = false;
	DIR *dir;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/mem", argv[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	got |= fd >= 0 || failed(path);
	(void)snprintf(path, sizeof(path), "/proc/%s/cwd", argv[0]);
	got |= readlink(path, link, sizeof(link)) > 0 || failed(path);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", argv[0]);
	dir = opendir(path);
	got |= dir || failed(path);
	if (dir)
		(void)closedir(dir);
	if (fd >= 0)
		(void)close(fd);
	return got;
}

/* leak PID PATH: through the directories that PID has open, and its own and root directory */
static bool
attack_leak(char **argv)
{
	char path[512];
	struct dirent *d;
	bool got = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%s/root/%s", argv[0], argv[1]);
	got |= read_at(AT_FDCWD, path);
	(void)snprintf(path, sizeof(path), "/proc/%s/cwd/../../../../../../%s", argv[0], argv[1]);
	got |= read_at(AT_FDCWD, path);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", argv[0]);
	dir = opendir(path);
	if (!dir)
		return got ? got : failed(path);
	while ((d = readdir(dir))) {
		(void)snprintf(path, sizeof(path), "/proc/%s/fd/%s/../../../../../../%s", argv[0],
			       d->d_name, argv[1]);
		got |= d->d_name[0] != '.' && read_at(AT_FDCWD, path);
	}
	(void)closedir(dir);
	return got;
}

/* overwrite PID: the program that it runs, once it no longer runs */
static bool
attack_overwrite(char **argv)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	char path[64];
	int fd, again = -1;

	(void)snprintf(path, sizeof(path), "/proc/%s/exe", argv[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(path);
	(void)kill(atoi(argv[0]), SIGKILL);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int i = 0; i < 100 && again < 0; i++) {
		again = open(path, O_WRONLY | O_CLOEXEC);
		if (again < 0 && errno != ETXTBSY)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return again >= 0 && write(again, "x", 1) == 1 ? true : failed(path);
}

/* userns DIR: every capability again, in a user namespace of our own */
static bool
attack_userns(char **argv)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return failed("unshare");
	return attack_mount(argv);
}

/* root: are we? */
static bool
attack_root(char **argv)
{
	(void)argv;
	(void)printf("euid %d\n", geteuid());
	return geteuid() == 0;
}

/* setuid PROGRAM: one with the bit, which asks whether it is root */
static bool
attack_setuid(char **argv)
{
	(void)fflush(stdout);
	(void)execl(argv[0], argv[0], "root", (char *)NULL);
	return failed(argv[0]);
}

/* plant PATH: a copy of ourselves with the bit, for somebody else to use */
static bool
attack_plant(char **argv)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(argv[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n;

	if (from < 0 || to < 0)
		return failed(argv[0]);
	while ((n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n)
			return failed("write");
	}
	return fchmod(to, 04755) == 0 ? true : failed("fchmod");
}

/* chroot DIR PATH: the way out of a chroot: a second one, from below which nothing holds us */
static bool
attack_chroot(char **argv)
{
	if ((mkdir(argv[0], 0755) < 0 && errno != EEXIST) || chroot(argv[0]) < 0)
		return failed("chroot");
	for (int i = 0; i < 100; i++) {
		if (chdir("..") < 0)
			return failed("chdir");
	}
	if (chroot(".") < 0)
		return failed("chroot");
	return read_at(AT_FDCWD, argv[1]);
}

/* forks N: that many processes at once */
static bool
attack_forks(char **argv)
{
	int want = atoi(argv[0]), n = 0;
	pid_t *pids = calloc((size_t)want, sizeof(*pids));

	for (; pids && n < want; n++) {
		pids[n] = fork();
		if (pids[n] < 0) {
			(void)failed("fork");
			break;
		}
		while (pids[n] == 0)
			(void)pause();
	}
	for (int i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	(void)printf("%d of %d\n", n, want);
	return n == want;
}

/* capable: does any capability count, or can one be raised? */
static bool
attack_capable(char **argv)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	(void)argv;
	if (syscall(SYS_capget, &head, data) < 0)
		return failed("capget");
	(void)printf("permitted %08x%08x\n", data[1].permitted, data[0].permitted);
	return data[0].permitted || data[1].permitted || data[0].effective || data[1].effective;
}

/* regain PROGRAM: capabilities, by executing one that gives them: by a file capability, or to root */
static bool
attack_regain(char **argv)
{
	(void)fflush(stdout);
	(void)execl(argv[0], argv[0], "capable", (char *)NULL);
	return failed(argv[0]);
}

/* abstract NAME: connects to a socket without a path */
static bool
attack_abstract(char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[0]));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "%s", argv[0]);
	return fd >= 0 && connect(fd, (struct sockaddr *)&to, size) == 0 ? true : failed("connect");
}

/* listen PORT: on a TCP port */
static bool
attack_listen(char **argv)
{
	const int on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(argv[0])),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0
		       ? true
		       : failed("bind");
}

/* A listening socket of this machine; sets *port. */
static int
listener(struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || listen(fd, 1) < 0 || getsockname(fd, (struct sockaddr *)at, &size) < 0)
		return -1;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd;
}

/* autobind: listens on a port that the kernel chooses, without bind */
static bool
attack_autobind(char **argv)
{
	struct sockaddr_in at;

	(void)argv;
	return listener(&at) >= 0 ? true : failed("listen");
}

/* mptcp PORT: listens on a TCP port by another protocol */
static bool
attack_mptcp(char **argv)
{
	const int on = 1;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(argv[0])),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262 /* IPPROTO_MPTCP */);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0
		       ? true
		       : failed("mptcp");
}

/* fastopen PORT: connects to a TCP port by what it sends; somebody listens there */
static bool
attack_fastopen(char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(argv[0])),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &part, .msg_iovlen = 1
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) ==
		    1 ||
	    sendmsg(fd, &msg, MSG_FASTOPEN | MSG_NOSIGNAL) == 1)
		return true;
	return failed("fastopen");
}

/* connect PORT: to a TCP port as one does */
static bool
attack_connect(char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(argv[0])),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? true : failed("connect");
}

/* setid WAY PATH: a file with the bit, for others to be us by */
static bool
attack_setid(char **argv)
{
	static const struct {
		const char *name;
		long nr, a[4];
	} ways[] = {
#ifdef __NR_chmod
		{ "chmod", __NR_chmod, { 1, 04755 } },
		{ "creat", __NR_creat, { 1, 04755 } },
		{ "mknod", __NR_mknod, { 1, S_IFREG | 04755 } },
		{ "open", __NR_open, { 1, O_CREAT | O_WRONLY, 02755 } },
#endif
		{ "fchmod", __NR_fchmod, { 2, 02755 } },
		{ "fchmodat", __NR_fchmodat, { AT_FDCWD, 1, 04755 } },
		{ "fchmodat2", 452, { AT_FDCWD, 1, 04755 } },
		{ "mknodat", __NR_mknodat, { AT_FDCWD, 1, S_IFREG | 04755 } },
		{ "openat", __NR_openat, { AT_FDCWD, 1, O_CREAT | O_WRONLY, 04755 } },
		{ "openat2", 437, { AT_FDCWD, 1, 3, 24 } },
	};
	const uint64_t how[3] = { O_CREAT | O_WRONLY, 04755, 0 };
	struct stat st;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = -1;
		long a[4];

		if (strcmp(ways[i].name, argv[0]) != 0)
			continue;
		if (strstr(argv[0], "chmod"))
			fd = open(argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
		for (size_t k = 0; k < 4; k++) {
			a[k] = ways[i].a[k];
			if (a[k] == 1)
				a[k] = (long)argv[1];
			else if (a[k] == 2)
				a[k] = fd;
			else if (a[k] == 3)
				a[k] = (long)how;
		}
		if (syscall(ways[i].nr, a[0], a[1], a[2], a[3]) < 0)
			(void)failed(argv[0]);
		return stat(argv[1], &st) == 0 && st.st_mode & 06000;
	}
	return failed("no such way");
}

/* call NAME: a system call that reaches deep into the kernel; anything but a plain no is a success */
static bool
attack_call(char **argv)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{ "bpf", SYS_bpf },
		{ "io_uring_setup", SYS_io_uring_setup },
		{ "keyctl", SYS_keyctl },
		{ "name_to_handle_at", SYS_name_to_handle_at },
		{ "perf_event_open", SYS_perf_event_open },
		{ "process_vm_readv", SYS_process_vm_readv },
		{ "process_vm_writev", SYS_process_vm_writev },
		{ "ptrace", SYS_ptrace }, /* PTRACE_TRACEME */
		{ "setns", SYS_setns },
		{ "unshare", SYS_unshare },
		{ "userfaultfd", SYS_userfaultfd },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, argv[0]) == 0)
			return syscall(calls[i].number, 0, 0, 0, 0, 0) >= 0 || errno != EPERM
				       ? true
				       : failed(argv[0]);
	}
	return failed("no such call");
}

/* A call by its number, with arguments that do nothing where it is allowed. EPERM is the filter's answer; any other
 * says that the kernel has seen the call. */
static bool
attack_syscall(char **argv)
{
	static const struct {
		const char *name;
		long nr, a, b, c;
	} calls[] = {
		{ "keyctl", __NR_keyctl, 0 /* get keyring id */, -3 /* of the session */, 0 },
		{ "userfaultfd", __NR_userfaultfd, 1 /* only of user space */, 0, 0 },
		{ "io_uring_setup", __NR_io_uring_setup, 0, 0, 0 },
		{ "bpf", __NR_bpf, -1, 0, 0 },
		{ "perf_event_open", __NR_perf_event_open, 0, 0, -1 },
		{ "tiocsti", __NR_ioctl, -1, 0x5412, 0 },
		{ "tiocsti-high", __NR_ioctl, -1, 0x100005412, 0 },
		{ "tioclinux", __NR_ioctl, -1, 0x541C, 0 },
		{ "tcgets", __NR_ioctl, -1, 0x5401, 0 },
		{ "alg", __NR_socket, 38 /* AF_ALG */, SOCK_SEQPACKET, 0 },
		{ "unix", __NR_socket, AF_UNIX, SOCK_STREAM, 0 },
		{ "vsock", __NR_socket, 40 /* AF_VSOCK */, SOCK_STREAM, 0 },
		{ "pair-packet", __NR_socketpair, 17 /* AF_PACKET */, SOCK_STREAM, 0 },
		{ "pair-tipc", __NR_socketpair, 30 /* AF_TIPC */, SOCK_STREAM, 0 },
		{ "pair-unix", __NR_socketpair, AF_UNIX, SOCK_STREAM, 0 },
		{ "ax25", __NR_socket, 3, SOCK_DGRAM, 0 },
		{ "x25", __NR_socket, 9, SOCK_SEQPACKET, 0 },
		{ "rose", __NR_socket, 11, SOCK_SEQPACKET, 0 },
		{ "key", __NR_socket, 15, SOCK_RAW, 2 },
		{ "inet6", __NR_socket, AF_INET6, SOCK_STREAM, 0 },
		{ "netlink", __NR_socket, 16, SOCK_RAW, 0 },
		{ "ulp", __NR_setsockopt, -1, IPPROTO_TCP, 31 /* TCP_ULP */ },
		{ "nodelay", __NR_setsockopt, -1, IPPROTO_TCP, 1 /* TCP_NODELAY */ },
		{ "vsock-high", __NR_socket, 0x100000028, SOCK_STREAM, 0 },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(argv[0], calls[i].name) == 0)
			return syscall(calls[i].nr, calls[i].a, calls[i].b, calls[i].c) >= 0 ||
			       errno != EPERM || failed(argv[0]);
	}
	return failed("no such call");
}

/* Types a character into its terminal, as if its user had, for the shell behind it. */
static bool
attack_type(char **argv)
{
	(void)argv;
	return ioctl(0, TIOCSTI, "x") == 0 || failed("TIOCSTI");
}

#ifdef __x86_64__
/* Stops @pid, which we trace, in a call that it waits in. */
static bool
stop_in_call(pid_t pid, struct user_regs_struct *regs)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < 10000; tries++) {
		(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		(void)waitpid(pid, NULL, __WALL);
		if (ptrace(PTRACE_GETREGS, pid, NULL, regs) < 0)
			return false;
		if ((long)regs->orig_rax >= 0)
			return true;
		(void)ptrace(PTRACE_CONT, pid, NULL, NULL); /* it is on its way there */
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

/* puppet PID PATH: have PID, which waits in a call, make a directory (0: our parent) */
static bool
attack_puppet(char **argv)
{
	pid_t pid = atoi(argv[0]) ? atoi(argv[0]) : getppid();
	struct user_regs_struct regs;
	char path[256] = "";
	int status;

	(void)strncpy(path, argv[1], sizeof(path) - 1);
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return failed("ptrace");
	if (!stop_in_call(pid, &regs))
		return failed("registers");
	regs.rdi = (regs.rsp - 1024) & ~7ull;
	for (size_t i = 0; i < sizeof(path); i += sizeof(long)) {
		long word;

		memcpy(&word, path + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, pid, regs.rdi + i, word) < 0)
			return failed("memory");
	}
	regs.rax = __NR_mkdir;
	regs.orig_rax = -1ull;
	regs.rsi = 0755;
	regs.rip -= 2; /* the call once more */
	if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0 ||
	    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0)
		return failed("step");
	(void)waitpid(pid, &status, __WALL);
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return access(path, F_OK) == 0 ? true : failed(path);
}

/* getpid as x32 has it: the bit and the number. Without x32 in the kernel it is ENOSYS, which also passes the
 * filter. */
static bool
attack_x32(char **argv)
{
	(void)argv;
	return syscall(0x40000000 | __NR_getpid) > 0 || errno == ENOSYS || failed("x32");
}

/* getpid as a program of 32 bits makes it. */
static bool
attack_int80(char **argv)
{
	long r = 20;

	(void)argv;
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	return r == getpid();
}
#endif

int
main(int argc, char **argv)
{
	static const struct {
		const char *verb;
		int arguments;
		bool (*attack)(char **argv);
	} attacks[] = {
#ifdef __x86_64__
		{ "int80", 0, attack_int80 },	    { "x32", 0, attack_x32 },
		{ "puppet", 2, attack_puppet },
#endif
		{ "syscall", 1, attack_syscall },   { "abstract", 1, attack_abstract },
		{ "call", 1, attack_call },	    { "capable", 0, attack_capable },
		{ "listen", 1, attack_listen },	    { "regain", 1, attack_regain },
		{ "chroot", 2, attack_chroot },	    { "device", 1, attack_device },
		{ "fds", 1, attack_fds },	    { "forks", 1, attack_forks },
		{ "autobind", 0, attack_autobind }, { "mptcp", 1, attack_mptcp },
		{ "fastopen", 1, attack_fastopen }, { "connect", 1, attack_connect },
		{ "setid", 2, attack_setid },	    { "leak", 2, attack_leak },
		{ "look", 1, attack_look },	    { "mknod", 1, attack_mknod },
		{ "mount", 1, attack_mount },	    { "overwrite", 1, attack_overwrite },
		{ "plant", 1, attack_plant },	    { "ptrace", 1, attack_ptrace },
		{ "read", 1, attack_read },	    { "root", 0, attack_root },
		{ "setuid", 1, attack_setuid },	    { "signal", 1, attack_signal },
		{ "type", 0, attack_type },	    { "unmount", 2, attack_unmount },
		{ "userns", 1, attack_userns },	    { "writable", 1, attack_writable },
		{ "write", 1, attack_write },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(argv[1], attacks[i].verb) == 0 && argc == 2 + attacks[i].arguments) {
			bool succeeded = attacks[i].attack(argv + 2);

			(void)printf("%s %s\n", argv[1], succeeded ? "succeeded" : "failed");
			return succeeded ? 0 : 1;
		}
	}
	(void)fprintf(stderr, "attack: no such attack, or not with these arguments\n");
	return 2;
}
