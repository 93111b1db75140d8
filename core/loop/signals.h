/* Signals as events of the loop, through a signalfd: no handler of ours ever runs, so none can run
 * in a child that shares our memory. */
#ifndef WARD_LOOP_SIGNALS_H
#define WARD_LOOP_SIGNALS_H

#include <stdbool.h>

#include "loop/loop.h"

struct ward_signals;
typedef void ward_signal_fn(void *arg, int sig);

/* *out is owned. Returns 0 or -errno. From here on the process ignores the signals that
 * would end or stop it for no good reason: SIGPIPE and SIGXFSZ (writes fail instead), SIGTTOU and SIGTTIN
 * (a background job of a shell), SIGUSR1 and other noise. */
int ward_signals_new(struct ward_loop *loop, struct ward_signals **out);

/* Unblocks every signal but those that are handled, and SIGCHLD, which others do: what a re-exec has blocked
 * (loop/handover.h), once all that should be handled is. */
void ward_signals_unblock_rest(struct ward_signals *s);

/* Unblocks what was blocked. NULL is allowed. */
void ward_signals_free(struct ward_signals *s);

/* Blocks @sig (1..64, not KILL or STOP) in this thread and calls @fn for it; replaces an earlier
 * callback; @fn NULL goes back to the disposition as it was found. Returns 0 or -errno. */
int ward_signals_set(struct ward_signals *s, int sig, ward_signal_fn *fn, void *arg);

/* Within a callback: was its signal sent by the kernel, as by a terminal to its whole foreground group? */
bool ward_signals_from_kernel(const struct ward_signals *s);

#endif
