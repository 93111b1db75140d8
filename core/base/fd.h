/* File descriptors as owned values. */
#ifndef WARD_BASE_FD_H
#define WARD_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>

/* Closes *fd unless it is negative and sets it to -1; errno is kept. Never retried: on Linux the
 * descriptor is gone even when close(2) says EINTR. */
void ward_fd_close(int *fd);

/* Gives up ownership: returns *fd and leaves -1 behind. */
static inline int
ward_fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* `WARD_AUTO_FD int fd = -1;` closes at the end of its scope whatever was not stolen. */
#define WARD_AUTO_FD __attribute__((cleanup(ward_fd_close)))

/* Opens /dev/null on each of 0, 1 and 2 that is closed, so that no descriptor of ours ever lands
 * there. Returns 0 or -errno. */
int ward_fd_fill_std(void);

/* Writes all @n bytes to a blocking @fd, over short writes and EINTR. Returns 0 or -errno. */
int ward_fd_write_all(int fd, const void *bytes, size_t n);

/* Writes a message of at most PIPE_BUF bytes to @fd if that cannot block, else drops it: for what is to be
 * said where nobody may wait for a reader. */
void ward_fd_say(int fd, const char *text, size_t n);

/* True when @fd is open. */
bool ward_fd_is_open(int fd);

/* A set of descriptors below WARD_FDSET_MAX. */
#define WARD_FDSET_MAX 1024

struct ward_fdset {
	unsigned long bits[WARD_FDSET_MAX / (8 * sizeof(unsigned long))];
};

/* Fills *set with the descriptors that are open now. */
void ward_fdset_open_now(struct ward_fdset *set);

bool ward_fdset_has(const struct ward_fdset *set, int fd);

#endif
