/* The text that handover.c leaves to a successor. Each function writes at @at, which has room, and returns where the next one goes
 * on; none ends the text. Async-signal-safe. */
#ifndef WARD_LOOP_HANDOVER_TEXT_H
#define WARD_LOOP_HANDOVER_TEXT_H

#include <stddef.h>

#include "base/fd.h"

char *ward_text_append(char *at, const char *text, size_t n);
char *ward_text_number(char *at, unsigned int n, unsigned int base);

/* Byte by byte, as the words lie in memory: written and read by the same machine. */
char *ward_text_set(char *at, const struct ward_fdset *set);

/* With its length in front; cut to @most - 1 bytes. */
char *ward_text_sized(char *at, const char *text, size_t most);

#endif
