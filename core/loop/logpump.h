/* A service's log: one pipe that outlives every restart of the service, and the file that its bytes
 * go to, unchanged. A byte leaves the pipe only when the file has taken it or this process holds it
 * for a file that is full: nothing is dropped.
 *
 * Children get the pipe opened read-write, so that they never see SIGPIPE and the pipe keeps its
 * bytes while no supervisor reads it. */
#ifndef WARD_LOOP_LOGPUMP_H
#define WARD_LOOP_LOGPUMP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "loop/loop.h"

struct ward_log;
struct ward_log_terminal;

/* Told of each complete line (without its newline), and of unfinished ones when they grow past 8 KiB or the
 * service has ended; for the console. */
typedef void ward_log_line_fn(void *arg, const char *line, size_t n);

/* Opens (O_APPEND, created 0640) the file at @path and makes the pipe. @line may be NULL. *out is
 * owned. Returns 0, or -errno with a sentence in *err. */
int ward_log_new(struct ward_loop *loop, const char *path, ward_log_line_fn *line, void *arg,
		 struct ward_log **out, struct ward_err *err);

/* The ends of the pipe of a log, which are kept through a re-exec (loop/handover.h). */
struct ward_log_kept {
	int reader, writer;
};

/* The same for a log that is there already: moved on success. What a full file did not take comes along. */
int ward_log_adopt(struct ward_loop *loop, const char *path, const struct ward_log_kept *kept,
		   ward_log_line_fn *line, void *arg, struct ward_log **out, struct ward_err *err);

/* Borrowed. */
struct ward_log_kept ward_log_kept(const struct ward_log *log);

/* The @i-th terminal of the log that is open, from 0: its ends, the second -1 when its child has ended; NULL behind the
 * last. */
struct ward_log_terminal *ward_log_terminal_at(const struct ward_log *log, int i, int *master,
					       int *other);

/* Its end that is not the child's, or -1 when nobody has it open any more. */
int ward_log_terminal_master(const struct ward_log_terminal *t);

/* The end that children write to; borrowed. */
int ward_log_writer(const struct ward_log *log);

/* Also takes what comes out of a child's terminal; each child has one of its own. Both its ends are moved to the log on
 * success: @other (-1: its child has ended) is kept until ward_log_end_terminal, because a child that has the terminal, but no descriptor of it,
 * would else be hung up. *out is borrowed until ward_log_end_terminal or ward_log_free. Returns 0 or -errno. */
int ward_log_add_terminal(struct ward_log *log, int master, int other,
			  struct ward_log_terminal **out);

/* The child of the terminal has ended, or was never born: it closes when nobody has it open any more. */
void ward_log_end_terminal(struct ward_log_terminal *t);

/* Takes what is in the pipe (and the terminals) now, as much as was there at the call. Returns true when everything
 * taken is in the file. */
bool ward_log_drain(struct ward_log *log);

/* Drains, closes and frees. What a full file has not taken by then is lost, and said on stderr. NULL is allowed. */
void ward_log_free(struct ward_log *log);

#endif
