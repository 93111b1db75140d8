/* A launch: one attempt to start a plan. It owns the stack, the report pipe and the record that the
 * child writes; the pidfd moves to the process table.
 *
 * Clone mode "shared": CLONE_VM | CLONE_PIDFD without CLONE_VFORK. The parent goes on at once; the
 * child runs in the parent's memory on a guarded stack of its own until it execs or dies. Both show as
 * end-of-file on the report pipe, and by then the child has left the shared memory. */
#ifndef WARD_SPAWN_LAUNCH_H
#define WARD_SPAWN_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "spawn/plan.h"

struct ward_launcher;
struct ward_launch;

/* What launches share: stacks kept for reuse, and what must be reset in children. Call it after the
 * supervisor has set its own signal dispositions. *out is owned. Returns 0 or -errno. */
int ward_launcher_new(struct ward_launcher **out);

/* Every launch must have been freed. NULL is allowed. */
void ward_launcher_free(struct ward_launcher *l);

/* Clones a child that walks the plan. @slots: WARD_SLOTS descriptors, those in plan->slots valid, borrowed until this
 * returns; WARD_SLOT_CGROUP is the group that the child is born in, or -1 for ours.
 * On success *out is owned by the caller until ward_launch_free; the plan is borrowed as long.
 * On failure returns -errno with a sentence in *err, and no process exists. */
int ward_launch_start(struct ward_launcher *l, const struct ward_plan *plan, const int *slots,
		      struct ward_launch **out, struct ward_err *err);

pid_t ward_launch_pid(const struct ward_launch *launch);

/* Moves the pidfd to the caller. */
int ward_launch_take_pidfd(struct ward_launch *launch);

/* Moves our end of the socket on which an init tells the wait status of its program, an int, to the
 * caller; -1 when the plan has none. Not blocking. */
int ward_launch_take_status(struct ward_launch *launch);

/* The read end of the report pipe, borrowed: readable (end-of-file) once the child has exec'd or
 * died. No byte is ever written to it, but for the message that brings a listener. */
int ward_launch_report_fd(const struct ward_launch *launch);

/* Has the child left our memory in execve, or by a signal that ended it there? Costs no system call; false may also mean that
 * this is not known. From true on the launch may be freed; end-of-file comes a moment later. */
bool ward_launch_execed(const struct ward_launch *launch);

/* Takes the listener of a plan that learns off its @report pipe, when that is readable. Returns an owned CLOEXEC
 * descriptor, or -errno: ENODATA (the pipe is at its end), EAGAIN, EPROTO (a message without one). */
int ward_launch_take_listener(int report);

/* The stage that the child is in or ended in. */
int ward_launch_stage(const struct ward_launch *launch);

/* Did a step fail? Then fills *err with stage, errno and sentence. Meaningful after end-of-file. */
bool ward_launch_failed(const struct ward_launch *launch, struct ward_err *err);

/* Fills *err for the soft step that was the @i-th to fail, from 0; false behind the last. Meaningful after
 * end-of-file. */
bool ward_launch_missed(const struct ward_launch *launch, uint32_t i, struct ward_err *err);

/* Fills *out for a failure that the child could not report itself: @err is an errno or 0, @why the
 * end of the sentence; the stage is the one it was in. */
void ward_launch_blame(const struct ward_launch *launch, int err, const char *why,
		       struct ward_err *out);

/* Ends the launch. Only after end-of-file on the report pipe, after ward_launch_execed or after the child's end: until
 * then the child runs on this memory. */
void ward_launch_free(struct ward_launcher *l, struct ward_launch *launch);

#endif
