#include "loop/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

#define SIGNALS 65

static const int noise[] = { SIGPIPE, SIGXFSZ,	 SIGXCPU, SIGUSR1,   SIGUSR2, SIGALRM,
			     SIGPROF, SIGVTALRM, SIGPWR,  SIGSTKFLT, SIGIO };

struct ward_signals {
	struct ward_loop *loop;
	struct ward_watch watch;
	int fd;
	bool from_kernel; /* the one that is being told */
	sigset_t handled;
	struct {
		ward_signal_fn *fn;
		void *arg;
	} on[SIGNALS];
};

static void
nothing(int sig)
{
	(void)sig;
}

/* Makes a signal mean nothing to us. Not by SIG_IGN: that each child would have to take back. */
static void
swallow(int sig)
{
	const struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	(void)sigaction(sig, &action, NULL);
}

static void
on_readable(struct ward_watch *w, uint32_t events)
{
	struct ward_signals *s = ward_container_of(w, struct ward_signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	/* One a turn: the watch is level-triggered, and a callback may end everything. */
	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	s->from_kernel = info.ssi_code == SI_KERNEL;
	if (info.ssi_signo < SIGNALS && s->on[info.ssi_signo].fn)
		s->on[info.ssi_signo].fn(s->on[info.ssi_signo].arg, (int)info.ssi_signo);
}

int
ward_signals_new(struct ward_loop *loop, struct ward_signals **out)
{
	struct ward_signals *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	(void)sigemptyset(&s->handled);
	s->fd = signalfd(-1, &s->handled, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0) {
		r = -errno;
		goto fail;
	}
	r = ward_watch_add(loop, &s->watch, s->fd, EPOLLIN, on_readable);
	if (r < 0)
		goto fail;
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		swallow(noise[i]);
	/* A handler would not do for these: a background job could then not write to its terminal. */
	(void)signal(SIGTTOU, SIG_IGN);
	(void)signal(SIGTTIN, SIG_IGN);
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		struct sigaction now;

		/* One that has a handler has a use: the CPU budget of scripts. */
		if (sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			swallow(sig);
	}
	*out = s;
	return 0;

fail:
	ward_fd_close(&s->fd);
	free(s);
	return r;
}

void
ward_signals_free(struct ward_signals *s)
{
	if (!s)
		return;
	ward_watch_del(s->loop, &s->watch);
	ward_fd_close(&s->fd);
	(void)sigprocmask(SIG_UNBLOCK, &s->handled, NULL);
	free(s);
}

void
ward_signals_unblock_rest(struct ward_signals *s)
{
	sigset_t blocked = s->handled;

	(void)sigaddset(&blocked, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &blocked, NULL);
}

bool
ward_signals_from_kernel(const struct ward_signals *s)
{
	return s->from_kernel;
}

int
ward_signals_set(struct ward_signals *s, int sig, ward_signal_fn *fn, void *arg)
{
	sigset_t one, handled = s->handled;

	if (sig < 1 || sig >= SIGNALS || sig == SIGKILL || sig == SIGSTOP)
		return -EINVAL;
	(void)sigemptyset(&one);
	(void)sigaddset(&one, sig);
	(void)(fn ? sigaddset(&handled, sig) : sigdelset(&handled, sig));
	if (signalfd(s->fd, &handled, SFD_NONBLOCK | SFD_CLOEXEC) < 0)
		return -errno;
	(void)sigprocmask(fn ? SIG_BLOCK : SIG_UNBLOCK, &one, NULL);
	s->handled = handled;
	s->on[sig].fn = fn;
	s->on[sig].arg = arg;
	return 0;
}
