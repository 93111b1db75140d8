#include "loop/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "linux/procfs.h"
#include "loop/handover_text.h"
#include "loop/rehearsal.h"

#define VARIABLE   "WARD_HANDOVER"
#define FDS	   "/proc/self/fd/"
#define SELF	   "/proc/self/exe" /* the program that runs, wherever its file is by now */
#define REASON_MAX sizeof(((struct ward_predecessor *)0)->reason)
#define DETAIL_MAX sizeof(((struct ward_predecessor *)0)->detail)

#define MOST_FDS  (1u << 20)
#define WORD_BITS 64u
#define WORDS	  (MOST_FDS / WORD_BITS)

#define SET_WORDS (sizeof(struct ward_fdset) / sizeof(unsigned long))

/* A bit for each descriptor: there is no memory to run out of, and no moment in which a reader sees half a change. Pages that no
 * descriptor has come to are not there. */
static _Atomic uint64_t kept[WORDS];
/* In a successor: those of them that nobody has taken yet, and among these the files in memory. */
static uint64_t waiting[WORDS], in_memory[WORDS];

static _Atomic pid_t foreign[WARD_HANDOVER_FOREIGN];
static pid_t told_foreign[WARD_HANDOVER_FOREIGN]; /* in a successor */

static struct {
	char **argv;
	char **envp;	     /* NULL: not armed; the first is `variable` */
	char file[PATH_MAX]; /* as it was first executed; it may be a link */
	char journal[PATH_MAX];
	struct ward_fdset inherited;
} self;

/* VARIABLE=PID:INHERITED:REASON:FOREIGN:FILE DETAIL JOURNAL, without spaces: each of the last is its length, a colon and
 * that many bytes. The pid says that it was this process that wrote it. */
static char variable[sizeof(VARIABLE) + 64 + 2 * sizeof(struct ward_fdset) + REASON_MAX +
		     WARD_HANDOVER_FOREIGN * 12u + DETAIL_MAX + 2 * PATH_MAX];

static _Atomic int journal_fd = -1;
static bool is_successor, pending;
static struct ward_predecessor from;
_Static_assert(sizeof(from.journal) >= PATH_MAX, "any path has room");

static bool
is_number(int fd)
{
	return fd >= 0 && (unsigned int)fd < MOST_FDS;
}

static uint64_t
bit_of(int fd)
{
	return UINT64_C(1) << ((unsigned int)fd % WORD_BITS);
}

void
ward_handover_add(int fd)
{
	if (is_number(fd))
		(void)atomic_fetch_or(&kept[(unsigned int)fd / WORD_BITS], bit_of(fd));
}

void
ward_handover_remove(int fd)
{
	if (is_number(fd))
		(void)atomic_fetch_and(&kept[(unsigned int)fd / WORD_BITS], ~bit_of(fd));
}

void
ward_handover_close(int *fd)
{
	ward_handover_remove(*fd);
	ward_fd_close(fd);
}

/* Puts @with in the place of the first @what. */
static void
replace_foreign(pid_t what, pid_t with)
{
	for (size_t i = 0; i < WARD_HANDOVER_FOREIGN; i++) {
		if (atomic_load(&foreign[i]) == what) {
			atomic_store(&foreign[i], with);
			return;
		}
	}
}

void
ward_handover_add_foreign(pid_t pid)
{
	replace_foreign(0, pid);
}

void
ward_handover_remove_foreign(pid_t pid)
{
	replace_foreign(pid, 0);
}

/* ---- before: everything from here to exec itself may run in a signal handler, but for arm ---- */

static char *
append_journal(char *at)
{
	int fd = atomic_load(&journal_fd);
	char path[sizeof(FDS) + 16];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink > 0)
		return ward_text_sized(at, self.journal, sizeof(self.journal));
	*ward_text_number(ward_text_append(path, FDS, sizeof(FDS) - 1), (unsigned int)fd, 10) =
		'\0';
	return ward_text_sized(at, path, sizeof(path));
}

