/* Executing the running program once more in place: the same process, so that every child stays its child, and the
 * same descriptors of what must outlive it. Everything else is close-on-exec and closes by itself.
 *
 * execve(2) keeps the pid, the parent, the subreaper attribute, limits, the working directory, locks of flock(2),
 * pending and ignored signals and the signal mask. It ends threads and POSIX timers and takes handlers back; a child
 * that has not exec'd yet keeps the memory that it shared with this program for itself. All signals are blocked across
 * it, until ward_signals_unblock_rest: none may meet a program that does not handle it yet.
 *
 * The one module with state of the process: descriptors are the process's, and a signal handler reads it. */
#ifndef WARD_LOOP_HANDOVER_H
#define WARD_LOOP_HANDOVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fd.h"

/* Who is told of: more children from before ward are not told of, and pass for orphans. */
#define WARD_HANDOVER_FOREIGN 1024

/* @fd is to stay open; it must be close-on-exec. Negative numbers are none. What exec reads while this or remove is
 * under way has the descriptor or has it not. Numbers from 2^20 on (more than fs.nr_open allows by default) are not
 * kept. */
void ward_handover_add(int fd);

/* Before @fd is closed. Harmless when it was never added. */
void ward_handover_remove(int fd);

/* Both, as ward_fd_close. */
void ward_handover_close(int *fd);

/* A child that this process had before it was ward: its successor must not take it for an orphan. */
void ward_handover_add_foreign(pid_t pid);
void ward_handover_remove_foreign(pid_t pid);

/* Makes ready for exec: takes the environment as it is now, and the @journal (a path or number, "" for none) that the
 * successor is told of. To be called again when the journal changes. Returns 0 or -errno: ENAMETOOLONG, ENOMEM. */
int ward_handover_arm(const char *journal);

bool ward_handover_armed(void);

/* The descriptor of that journal, added already, or -1 for none any more: where its file has lost its name, the
 * successor is told of the descriptor instead, as a path below /proc/self/fd. */
void ward_handover_journal(int fd);

/* Executes the program again, with the arguments that it had; @reason is a short word, @detail what there is to say (255 bytes of it). For "upgrade" it is the file that now
 * has the name under which the program was started, else the very same program, also when its file is gone. Async-signal-safe,
 * for the thread that runs main alone. Returns only when that fails: -errno, one line on stderr, and everything as
 * before. EINVAL: not armed, or begin was not called. */
int ward_handover_exec(const char *reason, const char *detail);

/* First of all in main: finds out whether the process executed itself. If so, what it kept is made close-on-exec and
 * waits to be taken, and the variable that told of it is gone from the environment. @argv is borrowed for good. Fills
 * *inherited with the descriptors that the process was first started with and that are open. */
void ward_handover_begin(char **argv, struct ward_fdset *inherited);

/* What the program that this process was before says of itself: what exec and arm were called with. */
struct ward_predecessor {
	char reason[32];
	char detail[256];
	char journal[4096]; /* PATH_MAX */
};

/* NULL when the process has not executed itself. Valid for good. */
const struct ward_predecessor *ward_handover_predecessor(void);

/* Is it a successor that has not adopted everything yet? */
bool ward_handover_pending(void);

/* Was @pid told of as foreign? */
bool ward_handover_is_foreign(pid_t pid);

/* Does the descriptor wait to be taken? Then take gives it to the caller, who closes it; it is added already. */
bool ward_handover_has(int fd);
void ward_handover_take(int fd);

/* The first file in memory (memfd_create(2)) above descriptor @after that has this name, at most 40 bytes, and waits to be
 * taken, or -1. */
int ward_handover_find(const char *name, int after);

/* Closes what nobody took. */
void ward_handover_end(void);

#endif
