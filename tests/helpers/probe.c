/* The child that reports what it sees, for tests to compare with what it should see.
 *
 *	probe [--to PATH] [--try PATH]... [--list PATH]... [--exit N] [--kill SIG] [--hold]
 *
 * Prints one JSON object to stdout or, whole or not at all, to PATH; then waits for a signal, kills
 * itself with SIG (name or number), or exits with N. Other arguments are only reported.
 *
 * argv, environ	lists of strings, byte for byte
 * cwd, umask, nice, pid, ppid, pgid, sid, tty (0: no controlling terminal)
 * fds			list of { fd, link, flags (F_GETFL), mode ("r", "w", "rw", "path"), append,
 *			nonblock, cloexec }
 * uid, gid		{ real, effective, saved }; groups: list
 * signals		{ blocked, ignored, caught }: lists of numbers, 1 to 64
 * caps			{ effective, permitted, inheritable, bounding, ambient }: 16 hex digits
 * no_new_privs, seccomp (mode; null without /proc), limits { nofile: [soft, hard] ... }
 * securebits, parent_death (signal or 0), affinity (list of CPUs), sched { policy, priority }, ioprio
 * window		[rows, columns] of descriptor 0, or null when it is no terminal
 * namespaces		{ uts: "uts:[4026531838]" ... }
 * tries		{ PATH: [read, write] }: errno of open(2), or 0
 * lists		{ PATH: names in that directory, sorted; or errno }
 * hostname, loopback (is it up?), uid_map, gid_map, cgroup (text; null without /proc)
 * userns		errno of unshare(2) for another user namespace, in a process of its own; or 0
 * mounts		list of { target, options, type, super }: of /proc/self/mountinfo; empty without /proc
 *
 * Everything is asked of the kernel without libc in between where libc would hide something, and
 * nothing is opened before the descriptors are listed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NSIG_KERNEL 64

extern char **environ;

static FILE *out; /* in memory until everything has been seen */

static void
put(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vfprintf(out, fmt, ap) < 0)
		abort();
	va_end(ap);
}

static void
put_string(const char *s)
{
	if (!s) {
		put("null");
		return;
	}
	put("\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			put("\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			put("\\u%04x", (unsigned int)*s);
		else
			put("%c", *s);
	}
	put("\"");
}

static void
put_strings(const char *key, char **list)
{
	put(",\n\"%s\": [", key);
	for (size_t i = 0; list[i]; i++) {
		put(i ? ", " : "");
		put_string(list[i]);
	}
	put("]");
}

static void
put_fd(int fd, bool first)
{
	static const char *const modes[] = { "r", "w", "rw", "?" };
	int flags = fcntl(fd, F_GETFL), fdflags = fcntl(fd, F_GETFD);
	char name[64], link[PATH_MAX + 1];
	ssize_t n;

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	put("%s\n  {\"fd\": %d, \"link\": ", first ? "" : ",", fd);
	put_string(n < 0 ? NULL : link);
	put(", \"flags\": %d, \"mode\": \"%s\", \"append\": %s, \"nonblock\": %s, \"cloexec\": %s}",
	    flags, flags & O_PATH ? "path" : modes[flags & O_ACCMODE],
	    flags & O_APPEND ? "true" : "false", flags & O_NONBLOCK ? "true" : "false",
	    fdflags & FD_CLOEXEC ? "true" : "false");
}

/* In a root without /proc every number that could be open is asked. */
static void
put_fds_without_proc(void)
{
	bool first = true;
	struct rlimit lim;
	int end = 65536;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < (rlim_t)end)
		end = (int)lim.rlim_cur;
	for (int fd = 0; fd < end; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			put_fd(fd, first);
			first = false;
		}
	}
}