static void
write_variable(const char *reason, const char *detail)
{
	size_t length = strlen(reason);
	char *at = ward_text_append(variable, VARIABLE "=", sizeof(VARIABLE));

	at = ward_text_number(at, (unsigned int)getpid(), 10);
	*at++ = ':';
	at = ward_text_set(at, &self.inherited);
	*at++ = ':';
	at = ward_text_append(at, reason, length < REASON_MAX ? length : REASON_MAX - 1);
	*at++ = ':';
	for (size_t i = 0; i < WARD_HANDOVER_FOREIGN; i++) {
		pid_t pid = atomic_load(&foreign[i]);

		if (pid == 0)
			continue;
		at = ward_text_number(at, (unsigned int)pid, 10);
		*at++ = ',';
	}
	*at++ = ':';
	at = ward_text_sized(at, self.file, sizeof(self.file));
	at = ward_text_sized(at, detail, DETAIL_MAX);
	at = append_journal(at);
	*at = '\0';
}

static void
set_cloexec(int flags)
{
	for (unsigned int i = 0; i < WORDS; i++) {
		for (uint64_t word = atomic_load(&kept[i]); word; word &= word - 1)
			(void)fcntl((int)(i * WORD_BITS) + __builtin_ctzll(word), F_SETFD, flags);
	}
}

/* All but those that a fault of the program itself raises: blocked, they would end it without a word. */
static void
block_signals(sigset_t *old)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
	sigset_t most;

	(void)sigfillset(&most);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		(void)sigdelset(&most, faults[i]);
	(void)pthread_sigmask(SIG_SETMASK, &most, old);
}

static void
say_failed(const char *why)
{
	static const char head[] = "ward: cannot execute itself again: ";
	char line[160], *at = ward_text_append(line, head, sizeof(head) - 1);
	size_t n = why ? strlen(why) : 0;

	at = ward_text_append(at, why, n < 100 ? n : 100);
	*at++ = '\n';
	ward_fd_say(STDERR_FILENO, line, (size_t)(at - line));
}

int
ward_handover_exec(const char *reason, const char *detail)
{
	const char *file = strcmp(reason, "upgrade") == 0 ? self.file : SELF;
	int saved = errno, err = ELIBBAD;
	sigset_t old;

	if (!self.argv || !self.envp)
		return -EINVAL;
	block_signals(&old);
	if (ward_rehearse(file, self.argv[0], self.envp + 1)) {
		write_variable(reason, detail);
		set_cloexec(0);
		(void)execve(file, self.argv, self.envp);
		err = errno;
		set_cloexec(FD_CLOEXEC);
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	say_failed(err == ELIBBAD ? "its Lua library does not load" : strerrordesc_np(err));
	errno = saved;
	return -err;
}

static char **
make_envp(void)
{
	size_t n = 0, at = 0;
	char **envp;

	while (environ && environ[n])
		n++;
	envp = calloc(n + 2, sizeof(*envp));
	if (!envp)
		return NULL;
	envp[at++] = variable;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], VARIABLE "=", sizeof(VARIABLE)) != 0)
			envp[at++] = environ[i];
	}
	return envp;
}

int
ward_handover_arm(const char *journal)
{
	size_t length = strlen(journal);
	char **before = self.envp, **envp;

	if (length >= sizeof(self.journal))
		return -ENAMETOOLONG;
	envp = make_envp();
	if (!envp)
		return -ENOMEM;
	self.envp = NULL; /* no exec from here to the end */
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(self.journal, journal, length + 1);
	atomic_signal_fence(memory_order_seq_cst);
	self.envp = envp;
	free(before);
	return 0;
}

void
ward_handover_journal(int fd)
{
	atomic_store(&journal_fd, fd);
}

bool
ward_handover_armed(void)
{
	return self.envp != NULL;
}

/* ---- after ---- */

