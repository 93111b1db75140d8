#include "loop/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/handover.h"

#define LONG_ENOUGH ((uint64_t)1 << 20)
#define READ_MAX    ((off_t)1 << 30)

/* Where handover.h tells of a file without a name; what is there is a link. */
#define FDS "/proc/self/fd/"

#define POLYNOMIAL 0x82f63b78u /* CRC-32C, bits reversed */

/* Eight tables: eight bytes a step ("slicing by 8", Kounavis and Berry 2005). */
struct crc {
	uint32_t table[8][256];
};

struct header {
	char magic[8];
	uint32_t version;
	uint32_t order; /* tells one byte order from the other */
};

static const struct header HEADER = {
	.magic = { 'w', 'a', 'r', 'd', 'j', 'r', 'n', 'l' },
	.version = 1,
	.order = 0x01020304,
};

struct record {
	uint32_t length, crc;
};

struct ward_journal {
	struct crc crc;
	int fd;		     /* -1: nothing is written */
	int lacks;	     /* why it is in memory; 0: it is in the file */
	uint64_t size, base; /* now, and with the snapshot alone */
	char path[];
};

struct ward_journal_reader {
	struct crc crc;
	char *bytes; /* owned */
	size_t at, n;
};

static void
crc_init(struct crc *c)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t word = i;

		for (int bit = 0; bit < 8; bit++)
			word = word >> 1 ^ (word & 1 ? POLYNOMIAL : 0);
		c->table[0][i] = word;
	}
	for (int k = 1; k < 8; k++) {
		for (int i = 0; i < 256; i++) {
			uint32_t word = c->table[k - 1][i];

			c->table[k][i] = word >> 8 ^ c->table[0][word & 0xff];
		}
	}
}

static uint32_t
crc_of(const struct crc *c, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint32_t word = UINT32_MAX;

	for (; n >= 8; n -= 8, p += 8) {
		word ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			(uint32_t)p[3] << 24;
		word = c->table[7][word & 0xff] ^ c->table[6][word >> 8 & 0xff] ^
		       c->table[5][word >> 16 & 0xff] ^ c->table[4][word >> 24] ^
		       c->table[3][p[4]] ^ c->table[2][p[5]] ^ c->table[1][p[6]] ^
		       c->table[0][p[7]];
	}
	for (; n > 0; n--, p++)
		word = word >> 8 ^ c->table[0][(word ^ *p) & 0xff];
	return ~word;
}

int
ward_journal_new(const char *path, struct ward_journal **out)
{
	size_t n = strlen(path) + 1;
	struct ward_journal *j = calloc(1, sizeof(*j) + n);

	if (!j)
		return -ENOMEM;
	crc_init(&j->crc);
	j->fd = -1;
	memcpy(j->path, path, n);
	*out = j;
	return 0;
}

/* A successor may read it even when its file has been removed. */
static void
hold(struct ward_journal *j, int fd)
{
	if (fd >= 0)
		ward_handover_add(fd);
	if (fd >= 0 || j->fd >= 0)
		ward_handover_journal(fd);
	ward_handover_close(&j->fd);
	j->fd = fd;
}

void
ward_journal_free(struct ward_journal *j)
{
	if (!j)
		return;
	hold(j, -1);
	free(j);
}

/* Writes all of @iov, which it uses up, at @at. Returns 0 or -errno. */
static int
write_at(int fd, uint64_t at, struct iovec *iov, int count)
{
	while (count > 0) {
		ssize_t k = pwritev(fd, iov, count, (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		at += (uint64_t)k;
		while (count > 0 && (size_t)k >= iov->iov_len) {
			k -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + k;
			iov->iov_len -= (size_t)k;
		}
	}
	return 0;
}

static int
write_record(struct ward_journal *j, int fd, uint64_t at, const void *bytes, size_t n)
{
	struct record head = { .length = (uint32_t)n, .crc = crc_of(&j->crc, bytes, n) };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = n },
	};

	return n > UINT32_MAX ? -EFBIG : write_at(fd, at, iov, 2);
}

/* The header and a snapshot. */
static int
write_whole(struct ward_journal *j, int fd, const void *bytes, size_t n)
{
	struct header head = HEADER;
	struct iovec iov = { .iov_base = &head, .iov_len = sizeof(head) };
	int r = write_at(fd, 0, &iov, 1);

	return r < 0 ? r : write_record(j, fd, sizeof(head), bytes, n);
}

static void
go_on_in(struct ward_journal *j, int fd, int lacks, uint64_t size, uint64_t base)
{
	hold(j, fd);
	j->lacks = lacks;
	j->size = size;
	j->base = base;
}

