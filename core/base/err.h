/* An error that crosses a step: which stage failed, with which errno, and a sentence for people.
 * Fixed size, never allocated, so that it can be filled where memory has run out. */
#ifndef WARD_BASE_ERR_H
#define WARD_BASE_ERR_H

struct ward_err {
	int stage;	  /* enum ward_stage (spawn/stage.h); 0 when no launch step was involved */
	int err;	  /* errno, positive; 0 when the fault is not a system call's */
	char detail[240]; /* NUL-terminated sentence without a newline; cut when it is longer */
};

/* Fills *e. @err is positive or 0; @fmt as in printf(3). Returns -err, or -EINVAL when err is 0, so
 * that a function can end with `return ward_err_set(...)`. */
int ward_err_set(struct ward_err *e, int stage, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
