#include "linux/confined.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct marks {
	int no_new_privs, filters;
	uint64_t bounding;
	unsigned int depth; /* of its pid namespace, below that of /proc */
	uint64_t ids;	    /* how many its user namespace has */
	int mount;	    /* of its namespace and root, the first one's number */
	char user[64];	    /* link to its user namespace; empty where we may not look */
};

static unsigned int
count_words(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text != ' ' && *text != '\t' && *text != '\n' &&
		     (text[1] == ' ' || text[1] == '\t' || text[1] == '\n' || text[1] == '\0');
	return n;
}

/* Calls @each with every line of a file. */
static int
each_line(const char *pid, const char *name, bool (*each)(const char *line, struct marks *m),
	  struct marks *m)
{
	char path[64], *line = NULL;
	size_t size = 0;
	int r = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	errno = 0;
	while (getline(&line, &size, f) > 0 && each(line, m))
		;
	if (ferror(f))
		r = errno ? -errno : -EIO;
	free(line);
	(void)fclose(f);
	return r;
}

static bool
status_line(const char *line, struct marks *m)
{
	(void)sscanf(line, "NoNewPrivs: %d", &m->no_new_privs);
	(void)sscanf(line, "Seccomp_filters: %d", &m->filters);
	(void)sscanf(line, "CapBnd: %" SCNx64, &m->bounding);
	if (strncmp(line, "NSpid:", 6) == 0)
		m->depth = count_words(line + 6);
	return true;
}

static bool
map_line(const char *line, struct marks *m)
{
	uint64_t count = 0;

	if (sscanf(line, "%*u %*u %" SCNu64, &count) == 1)
		m->ids += count;
	return true;
}

static bool
mount_line(const char *line, struct marks *m)
{
	m->mount = atoi(line);
	return false;
}

static int
read_marks(const char *pid, struct marks *m)
{
	char path[64];
	ssize_t n;
	int r;

	*m = (struct marks){ 0 };
	r = each_line(pid, "status", status_line, m);
	if (r == 0)
		r = each_line(pid, "uid_map", map_line, m);
	/* A kernel without user namespaces has no such file; who is gone has no mounts either. */
	if (r == 0 || r == -ENOENT)
		r = each_line(pid, "mountinfo", mount_line, m);
	/* Without user namespaces in the kernel, or the right to look, there is none to compare. */
	(void)snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	n = readlink(path, m->user, sizeof(m->user) - 1);
	m->user[n > 0 ? n : 0] = '\0';
	return r;
}

/* Is it in another mount namespace, or below another root, that is not the one everybody else has? */
static int
has_other_mounts(const struct marks *its, const struct marks *ours)
{
	struct marks first = { 0 };
	int r;

	if (its->mount == ours->mount)
		return 0;
	r = each_line("1", "mountinfo", mount_line, &first);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	return its->mount != first.mount;
}

int
ward_confined(pid_t pid)
{
	struct marks its, ours;
	char number[16];
	int r = read_marks("self", &ours);

	(void)snprintf(number, sizeof(number), "%d", (int)pid);
	if (r == 0)
		r = read_marks(number, &its);
	if (r < 0)
		return r;
	if (its.no_new_privs > ours.no_new_privs || its.filters > ours.filters ||
	    ours.bounding & ~its.bounding || its.depth > ours.depth || its.ids < ours.ids)
		return 1;
	/* One above ours has more ids. */
	if (its.ids == ours.ids && its.user[0] && strcmp(its.user, ours.user) != 0)
		return 1;
	return has_other_mounts(&its, &ours);
}
