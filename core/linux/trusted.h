/* Opening paths of the host by links that only root and our own user can have put there. */
#ifndef WARD_LINUX_TRUSTED_H
#define WARD_LINUX_TRUSTED_H

/* What ELOOP means of such an open. */
#define WARD_TRUSTED_LOOP \
	"a link on the way lies where others than root and ward's user may change it"

/* Opens an absolute path with @flags of open(2), and close-on-exec; nothing is made. Links such as /proc/self/fd/0 are
 * followed, too. Returns a descriptor, owned, or -errno: ELOOP where others could have put a link, and open(2)'s. */
int ward_trusted_open(const char *path, int flags);

/* The sentence for an error of it. */
const char *ward_trusted_reason(int err);

#endif
