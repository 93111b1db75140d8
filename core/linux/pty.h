/* Pseudo-terminals (pty(7)). */
#ifndef WARD_LINUX_PTY_H
#define WARD_LINUX_PTY_H

/* Opens a pair of @rows by @cols characters: *master, non-blocking, for the supervisor, *terminal for the
 * child; both CLOEXEC and owned. Returns 0 or -errno with both untouched. */
int ward_pty_open(unsigned short rows, unsigned short cols, int *master, int *terminal);

#endif