static int
compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* The listing's own descriptor is the one that is left out. */
static void
put_fds(void)
{
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct dirent64) char buf[4096];
	static int fds[65536];
	size_t nfds = 0;
	long n;

	put("\"fds\": [");
	if (dir < 0) {
		put_fds_without_proc();
		put("]");
		return;
	}
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);
			int fd = atoi(d->d_name);

			at += d->d_reclen;
			if (d->d_name[0] != '.' && fd != dir && nfds < 65536)
				fds[nfds++] = fd;
		}
	}
	(void)close(dir);
	qsort(fds, nfds, sizeof(fds[0]), compare_int);
	for (size_t i = 0; i < nfds; i++)
		put_fd(fds[i], i == 0);
	put("]");
}

/* Field @want (from 1) of /proc/self/stat behind the name in parentheses; -1 without /proc. */
static long
stat_field(int want)
{
	char buf[1024], *p;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	(void)close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	for (int field = 2; p && field < want; field++)
		p = strchr(p + 1, ' ');
	return p ? strtol(p, NULL, 10) : -1;
}

static void
put_process(void)
{
	char cwd[PATH_MAX];
	mode_t mask = umask(0);
	long n = syscall(SYS_getcwd, cwd, sizeof(cwd)); /* libc's hides "(unreachable)" */

	(void)umask(mask);
	put(",\n\"cwd\": ");
	put_string(n < 0 ? NULL : cwd);
	put(",\n\"umask\": %u, \"pid\": %d, \"ppid\": %d, \"pgid\": %d, \"sid\": %d, \"tty\": %ld",
	    (unsigned int)mask, getpid(), getppid(), getpgrp(), getsid(0), stat_field(7));
	errno = 0;
	put(", \"nice\": %d", getpriority(PRIO_PROCESS, 0));
}

static void
put_ids(void)
{
	static gid_t groups[65536]; /* NGROUPS_MAX */
	uid_t ur, ue, us;
	gid_t gr, ge, gs;
	int n;

	if (getresuid(&ur, &ue, &us) < 0 || getresgid(&gr, &ge, &gs) < 0)
		abort();
	put(",\n\"uid\": {\"real\": %u, \"effective\": %u, \"saved\": %u}", ur, ue, us);
	put(",\n\"gid\": {\"real\": %u, \"effective\": %u, \"saved\": %u}", gr, ge, gs);
	n = getgroups(65536, groups);
	put(",\n\"groups\": [");
	for (int i = 0; i < n; i++)
		put("%s%u", i ? ", " : "", groups[i]);
	put("]");
}

static void
put_signal_set(const char *key, uint64_t set)
{
	bool first = true;

	put("\"%s\": [", key);
	for (int sig = 1; sig <= NSIG_KERNEL; sig++) {
		if (set >> (sig - 1) & 1) {
			put("%s%d", first ? "" : ", ", sig);
			first = false;
		}
	}
	put("]");
}

/* Raw: libc keeps signals 32 and 33 to itself. */
static void
put_signals(void)
{
	uint64_t blocked = 0, ignored = 0, caught = 0;

	(void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
	for (int sig = 1; sig <= NSIG_KERNEL; sig++) {
		uintptr_t act[8] = { 0 }; /* struct sigaction of the kernel; handler first */

		if (syscall(SYS_rt_sigaction, sig, NULL, act, sizeof(uint64_t)) < 0)
			continue;
		if (act[0] == (uintptr_t)SIG_IGN)
			ignored |= UINT64_C(1) << (sig - 1);
		else if (act[0] != (uintptr_t)SIG_DFL)
			caught |= UINT64_C(1) << (sig - 1);
	}
	put(",\n\"signals\": {");
	put_signal_set("blocked", blocked);
	put(", ");
	put_signal_set("ignored", ignored);
	put(", ");
	put_signal_set("caught", caught);
	put("}");
}

static void
put_caps(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct lo_hi[2] = { 0 };
	uint64_t bounding = 0, ambient = 0;

	if (syscall(SYS_capget, &head, lo_hi) < 0)
		abort();
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			bounding |= UINT64_C(1) << cap;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			ambient |= UINT64_C(1) << cap;
	}
	put(",\n\"caps\": {\"effective\": \"%08x%08x\", \"permitted\": \"%08x%08x\", "
	    "\"inheritable\": \"%08x%08x\", \"bounding\": \"%016" PRIx64
	    "\", \"ambient\": \"%016" PRIx64 "\"}",
	    lo_hi[1].effective, lo_hi[0].effective, lo_hi[1].permitted, lo_hi[0].permitted,
	    lo_hi[1].inheritable, lo_hi[0].inheritable, bounding, ambient);
}

