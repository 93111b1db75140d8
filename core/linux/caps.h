/* Capabilities and securebits by name, and the sets that this thread has (capabilities(7)). */
#ifndef WARD_LINUX_CAPS_H
#define WARD_LINUX_CAPS_H

#include <stdint.h>

/* The five sets; bit n is capability n. */
struct ward_capsets {
	uint64_t bounding;
	uint64_t permitted;
	uint64_t inheritable;
	uint64_t effective;
	uint64_t ambient;
};

/* Those that others depend on: the rest of this file goes by names. */
#define WARD_CAP_SETGID	      6
#define WARD_CAP_SETUID	      7
#define WARD_CAP_SETPCAP      8
#define WARD_CAP_SYS_ADMIN    21
#define WARD_CAP_SYS_RESOURCE 24
#define WARD_CAP_SETFCAP      31

/* Of the securebits: uid 0 gains nothing by exec, and that for good; a uid change leaves the sets alone, or the permitted
 * one; nothing becomes ambient. */
#define WARD_SECBIT_NOROOT	     1
#define WARD_SECBIT_NOROOT_LOCKED    2
#define WARD_SECBIT_NO_SETUID_FIXUP  4
#define WARD_SECBIT_KEEP_CAPS	     16
#define WARD_SECBIT_NO_AMBIENT_RAISE 64

/* The last capability of the running kernel (/proc/sys/kernel/cap_last_cap), or -errno: open(2)'s,
 * EIO when it is not understood or does not fit in a set. */
int ward_cap_last(void);

/* "net_bind_service" for 10; NULL when @number is no capability that ward knows. A kernel may know
 * fewer: compare with ward_cap_last. Static. */
const char *ward_cap_name(int number);

/* The number of "net_bind_service", "cap_net_bind_service" or "CAP_NET_BIND_SERVICE"; -1 when there
 * is none. */
int ward_cap_number(const char *name);

/* Reads the sets of the calling thread. Returns 0, or -errno and *out untouched: open(2)'s, EIO when
 * /proc/thread-self/status lacks one of them. */
int ward_caps_read(struct ward_capsets *out);

/* The same without /proc and the bounding and ambient sets, which are left empty; never fails. */
void ward_caps_own(struct ward_capsets *out);

/* The bounding set of the calling thread up to @last; only prctl(2) is used. */
uint64_t ward_cap_bounding(int last);

/* Fills the permitted, inheritable and effective sets from a text as cap_from_text(3) takes it
 * ("cap_net_bind_service,cap_chown=ep"), with nothing above @last; the other two sets are left alone.
 * Returns 0, or -errno and *out untouched: EINVAL (no such text), ENOMEM. */
int ward_caps_from_text(const char *text, int last, struct ward_capsets *out);

/* "noroot_locked" for 1, a bit number of prctl(PR_SET_SECUREBITS); NULL when there is none. Static. */
const char *ward_securebit_name(int bit);

/* The bit number of "noroot_locked"; -1 when there is none. Case matters. */
int ward_securebit_number(const char *name);

#endif
