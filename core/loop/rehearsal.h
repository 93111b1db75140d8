/* What a supervisor does before it executes itself again (loop/handover.h), after which there is no way back. */
#ifndef WARD_LOOP_REHEARSAL_H
#define WARD_LOOP_REHEARSAL_H

#include <stdbool.h>

/* Can a successor load its Lua library, which may be half installed? Executes @file as `@name rehearse` with @envp, in a
 * process of its own, and waits up to 5 s for its exit status. One that cannot be had, or does not even begin, is no
 * answer: true, too. Async-signal-safe; all signals are to be blocked. */
bool ward_rehearse(const char *file, char *name, char *const *envp);

#endif