/* prctl(PR_GET_SECCOMP) would kill a process in strict mode: the file can be asked in any. */
static void
put_sandbox(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int seccomp = -1;

	while (status && fgets(line, sizeof(line), status))
		(void)sscanf(line, "Seccomp: %d", &seccomp);
	if (status)
		(void)fclose(status);
	put(",\n\"no_new_privs\": %s",
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? "true" : "false");
	put(seccomp < 0 ? ", \"seccomp\": null" : ", \"seccomp\": %d", seccomp);
}

static void
put_scheduling(void)
{
	static const char *const namespaces[] = { "cgroup", "ipc",  "mnt",  "net",
						  "pid",    "time", "user", "uts" };
	struct sched_param param = { 0 };
	struct winsize window;
	cpu_set_t cpus;
	bool first = true;
	int death = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death);
	put(",\n\"securebits\": %d, \"parent_death\": %d, \"affinity\": [",
	    prctl(PR_GET_SECUREBITS), death);
	CPU_ZERO(&cpus);
	(void)sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		put("%s%zu", first ? "" : ", ", cpu);
		first = false;
	}
	(void)sched_getparam(0, &param);
	put("], \"sched\": {\"policy\": %d, \"priority\": %d}, \"ioprio\": %ld",
	    sched_getscheduler(0), param.sched_priority, syscall(SYS_ioprio_get, 1, 0));
	if (ioctl(0, TIOCGWINSZ, &window) == 0)
		put(", \"window\": [%u, %u]", window.ws_row, window.ws_col);
	else
		put(", \"window\": null");
	put(",\n\"namespaces\": {");
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		char name[64], link[64];
		ssize_t n;

		(void)snprintf(name, sizeof(name), "/proc/self/ns/%s", namespaces[i]);
		n = readlink(name, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		put("%s\"%s\": \"%s\"", i ? ", " : "", namespaces[i], link);
	}
	put("}");
}

static int
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static void
put_tries(int argc, char **argv)
{
	bool first = true;

	put(",\n\"tries\": {");
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--try") != 0)
			continue;
		put(first ? "" : ", ");
		first = false;
		put_string(argv[++i]);
		put(": [%d, %d]", try_open(argv[i], O_RDONLY), try_open(argv[i], O_WRONLY));
	}
	put("}");
}

static int
visible(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static void
put_list(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, visible, alphasort);

	if (n < 0) {
		put("%d", errno);
		return;
	}
	put("[");
	for (int i = 0; i < n; i++) {
		put(i ? ", " : "");
		put_string(names[i]->d_name);
		free(names[i]);
	}
	free(names);
	put("]");
}

static void
put_lists(int argc, char **argv)
{
	bool first = true;

	put(",\n\"lists\": {");
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--list") != 0)
			continue;
		put(first ? "" : ", ");
		first = false;
		put_string(argv[++i]);
		put(": ");
		put_list(argv[i]);
	}
	put("}");
}

static void
put_text(const char *key, const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		(void)close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	put(",\n\"%s\": ", key);
	put_string(n < 0 ? NULL : buf);
}

/* proc(5): ID PARENT MAJOR:MINOR ROOT TARGET OPTIONS FIELDS... - TYPE SOURCE SUPER */
static void
put_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool first = true;
	char line[4096];

	put(",\n\"mounts\": [");
	while (f && fgets(line, sizeof(line), f)) {
		char target[PATH_MAX], options[256], type[64], super[512];
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s %255s", target, options) != 2 ||
		    sscanf(rest + 3, "%63s %*s %511s", type, super) != 2)
			continue;
		put("%s\n  {\"target\": ", first ? "" : ",");
		put_string(target);
		put(", \"options\": \"%s\", \"type\": \"%s\", \"super\": ", options, type);
		put_string(super);
		put("}");
		first = false;
	}
	if (f)
		(void)fclose(f);
	put("]");
}

