/* Kernel constants and structures newer than Debian 12's headers (6.1), and those whose libc header
 * must not be included. Names are the kernel's with a WARD_ prefix. */
#ifndef WARD_LINUX_UAPI_H
#define WARD_LINUX_UAPI_H

#include <stddef.h>
#include <stdint.h>

/* clone3(2); include/uapi/linux/sched.h, struct clone_args version 2 */
struct ward_clone_args {
	uint64_t flags;
	uint64_t pidfd; /* address of an int */
	uint64_t child_tid;
	uint64_t parent_tid;
	uint64_t exit_signal;
	uint64_t stack; /* lowest address */
	uint64_t stack_size;
	uint64_t tls;
	uint64_t set_tid;
	uint64_t set_tid_size;
	uint64_t cgroup;
};

#define WARD_CLONE_VM		  UINT64_C(0x00000100)
#define WARD_CLONE_FILES	  UINT64_C(0x00000400)
#define WARD_CLONE_PIDFD	  UINT64_C(0x00001000)
#define WARD_CLONE_VFORK	  UINT64_C(0x00004000)
#define WARD_CLONE_CHILD_CLEARTID UINT64_C(0x00200000)
#define WARD_CLONE_CLEAR_SIGHAND  UINT64_C(0x100000000) /* 5.5 */
#define WARD_CLONE_INTO_CGROUP	  UINT64_C(0x200000000) /* 5.7 */

/* umount2(2): include/linux/fs.h */
#define WARD_MNT_DETACH 2

/* netdevice(7): struct ifreq as far as SIOCGIFFLAGS and SIOCSIFFLAGS use it */
struct ward_ifreq {
	char name[16];
	union {
		int16_t flags;
		char room[24];
	} u;
};

/* rt_sigtimedwait(2): the beginning of siginfo_t, which is 128 bytes long */
struct ward_ksiginfo {
	int32_t signo, error, code;
	int32_t rest[29];
};

#define WARD_CLONE_NEWTIME   UINT64_C(0x00000080) /* clone3 and unshare only */
#define WARD_CLONE_NEWNS     UINT64_C(0x00020000)
#define WARD_CLONE_NEWCGROUP UINT64_C(0x02000000)
#define WARD_CLONE_NEWUTS    UINT64_C(0x04000000)
#define WARD_CLONE_NEWIPC    UINT64_C(0x08000000)
#define WARD_CLONE_NEWUSER   UINT64_C(0x10000000)
#define WARD_CLONE_NEWPID    UINT64_C(0x20000000)
#define WARD_CLONE_NEWNET    UINT64_C(0x40000000)

/* pidfd_send_signal(2); include/uapi/linux/pidfd.h, 6.9 */
#define WARD_PIDFD_SIGNAL_PROCESS_GROUP (1u << 2)

/* waitid(2) on a pidfd; include/uapi/linux/wait.h, 5.4 */
#define WARD_P_PIDFD 3

/* The kernel's sigset_t and struct sigaction (not libc's): 64 signals. */
#define WARD_NSIG 64

struct ward_ksigaction {
	void *handler;
	unsigned long flags;
	void *restorer; /* unused where the architecture has none; the kernel then ignores it */
	uint64_t mask;
};

/* seccomp(2): struct sock_filter and struct sock_fprog of linux/filter.h */
struct ward_bpf {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

#define WARD_BPF_RET	       0x06u /* BPF_RET | BPF_K */
#define WARD_BPF_LOAD	       0x20u /* BPF_LD | BPF_W | BPF_ABS */
#define WARD_BPF_EQUALS	       0x15u /* BPF_JMP | BPF_JEQ | BPF_K */
#define WARD_SECCOMP_RET_ALLOW 0x7fff0000u

struct ward_bpf_prog {
	uint16_t len;
	const struct ward_bpf *filter;
};

/* include/linux/sched.h: set from fork until exec; the flags field of /proc/PID/stat shows it */
#define WARD_PF_FORKNOEXEC 0x00000040ul

/* landlock(7); include/uapi/linux/landlock.h, ABI 7 (6.15). The ABI that brought it stands behind. */
struct ward_landlock_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* 4 */
	uint64_t scoped;	     /* 6 */
};

