/* Part of child_noheap.c: the steps that put descriptors where the program will look for them. */
#ifndef WARD_SPAWN_CHILD_FD_H
#define WARD_SPAWN_CHILD_FD_H

#include <asm/errno.h>
#include <linux/fcntl.h>

#include "linux/sys.h"
#include "linux/walk.h"
#include "spawn/child_noheap.h"
#include "spawn/child_outcome.h"

/* Moves every source, and the report pipe, above the highest target: after this no dup3 can land on
 * a descriptor that is still needed, whatever the permutation. A source that is its own target stays:
 * no other has that target. */
static struct outcome
lift(struct ward_child *c, const int32_t *targets)
{
	long r;

	for (uint32_t i = 0; i < c->nwork; i++) {
		if (c->work[i] < 0 || c->work[i] > c->highest || c->work[i] == targets[i])
			continue;
		r = ward_sys_fcntl(c->work[i], F_DUPFD_CLOEXEC, c->highest + 1);
		if (r < 0)
			return result(r, (int)i);
		c->work[i] = (int32_t)r;
	}
	if (c->report <= c->highest) {
		r = ward_sys_fcntl(c->report, F_DUPFD_CLOEXEC, c->highest + 1);
		if (r < 0)
			return result(r, -1);
		c->report = (int32_t)r;
	}
	return done;
}

static struct outcome
place(int source, int target)
{
	return result(source == target ? ward_sys_fcntl(target, F_SETFD, 0)
				       : ward_sys_dup3(source, target, 0),
		      target);
}

/* As ward's user, who may open more than the program: no link that others may change leads him elsewhere. */
static struct outcome
open_path(struct ward_child *c, const struct ward_step *s)
{
	const struct ward_walk walk = { s->n, true };
	long r = ward_walk_open(&walk, s->p, s->b | O_CLOEXEC | O_NOCTTY, 0666);

	if (r >= 0)
		c->work[s->a] = (int32_t)r;
	return result(r, s->a);
}

static struct outcome
clear_nonblock(int fd)
{
	long flags = ward_sys_fcntl(fd, F_GETFL, 0);

	if (flags < 0)
		return result(flags, fd);
	if (!(flags & O_NONBLOCK))
		return done;
	return result(ward_sys_fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), fd);
}

/* The number that a name is, or -1. */
static long
number_of(const char *name)
{
	long n = 0;

	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return -1;
		n = 10 * n + (*name - '0');
	}
	return n;
}

/* Before Linux 5.9, or where a filter knows no close_range: /proc lists what is open. Closing while it is read is no
 * harm: it goes on behind the number that it said last. */
static struct outcome
close_listed(uint32_t first, uint32_t last)
{
	struct record {
		uint64_t ino;
		int64_t off;
		uint16_t length;
		uint8_t type;
		char name[];
	};
	_Alignas(struct record) char list[1024];
	long dir = ward_sys_openat(AT_FDCWD, "/proc/self/fd", O_DIRECTORY | O_CLOEXEC, 0), n;

	if (dir < 0)
		return result(dir, (int)first);
	while ((n = ward_sys_getdents64((int)dir, list, sizeof(list))) > 0) {
		const struct record *r;

		for (long at = 0; at < n; at += r->length) {
			long fd;

			r = (const void *)(list + at);
			fd = number_of(r->name);
			if (fd >= first && fd <= last && fd != dir)
				(void)ward_sys_close((int)fd);
		}
	}
	(void)ward_sys_close((int)dir);
	return result(n, (int)first);
}

static struct outcome
close_gap(uint32_t first, uint32_t last)
{
	long r;

	if (first > last)
		return done;
	r = ward_sys_close_range(first, last, 0);
	return r == -ENOSYS ? close_listed(first, last) : result(r, (int)first);
}

/* Leaves open the targets, given in rising order, and what is needed until execve closes it, which
 * lift() has put above them. */
static struct outcome
close_others(const struct ward_child *c, const int32_t *keep, uint32_t n)
{
	int32_t high[WARD_KEPT + 1] = { c->report };
	uint32_t nhigh = 1, next = 0;

	for (int i = 0; i < WARD_KEPT; i++) {
		int32_t fd = c->kept[i] < 0 ? -1 : c->work[c->kept[i]];
		uint32_t at = nhigh;

		if (fd < 0)
			continue;
		for (; at > 0 && high[at - 1] > fd; at--)
			high[at] = high[at - 1];
		high[at] = fd;
		nhigh++;
	}
	for (uint32_t i = 0; i < n + nhigh; i++) {
		uint32_t fd = (uint32_t)(i < n ? keep[i] : high[i - n]);
		struct outcome o = fd > next ? close_gap(next, fd - 1) : done;

		if (o.err)
			return o;
		next = fd + 1;
	}
	return close_gap(next, ~0u);
}

static struct outcome
take_fd_step(struct ward_child *c, const struct ward_step *s)
{
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_FD_OPEN:
		return open_path(c, s);
	case WARD_STAGE_FD_LIFT:
		return lift(c, s->p);
	case WARD_STAGE_FD_MOVE:
		return place(c->work[s->a], s->b);
	case WARD_STAGE_FD_BLOCK:
		return clear_nonblock(s->a);
	default:
		return close_others(c, s->p, s->n);
	}
}

#endif