/* A new file in the place of the old one. */
static int
replace(struct ward_journal *j, const void *bytes, size_t n)
{
	const uint64_t size = sizeof(struct header) + sizeof(struct record) + n;
	char fresh[PATH_MAX];
	WARD_AUTO_FD int fd = -1;
	int r = snprintf(fresh, sizeof(fresh), "%s.new", j->path);

	if (r < 0 || (size_t)r >= sizeof(fresh))
		return -ENAMETOOLONG;
	(void)unlink(fresh);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(j, fd, bytes, n);
	if (r == 0 && rename(fresh, j->path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(fresh);
		return r;
	}
	go_on_in(j, ward_fd_steal(&fd), 0, size, size);
	return 0;
}

/* The same without a file, for want of room or of leave (@lacks). */
static int
replace_in_memory(struct ward_journal *j, int lacks, const void *bytes, size_t n)
{
	const uint64_t size = sizeof(struct header) + sizeof(struct record) + n;
	WARD_AUTO_FD int fd = memfd_create("ward-journal", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : write_whole(j, fd, bytes, n);

	if (r < 0)
		return r;
	ward_journal_end(j); /* the file is none any more */
	go_on_in(j, ward_fd_steal(&fd), lacks, size, size);
	return 0;
}

/* Takes what is in the file into memory. */
static int
move_into_memory(struct ward_journal *j, int lacks)
{
	const uint64_t size = j->size, base = j->base;
	WARD_AUTO_FD int fd = memfd_create("ward-journal", MFD_CLOEXEC);
	off_t at = 0;

	if (fd < 0)
		return -errno;
	while ((uint64_t)at < size) {
		ssize_t k = sendfile(fd, j->fd, &at, (size_t)(size - (uint64_t)at));

		if (k <= 0)
			return k < 0 ? -errno : -EIO;
	}
	ward_journal_end(j);
	go_on_in(j, ward_fd_steal(&fd), lacks, size, base);
	return 0;
}

int
ward_journal_snapshot(struct ward_journal *j, const void *bytes, size_t n)
{
	int r = replace(j, bytes, n);

	if (r == 0 || replace_in_memory(j, -r, bytes, n) == 0)
		return 0;
	ward_journal_end(j);
	return r;
}

int
ward_journal_append(struct ward_journal *j, const void *bytes, size_t n)
{
	int r;

	if (j->fd < 0)
		return -EBADF;
	r = write_record(j, j->fd, j->size, bytes, n);
	if (r < 0 && !j->lacks && move_into_memory(j, -r) == 0)
		r = write_record(j, j->fd, j->size, bytes, n);
	if (r < 0)
		ward_journal_end(j);
	else
		j->size += sizeof(struct record) + n;
	return r;
}

int
ward_journal_lacks(const struct ward_journal *j)
{
	return j->lacks;
}

int
ward_journal_place(const struct ward_journal *j, char *place, size_t size)
{
	int n = j->lacks ? snprintf(place, size, FDS "%d", j->fd)
			 : snprintf(place, size, "%s", j->path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

bool
ward_journal_is_long(const struct ward_journal *j)
{
	uint64_t grown = j->size - j->base;

	return grown >= j->base && grown >= LONG_ENOUGH;
}

void
ward_journal_end(struct ward_journal *j)
{
	/* Emptied, too: where the directory does not let us remove it, it is no journal any more. One that somebody
	 * else left there is none of ours, but is no truth either. */
	if (j->fd >= 0 && ftruncate(j->fd, 0) < 0) {
		static const char none[sizeof(struct header)];

		if (pwrite(j->fd, none, sizeof(none), 0) < 0)
			errno = 0; /* what is left is to remove it */
	}
	hold(j, -1);
	if (unlink(j->path) < 0 && errno != ENOENT && truncate(j->path, 0) < 0)
		errno = 0;
	j->size = j->base = 0;
	j->lacks = 0;
}

/* ---- reading ---- */

/* Returns 0, or -errno. */
static int
read_all(int fd, char *to, size_t n)
{
	while (n > 0) {
		ssize_t k = read(fd, to, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : -EBADMSG;
		to += k;
		n -= (size_t)k;
	}
	return 0;
}

static int
load(int fd, struct ward_journal_reader *r)
{
	struct header head;
	struct stat st;
	int e;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(head))
		return -EBADMSG;
	if (st.st_size > READ_MAX)
		return -EFBIG;
	r->n = (size_t)st.st_size;
	r->bytes = malloc(r->n);
	if (!r->bytes)
		return -ENOMEM;
	e = read_all(fd, r->bytes, r->n);
	if (e < 0)
		return e;
	memcpy(&head, r->bytes, sizeof(head));
	r->at = sizeof(head);
	if (memcmp(head.magic, HEADER.magic, sizeof(head.magic)) != 0)
		return -EBADMSG;
	return head.version == HEADER.version && head.order == HEADER.order ? 0 : -EPROTONOSUPPORT;
}

int
ward_journal_open(const char *path, struct ward_journal_reader **out)
{
	struct ward_journal_reader *r = calloc(1, sizeof(*r));
	WARD_AUTO_FD int fd = -1;
	int e;

	if (!r)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
				(strncmp(path, FDS, sizeof(FDS) - 1) == 0 ? 0 : O_NOFOLLOW));
	e = fd < 0 ? -errno : load(fd, r);
	if (e < 0) {
		ward_journal_close(r);
		return e;
	}
	crc_init(&r->crc);
	*out = r;
	return 0;
}

void
ward_journal_close(struct ward_journal_reader *r)
{
	if (!r)
		return;
	free(r->bytes);
	free(r);
}

int
ward_journal_next(struct ward_journal_reader *r, const char **bytes, size_t *n)
{
	struct record head;
	const char *body;

	if (r->at == r->n)
		return 0;
	if (r->n - r->at < sizeof(head))
		return -EBADMSG;
	memcpy(&head, r->bytes + r->at, sizeof(head));
	body = r->bytes + r->at + sizeof(head);
	if (head.length > r->n - r->at - sizeof(head) ||
	    crc_of(&r->crc, body, head.length) != head.crc)
		return -EBADMSG;
	r->at += sizeof(head) + head.length;
	*bytes = body;
	*n = head.length;
	return 1;
}

size_t
ward_journal_at(const struct ward_journal_reader *r)
{
	return r->at;
}
