/* Addresses of unix sockets, for paths of any length. */
#ifndef WARD_LINUX_UNIXADDR_H
#define WARD_LINUX_UNIXADDR_H

#include <sys/socket.h>
#include <sys/un.h>

struct ward_unixaddr {
	struct sockaddr_un sa;
	int dir;	  /* owned, O_PATH: the directory the socket is in */
	const char *name; /* its name there; borrowed from the path */
};

/* Fills *a for bind(2) and connect(2) to @path. A path that does not fit in sun_path (107 bytes,
 * unix(7)) is reached through /proc/self/fd/<dir>/<name>, so @dir must stay open until the call is
 * made. Returns 0, or -errno and *a untouched: open(2)'s for the directory, EISDIR when @path ends
 * in a slash, ENAMETOOLONG when the name alone is too long. */
int ward_unixaddr_init(struct ward_unixaddr *a, const char *path);

/* Closes the directory. */
void ward_unixaddr_free(struct ward_unixaddr *a);

#endif