static int
hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool
read_set(const char *text, struct ward_fdset *set)
{
	unsigned char *bytes = (unsigned char *)set->bits;

	if (strlen(text) != 2 * sizeof(set->bits))
		return false;
	for (size_t i = 0; i < sizeof(set->bits); i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static void
read_foreign(const char *list)
{
	char *end;

	for (size_t i = 0; *list && i < WARD_HANDOVER_FOREIGN; i++) {
		told_foreign[i] = (pid_t)strtol(list, &end, 10);
		if (end == list || *end != ',')
			return;
		list = end + 1;
	}
}

/* Cuts the next part off *text. */
static const char *
next_part(char **text)
{
	return *text ? strsep(text, ":") : "";
}

/* Copies what append_text has written to @into, and moves *text behind it. */
static bool
next_text(char **text, char *into, size_t size)
{
	char *end;
	unsigned long n = *text ? strtoul(*text, &end, 10) : 0;

	if (!*text || *end != ':' || strlen(++end) < n || n >= size)
		return false;
	memcpy(into, end, n);
	into[n] = '\0';
	*text = end + n;
	return true;
}

/* Reads what the predecessor wrote into `from`, told_foreign, self.file and @inherited. */
static bool
read_variable(struct ward_fdset *inherited)
{
	char *end, *text = getenv(VARIABLE), *copy = text ? strdup(text) : NULL;
	char *rest = copy;
	bool good = false;

	(void)unsetenv(VARIABLE);
	if (!copy)
		return false;
	good = strtol(next_part(&rest), &end, 10) == getpid() && end > copy && *end == '\0' &&
	       read_set(next_part(&rest), inherited);
	if (good) {
		(void)snprintf(from.reason, sizeof(from.reason), "%s", next_part(&rest));
		read_foreign(next_part(&rest));
		good = next_text(&rest, self.file, sizeof(self.file)) &&
		       next_text(&rest, from.detail, sizeof(from.detail)) &&
		       next_text(&rest, from.journal, sizeof(from.journal));
	}
	free(copy);
	return good;
}

/* What is open, and was not when the process was first started, was kept. */
static void
find_kept(const struct ward_fdset *inherited)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (fd <= STDERR_FILENO || fd == dirfd(dir) || !is_number(fd) ||
		    ward_fdset_has(inherited, fd))
			continue;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		ward_handover_add(fd);
		waiting[(unsigned int)fd / WORD_BITS] |= bit_of(fd);
		if (fcntl(fd, F_GET_SEALS) >= 0)
			in_memory[(unsigned int)fd / WORD_BITS] |= bit_of(fd);
	}
	if (dir)
		(void)closedir(dir);
}

/* Signals of the timers of a program that is no more are still pending, with addresses of its memory in them. */
static void
drop_timer_signals(void)
{
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		(void)signal(sig, SIG_IGN);
		(void)signal(sig, SIG_DFL);
	}
}

void
ward_handover_begin(char **argv, struct ward_fdset *inherited)
{
	struct ward_fdset first;

	self.argv = argv;
	ward_fdset_open_now(inherited);
	is_successor = pending = read_variable(&first);
	if (is_successor) {
		ward_procfs_hide_memory(); /* the children run already */
		drop_timer_signals();
		/* The name would be that of SELF. */
		(void)prctl(PR_SET_NAME, program_invocation_short_name, 0, 0, 0);
		for (size_t i = 0; i < SET_WORDS; i++)
			inherited->bits[i] &= first.bits[i];
		find_kept(inherited);
	} else {
		const char *file = (const char *)getauxval(AT_EXECFN);

		(void)snprintf(self.file, sizeof(self.file), "%s", file ? file : argv[0]);
	}
	self.inherited = *inherited;
}

const struct ward_predecessor *
ward_handover_predecessor(void)
{
	return is_successor ? &from : NULL;
}

bool
ward_handover_pending(void)
{
	return pending;
}

bool
ward_handover_is_foreign(pid_t pid)
{
	for (size_t i = 0; i < WARD_HANDOVER_FOREIGN && told_foreign[i]; i++) {
		if (told_foreign[i] == pid)
			return true;
	}
	return false;
}

bool
ward_handover_has(int fd)
{
	return is_number(fd) && waiting[(unsigned int)fd / WORD_BITS] & bit_of(fd);
}

void
ward_handover_take(int fd)
{
	if (is_number(fd))
		waiting[(unsigned int)fd / WORD_BITS] &= ~bit_of(fd);
}

int
ward_handover_find(const char *name, int after)
{
	char want[64], path[32], link[64];
	int length = snprintf(want, sizeof(want), "/memfd:%s (deleted)", name);

	for (unsigned int i = 0; i < WORDS; i++) {
		for (uint64_t word = in_memory[i] & waiting[i]; word; word &= word - 1) {
			int fd = (int)(i * WORD_BITS) + __builtin_ctzll(word);

			(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			if (fd > after && readlink(path, link, sizeof(link)) == length &&
			    memcmp(link, want, (size_t)length) == 0)
				return fd;
		}
	}
	return -1;
}

void
ward_handover_end(void)
{
	pending = false;
	for (unsigned int i = 0; i < WORDS; i++) {
		while (waiting[i]) {
			int fd = (int)(i * WORD_BITS) + __builtin_ctzll(waiting[i]);

			waiting[i] &= waiting[i] - 1;
			ward_handover_close(&fd);
		}
	}
}
