/* Names of the kernel's numbers, as people write them. */
#ifndef WARD_LINUX_NAMES_H
#define WARD_LINUX_NAMES_H

/* "TERM" for SIGTERM, "RTMIN+1" for the second real-time signal; NULL when there is no such signal
 * or it is one that libc keeps for itself (32, 33). Static. */
const char *ward_signal_name(int number);

/* The number of "TERM", "SIGTERM", "RTMIN+n", "RTMAX-n" or an alias (CLD, IOT, POLL); -1 when there
 * is none. Case matters. */
int ward_signal_number(const char *name);

/* The highest signal number there is. */
int ward_signal_max(void);

#endif
