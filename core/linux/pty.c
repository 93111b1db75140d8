#include "linux/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/fd.h"

int
ward_pty_open(unsigned short rows, unsigned short cols, int *master, int *terminal)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };
	WARD_AUTO_FD int m = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	WARD_AUTO_FD int t = -1;
	char name[64];
	int r;

	if (m < 0 || grantpt(m) < 0 || unlockpt(m) < 0)
		return -errno;
	r = ptsname_r(m, name, sizeof(name));
	if (r != 0)
		return -r;
	t = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t < 0 || ioctl(t, TIOCSWINSZ, &size) < 0)
		return -errno;
	*master = ward_fd_steal(&m);
	*terminal = ward_fd_steal(&t);
	return 0;
}