static void
put_userns(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		abort();
	put(",\n\"userns\": %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void
put_surroundings(void)
{
	struct ifreq lo = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &lo) == 0 && (lo.ifr_flags & IFF_UP);
	char name[256] = "";

	if (fd >= 0)
		(void)close(fd);
	(void)gethostname(name, sizeof(name) - 1);
	put(",\n\"loopback\": %s, \"hostname\": ", up ? "true" : "false");
	put_string(name);
	put_text("uid_map", "/proc/self/uid_map");
	put_text("gid_map", "/proc/self/gid_map");
	put_text("cgroup", "/proc/self/cgroup");
	put_userns();
	put_mounts();
}

static void
put_limit(const char *key, rlim_t value)
{
	if (value == RLIM_INFINITY)
		put("%s\"unlimited\"", key);
	else
		put("%s%ju", key, (uintmax_t)value);
}

static void
put_limits(void)
{
	static const struct {
		const char *name;
		__rlimit_resource_t resource;
	} limits[] = {
		{ "as", RLIMIT_AS },
		{ "core", RLIMIT_CORE },
		{ "cpu", RLIMIT_CPU },
		{ "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE },
		{ "locks", RLIMIT_LOCKS },
		{ "memlock", RLIMIT_MEMLOCK },
		{ "msgqueue", RLIMIT_MSGQUEUE },
		{ "nice", RLIMIT_NICE },
		{ "nofile", RLIMIT_NOFILE },
		{ "nproc", RLIMIT_NPROC },
		{ "rss", RLIMIT_RSS },
		{ "rtprio", RLIMIT_RTPRIO },
		{ "rttime", RLIMIT_RTTIME },
		{ "sigpending", RLIMIT_SIGPENDING },
		{ "stack", RLIMIT_STACK },
	};

	put(",\n\"limits\": {");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit lim;

		if (getrlimit(limits[i].resource, &lim) < 0)
			abort();
		put("%s\"%s\": ", i ? ", " : "", limits[i].name);
		put_limit("[", lim.rlim_cur);
		put_limit(", ", lim.rlim_max);
		put("]");
	}
	put("}");
}

static bool
write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return true;
}

/* A reader finds the whole report under the name, or nothing. */
static bool
deliver(const char *path, const char *data, size_t size)
{
	char part[PATH_MAX];
	bool ok;
	int fd;

	if (!path)
		return write_all(STDOUT_FILENO, data, size);
	if (snprintf(part, sizeof(part), "%s.%d", path, getpid()) >= (int)sizeof(part))
		return false;
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	ok = write_all(fd, data, size);
	return close(fd) == 0 && ok && rename(part, path) == 0;
}

static int
signal_number(const char *text)
{
	for (int sig = 1; sig <= NSIG_KERNEL; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name && strcmp(name, text) == 0)
			return sig;
	}
	return atoi(text);
}

int
main(int argc, char **argv)
{
	const char *to = NULL;
	int status = 0, sig = 0;
	bool hold = false;
	char *data = NULL;
	size_t size = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--hold") == 0)
			hold = true;
		else if (i + 1 < argc && strcmp(argv[i], "--to") == 0)
			to = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "--exit") == 0)
			status = atoi(argv[++i]);
		else if (i + 1 < argc && strcmp(argv[i], "--kill") == 0)
			sig = signal_number(argv[++i]);
	}
	out = open_memstream(&data, &size);
	if (!out)
		return 125;
	put("{");
	put_fds();
	put_strings("argv", argv);
	put_strings("environ", environ);
	put_process();
	put_ids();
	put_signals();
	put_caps();
	put_sandbox();
	put_limits();
	put_scheduling();
	put_tries(argc, argv);
	put_lists(argc, argv);
	put_surroundings();
	put("}\n");
	if (fclose(out) != 0 || !deliver(to, data, size))
		return 125;
	while (hold)
		(void)pause();
	if (sig)
		(void)kill(getpid(), sig);
	return status;
}
