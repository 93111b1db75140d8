#include "linux/syscall_names.h"

#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#include "linux/uapi.h"

/* From 424 on a call has one number everywhere (arch/.../syscall.tbl of the kernel), counted from where those of an
 * architecture begin. */
static const struct {
	const char *name;
	int number;
} newer[] = {
	{ "cachestat", 451 },	      { "fchmodat2", 452 },	   { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	      { "futex_wait", 455 },	   { "futex_requeue", 456 },
	{ "statmount", 457 },	      { "listmount", 458 },	   { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 },	      { "getxattrat", 464 },	   { "listxattrat", 465 },
	{ "removexattrat", 466 },     { "open_tree_attr", 467 },   { "file_getattr", 468 },
	{ "file_setattr", 469 },
};

#define NEWER (sizeof(newer) / sizeof(newer[0]))

/* Where the numbers of an architecture begin. */
static int
first(uint32_t arch)
{
	switch (arch) {
	case SCMP_ARCH_X32:
		return WARD_X32_BIT;
	case SCMP_ARCH_MIPS:
	case SCMP_ARCH_MIPSEL:
		return 4000;
	case SCMP_ARCH_MIPS64:
	case SCMP_ARCH_MIPSEL64:
		return 5000;
	case SCMP_ARCH_MIPS64N32:
	case SCMP_ARCH_MIPSEL64N32:
		return 6000;
	default:
		return 0;
	}
}

bool
ward_syscall_is_newer(const char *name)
{
	return seccomp_syscall_resolve_name(name) == WARD_NO_CALL &&
	       ward_syscall_number(seccomp_arch_native(), name) != WARD_NO_CALL;
}

int
ward_syscall_number(uint32_t arch, const char *name)
{
	int known = seccomp_syscall_resolve_name_arch(arch, name);

	for (size_t i = 0; i < NEWER && known == WARD_NO_CALL; i++) {
		if (strcmp(newer[i].name, name) == 0)
			known = first(arch) + newer[i].number;
	}
	return known;
}

char *
ward_syscall_name(uint32_t arch, int nr)
{
	bool x32 = arch == SCMP_ARCH_X86_64 && nr > 0 && (nr & WARD_X32_BIT);
	char *known;

	if (x32)
		arch = SCMP_ARCH_X32;
	known = seccomp_syscall_resolve_num_arch(arch, nr);
	for (size_t i = 0; i < NEWER && !known; i++) {
		if (first(arch) + newer[i].number == nr)
			known = strdup(newer[i].name);
	}
	return known;
}

uint32_t
ward_syscall_last(uint32_t arch)
{
	return (uint32_t)(first(arch) + newer[NEWER - 1].number);
}
