/* What the init of a pid namespace gives up (spawn/init/init.c), which has no libc, and the mapper of a user. */
#ifndef WARD_LINUX_SYS_INIT_H
#define WARD_LINUX_SYS_INIT_H

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "linux/sys.h"

#if defined(__x86_64__)
#define WARD_ARCH AUDIT_ARCH_X86_64
#else
#define WARD_ARCH AUDIT_ARCH_AARCH64
#endif

/* The exit status of a mapper: 0, or which of its files failed above the errno. */
#define WARD_MAP_SHIFT 6
#define WARD_MAP_ERRNO 0x3f

/* Of the capabilities, the one that signals a program of any user. */
WARD_SYS long
ward_sys_drop_init_caps(void)
{
	const uint32_t kill = 1u << CAP_KILL;
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	long r = ward_sys_capget(&head, data);

	if (r < 0)
		return r;
	data[0].permitted &= kill;
	data[0].effective = data[0].permitted;
	data[0].inheritable = 0;
	data[1].permitted = data[1].effective = data[1].inheritable = 0;
	return ward_sys_capset(&head, data);
}

/* From here on only the calls below, and no signal but to the program. */
WARD_SYS long
ward_sys_filter_init(int program)
{
	const struct ward_bpf insns[] = {
		{ WARD_BPF_LOAD, 0, 0, offsetof(struct seccomp_data, arch) },
		{ WARD_BPF_EQUALS, 0, 9, WARD_ARCH },
		{ WARD_BPF_LOAD, 0, 0, offsetof(struct seccomp_data, nr) },
		{ WARD_BPF_EQUALS, 8, 0, WARD_NR_WAIT4 },
		{ WARD_BPF_EQUALS, 7, 0, WARD_NR_SIGWAIT },
		{ WARD_BPF_EQUALS, 6, 0, WARD_NR_WRITE },
		{ WARD_BPF_EQUALS, 5, 0, WARD_NR_CLOSE },
		{ WARD_BPF_EQUALS, 4, 0, WARD_NR_EXIT_GROUP },
		{ WARD_BPF_EQUALS, 0, 2, WARD_NR_KILL },
		{ WARD_BPF_LOAD, 0, 0, offsetof(struct seccomp_data, args[0]) }, /* its low half */
		{ WARD_BPF_EQUALS, 1, 0, (uint32_t)program },
		{ WARD_BPF_RET, 0, 0, SECCOMP_RET_KILL_PROCESS },
		{ WARD_BPF_RET, 0, 0, SECCOMP_RET_ALLOW },
	};
	const struct ward_bpf_prog prog = { sizeof(insns) / sizeof(insns[0]), insns };

	return ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/* The one capability that writing the maps of our user namespace takes stays with us across execve(2). */
WARD_SYS long
ward_sys_keep_mapper_caps(void)
{
	const uint32_t admin = 1u << CAP_SYS_ADMIN;
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .permitted = admin, .effective = admin, .inheritable = admin }
	};
	long r = ward_sys_capset(&head, data);

	return r < 0 ? r
		     : ward_sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0);
}

/* From here on only the init program, to write files by it. */
WARD_SYS long
ward_sys_filter_mapper(void)
{
	const struct ward_bpf insns[] = {
		{ WARD_BPF_LOAD, 0, 0, offsetof(struct seccomp_data, arch) },
		{ WARD_BPF_EQUALS, 0, 6, WARD_ARCH },
		{ WARD_BPF_LOAD, 0, 0, offsetof(struct seccomp_data, nr) },
		{ WARD_BPF_EQUALS, 5, 0, WARD_NR_EXECVEAT },
		{ WARD_BPF_EQUALS, 4, 0, WARD_NR_OPENAT },
		{ WARD_BPF_EQUALS, 3, 0, WARD_NR_WRITE },
		{ WARD_BPF_EQUALS, 2, 0, WARD_NR_CLOSE },
		{ WARD_BPF_EQUALS, 1, 0, WARD_NR_EXIT_GROUP },
		{ WARD_BPF_RET, 0, 0, SECCOMP_RET_ERRNO | 1 /* EPERM */ },
		{ WARD_BPF_RET, 0, 0, SECCOMP_RET_ALLOW },
	};
	const struct ward_bpf_prog prog = { sizeof(insns) / sizeof(insns[0]), insns };
	long r = ward_sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	return r < 0 ? r : ward_sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &prog);
}

/* Leaves the process, which waits for @program, with what that takes. Returns 0 or more, or -errno. */
WARD_SYS long
ward_sys_confine_init(int program)
{
	long r = ward_sys_drop_init_caps();

	if (r >= 0)
		r = ward_sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (r >= 0)
		r = ward_sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return r < 0 ? r : ward_sys_filter_init(program);
}

#endif
