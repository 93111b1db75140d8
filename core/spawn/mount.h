/* One mount of a sandbox: what a draft says, what the plan packs, and what the child makes of it. */
#ifndef WARD_SPAWN_MOUNT_H
#define WARD_SPAWN_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ward_fill_kind {
	WARD_FILL_DIR,
	WARD_FILL_LINK,
	WARD_FILL_LIKE, /* a directory or an empty file, as what will be mounted on it */
};

/* What a new file system is to hold: mount points for others, and links. */
struct ward_fill {
	enum ward_fill_kind kind;
	const char *path; /* relative to its root; the directories above it come before it */
	const char *to;	  /* LINK */
	uint32_t mode;	  /* DIR: permissions, whatever the umask says */
	uint32_t like;	  /* LIKE: index of the mount */
};

struct ward_mount {
	const char *type;   /* a file system for fsopen(2); NULL: a bind mount of source */
	const char *source; /* bind: path on the host */
	const char *target; /* absolute, without "." and ".."; "/" is the new root itself */
	uint32_t attr;	    /* MOUNT_ATTR_* to set, for a bind on every mount below it, too */
	bool optional;	    /* bind: left out when there is no source */
	const char *const *options; /* key, value, key, value, NULL, for fsconfig(2) */
	const struct ward_fill *fills;
	uint32_t nfills;
};

/* A line of uid_map or gid_map (user_namespaces(7)). */
struct ward_id_range {
	uint32_t inside, outside, count;
};

#endif