struct ward_landlock_path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct ward_landlock_net_port_attr {
	uint64_t allowed_access;
	uint64_t port; /* host byte order */
};

#define WARD_LANDLOCK_CREATE_RULESET_VERSION (1u << 0)

#define WARD_LANDLOCK_RULE_PATH_BENEATH 1u
#define WARD_LANDLOCK_RULE_NET_PORT	2u /* 4 */

#define WARD_LANDLOCK_ACCESS_FS_EXECUTE	    (UINT64_C(1) << 0)
#define WARD_LANDLOCK_ACCESS_FS_WRITE_FILE  (UINT64_C(1) << 1)
#define WARD_LANDLOCK_ACCESS_FS_READ_FILE   (UINT64_C(1) << 2)
#define WARD_LANDLOCK_ACCESS_FS_READ_DIR    (UINT64_C(1) << 3)
#define WARD_LANDLOCK_ACCESS_FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define WARD_LANDLOCK_ACCESS_FS_REMOVE_FILE (UINT64_C(1) << 5)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_CHAR   (UINT64_C(1) << 6)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_DIR    (UINT64_C(1) << 7)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_REG    (UINT64_C(1) << 8)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_BLOCK  (UINT64_C(1) << 11)
#define WARD_LANDLOCK_ACCESS_FS_MAKE_SYM    (UINT64_C(1) << 12)
#define WARD_LANDLOCK_ACCESS_FS_REFER	    (UINT64_C(1) << 13) /* 2 */
#define WARD_LANDLOCK_ACCESS_FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define WARD_LANDLOCK_ACCESS_FS_IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */

#define WARD_LANDLOCK_ACCESS_NET_BIND_TCP    (UINT64_C(1) << 0) /* 4 */
#define WARD_LANDLOCK_ACCESS_NET_CONNECT_TCP (UINT64_C(1) << 1) /* 4 */

#define WARD_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0) /* 6 */
#define WARD_LANDLOCK_SCOPE_SIGNAL		 (UINT64_C(1) << 1) /* 6 */

/* seccomp(2): flags of SECCOMP_SET_MODE_FILTER, newer than the headers. */
#define WARD_SECCOMP_FLAG_LOG		(1u << 1)
#define WARD_SECCOMP_FLAG_NEW_LISTENER	(1u << 3)
#define WARD_SECCOMP_FLAG_WAIT_KILLABLE (1u << 5) /* 5.19 */

/* The bit that tells an x32 call from one of x86_64. */
#define WARD_X32_BIT 0x40000000

/* A child whose calls are watched hands its listener over with a sendmsg(2) that must not wait for somebody who
 * listens. The kernel cuts the descriptor to 32 bits; a filter sees the mark above them. */
#define WARD_LEARN_MARK UINT32_C(0x57415244)

/* sendmsg(2), as the kernel has it. */
struct ward_iovec {
	const void *base;
	unsigned long size;
};

struct ward_msghdr {
	void *name;
	int32_t name_size;
	struct ward_iovec *parts;
	unsigned long nparts;
	void *control;
	unsigned long control_size;
	uint32_t flags;
};

/* A control message with one descriptor (SCM_RIGHTS). */
struct ward_fdmsg {
	unsigned long size; /* WARD_FDMSG_SIZE */
	int32_t level, type;
	int32_t fd;
	int32_t padding; /* to a word */
};

#define WARD_FDMSG_SIZE (offsetof(struct ward_fdmsg, fd) + sizeof(int32_t))

#define WARD_LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF  (1u << 0) /* 7 */
#define WARD_LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON    (1u << 1) /* 7 */
#define WARD_LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF (1u << 2) /* 7 */

#endif
