#include "linux/seccomp_listen.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

int
ward_seccomp_listen(int fd, uint32_t *arch, int *nr)
{
	/* The kernel writes what it has, and newer ones may have more. */
	union {
		struct seccomp_notif notif;
		char room[512];
	} in;
	union {
		struct seccomp_notif_resp resp;
		char room[512];
	} out;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		return -errno;
	if (!(p.revents & POLLIN))
		return p.revents & (POLLHUP | POLLERR) ? -ENODATA : 0;
	memset(&in, 0, sizeof(in));
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &in.notif) < 0)
		return errno == ENOENT || errno == EINTR ? -EAGAIN : -errno;
	memset(&out, 0, sizeof(out));
	out.resp.id = in.notif.id;
	out.resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	*arch = in.notif.data.arch;
	*nr = in.notif.data.nr;
	/* Gone (ENOENT): killed meanwhile. It did make the call. */
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &out.resp) < 0 && errno != ENOENT)
		return -errno;
	return 1;
}
