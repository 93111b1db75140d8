/* Names and numbers of system calls: libseccomp's, and those of calls that are newer than it. */
#ifndef WARD_LINUX_SYSCALL_NAMES_H
#define WARD_LINUX_SYSCALL_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#define WARD_NO_CALL (-1)

/* The number of a call of @arch, as seccomp_syscall_resolve_name_arch(3): WARD_NO_CALL when nobody knows it, less when
 * only other architectures have it. */
int ward_syscall_number(uint32_t arch, const char *name);

/* The name of a call, owned, free(3); NULL when it has none. An x32 call has its bit in @nr. */
char *ward_syscall_name(uint32_t arch, int nr);

/* Is it one that libseccomp does not know, so that no rule of it can be made there for every architecture? */
bool ward_syscall_is_newer(const char *name);

/* The highest number of @arch that has a name here, with x32's bit. */
uint32_t ward_syscall_last(uint32_t arch);

#endif
