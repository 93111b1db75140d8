/* The journal: what is appended is read again, a tail that is torn or corrupt ends the reading and nothing else, and a
 * file system that is full is an error after which nobody takes the file for what is. */
#include "loop/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/core/tap.h"

static char dir[] = "/tmp/ward-journal-XXXXXX";
static char path[64];

/* Reads the journal. Returns the number of records, or -errno; the first bytes of each go into *first. */
static int
read_it(char *first, size_t *at)
{
	struct ward_journal_reader *r;
	const char *bytes;
	size_t n;
	int count = 0, e = ward_journal_open(path, &r);

	*first = '\0';
	if (e < 0)
		return e;
	while ((e = ward_journal_next(r, &bytes, &n)) > 0) {
		if (count < 60) {
			first[count] = n ? *bytes : '-';
			first[count + 1] = '\0';
		}
		count++;
	}
	*at = ward_journal_at(r);
	ward_journal_close(r);
	return e < 0 && count == 0 ? e : count;
}

static size_t
size_of(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* A journal with a snapshot "s" and the records "abc". */
static struct ward_journal *
begin(void)
{
	struct ward_journal *j;

	if (ward_journal_new(path, &j) < 0)
		abort();
	if (ward_journal_snapshot(j, "s", 1) < 0 || ward_journal_append(j, "a", 1) < 0 ||
	    ward_journal_append(j, "bbbbbbbbbbbbbbbbbbb", 19) < 0 ||
	    ward_journal_append(j, "cc", 2) < 0)
		abort();
	return j;
}

static void
test_records(void)
{
	struct ward_journal *j;
	struct stat st = { 0 };
	char first[64];
	unsigned char head[24];
	size_t at;
	int fd;

	(void)umask(0);
	is_int(ward_journal_new(path, &j), 0, "a journal is made");
	is_int(ward_journal_append(j, "a", 1), -EBADF,
	       "nothing is appended before there is a snapshot");
	ok(access(path, F_OK) < 0, "nothing is written before");
	is_int(ward_journal_snapshot(j, "123456789", 9), 0, "a snapshot");
	(void)stat(path, &st);
	is_int(st.st_mode & 07777, 0600, "its file is its owner's");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	is_int(pread(fd, head, sizeof(head), 0), sizeof(head), "header and record head");
	close(fd);
	ok(memcmp(head, "wardjrnl", 8) == 0, "the header has its magic word");
	ok(head[20] == 0x83 && head[21] == 0x92 && head[22] == 0x06 && head[23] == 0xe3,
	   "the checksum is CRC-32C");
	is_int(ward_journal_append(j, "", 0), 0, "an empty record");
	is_int(ward_journal_append(j, "x", 1), 0, "another record");
	is_int(read_it(first, &at), 3, "three records");
	is_str(first, "1-x", "in their order");
	is_int((int)at, (int)size_of(), "to the end");
	is_int(ward_journal_snapshot(j, "2", 1), 0, "another snapshot");
	is_int(read_it(first, &at), 1, "takes the place of all");
	is_int(ward_journal_append(j, "y", 1), 0, "and goes on");
	is_int(read_it(first, &at), 2, "two records");
	ward_journal_end(j);
	ok(access(path, F_OK) < 0, "a journal that has ended is gone");
	is_int(ward_journal_append(j, "y", 1), -EBADF, "and takes nothing");
	is_int(ward_journal_snapshot(j, "3", 1), 0, "but a snapshot");
	ward_journal_free(j);
	is_int(read_it(first, &at), 1, "closed, the file stays");
}

/* Cut at each length, and with each byte changed: what is before the damage counts, and no more. */
static void
test_damage(void)
{
	static const size_t ends[] = { 16, 25, 34, 61, 71 };
	struct ward_journal *j = begin();
	char first[64], whole[128], text[128];
	size_t n = size_of(), at, bad = 0;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	is_int((int)n, 71, "71 bytes");
	if (pread(fd, whole, n, 0) != (ssize_t)n)
		abort();
	ward_journal_free(j);
	for (size_t cut = n; cut-- > 0;) {
		int count, want = -1;

		if (ftruncate(fd, (off_t)cut) < 0)
			abort();
		for (int i = 0; i < 5 && ends[i] <= cut; i++)
			want = i;
		count = read_it(first, &at);
		bad += want > 0 ? count != want || at != ends[want] : count > 0;
	}
	is_int((int)bad, 0, "cut anywhere");
	for (size_t i = 0; i < n; i++) {
		int count, want = 0;

		memcpy(text, whole, n);
		text[i] ^= 0x10;
		if (pwrite(fd, text, n, 0) != (ssize_t)n)
			abort();
		while (want < 4 && ends[want + 1] <= i)
			want++;
		count = read_it(first, &at);
		bad += i < 16 ? count >= 0 : want > 0 ? count != want : count > 0;
	}
	is_int((int)bad, 0, "one bit changed anywhere");
	close(fd);
}

static void
test_length(void)
{
	struct ward_journal *j;
	size_t large = (size_t)3 << 20;
	char *bytes = calloc(1, large);
	long appended = 0;

	if (!bytes || ward_journal_new(path, &j) < 0)
		abort();
	(void)ward_journal_snapshot(j, "s", 1);
	while (!ward_journal_is_long(j) && ward_journal_append(j, bytes, 65536) == 0)
		appended++;
	is_int(appended, 16, "a short one is long after 1 MiB");
	(void)ward_journal_snapshot(j, bytes, large);
	ok(!ward_journal_is_long(j), "a snapshot is not");
	for (appended = 0; !ward_journal_is_long(j); appended++)
		(void)ward_journal_append(j, bytes, 65536);
	is_int(appended, 48, "a large one when it has doubled");
	ward_journal_free(j);
	free(bytes);
}

/* A limit on the size of files stands for a full file system, which it takes a mount to make. */
static void
test_limit(void)
{
	struct ward_journal *j = begin();
	struct rlimit old, none = { .rlim_cur = 100 };
	char first[64], bytes[64] = "";
	size_t at;
	int r;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	none.rlim_max = old.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &none);
	r = ward_journal_append(j, bytes, sizeof(bytes));
	(void)setrlimit(RLIMIT_FSIZE, &old); /* stdout may be a file, too */
	is_int(r, -EFBIG, "a record that fits neither the file nor memory is an error");
	is_int(read_it(first, &at), -ENOENT, "the journal is no more");
	is_int(ward_journal_append(j, "x", 1), -EBADF, "nothing is appended to it");
	is_int(ward_journal_snapshot(j, "s", 1), 0, "until there is room for a snapshot");
	ward_journal_free(j);
}

