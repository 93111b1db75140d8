#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

void
ward_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void
ward_fd_say(int fd, const char *text, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* Room for PIPE_BUF bytes is what POLLOUT promises of a pipe (pipe(7)). */
	if (poll(&p, 1, 0) == 1 && p.revents & POLLOUT)
		(void)!write(fd, text, n < PIPE_BUF ? n : PIPE_BUF);
}

bool
ward_fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

int
ward_fd_fill_std(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (ward_fd_is_open(fd))
			continue;
		/* The lowest free number is this one: those below are open by now. */
		if (open("/dev/null", O_RDWR) < 0)
			return -errno;
	}
	return 0;
}

int
ward_fd_write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

#define WORD_BITS (8 * sizeof(unsigned long))

void
ward_fdset_open_now(struct ward_fdset *set)
{
	*set = (struct ward_fdset){ 0 };
	for (unsigned int fd = 0; fd < WARD_FDSET_MAX; fd++) {
		if (ward_fd_is_open((int)fd))
			set->bits[fd / WORD_BITS] |= 1ul << (fd % WORD_BITS);
	}
}

bool
ward_fdset_has(const struct ward_fdset *set, int fd)
{
	unsigned int n = (unsigned int)fd;

	return fd >= 0 && n < WARD_FDSET_MAX && (set->bits[n / WORD_BITS] >> (n % WORD_BITS) & 1);
}
