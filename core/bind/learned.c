#include "bind/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "linux/seccomp.h"

struct ward_learned {
	struct ward_map calls; /* architecture and number -> itself */
	char path[];
};

struct name {
	char text[48];
	uint32_t arch;
};

struct ward_learned *
ward_learned_new(const char *path)
{
	size_t size = strlen(path) + 1;
	struct ward_learned *l = calloc(1, sizeof(*l) + size);

	if (l)
		memcpy(l->path, path, size);
	return l;
}

int
ward_learned_check(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	struct stat st;
	int r = 0;

	if (!dir)
		return -ENOMEM;
	if (access(dir, W_OK | X_OK) < 0)
		r = -errno;
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	free(dir);
	return r;
}

void
ward_learned_free(struct ward_learned *l)
{
	if (!l)
		return;
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

	if (!ward_map_get(&l->calls, key))
		(void)ward_map_set(&l->calls, key, l);
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

/* Writes beside the file and renames, so that nobody reads half a list. */
static int
replace(const char *path, const struct name *names, size_t n)
{
	size_t size = strlen(path) + sizeof(".XXXXXX");
	char *beside = malloc(size);
	int fd, count = 0, r = 0;
	FILE *f;

	if (!beside)
		return -ENOMEM;
	(void)snprintf(beside, size, "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		free(beside);
		return r;
	}
	f = fdopen(fd, "w");
	if (!f) {
		r = -errno;
		(void)close(fd);
	} else {
		count = print(f, names, n);
		if (fchmod(fd, 0644) < 0 || fflush(f) != 0 || ferror(f))
			r = -errno;
		if (fclose(f) != 0 && r == 0)
			r = -errno;
	}
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(beside);
	free(beside);
	return r < 0 ? r : count;
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
