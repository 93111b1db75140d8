/* Part of child_noheap.c: the steps that build the child's view of the file system.
 *
 * Each mount is made detached while the host is in sight, is filled and gets its attributes, and then
 * finds its place below the root that the program will have: a symbolic link there leads nowhere else.
 * Links that others may change are not followed, neither to a source nor to a place: a service could lay one where
 * its directory was, and have its own files mounted over those of root, or see what root hides. */
#ifndef WARD_SPAWN_CHILD_MOUNT_H
#define WARD_SPAWN_CHILD_MOUNT_H

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

#include "linux/sys_mount.h"
#include "linux/walk.h"
#include "spawn/child_noheap.h"
#include "spawn/child_outcome.h"

static struct outcome
make_private(void)
{
	const struct mount_attr attr = { .propagation = MS_PRIVATE };

	return result(ward_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)), 0);
}

/* A new file system; read-only comes later, when it is filled. */
static long
make_fs(const struct ward_mount *m)
{
	const unsigned int attr = m->attr & ~(uint32_t)MOUNT_ATTR_RDONLY;
	long fd = ward_sys_fsopen(m->type, FSOPEN_CLOEXEC), r = 0;

	if (fd < 0)
		return fd;
	for (const char *const *o = m->options; *o && r >= 0; o += 2)
		r = ward_sys_fsconfig((int)fd, FSCONFIG_SET_STRING, o[0], o[1]);
	if (r >= 0)
		r = ward_sys_fsconfig((int)fd, FSCONFIG_CMD_CREATE, NULL, NULL);
	if (r >= 0)
		r = ward_sys_fsmount((int)fd, FSMOUNT_CLOEXEC, attr);
	(void)ward_sys_close((int)fd);
	return r;
}

static long
clone_tree(const char *source, uint32_t root)
{
	const struct ward_walk walk = { root, true };
	long fd = ward_walk_open(&walk, source, O_PATH | O_CLOEXEC, 0), r;

	if (fd < 0)
		return fd;
	r = ward_sys_open_tree((int)fd, "",
			       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	(void)ward_sys_close((int)fd);
	return r;
}

static struct outcome
make_mount(struct ward_child *c, int slot, const struct ward_mount *m, uint32_t root)
{
	long r = m->type ? make_fs(m) : clone_tree(m->source, root);

	if (r >= 0)
		c->work[slot] = (int32_t)r;
	return result(r, slot);
}

static long
create_file(int dir, const char *path)
{
	long r = ward_sys_openat(dir, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	return r < 0 ? r : ward_sys_close((int)r);
}

/* @like: what is to be mounted there */
static struct outcome
fill_mount(int dir, const struct ward_fill *f, int like)
{
	struct statx st;
	long r;

	switch (f->kind) {
	case WARD_FILL_LINK:
		return result(ward_sys_symlinkat(f->to, dir, f->path), 0);
	case WARD_FILL_LIKE:
		if (like < 0) /* left out */
			return done;
		r = ward_sys_statx(like, "", AT_EMPTY_PATH, STATX_TYPE, &st);
		if (r < 0)
			return result(r, 0);
		if ((st.stx_mode & S_IFMT) != S_IFDIR)
			return result(create_file(dir, f->path), 0);
		break;
	case WARD_FILL_DIR:
		break;
	}
	r = ward_sys_mkdirat(dir, f->path, f->mode);
	if (r == -EEXIST)
		return done;
	return result(r < 0 ? r : ward_sys_fchmodat(dir, f->path, f->mode), 0);
}

static struct outcome
set_attributes(int mount, const struct ward_step *s)
{
	const struct mount_attr attr = { .attr_set = (uint32_t)s->b };
	unsigned int flags = s->n ? AT_RECURSIVE : 0;

	return result(mount < 0 ? ward_sys_mount_setattr(AT_FDCWD, "/", flags, &attr, sizeof(attr))
				: ward_sys_mount_setattr(mount, "", flags | AT_EMPTY_PATH, &attr,
							 sizeof(attr)),
		      0);
}

/* The new root is mounted over the old one and trades places with it; then the old one, which lies on
 * top, goes, with everything below it. */
static struct outcome
pivot(int root)
{
	long r = ward_sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);

	if (r >= 0)
		r = ward_sys_fchdir(root);
	if (r >= 0)
		r = ward_sys_pivot_root(".", ".");
	if (r >= 0)
		r = ward_sys_umount2(".", WARD_MNT_DETACH);
	return result(r < 0 ? r : ward_sys_chdir("/"), 0);
}

/* Links of /proc lead anywhere: a place is never behind one. */
static struct outcome
place_mount(int32_t *mount, const char *path, uint32_t root)
{
	const struct ward_walk walk = { root, false };
	long target = ward_walk_open(&walk, path, O_PATH | O_CLOEXEC, 0), r;

	if (target < 0)
		return result(target, 0);
	r = ward_sys_move_mount(*mount, "", (int)target, "",
				MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	(void)ward_sys_close((int)target);
	(void)ward_sys_close(*mount);
	*mount = -1;
	return result(r, 0);
}

static struct outcome
take_mount_step(struct ward_child *c, const struct ward_step *s)
{
	int32_t mount = s->a < 0 ? -1 : c->work[s->a];

	/* A mount that was left out has no more steps. */
	if (mount < 0 && s->a >= 0 && s->stage != WARD_STAGE_MOUNT_MAKE)
		return done;
	switch ((enum ward_stage)s->stage) {
	case WARD_STAGE_PRIVATE:
		return make_private();
	case WARD_STAGE_MOUNT_MAKE:
		return make_mount(c, s->a, s->p, s->n);
	case WARD_STAGE_MOUNT_FILL:
		return fill_mount(mount, s->p, s->b < 0 ? -1 : c->work[s->b]);
	case WARD_STAGE_MOUNT_ATTR:
		return set_attributes(mount, s);
	case WARD_STAGE_PIVOT:
		return pivot(mount);
	default:
		return place_mount(&c->work[s->a], s->p, s->n);
	}
}

#endif
