#include "spawn/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "spawn/init_image.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* memfd_create(2), 6.3: executable, also where vm.memfd_noexec asks for a word about it */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int
create(void)
{
	int fd = memfd_create("ward-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("ward-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int
ward_init_open(void)
{
	WARD_AUTO_FD int fd = create();
	char path[64];
	int r, reader;

	if (fd < 0)
		return fd;
	r = ward_fd_write_all(fd, ward_init_image, sizeof(ward_init_image));
	if (r < 0)
		return r;
	if (fchmod(fd, 0555) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	/* What is open for writing is not executed. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	return reader < 0 ? -errno : reader;
}
