/* The one loop: libuv for time, and one epoll set around it for every descriptor that ward watches.
 *
 * Descriptors do not go through uv_poll: libuv 1.44 aborts the process when an epoll_ctl fails
 * inside uv_run, takes five system calls to watch a descriptor where one does, and frees handles
 * only in a later turn. Here a failed watch is a plain error and a watch can be embedded, deleted
 * and freed at any moment, also from another watch's callback in the same turn. */
#ifndef WARD_LOOP_LOOP_H
#define WARD_LOOP_LOOP_H

#include <stdint.h>

struct ward_loop;
struct ward_watch;

/* @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll_wait(2) reports them. */
typedef void ward_watch_fn(struct ward_watch *w, uint32_t events);

/* Embedded in its owner, which a callback finds with ward_container_of. Zeroed: not watching. */
struct ward_watch {
	ward_watch_fn *ready;
	int fd; /* borrowed: delete the watch before the fd is closed */
	uint32_t events;
};

#define ward_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

/* Makes a loop; *out is owned, ended by ward_loop_free. Returns 0 or -errno. */
int ward_loop_new(struct ward_loop **out);

/* Frees the loop; every watch, timer and signal must be gone. NULL is allowed. */
void ward_loop_free(struct ward_loop *loop);

/* Runs callbacks until ward_loop_stop; returns at the end of the turn that stopped it. */
void ward_loop_run(struct ward_loop *loop);
void ward_loop_stop(struct ward_loop *loop);

/* Watches @fd, level-triggered, for @events (may be 0: hang-up and errors only).
 * Returns 0 or -errno (epoll_ctl(2): EPERM for regular files, ENOSPC, ENOMEM); *w is untouched on
 * failure. */
int ward_watch_add(struct ward_loop *loop, struct ward_watch *w, int fd, uint32_t events,
		   ward_watch_fn *ready);

/* Changes the events of an active watch. Returns 0 or -errno. */
int ward_watch_mod(struct ward_loop *loop, struct ward_watch *w, uint32_t events);

/* Stops watching; no callback comes after it. Harmless when not watching. */
void ward_watch_del(struct ward_loop *loop, struct ward_watch *w);

/* A one-shot timer. */
struct ward_timer;
typedef void ward_timer_fn(void *arg);

/* Returns an owned, disarmed timer, or NULL when memory ran out. */
struct ward_timer *ward_timer_new(struct ward_loop *loop, ward_timer_fn *fn, void *arg);

/* Fires once when CLOCK_MONOTONIC has reached @at_ns, never before; replaces what was armed. */
void ward_timer_arm(struct ward_timer *t, uint64_t at_ns);
void ward_timer_disarm(struct ward_timer *t);

/* Disarms and frees; allowed in its own callback. NULL is allowed. */
void ward_timer_free(struct ward_timer *t);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t ward_now_ns(void);

#endif
