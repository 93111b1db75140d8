#include "linux/unixaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"

/* Opens the directory part of @path; @name is the rest. Returns an owned fd or -errno. */
static int
open_dir(const char *path, const char *name)
{
	char dir[PATH_MAX];
	size_t n = (size_t)(name - path);
	int fd;

	if (n >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, n);
	dir[n] = '\0';
	fd = open(n ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
ward_unixaddr_init(struct ward_unixaddr *a, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int fd, n;

	if (*name == '\0')
		return *path ? -EISDIR : -ENOENT;
	fd = open_dir(path, name);
	if (fd < 0)
		return fd;
	if (strlen(path) < sizeof(sa.sun_path))
		n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	else
		n = snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", fd, name);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		ward_fd_close(&fd);
		return -ENAMETOOLONG;
	}
	*a = (struct ward_unixaddr){ .sa = sa, .dir = fd, .name = name };
	return 0;
}

void
ward_unixaddr_free(struct ward_unixaddr *a)
{
	ward_fd_close(&a->dir);
}