/* How many records are in a journal, wherever it is; -1: it cannot be read. */
static int
records_of(const struct ward_journal *j)
{
	struct ward_journal_reader *r;
	char place[PATH_MAX];
	const char *bytes;
	size_t n;
	int count = 0, more;

	if (ward_journal_place(j, place, sizeof(place)) < 0 || ward_journal_open(place, &r) < 0)
		return -1;
	while ((more = ward_journal_next(r, &bytes, &n)) > 0)
		count++;
	ward_journal_close(r);
	return more < 0 ? -1 : count;
}

/* In a child with mounts of its own: the exit status says what went wrong first. */
static int
on_a_full_disk(void)
{
	static char bytes[4096];
	struct ward_journal *j;
	char first[64];
	size_t at;
	int r, count = 0;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64k") < 0)
		return 77;
	j = begin();
	while (ward_journal_append(j, bytes, sizeof(bytes)) == 0 && ward_journal_lacks(j) == 0)
		count++;
	if (ward_journal_lacks(j) != ENOSPC || count < 4)
		return 1;
	if (read_it(first, &at) >= 0)
		return 2; /* somebody would take it for what is */
	if (ward_journal_append(j, "b", 1) < 0 || records_of(j) != count + 6)
		return 7; /* four to begin with, what fitted, what did not, and one more */
	if (ward_journal_snapshot(j, "s", 1) < 0 || ward_journal_append(j, "a", 1) < 0 ||
	    ward_journal_lacks(j) != 0)
		return 3;
	ward_journal_free(j);
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return 4;
	if (ward_journal_new(path, &j) < 0)
		return 5;
	r = 0;
	if (ward_journal_snapshot(j, "t", 1) < 0 || ward_journal_lacks(j) != EROFS ||
	    records_of(j) != 1)
		r = 6;
	ward_journal_free(j);
	return r;
}

static void
test_full(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(on_a_full_disk());
	(void)waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("no mounts here");
	else
		is_int(status, 0, "full, and read-only");
}

static void
test_no_journal(void)
{
	char first[64];
	size_t at;

	(void)unlink(path);
	is_int(read_it(first, &at), -ENOENT, "there is none");
	if (mkdir(path, 0700) < 0)
		abort();
	is_int(read_it(first, &at), -EBADMSG, "a directory is none");
	(void)rmdir(path);
	if (symlink("/dev/zero", path) < 0)
		abort();
	is_int(read_it(first, &at), -ELOOP, "a link is not followed");
	(void)unlink(path);
	if (mkfifo(path, 0600) < 0)
		abort();
	is_int(read_it(first, &at), -EBADMSG, "a FIFO is not waited for");
	(void)unlink(path);
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/journal", dir);
	test_records();
	test_damage();
	test_length();
	test_limit();
	test_full();
	test_no_journal();
	is_int(rmdir(dir), 0, "nothing is left");
	return done_testing();
}
