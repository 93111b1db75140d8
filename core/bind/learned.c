#include "bind/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/map.h"
#include "linux/procfs.h"
#include "linux/seccomp.h"
#include "loop/handover.h"

/* The keys stand in a file in memory, too, which is kept through a re-exec of the process: a successor does not hear again
 * what has been called. */
struct ward_learned {
	struct ward_map calls; /* architecture and number -> itself */
	int fd;		       /* of that file; -1: nothing was called, or there is none */
	char path[];
};

struct name {
	char text[48];
	uint32_t arch;
};

/* Names the file in memory after what may be a long path (FNV-1a). */
static void
name_file(const char *path, char *out, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	while (*path)
		hash = (hash ^ (unsigned char)*path++) * UINT64_C(0x100000001b3);
	(void)snprintf(out, size, "ward-learned-%016llx", (unsigned long long)hash);
}

/* Adds a key to the file. That it cannot costs a successor what it would have known. */
static void
keep(struct ward_learned *l, uint64_t key)
{
	char name[40];

	if (l->fd < 0) {
		name_file(l->path, name, sizeof(name));
		l->fd = memfd_create(name, MFD_CLOEXEC);
		if (l->fd < 0)
			return;
		ward_handover_add(l->fd);
	}
	(void)!write(l->fd, &key, sizeof(key));
}

/* Takes over what was noted for this path before a re-exec, for whichever plan. */
static void
recall(struct ward_learned *l)
{
	char name[40];
	uint64_t key;

	name_file(l->path, name, sizeof(name));
	for (int fd = -1; (fd = ward_handover_find(name, fd)) >= 0;) {
		for (off_t at = 0; pread(fd, &key, sizeof(key), at) == sizeof(key);
		     at += (off_t)sizeof(key))
			ward_learned_note(l, (uint32_t)(key >> 32), (int)(uint32_t)key);
	}
}

struct ward_learned *
ward_learned_new(const char *path)
{
	size_t size = strlen(path) + 1;
	struct ward_learned *l = calloc(1, sizeof(*l) + size);

	if (!l)
		return NULL;
	memcpy(l->path, path, size);
	l->fd = -1;
	recall(l);
	return l;
}

/* Opens the directory of @path, in which *name is then the file. Where somebody else may write on the way, a link could
 * lead to a directory that only we may write: none is followed. Returns an owned descriptor or -errno. */
static int
open_directory(const char *path, const char **name)
{
	WARD_AUTO_FD int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *end;

	for (path += strspn(path, "/"); fd >= 0 && (end = strchr(path, '/'));
	     path = end + strspn(end, "/")) {
		char *part = strndup(path, (size_t)(end - path));
		struct stat st;
		int next, err;

		if (!part)
			return -ENOMEM;
		next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		err = errno;
		if (next < 0 && fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode))
			err = ELOOP;
		free(part);
		if (next < 0)
			return -err;
		ward_fd_close(&fd);
		fd = next;
	}
	*name = path;
	return fd < 0 ? -errno : ward_fd_steal(&fd);
}

int
ward_learned_check(const char *path)
{
	const char *name;
	WARD_AUTO_FD int dir = open_directory(path, &name);
	struct stat st;

	if (dir < 0)
		return dir;
	if (faccessat(dir, ".", W_OK | X_OK, 0) < 0)
		return -errno;
	if (ward_procfs_is_kernels(dir))
		return -EPERM;
	return fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode) ? -EISDIR : 0;
}

void
ward_learned_free(struct ward_learned *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		ward_handover_close(&l->fd);
	ward_map_free(&l->calls);
	free(l);
}

const char *
ward_learned_path(const struct ward_learned *l)
{
	return l->path;
}

void
ward_learned_note(struct ward_learned *l, uint32_t arch, int nr)
{
	uint64_t key = (uint64_t)arch << 32 | (uint32_t)nr;

	if (!ward_map_get(&l->calls, key) && ward_map_set(&l->calls, key, l) == 0)
		keep(l, key);
}

static int
compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->arch != y->arch ? (x->arch < y->arch ? -1 : 1) : strcmp(x->text, y->text);
}

/* A name that Lua source can hold as a string of the list. */
static bool
is_call(const struct name *n)
{
	return n->arch == ward_seccomp_native() && (n->text[0] < '0' || n->text[0] > '9') &&
	       n->text[0] != '-';
}

static int
print(FILE *f, const struct name *names, size_t n)
{
	int count = 0;

	(void)fputs("-- What a program called while ward watched, for\n"
		    "--   seccomp = { allow = require \"the name of this file\" }\n"
		    "return {\n",
		    f);
	for (size_t i = 0; i < n; i++) {
		if (is_call(&names[i])) {
			(void)fprintf(f, "  \"%s\",\n", names[i].text);
			count++;
		}
	}
	(void)fputs("}\n", f);
	for (size_t i = 0; i < n; i++) {
		if (!is_call(&names[i]))
			(void)fprintf(f, "-- and of %s: %s\n",
				      ward_seccomp_arch_name(names[i].arch), names[i].text);
	}
	return count;
}

static int
write_list(int fd, const struct name *names, size_t n)
{
	FILE *f = fdopen(fd, "w");
	int count, r = 0;

	if (!f) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	count = print(f, names, n);
	if (fchmod(fd, 0644) < 0 || fflush(f) != 0 || ferror(f))
		r = -errno;
	if (fclose(f) != 0 && r == 0)
		r = -errno;
	return r < 0 ? r : count;
}

/* Writes beside the file and renames, so that nobody reads half a list. */
static int
replace(const char *path, const struct name *names, size_t n)
{
	const char *name;
	WARD_AUTO_FD int dir = open_directory(path, &name);
	char beside[NAME_MAX + 1];
	int fd, r;

	if (dir < 0)
		return dir;
	/* Of a name that is as long as can be the end gives way. */
	(void)snprintf(beside, sizeof(beside), "%.*s.%ld", NAME_MAX - 24, name, (long)getpid());
	(void)unlinkat(dir, beside, 0);
	fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_list(fd, names, n);
	if (r >= 0 && renameat(dir, beside, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, beside, 0);
	return r;
}

/* Without these no list is accepted, or nothing ends: also when a signal ended what was watched. */
static void
note_needed(struct ward_learned *l)
{
	static const char *const needed[] = { "execve", "exit", "exit_group", "rt_sigreturn" };

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int nr = ward_seccomp_syscall(needed[i]);

		if (nr >= 0)
			ward_learned_note(l, ward_seccomp_native(), nr);
	}
}

int
ward_learned_write(struct ward_learned *l)
{
	struct name *names;
	size_t n = 0;
	int r;

	if (l->calls.used == 0)
		return 0;
	note_needed(l);
	names = calloc(l->calls.used + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; l->calls.entries && i <= l->calls.mask; i++) {
		const struct ward_map_entry *e = &l->calls.entries[i];

		if (!e->value)
			continue;
		names[n].arch = (uint32_t)(e->key >> 32);
		ward_seccomp_name(names[n].arch, (int)(uint32_t)e->key, names[n].text,
				  sizeof(names[n].text));
		n++;
	}
	qsort(names, n, sizeof(*names), compare);
	r = replace(l->path, names, n);
	free(names);
	return r;
}
