#include "linux/tree.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "linux/pidfd.h"
#include "linux/procfs.h"

/* Looks for new descendants before giving up on one that forks faster than we stop it. */
#define LOOKS_MAX 16

/* Descriptors that one hold may take. */
#define HOLD_MAX 128

static void
signal_pid(pid_t pid, pid_t parent, int sig)
{
	struct ward_procstat st;
	WARD_AUTO_FD int fd = ward_pidfd_open(pid);

	/* The number may have changed hands between the list and the pidfd: the parent tells. */
	if (fd >= 0 && ward_procfs_stat(pid, &st) == 0 && st.ppid == parent)
		(void)ward_pidfd_signal(fd, sig);
}

struct tree {
	pid_t pid[WARD_TREE_MAX], parent[WARD_TREE_MAX];
	size_t n;
};

/* Lists @root and its descendants, parents before children. */
static void
list_tree(struct tree *t, pid_t root, pid_t parent)
{
	t->pid[0] = root;
	t->parent[0] = parent;
	t->n = 1;
	for (size_t i = 0; i < t->n && t->n < WARD_TREE_MAX; i++) {
		int k = ward_procfs_children(t->pid[i], t->pid + t->n, WARD_TREE_MAX - t->n);

		for (int c = 0; c < k && t->n < WARD_TREE_MAX; c++)
			t->parent[t->n++] = t->pid[i];
	}
}

/* All are stopped first, until a look finds nobody new: who is stopped neither forks nor notices that its children
 * die. Then the deepest go first, so that nobody is handed to another parent before it was killed. */
void
ward_tree_kill(pid_t root, pid_t parent)
{
	struct tree t, next;

	list_tree(&t, root, parent);
	for (int look = 0; look < LOOKS_MAX; look++) {
		for (size_t i = 0; i < t.n; i++)
			signal_pid(t.pid[i], t.parent[i], SIGSTOP);
		list_tree(&next, root, parent);
		if (next.n == t.n && memcmp(next.pid, t.pid, t.n * sizeof(t.pid[0])) == 0)
			break;
		t = next;
	}
	for (size_t i = t.n; i-- > 0;)
		signal_pid(t.pid[i], t.parent[i], SIGKILL);
}

int
ward_tree_set_oom(pid_t root, bool below, int value)
{
	struct tree t;
	int r = ward_procfs_set_oom_score_adj(root, value);

	/* An init that nobody may look into is written to by root alone. The memory is that of what is below it. */
	if (r == -EACCES && below)
		r = 0;
	if (r < 0 || !below)
		return r;
	list_tree(&t, root, 0);
	for (size_t i = 1; i < t.n && r == 0; i++) {
		r = ward_procfs_set_oom_score_adj(t.pid[i], value);
		if (r == -ENOENT || r == -ESRCH) /* it has ended */
			r = 0;
	}
	return r;
}

struct ward_tree_hold {
	size_t n;
	struct {
		pid_t pid;
		int fd;
	} held[HOLD_MAX];
};

static bool
holds(const struct ward_tree_hold *h, pid_t pid)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->held[i].pid == pid)
			return true;
	}
	return false;
}

void
ward_tree_hold(struct ward_tree_hold **hold, pid_t root)
{
	struct tree t;

	list_tree(&t, root, 0);
	if (t.n == 1)
		return;
	if (!*hold)
		*hold = calloc(1, sizeof(**hold));
	for (size_t i = 1; *hold && i < t.n && (*hold)->n < HOLD_MAX; i++) {
		struct ward_procstat st;
		WARD_AUTO_FD int fd = -1;

		if (holds(*hold, t.pid[i]))
			continue;
		fd = ward_pidfd_open(t.pid[i]);
		if (fd < 0 || ward_procfs_stat(t.pid[i], &st) < 0 || st.ppid != t.parent[i])
			continue;
		(*hold)->held[(*hold)->n].pid = t.pid[i];
		(*hold)->held[(*hold)->n++].fd = ward_fd_steal(&fd);
	}
}

void
ward_tree_hold_end(struct ward_tree_hold **hold, bool kill)
{
	struct ward_tree_hold *h = *hold;

	for (size_t i = 0; h && i < h->n; i++) {
		struct ward_procstat st;

		/* The pidfd says that the number is still this process's. */
		if (kill && ward_pidfd_signal(h->held[i].fd, 0) == 0 &&
		    ward_procfs_stat(h->held[i].pid, &st) == 0)
			ward_tree_kill(h->held[i].pid, st.ppid);
		ward_fd_close(&h->held[i].fd);
	}
	free(h);
	*hold = NULL;
}
