/* Landlock rulesets, built in the parent and enforced by the child (landlock(7)). */
#ifndef WARD_LINUX_LANDLOCK_H
#define WARD_LINUX_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The newest ABI whose rights are known here; a newer kernel is used as if it were this one. */
#define WARD_LANDLOCK_ABI 7

/* Every right on files (WARD_LANDLOCK_ACCESS_FS_*), and those that mean something on a file that is
 * no directory. */
#define WARD_LANDLOCK_FS_ALL  UINT64_C(0xffff)
#define WARD_LANDLOCK_FS_FILE UINT64_C(0xc007)

/* What the processes below @path may do: on files and directories, all of it at any depth. */
struct ward_landlock_path {
	const char *path;
	uint64_t rights; /* WARD_LANDLOCK_ACCESS_FS_* */
	bool optional;	 /* without such a path the rule is left out */
};

/* What lay at a path; zeros when nothing did. */
struct ward_landlock_file {
	uint64_t device, inode;
};

struct ward_landlock_ports {
	bool handled; /* forbid all ports but these; otherwise TCP is left alone */
	const uint16_t *ports;
	size_t n;
};

/* A ruleset to be; every pointer is borrowed for the call. */
struct ward_landlock_request {
	uint64_t handled_fs; /* forbidden unless a path allows it; 0 leaves files alone */
	const struct ward_landlock_path *paths;
	size_t npaths;
	struct ward_landlock_file *found; /* NULL, or one for each path, which a build fills */
	struct ward_landlock_ports bind, connect; /* TCP */
	uint64_t scoped;			  /* WARD_LANDLOCK_SCOPE_* */
	bool strict; /* refuse when the kernel lacks any of this; else do what it can */
};

/* What became of a request. */
struct ward_landlock_report {
	int abi;	    /* in use */
	uint64_t lacks_fs;  /* asked for, but not restricted by this kernel */
	uint64_t lacks_net; /* WARD_LANDLOCK_ACCESS_NET_* */
	uint64_t lacks_scope;
	size_t absent; /* optional rules left out */
};

/* The kernel's ABI, 1 or more, or -errno: ENOSYS (not built in), EOPNOTSUPP (disabled at boot). */
int ward_landlock_abi(void);

/* Names of bits: "execute", "write_file" ...; "bind_tcp", "connect_tcp"; "abstract_unix_socket",
 * "signal". NULL when there is no such bit. Static. */
const char *ward_landlock_fs_name(int bit);
const char *ward_landlock_net_name(int bit);
const char *ward_landlock_scope_name(int bit);

/* The bit of a right or scope; -1 when there is no such name. Case matters. */
int ward_landlock_fs_bit(const char *name);
int ward_landlock_scope_bit(const char *name);

/* The rights that the letters stand for, in any order: r reads files and lists directories; w writes,
 * creates, renames and removes all but devices; x executes. make_char, make_block and ioctl_dev are
 * in no letter. Before ABI 2 w has no refer, which no rule can grant there. Returns 0, or -EINVAL
 * and *rights untouched. */
int ward_landlock_letters(const char *letters, int abi, uint64_t *rights);

/* Makes a ruleset for a kernel of @abi (what ward_landlock_abi said, or less). Rights that mean
 * nothing on a file are left out of a rule on a file.
 *
 * Returns an owned CLOEXEC descriptor with *report filled, or -errno with a sentence in *err:
 * ENOSYS, EOPNOTSUPP (@abi is such an errno; or the kernel lacks all that was asked for, or, when
 * strict, any of it),
 * ENOMSG (nothing was asked for), EINVAL (a rule allows nothing, or what is not handled), ENOENT and
 * others of open(2). Nothing that is open before stays in the child's way: Landlock never covers
 * descriptors that it inherits, nor UDP, chmod(2), chown(2) or stat(2). */
int ward_landlock_build(const struct ward_landlock_request *request, int abi,
			struct ward_landlock_report *report, struct ward_err *err);

/* A copy of @request that depends on nothing, with room in found; NULL without memory. To be given to free(3). */
struct ward_landlock_request *ward_landlock_keep(const struct ward_landlock_request *request);

/* Would a build now find other files than the last one did? That one's ruleset must still be there: it keeps the kernel
 * from giving a number to another file. */
bool ward_landlock_is_stale(const struct ward_landlock_request *request);

#endif
