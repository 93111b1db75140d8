/* Process trees, as /proc tells of them. A tree can change while it is read: what is said here is done for everybody who
 * was there at the call, and for nobody else. */
#ifndef WARD_LINUX_TREE_H
#define WARD_LINUX_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* A larger tree is not seen whole; its rest falls to the subreaper as orphans. */
#define WARD_TREE_MAX 1024

/* Sends SIGKILL to @root, a child of @parent, and to its descendants; nothing when @root has another parent. */
void ward_tree_kill(pid_t root, pid_t parent);

/* Writes oom_score_adj of @root and, with @below, of its present descendants (proc(5)); then @root, as their init, may
 * be closed to us. Returns 0 or -errno, of @root when that fails. */
int ward_tree_set_oom(pid_t root, bool below, int value);

/* The descendants of a process, held by pidfd. */
struct ward_tree_hold;

/* Adds the present descendants of @root to *hold (NULL: a new one, owned). What cannot be held for want of memory or
 * descriptors is left out. */
void ward_tree_hold(struct ward_tree_hold **hold, pid_t root);

/* Ends *hold and sets it to NULL; with @kill, SIGKILL to those that live, and to their descendants. */
void ward_tree_hold_end(struct ward_tree_hold **hold, bool kill);

#endif
