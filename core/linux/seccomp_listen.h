/* The listener of a filter that answers SECCOMP_RET_USER_NOTIF (seccomp_unotify(2)): whoever makes a call waits until it
 * is answered here, and always goes on. */
#ifndef WARD_LINUX_SECCOMP_LISTEN_H
#define WARD_LINUX_SECCOMP_LISTEN_H

#include <stdint.h>

/* Lets the call that waits longest go on and tells which it was. Never waits itself.
 * Returns 1 with *arch (AUDIT_ARCH_*) and *nr filled; 0 when none waits; -ENODATA when nobody is left who could call;
 * -EAGAIN when the caller was gone before its answer; other -errno of ioctl(2). */
int ward_seccomp_listen(int fd, uint32_t *arch, int *nr);

#endif
